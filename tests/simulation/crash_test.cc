#include <gtest/gtest.h>

#include <ctime>
#include <iostream>

#include "tests/simulation/settings.h"
#include "tests/simulation/simulation.h"
#include "tests/simulation/workloads.h"

namespace nelson::simulation {
namespace {

// Every write to a domain and every commit of the store is a boundary: the controller is killed before it, after it, and is told nothing of
// what was done. Then again at each boundary of what it does to recover.

enum class Variant { kBefore, kAfter, kAnswerLost };
constexpr auto kVariantNames = std::to_array<std::string_view>({"before", "after", "answer lost"});

struct Boundary {
  bool commit = false;  // of the store; else a write to a domain
  std::uint64_t number = 0;
  Variant variant = Variant::kBefore;
};

std::string print(const Boundary& boundary) {
  return std::string(boundary.commit ? "commit " : "write ") + std::to_string(boundary.number) + ' ' +
         std::string(kVariantNames[static_cast<std::size_t>(boundary.variant)]);
}

/// Dies at these boundaries, each once: a commit that was not made has its number again the next time.
Hooks dying_at(const std::vector<Boundary>& boundaries) {
  Hooks hooks;
  const auto left = std::make_shared<std::vector<Boundary>>(boundaries);
  const auto take = [left](bool commit, std::uint64_t number) -> std::optional<Variant> {
    const auto found = std::find_if(left->begin(), left->end(), [&](const Boundary& boundary) {
      return boundary.commit == commit && boundary.number == number;
    });
    if (found == left->end()) return std::nullopt;
    const Variant variant = found->variant;
    left->erase(found);
    return variant;
  };
  hooks.on_write = [take](std::uint64_t number) {
    const auto variant = take(false, number);
    if (!variant) return Fault::kNone;
    return *variant == Variant::kBefore ? Fault::kDiesBefore : *variant == Variant::kAfter ? Fault::kDiesAfter : Fault::kAnswerLost;
  };
  hooks.on_commit = [take](std::uint64_t number) {
    const auto variant = take(true, number);
    if (!variant) return CommitFault::kNone;
    return *variant == Variant::kBefore  ? CommitFault::kDiesBefore
           : *variant == Variant::kAfter ? CommitFault::kDiesAfter
                                         : CommitFault::kAnswerLost;
  };
  return hooks;
}

std::vector<Boundary> boundaries_of(std::uint64_t writes, std::uint64_t commits, std::uint64_t first_write = 1,
                                    std::uint64_t first_commit = 1) {
  std::vector<Boundary> all;
  for (std::size_t variant = 0; variant < kVariantNames.size(); ++variant) {
    for (std::uint64_t n = first_write; n <= writes; ++n) all.push_back({false, n, static_cast<Variant>(variant)});
    for (std::uint64_t n = first_commit; n <= commits; ++n) all.push_back({true, n, static_cast<Variant>(variant)});
  }
  return all;
}

class CrashEverywhere : public testing::Test {
 protected:
  CrashEverywhere() { silence(); }

  /// Whether all held and the end is the undisturbed one's.
  bool survives(const Workload& workload, const Outcome& undisturbed, const std::vector<Boundary>& boundaries,
                Outcome* outcome = nullptr) {
    Outcome crashed = play(
        workload.scenario, [] { return Rig(); }, dying_at(boundaries));
    std::string where = workload.name;
    for (const Boundary& boundary : boundaries) where += ", " + print(boundary);
    bool held = true;
    if (crashed.violation) {
      ADD_FAILURE() << where << ": " << crashed.violation->invariant << " at " << format_instant(Instant(crashed.violation->at))
                    << ": " << crashed.violation->what;
      held = false;
    } else if (crashed.end != undisturbed.end) {
      ADD_FAILURE() << where << ": it ends otherwise:\n" << crashed.end << "instead of\n" << undisturbed.end;
      held = false;
    }
    if (outcome != nullptr) *outcome = std::move(crashed);
    return held;
  }
};

TEST_F(CrashEverywhere, OnceAndAgainInTheRecovery) {
  // The short form takes a part of the boundaries and of the pairs; 1 takes all of them.
  const std::uint64_t stride = number_from("NELSON_CRASH_PAIRS", 251), share = number_from("NELSON_CRASH_SHARE", 11);
  const std::uint64_t only = number_from("NELSON_CRASH_WORKLOAD", workloads().size());
  ASSERT_LE(only, workloads().size()) << "NELSON_CRASH_WORKLOAD: there are " << workloads().size();
  // What is done within this many writes and commits after the restart counts as the recovery.
  constexpr std::uint64_t kRecovery = 6;
  const auto begun = std::clock();
  std::uint64_t boundaries = 0, single = 0, pairs = 0, counted = 0, met = 0;
  std::map<std::string, std::uint64_t> actions;
  for (std::size_t i = 0; i < workloads().size(); ++i) {
    if (only != workloads().size() && only != i) continue;
    const Workload& workload = workloads()[i];
    const Outcome undisturbed = play(workload.scenario);
    ASSERT_FALSE(undisturbed.violation) << workload.name << ": " << undisturbed.violation->invariant << ' '
                                        << undisturbed.violation->what;
    boundaries += undisturbed.writes + undisturbed.commits;
    for (const auto& [word, count] : undisturbed.actions) actions[word] += count;
    for (const Boundary& first : boundaries_of(undisturbed.writes, undisturbed.commits)) {
      if (++met % share != 0) continue;
      ++single;
      Outcome crashed;
      if (!survives(workload, undisturbed, {first}, &crashed)) return;
      const std::uint64_t writes = first.commit ? crashed.writes_at_restart : first.number;
      const std::uint64_t commits = crashed.commits_at_restart;
      for (const Boundary& second : boundaries_of(std::min(crashed.tries, writes + kRecovery),
                                                  std::min(crashed.commits, commits + kRecovery), writes + 1, commits + 1)) {
        if (++counted % stride != 0) continue;
        ++pairs;
        if (!survives(workload, undisturbed, {first, second})) return;
      }
    }
    std::cout << workload.name << ": " << undisturbed.writes << " writes, " << undisturbed.commits << " commits" << std::endl;
  }
  if (only == workloads().size())
    for (const std::string_view action : kActions) EXPECT_GT(actions[std::string(action)], 0u) << "no workload uses " << action;
  std::cout << boundaries << " boundaries of " << workloads().size() << " workloads, " << single << " crashes, " << pairs << " of "
            << counted << " pairs with recovery, " << static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC
            << " s of one core\n";
}

}  // namespace
}  // namespace nelson::simulation
