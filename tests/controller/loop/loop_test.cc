#include "controller/loop/loop.h"

#include <gtest/gtest.h>

#include <atomic>

#include "reconcilers/plan.h"
#include "tests/controller/loop/world.h"

namespace nelson {
namespace {

using namespace test;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

/// The loop in a thread of its own, over one test domain and a plan that the test may change.
class LoopTest : public testing::Test {
 protected:
  ~LoopTest() override { end(); }

  void start(LoopOptions options = {}) {
    world_.claim = Claim{"us", "file:///control", desired_.control_commit};
    DomainsOptions domains;
    domains.open = [this](const DomainSettings& settings, const DomainContext& context) { return world_.open(settings, context); };
    domains_ = std::make_unique<Domains>(std::move(domains));
    EngineParts parts;
    parts.store = &store_;
    parts.clock = &clock_;
    parts.domains = domains_.get();
    parts.contains = [](const std::string&, const std::string&) { return Result<bool>(true); };
    parts.planner.plan = [this](const Desired&, const Observed& observed, Instant now) {
      return plan_ ? plan_(observed, now) : Plan{};
    };
    parts.planner.digest = [](const Plan& plan) { return digest_of(plan); };
    engine_ = std::make_unique<Engine>(std::move(parts));
    loop_ = std::make_unique<Loop>(
        *engine_, clock_, [this] { return readable_ ? std::make_shared<const Desired>(desired_) : nullptr; },
        [this](const PassReport* report) {
          const std::lock_guard guard(mutex_);
          ++(report == nullptr ? idle_ : passes_);
          changed_.notify_all();
        },
        options);
    thread_ = std::thread([this] { ended_ = loop_->run(); });
  }

  void end() {
    if (!thread_.joinable()) return;
    loop_->stop();
    thread_.join();
  }

  bool passes(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, seconds(20), [&] { return passes_ >= count; });
  }

  Story story_;
  TestDomain world_{story_};
  TestStore store_{story_};
  Clock clock_;
  Desired desired_ = desired_with({"d"});
  std::function<Plan(const Observed&, Instant)> plan_;
  std::atomic<bool> readable_{true};
  std::unique_ptr<Domains> domains_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Loop> loop_;
  std::thread thread_;
  Status ended_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int passes_ = 0, idle_ = 0;
};

TEST_F(LoopTest, LaunchesAndComesToRest) {
  const std::string stack = stack_name(identity_of("basket"));
  plan_ = [&](const Observed& observed, Instant) {
    Plan plan;
    if (!observed.cells.contains({"d", "basket"})) plan.actions = {action_on("basket", launch_of(identity_of("basket")))};
    return plan;
  };
  start();
  ASSERT_TRUE(passes(2)) << "what was done is looked at at once";
  end();
  EXPECT_TRUE(world_.running.contains(stack));
  EXPECT_EQ(passes_, 2) << "and then it rests";
  EXPECT_TRUE(ended_);
}

TEST_F(LoopTest, WakesWhenTold) {
  start();
  ASSERT_TRUE(passes(1));
  loop_->wake();
  ASSERT_TRUE(passes(2));
}

TEST_F(LoopTest, ABurstOfNewsIsFewPasses) {
  LoopOptions options;
  options.least_pause = milliseconds(300);
  start(options);
  ASSERT_TRUE(passes(1));
  for (int i = 0; i < 1000; ++i) loop_->wake();
  ASSERT_TRUE(passes(2));
  end();
  EXPECT_LE(passes_, 3);
}

TEST_F(LoopTest, WakesAtWakeAt) {
  std::atomic<bool> first{true};
  plan_ = [&](const Observed&, Instant now) {
    Plan plan;
    if (first.exchange(false)) plan.wake_at = now + milliseconds(300);
    return plan;
  };
  const auto before = steady_clock::now();
  start();
  ASSERT_TRUE(passes(2));
  EXPECT_GE(steady_clock::now() - before, milliseconds(299));
}

TEST_F(LoopTest, ADistantWakeAtIsNotAnOverflow) {
  plan_ = [](const Observed&, Instant) {
    Plan plan;
    plan.wake_at = Instant::max();
    return plan;
  };
  start();
  ASSERT_TRUE(passes(1));
  loop_->wake();
  ASSERT_TRUE(passes(2));
  end();
  EXPECT_LE(passes_, 2);
}

TEST_F(LoopTest, LooksNowAndThenWithoutAnyNews) {
  LoopOptions options;
  options.full_pass = milliseconds(50);
  start(options);
  EXPECT_TRUE(passes(4));
}

TEST_F(LoopTest, LooksAgainWhileAnAnswerIsOnItsWay) {
  world_.sessions = {{"howdy--1-0-0--00000000", 0, 1}};
  LoopOptions options;
  options.look_at_draining = milliseconds(20);
  start(options);
  EXPECT_TRUE(passes(4)) << "a balancer does not say when a last answer is out";
}

TEST_F(LoopTest, APlanThatComesBackTheSameDoesNotSpin) {
  plan_ = [](const Observed&, Instant) {
    Plan plan;
    plan.actions = {action_on("basket", Publish{"basket--1-0-0--00000000", "{}"})};
    return plan;
  };
  const auto before = steady_clock::now();
  start();
  ASSERT_TRUE(passes(4));
  EXPECT_GE(steady_clock::now() - before, milliseconds(100 + 200)) << "pauses of 0, 100, 200 milliseconds";
}

TEST_F(LoopTest, WithoutAReadableControlRepositoryNothingIsDone) {
  readable_ = false;
  start();
  {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, seconds(20), [&] { return idle_ > 0; }));
  }
  EXPECT_EQ(world_.opened, 0);
  readable_ = true;
  loop_->wake();
  EXPECT_TRUE(passes(1));
}

TEST_F(LoopTest, EndsSoonWhenTold) {
  start();
  ASSERT_TRUE(passes(1));
  const auto before = steady_clock::now();
  end();
  EXPECT_LT(steady_clock::now() - before, seconds(2));
}

TEST_F(LoopTest, EndsWithTheErrorThatCannotBeGoneOnWith) {
  store_.broken = true;
  start();
  thread_.join();
  ASSERT_FALSE(ended_);
  EXPECT_EQ(ended_.error().kind, ErrorKind::kInternal);
}

}  // namespace
}  // namespace nelson
