#include <gtest/gtest.h>

#include "controller/domains/fake/fake.h"
#include "controller/domains/faulty.h"
#include "tests/controller/domains/surroundings.h"

namespace nelson::test {
namespace {

using namespace std::chrono_literals;

const std::string kStack = "checkout--1-0-0--0000aaaa";

class FaultsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    DomainSettings settings;
    settings.name = "local";
    domain_ = with_faults(world_.open(settings, "ours"), faults_);
  }

  std::size_t published() {
    const auto view = domain_.discovery->observe();
    return view ? view->published.size() : 99;
  }

  FakeWorld world_{Instant(1h)};
  std::shared_ptr<Faults> faults_ = std::make_shared<Faults>();
  Domain domain_;
};

TEST_F(FaultsTest, CallsAreCountedAndNamedOverAllParts) {
  ASSERT_TRUE(domain_.scheduler->observe().ok());
  ASSERT_TRUE(domain_.memory->lock("one").ok());
  ASSERT_TRUE(domain_.memory->put(sample_record("checkout")).ok());
  ASSERT_TRUE(domain_.balancer->unserve({}).ok());
  EXPECT_TRUE(domain_.memory->holds_lock());
  EXPECT_EQ(faults_->calls(), (std::vector<std::string>{"scheduler.observe", "memory.lock", "memory.put", "balancer.unserve"}));
}

TEST_F(FaultsTest, ACallThatFailsDoesNothing) {
  faults_->at(1, Fault::kFails);
  faults_->at("discovery.publish", 2, Fault::kConflict);
  EXPECT_EQ(domain_.discovery->publish(kStack, "{}").error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(domain_.discovery->publish(kStack, "{}").error().kind, ErrorKind::kConflict);
  EXPECT_EQ(published(), 0u);
  EXPECT_TRUE(domain_.discovery->publish(kStack, "{}").ok());
  EXPECT_EQ(published(), 1u);
}

TEST_F(FaultsTest, AnAnswerThatIsLostWasDoneAllTheSame) {
  faults_->at(1, Fault::kAnswerLost);
  EXPECT_EQ(domain_.discovery->publish(kStack, "{}").error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(published(), 1u);
}

TEST_F(FaultsTest, AStaleViewIsTheOneBefore) {
  EXPECT_EQ(published(), 0u);
  ASSERT_TRUE(domain_.discovery->publish(kStack, "{}").ok());
  faults_->at("discovery.observe", 2, Fault::kStale);
  EXPECT_EQ(published(), 0u);
  EXPECT_EQ(published(), 1u);
}

TEST_F(FaultsTest, ALateCallIsDoneAfterTimeHasPassed) {
  faults_->at(1, Fault::kLate);
  faults_->when_late([this] { world_.advance(9s); });
  const Instant before = world_.now();
  ASSERT_TRUE(domain_.discovery->publish(kStack, "{}").ok());
  EXPECT_EQ(world_.now() - before, 9s);
  EXPECT_EQ(published(), 1u);
}

TEST_F(FaultsTest, AControllerDiesBeforeOrAfterTheEffect) {
  faults_->at(1, Fault::kDiesBefore);
  faults_->at(3, Fault::kDiesAfter);
  EXPECT_THROW(static_cast<void>(domain_.discovery->publish(kStack, "{}").ok()), ControllerDied);
  EXPECT_EQ(published(), 0u);
  EXPECT_THROW(static_cast<void>(domain_.discovery->publish(kStack, "{}").ok()), ControllerDied);
  EXPECT_EQ(published(), 1u);
}

TEST_F(FaultsTest, AScriptMayChooseForEveryCall) {
  faults_->always([](int number, const std::string& call) {
    return number % 2 == 0 && call.ends_with("observe") ? Fault::kFails : Fault::kNone;
  });
  EXPECT_TRUE(domain_.scheduler->observe().ok());
  EXPECT_FALSE(domain_.scheduler->observe().ok());
  EXPECT_TRUE(domain_.scheduler->observe().ok());
}

// ---- the fakes' own script

class FakeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    DomainSettings settings;
    settings.name = "local";
    settings.drain_limit = 60s;
    domain_ = world_.open(settings, "ours");
  }

  std::string launch(const std::string& unit, std::int32_t count, bool checked = true) {
    Launch launch = sample_launch("ours", unit, {ArtifactKind::kImage, "example", {}, ""});
    if (checked) launch.identity.spec.health_checks = {{"health", "default", Protocol::kHttp, "/", 10s, 2s}};
    launch.stack = stack_name(launch.identity);
    EXPECT_TRUE(domain_.scheduler->ensure_present(sample_submission(*domain_.scheduler, launch, count)).ok());
    return launch.stack;
  }

  Instance instance() { return domain_.scheduler->observe()->stacks.begin()->second.instances.at(0); }

  FakeWorld world_{Instant(1h)};
  Domain domain_;
};

TEST_F(FakeTest, AnInstanceStartsThenRunsThenPasses) {
  const Instant begin = world_.now();
  launch("checkout", 1);
  EXPECT_EQ(instance().state, InstanceState::kStarting);
  world_.advance(1s);
  EXPECT_EQ(instance().state, InstanceState::kRunning);
  EXPECT_EQ(instance().since, begin + 1s);
  EXPECT_EQ(instance().health, Health::kUnknown);
  world_.advance(2s);
  EXPECT_EQ(instance().health, Health::kPassing);
}

TEST_F(FakeTest, WithoutChecksHealthStaysUnknown) {
  launch("checkout", 1, false);
  world_.advance(1h);
  EXPECT_EQ(instance().health, Health::kUnknown);
}

TEST_F(FakeTest, SickCrashingAndKilledInstancesDoAsTheyAreTold) {
  const std::string stack = launch("checkout", 1);
  world_.behave("checkout", {.sick = true});
  world_.advance(10s);
  EXPECT_EQ(instance().health, Health::kFailing);
  world_.behave(stack, {});  // a stack's own behaviour goes before its unit's
  world_.advance(10s);
  EXPECT_EQ(instance().health, Health::kPassing);
  world_.kill_instance(stack, 0);
  EXPECT_EQ(instance().state, InstanceState::kBackoff);
  world_.advance(10s);
  EXPECT_EQ(instance().state, InstanceState::kRunning);
  EXPECT_EQ(instance().restarts, 1);
  world_.behave(stack, {.crashes = true});
  world_.kill_instance(stack, 0);
  world_.advance(10s);
  EXPECT_GT(instance().restarts, 3);
}

TEST_F(FakeTest, JobsRunOnceOrByTheirSchedule) {
  Launch once = sample_launch("ours", "migrate", {});
  once.identity.spec.schedule = "once";
  once.stack = stack_name(once.identity);
  world_.behave("migrate", {.job = 5s, .job_fails = true});
  ASSERT_TRUE(domain_.scheduler->ensure_present(sample_submission(*domain_.scheduler, once, 1)).ok());
  const auto running = [&] { return domain_.scheduler->observe()->stacks.begin()->second; };
  EXPECT_TRUE(running().child_running);
  world_.advance(5s);
  EXPECT_FALSE(running().child_running);
  EXPECT_EQ(running().last_run, JobResult::kFailed);
  world_.advance(1h);
  EXPECT_FALSE(running().child_running) << "a once-job ran again";
}

TEST_F(FakeTest, SessionsThatLeaveARouteEndAtTheDrainLimit) {
  const std::string stack = launch("checkout", 1);
  Route route = sample_route("checkout", 0);
  route.backends = {{stack, 100, {{0, {}}}, {}}};
  ASSERT_TRUE(domain_.balancer->serve(route).ok());
  world_.connect(stack, 0, 3, 10min);
  ASSERT_TRUE(domain_.balancer->unserve(route.key).ok());
  EXPECT_EQ(domain_.balancer->observe()->sessions, (std::vector<Sessions>{{stack, 0, 3}}));
  world_.advance(59s);
  EXPECT_EQ(domain_.balancer->observe()->sessions.size(), 1u);
  world_.advance(1s);
  EXPECT_TRUE(domain_.balancer->observe()->sessions.empty());
}

TEST_F(FakeTest, ARebootLeavesOnlyRecordsAndWhatWasPublished) {
  launch("checkout", 2);
  ASSERT_TRUE(domain_.memory->put(sample_record("checkout")).ok());
  ASSERT_TRUE(domain_.memory->lock("one").ok());
  ASSERT_TRUE(domain_.discovery->publish(kStack, "{}").ok());
  ASSERT_TRUE(domain_.balancer->serve(sample_route("checkout", 50)).ok());
  world_.reboot();
  EXPECT_TRUE(domain_.scheduler->observe()->stacks.empty());
  EXPECT_TRUE(domain_.balancer->observe()->routes.empty());
  EXPECT_FALSE(domain_.memory->holds_lock());
  EXPECT_EQ(domain_.memory->observe()->stacks.size(), 1u);
  EXPECT_EQ(domain_.discovery->observe()->published.size(), 1u);
}

TEST_F(FakeTest, ABrokenPartFailsUntilItIsMendedAndTheOthersDoNot) {
  world_.break_part(FakePart::kScheduler, unavailable("the scheduler does not answer"));
  EXPECT_FALSE(domain_.scheduler->observe().ok());
  EXPECT_TRUE(domain_.memory->observe().ok());
  world_.break_part(FakePart::kScheduler, std::nullopt);
  EXPECT_TRUE(domain_.scheduler->observe().ok());
}

TEST_F(FakeTest, EqualScriptsGiveEqualWorlds) {
  const auto play = [] {
    FakeWorld world(Instant(1h));
    Domain domain = world.open({}, "ours");
    const Launch launch = sample_launch("ours", "checkout", {});
    world.behave("checkout", {.crashes = true});
    EXPECT_TRUE(domain.scheduler->ensure_present(sample_submission(*domain.scheduler, launch, 3)).ok());
    world.advance(100s);
    return domain.scheduler->observe()->stacks.begin()->second;
  };
  EXPECT_EQ(play(), play());
}

}  // namespace
}  // namespace nelson::test
