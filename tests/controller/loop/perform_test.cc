#include "controller/loop/perform.h"

#include <gtest/gtest.h>

#include "tests/controller/loop/world.h"

namespace nelson {
namespace {

using namespace test;

const Instant kNow{std::chrono::hours(500'000)};
const Instant kEarlier = kNow - std::chrono::hours(1);
const Identity kIdentity = identity_of("basket");
const std::string kStack = stack_name(kIdentity);

class Perform : public testing::Test {
 protected:
  Status perform(const Effect& effect) { return nelson::perform(effect, domain_, records_, kNow); }
  void remember(const StackRecord& record) {
    world_.records[record.stack] = record;
    records_[record.stack] = record;
  }
  const StackRecord& record() { return world_.records.at(kStack); }

  Story story_;
  TestDomain world_{story_};
  Domain domain_ = *world_.open({}, {});
  Records records_;
};

TEST_F(Perform, ALaunchIsRecordedBeforeItIsSubmitted) {
  ASSERT_TRUE(perform(launch_of(kIdentity)));
  EXPECT_EQ(story_.take(), (std::vector<std::string>{"put " + kStack, "present " + kStack}));
  EXPECT_EQ(record().launched, kNow);
  EXPECT_EQ(record().incarnation, 1u);
  EXPECT_EQ(record().settings.instances, 2);
  EXPECT_EQ(record().commit, "c0ffee");
  EXPECT_EQ(record().document, "document of " + kStack + ' ' + guid_of(digest_of(kIdentity), 1));
  EXPECT_EQ(world_.running.at(kStack).count, 2);
  EXPECT_EQ(records_.at(kStack), record()) << "later effects of the pass know it";
}

TEST_F(Perform, ALaunchThatCannotBeRecordedIsNotSubmitted) {
  world_.fail("put " + kStack, unavailable("disk full"));
  EXPECT_FALSE(perform(launch_of(kIdentity)));
  EXPECT_EQ(story_.take(), std::vector<std::string>{"put " + kStack + " fails"});
}

TEST_F(Perform, ALaunchTwiceKeepsTheFirstStampAndDocument) {
  StackRecord first = record_of(kIdentity);
  first.launched = kEarlier;
  remember(first);
  ASSERT_TRUE(perform(launch_of(kIdentity)));
  EXPECT_EQ(story_.take(), std::vector<std::string>{"present " + kStack});
  EXPECT_EQ(record(), first);
}

TEST_F(Perform, ALaunchOverAnotherLivingIncarnationIsAConflict) {
  StackRecord first = record_of(kIdentity);
  first.incarnation = 2;
  remember(first);
  const Status launched = perform(launch_of(kIdentity));
  ASSERT_FALSE(launched);
  EXPECT_EQ(launched.error().kind, ErrorKind::kConflict);
  EXPECT_TRUE(story_.take().empty());
}

TEST_F(Perform, ALaunchOfANameUsedBeforeStartsAFreshRecord) {
  StackRecord remains = record_of(kIdentity);
  remains.removed = true;
  remains.job_result = JobResult::kFailed;
  remember(remains);
  Launch launch = launch_of(kIdentity);
  launch.incarnation = 2;
  ASSERT_TRUE(perform(launch));
  EXPECT_FALSE(record().removed);
  EXPECT_EQ(record().incarnation, 2u);
  EXPECT_EQ(record().job_result, JobResult::kNone);
}

TEST_F(Perform, ARepairSubmitsTheRecordedDocument) {
  remember(record_of(kIdentity));
  ASSERT_TRUE(perform(Repair{kStack, 1, 3}));
  EXPECT_EQ(world_.running.at(kStack).document_digest, to_hex(sha256("document")));
  EXPECT_EQ(world_.running.at(kStack).count, 3);
}

TEST_F(Perform, NothingIsStartedWithoutARecordOfThatLife) {
  EXPECT_EQ(perform(Repair{kStack, 1, 1}).error().kind, ErrorKind::kConflict);
  EXPECT_EQ(perform(Scale{kStack, 1, 1}).error().kind, ErrorKind::kConflict);
  StackRecord remains = record_of(kIdentity);
  remains.removed = true;
  remember(remains);
  EXPECT_EQ(perform(Repair{kStack, 1, 1}).error().kind, ErrorKind::kConflict);
  remains.removed = false;
  remember(remains);
  EXPECT_EQ(perform(Scale{kStack, 2, 1}).error().kind, ErrorKind::kConflict);
  EXPECT_TRUE(story_.take().empty());
}

TEST_F(Perform, AnUpdateWritesSettingsAndCommitOnce) {
  remember(record_of(kIdentity));
  Settings settings;
  settings.instances = 5;
  ASSERT_TRUE(perform(Update{kStack, settings, "decaf"}));
  EXPECT_EQ(record().settings, settings);
  EXPECT_EQ(record().commit, "decaf");
  story_.take();
  ASSERT_TRUE(perform(Update{kStack, settings, "decaf"}));
  EXPECT_TRUE(story_.take().empty()) << "what is there already is not written again";
}

struct FactCase {
  std::string name;
  Fact fact;
  std::function<void(StackRecord&)> before, after;
};

TEST_F(Perform, FactsAreStampedWithThePassesNow) {
  const std::vector<FactCase> cases = {
      {"ready", Fact::kReady, [](auto&) {}, [](auto& r) { r.ready = kNow; }},
      {"ready twice keeps the first", Fact::kReady, [](auto& r) { r.ready = kEarlier; }, [](auto& r) { r.ready = kEarlier; }},
      {"ready in the future is stamped again", Fact::kReady, [](auto& r) { r.ready = kNow + std::chrono::hours(1); },
       [](auto& r) { r.ready = kNow; }},
      {"kept no longer", Fact::kKeptNoLonger, [](auto&) {}, [](auto& r) { r.kept_no_longer_since = kNow; }},
      {"kept again", Fact::kKeptAgain, [](auto& r) { r.kept_no_longer_since = kEarlier; }, [](auto&) {}},
      {"retiring", Fact::kRetiring, [](auto&) {}, [](auto& r) { r.retiring = kNow; }},
      {"retiring idle leaves a tombstone", Fact::kRetiringIdle, [](auto&) {}, [](auto& r) { r.retiring = r.tombstone = kNow; }},
      {"tombstone dropped", Fact::kTombstoneDropped, [](auto& r) { r.tombstone = r.reversed = kEarlier; }, [](auto&) {}},
      {"job succeeded", Fact::kJobSucceeded, [](auto&) {}, [](auto& r) { r.job_result = JobResult::kSucceeded; }},
      {"job failed", Fact::kJobFailed, [](auto&) {}, [](auto& r) { r.job_result = JobResult::kFailed; }},
  };
  for (const FactCase& c : cases) {
    StackRecord before = record_of(kIdentity), want = record_of(kIdentity);
    c.before(before);
    c.after(want);
    remember(before);
    ASSERT_TRUE(perform(Note{kStack, c.fact})) << c.name;
    EXPECT_EQ(record(), want) << c.name;
  }
}

TEST_F(Perform, AShiftStampsTheStep) {
  TrafficRecord traffic;
  traffic.key = {"d", "dev", "basket", 1};
  traffic.weights = {{kStack, 100}};
  ASSERT_TRUE(perform(Shift{traffic}));
  EXPECT_EQ(world_.traffic.at(traffic.key).stepped_at, kNow);
  ASSERT_TRUE(perform(DropTraffic{traffic.key}));
  EXPECT_TRUE(world_.traffic.empty());
}

TEST_F(Perform, RoutesAndPayloadsGoToTheirParts) {
  Route route;
  route.key = {"d", "dev", "basket", 1};
  ASSERT_TRUE(perform(Serve{route}));
  EXPECT_EQ(world_.routes.at(route.key), route);
  ASSERT_TRUE(perform(Unserve{route.key}));
  EXPECT_TRUE(world_.routes.empty());
  ASSERT_TRUE(perform(Publish{kStack, "{}"}));
  EXPECT_EQ(world_.published.at(kStack), "{}");
  ASSERT_TRUE(perform(Unpublish{kStack}));
  EXPECT_TRUE(world_.published.empty());
}

TEST_F(Perform, WithoutABalancerServingSaysWhy) {
  domain_.balancer.reset();
  domain_.balancer_absent_reason = "haproxy is not installed";
  const Status served = perform(Serve{});
  ASSERT_FALSE(served);
  EXPECT_NE(served.error().message.find("haproxy is not installed"), std::string::npos);
}

TEST_F(Perform, OnlyWhatIsRecordedAsRetiringIsStopped) {
  world_.running[kStack].incarnation = 1;
  EXPECT_EQ(perform(Remove{kStack, 1}).error().kind, ErrorKind::kConflict) << "no record";
  StackRecord record = record_of(kIdentity);
  remember(record);
  EXPECT_EQ(perform(Remove{kStack, 1}).error().kind, ErrorKind::kConflict) << "not retiring";
  EXPECT_TRUE(world_.running.contains(kStack));
  record.retiring = kEarlier;
  remember(record);
  EXPECT_EQ(perform(Remove{kStack, 2}).error().kind, ErrorKind::kConflict) << "another life, seen on an old view";
  ASSERT_TRUE(perform(Remove{kStack, 1}));
  EXPECT_FALSE(world_.running.contains(kStack));
}

TEST_F(Perform, BuryingKeepsTheRemains) {
  StackRecord record = record_of(kIdentity);
  record.ready = record.kept_no_longer_since = record.retiring = record.tombstone = record.reversed = kEarlier;
  record.job_result = JobResult::kSucceeded;
  record.settings.instances = 4;
  remember(record);
  ASSERT_TRUE(perform(Bury{kStack}));
  StackRecord want;
  want.stack = kStack;
  want.identity = kIdentity;
  want.incarnation = 1;
  want.tombstone = want.reversed = kEarlier;
  want.job_result = JobResult::kSucceeded;
  want.removed = true;
  EXPECT_EQ(this->record(), want);
}

}  // namespace
}  // namespace nelson
