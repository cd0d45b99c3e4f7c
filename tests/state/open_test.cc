#include "state/open.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "state/database.h"
#include "tests/state/child_process.h"
#include "tests/state/folder_for_test.h"

namespace nelson::tests {
namespace {

namespace fs = std::filesystem;

/// The error of an open that must fail.
Error refusal(const StoreOptions& options) {
  Result<std::unique_ptr<Store>> store = Store::open(options);
  if (!store) return store.error();
  ADD_FAILURE() << "the store opened";
  return {};
}

testing::AssertionResult says(const std::string& message, const std::string& word) {
  if (message.find(word) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "\"" << message << "\" does not say \"" << word << "\"";
}

/// A store with three settled entries, closed again.
void fill(const StoreOptions& options) {
  const auto store = opened(options);
  std::vector<JournalEntry> batch{intent("a"), intent("b"), intent("a")};
  ASSERT_TRUE(store->intend(batch));
  ASSERT_TRUE(store->settle(std::vector<Settlement>{{1, ""}, {2, ""}, {3, ""}}, at(2000)));
}

mode_t mode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

TEST(Open, MakesTheFolderForItsOwnerAlone) {
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.folder = folder.path() + "/deep/down/store/";
  const mode_t before = ::umask(0);
  {
    const auto store = opened(options);
    ::umask(before);
    EXPECT_TRUE(says(store->rebuilt(), "there was no store in " + folder.path() + "/deep/down/store: history starts now"));
  }
  EXPECT_EQ(mode_of(options.folder), 0700U);
  for (const auto& entry : fs::directory_iterator(options.folder)) EXPECT_EQ(mode_of(entry.path()), 0600U) << entry.path();
  EXPECT_EQ(opened(options)->rebuilt(), "");
}

TEST(Open, ItsDescriptorsAreNotInheritedByPrograms) {
  const TestFolder folder;
  const auto store = opened(folder.options());
  int seen = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const std::string target = fs::read_symlink(entry.path(), error).string();
    if (error || !target.starts_with(folder.store())) continue;
    ++seen;
    EXPECT_NE(::fcntl(std::stoi(entry.path().filename()), F_GETFD) & FD_CLOEXEC, 0) << target;
  }
  EXPECT_GE(seen, 3);
}

/// LMDB writes to it through memory: a page without room on the disk would be a SIGBUS.
TEST(Open, TheTableOfReadersHasItsRoomOnTheDisk) {
  const TestFolder folder;
  const auto store = opened(folder.options());
  struct stat status {};
  ASSERT_EQ(::stat((folder.store() + "/lock.mdb").c_str(), &status), 0);
  EXPECT_GE(status.st_size, 512 * 64);
  EXPECT_GE(status.st_blocks * 512, status.st_size);
}

struct Refused {
  const char* name;
  void (*spoil)(const TestFolder& folder);
  const char* says;
};

class Refuses : public testing::TestWithParam<Refused> {};

TEST_P(Refuses, AndSaysWhyAndTouchesNothing) {
  const TestFolder folder;
  fill(folder.options());
  GetParam().spoil(folder);
  const std::string before = fs::is_regular_file(folder.data()) ? read_file(folder.data()) : "";
  const Error error = refusal(folder.options());
  EXPECT_EQ(error.kind, ErrorKind::kInvalid);
  EXPECT_TRUE(says(error.message, GetParam().says));
  EXPECT_TRUE(says(error.message, folder.store()));
  if (!before.empty()) {
    EXPECT_EQ(read_file(folder.data()), before);
  }
}

void replace_schema(const TestFolder& folder, const Schema& schema) {
  Result<std::shared_ptr<lmdb::Environment>> environment = lmdb::Environment::open({folder.store(), 1 << 20, false, {}});
  ASSERT_TRUE(environment);
  ASSERT_TRUE((*environment)->open_tables(lmdb::Environment::Missing::kStop));
  Database database(*environment, folder.store(), 0);
  auto change = database.change(Database::Room::kNotNeeded);
  ASSERT_TRUE(change);
  change->put(Table::kNow, kSchemaKey, schema);
  ASSERT_TRUE(change->commit(std::nullopt));
}

INSTANTIATE_TEST_SUITE_P(
    Table, Refuses,
    testing::Values(
        Refused{"a_folder_open_to_others", [](const TestFolder& f) { fs::permissions(f.store(), fs::perms(0750)); }, "chmod 0700"},
        Refused{"a_data_file_that_others_may_read", [](const TestFolder& f) { fs::permissions(f.data(), fs::perms(0640)); },
                "chmod 0600"},
        Refused{"a_data_file_that_others_may_write", [](const TestFolder& f) { fs::permissions(f.data(), fs::perms(0602)); },
                "0602"},
        Refused{"a_lock_that_others_may_take", [](const TestFolder& f) { fs::permissions(f.store() + "/lock", fs::perms(0666)); },
                "lock"},
        Refused{"a_data_file_that_is_a_link",
                [](const TestFolder& f) {
                  fs::rename(f.data(), f.path() + "/elsewhere");
                  fs::create_symlink(f.path() + "/elsewhere", f.data());
                },
                "not a regular file"},
        Refused{"a_folder_that_is_a_file",
                [](const TestFolder& f) {
                  fs::remove_all(f.store());
                  write_file(f.store(), "hello");
                },
                "not a folder"},
        Refused{"a_text_file", [](const TestFolder& f) { write_file(f.data(), "dear diary, today nothing happened at all\n"); },
                "not an LMDB file"},
        Refused{"a_long_text_file", [](const TestFolder& f) { write_file(f.data(), std::string(100'000, 'x')); },
                "not an LMDB file"},
        Refused{"an_LMDB_file_of_somebody_else",
                [](const TestFolder& f) {
                  std::string bytes = read_file(f.data());
                  for (const std::string name : lmdb::kTableNames)
                    for (std::size_t at = 0; (at = bytes.find(name, at)) != std::string::npos;)
                      bytes[at] = static_cast<char>(bytes[at] - 'a' + 'A');
                  write_file(f.data(), bytes);
                },
                "it has a table \"Journal\""},
        Refused{"an_LMDB_file_of_another_format",
                [](const TestFolder& f) {
                  std::string bytes = read_file(f.data());
                  bytes[20] = bytes[4096 + 20] = 2;
                  write_file(f.data(), bytes);
                },
                "another format version"},
        Refused{"a_newer_schema",
                [](const TestFolder& f) {
                  replace_schema(f, {kSchemaVersion + 1, 7});
                },
                "newer nelson"}),
    [](const auto& info) { return info.param.name; });

TEST(Open, RefusesAFolderOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a folder away";
  const TestFolder folder;
  fill(folder.options());
  ASSERT_EQ(::chown(folder.store().c_str(), 12345, 12345), 0);
  const Error error = refusal(folder.options());
  EXPECT_EQ(error.kind, ErrorKind::kInvalid);
  EXPECT_TRUE(says(error.message, "belongs to user 12345"));
}

struct Rebuilt {
  const char* name;
  void (*spoil)(const TestFolder& folder);
  const char* says;
};

class Rebuilds : public testing::TestWithParam<Rebuilt> {};

TEST_P(Rebuilds, KeepsTheOldFileAsideAndSaysWhy) {
  const TestFolder folder;
  fill(folder.options());
  GetParam().spoil(folder);
  const std::string before = read_file(folder.data());
  StoreOptions reading = folder.options();
  reading.read_only = true;
  const Error error = refusal(reading);
  EXPECT_EQ(error.kind, ErrorKind::kInvalid);
  EXPECT_TRUE(says(error.message, GetParam().says)) << "who only reads is told, and changes nothing";
  EXPECT_EQ(read_file(folder.data()), before);
  {
    const auto store = opened(folder.options());
    ASSERT_NE(store, nullptr);
    EXPECT_TRUE(says(store->rebuilt(), GetParam().says));
    EXPECT_TRUE(says(store->rebuilt(), "data.mdb.damaged-1"));
    EXPECT_EQ(store->last_instant(), std::nullopt);
    EXPECT_TRUE(store->history("", 0, 10)->empty());
    std::vector<JournalEntry> batch{intent("a")};
    EXPECT_TRUE(store->intend(batch));
  }
  EXPECT_EQ(read_file(folder.data() + ".damaged-1"), before);
  EXPECT_EQ(opened(folder.options())->rebuilt(), "") << "once";
}

INSTANTIATE_TEST_SUITE_P(
    Table, Rebuilds,
    testing::Values(
        Rebuilt{"an_older_schema",
                [](const TestFolder& f) {
                  replace_schema(f, {0, current_schema().shape});
                },
                "schema of another nelson"},
        Rebuilt{"records_of_another_shape",
                [](const TestFolder& f) {
                  replace_schema(f, {kSchemaVersion, 7});
                },
                "schema of another nelson"},
        Rebuilt{"a_truncated_file", [](const TestFolder& f) { fs::resize_file(f.data(), 3 * 4096); }, "truncated"},
        Rebuilt{"a_table_whose_name_is_gone",
                [](const TestFolder& f) {
                  std::string bytes = read_file(f.data());
                  for (std::size_t at = 0; (at = bytes.find("nelson", at)) != std::string::npos;) bytes[at + 5] = 'm';
                  write_file(f.data(), bytes);
                },
                "a table is missing"},
        Rebuilt{"half_a_header", [](const TestFolder& f) { fs::resize_file(f.data(), 100); }, "truncated"},
        Rebuilt{"a_file_of_zeros", [](const TestFolder& f) { write_file(f.data(), std::string(65536, '\0')); }, "zeros"},
        Rebuilt{"a_lost_first_page",
                [](const TestFolder& f) {
                  std::string bytes = read_file(f.data());
                  bytes.replace(0, 4096, 4096, '\0');
                  write_file(f.data(), bytes);
                },
                "page 0"},
        Rebuilt{"a_file_that_a_process_before_found_broken",
                [](const TestFolder& f) { write_file(lmdb::suspect_file(f.store()), "MDB_CORRUPTED"); }, "MDB_CORRUPTED"}),
    [](const auto& info) { return info.param.name; });

TEST(Open, AnEmptyDataFileIsANewStore) {
  const TestFolder folder;
  fs::create_directory(folder.store());
  fs::permissions(folder.store(), fs::perms(0700));
  write_file(folder.data(), "");
  fs::permissions(folder.data(), fs::perms(0600));
  EXPECT_TRUE(says(opened(folder.options())->rebuilt(), "there was no store"));
  EXPECT_FALSE(fs::exists(folder.data() + ".damaged-1"));
}

TEST(Open, KeepsThreeDamagedFiles) {
  const TestFolder folder;
  for (int i = 1; i <= 6; ++i) {
    fill(folder.options());
    fs::resize_file(folder.data(), 100 + static_cast<std::uintmax_t>(i));
  }
  opened(folder.options());
  std::vector<std::string> aside;
  for (const auto& entry : fs::directory_iterator(folder.store()))
    if (entry.path().filename().string().starts_with("data.mdb.")) aside.push_back(entry.path().filename());
  std::sort(aside.begin(), aside.end());
  EXPECT_EQ(aside, (std::vector<std::string>{"data.mdb.damaged-4", "data.mdb.damaged-5", "data.mdb.damaged-6"}));
}

TEST(Open, WhoReadsNeedsAStoreAndMakesNone) {
  const TestFolder folder;
  StoreOptions reading = folder.options();
  reading.read_only = true;
  const Error error = refusal(reading);
  EXPECT_EQ(error.kind, ErrorKind::kInvalid);
  EXPECT_TRUE(says(error.message, "there is no store to read"));
  EXPECT_FALSE(fs::exists(folder.store()));
}

TEST(Open, WhoReadsCannotWrite) {
  const TestFolder folder;
  fill(folder.options());
  StoreOptions reading = folder.options();
  reading.read_only = true;
  const auto store = opened(reading);
  std::vector<JournalEntry> batch{intent("a")};
  EXPECT_FALSE(store->intend(batch));
  EXPECT_FALSE(store->record_pass({}, {}, at(1), "x"));
  EXPECT_FALSE(store->first_seen({"a"}, at(1)));
  EXPECT_EQ(store->history("", 0, 10)->size(), 3U);
}

TEST(Lock, ASecondControllerIsToldWhoHoldsTheStore) {
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.holder = "nelson run on hobbiton, since 2026-11-21T11:35:57Z";
  Child holder([&](const Child::Report& report) {
    const auto store = Store::open(options);
    report(store.ok() ? 1 : 0);
    ::pause();
  });
  ASSERT_EQ(holder.next(), 1U);
  const Error error = refusal(folder.options());
  EXPECT_EQ(error.kind, ErrorKind::kConflict);
  EXPECT_TRUE(says(error.message, options.holder));
  EXPECT_TRUE(says(error.message, "pid " + std::to_string(holder.pid())));
  EXPECT_TRUE(says(error.message, "stop that one first"));
  EXPECT_TRUE(says(error.message, folder.store()));
  holder.end();
  EXPECT_NE(opened(folder.options()), nullptr) << "a killed holder holds nothing";
}

TEST(Lock, TheHolderIsToldWhoWasRefused) {
  const TestFolder folder;
  auto store = opened(folder.options());
  EXPECT_FALSE(store->refused_start());
  for (const char* const who : {"nelson run on bree", "nelson run on hobbiton"}) {
    StoreOptions other = folder.options();
    other.holder = who;
    EXPECT_EQ(refusal(other).kind, ErrorKind::kConflict);
    const auto refused = store->refused_start();
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->who, std::string(who) + " (pid " + std::to_string(::getpid()) + ")");
  }
  store.reset();
  EXPECT_FALSE(opened(folder.options())->refused_start()) << "it is another holder's story now";
}

TEST(Lock, HoldsWithinOneProcessTooAndEndsWithTheStore) {
  const TestFolder folder;
  auto store = opened(folder.options());
  EXPECT_EQ(refusal(folder.options()).kind, ErrorKind::kConflict);
  store.reset();
  EXPECT_NE(opened(folder.options()), nullptr);
}

TEST(Lock, IsNotKeptByAChildThatWasForked) {
  const TestFolder folder;
  auto store = opened(folder.options());
  Child child([](const Child::Report& report) {
    report(1);
    ::pause();
  });
  ASSERT_EQ(child.next(), 1U);
  store.reset();
  EXPECT_NE(opened(folder.options()), nullptr);
}

TEST(Lock, OfAKilledHolderIsWaitedForWhileItsForkedChildHasIt) {
  const TestFolder folder;
  Child holder([&](const Child::Report& report) {
    const auto store = Store::open(folder.options());
    const pid_t self = ::getpid();
    if (::fork() == 0) {  // on its way to a program of its own, and slow
      while (::getppid() == self) ::poll(nullptr, 0, 5);
      for (int i = 0; i < 6; ++i) ::poll(nullptr, 0, 50);
      ::_exit(0);
    }
    report(store.ok() ? 1 : 0);
    ::pause();
  });
  ASSERT_EQ(holder.next(), 1U);
  holder.end();
  EXPECT_NE(opened(folder.options()), nullptr);
}

TEST(Lock, DoesNotKeepReadersOut) {
  const TestFolder folder;
  fill(folder.options());
  StoreOptions reading = folder.options();
  reading.read_only = true;
  const auto writer = opened(folder.options());
  const auto reader = opened(reading);
  std::vector<JournalEntry> batch{intent("c")};
  ASSERT_TRUE(writer->intend(batch));
  EXPECT_EQ(reader->history("", 0, 10)->size(), 4U) << "in the same process";
  Child other([&](const Child::Report& report) { report(Store::open(folder.options()).ok() ? 1 : 0); });
  EXPECT_EQ(other.next(), 0U);
}

TEST(Lock, AWriterWaitsForNoReaderButNotInOneProcess) {
  const TestFolder folder;
  fill(folder.options());
  StoreOptions reading = folder.options();
  reading.read_only = true;
  auto reader = opened(reading);
  EXPECT_EQ(refusal(folder.options()).kind, ErrorKind::kConflict) << "LMDB cannot have a file open twice in one process";
  reader.reset();
  EXPECT_NE(opened(folder.options()), nullptr);
}

TEST(Readers, AnotherProcessReadsWholeBatchesWhileTheWriterWrites) {
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.keep_entries = 40;
  fill(options);
  Child writer([&](const Child::Report& report) {
    const auto store = Store::open(options);
    if (!store) ::_exit(1);
    for (;;) {
      std::vector<JournalEntry> batch(4, intent("a"));
      if (!(*store)->intend(batch)) ::_exit(2);
      std::vector<Settlement> done;
      for (const JournalEntry& entry : batch) done.push_back({entry.sequence, ""});
      if (!(*store)->settle(done, at(1))) ::_exit(3);
      if (batch[0].sequence < 10) report(batch[0].sequence);
    }
  });
  ASSERT_TRUE(writer.next());
  StoreOptions reading = options;
  reading.read_only = true;
  std::uint64_t last = 0;
  for (int open = 0; open < 20; ++open) {
    const auto store = opened(reading);
    ASSERT_NE(store, nullptr);
    for (int look = 0; look < 10; ++look) {
      const auto history = store->history("", 0, 1000);
      ASSERT_TRUE(history);
      ASSERT_FALSE(history->empty());
      ASSERT_EQ((history->front().sequence - 3) % 4, 0U);
      ASSERT_GE(history->front().sequence, last);
      last = history->front().sequence;
      for (std::size_t i = 1; i < history->size(); ++i) ASSERT_EQ((*history)[i].sequence + 1, (*history)[i - 1].sequence);
    }
    ASSERT_EQ(store->counters().records_damaged, 0U);
  }
  writer.end();
}

TEST(Readers, OneThatWasKilledIsClearedAtTheNextStartAndTheFileDoesNotGrow) {
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.keep_entries = 20;
  fill(options);
  Child reader([&](const Child::Report& report) {
    auto environment = lmdb::Environment::open({folder.store(), 1 << 20, true, {}});
    if (!environment) ::_exit(1);
    const auto all = (*environment)->open_tables(lmdb::Environment::Missing::kStop);
    lmdb::Transaction snapshot = (*environment)->read();
    report(all.ok() && !snapshot.failed() ? 1 : 0);
    ::pause();
  });
  ASSERT_EQ(reader.next(), 1U);
  reader.end();
  const auto store = opened(options);
  std::uintmax_t settled = 0;
  for (int i = 0; i < 600; ++i) {
    std::vector<JournalEntry> batch{intent("a")};
    ASSERT_TRUE(store->intend(batch));
    ASSERT_TRUE(store->settle(std::vector<Settlement>{{batch[0].sequence, ""}}, at(i)));
    if (i == 100) settled = fs::file_size(folder.data());
  }
  EXPECT_EQ(fs::file_size(folder.data()), settled);
}

TEST(Limits, AFullStoreSaysSoAndLosesNothingAcknowledged) {
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.max_bytes = std::size_t{1} << 20;
  constexpr std::uint64_t acknowledged = 20;
  {
    const auto store = opened(options);
    std::vector<JournalEntry> batch(acknowledged, intent("a"));
    ASSERT_TRUE(store->intend(batch));
    batch.assign(2000, intent("a"));
    for (JournalEntry& entry : batch) entry.reason = std::string(1000, 'r');
    const Status done = store->intend(batch);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::kInternal);
    EXPECT_TRUE(says(done.error().message, "at most 1048576 bytes"));
    EXPECT_TRUE(says(done.error().message, "raise limits.store_mib"));
    const Status again = store->settle(std::vector<Settlement>{{1, ""}}, at(1));
    ASSERT_FALSE(again) << "after a failure nothing more is written";
    EXPECT_EQ(again.error().kind, ErrorKind::kInternal);
    EXPECT_EQ(store->history("", 0, 1)->front().sequence, acknowledged);
  }
  options.max_bytes *= 2;
  const auto store = opened(options);
  EXPECT_EQ(store->rebuilt(), "");
  EXPECT_EQ(store->history("", 0, 100'000)->size(), acknowledged);
  std::vector<JournalEntry> batch{intent("a")};
  ASSERT_TRUE(store->intend(batch));
  EXPECT_EQ(batch[0].sequence, acknowledged + 1);
}

TEST(Limits, AFailedWriteStopsTheStoreAndLosesNothingAcknowledged) {
  const TestFolder folder;
  fill(folder.options());
  Child writer([&](const Child::Report& report) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{300'000, 300'000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(1);
    const auto store = Store::open(folder.options());
    if (!store) ::_exit(2);
    for (;;) {
      std::vector<JournalEntry> batch(10, intent("a"));
      const Status done = (*store)->intend(batch);
      if (done) {
        report(batch.back().sequence);
        continue;
      }
      if (done.error().kind != ErrorKind::kInternal) ::_exit(3);
      if ((*store)->settle(std::vector<Settlement>{{4, ""}}, at(1))) ::_exit(4);
      if (!(*store)->history("", 0, 10)) ::_exit(5);
      ::_exit(77);
    }
  });
  std::uint64_t acknowledged = 0;
  while (const auto sequence = writer.next()) acknowledged = *sequence;
  const int status = writer.wait();
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 77);
  EXPECT_GT(acknowledged, 100U);
  const auto store = opened(folder.options());
  EXPECT_EQ(store->rebuilt(), "");
  EXPECT_EQ(store->history("", 0, 100'000)->size(), acknowledged);
}

TEST(Limits, OnANearlyFullDiskOnlyOutcomesAreWritten) {
  const TestFolder folder;
  StoreOptions options = folder.options();
  {
    const auto store = opened(options);
    std::vector<JournalEntry> batch{intent("a")};
    ASSERT_TRUE(store->intend(batch));
  }
  options.keep_free = ~std::uint64_t{0};
  const auto store = opened(options);
  std::vector<JournalEntry> batch{intent("a")};
  const Status refused = store->intend(batch);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnavailable);
  EXPECT_TRUE(says(refused.error().message, "nearly full"));
  EXPECT_EQ(store->record_pass({}, {}, at(1), "x").error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(store->first_seen({"a"}, at(1)).error().kind, ErrorKind::kUnavailable);
  EXPECT_TRUE(store->settle(std::vector<Settlement>{{1, ""}}, at(2)));
  EXPECT_EQ(store->history("", 0, 10)->size(), 1U);
}

}  // namespace
}  // namespace nelson::tests
