#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "state/lmdb_file.h"
#include "state/open.h"
#include "tests/state/child_process.h"
#include "tests/state/folder_for_test.h"

namespace nelson::tests {
namespace {

namespace fs = std::filesystem;

/// What a store was told, and must therefore say.
struct Told {
  std::map<std::uint64_t, JournalEntry> entries;
  std::map<std::uint64_t, ReplayedPass> passes;
  std::map<std::string, Instant> seen;
};

constexpr int kSteps = 24;
constexpr std::size_t kKept = 8;

StoreOptions damage_options(const TestFolder& folder) {
  StoreOptions options = folder.options();
  options.keep_passes = kKept;
  return options;
}

Desired desired_at(int step) {
  Desired desired;
  desired.owner = "owner";
  desired.control_commit = std::to_string(step);
  for (int i = 0; i < 8; ++i) {
    auto& cell = desired.cells[{"home", "unit" + std::to_string(i)}];
    cell.stacks.resize(1);
    cell.stacks[0].commit = std::to_string(i <= step % 8 ? step : 0);
  }
  return desired;
}

/// Entries, passes and subjects over a few hundred pages, with freed ones among them.
Told tell(const StoreOptions& options) {
  Told told;
  const auto store = opened(options);
  for (int step = 0; step < kSteps; ++step) {
    const Desired desired = desired_at(step);
    Observed observed;
    observed.cells[{"home", "unit1"}].stacks.resize(1);
    observed.cells[{"home", "unit1"}].stacks[0].published = std::string(static_cast<std::size_t>(200 * (step % 12)), 'p');
    EXPECT_TRUE(store->record_pass(desired, observed, at(step), std::to_string(step)));
    told.passes[store->last_pass()] = {{store->last_pass(), at(step), std::to_string(step), step == 0}, desired, observed};
    if (told.passes.size() > kKept) told.passes.erase(told.passes.begin());
    std::vector<JournalEntry> batch(5, intent("stack" + std::to_string(step % 4)));
    EXPECT_TRUE(store->intend(batch));
    std::vector<Settlement> done;
    for (JournalEntry& entry : batch) {
      if (step < kSteps - 2) {
        done.push_back({entry.sequence, "e"});
        entry.outcome = JournalEntry::Outcome::kFailed;
        entry.error = "e";
        entry.finished = at(1000 + step);
      }
      told.entries[entry.sequence] = entry;
    }
    EXPECT_TRUE(store->settle(done, at(1000 + step)));
  }
  told.seen = *store->first_seen({"a", "b", "c"}, at(5));
  return told;
}

/// The store says nothing but what it was told, counts what it lost, and works on.
void expect_honest(const StoreOptions& options, const Told& told, const std::string& what) {
  Result<std::unique_ptr<Store>> result = Store::open(options);
  ASSERT_TRUE(result) << what << ": " << result.error().message;
  Store& store = **result;
  const auto history = store.history("", 0, 10'000);
  ASSERT_TRUE(history) << what << ": " << history.error().message;
  if (!store.rebuilt().empty()) {
    EXPECT_TRUE(history->empty()) << what;
    return;
  }
  for (const JournalEntry& entry : *history) ASSERT_EQ(entry, told.entries.at(entry.sequence)) << what;
  for (const char* const stack : {"stack0", "stack1", "stack2", "stack3"}) {
    const auto of_stack = store.history(stack, 0, 10'000);
    ASSERT_TRUE(of_stack) << what;
    for (const JournalEntry& entry : *of_stack) {
      ASSERT_EQ(entry, told.entries.at(entry.sequence)) << what;
      ASSERT_EQ(entry.stack, stack) << what;
    }
  }
  ASSERT_TRUE(store.passes()) << what;
  std::size_t replays = 0;
  for (const auto& [pass, inputs] : told.passes) {
    const auto replayed = store.replay(pass);
    if (!replayed) {
      ASSERT_EQ(replayed.error().kind, ErrorKind::kInvalid) << what << ": " << replayed.error().message;
      continue;
    }
    ++replays;
    ASSERT_EQ(replayed->record, inputs.record) << what;
    ASSERT_EQ(replayed->desired, inputs.desired) << what;
    ASSERT_EQ(replayed->observed, inputs.observed) << what;
  }
  const auto open = store.open_intents();
  ASSERT_TRUE(open) << what;
  ASSERT_EQ(open->size(), 10U) << what << ": an open intent is never lost without a word";
  const auto seen = store.first_seen({"a", "b", "c"}, at(6));
  ASSERT_TRUE(seen) << what;
  const std::uint64_t lost = store.counters().records_damaged;
  EXPECT_EQ(lost, store.damages().size()) << what;
  if (lost == 0) {
    EXPECT_EQ(history->size(), told.entries.size()) << what;
    EXPECT_EQ(replays, told.passes.size()) << what;
    EXPECT_EQ(*seen, told.seen) << what;
    EXPECT_EQ(store.last_instant(), at(1000 + kSteps - 3)) << what;
  }
  ASSERT_TRUE(store.record_pass(desired_at(100), {}, at(100), "new")) << what;
  const auto now = store.replay(store.last_pass());
  ASSERT_TRUE(now) << what << ": " << now.error().message;
  EXPECT_EQ(now->desired, desired_at(100)) << what;
  std::vector<JournalEntry> batch{intent("new")};
  ASSERT_TRUE(store.intend(batch)) << what;
  EXPECT_EQ(batch[0].sequence, told.entries.size() + 1) << what << ": no number is given twice";
  std::vector<std::uint64_t> unknown;
  for (const JournalEntry& entry : *open) unknown.push_back(entry.sequence);
  ASSERT_TRUE(store.settle_unknown(unknown, at(101))) << what;
  result = Store::open({});  // closes the first
  const auto again = opened(options);
  ASSERT_NE(again, nullptr) << what;
  EXPECT_EQ(again->rebuilt(), "") << what;
  ASSERT_TRUE(again->history("", 0, 10'000)) << what;
  ASSERT_TRUE(again->first_seen({"a", "b", "c"}, at(6))) << what;
  const auto passes = again->passes();
  for (const PassRecord& pass : *passes) static_cast<void>(again->replay(pass.pass));
}

class DamageLaws : public testing::TestWithParam<std::uint64_t> {};

TEST_P(DamageLaws, AFlippedBitNeverComesBackAsAnAnswer) {
  const TestFolder folder;
  const Told told = tell(damage_options(folder));
  const std::string whole = read_file(folder.data());
  std::mt19937_64 random(GetParam());
  int rebuilt_or_lost = 0;
  const char* const wanted = std::getenv("NELSON_BIT_FLIPS");
  const int flips = wanted == nullptr ? 80 : std::atoi(wanted);
  for (int i = 0; i < flips; ++i) {
    // Half of the bits fall into the first page of each kind: headers and pointers are few, and matter most.
    std::uint64_t bit = random() % (8 * whole.size());
    if (i % 2 == 0) bit = (random() % (whole.size() / 4096)) * 4096 * 8 + random() % (8 * 160);
    std::string bytes = whole;
    bytes[bit / 8] ^= static_cast<char>(1U << (bit % 8));
    fs::remove_all(folder.store());
    fs::create_directory(folder.store());
    fs::permissions(folder.store(), fs::perms(0700));
    write_file(folder.data(), bytes);
    fs::permissions(folder.data(), fs::perms(0600));
    expect_honest(damage_options(folder), told,
                  "seed " + std::to_string(GetParam()) + " page " + std::to_string(bit / 8 / 4096) + " byte " +
                      std::to_string(bit / 8 % 4096) + " bit " + std::to_string(bit % 8));
    if (HasFatalFailure()) return;
    rebuilt_or_lost += fs::exists(folder.data() + ".damaged-1") ? 1 : 0;
  }
  EXPECT_GT(rebuilt_or_lost, 0) << "the flips must have met something";
}

INSTANTIATE_TEST_SUITE_P(Seeds, DamageLaws, testing::Range<std::uint64_t>(1, 6),
                         [](const auto& info) { return "seed_" + std::to_string(info.param); });

TEST(Damage, ATruncatedFileIsKnownAtEveryLength) {
  const TestFolder folder;
  const Told told = tell(damage_options(folder));
  const std::string whole = read_file(folder.data());
  for (std::size_t size = 1; size < whole.size(); size += size % 4096 == 1 ? 4094 : 1) {
    fs::remove_all(folder.store());
    fs::create_directory(folder.store());
    fs::permissions(folder.store(), fs::perms(0700));
    write_file(folder.data(), whole.substr(0, size));
    fs::permissions(folder.data(), fs::perms(0600));
    expect_honest(damage_options(folder), told, "size " + std::to_string(size));
    if (HasFatalFailure()) return;
  }
}

TEST(Damage, WhatIsLostIsRemovedCountedOnceAndSaid) {
  const TestFolder folder;
  {
    const auto store = opened(folder.options());
    std::vector<JournalEntry> batch{intent("a"), intent("precious"), intent("a")};
    ASSERT_TRUE(store->intend(batch));
    ASSERT_TRUE(store->settle(std::vector<Settlement>{{1, ""}, {3, ""}}, at(1)));
  }
  std::string bytes = read_file(folder.data());
  // In the entry itself, not in the index of stacks, whose key leads with the length in one byte.
  for (std::size_t found = 0; (found = bytes.find(std::string("\x08\0\0\0precious", 12), found)) != std::string::npos; ++found)
    bytes[found + 4] ^= 1;
  write_file(folder.data(), bytes);
  {
    const auto store = opened(folder.options());
    ASSERT_EQ(store->rebuilt(), "");
    for (int look = 0; look < 3; ++look) EXPECT_EQ(store->history("", 0, 10)->size(), 2U);
    EXPECT_EQ(store->counters().records_damaged, 1U);
    ASSERT_EQ(store->damages().size(), 1U);
    EXPECT_EQ(store->damages()[0], "journal entry 2 was damaged (its checksum does not fit) and is lost");
    const auto open = store->open_intents();
    ASSERT_EQ(open->size(), 1U);
    EXPECT_EQ((*open)[0].sequence, 2U);
    EXPECT_NE((*open)[0].reason.find("damaged"), std::string::npos);
    ASSERT_TRUE(store->settle_unknown(std::vector<std::uint64_t>{2}, at(2)));
  }
  const auto store = opened(folder.options());
  EXPECT_EQ(store->history("", 0, 10)->size(), 2U);
  EXPECT_EQ(store->counters().records_damaged, 0U);
  EXPECT_TRUE(store->open_intents()->empty());
}

TEST(Damage, AHeadDamagedWhileItIsInUseIsPutBack) {
  const TestFolder folder;
  {
    const auto store = opened(folder.options());
    std::vector<JournalEntry> batch{intent("a"), intent("b")};
    ASSERT_TRUE(store->intend(batch));
    ASSERT_TRUE(store->record_pass({}, {}, at(7000), "digest"));
    const std::string bytes = read_file(folder.data());
    std::fstream file(folder.data(), std::ios::binary | std::ios::in | std::ios::out);
    for (std::size_t found = 0; (found = bytes.find("head", found)) != std::string::npos; found += 4) {
      file.seekp(static_cast<std::streamoff>(found) + 20);
      file.put(static_cast<char>(bytes[found + 20] ^ 1));
    }
    file.flush();
    EXPECT_EQ(store->last_pass(), 1U);
    EXPECT_EQ(store->last_instant(), at(7000));
    EXPECT_EQ(store->counters().records_damaged, 1U);
    for (std::uint64_t sequence = 3; sequence < 6; ++sequence) {
      std::vector<JournalEntry> next{intent("c")};
      ASSERT_TRUE(store->intend(next));
      EXPECT_EQ(next[0].sequence, sequence);
    }
  }
  const auto store = opened(folder.options());
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->rebuilt(), "");
  EXPECT_EQ(store->last_pass(), 1U);
  EXPECT_EQ(store->last_instant(), at(7000));
  std::vector<JournalEntry> next{intent("c")};
  ASSERT_TRUE(store->intend(next));
  EXPECT_EQ(next[0].sequence, 6U);
}

TEST(Damage, AnInspectionThinksWellOfEveryWholeFile) {
  const TestFolder folder;
  std::mt19937_64 random(7);
  StoreOptions options = folder.options();
  options.keep_entries = 50;
  options.keep_passes = 5;
  options.checkpoint_every = 2;
  const auto store = opened(options);
  Observed observed;
  for (int i = 0; i < 800; ++i) {
    std::vector<JournalEntry> batch(1 + random() % 5, intent("stack" + std::to_string(random() % 100)));
    ASSERT_TRUE(store->intend(batch));
    std::vector<Settlement> done;
    for (JournalEntry& entry : batch) done.push_back({entry.sequence, std::string(random() % 1000, 'e')});
    ASSERT_TRUE(store->settle(done, at(i)));
    observed.cells[{"home", std::to_string(random() % 50)}].stacks.resize(random() % 40);
    if (random() % 20 == 0) observed.cells.clear();
    ASSERT_TRUE(store->record_pass({}, observed, at(i), std::to_string(i)));
    const FileReport report = inspect_lmdb_file(folder.data());
    ASSERT_EQ(report.kind, FileReport::Kind::kWhole) << i << ": " << report.why;
  }
}

/// Runs a small life of a store in which the n-th LMDB call fails with `code`. Returns what was acknowledged.
struct Lived {
  bool reached = false;  // the n-th call was made
  std::uint64_t acknowledged = 0;
  std::uint64_t settled = 0;
  std::uint64_t pass = 0;
};

Lived live(const StoreOptions& options, int n, int code) {
  Lived lived;
  int calls = 0;
  bool changing = false;  // the call that failed was part of a change
  Result<std::unique_ptr<Store>> opened_store = open_store(options, [&](std::string_view call) {
    if (++calls != n) return 0;
    lived.reached = true;
    changing = call.starts_with("mdb_put") || call == "mdb_del";
    return code;
  });
  if (!opened_store) {
    EXPECT_TRUE(lived.reached);
    EXPECT_EQ(opened_store.error().kind, ErrorKind::kInternal) << opened_store.error().message;
    return lived;
  }
  Store& store = **opened_store;
  bool failed = false;
  const auto wrote = [&](const Status& status) {
    if (!status) {
      EXPECT_TRUE(lived.reached);
      EXPECT_EQ(status.error().kind, ErrorKind::kInternal);
      failed = changing;
    } else {
      EXPECT_FALSE(failed) << "after a change has failed nothing more may be written, n = " << n;
    }
    return status.ok();
  };
  for (int i = 0; i < 2; ++i) {
    std::vector<JournalEntry> batch{intent("a"), intent("b")};
    if (wrote(store.intend(batch))) lived.acknowledged = batch.back().sequence;
    if (lived.acknowledged > lived.settled &&
        wrote(store.settle(std::vector<Settlement>{{lived.acknowledged - 1, ""}, {lived.acknowledged, ""}}, at(5))))
      lived.settled = lived.acknowledged;
    if (wrote(store.record_pass(desired_at(i), {}, at(i), std::to_string(i)))) ++lived.pass;
    const auto seen = store.first_seen({std::to_string(i)}, at(i));
    wrote(seen ? Status() : Status(seen.error()));
  }
  return lived;
}

constexpr int kMapFull = -30792;  // LMDB's numbers
constexpr int kCorrupted = -30796;

struct Failure {
  const char* name;
  int code;
};

class FailingCalls : public testing::TestWithParam<Failure> {};

TEST_P(FailingCalls, WhicheverFailsStopsTheStoreAndLosesNothingAcknowledged) {
  for (int n = 1;; ++n) {
    ASSERT_LT(n, 2000);
    const TestFolder folder;
    const Lived lived = live(folder.options(), n, GetParam().code);
    if (!lived.reached) break;
    const auto store = opened(folder.options());
    ASSERT_NE(store, nullptr) << "n = " << n;
    if (GetParam().code == kCorrupted) {
      EXPECT_NE(store->rebuilt(), "") << "n = " << n;
      continue;
    }
    const auto history = store->history("", 0, 100);
    ASSERT_TRUE(history);
    EXPECT_EQ(history->size(), lived.acknowledged) << "n = " << n;
    EXPECT_EQ(store->open_intents()->size(), lived.acknowledged - lived.settled) << "n = " << n;
    EXPECT_EQ(store->last_pass(), lived.pass) << "n = " << n;
    if (lived.pass > 0) {
      EXPECT_TRUE(store->replay(lived.pass)) << "n = " << n;
    }
    EXPECT_EQ(store->counters().records_damaged, 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, FailingCalls,
                         testing::Values(Failure{"for_want_of_disk", ENOSPC}, Failure{"for_a_broken_disk", EIO},
                                         Failure{"for_a_full_map", kMapFull}, Failure{"for_a_broken_structure", kCorrupted}),
                         [](const auto& info) { return info.param.name; });

/// Reported by the writer: what it was told is durable.
enum Kind : std::uint64_t { kIntended = 1, kSettled = 2, kPassed = 3 };
std::uint64_t ack(Kind kind, std::uint64_t number) { return static_cast<std::uint64_t>(kind) << 56 | number; }

TEST(Crash, EverythingAcknowledgedSurvivesSigkillAtAnyInstant) {
  constexpr std::uint64_t kSeed = 20261121;
  std::mt19937_64 random(kSeed);
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.keep_passes = 30;
  options.checkpoint_every = 7;
  std::map<std::uint64_t, bool> settled;  // by acknowledged intent
  std::uint64_t last_pass = 0;
  for (int kill = 0; kill < 60; ++kill) {
    Child writer([&](const Child::Report& report) {
      const auto store = Store::open(options);
      if (!store) ::_exit(1);
      for (int step = 0;; ++step) {
        if (!(*store)->record_pass(desired_at(step), {}, at(step), std::to_string(step))) ::_exit(2);
        report(ack(kPassed, (*store)->last_pass()));
        std::vector<JournalEntry> batch(3, intent("stack" + std::to_string(step % 5)));
        if (!(*store)->intend(batch)) ::_exit(3);
        for (const JournalEntry& entry : batch) report(ack(kIntended, entry.sequence));
        std::vector<Settlement> done;
        for (const JournalEntry& entry : batch) done.push_back({entry.sequence, ""});
        if (!(*store)->settle(done, at(step))) ::_exit(4);
        for (const JournalEntry& entry : batch) report(ack(kSettled, entry.sequence));
      }
    });
    const auto take = [&](std::uint64_t report) {
      const std::uint64_t number = report & ((std::uint64_t{1} << 56) - 1);
      if (report >> 56 == kIntended) settled[number] = false;
      if (report >> 56 == kSettled) settled[number] = true;
      if (report >> 56 == kPassed) last_pass = std::max(last_pass, number);
    };
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 20'000);
    if (kill % 10 != 0) take(writer.next().value_or(0));  // mostly after the start, sometimes in it
    while (std::chrono::steady_clock::now() < until)
      if (const auto report = writer.next(std::chrono::milliseconds(1))) take(*report);
    writer.end();
    while (const auto report = writer.next(std::chrono::milliseconds(0))) take(*report);

    const auto store = opened(options);
    ASSERT_NE(store, nullptr) << "kill " << kill;
    if (!settled.empty()) {
      ASSERT_EQ(store->rebuilt(), "") << "kill " << kill;
    }
    const auto history = store->history("", 0, 1'000'000);
    ASSERT_TRUE(history);
    for (std::size_t i = 0; i < history->size(); ++i) {
      const JournalEntry& entry = (*history)[i];
      ASSERT_EQ(entry.sequence, history->size() - i) << "the numbers are not dense, kill " << kill << " seed " << kSeed;
      const auto known = settled.find(entry.sequence);
      if (known != settled.end() && known->second) {
        ASSERT_EQ(entry.outcome, JournalEntry::Outcome::kDone) << "an outcome is lost, kill " << kill << " seed " << kSeed;
      }
    }
    ASSERT_GE(history->size(), settled.empty() ? 0 : settled.rbegin()->first) << "an intent is lost, kill " << kill;
    ASSERT_GE(store->last_pass(), last_pass);
    if (last_pass > 0) {
      ASSERT_TRUE(store->replay(store->last_pass())) << "kill " << kill;
    }
    const auto open = store->open_intents();
    ASSERT_TRUE(open);
    ASSERT_TRUE(open->size() == 0 || open->size() == 3) << "half a batch";
    std::vector<std::uint64_t> unknown;
    for (const JournalEntry& entry : *open) unknown.push_back(entry.sequence);
    ASSERT_TRUE(store->settle_unknown(unknown, at(9)));
    ASSERT_EQ(store->counters().records_damaged, 0U);
  }
  EXPECT_GT(settled.size(), 60U) << "the writer must have come to write";
}

}  // namespace
}  // namespace nelson::tests
