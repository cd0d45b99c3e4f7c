#include "tests/faults/yard.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <thread>

namespace nelson::faults {

Yard& Yard::instance() {
  static Yard yard;
  return yard;
}

Yard::Yard() {
  for (std::uint64_t i = 0; i < number_from("NELSON_FAULTS_LANES", 6) && broken_.empty(); ++i) {
    lanes_.push_back(std::make_unique<Lane>());
    broken_ = lanes_.back()->world().broken();
  }
  if (!broken_.empty()) return;
  at_once(lanes_, [](Lane& lane, std::size_t) { static_cast<void>(lane.be_settled()); });
  for (const auto& lane : lanes_)
    if (!lane->settled()) broken_ = lane->said() + lane->world().why();
}

void at_once(const std::vector<std::unique_ptr<Lane>>& lanes, const std::function<void(Lane&, std::size_t)>& work) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < lanes.size(); ++i) threads.emplace_back([&, i] { work(*lanes[i], i); });
  for (std::thread& thread : threads) thread.join();
}

void Yard::share_out(std::size_t count, const std::function<void(Lane&, std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  at_once(lanes_, [&](Lane& lane, std::size_t) {
    for (std::size_t i = next++; i < count; i = next++) work(lane, i);
  });
}

void tell(const std::vector<Story>& stories) {
  Yard& yard = Yard::instance();
  ASSERT_EQ(yard.broken(), "");
  const char* const only = std::getenv("NELSON_FAULTS_STORY");
  std::vector<const Story*> told;
  for (const Story& story : stories)
    if (only == nullptr || story.name.find(only) != std::string::npos) told.push_back(&story);
  ASSERT_TRUE(only == nullptr || !told.empty() || stories.empty()) << "no story here is called " << only;
  yard.share_out(told.size(), [&](Lane& lane, std::size_t i) {
    const Story& story = *told[i];
    SCOPED_TRACE("NELSON_FAULTS_STORY='" + story.name + "' NELSON_SEED=" + std::to_string(seed()));
    if (!lane.be_settled()) {
      ADD_FAILURE() << "the lane was not settled before: " << lane.said() << lane.world().why();
      return;
    }
    lane.begin_log();
    lane.shim().clear_log();
    story.tell(lane);
    lane.shim().take_back();
    lane.shim().set_wall_ahead(Seconds(0));
    EXPECT_TRUE(lane.be_settled()) << lane.said() << lane.world().why();
    for (const std::string& finding : lane.findings()) ADD_FAILURE() << finding;
  });
}

}  // namespace nelson::faults
