#include <gtest/gtest.h>
#include <time.h>

#include "gitsync/manifest.h"
#include "tests/gitsync/bare_yaml.h"
#include "tests/gitsync/sanitized.h"

// Reading and checking a manifest beside reading its YAML alone (performance B12), in the processor's time of this thread.

namespace nelson {
namespace {

std::string manifest_of(int units) {
  std::string declared = "units:\n", plans = "plans:\n", used = "namespaces:\n  - name: dev\n    units:\n";
  for (int i = 0; i < units; ++i) {
    const std::string n = std::to_string(i);
    declared += "  - name: unit-" + n + "\n    description: number " + n +
                " of the shop\n    ports: [default->8080/http, metrics->9102/tcp]\n    dependencies: [{ref: catalog@2.1}]\n";
    plans +=
        "  - name: plan-" + n +
        "\n    cpu: 0.5\n    memory: 512\n    instances: {desired: 2}\n    environment: [LOG_LEVEL=debug, MODE=fast]\n"
        "    health_checks:\n      - {name: ping, port_reference: default, protocol: http, path: /ping, interval: 10 seconds}\n";
    used += "      - {ref: unit-" + n + ", plans: [plan-" + n + "]}\n";
  }
  return declared + plans + used;
}

template <class Work>
double seconds_of(Work work) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  };
  const double before = now();
  work();
  return now() - before;
}

struct Times {
  double bare = 1e9, whole = 1e9;
};

/// The best of seven, in turns.
Times times_of(const std::string& text) {
  Times best;
  for (int i = 0; i < 7; ++i) {
    best.bare = std::min(best.bare, seconds_of([&] { parse_bare_yaml(text); }));
    best.whole = std::min(best.whole, seconds_of([&] { (void)read_manifest(text); }));
  }
  return best;
}

TEST(ManifestSpeed, IsMostlyThatOfTheYamlReaderAndGrowsWithTheSize) {
  const std::string small = manifest_of(10), large = manifest_of(100);
  ASSERT_TRUE(read_manifest(large).manifest);
  const Times little = times_of(small), much = times_of(large);
  const double ratio = much.bare / much.whole;
  const double growth = (much.whole / static_cast<double>(large.size())) / (little.whole / static_cast<double>(small.size()));
  RecordProperty("ratio", std::to_string(ratio));
  RecordProperty("growth", std::to_string(growth));
  // The aim is 0.7, and the product reaches some 0.8. A test program is compiled without optimization, and its copies of what headers
  // define are those that the linker takes, so that here it is some 0.55; the bound is where something has gone wrong.
  if (!kSanitized) EXPECT_GT(ratio, 0.35);
  EXPECT_LT(growth, 2.0) << "a byte of a large manifest costs as much as one of a small";
}

}  // namespace
}  // namespace nelson
