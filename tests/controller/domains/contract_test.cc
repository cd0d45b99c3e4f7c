// What every implementation of the interfaces in controller/domains/domain.h promises: the live local domain, the fakes, and both through
// the wrappers that inject faults, with none injected.

#include <gtest/gtest.h>

#include "controller/domains/haproxy/haproxy.h"
#include "state/model/digest.h"
#include "tests/controller/domains/surroundings.h"
#include "tests/controller/domains/values.h"

namespace nelson::test {
namespace {

struct Kind {
  const char* name;
  std::unique_ptr<Surroundings> (*make)();
  bool live;
};

class Contract : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    surroundings_ = GetParam().make();
    domain_ = surroundings_->open("ours");
  }

  /// What runs under the name, as the domain's own controller sees it.
  std::optional<Running> running(const std::string& stack) {
    const auto view = domain_.scheduler->observe();
    EXPECT_TRUE(view.ok()) << view.error().message;
    if (view && view->stacks.contains(stack)) return view->stacks.at(stack);
    return std::nullopt;
  }

  std::size_t up(const std::string& stack) {
    const auto found = running(stack);
    if (!found) return 0;
    return static_cast<std::size_t>(std::count_if(found->instances.begin(), found->instances.end(),
                                                  [](const Instance& one) { return one.state == InstanceState::kRunning; }));
  }

  std::unique_ptr<Surroundings> surroundings_;
  Domain domain_;
};

ErrorKind kind_of(const Status& status) { return status ? static_cast<ErrorKind>(-1) : status.error().kind; }

#define ASSERT_DONE(call)                                               \
  do {                                                                  \
    const Status status_of_call = (call);                               \
    ASSERT_TRUE(status_of_call.ok()) << status_of_call.error().message; \
  } while (false)

// ---- scheduler

class SchedulerContract : public Contract {};

TEST_P(SchedulerContract, EqualLaunchesAreRenderedAlikeByAnyObject) {
  const Launch launch = sample_launch("ours", "checkout", surroundings_->service());
  const auto one = domain_.scheduler->render(launch, "0123456789ab");
  const auto other = surroundings_->open("ours").scheduler->render(launch, "0123456789ab");
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_EQ(*one, *other);
  const auto another_life = domain_.scheduler->render(launch, "ba9876543210");
  ASSERT_TRUE(another_life.ok());
  EXPECT_NE(*one, *another_life);
}

TEST_P(SchedulerContract, WhatIsMadePresentTwiceRunsOnce) {
  const Submission submission =
      sample_submission(*domain_.scheduler, sample_launch("ours", "checkout", surroundings_->service()), 2);
  EXPECT_FALSE(running(submission.stack).has_value());
  ASSERT_DONE(domain_.scheduler->ensure_present(submission));
  ASSERT_TRUE(surroundings_->eventually([&] { return up(submission.stack) == 2; }));
  const auto before = running(submission.stack);
  ASSERT_DONE(domain_.scheduler->ensure_present(submission));
  const auto after = running(submission.stack);
  EXPECT_EQ(before, after) << "an instance was touched";
  EXPECT_EQ(after->incarnation, 1u);
  EXPECT_EQ(after->count, 2);
  EXPECT_EQ(after->document_digest, to_hex(sha256(submission.document)));
  EXPECT_FALSE(after->stopping);
}

TEST_P(SchedulerContract, ScalingStartsWhatIsMissingAndEndsTheHighestIndexes) {
  Submission submission = sample_submission(*domain_.scheduler, sample_launch("ours", "checkout", surroundings_->service()), 1);
  ASSERT_DONE(domain_.scheduler->ensure_present(submission));
  ASSERT_TRUE(surroundings_->eventually([&] { return up(submission.stack) == 1; }));
  const Instance first = running(submission.stack)->instances.front();
  submission.count = 3;
  ASSERT_DONE(domain_.scheduler->ensure_present(submission));
  ASSERT_TRUE(surroundings_->eventually([&] { return up(submission.stack) == 3; }));
  submission.count = 1;
  ASSERT_DONE(domain_.scheduler->ensure_present(submission));
  ASSERT_TRUE(surroundings_->eventually([&] { return running(submission.stack)->instances.size() == 1; }));
  EXPECT_EQ(running(submission.stack)->instances.front(), first);
  EXPECT_EQ(running(submission.stack)->count, 1);
}

TEST_P(SchedulerContract, AnotherIncarnationUnderALivingNameIsAConflict) {
  const Launch launch = sample_launch("ours", "checkout", surroundings_->service());
  Submission submission = sample_submission(*domain_.scheduler, launch, 1);
  ASSERT_DONE(domain_.scheduler->ensure_present(submission));
  ASSERT_TRUE(surroundings_->eventually([&] { return up(launch.stack) == 1; }));
  submission.incarnation = 2;
  EXPECT_EQ(kind_of(domain_.scheduler->ensure_present(submission)), ErrorKind::kConflict);
  EXPECT_EQ(kind_of(domain_.scheduler->ensure_absent(launch.stack, 2)), ErrorKind::kConflict);
  EXPECT_EQ(running(launch.stack)->incarnation, 1u);
  EXPECT_EQ(up(launch.stack), 1u);
}

TEST_P(SchedulerContract, AStackIsListedUntilNothingOfItIsLeft) {
  const Submission submission =
      sample_submission(*domain_.scheduler, sample_launch("ours", "checkout", surroundings_->service()), 2);
  ASSERT_DONE(domain_.scheduler->ensure_present(submission));
  ASSERT_TRUE(surroundings_->eventually([&] { return up(submission.stack) == 2; }));
  ASSERT_DONE(domain_.scheduler->ensure_absent(submission.stack, 1));
  const auto stopping = running(submission.stack);
  ASSERT_TRUE(stopping.has_value());
  EXPECT_TRUE(stopping->stopping);
  EXPECT_EQ(kind_of(domain_.scheduler->ensure_present(submission)), ErrorKind::kConflict) << "it is being stopped";
  ASSERT_DONE(domain_.scheduler->ensure_absent(submission.stack, 1));
  ASSERT_TRUE(surroundings_->eventually([&] { return !running(submission.stack).has_value(); }));
  ASSERT_DONE(domain_.scheduler->ensure_absent(submission.stack, 1));
}

TEST_P(SchedulerContract, ANameCanLiveAgainAsAnotherIncarnation) {
  Launch launch = sample_launch("ours", "checkout", surroundings_->service());
  ASSERT_DONE(domain_.scheduler->ensure_present(sample_submission(*domain_.scheduler, launch, 1)));
  ASSERT_DONE(domain_.scheduler->ensure_absent(launch.stack, 1));
  ASSERT_TRUE(surroundings_->eventually([&] { return !running(launch.stack).has_value(); }));
  launch.incarnation = 2;
  ASSERT_DONE(domain_.scheduler->ensure_present(sample_submission(*domain_.scheduler, launch, 1)));
  ASSERT_TRUE(surroundings_->eventually([&] { return up(launch.stack) == 1; }));
  EXPECT_EQ(running(launch.stack)->incarnation, 2u);
}

TEST_P(SchedulerContract, AnUnknownStackIsAbsentAlready) {
  ASSERT_DONE(domain_.scheduler->ensure_absent("checkout--1-0-0--0000aaaa", 1));
}

TEST_P(SchedulerContract, EveryStackIsListed) {
  for (const char* unit : {"search", "basket", "checkout"})
    ASSERT_DONE(domain_.scheduler->ensure_present(
        sample_submission(*domain_.scheduler, sample_launch("ours", unit, surroundings_->service()), 1)));
  const auto view = domain_.scheduler->observe();
  ASSERT_TRUE(view.ok()) << view.error().message;
  ASSERT_EQ(view->stacks.size(), 3u);
}

TEST_P(SchedulerContract, AnotherOwnersStacksAreForeignAndLeftAlone) {
  Domain theirs = surroundings_->open("theirs");
  const Submission submission =
      sample_submission(*theirs.scheduler, sample_launch("theirs", "checkout", surroundings_->service()), 1);
  ASSERT_DONE(theirs.scheduler->ensure_present(submission));
  const auto view = domain_.scheduler->observe();
  ASSERT_TRUE(view.ok()) << view.error().message;
  EXPECT_TRUE(view->stacks.empty());
  EXPECT_EQ(view->foreign.size(), 1u);
}

TEST_P(SchedulerContract, AnotherControllerOfTheSameOwnerSeesTheSame) {
  const Submission submission =
      sample_submission(*domain_.scheduler, sample_launch("ours", "checkout", surroundings_->service()), 1);
  ASSERT_DONE(domain_.scheduler->ensure_present(submission));
  ASSERT_TRUE(surroundings_->eventually([&] { return up(submission.stack) == 1; }));
  const auto before = running(submission.stack);
  domain_ = Domain();
  domain_ = surroundings_->open("ours");
  EXPECT_EQ(running(submission.stack), before);
}

TEST_P(SchedulerContract, AOnceJobRunsOnceAndItsResultStays) {
  Launch launch = sample_launch("ours", "migrate", surroundings_->job());
  launch.identity.spec.schedule = "once";
  launch.stack = stack_name(launch.identity);
  const Submission submission = sample_submission(*domain_.scheduler, launch, 1);
  ASSERT_DONE(domain_.scheduler->ensure_present(submission));
  ASSERT_TRUE(surroundings_->eventually([&] {
    const auto found = running(launch.stack);
    return found && found->last_run == JobResult::kSucceeded;
  }));
  ASSERT_DONE(domain_.scheduler->ensure_present(submission));
  for (int i = 0; i < 20; ++i) {
    surroundings_->wait();
    ASSERT_TRUE(running(launch.stack).has_value());
    EXPECT_FALSE(running(launch.stack)->child_running);
  }
  EXPECT_EQ(running(launch.stack)->last_run, JobResult::kSucceeded);
}

// ---- memory

class MemoryContract : public Contract {};

TEST_P(MemoryContract, WhatIsPutIsSeenByEveryControllerInOrder) {
  Memory& memory = *domain_.memory;
  ASSERT_TRUE(memory.observe().ok());
  const Claim claim{"ours", "https://git.example/control", std::string(40, 'a')};
  for (const char* unit : {"search", "basket", "checkout"}) {
    ASSERT_DONE(memory.put(sample_record(unit)));
    ASSERT_DONE(memory.put(sample_traffic(unit)));
  }
  ASSERT_DONE(memory.put(claim));
  Domain other = surroundings_->open("ours");
  for (Memory* eyes : {&memory, other.memory.get()}) {
    const auto view = eyes->observe();
    ASSERT_TRUE(view.ok()) << view.error().message;
    EXPECT_EQ(values_in(view->stacks), (std::vector{sample_record("basket"), sample_record("checkout"), sample_record("search")}));
    EXPECT_EQ(values_in(view->traffic),
              (std::vector{sample_traffic("basket"), sample_traffic("checkout"), sample_traffic("search")}));
    EXPECT_EQ(view->claim, claim);
    EXPECT_TRUE(view->damaged.empty());
  }
}

TEST_P(MemoryContract, ARecordMayBePutAgainAndAgain) {
  Memory& memory = *domain_.memory;
  ASSERT_TRUE(memory.observe().ok());
  StackRecord record = sample_record("checkout");
  for (int i = 0; i < 2; ++i) ASSERT_DONE(memory.put(record));
  record.removed = true;
  record.launched.reset();
  for (int i = 0; i < 2; ++i) ASSERT_DONE(memory.put(record));
  const auto view = memory.observe();
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(values_in(view->stacks), std::vector{record});
}

TEST_P(MemoryContract, WhatAnotherWroteSinceIsAConflictUntilItIsSeen) {
  Memory& memory = *domain_.memory;
  ASSERT_TRUE(memory.observe().ok());
  StackRecord record = sample_record("checkout");
  TrafficRecord traffic = sample_traffic("checkout");
  Claim claim{"ours", "https://git.example/control", "a"};
  ASSERT_DONE(memory.put(record));
  ASSERT_DONE(memory.put(traffic));
  ASSERT_DONE(memory.put(claim));

  Domain other = surroundings_->open("ours");
  ASSERT_TRUE(other.memory->observe().ok());
  record.incarnation = 7;
  traffic.steps = 7;
  claim.control_commit = "b";
  ASSERT_DONE(other.memory->put(record));
  ASSERT_DONE(other.memory->put(traffic));
  ASSERT_DONE(other.memory->put(claim));

  record.incarnation = 8;
  traffic.steps = 8;
  claim.control_commit = "c";
  EXPECT_EQ(kind_of(memory.put(record)), ErrorKind::kConflict);
  EXPECT_EQ(kind_of(memory.put(traffic)), ErrorKind::kConflict);
  EXPECT_EQ(kind_of(memory.drop(traffic.key)), ErrorKind::kConflict);
  EXPECT_EQ(kind_of(memory.put(claim)), ErrorKind::kConflict);
  ASSERT_TRUE(memory.observe().ok());
  ASSERT_DONE(memory.put(record));
  ASSERT_DONE(memory.put(traffic));
  ASSERT_DONE(memory.put(claim));
}

TEST_P(MemoryContract, ARecordThatWasNeverSeenIsNotOverwritten) {
  Domain other = surroundings_->open("ours");
  ASSERT_TRUE(domain_.memory->observe().ok());
  ASSERT_TRUE(other.memory->observe().ok());
  ASSERT_DONE(other.memory->put(sample_record("checkout")));
  StackRecord mine = sample_record("checkout");
  mine.incarnation = 9;
  EXPECT_EQ(kind_of(domain_.memory->put(mine)), ErrorKind::kConflict);
}

TEST_P(MemoryContract, WhatIsDroppedTwiceIsGone) {
  Memory& memory = *domain_.memory;
  ASSERT_TRUE(memory.observe().ok());
  ASSERT_DONE(memory.put(sample_traffic("checkout")));
  ASSERT_DONE(memory.put(sample_traffic("search")));
  ASSERT_DONE(memory.drop(sample_traffic("checkout").key));
  ASSERT_DONE(memory.drop(sample_traffic("checkout").key));
  const auto view = memory.observe();
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(values_in(view->traffic), std::vector{sample_traffic("search")});
  ASSERT_DONE(memory.put(sample_traffic("checkout")));
}

TEST_P(MemoryContract, OneControllerHoldsTheLockUntilItGoes) {
  EXPECT_FALSE(domain_.memory->holds_lock());
  ASSERT_DONE(domain_.memory->lock("controller one, pid 17"));
  ASSERT_DONE(domain_.memory->lock("controller one, pid 17"));
  EXPECT_TRUE(domain_.memory->holds_lock());
  Domain other = surroundings_->open("ours");
  const Status refused = other.memory->lock("controller two");
  ASSERT_EQ(kind_of(refused), ErrorKind::kConflict);
  EXPECT_NE(refused.error().message.find("controller one, pid 17"), std::string::npos) << refused.error().message;
  EXPECT_FALSE(other.memory->holds_lock());
  EXPECT_TRUE(domain_.memory->holds_lock());
  domain_ = Domain();
  ASSERT_DONE(other.memory->lock("controller two"));
  EXPECT_TRUE(other.memory->holds_lock());
}

// ---- discovery

class DiscoveryContract : public Contract {};

TEST_P(DiscoveryContract, WhatIsPublishedStandsUntilItIsUnpublished) {
  Discovery& discovery = *domain_.discovery;
  const auto published = [&] {
    std::map<std::string, std::string> found;
    const auto view = discovery.observe();
    EXPECT_TRUE(view.ok()) << view.error().message;
    if (view)
      for (const auto& [stack, payload] : view->published) found[stack] = payload;
    return found;
  };
  EXPECT_TRUE(published().empty());
  for (int i = 0; i < 2; ++i) ASSERT_DONE(discovery.publish("search--1-0-0--0000aaaa", "{\"namespaces\": []}"));
  ASSERT_DONE(discovery.publish("basket--1-0-0--0000aaaa", "{}"));
  ASSERT_DONE(discovery.publish("basket--1-0-0--0000aaaa", "{\"domain\": \"\xc3\xa9\"}\n"));
  EXPECT_EQ(published(), (std::map<std::string, std::string>{{"basket--1-0-0--0000aaaa", "{\"domain\": \"\xc3\xa9\"}\n"},
                                                             {"search--1-0-0--0000aaaa", "{\"namespaces\": []}"}}));
  for (int i = 0; i < 2; ++i) ASSERT_DONE(discovery.unpublish("search--1-0-0--0000aaaa"));
  ASSERT_DONE(discovery.unpublish("never--1-0-0--0000aaaa"));
  EXPECT_EQ(published().size(), 1u);
}

// ---- balancer

class BalancerContract : public Contract {
 protected:
  void SetUp() override {
    if (GetParam().live && !find_haproxy()) GTEST_SKIP() << "haproxy is not installed: apt-get install haproxy";
    Contract::SetUp();
  }

  std::vector<Route> routes() {
    const auto view = domain_.balancer->observe();
    EXPECT_TRUE(view.ok()) << view.error().message;
    return view ? values_in(view->routes) : std::vector<Route>();
  }
};

TEST_P(BalancerContract, WhatIsServedIsInForceAndMayBeServedAgain) {
  EXPECT_TRUE(routes().empty());
  for (int i = 0; i < 2; ++i) ASSERT_DONE(domain_.balancer->serve(sample_route("checkout", 25)));
  EXPECT_EQ(routes(), std::vector{sample_route("checkout", 25)});
  for (const int percent : {0, 1, 99, 100}) {
    ASSERT_DONE(domain_.balancer->serve(sample_route("checkout", percent)));
    EXPECT_EQ(routes(), std::vector{sample_route("checkout", percent)});
  }
  Route fewer = sample_route("checkout", 100);
  fewer.backends.erase(fewer.backends.begin());
  ASSERT_DONE(domain_.balancer->serve(fewer));
  EXPECT_EQ(routes(), std::vector{fewer});
}

TEST_P(BalancerContract, RoutesAreListedByKey) {
  for (const char* unit : {"search", "basket", "checkout"}) ASSERT_DONE(domain_.balancer->serve(sample_route(unit, 50)));
  EXPECT_EQ(routes(), (std::vector{sample_route("basket", 50), sample_route("checkout", 50), sample_route("search", 50)}));
}

TEST_P(BalancerContract, WhatIsUnservedTwiceIsGoneAndTheRestStays) {
  ASSERT_DONE(domain_.balancer->serve(sample_route("checkout", 50)));
  ASSERT_DONE(domain_.balancer->serve(sample_route("search", 50)));
  for (int i = 0; i < 2; ++i) ASSERT_DONE(domain_.balancer->unserve(sample_route("checkout", 0).key));
  EXPECT_EQ(routes(), std::vector{sample_route("search", 50)});
  ASSERT_DONE(domain_.balancer->unserve(sample_route("search", 0).key));
  EXPECT_TRUE(routes().empty());
  ASSERT_DONE(domain_.balancer->unserve(sample_route("never", 0).key));
}

TEST_P(BalancerContract, PercentsThatDoNotSumTo100AreRefused) {
  ASSERT_DONE(domain_.balancer->serve(sample_route("checkout", 50)));
  Route wrong = sample_route("checkout", 50);
  wrong.backends[0].percent = 49;
  EXPECT_EQ(kind_of(domain_.balancer->serve(wrong)), ErrorKind::kInvalid);
  EXPECT_EQ(routes(), std::vector{sample_route("checkout", 50)});
}

TEST_P(BalancerContract, AnotherControllerSeesAndChangesTheSame) {
  ASSERT_DONE(domain_.balancer->serve(sample_route("checkout", 50)));
  domain_ = Domain();
  domain_ = surroundings_->open("ours");
  EXPECT_EQ(routes(), std::vector{sample_route("checkout", 50)});
  ASSERT_DONE(domain_.balancer->serve(sample_route("checkout", 60)));
  EXPECT_EQ(routes(), std::vector{sample_route("checkout", 60)});
}

const auto kKinds = ::testing::Values(Kind{"Live", live_surroundings, true}, Kind{"Fake", fake_surroundings, false},
                                      Kind{"LiveWrapped", [] { return wrapped(live_surroundings()); }, true},
                                      Kind{"FakeWrapped", [] { return wrapped(fake_surroundings()); }, false});
const auto name_of_kind = [](const auto& info) { return std::string(info.param.name); };

INSTANTIATE_TEST_SUITE_P(Scheduler, SchedulerContract, kKinds, name_of_kind);
INSTANTIATE_TEST_SUITE_P(Memory, MemoryContract, kKinds, name_of_kind);
INSTANTIATE_TEST_SUITE_P(Discovery, DiscoveryContract, kKinds, name_of_kind);
INSTANTIATE_TEST_SUITE_P(Balancer, BalancerContract, kKinds, name_of_kind);

}  // namespace
}  // namespace nelson::test
