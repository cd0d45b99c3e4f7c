#include "tests/controller/domains/haproxy/fixture.h"

namespace nelson::haproxy_test {
namespace {

/// Two old instances, three new ones, and the last of those sick.
class Shares : public HaproxyTest {
 protected:
  void SetUp() override {
    HaproxyTest::SetUp();
    if (IsSkipped()) return;
    sick_.set_sick(true);
    open();
  }

  Route at(int percent) { return route({{kOld, {&old_a_, &old_b_}, 100 - percent}, {kNew, {&new_a_, &new_b_, &sick_}, percent}}); }

  /// Waits until HAProxy's own checks have put the new stack's instance `index` out.
  void wait_until_out(const char* index) {
    ASSERT_TRUE(eventually([&] {
      for (const auto& line : haproxy::read_stat(worker_says("show stat")))
        if (line.proxy == haproxy::backend_name(kNew, "default") && line.server == index && line.status.starts_with("DOWN"))
          return true;
      return false;
    })) << worker_says("show stat");
  }

  Instance old_a_{kOld}, old_b_{kOld}, new_a_{kNew}, new_b_{kNew}, sick_{kNew};
};

TEST_F(Shares, AreWithinFourPointsAtFiveWeights) {
  for (const int percent : {0, 10, 25, 50, 90}) {
    SCOPED_TRACE(percent);
    ASSERT_NO_FATAL_FAILURE(serve(at(percent)));
    EXPECT_EQ(values_in(look().routes), std::vector{at(percent)});
    if (percent == 0) ASSERT_NO_FATAL_FAILURE(wait_until_out("2"));
    const int before = sick_.requests();
    expect_share(percent);
    EXPECT_EQ(sick_.requests(), before) << "a sick instance got requests";
  }
}

TEST_F(Shares, AreTheSameAfterHaproxyWasKilled) {
  ASSERT_NO_FATAL_FAILURE(serve(at(25)));
  ASSERT_NO_FATAL_FAILURE(wait_until_out("2"));
  look();
  ASSERT_NO_FATAL_FAILURE(kill_haproxy());
  EXPECT_TRUE(look().routes.empty()) << "routes are shown although nothing serves them";
  const int before = sick_.requests();
  ASSERT_NO_FATAL_FAILURE(serve(at(25)));
  expect_share(25);
  EXPECT_EQ(sick_.requests(), before) << "a new HAProxy did not know who was sick";
  EXPECT_EQ(values_in(look().routes), std::vector{at(25)});
}

TEST_F(Shares, AreTheSameWhileNobodyControlsHaproxy) {
  ASSERT_NO_FATAL_FAILURE(serve(at(75)));
  ASSERT_NO_FATAL_FAILURE(wait_until_out("2"));
  balancer_.reset();
  expect_share(75);
  // It goes on leaving sick ones out and taking healed ones in by itself.
  sick_.set_sick(false);
  new_a_.set_sick(true);
  const int before = sick_.requests();
  ASSERT_TRUE(eventually([&] {
    Client(address_).get("/");
    return sick_.requests() > before;
  }));
  ASSERT_NO_FATAL_FAILURE(wait_until_out("0"));
  expect_share(75);
}

}  // namespace
}  // namespace nelson::haproxy_test
