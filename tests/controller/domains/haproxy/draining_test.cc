#include "controller/domains/haproxy/draining.h"

#include <gtest/gtest.h>

namespace nelson::haproxy {
namespace {

using namespace std::chrono_literals;

constexpr const char* kStack = "checkout--1-0-0--0000aaaa";

/// A route to one server of the stack at this port; 0 is a route without servers.
Table table_at(std::uint16_t port) {
  Backend backend{kStack, 100, {}, {}};
  if (port != 0) backend.servers.push_back({0, {{"default", "127.0.0.1", port}}});
  Route route;
  route.key = {"local", "dev", "checkout", 1};
  route.ports = {{"default", 8080, Protocol::kHttp}};
  route.backends = {backend};
  return {{route.key, {route, {{"default", "127.0.0.1", 25000}}}}};
}

class DrainingTest : public ::testing::Test {
 protected:
  bool ends_by(Duration after) { return draining_.take_overdue(begin_ + after) == std::set<Place>{place_}; }
  bool ends_nothing_by(Duration after) { return draining_.take_overdue(begin_ + after).empty(); }

  Draining::Clock::time_point begin_ = Draining::Clock::now();
  Draining draining_{60s};
  Place place_{backend_name(kStack, "default"), "0"};
};

TEST_F(DrainingTest, AServerThatLeftEndsAtTheLimit) {
  draining_.note(table_at(20000), table_at(0), begin_);
  EXPECT_TRUE(ends_nothing_by(59s));
  EXPECT_TRUE(ends_by(60s));
  EXPECT_TRUE(ends_nothing_by(61s)) << "asked for once";
}

TEST_F(DrainingTest, AServerThatCameBackIsLeftAlone) {
  draining_.note(table_at(20000), table_at(0), begin_);
  draining_.note(table_at(0), table_at(20000), begin_ + 2s);
  EXPECT_TRUE(ends_nothing_by(100s));
  draining_.note(table_at(20000), table_at(0), begin_ + 100s);
  EXPECT_TRUE(ends_nothing_by(159s)) << "and has its whole time when it leaves again";
  EXPECT_TRUE(ends_by(160s));
}

TEST_F(DrainingTest, AServerThatMovedEndsWhereItWas) {
  draining_.note(table_at(20000), table_at(20001), begin_);
  draining_.note(table_at(20001), table_at(20001), begin_ + 2s);
  EXPECT_TRUE(ends_by(60s));
}

TEST_F(DrainingTest, ASessionOfAServerInNoRouteCountsFromTheFirstLook) {
  const StatLine line{place_.backend, place_.server, "UP", 1, 100};
  draining_.note(line, table_at(20000), begin_);
  EXPECT_TRUE(ends_nothing_by(100s)) << "it is in a route";
  draining_.note(line, table_at(0), begin_ + 100s);
  draining_.note(line, table_at(0), begin_ + 120s);
  EXPECT_TRUE(ends_by(160s));
  draining_.note(line, table_at(0), begin_ + 170s);
  draining_.note(table_at(0), table_at(20000), begin_ + 180s);
  EXPECT_TRUE(ends_nothing_by(300s));
}

TEST(ReloadPause, LetsAnOldWorkerLiveForTheDrainLimit) {
  EXPECT_EQ(reload_pause(0, 60s), 0s);
  Duration lived{};
  for (std::int32_t reloads = 0; reloads < kMostReloads; ++reloads) lived += reload_pause(reloads, 60s);
  EXPECT_GE(lived, 60s);
}

}  // namespace
}  // namespace nelson::haproxy
