// Releases by tags: the highest version of a lower major is wanted while something needs that major (semantics 2).
#include <gtest/gtest.h>

#include "reconcilers/cell.h"
#include "reconcilers/expirations.h"
#include "tests/reconcilers/world.h"

namespace nelson {
namespace {

/// `howdy` at 1.0.0 with a caller, then released as 2.0.0.
struct TwoMajors : World {
  TwoMajors() {
    want("howdy", "1.0.0").settings.expiration_policy = ExpirationPolicy::kRetainActive;
    want("gateway", "1.0.0").spec.dependencies = {{"howdy", {1, 0}}};
    rest();
    release("2.0.0", {"1.0.0"});
    rest();
  }

  void release(const std::string& version, const std::vector<std::string>& patches) {
    DesiredStack current = want("howdy", version);
    current.settings.expiration_policy = ExpirationPolicy::kRetainActive;
    DesiredCell& cell = desired.cells[{"local", "howdy"}];
    cell.stacks = {current};
    for (const std::string& patch : patches) {
      cell.stacks.push_back(current);
      cell.stacks.back().version = *parse_version(patch);
      cell.stacks.back().patch = true;
    }
  }

  /// Half a day in which everything that is started becomes healthy.
  void rest() {
    for (int i = 0; i < 12; ++i) {
      settle();
      for_each(observed.cells, [](ObservedCell& cell) {
        for (ObservedStack& stack : cell.stacks)
          if (stack.running)
            for (Instance& instance : stack.running->instances) {
              instance.state = InstanceState::kRunning;
              instance.health = Health::kPassing;
            }
      });
      let_pass(std::chrono::hours(1));
    }
  }

  std::string why(const std::string& version) {
    const Cell cell = make_cell({"local", "howdy"}, desired, observed, callers_of(observed), now);
    const Case* const c = cell.find(stack("howdy", version)->name);
    return c == nullptr ? "" : verdict_on(cell, *c).reason;
  }
};

TEST(Patches, TakeTheTrafficOfOldCallers) {
  TwoMajors world;
  ASSERT_TRUE(world.lives("howdy", "1.0.0") && world.lives("howdy", "2.0.0"));
  EXPECT_TRUE(world.why("1.0.0").starts_with("Git wants it while its major version is needed: called by gateway--1-0-0"))
      << world.why("1.0.0");
  world.release("2.0.0", {"1.0.1"});
  const Plan plan = world.plan_now();
  ASSERT_EQ(lines_of(plan), (Lines{"launch howdy 1.0.1"}));
  EXPECT_EQ(plan.actions[0].reason, "Git wants 1.0.1 at aaaaaaaa in place of 1.0.0");
  world.pass();
  EXPECT_TRUE(world.why("1.0.0").starts_with("serves until howdy--1-0-1")) << world.why("1.0.0");
  EXPECT_EQ(world.why("2.0.0"), "Git wants it");
  world.rest();
  EXPECT_FALSE(world.lives("howdy", "1.0.0"));
  EXPECT_TRUE(world.lives("howdy", "1.0.1") && world.lives("howdy", "2.0.0"));
  EXPECT_EQ(world.share("howdy", "1.0.1"), 100);
  EXPECT_EQ(world.share("howdy", "2.0.0"), 100);
  EXPECT_TRUE(world.plan_now().actions.empty());
}

TEST(Patches, GoWithTheLastNeed) {
  TwoMajors world;
  world.release("2.0.0", {"1.0.1"});
  world.rest();
  ASSERT_TRUE(world.lives("howdy", "1.0.1"));
  world.want("gateway", "1.1.0").spec.dependencies = {{"howdy", {2, 0}}};
  world.rest();
  EXPECT_FALSE(world.lives("howdy", "1.0.1")) << "nobody calls version 1 any more";
  world.release("2.0.0", {"1.0.2"});
  EXPECT_TRUE(world.plan_now().actions.empty()) << "a patch that nobody needs is not launched";
}

TEST(Patches, ThatDoNotComeUpCostNeitherMajorAnything) {
  TwoMajors world;
  world.release("3.0.0", {"1.0.1", "2.0.0"});
  world.pass();
  world.set_health("howdy", "1.0.1", Health::kFailing);
  for (int i = 0; i < 10; ++i) world.let_pass(std::chrono::hours(1));
  EXPECT_TRUE(world.lives("howdy", "1.0.0")) << "it serves the callers of version 1";
  EXPECT_EQ(world.share("howdy", "1.0.0"), 100);
  EXPECT_EQ(world.share("howdy", "3.0.0"), 100);
  EXPECT_FALSE(world.lives("howdy", "2.0.0")) << "nobody called it, and the patch is none of its own";
}

TEST(Patches, AreKeptByAPolicyOfTwoMajors) {
  TwoMajors world;
  world.desired.cells.erase({"local", "gateway"});
  world.release("2.0.0", {"1.0.1"});
  for (DesiredStack& stack : world.desired.cells[{"local", "howdy"}].stacks)
    stack.settings.expiration_policy = ExpirationPolicy::kRetainLatestTwoMajor;
  world.rest();
  EXPECT_TRUE(world.lives("howdy", "1.0.1") && world.lives("howdy", "2.0.0"));
  EXPECT_FALSE(world.lives("howdy", "1.0.0"));
}

TEST(Patches, OfAnOldMemoryOfGitChangeNothing) {
  TwoMajors world;
  world.release("2.1.0", {"1.0.1"});
  for (DesiredStack& stack : world.desired.cells[{"local", "howdy"}].stacks) stack.fresh = false;
  EXPECT_TRUE(world.plan_now().actions.empty());
  const Cell cell = make_cell({"local", "howdy"}, world.desired, world.observed, callers_of(world.observed), world.now);
  for (const Case& c : cell.cases) {
    if (!c.live) continue;
    EXPECT_TRUE(c.stands) << c.name;
    EXPECT_EQ(c.patch, c.identity().version.major == 1) << c.name;
  }
}

TEST(Patches, CallNobodyUntilTheyAreNeeded) {
  World world;
  DesiredStack current = world.want("howdy", "2.0.0");
  DesiredStack patch = current;
  patch.version = {1, 0, 0};
  patch.patch = true;
  patch.spec.dependencies = {{"stock", {1, 0}}};
  DesiredCell& cell = world.desired.cells[{"local", "howdy"}];
  cell.stacks = {patch, current};
  EXPECT_TRUE(calls_to_come({"local", "howdy"}, cell, nullptr).empty());
}

}  // namespace
}  // namespace nelson
