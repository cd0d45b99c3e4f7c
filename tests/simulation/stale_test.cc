#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <iostream>
#include <set>

#include "tests/simulation/settings.h"
#include "tests/simulation/simulation.h"
#include "tests/simulation/workloads.h"

namespace nelson::simulation {
namespace {

// Each read answered from the past, and each piece of news missed: the end is that of the undisturbed run, and nothing more is stopped.

class Disturbed : public testing::Test {
 protected:
  Disturbed() { silence(); }

  /// False after a failure. `skips`: a release in between may never have been seen; then what lives is alike, and nothing else was stopped.
  bool ends_alike(const Workload& workload, const Outcome& undisturbed, const Scenario& scenario, const Hooks& hooks,
                  const std::string& how, bool skips = false) {
    const Outcome outcome = play(
        scenario, [] { return Rig(); }, hooks);
    passes_ += outcome.passes;
    ++runs_;
    const std::string where = workload.name + ", " + how;
    if (outcome.violation)
      ADD_FAILURE() << where << ": " << outcome.violation->invariant << " at " << format_instant(Instant(outcome.violation->at))
                    << ": " << outcome.violation->what;
    else if (skips ? outcome.living != undisturbed.living : outcome.end != undisturbed.end)
      ADD_FAILURE() << where << ": it ends otherwise:\n" << outcome.end << "instead of\n" << undisturbed.end;
    // What is asked to stop once more while it stops is not stopped twice.
    const std::set<std::string> stops(outcome.stops.begin(), outcome.stops.end());
    const std::set<std::string> expected(undisturbed.stops.begin(), undisturbed.stops.end());
    if (skips)
      EXPECT_TRUE(std::includes(expected.begin(), expected.end(), stops.begin(), stops.end()))
          << where << ": something else was stopped";
    else
      EXPECT_EQ(stops, expected) << where;
    more_writes_ = std::max(more_writes_, outcome.writes > undisturbed.writes ? outcome.writes - undisturbed.writes : 0);
    return !HasFailure();
  }

  [[nodiscard]] std::uint64_t share() const { return number_from("NELSON_STALE_SHARE", 13); }  // every n-th only; 1 is all

  std::uint64_t runs_ = 0, passes_ = 0, more_writes_ = 0;
  std::clock_t begun_ = std::clock();
};

TEST_F(Disturbed, ByAnswersFromThePast) {
  std::uint64_t reads = 0, counted = 0;
  for (const Workload& workload : workloads()) {
    const Outcome undisturbed = play(workload.scenario);
    // What the last passes before the rest see wrongly is put right in the rest, which would not be one then.
    constexpr std::uint64_t kLast = 16;
    const std::uint64_t last = undisturbed.reads_before_rest - std::min(undisturbed.reads_before_rest, kLast);
    reads += last;
    for (std::uint64_t read = 1; read <= last; ++read)
      for (const int versions : {1, 2, 5, 1000}) {
        if (++counted % share() != 0) continue;
        Hooks hooks;
        hooks.on_read = [read, versions](std::uint64_t number) { return number == read ? versions : 0; };
        if (!ends_alike(workload, undisturbed, workload.scenario, hooks,
                        "read " + std::to_string(read) + " answered from " + std::to_string(versions) + " versions before"))
          return;
      }
  }
  std::cout << reads << " reads in 4 ages, " << runs_ << " runs, " << passes_ << " passes, at most " << more_writes_
            << " writes more, " << static_cast<double>(std::clock() - begun_) / CLOCKS_PER_SEC << " s of one core\n";
}

TEST_F(Disturbed, ByMissedNewsAndSkippedCommits) {
  std::uint64_t news = 0, commits = 0;
  for (const Workload& workload : workloads()) {
    const Outcome undisturbed = play(workload.scenario);
    news += undisturbed.news;
    for (std::uint64_t missed = 1; missed <= undisturbed.news; ++missed) {
      Hooks hooks;
      hooks.on_news = [missed](std::uint64_t number) { return number == missed; };
      if (!ends_alike(workload, undisturbed, workload.scenario, hooks, "news " + std::to_string(missed) + " missed", true)) return;
    }
    // A commit that is never seen, because the next one is there before anybody asks; and a webhook that is lost.
    for (std::size_t event = 0; event < workload.scenario.events.size(); ++event) {
      ++commits;
      Scenario other = workload.scenario;
      other.unheard = event;
      if (!ends_alike(workload, undisturbed, other, {}, "event " + std::to_string(event) + " not told", true)) return;
      if (event + 1 == other.events.size()) continue;
      other.events[event].at = other.events[event + 1].at;
      if (!ends_alike(workload, undisturbed, other, {}, "event " + std::to_string(event) + " not seen", true)) return;
    }
  }
  std::cout << news << " pieces of news, " << commits << " events, " << runs_ << " runs, " << passes_ << " passes, "
            << static_cast<double>(std::clock() - begun_) / CLOCKS_PER_SEC << " s of one core\n";
}

}  // namespace
}  // namespace nelson::simulation
