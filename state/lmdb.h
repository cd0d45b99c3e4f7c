#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "state/model/result.h"

struct MDB_env;
struct MDB_txn;
struct MDB_cursor;

/// All there is of LMDB in nelson: every call of the library is made in lmdb.cc.
namespace nelson::lmdb {

/// The tables of the store, each a B-tree of its own.
enum class Table : std::uint8_t { kNow, kJournal, kStacks, kPasses, kParts, kSubjects };
inline constexpr std::array<const char*, 6> kTableNames = {"nelson", "journal", "stacks", "passes", "parts", "subjects"};

/// Asked before each LMDB call that can fail, by the call's name. Anything but 0 stands for the call's result, and the call is not
/// made; for a commit, nothing of the transaction is then kept.
using Fault = std::function<int(std::string_view call)>;

struct Options {
  std::string folder;
  std::size_t max_bytes = 0;
  bool read_only = false;
  Fault fault;  // empty in production
};

class Transaction;

/// An open data file. LMDB forbids a process to open one file twice, so opening it again gives the same Environment while that lives.
/// Readers may be used from any thread; one writer at a time.
class Environment {
 public:
  /// kConflict: this process already has the file open for reading only. kInternal: LMDB cannot open it.
  static Result<std::shared_ptr<Environment>> open(const Options& options);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  enum class Missing { kStop, kMake };
  /// Opens the tables in their order, once for all who share this. False: one is missing, and those before it are open.
  Result<bool> open_tables(Missing missing);

  /// The snapshot of this moment. Keep it short: pages freed after it are not used again while it lives.
  [[nodiscard]] Transaction read() const;
  [[nodiscard]] Transaction write();

  /// Commits that were synced to the disk, since opening.
  [[nodiscard]] std::uint64_t commits() const { return commits_; }
  [[nodiscard]] bool read_only() const { return options_.read_only; }

 private:
  friend class Transaction;
  friend class Cursor;
  explicit Environment(Options options);

  Status start();
  [[nodiscard]] int fault(std::string_view call) const { return options_.fault ? options_.fault(call) : 0; }
  /// What a result of LMDB means to people. A structure that LMDB finds broken is marked, so that the next start begins anew.
  [[nodiscard]] Error explain(std::string_view call, int result) const;
  void mark_suspect(std::string_view why) const;

  struct Close {
    void operator()(MDB_env* environment) const;
  };
  const Options options_;
  std::unique_ptr<MDB_env, Close> handle_;
  std::mutex tables_mutex_;
  bool tables_open_ = false;
  std::array<unsigned, kTableNames.size()> tables_{};
  std::atomic<std::uint64_t> commits_{0};
};

/// The file beside the data file in which a process that met a broken structure says so to the next one.
[[nodiscard]] std::string suspect_file(const std::string& folder);

/// A snapshot, or a change in the making. The first error sticks: later calls do nothing, and finish() returns it. What is not
/// finished is undone. Not for two threads at once.
class Transaction {
 public:
  /// The record under `key`; the view lasts until the next change or the end of the transaction.
  [[nodiscard]] std::optional<std::string_view> get(Table table, std::string_view key);
  void put(Table table, std::string_view key, std::string_view record);
  /// As put, for a key greater than all in the table: pages are filled to the end.
  void append(Table table, std::string_view key, std::string_view record);
  void remove(Table table, std::string_view key);
  /// What the table takes of the file, in whole pages; 0 after an error.
  [[nodiscard]] std::uint64_t bytes(Table table);

  /// Commits and syncs a change; ends a snapshot. The first error of the whole transaction, if there was one.
  Status finish();
  [[nodiscard]] bool failed() const { return error_.has_value(); }
  /// The number of a change, counted from the making of the file; for a snapshot that of the last change in it.
  [[nodiscard]] std::uint64_t number() const;

 private:
  friend class Environment;
  friend class Cursor;
  Transaction(const Environment& environment, std::atomic<std::uint64_t>* commits);

  void store(std::string_view call, Table table, std::string_view key, std::string_view record, unsigned flags);
  /// True when `result` is success; keeps the error otherwise. "Not found" is neither.
  bool succeeded(std::string_view call, int result);

  struct Abort {
    void operator()(MDB_txn* transaction) const;
  };
  const Environment* environment_;
  std::atomic<std::uint64_t>* commits_;  // null for a snapshot
  std::optional<Error> error_;
  std::unique_ptr<MDB_txn, Abort> handle_;
};

/// A place in a table. It must end before its transaction is finished. Moves answer false at the end and after an error.
class Cursor {
 public:
  Cursor(Transaction& transaction, Table table);

  bool first();
  bool last();
  bool next();
  bool previous();
  /// The first record whose key is not less than `key`.
  bool seek(std::string_view key);
  /// The last record whose key is less than `key`.
  bool seek_before(std::string_view key);

  /// Of the record it stands on; valid until the next change.
  [[nodiscard]] std::string_view key() const { return key_; }
  [[nodiscard]] std::string_view record() const { return record_; }

 private:
  bool move(int operation, std::string_view from);

  struct Close {
    void operator()(MDB_cursor* cursor) const;
  };
  Transaction* transaction_;
  std::unique_ptr<MDB_cursor, Close> handle_;
  std::string_view key_, record_;
};

}  // namespace nelson::lmdb
