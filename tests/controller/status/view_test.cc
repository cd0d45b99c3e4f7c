#include "controller/status/view.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "controller/status/snapshot.h"
#include "tests/controller/status/client.h"
#include "tests/controller/status/situations.h"

namespace nelson::status_test {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

/// An input as the loop makes it: the same Desired object as long as Git says the same.
ViewInput input_of(const Situation& situation, const std::shared_ptr<const Desired>& desired) {
  ViewInput input = situation.input();
  if (desired && *desired == situation.desired) input.desired = desired;
  return input;
}

struct Change {
  const char* name;
  std::function<void(Situation&, std::mt19937&)> apply;
};

const std::vector<Change> kChanges = {
    {"time goes by", [](Situation& s, std::mt19937& random) { s.advance(seconds(10 + random() % 400)); }},
    {"a release",
     [](Situation& s, std::mt19937& random) {
       s.release("checkout", {1, 5, static_cast<std::uint32_t>(random() % 5)}, random() % 2 == 0 ? kCommit1 : kCommit2);
     }},
    {"a caller comes or goes",
     [](Situation& s, std::mt19937& random) {
       Spec& spec = s.desired.cells.at({"local", "cart"}).stacks.front().spec;
       spec.dependencies.clear();
       if (random() % 2 == 0) spec.dependencies = {{"stock", {3, 0}}};
       s.settle();
     }},
    {"an instance is sick",
     [](Situation& s, std::mt19937& random) {
       Instance& instance = s.stack("stock", {3, 0, 2}).running->instances.front();
       instance.health = random() % 2 == 0 ? Health::kFailing : Health::kPassing;
       instance.detail = "http 503";
     }},
    {"an instance without checks is young",
     [](Situation& s, std::mt19937&) {
       ObservedStack& stack = s.stack("cart", {0, 9, 1});
       stack.record->identity.spec.health_checks.clear();
       stack.running->instances.front().since = s.now;
     }},
    {"nothing", [](Situation&, std::mt19937&) {}},
};

class Reuse : public testing::TestWithParam<unsigned> {};

TEST_P(Reuse, AViewMadeFromTheOneBeforeSaysTheSameAsOneMadeAnew) {
  std::mt19937 random(GetParam());
  Situation situation;
  std::shared_ptr<const Desired> desired;
  std::shared_ptr<const View> previous;
  for (int i = 0; i < 12; ++i) {
    const Change& change = kChanges[random() % kChanges.size()];
    change.apply(situation, random);
    const ViewInput input = input_of(situation, desired);
    desired = input.desired;
    const auto fresh = build_view(input);
    const auto reused = build_view(input, previous);
    ASSERT_EQ(*reused->listing().list, *fresh->listing().list) << "seed " << GetParam() << ", step " << i << ": " << change.name;
    ASSERT_EQ(*reused->status_json(), *fresh->status_json()) << "seed " << GetParam() << ", step " << i << ": " << change.name;
    previous = reused;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Reuse, testing::Range(1U, kSanitized ? 5U : 16U));

TEST(BuildView, SharesEverythingWhenNothingChanged) {
  Situation situation;
  const auto desired = std::make_shared<const Desired>(situation.desired);
  const auto first = build_view(input_of(situation, desired));
  situation.now += seconds(1);
  EXPECT_EQ(build_view(input_of(situation, desired), first)->index, first->index);
}

TEST(BuildView, SharesWhatDidNotChange) {
  Situation situation;
  const auto desired = std::make_shared<const Desired>(situation.desired);
  const auto first = build_view(input_of(situation, desired));
  situation.stack("stock", {3, 0, 2}).running->instances.front().restarts = 7;
  const auto second = build_view(input_of(situation, desired), first);
  const CellKey stock{"local", "stock"}, cart{"local", "cart"};
  EXPECT_NE(second->index->blocks.at(stock), first->index->blocks.at(stock));
  EXPECT_EQ(second->index->blocks.at(cart), first->index->blocks.at(cart));
}

TEST(BuildView, OutlivesTheViewItWasMadeFrom) {
  Situation situation;
  const auto desired = std::make_shared<const Desired>(situation.desired);
  std::shared_ptr<const View> view = build_view(input_of(situation, desired));
  for (int i = 0; i < 3; ++i) {
    situation.stack("stock", {3, 0, 2}).running->instances.front().restarts = i;
    view = build_view(input_of(situation, desired), view);
  }
  EXPECT_NE(view->status_json()->find("checkout--1-4-2--"), std::string::npos);
  EXPECT_NE(view->observed(*view->listing().find(situation.name("cart", {0, 9, 1}))), nullptr);
}

TEST(BuildView, RemembersSinceWhenEvenWhenNobodyElseDoes) {
  Situation situation;
  situation.observed.domains.at("local").balancer = {false, "gone"};
  ViewInput input = situation.input();
  const Instant first_seen = input.now;
  input.since.clear();
  const auto first = build_view(input);
  ASSERT_FALSE(first->trouble.empty());
  EXPECT_EQ(first->trouble.front().since, first_seen);
  input.now += minutes(7);
  const auto second = build_view(input, first);
  EXPECT_EQ(second->trouble.front().since, first_seen);
  for (const std::string& subject : subjects_of(input)) input.since[subject] = first_seen - minutes(5);
  EXPECT_EQ(build_view(input, second)->trouble.front().since, first_seen - minutes(5));
  for (auto& [subject, at] : input.since) at = input.now + minutes(5);
  EXPECT_EQ(build_view(input, second)->trouble.front().since, input.now) << "an instant to come counts as now";
}

TEST(SubjectOf, StaysWhenNumbersInTheWordsChange) {
  Problem a;
  a.repository = "shop";
  a.file = ".nelson.yml";
  a.code = "UnknownKey";
  a.line = 3;
  a.commit = kCommit1;
  a.message = "unknown key a";
  Problem b = a;
  b.line = 4;
  b.commit = kCommit2;
  b.message = "unknown key b";
  EXPECT_EQ(subject_of(a), subject_of(b));
  b.file = "other/.nelson.yml";
  EXPECT_NE(subject_of(a), subject_of(b));

  Hold hold;
  hold.cell = {"local", "cart"};
  hold.subject = "cart--1-0-0--aaaaaaaa";
  hold.code = "unhealthy";
  Hold later = hold;
  later.reason = "1 of 2 instances are healthy";
  EXPECT_EQ(subject_of(hold), subject_of(later));
  later.code = "draining";
  EXPECT_NE(subject_of(hold), subject_of(later));
}

TEST(SubjectsOf, NamesEverythingThatIsWrong) {
  Situation situation;
  situation.observed.domains.at("local").balancer = {false, "gone"};
  situation.observed.domains.at("local").changes_held = "claimed";
  Problem problem;
  problem.repository = "shop";
  situation.desired.problems = {problem};
  situation.process_problems = {problem};
  const std::vector<std::string> subjects = subjects_of(situation.input());
  EXPECT_GE(subjects.size(), 4U);
  EXPECT_TRUE(std::is_sorted(subjects.begin(), subjects.end()));
}

}  // namespace
}  // namespace nelson::status_test
