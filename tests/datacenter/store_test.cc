#include <gtest/gtest.h>

#include <filesystem>

#include "tests/datacenter/world/watch.h"

// Law 4: the store is a cache with a memory. Delete it, and the same stacks are there under the same names, with the same facts; only history is
// lost, and that is said.

namespace nelson::datacenter {
namespace {

class StoreDeleted : public testing::Test {
 protected:
  void begin(const Times& times) {
    world_ = std::make_unique<World>(times);
    ASSERT_EQ(world_->broken(), "");
    world_->add_repository("shop");
    world_->push_unit("shop", {});
    ASSERT_TRUE(world_->start()) << world_->log();
    ASSERT_TRUE(world_->wait_live("basket", "1.0.0")) << world_->why();
    first_ = world_->status().find("basket", "1.0.0")->name;
  }

  /// The controller is killed, its store deleted, and it is started again.
  void delete_store() {
    world_->kill_controller();
    ASSERT_TRUE(std::filesystem::exists(world_->store_folder()));
    std::filesystem::remove_all(world_->store_folder());
    ASSERT_TRUE(world_->start()) << world_->log();
    ASSERT_TRUE(wait_until(Seconds(30), [&] { return world_->status().answered && !world_->status().stacks.empty(); }))
        << world_->why();
  }

  void expect_loss_is_said() {
    const Status status = world_->status();
    EXPECT_NE(status.store_notice, "") << world_->why();
    EXPECT_FALSE(status.about("store-rebuilt").empty()) << world_->why();
  }

  std::unique_ptr<World> world_;
  std::string first_;
};

TEST_F(StoreDeleted, AtRest) {
  ASSERT_NO_FATAL_FAILURE(begin({}));
  const std::vector<Process> before = world_->witnessed(first_);
  ASSERT_EQ(before.size(), 2u);
  ASSERT_NO_FATAL_FAILURE(delete_store());
  ASSERT_TRUE(world_->wait_live("basket", "1.0.0")) << world_->why();
  EXPECT_EQ(world_->status().stacks.size(), 1u) << world_->why();
  EXPECT_TRUE(world_->status().find(first_)) << world_->why();
  EXPECT_EQ(world_->witnessed(first_), before);
  expect_loss_is_said();
  EXPECT_TRUE(world_->wait_well()) << world_->why();
}

TEST_F(StoreDeleted, InMidShift) {
  ASSERT_NO_FATAL_FAILURE(begin({"20 seconds", "3 seconds", "6 seconds", "10 seconds", "2 seconds"}));
  Unit next;
  next.version = "1.1.0";
  next.instances = 3;
  world_->push_unit("shop", next);
  const auto second = [&] { return world_->status().find("basket", "1.1.0"); };
  ASSERT_TRUE(wait_until(Seconds(60), [&] { return second() && second()->percent.value_or(0) >= 20; })) << world_->why();
  const std::string name = second()->name;
  const std::vector<Process> old_processes = world_->witnessed(first_);
  const std::vector<Process> new_processes = world_->witnessed(name);
  world_->kill_controller();
  const std::optional<int> before = world_->recorded_percent(name);
  ASSERT_TRUE(before);
  ASSERT_LT(*before, 95) << "the shift was over before the controller was killed";
  ASSERT_NO_FATAL_FAILURE(delete_store());
  const std::optional<int> after = world_->recorded_percent(name);
  ASSERT_TRUE(after);
  constexpr int kStep = 5;  // 20 seconds, a step a second
  EXPECT_GE(*after, *before);
  EXPECT_LE(*after, *before + 2 * kStep) << "one step while it was started, one while this test looked";
  EXPECT_EQ(world_->witnessed(first_), old_processes);
  EXPECT_EQ(world_->witnessed(name), new_processes);
  expect_loss_is_said();
  ASSERT_TRUE(world_->wait_live("basket", "1.1.0", Seconds(60))) << world_->why();
  EXPECT_EQ(world_->witnessed(name), new_processes);
  EXPECT_TRUE(wait_until(Seconds(60), [&] { return world_->witnessed(first_).empty(); })) << world_->why();
}

TEST_F(StoreDeleted, UnderAHoldItStaysHeld) {
  ASSERT_NO_FATAL_FAILURE(begin({"1 second", "1 second", "1 second", "5 seconds", "2 seconds"}));
  world_->control_file("domains/local.yml",
                       read_text(world_->path("site/control/domains/local.yml")) + "brake: {count: 0, percent: 0}\n");
  world_->control_file("repositories/shop.yml", std::nullopt);  // what runs is now nobody's, and due; only the brake keeps it
  ASSERT_TRUE(world_->wait_trouble("brake")) << world_->why();
  const std::vector<Process> before = world_->witnessed(first_);
  ASSERT_EQ(before.size(), 2u);
  ASSERT_NO_FATAL_FAILURE(delete_store());
  const auto told = world_->wait_trouble("brake");
  ASSERT_TRUE(told) << world_->why();
  EXPECT_NE(told->way_out.find(first_), std::string::npos) << "the file to commit names it: " << told->way_out;
  // Passes go on, several lifetimes long, and nothing of it goes.
  EXPECT_FALSE(wait_until(Seconds(5), [&] { return world_->witnessed(first_) != before; })) << world_->why();
  expect_loss_is_said();
  world_->control_file("acknowledgements/shop-closes.yml", "stacks: [" + first_ + "]\nwhy: the shop closes\n");
  EXPECT_TRUE(wait_until(Seconds(60), [&] { return world_->witnessed(first_).empty(); })) << world_->why();
}

TEST_F(StoreDeleted, BeforeAnExpiryItComesNoEarlier) {
  constexpr Seconds kExtended(15);
  ASSERT_NO_FATAL_FAILURE(begin({"1 second", "1 second", "15 seconds", "5 seconds", "2 seconds"}));
  Unit next;
  next.version = "1.1.0";
  world_->push_unit("shop", next);
  ASSERT_TRUE(world_->wait_live("basket", "1.1.0")) << world_->why();
  const auto kept_no_longer = std::chrono::steady_clock::now() - Seconds(2);  // at the latest: it is seen only after it happened
  ASSERT_FALSE(world_->witnessed(first_).empty()) << "it went before this test could delete the store";
  ASSERT_NO_FATAL_FAILURE(delete_store());
  ASSERT_TRUE(wait_until(Seconds(90), [&] { return world_->witnessed(first_).empty(); })) << world_->why();
  EXPECT_GE(std::chrono::steady_clock::now() - kept_no_longer, kExtended) << "it went earlier than it would have";
}

}  // namespace
}  // namespace nelson::datacenter
