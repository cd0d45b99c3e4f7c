#include "controller/loop/engine.h"

#include <gtest/gtest.h>

#include "reconcilers/plan.h"
#include "tests/controller/loop/world.h"

namespace nelson {
namespace {

using namespace test;
using std::chrono::milliseconds;
using std::chrono::seconds;

using Lines = std::vector<std::string>;

/// An engine over test domains "d" and "e"; the plan is whatever the test says.
class EngineTest : public testing::Test {
 protected:
  EngineTest() {
    for (TestDomain* world : {&d_, &e_}) world->claim = Claim{"us", "file:///control", desired_.control_commit};
    start();
  }
  ~EngineTest() override {
    d_.release();
    e_.release();
  }

  /// As a new process would.
  void start() {
    engine_.reset();
    domains_.reset();
    clock_.emplace(clocks_.sources());
    DomainsOptions options;
    options.open = [this](const DomainSettings& settings, const DomainContext& context) {
      return (settings.name == "e" ? e_ : d_).open(settings, context);
    };
    options.patience = patience_;
    options.changed = [this] { ++changes_; };
    domains_ = std::make_unique<Domains>(std::move(options));
    EngineParts parts;
    parts.store = &store_;
    parts.clock = &*clock_;
    parts.domains = domains_.get();
    parts.contains = [](const std::string&, const std::string&) { return Result<bool>(true); };
    parts.planner.plan = [this](const Desired&, const Observed& observed, Instant) {
      ++plans_;
      seen_ = observed;
      return plan_;
    };
    parts.planner.digest = [](const Plan& plan) { return digest_of(plan); };
    engine_ = std::make_unique<Engine>(std::move(parts));
  }

  PassReport pass() {
    if (!given_ || !(*given_ == desired_)) given_ = std::make_shared<const Desired>(desired_);
    auto report = engine_->pass(given_);
    if (!report) ADD_FAILURE() << report.error().message;
    return report ? **report : PassReport{};
  }

  /// Waits until a thread of a domain said that something changed.
  bool changed() {
    const auto deadline = std::chrono::steady_clock::now() + seconds(20);
    while (changes_ == 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    return changes_.exchange(0) > 0;
  }

  Story story_;
  TestDomain d_{story_}, e_{story_};
  TestStore store_{story_};
  TestClocks clocks_;
  std::optional<Clock> clock_;
  milliseconds patience_ = seconds(20);
  Desired desired_ = desired_with({"d"});
  std::shared_ptr<const Desired> given_;
  Plan plan_;
  Observed seen_;
  int plans_ = 0;
  std::atomic<int> changes_{0};
  std::unique_ptr<Domains> domains_;
  std::unique_ptr<Engine> engine_;
};

const std::string kBasket = stack_name(identity_of("basket"));
const std::string kTill = stack_name(identity_of("till"));

TEST_F(EngineTest, IntentIsCommittedBeforeTheEffectAndOutcomeAfter) {
  plan_.actions = {action_on("basket", launch_of(identity_of("basket"))), action_on("till", launch_of(identity_of("till")))};
  const PassReport report = pass();
  EXPECT_EQ(story_.take(), (Lines{"record pass", "intend launch launch", "put " + kBasket, "present " + kBasket, "put " + kTill,
                                  "present " + kTill, "settle 1 done 2 done"}));
  EXPECT_EQ(report.begun, 2u);
  ASSERT_EQ(store_.entries.size(), 2u);
  EXPECT_EQ(store_.entries[0].stack, kBasket);
  EXPECT_EQ(store_.entries[0].reason, "because");
  EXPECT_EQ(store_.entries[0].domain, "d");
  EXPECT_EQ(store_.entries[0].pass, 1u);
  EXPECT_EQ(report.history->size(), 2u);
  EXPECT_EQ(report.history->at(0).outcome, JournalEntry::Outcome::kDone);
}

TEST_F(EngineTest, AConvergedPassWritesNothingAndPlansNothingAgain) {
  pass();
  story_.take();
  const int plans = plans_;
  for (int i = 0; i < 5; ++i) {
    clocks_.pass(seconds(30));
    pass();
  }
  EXPECT_TRUE(story_.take().empty());
  EXPECT_EQ(plans_, plans);
}

TEST_F(EngineTest, TimeAndTheWorldMakeItPlanAgain) {
  plan_.wake_at = clocks_.wall + seconds(10);
  pass();
  int plans = plans_;
  clocks_.pass(seconds(9));
  pass();
  EXPECT_EQ(plans_, plans) << "before wake_at nothing can differ";
  clocks_.pass(seconds(1));
  pass();
  EXPECT_EQ(plans_, plans + 1) << "at wake_at it can";
  plan_.wake_at = clocks_.wall + seconds(1000);
  pass();
  plans = plans_;
  d_.running[kBasket].incarnation = 1;
  pass();
  EXPECT_EQ(plans_, plans + 1) << "and when something new runs";
}

/// The old version cannot be repaired; the new one that mends it must come all the same.
TEST_F(EngineTest, WhatCannotBeRunKeepsBackOnlyItsStack) {
  Identity next = identity_of("basket");
  next.version = {1, 0, 1};
  const std::string fresh = stack_name(next);
  plan_.actions = {action_on("basket", Repair{kBasket, 1, 2}), action_on("basket", Publish{kBasket, "{}"}),
                   action_on("basket", Publish{fresh, "{}"}), action_on("basket", launch_of(next))};
  const PassReport report = pass();
  EXPECT_EQ(story_.take(), (Lines{"record pass", "intend repair publish publish launch", "publish " + fresh, "put " + fresh,
                                  "present " + fresh, "settle 1 failed 2 failed 3 done 4 done", "first seen"}));
  EXPECT_EQ(store_.entries[1].error, "not tried: repair failed before it");
  ASSERT_EQ(report.plan.held.size(), 1u);
  EXPECT_EQ(report.plan.held[0].subject, kBasket);
  plan_.actions.push_back(action_on("basket", DropTraffic{}));
  EXPECT_EQ(pass().begun, 3u) << "only what is about the failed stack waits";
}

TEST_F(EngineTest, WhatIsMendedIsHeldNoMoreBesideWhatStillFails) {
  plan_.actions = {action_on("basket", Repair{kBasket, 1, 2}), action_on("basket", Publish{kTill, "{}"})};
  d_.fail("publish " + kTill, unavailable("engine is down"));
  EXPECT_EQ(pass().plan.held.size(), 2u);
  d_.mend();
  clocks_.pass(seconds(1));
  const PassReport report = pass();
  ASSERT_EQ(report.plan.held.size(), 1u);
  EXPECT_TRUE(report.plan.held[0].reason.starts_with("repair failed: ")) << report.plan.held[0].reason;
}

TEST_F(EngineTest, TheThirdRepairWithinTenMinutesIsAFight) {
  d_.records[kBasket] = record_of(identity_of("basket"));
  plan_.actions = {action_on("basket", Repair{kBasket, 1, 2}), action_on("basket", Publish{kTill, "{}"})};
  const auto again = [this](seconds later) {
    clocks_.pass(later);
    return pass();
  };
  EXPECT_EQ(pass().begun, 2u);
  EXPECT_TRUE(again(seconds(60)).plan.held.empty());
  PassReport report = again(seconds(60));
  EXPECT_EQ(report.begun, 2u);
  ASSERT_EQ(report.plan.held.size(), 1u);
  EXPECT_EQ(report.plan.held[0].code, kFight);
  EXPECT_EQ(report.plan.held[0].subject, kBasket);
  EXPECT_EQ(report.plan.held[0].reason, "repair was done 3 times within 10 minutes, and undone each time: because");
  EXPECT_TRUE(report.plan.held[0].trouble);
  EXPECT_EQ(report.wake_at, report.now + seconds(1));
  EXPECT_EQ(again(seconds(0)).begun, 1u) << "it waits, and keeps back nothing but its stack";
  EXPECT_EQ(again(seconds(1)).begun, 2u);
  EXPECT_EQ(again(seconds(1)).begun, 1u) << "the pause grows";
  report = again(seconds(1));
  EXPECT_EQ(report.begun, 2u);
  EXPECT_TRUE(report.plan.held[0].reason.starts_with("repair was done 5 times")) << report.plan.held[0].reason;

  plan_.actions.clear();
  EXPECT_EQ(again(std::chrono::minutes(9)).plan.held.size(), 1u) << "it is told while three are ten minutes young";
  EXPECT_TRUE(again(std::chrono::minutes(1)).plan.held.empty());
}

TEST_F(EngineTest, WhatGitChangesIsNoFight) {
  d_.records[kBasket] = record_of(identity_of("basket"));
  for (const int count : {2, 3, 2, 3, 2, 3}) {
    desired_.cells[{"d", "basket"}].claimants = {std::to_string(clocks_.wall.time_since_epoch().count())};
    plan_.actions = {action_on("basket", Scale{kBasket, 1, count})};
    EXPECT_EQ(pass().begun, 1u);
    clocks_.pass(seconds(10));
  }
  EXPECT_TRUE(pass().plan.held.empty());
  for (int i = 0; i < 2; ++i) {
    clocks_.pass(seconds(10));
    pass();
  }
  EXPECT_EQ(pass().plan.held.size(), 1u) << "the same again and again is one, for nobody in Git asked for it";
}

TEST_F(EngineTest, AFailureSkipsTheRestOfItsCellAndNothingElse) {
  plan_.actions = {action_on("basket", Publish{kBasket, "{}"}), action_on("basket", Repair{"basket-of-another-version", 1, 1}),
                   action_on("till", launch_of(identity_of("till")))};
  d_.fail("publish " + kBasket, unavailable("engine is down"));
  const PassReport report = pass();
  EXPECT_EQ(story_.take(), (Lines{"record pass", "intend publish repair launch", "publish " + kBasket + " fails", "put " + kTill,
                                  "present " + kTill, "settle 1 failed 2 failed 3 done", "first seen"}));
  EXPECT_EQ(store_.entries[0].error, "engine is down");
  EXPECT_EQ(store_.entries[1].error, "not tried: publish failed before it");
  ASSERT_EQ(report.plan.held.size(), 1u);
  EXPECT_EQ(report.plan.held[0].subject, kBasket);
  EXPECT_EQ(report.plan.held[0].reason, "publish failed: engine is down");
  EXPECT_TRUE(report.plan.held[0].clears_when.starts_with("attempt 1, again at ")) << report.plan.held[0].clears_when;
  EXPECT_FALSE(report.plan.held[0].trouble);
}

TEST_F(EngineTest, AFailedCellIsTriedAgainAfterAGrowingPause) {
  plan_.actions = {action_on("basket", launch_of(identity_of("basket")))};
  d_.fail("put " + kBasket, unavailable("disk full"));
  std::vector<std::int64_t> pauses;
  for (int i = 0; i < 9; ++i) {
    const PassReport report = pass();
    ASSERT_EQ(report.begun, 1u);
    ASSERT_TRUE(report.wake_at);
    pauses.push_back(std::chrono::duration_cast<seconds>(*report.wake_at - clocks_.wall).count());
    EXPECT_EQ(pass().begun, 0u) << "not before its time";
    clocks_.pass(*report.wake_at - clocks_.wall - milliseconds(1));
    EXPECT_EQ(pass().begun, 0u);
    clocks_.pass(milliseconds(1));
  }
  EXPECT_EQ(pauses, (std::vector<std::int64_t>{1, 2, 4, 8, 16, 32, 60, 60, 60}));
  d_.mend();
  const PassReport report = pass();
  EXPECT_EQ(report.begun, 1u);
  EXPECT_TRUE(report.plan.held.empty()) << "what works is held no more";
}

TEST_F(EngineTest, ADomainThatIsSilentForAWhileForgivesNothing) {
  plan_.actions = {action_on("basket", launch_of(identity_of("basket")))};
  d_.fail("put " + kBasket, unavailable("disk full"));
  EXPECT_TRUE(pass().plan.held.at(0).clears_when.starts_with("attempt 1, "));
  const Plan wanted = std::exchange(plan_, {});  // nothing is planned for what does not answer
  d_.fail("observe scheduler", unavailable("no answer"));
  pass();
  d_.mend();
  d_.fail("put " + kBasket, unavailable("disk full"));
  plan_ = wanted;
  clocks_.pass(seconds(1));
  const PassReport report = pass();
  ASSERT_EQ(report.plan.held.size(), 1u);
  EXPECT_TRUE(report.plan.held[0].clears_when.starts_with("attempt 2, ")) << report.plan.held[0].clears_when;
}

TEST_F(EngineTest, ANewRevisionOfWhatFailedIsTriedAtOnce) {
  desired_.cells[{"d", "basket"}].stacks.emplace_back();
  desired_.cells[{"d", "till"}].stacks.emplace_back();
  plan_.actions = {action_on("basket", launch_of(identity_of("basket"))), action_on("till", launch_of(identity_of("till")))};
  for (const std::string& stack : {kBasket, kTill}) d_.fail("put " + stack, invalid("no such program"));
  EXPECT_TRUE(pass().plan.held.at(0).trouble) << "an author has to do something";
  desired_.cells[{"d", "basket"}].stacks[0].commit = "a fix";
  d_.mend();
  EXPECT_EQ(pass().begun, 1u) << "the other one waits";
  EXPECT_TRUE(d_.running.contains(kBasket));
  EXPECT_FALSE(d_.running.contains(kTill));
}

TEST_F(EngineTest, WhatACrashCutOffIsSettledAsUnknownAfterLooking) {
  JournalEntry entry;
  entry.sequence = 1;
  entry.effect = "launch";
  store_.entries = {entry};
  start();
  pass();
  EXPECT_EQ(story_.take(), (Lines{"settle unknown 1", "record pass"}));
  EXPECT_EQ(store_.entries[0].outcome, JournalEntry::Outcome::kUnknown);
  pass();
  EXPECT_TRUE(story_.take().empty());
}

TEST_F(EngineTest, ABrokenStoreEndsTheProcess) {
  store_.broken = true;
  const auto report = engine_->pass(std::make_shared<const Desired>(desired_));
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::kInternal);
}

TEST_F(EngineTest, NothingIsDoneWhenTheIntentCannotBeCommitted) {
  pass();
  story_.take();
  plan_.actions = {action_on("basket", launch_of(identity_of("basket")))};
  d_.running[kTill].incarnation = 1;
  store_.broken = true;
  EXPECT_FALSE(engine_->pass(std::make_shared<const Desired>(desired_)));
  EXPECT_TRUE(story_.take().empty());
  EXPECT_FALSE(d_.running.contains(kBasket));
}

TEST_F(EngineTest, AFullDiskHoldsEverythingAndIsSaid) {
  store_.full = true;
  plan_.actions = {action_on("basket", launch_of(identity_of("basket")))};
  PassReport report = pass();
  EXPECT_TRUE(story_.take().empty()) << "nothing is performed that could not be announced";
  EXPECT_TRUE(report.incomplete) << "it is tried again soon";
  ASSERT_EQ(report.machine_problems.size(), 1u);
  EXPECT_EQ(report.machine_problems[0].message, "the disk is nearly full");
  store_.full = false;
  report = pass();
  EXPECT_TRUE(report.machine_problems.empty());
  EXPECT_TRUE(d_.running.contains(kBasket));
}

TEST_F(EngineTest, WhatTheStoreLostIsSaid) {
  store_.damages_ = {"journal entry 7 was damaged"};
  const PassReport report = pass();
  ASSERT_EQ(report.machine_problems.size(), 1u);
  EXPECT_EQ(report.machine_problems[0].message, "journal entry 7 was damaged");
  EXPECT_TRUE(report.machine_problems[0].warning);
}

TEST_F(EngineTest, ALostLockEndsTheProcessBeforeAnythingIsWritten) {
  pass();
  story_.take();
  d_.lock_lost = true;
  plan_.actions = {action_on("basket", launch_of(identity_of("basket")))};
  d_.running[kTill].incarnation = 1;
  const auto report = engine_->pass(std::make_shared<const Desired>(desired_));
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::kInternal);
  EXPECT_NE(report.error().message.find("lock of domain d was lost"), std::string::npos);
  EXPECT_EQ(story_.take(), Lines{"record pass"});
}

TEST_F(EngineTest, ADomainThatAnotherControllerHoldsIsRefusedByItsName) {
  d_.lock_holder = "nelson run on elsewhere, pid 7";
  const auto report = engine_->pass(std::make_shared<const Desired>(desired_));
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(report.error().message, "domain d: held by nelson run on elsewhere, pid 7");
}

TEST_F(EngineTest, AFreshDomainIsClaimedBeforeAnythingElse) {
  d_.claim.reset();
  plan_.actions = {action_on("basket", launch_of(identity_of("basket")))};
  pass();
  EXPECT_EQ(story_.take(), (Lines{"record pass", "intend claim launch", "put claim", "put " + kBasket, "present " + kBasket,
                                  "settle 1 done 2 done"}));
  EXPECT_EQ(d_.claim, (Claim{"us", "file:///control", desired_.control_commit}));
}

TEST_F(EngineTest, WithoutItsClaimNothingIsDoneInADomain) {
  d_.claim.reset();
  d_.fail("put claim", unavailable("disk full"));
  plan_.actions = {action_on("basket", launch_of(identity_of("basket")))};
  const PassReport report = pass();
  EXPECT_FALSE(d_.running.contains(kBasket));
  ASSERT_EQ(report.plan.held.size(), 1u);
  EXPECT_EQ(report.plan.held[0].reason, "claim failed: disk full");
  EXPECT_EQ(pass().begun, 0u);
  d_.mend();
  clocks_.pass(seconds(1));
  pass();
  EXPECT_TRUE(d_.running.contains(kBasket));
}

TEST_F(EngineTest, ClaimsAndClocksAreJudgedBeforePlanning) {
  d_.claim->owner = "them";
  pass();
  EXPECT_NE(seen_.domains.at("d").changes_held.find("belongs to another"), std::string::npos);
  d_.claim->owner = "us";
  clocks_.wall += std::chrono::minutes(5);
  const PassReport report = pass();
  EXPECT_EQ(seen_.domains.at("d").changes_held, "");
  EXPECT_NE(seen_.domains.at("d").removals_held.find("went forward by 5 minutes"), std::string::npos);
  ASSERT_TRUE(report.wake_at) << "it looks again when removals are free";
  clocks_.pass(std::chrono::minutes(31));
  pass();
  EXPECT_EQ(seen_.domains.at("d").removals_held, "");
}

TEST_F(EngineTest, AClockBehindTheStoreHoldsRemovals) {
  store_.last_ = clocks_.wall + std::chrono::hours(1);
  start();
  pass();
  EXPECT_NE(seen_.domains.at("d").removals_held, "");
}

TEST_F(EngineTest, AHangingDomainDelaysNobodyElse) {
  patience_ = milliseconds(200);
  desired_ = desired_with({"d", "e"});
  e_.hang("observe scheduler");
  start();
  plan_.actions = {action_on("basket", launch_of(identity_of("basket"))),
                   action_on("till", launch_of(identity_of("till", "e")), "e")};
  PassReport report = pass();
  EXPECT_TRUE(report.incomplete);
  EXPECT_TRUE(d_.running.contains(kBasket));
  EXPECT_TRUE(e_.running.empty());
  EXPECT_FALSE(seen_.domains.at("e").scheduler.complete);
  EXPECT_NE(seen_.domains.at("e").scheduler.error.find("has not answered for"), std::string::npos);
  plan_.actions = {};
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) pass();
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(3)) << "it is waited for once only";
  e_.release();
  ASSERT_TRUE(changed()) << "its late answer wakes the loop";
  report = pass();
  EXPECT_FALSE(report.incomplete) << "and is used";
}

TEST_F(EngineTest, AnEffectThatHangsIsSettledWhenItEnds) {
  patience_ = milliseconds(200);
  desired_ = desired_with({"d", "e"});
  start();
  pass();
  story_.take();
  e_.hang("present " + stack_name(identity_of("till", "e")));
  plan_.actions = {action_on("till", launch_of(identity_of("till", "e")), "e"),
                   action_on("basket", launch_of(identity_of("basket")))};
  d_.running["x--1-0-0--00000000"].incarnation = 1;
  pass();
  EXPECT_EQ(store_.entries[0].outcome, JournalEntry::Outcome::kDone) << "d's";
  EXPECT_EQ(store_.entries[1].outcome, JournalEntry::Outcome::kOpen) << "e's";
  PassReport report = pass();
  EXPECT_EQ(report.begun, 1u) << "nothing is begun in the busy domain";
  EXPECT_NE(seen_.domains.at("e").scheduler.error.find("has been carrying out effects"), std::string::npos)
      << seen_.domains.at("e").scheduler.error;
  plan_.actions = {};
  e_.release();
  ASSERT_TRUE(changed());
  report = pass();
  ASSERT_EQ(report.done.size(), 1u);
  EXPECT_EQ(store_.entries[1].outcome, JournalEntry::Outcome::kDone);
}

TEST_F(EngineTest, WhatHungIsSettledAlsoWhenTheDomainsSettingsChangedMeanwhile) {
  patience_ = milliseconds(200);
  start();
  pass();
  d_.hang("present " + kBasket);
  plan_.actions = {action_on("basket", launch_of(identity_of("basket")))};
  d_.running["x--1-0-0--00000000"].incarnation = 1;
  pass();
  ASSERT_EQ(store_.entries[0].outcome, JournalEntry::Outcome::kOpen);
  plan_.actions = {};
  d_.release();
  ASSERT_TRUE(changed());
  desired_.domains.at("d").stop_grace = seconds(3);
  pass();
  EXPECT_EQ(store_.entries[0].outcome, JournalEntry::Outcome::kDone);
  EXPECT_EQ(d_.opened, 2);
}

TEST_F(EngineTest, AnInstantAheadOfOurClockCountsAsNowAndGrowsOld) {
  const Instant seen = clocks_.wall;
  Running& running = d_.running["x--1-0-0--00000000"];
  running.instances.resize(1);
  running.instances[0].since = seen + std::chrono::hours(24);
  d_.records["x--1-0-0--00000000"] = record_of(identity_of("x"));
  d_.records["x--1-0-0--00000000"].stack = "x--1-0-0--00000000";
  pass();
  const auto since = [this] { return seen_.cells.at({"d", "x"}).stacks.at(0).running->instances.at(0).since; };
  EXPECT_EQ(since(), seen);
  clocks_.pass(std::chrono::minutes(10));
  running.count = 2;
  pass();
  EXPECT_EQ(since(), seen) << "and stays that instant";
}

TEST_F(EngineTest, ADomainThatCannotBeOpenedIsReportedAndTheOthersGoOn) {
  desired_ = desired_with({"d", "e"});
  e_.fail("open", invalid("domains/e.yml: folder is missing"));
  start();
  plan_.actions = {action_on("basket", launch_of(identity_of("basket")))};
  const PassReport report = pass();
  EXPECT_TRUE(d_.running.contains(kBasket));
  EXPECT_NE(report.observed.domains.at("e").scheduler.error.find("folder is missing"), std::string::npos);
}

TEST_F(EngineTest, ADomainWithNewSettingsIsOpenedAgainAndOneThatLeavesIsLetGo) {
  pass();
  EXPECT_EQ(d_.opened, 1);
  pass();
  EXPECT_EQ(d_.opened, 1);
  desired_.domains.at("d").stop_grace = seconds(3);
  pass();
  EXPECT_EQ(d_.opened, 2);
  desired_ = desired_with({"e"});
  d_.running[kBasket].incarnation = 1;
  const PassReport report = pass();
  EXPECT_EQ(report.observed.domains.count("d"), 0u);
  EXPECT_TRUE(d_.running.contains(kBasket)) << "what runs there is not touched";
}

}  // namespace
}  // namespace nelson
