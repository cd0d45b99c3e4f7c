// Passes over a fleet that is at rest. The first word says what is measured, the second how many stacks:
//   noop N FOLDER      passes with nothing to do, against a scan of as many records with a comparison of digests (performance.md 2.2)
//   count N FOLDER K   K such passes and nothing else, for whoever counts system calls from outside
//   change N FOLDER K  likewise, with one stack changed before each pass
//   one N FOLDER       passes in which one stack changed, their planning alone, and the view made after them
//   fill N FOLDER      leaves a store with one pass in FOLDER
//   start N FOLDER     from the process's start to the first plan, on such a store, against opening, scanning and copying as many records
//   memory N FOLDER    resident after a hundred passes, half of which changed something
#include <lmdb.h>
#include <malloc.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>
#include <unordered_map>

#include "controller/status/view.h"
#include "reconcilers/plan.h"
#include "reconcilers/replanner.h"
#include "tests/bench/fleet.h"

namespace nelson::bench {
namespace {

constexpr int kRounds = 5;
constexpr std::size_t kRecord = 1024;

void check(int code) {
  if (code != MDB_SUCCESS) die(mdb_strerror(code));
}

std::uint64_t digest_at(const MDB_val& value) {
  std::uint64_t digest = 0;
  std::memcpy(&digest, value.mv_data, sizeof digest);
  return digest;
}

/// As many records of 1 KiB, led by a digest of 8 bytes, as there are stacks.
class Records {
 public:
  Records(const std::string& folder, std::size_t count) {
    ::mkdir(folder.c_str(), 0700);
    open(folder);
    MDB_txn* transaction = nullptr;
    check(mdb_txn_begin(environment_, nullptr, 0, &transaction));
    std::string value(kRecord, 'x');
    for (std::size_t i = 0; i < count; ++i) {
      char name[64];
      const int size = std::snprintf(name, sizeof name, "unit-%06zu--1-0-0--0123abcd", i);
      const std::uint64_t digest = i * 0x9e3779b97f4a7c15;
      std::memcpy(value.data(), &digest, sizeof digest);
      MDB_val key{static_cast<std::size_t>(size), name}, data{value.size(), value.data()};
      check(mdb_put(transaction, table_, &key, &data, 0));
      wanted_.emplace(std::string(name, static_cast<std::size_t>(size)), digest);
    }
    check(mdb_txn_commit(transaction));
  }
  explicit Records(const std::string& folder) { open(folder); }
  ~Records() { mdb_env_close(environment_); }
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  /// How many differ from what is wanted.
  std::size_t compare() {
    std::size_t different = 0;
    scan([&](const MDB_val& key, const MDB_val& value) {
      const auto found = wanted_.find(std::string(static_cast<const char*>(key.mv_data), key.mv_size));
      different += found == wanted_.end() || found->second != digest_at(value) ? 1U : 0U;
    });
    return different;
  }

  /// Copies each into a plain struct of nine texts.
  std::size_t copy() {
    struct Plain {
      std::string texts[9];
    };
    std::vector<Plain> all;
    scan([&](const MDB_val& key, const MDB_val& value) {
      Plain& plain = all.emplace_back();
      plain.texts[0].assign(static_cast<const char*>(key.mv_data), key.mv_size);
      for (std::size_t i = 1; i < 9; ++i) plain.texts[i].assign(static_cast<const char*>(value.mv_data) + 100 * i, 20);
    });
    return all.size();
  }

 private:
  void open(const std::string& folder) {
    check(mdb_env_create(&environment_));
    check(mdb_env_set_mapsize(environment_, std::size_t{1} << 30));
    check(mdb_env_open(environment_, folder.c_str(), MDB_NOTLS, 0600));
    MDB_txn* transaction = nullptr;
    check(mdb_txn_begin(environment_, nullptr, 0, &transaction));
    check(mdb_dbi_open(transaction, nullptr, 0, &table_));
    check(mdb_txn_commit(transaction));
  }

  template <class See>
  void scan(See see) {
    MDB_txn* transaction = nullptr;
    MDB_cursor* cursor = nullptr;
    check(mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &transaction));
    check(mdb_cursor_open(transaction, table_, &cursor));
    MDB_val key{}, value{};
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS) see(key, value);
    mdb_cursor_close(cursor);
    mdb_txn_abort(transaction);
  }

  MDB_env* environment_ = nullptr;
  MDB_dbi table_ = 0;
  std::unordered_map<std::string, std::uint64_t> wanted_;
};

void noop(std::size_t stacks, const std::string& folder) {
  Machine machine(make_fleet(stacks, Clock().now()), folder + "/store");
  Records records(folder + "/records", stacks);
  machine.pass();
  const std::uint64_t looks = machine.domain().looks;
  constexpr int kPasses = 50;
  std::vector<double> ours, reference;
  for (int round = 0; round < kRounds; ++round) {
    ours.push_back(timed([&] {
                     for (int i = 0; i < kPasses; ++i) machine.pass();
                   }) /
                   kPasses);
    reference.push_back(timed([&] {
      if (records.compare() != 0) die("records differ");
    }));
  }
  Line()
      .add("ours", ours)
      .add("reference", reference)
      .add("looks_per_pass", static_cast<double>(machine.domain().looks - looks) / kRounds / kPasses);
}

void count(std::size_t stacks, const std::string& folder, int passes, bool change) {
  Machine machine(make_fleet(stacks, Clock().now()), folder + "/store");
  machine.pass();
  machine.pass();
  for (int i = 0; i < passes; ++i) {
    if (change) machine.domain().disturb();
    machine.pass();
  }
}

ViewInput view_of(const PassReport& report) {
  ViewInput input;
  input.desired = report.desired;
  input.observed = report.observed;
  input.plan = report.plan;
  input.now = report.now;
  input.pass = report.pass;
  input.since = report.since;
  input.history = *report.history;
  return input;
}

void one(std::size_t stacks, const std::string& folder) {
  const Fleet fleet = make_fleet(stacks, Clock().now());
  Machine machine(fleet, folder + "/store");
  Replanner replanner;
  const PassReport& first = machine.pass();
  (void)replanner.plan(*first.desired, first.observed, first.now);
  auto view = build_view(view_of(first));
  std::vector<double> pass, plan, shown;
  for (int i = 0; i < 61; ++i) {
    machine.domain().disturb();
    const PassReport* report = nullptr;
    pass.push_back(timed([&] { report = &machine.pass(); }));
    plan.push_back(timed([&] { (void)replanner.plan(*report->desired, report->observed, report->now); }));
    if (replanner.decided() > 3) die("one change concerned " + std::to_string(replanner.decided()) + " cells");
    if (i % 6 == 0) shown.push_back(timed([&] { view = build_view(view_of(*report), view); }));
  }
  Line().add("pass", pass).add("plan", plan).add("view", shown);
}

double since_process_start() {
  std::ifstream stat("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return 1e3 * (static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec)) - 10.0 * std::atof(field.c_str());
}

void fill(std::size_t stacks, const std::string& folder) {
  Machine(make_fleet(stacks, Clock().now()), folder + "/store").pass();
  const Records records(folder + "/records", stacks);
}

/// The store's last pass stands in for Git's mirrors and the domain's records, which are as large.
void start(const std::string& folder) {
  Fleet fleet;
  {
    StoreOptions options;
    options.folder = folder + "/store";
    options.read_only = true;
    const auto store = Store::open(options);
    if (!store) die(store.error().message);
    auto last = (*store)->replay((*store)->last_pass());
    if (!last) die(last.error().message);
    fleet = {std::move(last->desired), std::move(last->observed)};
  }
  const double read = since_process_start();
  Machine machine(fleet, folder + "/store");
  const double opened = since_process_start();
  double ours = 0;
  machine.planned = [&] { ours = since_process_start(); };
  machine.pass();
  const double passed = since_process_start();
  const double reference = timed([&] {
    Records records(folder + "/records");
    if (records.copy() != fleet.desired.cells.size()) die("records are missing");
  });
  Line().add("ours", ours).add("reference", reference).add("read", read).add("opened", opened).add("passed", passed);
}

void memory(std::size_t stacks, const std::string& folder) {
  const double empty = memory_of_process("VmRSS");
  Machine machine(make_fleet(stacks, Clock().now()), folder + "/store");
  malloc_trim(0);  // of what making the fleet took
  const double world = memory_of_process("VmRSS");
  std::shared_ptr<const View> view;
  double steady = 0;
  for (int i = 0; i < 100; ++i) {
    if (i % 2 == 0) machine.domain().disturb();
    const PassReport& report = machine.pass();
    if (i % 10 == 0) view = build_view(view_of(report), view);
    steady = memory_of_process("VmRSS");
  }
  Line().add("resident", steady).add("world", world - empty).add("peak", memory_of_process("VmHWM"));
}

}  // namespace
}  // namespace nelson::bench

int main(int argc, char** argv) {
  using namespace nelson::bench;
  if (argc < 4) die("usage: bench_pass noop|count|change|one|fill|start|memory STACKS FOLDER [PASSES]");
  const std::string what = argv[1], folder = argv[3];
  const auto stacks = static_cast<std::size_t>(std::atoll(argv[2]));
  const int passes = argc > 4 ? std::atoi(argv[4]) : 0;
  if (what == "noop")
    noop(stacks, folder);
  else if (what == "count")
    count(stacks, folder, passes, false);
  else if (what == "change")
    count(stacks, folder, passes, true);
  else if (what == "one")
    one(stacks, folder);
  else if (what == "fill")
    fill(stacks, folder);
  else if (what == "start")
    start(folder);
  else if (what == "memory")
    memory(stacks, folder);
  else
    die("unknown: " + what);
}
