#pragma once

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/faults/shim/control.h"

namespace nelson::faults {

/// What the shim is to do, and where.
struct Rule {
  Deed deed = Deed::kNone;
  std::uint32_t calls = kAll;
  int error = EIO;
  std::uint64_t nth = 1;
  std::string part = "";  // what the path contains
  std::uint32_t roles = kRun;
};

/// One call that the shim saw, as its log tells it.
struct Call {
  std::int64_t at = 0;  // nanoseconds of the monotonic clock, when it was over
  long pid = 0;
  std::string role, name;
  std::uint32_t calls = 0;
  std::string outcome;  // ok, failed (by itself), made-to-fail, cut-short, killed-before, killed-after
  int error = 0;
  std::string path;

  [[nodiscard]] bool tampered() const { return outcome != "ok" && outcome != "failed"; }
  [[nodiscard]] std::string text() const;
};

/// Whether the rule, without its number, speaks of that call.
bool matches(const Rule& rule, const Call& call);

/// The preloaded shim, from outside. One a world; it outlives the processes it is under.
class Shim {
 public:
  /// Its file and log are made in `folder`; only what lies below `watched` (at most two folders) is looked at.
  Shim(const std::string& folder, const std::vector<std::string>& watched);
  ~Shim();
  Shim(const Shim&) = delete;
  Shim& operator=(const Shim&) = delete;

  /// To be put before a command line, so that the program has the shim.
  [[nodiscard]] std::vector<std::string> preload() const;

  /// From now on; counting begins at 1 again.
  void give(const Rule& rule);
  void take_back();
  /// How often the deed was done since the rule was given.
  [[nodiscard]] std::uint64_t done() const { return control_->done; }

  void set_wall_ahead(std::chrono::seconds ahead);

  [[nodiscard]] std::vector<Call> log() const;
  void clear_log();

 private:
  std::string file_;
  Control* control_ = nullptr;
};

/// What an environment variable says; `otherwise` when it says nothing.
std::uint64_t number_from(const char* variable, std::uint64_t otherwise);

/// NELSON_SEED, else one drawn at the first call; the same for the whole program. Printed once.
std::uint64_t seed();

}  // namespace nelson::faults
