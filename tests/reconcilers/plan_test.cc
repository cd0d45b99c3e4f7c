#include "reconcilers/plan.h"

#include <gtest/gtest.h>

#include "tests/reconcilers/world.h"

namespace nelson {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Launch, FirstVersionGoesFromGitToAllTrafficAndThenRests) {
  World world;
  world.want("howdy", "1.0.0").settings.instances = 2;
  EXPECT_EQ(lines_of(world.pass()), (Lines{"launch howdy 1.0.0"}));
  EXPECT_EQ(lines_of(world.pass()), (Lines{"note ready howdy 1.0.0", "publish howdy 1.0.0"}));
  EXPECT_EQ(lines_of(world.pass()), (Lines{"shift howdy", "serve howdy"}));
  EXPECT_EQ(lines_of(world.pass()), Lines{});
  EXPECT_EQ(world.share("howdy", "1.0.0"), 100);
  EXPECT_EQ(world.plan_now().wake_at, std::nullopt);
}

TEST(Launch, WithoutChecksReadinessComesWithTime) {
  World world;
  world.want("howdy", "1.0.0").spec.health_checks.clear();
  world.settle();
  EXPECT_FALSE(world.stack("howdy", "1.0.0")->record->ready);
  EXPECT_EQ(world.plan_now().wake_at, world.now + seconds(30));
  world.let_pass(seconds(30));
  EXPECT_EQ(world.share("howdy", "1.0.0"), 100);
}

TEST(Launch, AStackThatIsSickIsToldWithItsCause) {
  World world;
  world.want("howdy", "1.0.0");
  world.pass();
  Instance& instance = world.stack("howdy", "1.0.0")->running->instances.front();
  instance = {.index = 0,
              .state = InstanceState::kBackoff,
              .since = world.now,
              .health = Health::kUnknown,
              .endpoints = {},
              .restarts = 3,
              .detail = "exit status 1"};
  const Plan decided = world.plan_now();
  ASSERT_EQ(codes_of(decided), (Lines{"warming"}));
  EXPECT_NE(decided.held[0].reason.find("exit status 1"), std::string::npos);
  EXPECT_TRUE(decided.held[0].trouble);
}

TEST(Release, NewVersionShiftsLinearlyAndTheOldOneRetires) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.let_pass(hours(1));
  world.want("howdy", "1.1.0");
  world.settle();
  EXPECT_EQ(world.share("howdy", "1.0.0"), 100);
  EXPECT_EQ(world.share("howdy", "1.1.0"), 0);
  world.let_pass(minutes(5));
  EXPECT_EQ(world.share("howdy", "1.1.0"), 25);
  EXPECT_TRUE(world.lives("howdy", "1.0.0"));
  world.let_pass(minutes(15));
  EXPECT_EQ(world.share("howdy", "1.1.0"), 100);
  EXPECT_TRUE(world.lives("howdy", "1.0.0")) << "its extended lifetime runs";
  world.let_pass(minutes(30));
  EXPECT_FALSE(world.lives("howdy", "1.0.0"));
  EXPECT_TRUE(world.stack("howdy", "1.0.0")->record->removed) << "its remains stay";
  EXPECT_FALSE(world.stack("howdy", "1.0.0")->running);
}

TEST(Release, AtomicShiftMovesNothingBeforeItsEnd) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.want("howdy", "1.1.0").settings.traffic_shift.policy = ShiftPolicy::kAtomic;
  world.settle();
  world.let_pass(minutes(19));
  EXPECT_EQ(world.share("howdy", "1.1.0"), 0);
  world.let_pass(minutes(1));
  EXPECT_EQ(world.share("howdy", "1.1.0"), 100);
}

TEST(Release, RevertInMidShiftTurnsTheCourseFromWhereTheWeightsAre) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.want("howdy", "1.1.0");
  world.let_pass(minutes(12));
  EXPECT_EQ(world.share("howdy", "1.1.0"), 60);
  world.want("howdy", "1.0.0");
  world.settle();
  EXPECT_EQ(world.share("howdy", "1.1.0"), 60) << "a new direction, no jump";
  world.let_pass(minutes(6));
  EXPECT_EQ(world.share("howdy", "1.0.0"), 70);
  world.let_pass(minutes(6));
  EXPECT_EQ(world.share("howdy", "1.0.0"), 100);
}

TEST(Release, RevertAfterTheOldStackWentLaunchesItAgainAsANewIncarnation) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.want("howdy", "1.1.0");
  world.let_pass(hours(2));
  ASSERT_TRUE(world.stack("howdy", "1.0.0")->record->removed);
  world.want("howdy", "1.0.0");
  world.let_pass(minutes(1));
  EXPECT_EQ(world.stack("howdy", "1.0.0")->record->incarnation, 2U);
  world.let_pass(minutes(20));
  EXPECT_EQ(world.share("howdy", "1.0.0"), 100);
}

TEST(Release, AStuckReleaseNeverCostsTheVersionThatServesAndIsOvertaken) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.want("howdy", "1.1.0");
  world.pass();
  world.set_health("howdy", "1.1.0", Health::kFailing);
  world.let_pass(hours(24));
  EXPECT_EQ(world.share("howdy", "1.0.0"), 100);
  world.want("howdy", "1.2.0");
  world.let_pass(minutes(21));
  EXPECT_EQ(world.share("howdy", "1.2.0"), 100);
  world.let_pass(hours(2));
  EXPECT_FALSE(world.lives("howdy", "1.1.0"));
  EXPECT_FALSE(world.lives("howdy", "1.0.0"));
}

TEST(Release, OneThatCannotBeLaunchedKeepsNobodyFromKeepingWhatServes) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.stack("howdy", "1.0.0")->running.reset();
  world.stack("howdy", "1.0.0")->published.reset();
  world.cell("howdy").routes.clear();
  world.want("howdy", "1.1.0");
  EXPECT_EQ(lines_of(world.plan_now()), (Lines{"repair howdy 1.0.0", "serve howdy", "publish howdy 1.0.0", "launch howdy 1.1.0"}));
}

TEST(Release, FactsAreWrittenBeforeAnythingIsStarted) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.want("howdy", "1.1.0");
  world.pass();
  world.stack("howdy", "1.0.0")->running.reset();
  EXPECT_EQ(lines_of(world.plan_now()),
            (Lines{"note ready howdy 1.1.0", "repair howdy 1.0.0", "serve howdy", "publish howdy 1.1.0"}));
}

TEST(Release, TimeThatPassedUnseenMovesOneStepOnly) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.want("howdy", "1.1.0");
  world.settle();
  world.now += hours(5);
  world.settle();
  EXPECT_EQ(world.share("howdy", "1.1.0"), 1);
}

TEST(Release, SicknessOfTheNewOneStopsTheCourseAndSaysSo) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.want("howdy", "1.1.0");
  world.let_pass(minutes(10));
  world.set_health("howdy", "1.1.0", Health::kFailing);
  world.let_pass(minutes(10));
  EXPECT_EQ(world.share("howdy", "1.1.0"), 50);
  const Lines codes = codes_of(world.plan_now());
  EXPECT_TRUE(has(codes, "shift-stands"));
  world.set_health("howdy", "1.1.0", Health::kPassing);
  world.let_pass(minutes(11));
  EXPECT_EQ(world.share("howdy", "1.1.0"), 100);
}

TEST(Release, ANewMajorTakesItsOwnTrafficAtOnceAndCallersKeepTheOldOne) {
  World world;
  world.want("howdy", "1.0.0");
  DesiredStack& gateway = world.want("gateway", "1.0.0");
  gateway.spec.dependencies = {{"howdy", {1, 0}}};
  world.let_pass(minutes(1));
  ASSERT_TRUE(world.lives("gateway", "1.0.0"));
  world.want("howdy", "2.0.0");
  world.let_pass(hours(48));
  EXPECT_EQ(world.share("howdy", "2.0.0"), 100);
  EXPECT_EQ(world.share("howdy", "1.0.0"), 100);
  EXPECT_TRUE(world.lives("howdy", "1.0.0"));
  world.want("gateway", "1.1.0").spec.dependencies = {{"howdy", {2, 0}}};
  world.let_pass(hours(4));
  EXPECT_FALSE(world.lives("howdy", "1.0.0"));
}

TEST(InPlace, InstancesScaleWithoutANewStackAndDownOnlyAfterDraining) {
  World world;
  world.want("howdy", "1.0.0").settings.instances = 3;
  world.settle();
  const std::string name = world.stack("howdy", "1.0.0")->name;
  world.desired.cells[{"local", "howdy"}].stacks[0].settings.instances = 1;
  world.cell("howdy").sessions = {{name, 2, 1}};
  EXPECT_EQ(lines_of(world.pass()), (Lines{"update howdy 1.0.0", "serve howdy"}));
  EXPECT_TRUE(has(codes_of(world.plan_now()), "draining"));
  world.cell("howdy").sessions.clear();
  EXPECT_EQ(lines_of(world.pass()), (Lines{"scale howdy 1.0.0"}));
  world.settle();
  EXPECT_EQ(world.stack("howdy", "1.0.0")->name, name);
  EXPECT_EQ(world.stack("howdy", "1.0.0")->running->count, 1);
}

TEST(InPlace, MoreInstancesAreNoTroubleWhileTheyComeUp) {
  for (const bool checked : {true, false}) {
    World world;
    const auto want = [&]() -> DesiredStack& {
      DesiredStack& stack = world.want("howdy", "1.0.0");
      if (!checked) stack.spec.health_checks.clear();
      return stack;
    };
    want();
    world.let_pass(minutes(1));
    want().settings.instances = 3;
    world.settle();
    std::vector<Instance>& instances = world.stack("howdy", "1.0.0")->running->instances;
    ASSERT_EQ(instances.size(), 3U);
    const auto trouble = [&] {
      const Plan decided = world.plan_now();
      return codes_of(decided) == Lines{"unhealthy"} ? std::optional(decided.held[0].trouble) : std::nullopt;
    };
    for (std::size_t i = 1; i < 3; ++i) {
      instances[i].state = InstanceState::kStarting;
      instances[i].health = Health::kUnknown;
    }
    EXPECT_EQ(trouble(), false) << "they are starting";
    for (std::size_t i = 1; i < 3; ++i) {
      instances[i].state = InstanceState::kRunning;
      instances[i].health = checked ? Health::kFailing : Health::kUnknown;
    }
    EXPECT_EQ(trouble(), false) << "they are young";
    EXPECT_EQ(world.plan_now().wake_at, world.now + seconds(30));
    instances[1].restarts = instances[2].restarts = 1;
    EXPECT_EQ(trouble(), true) << "they crash";
    instances[1].restarts = instances[2].restarts = 0;
    world.now += seconds(30);
    EXPECT_EQ(trouble(), checked ? std::optional(true) : std::nullopt) << "they had their time";
  }
}

TEST(Drift, WhatDoesNotRunIsStartedAgainAsTheSameIncarnation) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.stack("howdy", "1.0.0")->running.reset();
  const Plan decided = world.plan_now();
  ASSERT_TRUE(has(lines_of(decided), "repair howdy 1.0.0"));
  EXPECT_EQ(std::get<Repair>(decided.actions[0].effect).incarnation, 1U);
}

TEST(Drift, WhatNoRuleKeepsIsNotStartedAgain) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.want("howdy", "1.1.0");
  world.let_pass(minutes(25));
  world.stack("howdy", "1.0.0")->running.reset();
  EXPECT_FALSE(has(lines_of(world.plan_now()), "repair howdy 1.0.0"));
}

TEST(Dependencies, FirstLaunchWaitsForWhatItCallsAndSaysWhatWouldClearIt) {
  World world;
  world.want("gateway", "1.0.0").spec.dependencies = {{"howdy", {1, 2}}};
  const Plan held = world.plan_now();
  EXPECT_EQ(lines_of(held), Lines{});
  ASSERT_EQ(codes_of(held), (Lines{"missing-dependency"}));
  EXPECT_NE(held.held[0].reason.find("howdy@1.2"), std::string::npos);
  world.want("howdy", "1.1.0");
  world.let_pass(minutes(1));
  EXPECT_FALSE(world.lives("gateway", "1.0.0")) << "an older minor does not do";
  world.want("howdy", "1.2.0");
  world.let_pass(minutes(1));
  EXPECT_TRUE(world.lives("gateway", "1.0.0")) << "during a shift its target is what counts";
}

TEST(Dependencies, ACircleIsNamed) {
  World world;
  world.want("aa", "1.0.0");
  world.want("bb", "1.0.0").spec.dependencies = {{"aa", {1, 0}}};
  world.let_pass(minutes(1));
  world.want("aa", "1.1.0").spec.dependencies = {{"bb", {1, 0}}};
  const Plan decided = world.plan_now();
  EXPECT_FALSE(has(lines_of(decided), "launch aa 1.1.0"));
  ASSERT_TRUE(has(codes_of(decided), "dependency-cycle"));
  const auto hold =
      std::find_if(decided.held.begin(), decided.held.end(), [](const Hold& h) { return h.code == "dependency-cycle"; });
  EXPECT_NE(hold->reason.find("aa -> bb -> aa"), std::string::npos) << hold->reason;
}

TEST(Leaving, CallersKeepWhatLeftGitAndNobodyElseDoes) {
  World world;
  world.want("howdy", "1.0.0").settings.expiration_policy = ExpirationPolicy::kRetainUntilDeprecated;
  world.want("gateway", "1.0.0").spec.dependencies = {{"howdy", {1, 0}}};
  world.let_pass(minutes(1));
  world.leave("howdy");
  world.let_pass(hours(24));
  EXPECT_TRUE(world.lives("howdy", "1.0.0"));
  world.leave("gateway");
  world.let_pass(hours(2));
  EXPECT_FALSE(world.lives("gateway", "1.0.0"));
  EXPECT_FALSE(world.lives("howdy", "1.0.0"));
  EXPECT_TRUE(world.cell("howdy").traffic.empty());
  EXPECT_TRUE(world.cell("howdy").routes.empty());
}

TEST(Leaving, ARepositoryThatCannotBeReadMakesNothingUnwanted) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  for (const RepositoryState state : {RepositoryState::kUnknown, RepositoryState::kLastGood}) {
    world.desired.repositories["repo-howdy"].state = state;
    world.leave("howdy");
    world.let_pass(hours(24));
    EXPECT_TRUE(world.lives("howdy", "1.0.0"));
  }
  world.desired.repositories.erase("repo-howdy");
  world.let_pass(hours(24));
  EXPECT_FALSE(world.lives("howdy", "1.0.0")) << "its file left the control repository";
}

TEST(Leaving, ADomainThatLeavesIsEmptiedWhateverItsRepositoriesSay) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.desired.repositories["repo-howdy"].state = RepositoryState::kUnknown;
  world.settings().leaving = true;
  world.let_pass(hours(2));
  EXPECT_FALSE(world.lives("howdy", "1.0.0"));
}

TEST(Leaving, ADomainThatIsNotNamedAnyMoreStaysUntouchedAndSaysSo) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.desired.domains.clear();
  world.desired.cells.clear();
  EXPECT_EQ(codes_of(world.plan_now()), (Lines{"domain-gone"}));
  EXPECT_EQ(lines_of(world.plan_now()), Lines{});
}

TEST(Brake, ManyLossesWaitForAYesThatNamesThem) {
  World world;
  std::vector<std::string> units;
  for (char c = 'a'; c < 'k'; ++c) units.push_back(std::string("unit-") + c);
  for (const std::string& unit : units) world.want(unit, "1.0.0");
  world.let_pass(minutes(1));
  for (std::size_t i = 0; i < 6; ++i) world.leave(units[i]);
  world.let_pass(hours(24));
  for (const std::string& unit : units) EXPECT_TRUE(world.lives(unit, "1.0.0")) << unit;
  EXPECT_TRUE(has(codes_of(world.plan_now()), "brake"));
  world.desired.acknowledged = {world.stack("unit-a", "1.0.0")->name};
  world.let_pass(minutes(1));
  EXPECT_FALSE(world.lives("unit-a", "1.0.0")) << "what is listed goes; five others are few enough";
  EXPECT_FALSE(world.lives("unit-b", "1.0.0"));
}

TEST(Brake, FiveOfTenAreFewEnough) {
  World world;
  for (char c = 'a'; c < 'k'; ++c) world.want(std::string("unit-") + c, "1.0.0");
  world.let_pass(minutes(1));
  for (char c = 'a'; c < 'f'; ++c) world.leave(std::string("unit-") + c);
  world.let_pass(hours(2));
  EXPECT_FALSE(world.lives("unit-a", "1.0.0"));
}

TEST(PartialView, NothingIsRemovedAndNothingElseHappensOnUnreadRecords) {
  struct Row {
    const char* name;
    Source ObservedDomain::*source;
  };
  for (const Row& row : {Row{"scheduler", &ObservedDomain::scheduler}, Row{"records", &ObservedDomain::memory},
                         Row{"discovery", &ObservedDomain::discovery}, Row{"balancer", &ObservedDomain::balancer}}) {
    World world;
    world.want("howdy", "1.0.0");
    world.settle();
    world.want("howdy", "1.1.0");
    world.let_pass(minutes(40));
    world.observed.domains["local"].*(row.source) = {false, "it does not answer"};
    world.let_pass(hours(5));
    EXPECT_TRUE(world.lives("howdy", "1.0.0")) << row.name;
  }
}

TEST(Claims, TwoRepositoriesHoldBothUnlessTheRunningStackDecides) {
  World world;
  DesiredStack first = world.want("howdy", "1.0.0");
  DesiredStack second = first;
  second.repository = "repo-other";
  world.desired.repositories["repo-other"] = {RepositoryState::kCurrent, first.commit, ""};
  DesiredCell& cell = world.desired.cells[{"local", "howdy"}];
  cell.stacks = {first, second};
  cell.claimants = {"repo-howdy", "repo-other"};
  EXPECT_EQ(lines_of(world.plan_now()), Lines{});
  ASSERT_EQ(codes_of(world.plan_now()), (Lines{"two-claims"}));
  EXPECT_NE(world.plan_now().held[0].reason.find("repositories/repo-howdy.yml and repositories/repo-other.yml"), std::string::npos);

  cell.stacks = {first};
  cell.claimants.clear();
  world.settle();
  world.desired.cells[{"local", "howdy"}].stacks = {first, second};
  world.desired.cells[{"local", "howdy"}].claimants = {"repo-howdy", "repo-other"};
  world.let_pass(hours(5));
  EXPECT_TRUE(world.lives("howdy", "1.0.0"));
  EXPECT_EQ(lines_of(world.plan_now()), Lines{}) << "the running stack's repository goes on";
}

TEST(Fresh, AnOldMemoryOfGitMovesNoUnitToAnotherCommit) {
  World world;
  world.want("howdy", "1.1.0");
  world.settle();
  world.want("howdy", "1.0.0").fresh = false;
  world.let_pass(hours(5));
  EXPECT_TRUE(world.lives("howdy", "1.1.0"));
  EXPECT_EQ(world.stack("howdy", "1.0.0"), nullptr);
  ASSERT_EQ(codes_of(world.plan_now()), Lines{"not-fetched"});
  EXPECT_NE(world.plan_now().held[0].reason.find("or a file in it does not read"), std::string::npos) << "either makes it old";
  world.desired.cells[{"local", "howdy"}].stacks[0].fresh = true;
  world.settle();
  EXPECT_TRUE(world.lives("howdy", "1.0.0"));
}

/// Found by the simulation, seed 5182: Git wanted 1.0.1, still held; an old memory of it said 2.0.0, and 1.1.0, which served, was retired.
TEST(Fresh, AnOldMemoryOfGitRetiresNothingOfTheUnit) {
  World world;
  world.want("howdy", "1.1.0");
  world.settle();
  world.want("howdy", "2.0.0");
  world.settle();
  world.want("howdy", "1.0.1").fresh = false;
  world.let_pass(hours(5));
  EXPECT_TRUE(world.lives("howdy", "1.1.0"));
  EXPECT_TRUE(world.lives("howdy", "2.0.0"));
  EXPECT_TRUE(has(codes_of(world.plan_now()), "not-fetched"));
  world.desired.cells[{"local", "howdy"}].stacks[0].fresh = true;
  world.let_pass(hours(5));
  EXPECT_TRUE(world.lives("howdy", "1.0.1"));
  EXPECT_FALSE(world.lives("howdy", "2.0.0"));
}

TEST(Held, ARestoredControlRepositoryLeavesOnlyRepair) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.observed.domains["local"].changes_held = "the control repository went back";
  world.want("howdy", "1.1.0");
  world.want("other", "1.0.0");
  world.stack("howdy", "1.0.0")->running.reset();
  EXPECT_EQ(lines_of(world.plan_now()), (Lines{"repair howdy 1.0.0"}));
  EXPECT_TRUE(has(codes_of(world.plan_now()), "changes-held"));
}

TEST(Held, WhereAnotherAddressGovernsNotEvenRepairIsDone) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.observed.domains["local"].changes_held = "a copy of the control repository";
  world.observed.domains["local"].governed_here = false;
  world.stack("howdy", "1.0.0")->running.reset();
  EXPECT_EQ(lines_of(world.plan_now()), Lines{});
  EXPECT_TRUE(has(codes_of(world.plan_now()), "changes-held"));
}

TEST(Held, RemovalsWaitWhileTheClockCannotBeTrusted) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.want("howdy", "1.1.0");
  world.let_pass(minutes(30));
  world.observed.domains["local"].removals_held = "the wall clock went back 3 minutes";
  world.let_pass(hours(5));
  EXPECT_TRUE(world.lives("howdy", "1.0.0"));
  world.observed.domains["local"].removals_held.clear();
  world.let_pass(minutes(1));
  EXPECT_FALSE(world.lives("howdy", "1.0.0"));
}

/// Semantics 6: an instant later than now counts as now. A clock that was a day ahead must not keep for a day what it launched.
TEST(Held, AStackLaunchedInTheFutureOfThisClockStillGoesInItsTime) {
  World world;
  world.want("howdy", "1.0.0");
  world.let_pass(hours(1));
  world.want("howdy", "1.1.0");
  world.let_pass(minutes(10));
  ASSERT_GT(world.share("howdy", "1.0.0"), 0);
  world.now -= hours(24);  // and a restart
  world.let_pass(world.settings().extended_lifetime);
  EXPECT_TRUE(world.lives("howdy", "1.0.0")) << "not before its time either";
  world.let_pass(world.settings().initial_lifetime + hours(1));
  EXPECT_FALSE(world.lives("howdy", "1.0.0"));
}

TEST(Removal, WaitsForTheBalancerAndForTheLastAnswer) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.want("howdy", "1.1.0");
  world.let_pass(minutes(30));
  const std::string old = world.stack("howdy", "1.0.0")->name;
  world.cell("howdy").sessions = {{old, 0, 1}};
  world.let_pass(hours(1));
  EXPECT_TRUE(world.stack("howdy", "1.0.0")->running) << "an answer is still on its way";
  EXPECT_TRUE(has(codes_of(world.plan_now()), "draining"));
  world.cell("howdy").sessions.clear();
  world.settle();
  EXPECT_FALSE(world.stack("howdy", "1.0.0")->running);
}

TEST(Removal, OnceStampedFinishesEvenIfGitWantsItAgainAndThenItIsLaunchedAnew) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.want("howdy", "1.1.0");
  world.let_pass(minutes(30));
  const std::string old = world.stack("howdy", "1.0.0")->name;
  world.cell("howdy").sessions = {{old, 0, 1}};
  world.let_pass(hours(1));
  ASSERT_TRUE(world.stack("howdy", "1.0.0")->record->retiring);
  world.want("howdy", "1.0.0");
  EXPECT_TRUE(has(codes_of(world.plan_now()), "leaving-first"));
  world.cell("howdy").sessions.clear();
  world.settle();
  EXPECT_EQ(world.stack("howdy", "1.0.0")->record->incarnation, 2U);
  EXPECT_TRUE(world.lives("howdy", "1.0.0"));
}

TEST(Idle, ADomainMaySayThatAnIdleWantedStackGoesAndIsRemembered) {
  World world;
  world.settings().retire_idle = true;
  world.want("howdy", "1.0.0");
  world.let_pass(hours(2));
  EXPECT_FALSE(world.lives("howdy", "1.0.0"));
  EXPECT_TRUE(has(codes_of(world.plan_now()), "retired-idle"));
  world.want("howdy", "1.0.1");
  world.let_pass(minutes(1));
  EXPECT_TRUE(world.lives("howdy", "1.0.1"));
  EXPECT_FALSE(world.stack("howdy", "1.0.0")->record->tombstone) << "dropped when Git stops wanting that digest";
}

TEST(Plans, SeveralPlansOfOneReleaseShareItsWeightByInstances) {
  World world;
  DesiredStack small = world.want("howdy", "1.0.0");
  small.settings.instances = 1;
  DesiredStack large = small;
  large.plan = "large";
  large.settings.instances = 2;
  world.desired.cells[{"local", "howdy"}].stacks = {small, large};
  world.settle();
  const std::vector<Weight>& weights = world.cell("howdy").traffic.front().weights;
  ASSERT_EQ(weights.size(), 2U);
  std::vector<int> percents{weights[0].percent, weights[1].percent};
  std::sort(percents.begin(), percents.end());
  EXPECT_EQ(percents, (std::vector<int>{33, 67}));
}

struct PolicyRow {
  const char* name;
  ExpirationPolicy policy;
  std::vector<std::string> launched;  // in this order; the last one is what Git wants
  std::vector<std::string> kept;      // after a long time
};

class Policies : public ::testing::TestWithParam<PolicyRow> {};

TEST_P(Policies, KeepWhatTheirTableSays) {
  const PolicyRow& row = GetParam();
  World world;
  for (const std::string& version : row.launched) {
    DesiredStack& stack = world.want("howdy", version);
    stack.settings.expiration_policy = row.policy;
    stack.settings.traffic_shift.duration = minutes(2);
    world.let_pass(minutes(5));
  }
  world.let_pass(hours(24));
  Lines kept;
  for (const ObservedStack& stack : world.cell("howdy").stacks) {
    const std::string version = to_string(stack.record->identity.version);
    if (world.lives("howdy", version)) kept.push_back(version);
  }
  std::sort(kept.begin(), kept.end());
  EXPECT_EQ(kept, row.kept);
}

INSTANTIATE_TEST_SUITE_P(
    All, Policies,
    ::testing::Values(
        PolicyRow{
            "RetainActiveKeepsOnlyWhatGitWants", ExpirationPolicy::kRetainActive, {"3.1.0", "3.1.1", "4.1.0", "4.1.1"}, {"4.1.1"}},
        PolicyRow{"RetainLatestKeepsTheLatest", ExpirationPolicy::kRetainLatest, {"3.1.0", "3.1.1", "4.1.0", "4.1.1"}, {"4.1.1"}},
        PolicyRow{"TwoMajorKeepsTheLatestOfTwoMajors",
                  ExpirationPolicy::kRetainLatestTwoMajor,
                  {"3.1.0", "3.1.1", "4.1.0", "4.1.1"},
                  {"3.1.1", "4.1.1"}},
        PolicyRow{"TwoFeatureLooksWithinTheMajor",
                  ExpirationPolicy::kRetainLatestTwoFeature,
                  {"3.0.0", "3.1.0", "3.1.1", "4.1.0"},
                  {"4.1.0"}},
        PolicyRow{"TwoFeatureKeepsTwoMinors",
                  ExpirationPolicy::kRetainLatestTwoFeature,
                  {"3.0.0", "3.1.0", "3.1.1", "3.2.0"},
                  {"3.1.1", "3.2.0"}},
        PolicyRow{"UntilDeprecatedKeepsAll",
                  ExpirationPolicy::kRetainUntilDeprecated,
                  {"3.0.0", "3.1.0", "4.0.0"},
                  {"3.0.0", "3.1.0", "4.0.0"}},
        PolicyRow{"NoPolicyKeepsAVersionAboveTheWantedOne",
                  ExpirationPolicy::kRetainUntilDeprecated,
                  {"3.0.0", "4.0.0", "3.1.0"},
                  {"3.0.0", "3.1.0"}}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace nelson
