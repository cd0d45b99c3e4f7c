#include <gtest/gtest.h>

#include "tests/reconcilers/world.h"

namespace nelson {
namespace {

using std::chrono::minutes;

TEST(LostRecord, OfAWantedStackIsWrittenAgainAndNothingIsLaunchedTwice) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.stack("howdy", "1.0.0")->record.reset();
  const Plan decided = world.plan_now();
  ASSERT_TRUE(has(lines_of(decided), "launch howdy 1.0.0"));
  EXPECT_EQ(std::get<Launch>(decided.actions[0].effect).incarnation, 1U) << "the life that runs goes on";
}

TEST(LostRecord, MovesNoTraffic) {
  for (const char* const wanted : {"1.0.0", "1.1.0"}) {
    for (const char* const lost : {"1.0.0", "1.1.0"}) {
      World world;
      world.want("howdy", "1.0.0");
      world.settle();
      world.want("howdy", "1.1.0");
      world.let_pass(minutes(10));
      world.want("howdy", wanted);
      world.settle();
      const std::vector<TrafficRecord> traffic = world.cell("howdy").traffic;
      const std::vector<Route> routes = world.cell("howdy").routes;
      world.stack("howdy", lost)->record.reset();
      world.pass();
      EXPECT_EQ(world.cell("howdy").traffic, traffic) << lost;
      EXPECT_EQ(world.cell("howdy").routes, routes) << lost;
      if (lost != std::string(wanted)) continue;
      world.let_pass(minutes(11));
      EXPECT_EQ(world.share("howdy", wanted), 100) << "written again, it goes on";
    }
  }
}

TEST(LostRecord, OfAllThatServesUnservesNothing) {
  World world;
  world.want("howdy", "1.0.0");
  world.settle();
  world.stack("howdy", "1.0.0")->record.reset();
  EXPECT_EQ(lines_of(world.plan_now()), Lines{"launch howdy 1.0.0"});
  world.cell("howdy").traffic.clear();
  EXPECT_EQ(lines_of(world.plan_now()), Lines{"launch howdy 1.0.0"}) << "the balancer remembers the weights";
  world.want("howdy", "1.1.0");
  EXPECT_EQ(lines_of(world.pass()), Lines{"launch howdy 1.1.0"});
  EXPECT_EQ(lines_of(world.pass()), (Lines{"note ready howdy 1.1.0", "publish howdy 1.1.0"}));
  EXPECT_EQ(lines_of(world.pass()), Lines{}) << "it is left alone, and said";
  EXPECT_TRUE(has(codes_of(world.plan_now()), "record-lost"));
}

TEST(LostRecord, IsWrittenAgainWhateverTheWorldLacks) {
  World world;
  world.want("db", "1.0.0");
  world.want("howdy", "1.0.0").spec.dependencies = {{"db", {1, 0}}};
  world.let_pass(minutes(1));
  world.stack("howdy", "1.0.0")->record.reset();
  world.cell("db") = {};
  EXPECT_TRUE(has(lines_of(world.plan_now()), "launch howdy 1.0.0"));
}

TEST(LostRecord, VanishesForNoCaller) {
  World world;
  world.want("db", "1.0.0");
  world.want("howdy", "1.0.0").spec.dependencies = {{"db", {1, 0}}};
  world.let_pass(minutes(1));
  const auto published = world.stack("howdy", "1.0.0")->published;
  world.stack("db", "1.0.0")->record.reset();
  EXPECT_EQ(lines_of(world.pass()), Lines{"launch db 1.0.0"});
  world.settle();
  EXPECT_TRUE(world.lives("db", "1.0.0"));
  EXPECT_EQ(world.stack("howdy", "1.0.0")->published, published);
}

}  // namespace
}  // namespace nelson
