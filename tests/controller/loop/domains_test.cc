#include "controller/loop/domains.h"

#include <gtest/gtest.h>

#include "tests/controller/loop/world.h"

namespace nelson {
namespace {

using namespace test;

/// Does a task at once, or, while it is held, when the test says.
class HeldWorker final : public Worker {
 public:
  [[nodiscard]] bool idle() const override { return !task_; }
  void start(std::function<void()> task, std::function<void()> ended) override {
    task_ = std::move(task);
    ended_ = std::move(ended);
    if (!held) finish();
  }
  bool wait_until(SteadyTime) const override { return idle(); }
  void finish() {
    std::exchange(task_, nullptr)();
    ended_();
  }

  bool held = false;

 private:
  std::function<void()> task_, ended_;
};

class DomainsTest : public testing::Test {
 protected:
  DomainsTest() {
    DomainsOptions options;
    options.open = [this](const DomainSettings& settings, const DomainContext& context) { return world_.open(settings, context); };
    options.changed = [this] { ++changes_; };
    options.worker = [this](const std::string&) {
      auto worker = std::make_unique<HeldWorker>();
      worker_ = worker.get();
      return worker;
    };
    domains_.emplace(std::move(options));
    domains_->align(desired_with({"d"}));
    domains_->observe();
  }

  Story story_;
  TestDomain world_{story_};
  HeldWorker* worker_ = nullptr;
  int changes_ = 0;
  std::optional<Domains> domains_;
};

TEST(ThreadWorkerTest, IsIdleWhenItSaysThatItHasEnded) {
  std::atomic<int> idle{-1};
  ThreadWorker worker;
  worker.start([] {}, [&] { idle = worker.idle() ? 1 : 0; });
  EXPECT_TRUE(worker.wait_until(std::chrono::steady_clock::now() + std::chrono::seconds(20)));
  while (idle < 0) std::this_thread::yield();
  EXPECT_EQ(idle, 1);
}

TEST_F(DomainsTest, WhatBecameOfEffectsIsTakenBeforeTheDomainIsAskedAgain) {
  worker_->held = true;
  domains_->perform("d", {{1, "d", action_on("basket", launch_of(identity_of("basket")))}}, Instant{});
  EXPECT_TRUE(domains_->finished(false).empty());
  worker_->finish();  // just after somebody looked
  EXPECT_EQ(changes_, 1) << "whoever looked too early is told";
  worker_->held = false;
  EXPECT_FALSE(domains_->ready("d")) << "its outcome comes first";
  EXPECT_FALSE(domains_->observe().domains.at("d").scheduler.complete);
  const std::vector<Done> done = domains_->finished(false);
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(done[0].step.sequence, 1U);
  EXPECT_TRUE(domains_->observe().domains.at("d").scheduler.complete);
  EXPECT_TRUE(domains_->ready("d"));
}

}  // namespace
}  // namespace nelson
