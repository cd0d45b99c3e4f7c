#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <string>

#include "tests/fuzz/target.h"

// libFuzzer's way in, for one target. What one input costs is measured here: its own processor time and its own memory, so that neither a
// busy machine nor the sanitizer's own needs are taken for the input's.

extern "C" {
int __sanitizer_install_malloc_and_free_hooks(void (*taken)(const volatile void*, std::size_t),
                                              void (*given)(const volatile void*));
std::size_t __sanitizer_get_allocated_size(const volatile void*);
}

namespace nelson::fuzz {
namespace {

constexpr double kMostSeconds = 1;
constexpr std::int64_t kMostBytes = std::int64_t{64} << 20;

std::atomic<std::int64_t> g_held{0};  // may go below zero: what an earlier input left is given back in a later one
std::atomic<std::int64_t> g_peak{0};

struct Worst {
  double seconds = 0;
  std::int64_t bytes = 0;
} g_worst;

void taken(const volatile void*, std::size_t size) {
  const std::int64_t held = g_held += static_cast<std::int64_t>(size);
  if (held > g_peak) g_peak = held;
}
void given(const volatile void* block) {
  if (block != nullptr) g_held -= static_cast<std::int64_t>(__sanitizer_get_allocated_size(block));
}

double processor_seconds() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

[[noreturn]] void finding(const std::string& what) {
  std::fprintf(stderr, "nelson finding: %s\n", what.c_str());
  std::abort();
}

void tell_worst() {
  std::fprintf(stderr, "nelson worst: %.1f ms, %.2f MiB\n", g_worst.seconds * 1e3, static_cast<double>(g_worst.bytes) / (1 << 20));
}

void run(std::string_view input) {
  static const Target target = NELSON_FUZZ_TARGET();
  static const bool prepared = (target.run(""), true);  // what is made once is nobody's cost
  static_cast<void>(prepared);
  g_held = 0;
  g_peak = 0;
  const double begin = processor_seconds();
  try {
    target.run(input);
  } catch (const Violation& violation) {
    finding(violation.what());
  } catch (const std::exception& exception) {
    finding(std::string("an exception came out: ") + exception.what());
  }
  const double seconds = processor_seconds() - begin;
  if (seconds > g_worst.seconds) g_worst.seconds = seconds;
  if (g_peak > g_worst.bytes) g_worst.bytes = g_peak;
  if (seconds > kMostSeconds) finding("took " + std::to_string(seconds) + " s");
  if (g_peak > kMostBytes) finding("needed " + std::to_string(g_peak) + " bytes");
}

}  // namespace
}  // namespace nelson::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  __sanitizer_install_malloc_and_free_hooks(nelson::fuzz::taken, nelson::fuzz::given);
  std::atexit(nelson::fuzz::tell_worst);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  nelson::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
