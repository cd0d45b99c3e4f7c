#include "tests/simulation/planted.h"

#include <gtest/gtest.h>

#include <iostream>

#include "tests/simulation/settings.h"

namespace nelson::simulation {
namespace {

constexpr int kDaysOfARun = 2;            // of one run
constexpr int kRuns = 200 / kDaysOfARun;  // 200 simulated days at most

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " or ") + word;
  return out;
}

class PlantedBugs : public testing::TestWithParam<PlantedBug> {};

TEST_P(PlantedBugs, AreFoundWithin200Days) {
  silence();
  const PlantedBug& bug = GetParam();
  Duration simulated{};
  Hooks hooks;
  hooks.dry_runs = false;
  for (std::uint64_t seed = 1; seed <= kRuns; ++seed) {
    const Outcome outcome = play(draw(seed, kDaysOfARun), bug.rig, hooks);
    simulated += outcome.simulated;
    if (!outcome.violation) continue;
    std::cout << bug.name << ": " << outcome.violation->invariant << " with seed " << seed << " after "
              << format_duration(simulated) << ": " << outcome.violation->what << '\n';
    EXPECT_NE(std::find(bug.invariants.begin(), bug.invariants.end(), outcome.violation->invariant), bug.invariants.end())
        << "expected " << joined(bug.invariants);
    return;
  }
  FAIL() << bug.name << " (" << bug.what << ") was not found; " << joined(bug.invariants) << " should have";
}

INSTANTIATE_TEST_SUITE_P(Table, PlantedBugs, testing::ValuesIn(planted_bugs()), [](const auto& info) {
  std::string name;
  for (const char c : info.param.name) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
});

}  // namespace
}  // namespace nelson::simulation
