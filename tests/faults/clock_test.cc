#include <gtest/gtest.h>

#include <map>

#include "tests/faults/yard.h"

// The wall clock of every process of nelson jumps while a shift is under way. Weights move as they would have, nothing retires early, and the
// page says why removals wait.

namespace nelson::faults {
namespace {

using datacenter::wait_until;
using std::chrono::duration_cast;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr Seconds kShift(4), kExtended(4);
constexpr int kStep = 25;  // percent: 4 seconds, a step a second

struct Jump {
  const char* name;
  Seconds by;
  bool restart;  // the controller is killed and started again under the other clock
};

Seconds to_1970() { return -duration_cast<Seconds>(std::chrono::system_clock::now().time_since_epoch()); }

std::vector<Jump> jumps() {
  constexpr Seconds kDay(86'400);
  return {{"a day back", -kDay, false},
          {"a day forward", kDay, false},
          {"ten years forward", 3653 * kDay, false},
          {"to 1970", to_1970(), false},
          {"a day back, and a restart", -kDay, true}};
}

/// What the records said of the new stack's share, and when, until it had everything and the old one was gone.
class Observed {
 public:
  Observed(Lane& lane, std::string old_stack, std::string new_stack)
      : lane_(lane), old_(std::move(old_stack)), new_(std::move(new_stack)) {}

  void look() {
    const auto now = Clock::now();
    const std::optional<int> percent = lane_.world().recorded_percent(new_);
    if (percent) {
      if (*percent > last_ + kStep) ADD_FAILURE() << "the share went from " << last_ << " to " << *percent << " percent at once";
      if (*percent > last_ && last_ > 0 && now - moved_ < milliseconds(500))
        ADD_FAILURE() << "a step after less than half a second";
      if (*percent != last_) moved_ = now;
      last_ = *percent;
    }
    if (last_ < 100) not_yet_all_ = now;
    gone_ = lane_.world().witnessed(old_).empty();
    if (gone_ && now - not_yet_all_ < kExtended) ADD_FAILURE() << "the old stack went before its time";
    for (const auto& trouble : lane_.world().status().trouble) told_[trouble.code] = trouble.cause;
  }
  [[nodiscard]] int percent() const { return last_; }
  [[nodiscard]] bool gone() const { return gone_; }
  [[nodiscard]] std::string told(const std::string& code) const {
    const auto found = told_.find(code);
    return found == told_.end() ? "" : found->second;
  }

 private:
  Lane& lane_;
  std::string old_, new_;
  int last_ = 0;
  Clock::time_point moved_, not_yet_all_ = Clock::now();
  bool gone_ = false;
  std::map<std::string, std::string> told_;
};

void jump_in_mid_shift(Lane& lane, const Jump& jump) {
  SCOPED_TRACE(jump.name);
  ASSERT_TRUE(lane.be_settled()) << lane.said() << lane.world().why();
  const std::string old_stack = lane.world().status().stacks.at(0).name;
  lane.push_next();
  std::string new_stack;
  ASSERT_TRUE(wait_until(Seconds(30), [&] {
    const auto stack = lane.world().status().find("basket", lane.version());
    new_stack = stack ? stack->name : "";
    return stack.has_value();
  })) << lane.world().why();
  Observed observed(lane, old_stack, new_stack);
  ASSERT_TRUE(wait_until(Seconds(30), [&] {
    observed.look();
    return observed.percent() > 0;
  })) << lane.world().why();
  ASSERT_LT(observed.percent(), 100);

  lane.shim().set_wall_ahead(jump.by);
  if (jump.restart) {
    lane.world().kill_controller();
    ASSERT_TRUE(lane.start()) << lane.said();
  }
  EXPECT_TRUE(wait_until(Seconds(60), [&] {
    observed.look();
    return observed.gone();
  })) << lane.world().why();
  EXPECT_NE(observed.told("removals-held").find("clock"), std::string::npos)
      << "the page did not say why removals wait: " << observed.told("removals-held");
  EXPECT_TRUE(lane.wait_settled()) << lane.world().why();

  // And back again.
  lane.shim().set_wall_ahead(Seconds(0));
  for (const std::string& finding : lane.findings()) ADD_FAILURE() << finding;
}

TEST(WallClock, JumpsInMidShiftHurryNothing) {
  const std::vector<Jump> all = jumps();
  std::vector<std::unique_ptr<Lane>> lanes;
  for (std::size_t i = 0; i < all.size(); ++i) {
    lanes.push_back(std::make_unique<Lane>(datacenter::Times{"4 seconds", "2 seconds", "4 seconds", "3 seconds", "2 seconds"}));
    ASSERT_EQ(lanes.back()->world().broken(), "");
  }
  at_once(lanes, [&all](Lane& lane, std::size_t i) { jump_in_mid_shift(lane, all[i]); });
}

}  // namespace
}  // namespace nelson::faults
