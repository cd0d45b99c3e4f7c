#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/state/folder_for_test.h"

namespace nelson::tests {
namespace {

using Outcome = JournalEntry::Outcome;

std::vector<std::uint64_t> sequences_of(const Result<std::vector<JournalEntry>>& entries) {
  std::vector<std::uint64_t> sequences;
  if (!entries) {
    ADD_FAILURE() << entries.error().message;
    return sequences;
  }
  for (const JournalEntry& entry : *entries) sequences.push_back(entry.sequence);
  return sequences;
}

using Sequences = std::vector<std::uint64_t>;

TEST(Journal, NumbersEntriesDenselyFromOneAlsoAcrossRestarts) {
  const TestFolder folder;
  for (std::uint64_t round = 0; round < 3; ++round) {
    const auto store = opened(folder.options());
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->rebuilt().empty(), round > 0);
    const std::uint64_t before = store->counters().commits;
    std::vector<JournalEntry> batch{intent("a"), intent("b")};
    ASSERT_TRUE(store->intend(batch));
    EXPECT_EQ(batch[0].sequence, 2 * round + 1);
    EXPECT_EQ(batch[1].sequence, 2 * round + 2);
    EXPECT_EQ(store->counters().commits, before + 1) << "one commit a batch";
    EXPECT_EQ(store->counters().syncs, before + 1);
  }
  EXPECT_EQ(sequences_of(opened(folder.options())->history("", 0, 100)), (Sequences{6, 5, 4, 3, 2, 1}));
}

TEST(Journal, KeepsWhatBecameOfEachIntent) {
  const TestFolder folder;
  std::vector<JournalEntry> batch{intent("a"), intent("b", "remove"), intent("", "serve"), intent("c")};
  {
    const auto store = opened(folder.options());
    ASSERT_TRUE(store->intend(batch));
    EXPECT_EQ(sequences_of(store->open_intents()), (Sequences{1, 2, 3, 4}));
    const std::uint64_t before = store->counters().commits;
    const std::vector<Settlement> settlements{{1, ""}, {2, "the scheduler did not answer"}, {3, ""}};
    ASSERT_TRUE(store->settle(settlements, at(2000)));
    EXPECT_EQ(store->counters().commits, before + 1);
  }
  const auto store = opened(folder.options());
  ASSERT_EQ(sequences_of(store->open_intents()), (Sequences{4}));
  const std::vector<std::uint64_t> unknown{4};
  ASSERT_TRUE(store->settle_unknown(unknown, at(3000)));
  EXPECT_EQ(sequences_of(store->open_intents()), Sequences{});

  batch[0].outcome = batch[2].outcome = Outcome::kDone;
  batch[1].outcome = Outcome::kFailed;
  batch[1].error = "the scheduler did not answer";
  batch[3].outcome = Outcome::kUnknown;
  for (std::size_t i = 0; i < 4; ++i) batch[i].finished = at(i == 3 ? 3000 : 2000);
  const auto history = store->history("", 0, 10);
  ASSERT_TRUE(history);
  EXPECT_EQ(*history, (std::vector<JournalEntry>{batch[3], batch[2], batch[1], batch[0]}));
  EXPECT_EQ(store->last_instant(), at(3000));
}

TEST(Journal, NothingToDoWritesNothing) {
  const TestFolder folder;
  const auto store = opened(folder.options());
  const std::uint64_t before = store->counters().commits;
  std::vector<JournalEntry> none;
  EXPECT_TRUE(store->intend(none));
  EXPECT_TRUE(store->settle({}, at(1)));
  EXPECT_TRUE(store->settle_unknown({}, at(1)));
  EXPECT_EQ(store->counters().commits, before);
  EXPECT_EQ(store->last_instant(), std::nullopt);
}

TEST(Journal, SettlingWhatIsNotOpenIsOurBugAndWritesNothing) {
  const TestFolder folder;
  const auto store = opened(folder.options());
  std::vector<JournalEntry> batch{intent("a"), intent("b")};
  ASSERT_TRUE(store->intend(batch));
  ASSERT_TRUE(store->settle(std::vector<Settlement>{{1, ""}}, at(5)));
  for (const std::uint64_t sequence : Sequences{1, 3, 0}) {
    const Status again = store->settle(std::vector<Settlement>{{2, ""}, {sequence, ""}}, at(6));
    ASSERT_FALSE(again) << sequence;
    EXPECT_EQ(again.error().kind, ErrorKind::kInternal);
  }
  EXPECT_EQ(sequences_of(store->open_intents()), (Sequences{2}));
}

struct HistoryCase {
  const char* name;
  const char* stack;
  std::uint64_t before;
  std::size_t limit;
  Sequences expected;
};

class History : public testing::TestWithParam<HistoryCase> {};

TEST_P(History, IsNewestFirst) {
  const TestFolder folder;
  const auto store = opened(folder.options());
  const std::string long_name(300, 'x');
  std::vector<JournalEntry> batch;
  for (const std::string& stack : {std::string("a"), std::string("ab"), std::string("a"), std::string(), long_name,
                                   std::string("a"), long_name + "y", long_name, std::string("b")})
    batch.push_back(intent(stack));
  ASSERT_TRUE(store->intend(batch));
  const std::string stack = GetParam().stack == std::string("long") ? long_name : GetParam().stack;
  EXPECT_EQ(sequences_of(store->history(stack, GetParam().before, GetParam().limit)), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Table, History,
    testing::Values(HistoryCase{"of_all", "", 0, 100, {9, 8, 7, 6, 5, 4, 3, 2, 1}}, HistoryCase{"of_all_cut", "", 0, 2, {9, 8}},
                    HistoryCase{"of_all_going_on", "", 8, 2, {7, 6}}, HistoryCase{"of_all_from_the_first", "", 1, 5, {}},
                    HistoryCase{"of_all_from_beyond", "", 1000, 1, {9}}, HistoryCase{"of_nothing", "", 0, 0, {}},
                    HistoryCase{"of_a_stack", "a", 0, 100, {6, 3, 1}}, HistoryCase{"of_a_stack_cut", "a", 0, 2, {6, 3}},
                    HistoryCase{"of_a_stack_going_on", "a", 6, 2, {3, 1}},
                    HistoryCase{"of_a_stack_whose_name_begins_like_another", "ab", 0, 100, {2}},
                    HistoryCase{"of_the_stack_that_is_last_by_name", "b", 0, 100, {9}},
                    HistoryCase{"of_a_name_too_long_for_a_key", "long", 0, 100, {8, 5}},
                    HistoryCase{"of_an_unknown_stack", "c", 0, 100, {}}),
    [](const auto& info) { return info.param.name; });

TEST(Journal, IsARing) {
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.keep_entries = 10;
  const auto store = opened(options);
  for (int i = 0; i < 20; ++i) {
    std::vector<JournalEntry> batch{intent("a"), intent("b"), intent("a")};
    ASSERT_TRUE(store->intend(batch));
    std::vector<Settlement> done;
    for (const JournalEntry& entry : batch) done.push_back({entry.sequence, ""});
    ASSERT_TRUE(store->settle(done, at(i)));
  }
  EXPECT_EQ(sequences_of(store->history("", 0, 100)), (Sequences{60, 59, 58, 57, 56, 55, 54, 53, 52, 51}));
  EXPECT_EQ(sequences_of(store->history("b", 0, 100)), (Sequences{59, 56, 53}));
}

TEST(Journal, ForgetsNoOpenIntentUntilTwiceItsSizeIsReached) {
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.keep_entries = 10;
  const auto store = opened(options);
  std::vector<JournalEntry> forgotten{intent("never settled")};
  ASSERT_TRUE(store->intend(forgotten));
  for (std::uint64_t sequence = 2; sequence < 60; ++sequence) {
    std::vector<JournalEntry> batch{intent("b")};
    ASSERT_TRUE(store->intend(batch));
    ASSERT_TRUE(store->settle(std::vector<Settlement>{{sequence, ""}}, at(1)));
    const auto all = store->history("", 0, 100);
    ASSERT_LE(all->size(), 20U);
    ASSERT_EQ(all->back().sequence == 1, sequence <= 20) << sequence;
    ASSERT_EQ(sequences_of(store->open_intents()), sequence <= 20 ? Sequences{1} : Sequences{});
  }
}

TEST(Journal, ALowerLimitIsReachedWithoutALongCommit) {
  const TestFolder folder;
  StoreOptions options = folder.options();
  {
    const auto store = opened(options);
    std::vector<JournalEntry> batch(3000, intent("a"));
    ASSERT_TRUE(store->intend(batch));
    std::vector<Settlement> done;
    for (const JournalEntry& entry : batch) done.push_back({entry.sequence, ""});
    ASSERT_TRUE(store->settle(done, at(1)));
  }
  options.keep_entries = 5;
  const auto store = opened(options);
  for (int i = 0; i < 4; ++i) {
    std::vector<JournalEntry> batch{intent("a")};
    ASSERT_TRUE(store->intend(batch));
    ASSERT_TRUE(store->settle(std::vector<Settlement>{{batch[0].sequence, ""}}, at(1)));
  }
  EXPECT_EQ(sequences_of(store->history("a", 0, 100)), (Sequences{3004, 3003, 3002, 3001, 3000}));
}

TEST(Journal, FillsNoStoreHoweverSmallAndLongItsEntries) {
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.max_bytes = std::size_t{1} << 20;
  std::uint64_t newest = 0;
  for (int start = 0; start < 3; ++start) {
    const auto store = opened(options);
    for (int i = 0; i < 300; ++i) {
      std::vector<JournalEntry> batch(5, intent("a"));
      for (JournalEntry& entry : batch) entry.reason = std::string(1000, 'r');
      const Status intended = store->intend(batch);
      ASSERT_TRUE(intended) << intended.error().message << " after " << newest;
      newest = batch.back().sequence;
      std::vector<Settlement> done;
      for (const JournalEntry& entry : batch) done.push_back({entry.sequence, std::string(1000, 'e')});
      if (start == 1) continue;  // nothing is ever settled
      ASSERT_TRUE(store->settle(done, at(1)));
    }
    const auto history = store->history("a", 0, 10'000);
    ASSERT_TRUE(history);
    ASSERT_GT(history->size(), 30U) << "a store full of history, all the same";
    EXPECT_EQ(history->front().sequence, newest);
    EXPECT_EQ(history->back().sequence, newest - history->size() + 1) << "the oldest went first";
  }
}

TEST(Journal, LongTextIsCutBetweenCharacters) {
  const TestFolder folder;
  const auto store = opened(folder.options());
  std::vector<JournalEntry> batch{intent("a")};
  batch[0].reason = std::string(1023, 'r') + "\u00e4" + std::string(5000, 'r');
  ASSERT_TRUE(store->intend(batch));
  EXPECT_EQ(batch[0].reason, std::string(1023, 'r') + "...");
  ASSERT_TRUE(store->settle(std::vector<Settlement>{{1, std::string(9000, 'e')}}, at(1)));
  const auto history = store->history("a", 0, 1);
  EXPECT_EQ(history->front().reason, batch[0].reason);
  EXPECT_EQ(history->front().error, std::string(1024, 'e') + "...");
}

TEST(Journal, ReadersOnOtherThreadsSeeWholeBatchesWhileItIsWritten) {
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.keep_entries = 50;
  const auto store = opened(options);
  std::atomic<bool> stop{false};
  std::atomic<int> looks{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i)
    readers.emplace_back([&] {
      while (!stop) {
        const auto history = store->history("", 0, 1000);
        ASSERT_TRUE(history);
        for (std::size_t k = 1; k < history->size(); ++k) ASSERT_EQ((*history)[k].sequence + 1, (*history)[k - 1].sequence);
        if (!history->empty()) {
          ASSERT_EQ(history->front().sequence % 5, 0U) << "half a batch was seen";
        }
        ASSERT_TRUE(store->open_intents());
        static_cast<void>(store->counters());
        static_cast<void>(store->last_instant());
        static_cast<void>(store->damages());
        ++looks;
      }
    });
  for (int round = 0; round < 100 || looks < 100; ++round) {
    std::vector<JournalEntry> batch(5, intent("a"));
    ASSERT_TRUE(store->intend(batch));
    std::vector<Settlement> done;
    for (const JournalEntry& entry : batch) done.push_back({entry.sequence, ""});
    ASSERT_TRUE(store->settle(done, at(round)));
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

TEST(FirstSeen, RemembersWhenAndForgetsWhatIsGone) {
  const TestFolder folder;
  using Seen = std::map<std::string, Instant>;
  const std::string long_name(2000, 'l');
  {
    const auto store = opened(folder.options());
    EXPECT_EQ(*store->first_seen({"a", "b", "a", "", long_name}, at(1)),
              (Seen{{"", at(1)}, {"a", at(1)}, {"b", at(1)}, {long_name, at(1)}}));
    const std::uint64_t before = store->counters().commits;
    EXPECT_EQ(*store->first_seen({"b", long_name, "a", ""}, at(2)),
              (Seen{{"", at(1)}, {"a", at(1)}, {"b", at(1)}, {long_name, at(1)}}));
    EXPECT_EQ(store->counters().commits, before) << "the set did not change";
    EXPECT_EQ(*store->first_seen({"b", "c"}, at(3)), (Seen{{"b", at(1)}, {"c", at(3)}}));
    EXPECT_EQ(store->counters().commits, before + 1);
  }
  const auto store = opened(folder.options());
  EXPECT_EQ(*store->first_seen({"a", "b", "c"}, at(4)), (Seen{{"a", at(4)}, {"b", at(1)}, {"c", at(3)}}));
  EXPECT_EQ(*store->first_seen({}, at(5)), Seen{});
  EXPECT_EQ(*store->first_seen({"b"}, at(6)), (Seen{{"b", at(6)}}));
  EXPECT_EQ(store->last_instant(), at(6));
}

TEST(LastInstant, IsTheGreatestEverWritten) {
  const TestFolder folder;
  {
    const auto store = opened(folder.options());
    EXPECT_EQ(store->last_instant(), std::nullopt);
    std::vector<JournalEntry> batch{intent("a")};
    batch[0].intended = at(9000);
    ASSERT_TRUE(store->intend(batch));
    ASSERT_TRUE(store->settle(std::vector<Settlement>{{1, ""}}, at(100))) << "the clock went back";
    EXPECT_EQ(store->last_instant(), at(9000));
  }
  EXPECT_EQ(opened(folder.options())->last_instant(), at(9000));
}

}  // namespace
}  // namespace nelson::tests
