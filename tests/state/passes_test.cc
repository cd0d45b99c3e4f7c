#include <gtest/gtest.h>

#include "tests/state/folder_for_test.h"
#include "tests/state/generate.h"

namespace nelson::tests {
namespace {

/// What a replay gives back of `desired`: all that decides.
Desired recorded(Desired desired) {
  const auto repositories = desired.repositories;
  for (const auto& [name, repository] : repositories) desired.repositories[name].last_fetched.clear();
  return desired;
}

struct Inputs {
  Desired desired;
  Observed observed;
};

/// A world of cells, some of which change from pass to pass, come and go.
class Churn {
 public:
  explicit Churn(std::uint64_t seed) : generate_(seed) { inputs_ = {generate_.value<Desired>(), generate_.value<Observed>()}; }

  const Inputs& next() {
    for (std::uint64_t changes = generate_.below(4); changes > 0; --changes) {
      const CellKey key{"d" + std::to_string(generate_.below(2)), "u" + std::to_string(generate_.below(6))};
      switch (generate_.below(6)) {
        case 0:
          inputs_.desired.cells.erase(key);
          break;
        case 1:
          inputs_.observed.cells.erase(key);
          break;
        case 2:
          generate_.fill(inputs_.desired.cells[key]);
          break;
        case 3:
          generate_.fill(inputs_.observed.cells[key]);
          break;
        case 4:
          generate_.fill(inputs_.desired.problems);
          generate_.fill(inputs_.desired.repositories);
          break;
        default:
          generate_.fill(inputs_.observed.domains);
          generate_.fill(inputs_.desired.control_commit);
      }
    }
    return inputs_;
  }

 private:
  Generate generate_;
  Inputs inputs_;
};

class PassLaws : public testing::TestWithParam<std::uint64_t> {};

TEST_P(PassLaws, EveryKeptPassIsReplayedAsItWasRecordedAlsoAcrossRestarts) {
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.keep_passes = 15;
  options.checkpoint_every = 4;
  Generate dice(GetParam() + 1000);
  Churn churn(GetParam());
  std::vector<Inputs> history(1);  // by pass
  auto store = opened(options);
  for (std::int64_t step = 1; step <= 60; ++step) {
    if (dice.below(10) == 0) {
      store.reset();
      store = opened(options);
      ASSERT_EQ(store->rebuilt(), "");
    }
    const Inputs& inputs = churn.next();
    const bool changed = history.size() == 1 || !(recorded(inputs.desired) == recorded(history.back().desired)) ||
                         !(inputs.observed == history.back().observed);
    const std::uint64_t before = store->counters().commits;
    ASSERT_TRUE(store->record_pass(inputs.desired, inputs.observed, at(step), "plan"));
    ASSERT_EQ(store->counters().commits, before + (changed ? 1 : 0)) << "seed " << GetParam() << " step " << step;
    if (changed) history.push_back(inputs);
    ASSERT_EQ(store->last_pass(), history.size() - 1);

    const auto passes = store->passes();
    ASSERT_TRUE(passes);
    ASSERT_EQ(passes->size(), std::min<std::size_t>(15, history.size() - 1));
    for (const PassRecord& record : *passes) {
      if (step < 60 && dice.below(8) != 0) continue;  // all of them at the end
      const auto replayed = store->replay(record.pass);
      ASSERT_TRUE(replayed) << "seed " << GetParam() << ": " << replayed.error().message;
      ASSERT_EQ(replayed->record, record);
      ASSERT_EQ(replayed->desired, recorded(history[record.pass].desired)) << "seed " << GetParam() << " pass " << record.pass;
      ASSERT_EQ(replayed->observed, history[record.pass].observed) << "seed " << GetParam() << " pass " << record.pass;
    }
  }
  EXPECT_EQ(store->counters().records_damaged, 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, PassLaws, testing::Range<std::uint64_t>(1, 13),
                         [](const auto& info) { return "seed_" + std::to_string(info.param); });

Inputs fleet(int cells) {
  Inputs inputs;
  for (int i = 0; i < cells; ++i) {
    const CellKey key{"home", "unit" + std::to_string(i)};
    inputs.desired.cells[key].stacks.resize(1);
    inputs.desired.cells[key].stacks[0].commit = "3f2c1aa";
    inputs.observed.cells[key].stacks.resize(1);
    inputs.observed.cells[key].stacks[0].name = "unit" + std::to_string(i) + "--1-0-0--00000000";
  }
  return inputs;
}

TEST(Passes, EqualInputsAndPlanAreNotWrittenAgain) {
  const TestFolder folder;
  Inputs inputs = fleet(10);
  inputs.desired.repositories["shop"].last_fetched = "2026-11-21T11:35:57Z";
  {
    const auto store = opened(folder.options());
    ASSERT_TRUE(store->record_pass(inputs.desired, inputs.observed, at(1), "same"));
    const auto before = store->counters();
    for (int i = 2; i < 20; ++i) ASSERT_TRUE(store->record_pass(inputs.desired, inputs.observed, at(i), "same"));
    inputs.desired.repositories["shop"].last_fetched = "2026-11-21T12:35:57Z";
    ASSERT_TRUE(store->record_pass(inputs.desired, inputs.observed, at(30), "same")) << "a poll that brought nothing new";
    EXPECT_EQ(store->counters().commits, before.commits);
    EXPECT_EQ(store->counters().records_written, before.records_written);
  }
  const auto store = opened(folder.options());
  ASSERT_TRUE(store->record_pass(inputs.desired, inputs.observed, at(40), "same")) << "after a restart";
  EXPECT_EQ(store->counters().commits, 0U);
  EXPECT_EQ(store->last_pass(), 1U);
  ASSERT_TRUE(store->record_pass(inputs.desired, inputs.observed, at(50), "another plan"));
  EXPECT_EQ(store->counters().commits, 1U);
  EXPECT_EQ(store->last_pass(), 2U);
}

TEST(Passes, OnlyWhatChangedIsWritten) {
  const TestFolder folder;
  const auto store = opened(folder.options());
  Inputs inputs = fleet(500);
  ASSERT_TRUE(store->record_pass(inputs.desired, inputs.observed, at(1), "p1"));
  const std::uint64_t before = store->counters().records_written;
  EXPECT_GT(before, 1000U);
  inputs.observed.cells[{"home", "unit250"}].stacks[0].published = "now";
  ASSERT_TRUE(store->record_pass(inputs.desired, inputs.observed, at(2), "p2"));
  EXPECT_EQ(store->counters().records_written, before + 3) << "the cell, the pass and the head";
}

TEST(Passes, EveryNthIsACheckpoint) {
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.checkpoint_every = 3;
  const auto store = opened(options);
  Inputs inputs = fleet(3);
  std::vector<bool> checkpoints;
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(store->record_pass(inputs.desired, inputs.observed, at(i), std::to_string(i)));
  const auto passes = store->passes();
  for (const PassRecord& pass : *passes) checkpoints.push_back(pass.checkpoint);
  EXPECT_EQ(checkpoints, (std::vector<bool>{true, false, false, true, false, false, true, false}));
}

TEST(Passes, RetentionKeepsEveryReplayAndTheFileItsSize) {
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.keep_passes = 20;
  options.checkpoint_every = 5;
  const auto store = opened(options);
  Inputs inputs = fleet(100);
  std::uintmax_t settled = 0;
  for (int i = 0; i < 1500; ++i) {
    const CellKey key{"home", "unit" + std::to_string(i % 100)};
    inputs.observed.cells[key].stacks.resize(1);
    inputs.observed.cells[key].stacks[0].published = std::string(900, static_cast<char>('a' + i % 26));
    inputs.observed.cells.erase({"home", "unit" + std::to_string((i + 50) % 100)});
    ASSERT_TRUE(store->record_pass(inputs.desired, inputs.observed, at(i), std::to_string(i)));
    if (i == 500) settled = std::filesystem::file_size(folder.data());
  }
  EXPECT_LE(std::filesystem::file_size(folder.data()), settled + settled / 10);
  const auto passes = store->passes();
  ASSERT_EQ(passes->size(), 20U);
  EXPECT_EQ(passes->front().pass, 1481U);
  for (const PassRecord& pass : *passes) EXPECT_TRUE(store->replay(pass.pass)) << pass.pass;
  EXPECT_EQ(store->replay(1500)->observed, inputs.observed);
  for (const std::uint64_t number : {std::uint64_t{1480}, std::uint64_t{1501}, std::uint64_t{0}}) {
    const auto gone = store->replay(number);
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().kind, ErrorKind::kInvalid);
  }
}

TEST(Passes, WhenBytesRunShortOlderPassesGoFirst) {
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.max_bytes = std::size_t{3} << 20;
  const auto store = opened(options);
  Inputs inputs = fleet(1);
  for (int i = 0; i < 60; ++i) {
    inputs.observed.cells[{"home", "unit0"}].stacks[0].published = std::string(100'000, static_cast<char>('a' + i % 26));
    const Status done = store->record_pass(inputs.desired, inputs.observed, at(i), std::to_string(i));
    ASSERT_TRUE(done) << i << ": " << done.error().message;
    ASSERT_EQ(store->last_pass(), static_cast<std::uint64_t>(i + 1));
    ASSERT_TRUE(store->replay(store->last_pass()));
  }
  EXPECT_GE(store->passes()->size(), 3U);
  EXPECT_TRUE(store->damages().empty());
}

TEST(Passes, InputsTooLargeAreNotKeptAndThatIsSaid) {
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.max_bytes = std::size_t{3} << 20;
  const auto store = opened(options);
  Inputs inputs = fleet(40);
  ASSERT_TRUE(store->record_pass(inputs.desired, inputs.observed, at(1), "small"));
  for (int i = 0; i < 40; ++i)
    inputs.observed.cells[{"home", "unit" + std::to_string(i)}].stacks[0].published = std::string(60'000, 'x');
  ASSERT_TRUE(store->record_pass(inputs.desired, inputs.observed, at(2), "large"));
  ASSERT_TRUE(store->record_pass(inputs.desired, inputs.observed, at(3), "larger"));
  ASSERT_EQ(store->damages().size(), 1U);
  EXPECT_NE(store->damages()[0].find("raise limits.store_mib"), std::string::npos) << store->damages()[0];
  std::vector<JournalEntry> batch{intent("a")};
  EXPECT_TRUE(store->intend(batch)) << "the journal goes on";
}

}  // namespace
}  // namespace nelson::tests
