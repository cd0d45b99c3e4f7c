// What tests/simulation found in the planner, each as the least world that shows it.

#include <gtest/gtest.h>

#include "tests/reconcilers/world.h"

namespace nelson {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

/// howdy 1.0.0 has been replaced by 1.1.0, and nothing keeps it since now.
World replaced() {
  World world;
  world.want("howdy", "1.0.0").settings.traffic_shift = {ShiftPolicy::kLinear, Duration(0)};
  world.settle();
  world.want("howdy", "1.1.0").settings.traffic_shift = {ShiftPolicy::kLinear, Duration(0)};
  world.settle();
  return world;
}

TEST(FoundBySimulation, ALaunchAheadOfAClockThatWasSetBackKeepsNothingForEver) {
  World world = replaced();
  world.stack("howdy", "1.0.0")->record->launched = world.now + hours(1000);
  world.let_pass(hours(2));
  EXPECT_FALSE(world.lives("howdy", "1.0.0"));
}

TEST(FoundBySimulation, WhatWasBuriedOnAnOldViewAndRunsIsStopped) {
  World world = replaced();
  const Running running = *world.stack("howdy", "1.0.0")->running;
  world.let_pass(hours(2));
  ASSERT_TRUE(world.stack("howdy", "1.0.0")->record->removed);
  world.stack("howdy", "1.0.0")->running = running;
  world.stack("howdy", "1.0.0")->published = "{}";
  EXPECT_EQ(lines_of(world.pass()), Lines{"remove howdy 1.0.0"});
  EXPECT_EQ(lines_of(world.pass()), Lines{"unpublish howdy 1.0.0"});
  EXPECT_EQ(lines_of(world.pass()), Lines{});
}

TEST(FoundBySimulation, ANameIsNotUsedAgainAsTheLifeThatAnOldViewShows) {
  World world = replaced();
  const Running running = *world.stack("howdy", "1.0.0")->running;
  world.let_pass(hours(2));
  world.want("howdy", "1.0.0");
  world.stack("howdy", "1.0.0")->running = running;
  EXPECT_FALSE(has(lines_of(world.pass()), "launch howdy 1.0.0"));
  world.settle();
  EXPECT_EQ(world.stack("howdy", "1.0.0")->record->incarnation, 2u);
}

TEST(FoundBySimulation, ARemovalUnderWayWaitsForABalancerThatDoesNotAnswer) {
  World world = replaced();
  world.stack("howdy", "1.0.0")->record->retiring = world.now;
  world.observed.domains["local"].balancer = {false, "it does not answer"};
  EXPECT_FALSE(has(lines_of(world.plan_now()), "remove howdy 1.0.0")) << "the balancer may still name it";
  world.observed.domains["local"].balancer = {true, ""};
  world.settle();
  EXPECT_TRUE(world.stack("howdy", "1.0.0")->record->removed);
}

TEST(FoundBySimulation, ABurialWaitsForADiscoveryThatDoesNotAnswer) {
  World world = replaced();
  world.stack("howdy", "1.0.0")->record->retiring = world.now;
  world.stack("howdy", "1.0.0")->running.reset();
  world.observed.domains["local"].discovery = {false, "it does not answer"};
  EXPECT_FALSE(has(lines_of(world.plan_now()), "bury howdy 1.0.0")) << "what was published for it would stay for ever";
}

TEST(FoundBySimulation, FewerInstancesWaitForABalancerThatDoesNotAnswer) {
  World world;
  world.want("howdy", "1.0.0").settings.instances = 3;
  world.settle();
  world.want("howdy", "1.0.0").settings.instances = 1;
  world.observed.domains["local"].balancer = {false, "it does not answer"};
  world.cell("howdy").routes.clear();  // as after a start that has not yet seen it
  world.settle();
  EXPECT_EQ(world.stack("howdy", "1.0.0")->running->count, 3);
  world.observed.domains["local"].balancer = {true, ""};
  world.settle();
  EXPECT_EQ(world.stack("howdy", "1.0.0")->running->count, 1);
}

TEST(FoundBySimulation, WhatALaunchWillCallIsNotRetiredInTheSamePlan) {
  World world;
  world.want("db", "1.0.0").settings.traffic_shift = {ShiftPolicy::kLinear, Duration(0)};
  world.settle();
  world.want("db", "2.0.0").settings.traffic_shift = {ShiftPolicy::kLinear, Duration(0)};
  world.settle();
  ASSERT_EQ(world.share("db", "1.0.0"), 100) << "of its own major";
  world.now += hours(2);
  ASSERT_TRUE(has(lines_of(world.plan_now()), "note retiring db 1.0.0"));
  world.want("howdy", "1.0.0").spec.dependencies = {{"db", {1, 0}}};
  const Plan decided = world.pass();
  EXPECT_TRUE(has(lines_of(decided), "launch howdy 1.0.0"));
  EXPECT_FALSE(has(lines_of(decided), "note retiring db 1.0.0"));
  world.let_pass(hours(2));
  EXPECT_TRUE(world.lives("db", "1.0.0")) << "it is called now";
}

TEST(FoundBySimulation, APlanThatLeftGitDoesNotWaitForASiblingThatStays) {
  World world;
  DesiredStack& first = world.want("howdy", "1.0.0");
  first.settings.expiration_policy = ExpirationPolicy::kRetainLatestTwoMajor;
  DesiredStack second = first;
  second.plan = "second";
  world.desired.cells[{"local", "howdy"}].stacks.push_back(second);
  world.settle();
  world.want("howdy", "2.0.0").settings.expiration_policy = ExpirationPolicy::kRetainLatestTwoMajor;
  world.let_pass(hours(3));
  int live = 0;
  for (const ObservedStack& stack : world.cell("howdy").stacks)
    if (stack.record && stack.record->identity.version.major == 1 && stack.record->launched && !stack.record->retiring) ++live;
  EXPECT_EQ(live, 1) << "the policy keeps one; the other takes half of the old major's traffic, which no course will ever move";
}

TEST(FoundBySimulation, ThatSomethingIsNeededAgainIsWrittenDownWhileChangesAreHeld) {
  World world = replaced();
  world.let_pass(minutes(1));
  ASSERT_TRUE(world.stack("howdy", "1.0.0")->record->kept_no_longer_since);
  world.observed.domains["local"].changes_held = "the control repository went back";
  world.want("howdy", "1.0.0");
  EXPECT_EQ(lines_of(world.pass()), Lines{"note kept-again howdy 1.0.0"});
  EXPECT_FALSE(world.stack("howdy", "1.0.0")->record->kept_no_longer_since);
}

TEST(FoundBySimulation, WhatWasRetiredIdleComesBackForANewCaller) {
  World world;
  world.settings().retire_idle = true;
  world.want("howdy", "1.0.0");
  world.let_pass(hours(2));
  ASSERT_FALSE(world.lives("howdy", "1.0.0"));
  world.want("caller", "1.0.0").spec.dependencies = {{"howdy", {1, 0}}};
  world.let_pass(minutes(1));
  EXPECT_TRUE(world.lives("howdy", "1.0.0"));
  EXPECT_TRUE(world.lives("caller", "1.0.0"));
  EXPECT_FALSE(world.stack("howdy", "1.0.0")->record->tombstone);
  // Nobody calls the caller: both go again, one after the other, and stay away.
  world.let_pass(hours(8));
  EXPECT_FALSE(world.lives("caller", "1.0.0"));
  EXPECT_FALSE(world.lives("howdy", "1.0.0"));
}

TEST(FoundBySimulation, WhatWasRetiredIdleComesBackWhenTheDomainKeepsWhatIsIdle) {
  World world;
  world.settings().retire_idle = true;
  world.want("howdy", "1.0.0");
  world.let_pass(hours(2));
  world.settings().retire_idle = false;
  world.let_pass(minutes(1));
  EXPECT_TRUE(world.lives("howdy", "1.0.0"));
}

TEST(FoundBySimulation, WhatANewCallerWaitsForIsNotRetiredIdle) {
  World world;
  world.settings().retire_idle = true;
  world.want("howdy", "1.0.0");
  world.want("caller", "1.0.0").spec.dependencies = {{"howdy", {1, 0}}, {"absent", {1, 0}}};
  world.let_pass(hours(8));
  EXPECT_TRUE(world.lives("howdy", "1.0.0"));
}

}  // namespace
}  // namespace nelson
