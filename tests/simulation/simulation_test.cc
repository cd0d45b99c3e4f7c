#include "tests/simulation/simulation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <iostream>
#include <set>

#include "tests/simulation/planted.h"
#include "tests/simulation/settings.h"

namespace nelson::simulation {
namespace {

// The short form; the environment makes it longer.
constexpr std::uint64_t kSeeds = 8;
constexpr std::uint64_t kDays = 4;  // of each seed

/// The figure aimed at is for this many days; a shorter run has to show its share of it.
constexpr std::uint64_t kLeastHits = 100, kDaysForThem = 2000;

void explain(std::uint64_t seed, const Scenario& scenario, const Violation& violation) {
  const bool shrinks = number_from("NELSON_SHRINK", 1) != 0;
  ADD_FAILURE() << "seed " << seed << ": " << violation.invariant << " at " << format_instant(Instant(violation.at)) << ": "
                << violation.what << "\nrepeat it with\n  NELSON_TRACE=1 NELSON_SEED=" << seed
                << " NELSON_SEEDS=1 NELSON_DAYS=" << scenario.days
                << " simulation_tests --gtest_filter=Simulation.HoldsEveryInvariantThroughAllSeeds"
                << (shrinks ? "\nit needs no more than " + print(shrink(scenario, violation)) : "");
}

TEST(Simulation, HoldsEveryInvariantThroughAllSeeds) {
  silence();
  const std::uint64_t first = number_from("NELSON_SEED", 1), seeds = number_from("NELSON_SEEDS", kSeeds);
  const auto days = static_cast<int>(number_from("NELSON_DAYS", kDays));
  Outcome sum;
  const std::uint64_t most = number_from("NELSON_FAILURES", 3);
  std::uint64_t failures = 0;
  const auto begun = std::clock();
  for (std::uint64_t seed = first; seed < first + seeds && failures < most; ++seed) {
    const Scenario scenario = draw(seed, days);
    const Outcome outcome = play(scenario);
    sum.matrix.add(outcome.matrix);
    sum.passes += outcome.passes;
    sum.writes += outcome.writes;
    sum.commits += outcome.commits;
    sum.faults += outcome.faults;
    sum.starts += outcome.starts;
    sum.simulated += outcome.simulated;
    for (const auto& [invariant, looks] : outcome.looks) sum.looks[invariant] += looks;
    if (!outcome.violation) continue;
    ++failures;
    explain(seed, scenario, *outcome.violation);
  }
  const auto simulated = static_cast<std::uint64_t>(sum.simulated / std::chrono::hours(24));
  std::cout << sum.matrix.print() << simulated << " days, " << sum.passes << " passes, " << sum.writes << " writes, " << sum.commits
            << " commits, " << sum.starts << " starts, " << sum.faults + sum.matrix.total() << " faults met, looked at";
  for (const auto& [invariant, looks] : sum.looks) std::cout << ' ' << invariant << " x" << looks;
  std::cout << "; " << static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC << " s of one core" << std::endl;
  if (failures > 0 || seeds < kSeeds) return;
  // Chance decides too much of a short run's cells for a failure; it says which it met seldom.
  const std::uint64_t least = std::min(kLeastHits, kLeastHits * simulated / kDaysForThem);
  for (const std::string& cell : sum.matrix.thin(least)) {
    if (simulated >= kDaysForThem) ADD_FAILURE() << "met too seldom: " << cell << ", least " << least;
    std::cout << "met seldom: " << cell << ", its share would be " << least << '\n';
  }
}

TEST(Simulation, EqualSeedsHaveEqualTraces) {
  silence();
  const std::uint64_t seeds = number_from("NELSON_TWICE", 8);
  std::set<std::uint64_t> traces;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const std::uint64_t trace = play(draw(seed, 1)).trace;
    EXPECT_EQ(play(draw(seed, 1)).trace, trace) << "seed " << seed;
    traces.insert(trace);
  }
  EXPECT_EQ(traces.size(), seeds) << "other seeds, other runs";
}

TEST(Simulation, AFailingRunIsShrunk) {
  silence();
  const PlantedBug& bug = *std::find_if(planted_bugs().begin(), planted_bugs().end(),
                                        [](const PlantedBug& one) { return one.name == "lifetime counted from the launch"; });
  Scenario scenario;
  Outcome outcome;
  for (std::uint64_t seed = 1; seed <= 100 && !outcome.violation; ++seed) outcome = play(scenario = draw(seed, 2), bug.rig);
  ASSERT_TRUE(outcome.violation);
  const Scenario least = shrink(scenario, *outcome.violation, bug.rig);
  EXPECT_LE(least.events.size(), scenario.events.size() / 4) << print(least);
  const Outcome again = play(least, bug.rig);
  ASSERT_TRUE(again.violation);
  EXPECT_EQ(again.violation->invariant, outcome.violation->invariant);
}

}  // namespace
}  // namespace nelson::simulation
