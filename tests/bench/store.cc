// The durable journal: an intent and an outcome an effect, against raw LMDB commits of the same bytes.
//   journal FOLDER          one effect at a time, and a hundred together
//   count FOLDER EFFECTS GROUP   that many effects in groups, and nothing else, for whoever counts system calls from outside
#include <lmdb.h>
#include <sys/stat.h>

#include <algorithm>

#include "state/codec.h"
#include "tests/bench/fleet.h"

namespace nelson::bench {
namespace {

constexpr int kRounds = 5;

JournalEntry entry(int number) {
  JournalEntry out;
  out.domain = "local";
  out.unit = "unit-000017";
  out.stack = "unit-000017--1-4-" + std::to_string(number % 10) + "--0123abcd";
  out.effect = "launch";
  out.reason = "Git wants 1.4.2 at 3f2c1aa9 in place of 1.4.1";
  return out;
}

std::unique_ptr<Store> open_store(const std::string& folder) {
  StoreOptions options;
  options.folder = folder;
  options.holder = "benchmark";
  auto store = Store::open(options);
  if (!store) die(store.error().message);
  return *std::move(store);
}

void perform(Store& store, int effects, int group) {
  for (int done = 0; done < effects; done += group) {
    std::vector<JournalEntry> batch;
    for (int i = 0; i < group; ++i) batch.push_back(entry(done + i));
    if (const Status intended = store.intend(batch); !intended) die(intended.error().message);
    std::vector<Settlement> outcomes;
    for (const JournalEntry& one : batch) outcomes.push_back({one.sequence, ""});
    if (const Status settled = store.settle(outcomes, Instant(std::chrono::hours(500'000))); !settled) die(settled.error().message);
  }
}

/// The same bytes as the entries take, put twice an effect: once a commit for the intents, once for the outcomes.
class Raw {
 public:
  explicit Raw(const std::string& folder) {
    ::mkdir(folder.c_str(), 0700);
    check(mdb_env_create(&environment_));
    check(mdb_env_set_mapsize(environment_, std::size_t{1} << 30));
    check(mdb_env_open(environment_, folder.c_str(), 0, 0600));
  }
  ~Raw() { mdb_env_close(environment_); }
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;

  void perform(int effects, int group) {
    std::string bytes = encoded(entry(1));
    for (int done = 0; done < effects; done += group)
      for (int commit = 0; commit < 2; ++commit) {
        MDB_txn* transaction = nullptr;
        MDB_dbi table = 0;
        check(mdb_txn_begin(environment_, nullptr, 0, &transaction));
        check(mdb_dbi_open(transaction, nullptr, 0, &table));
        for (int i = 0; i < group; ++i) {
          std::uint64_t number = __builtin_bswap64(next_ + static_cast<std::uint64_t>(i));
          MDB_val key{sizeof number, &number}, value{bytes.size(), bytes.data()};
          check(mdb_put(transaction, table, &key, &value, 0));
        }
        check(mdb_txn_commit(transaction));
        if (commit == 1) next_ += static_cast<std::uint64_t>(group);
      }
  }

 private:
  static void check(int code) {
    if (code != MDB_SUCCESS) die(mdb_strerror(code));
  }
  MDB_env* environment_ = nullptr;
  std::uint64_t next_ = 1;
};

void journal(const std::string& folder) {
  const auto store = open_store(folder + "/store");
  Raw raw(folder + "/raw");
  Line line;
  for (const auto& [name, effects, group] : {std::tuple("single", 200, 1), std::tuple("grouped", 2000, 100)}) {
    std::vector<double> ours, reference;
    perform(*store, group, group);
    raw.perform(group, group);
    for (int round = 0; round < kRounds; ++round) {
      ours.push_back(effects / timed([&, effects = effects, group = group] { perform(*store, effects, group); }) * 1e3);
      reference.push_back(effects / timed([&, effects = effects, group = group] { raw.perform(effects, group); }) * 1e3);
    }
    line.add(std::string(name), ours).add(std::string(name) + "_reference", reference);
  }
}

}  // namespace
}  // namespace nelson::bench

int main(int argc, char** argv) {
  using namespace nelson::bench;
  const std::string what = argc > 2 ? argv[1] : "";
  if (what == "journal")
    journal(argv[2]);
  else if (what == "count" && argc > 4)
    perform(*open_store(std::string(argv[2]) + "/store"), std::atoi(argv[3]), std::atoi(argv[4]));
  else
    die("usage: bench_store journal FOLDER | count FOLDER EFFECTS GROUP");
}
