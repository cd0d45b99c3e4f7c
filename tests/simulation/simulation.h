#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "controller/base/clock.h"
#include "controller/domains/domain.h"
#include "state/model/plan.h"
#include "state/store.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/matrix.h"
#include "tests/simulation/scenario.h"

namespace nelson::simulation {

/// The seams between which the real controller runs. Each is what production has there unless a planted bug puts another in its place; made
/// anew for each process of the controller.
struct Rig {
  std::function<Plan(const Desired&, const Observed&, Instant)> plan;
  std::function<std::unique_ptr<Store>(std::unique_ptr<Store>)> store = [](std::unique_ptr<Store> store) { return store; };
  std::function<Domain(Domain)> domain = [](Domain domain) { return domain; };
  std::function<ClockSources(ClockSources)> clocks = [](ClockSources clocks) { return clocks; };

  Rig();
};
using MakeRig = std::function<Rig()>;

/// A say in single calls, by their numbers from 1: for tests that go through all of them.
struct Hooks {
  std::function<Fault(std::uint64_t write)> on_write;
  std::function<CommitFault(std::uint64_t commit)> on_commit;  // of those that write something
  std::function<int(std::uint64_t read)> on_read;              // how many versions old the answer is
  std::function<bool(std::uint64_t news)> on_news;             // whether it is missed
  bool dry_runs = true;  // compared with what passes do; a planted planner is no match for the real one
};

/// What a run came to.
struct Outcome {
  std::optional<Violation> violation;
  std::uint64_t trace = 0;  // of everything that was done, in its order
  Matrix matrix;
  std::uint64_t passes = 0, writes = 0, commits = 0, faults = 0, starts = 0;
  Duration simulated{};
  std::uint64_t reads = 0, news = 0;
  std::uint64_t reads_before_rest = 0;
  std::uint64_t tries = 0;                                      // of writes, also those that did not reach the world
  std::uint64_t writes_at_restart = 0, commits_at_restart = 0;  // when the controller was started for the second time
  std::map<std::string, std::uint64_t> actions;                 // begun, by word
  std::map<std::string, std::uint64_t> looks;
  std::string end;                 // what is there at the end, without instants
  std::string living;              // the same without the remains of what was, and without incarnations
  std::vector<std::string> stops;  // what was stopped, in order: "east unit-a--1-0-0--... 1"
};

/// Plays a scenario to its end or to the first violation, in this thread, with a store in a folder of its own.
[[nodiscard]] Outcome play(
    const Scenario& scenario, const MakeRig& make_rig = [] { return Rig(); }, const Hooks& hooks = {});

/// A scenario with as few events and days as still end in a violation of the same invariant.
[[nodiscard]] Scenario shrink(
    Scenario scenario, const Violation& violation, const MakeRig& make_rig = [] { return Rig(); });

}  // namespace nelson::simulation
