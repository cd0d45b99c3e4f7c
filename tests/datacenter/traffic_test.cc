#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "tests/datacenter/world/watch.h"

// What requests meet while stacks come, share traffic and go, counted from the bodies of answers through a real HAProxy.

namespace nelson::datacenter {
namespace {

bool has_haproxy() { return run({"haproxy", "-v"}).status == 0; }

double share_of(const std::map<std::string, int>& answers, const std::string& stack) {
  int all = 0;
  for (const auto& [name, count] : answers) all += count;
  const auto mine = answers.find(stack);
  return all == 0 || mine == answers.end() ? 0.0 : 100.0 * mine->second / all;
}

int total(const std::map<std::string, int>& answers) {
  int all = 0;
  for (const auto& [name, count] : answers) all += count;
  return all;
}

class Traffic : public testing::Test {
 public:
  explicit Traffic(const std::string& shift = "25 seconds")
      : world_({shift, "3 seconds", "3 seconds", "30 seconds", "2 seconds"}) {}

 protected:
  void SetUp() override {
    if (!has_haproxy()) GTEST_SKIP() << "no haproxy on this machine";
    ASSERT_EQ(world_.broken(), "");
    world_.add_repository("shop");
    world_.push_unit("shop", {});
    ASSERT_TRUE(world_.start()) << world_.log();
    ASSERT_TRUE(world_.wait_live("basket", "1.0.0")) << world_.why();
    first_ = world_.status().find("basket", "1.0.0")->name;
    port_ = world_.stable_port("basket");
    ASSERT_NE(port_, 0);
    ASSERT_TRUE(wait_until(Seconds(20), [&] { return http_get(port_, "/").status == 200; })) << world_.why();
  }

  /// Pushes 1.1.0 with three instances, of which the last is sick when told so, and waits until it has at least `percent`.
  void shift_to(int percent, bool one_sick) {
    Unit next;
    next.version = "1.1.0";
    next.instances = 3;
    next.mode = one_sick ? "sick-2" : "";
    world_.push_unit("shop", next);
    ASSERT_TRUE(wait_until(Seconds(60), [&] {
      const auto stack = world_.status().find("basket", "1.1.0");
      return stack && stack->percent.value_or(0) >= percent;
    })) << world_.why();
    second_ = world_.status().find("basket", "1.1.0")->name;
  }

  World world_;
  std::string first_, second_;
  std::uint16_t port_ = 0;
};

/// The controller is dead from the middle of the shift on, and HAProxy is killed besides: the share stays the recorded one, though one
/// instance of three is sick.
TEST_F(Traffic, SharesStandWithinFourPointsWhileNobodyLooks) {
  ASSERT_NO_FATAL_FAILURE(shift_to(30, true));
  world_.kill_controller();
  const std::optional<int> planned = world_.recorded_percent(second_);
  ASSERT_TRUE(planned);
  Requests requests(port_);
  ASSERT_TRUE(wait_until(Seconds(60), [&] { return requests.made() >= 2000; }));
  const std::map<std::string, int> dead = requests.take();
  EXPECT_NEAR(share_of(dead, second_), *planned, 4) << total(dead) << " answers without a controller";
  EXPECT_EQ(requests.failures(), "");
}

TEST_F(Traffic, AKilledBalancerIsBackWithTheSameShares) {
  ASSERT_NO_FATAL_FAILURE(shift_to(20, false));
  const std::vector<Process> before = world_.balancers();
  ASSERT_FALSE(before.empty());
  for (const Process& process : before) ::kill(process.pid, SIGKILL);
  ASSERT_TRUE(wait_until(Seconds(30), [&] {
    const auto now = world_.balancers();
    return !now.empty() && now[0].pid != before[0].pid && http_get(port_, "/").status == 200;
  })) << world_.why();
  const int planned_before = world_.recorded_percent(second_).value_or(-100);
  Requests requests(port_);
  ASSERT_TRUE(wait_until(Seconds(30), [&] { return requests.made() >= 300; }));
  const double share = share_of(requests.take(), second_);
  const int planned_after = world_.recorded_percent(second_).value_or(-100);
  EXPECT_GE(share, planned_before - 4) << planned_before << " to " << planned_after;
  EXPECT_LE(share, planned_after + 4) << planned_before << " to " << planned_after;
  EXPECT_EQ(requests.failures(), "");
  EXPECT_TRUE(world_.wait_live("basket", "1.1.0", Seconds(60))) << world_.why();
}

class QuickTraffic : public Traffic {
 public:
  QuickTraffic() : Traffic("2 seconds") {}
};

TEST_F(QuickTraffic, ASlowAnswerOfARetiredStackArrivesWholeAndNoRequestFails) {
  Requests requests(port_);
  Answer slow;
  std::thread reader([&] { slow = http_get(port_, "/slow?seconds=20", Seconds(40)); });
  Unit next;
  next.version = "1.1.0";
  next.instances = 3;
  world_.push_unit("shop", next);
  EXPECT_TRUE(world_.wait_live("basket", "1.1.0")) << world_.why();
  reader.join();
  EXPECT_EQ(slow.status, 200);
  EXPECT_TRUE(slow.body.starts_with(first_)) << "answered by: " << slow.body;
  EXPECT_TRUE(wait_until(Seconds(20), [&] { return world_.witnessed(first_).empty(); }))
      << "nothing needs it any more" << world_.why();
  EXPECT_EQ(requests.failures(), "") << "of " << requests.made() << world_.why();
}

}  // namespace
}  // namespace nelson::datacenter
