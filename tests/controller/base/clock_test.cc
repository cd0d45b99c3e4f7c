#include "controller/base/clock.h"

#include <gtest/gtest.h>

namespace nelson {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const Instant kStart{hours(500'000)};

struct TestClocks {
  Instant wall = kStart;
  Duration boot = hours(7);

  ClockSources sources() {
    return {[this] { return wall; }, [this] { return boot; }};
  }
  void pass(Duration d) {
    wall += d;
    boot += d;
  }
};

TEST(Clock, FollowsTheBootTimeClockWhateverTheWallClockDoes) {
  TestClocks clocks;
  const Clock clock(clocks.sources());
  EXPECT_EQ(clock.now(), kStart);
  clocks.pass(seconds(5));
  EXPECT_EQ(clock.now(), kStart + seconds(5));
  clocks.wall -= hours(3);
  EXPECT_EQ(clock.now(), kStart + seconds(5));
  EXPECT_EQ(clock.wall_ahead(), -hours(3));
}

TEST(Clock, TheSystemsClockMoves) {
  const Clock clock;
  const Instant before = clock.now();
  EXPECT_GE(clock.now(), before);
  EXPECT_LT(clock.wall_ahead(), seconds(10));
}

struct JumpCase {
  std::string name;
  Duration jump;
  bool held;
  std::string says;
};

TEST(ClockWatch, HoldsRemovalsWhenTheWallClockLeavesNow) {
  const std::vector<JumpCase> cases = {
      {"nothing happened", Duration::zero(), false, ""},
      {"a minute is tolerated", seconds(60), false, ""},
      {"more than a minute forward", milliseconds(60'001), true, "went forward by 1 minute"},
      {"three minutes back", -minutes(3), true, "went back by 3 minutes"},
      {"ten years forward", hours(87'600), true, "went forward by"},
  };
  for (const JumpCase& c : cases) {
    TestClocks clocks;
    const Clock clock(clocks.sources());
    ClockWatch watch(clock, std::nullopt);
    clocks.wall += c.jump;
    watch.look();
    const auto held = watch.removals_held(minutes(30));
    ASSERT_EQ(held.has_value(), c.held) << c.name;
    if (!held) continue;
    EXPECT_NE(held->reason.find(c.says), std::string::npos) << held->reason;
    EXPECT_EQ(held->until, kStart + minutes(30));
    clocks.pass(minutes(30) - milliseconds(1));
    watch.look();
    EXPECT_TRUE(watch.removals_held(minutes(30))) << c.name;
    clocks.pass(milliseconds(1));
    watch.look();
    EXPECT_FALSE(watch.removals_held(minutes(30))) << "the same jump counts once: " << c.name;
  }
}

TEST(ClockWatch, ASecondJumpHoldsAgain) {
  TestClocks clocks;
  const Clock clock(clocks.sources());
  ClockWatch watch(clock, std::nullopt);
  clocks.wall += minutes(5);
  watch.look();
  clocks.pass(hours(1));
  watch.look();
  ASSERT_FALSE(watch.removals_held(minutes(30)));
  clocks.wall -= minutes(5);
  watch.look();
  EXPECT_TRUE(watch.removals_held(minutes(30)));
}

TEST(ClockWatch, HoldsRemovalsWhenTheStoreHasSeenLaterInstants) {
  TestClocks clocks;
  const Clock clock(clocks.sources());
  EXPECT_FALSE(ClockWatch(clock, kStart + seconds(60)).removals_held(minutes(30)));
  EXPECT_FALSE(ClockWatch(clock, kStart - hours(9)).removals_held(minutes(30)));
  const auto held = ClockWatch(clock, kStart + minutes(61)).removals_held(minutes(30));
  ASSERT_TRUE(held);
  EXPECT_NE(held->reason.find("1 hour 1 minute before"), std::string::npos) << held->reason;
  EXPECT_EQ(held->until, kStart + minutes(30));
}

}  // namespace
}  // namespace nelson
