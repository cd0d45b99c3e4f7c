#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "state/codec.h"
#include "state/lmdb.h"
#include "state/model/result.h"
#include "state/model/time.h"
#include "state/record.h"

namespace nelson {

using lmdb::Cursor;
using lmdb::Table;
using lmdb::Transaction;

// Keys. Numbers are big-endian, so that LMDB's order of bytes is theirs. Text leads with its length, so that no key of one subject
// begins with the whole key of another; text too long for LMDB's 511 bytes is replaced by its SHA-256.
[[nodiscard]] std::string number_key(std::uint64_t number);
[[nodiscard]] std::uint64_t number_of_key(std::string_view last_eight_bytes);
[[nodiscard]] std::string text_key(std::string_view text);

inline constexpr std::string_view kHeadKey = "head";
inline constexpr std::string_view kSchemaKey = "schema";
/// An intent without outcome: this letter and its sequence number, in the table that holds at this moment.
inline constexpr char kOpenMark = 'o';

/// What must be known at start, renewed by every commit.
struct Head {
  std::optional<Instant> instant;  // the greatest ever written
  std::uint64_t transaction = 0;   // LMDB's number of the commit that wrote this
  std::uint64_t sequence = 0;      // of the last journal entry ever
  std::uint64_t pass = 0;          // the last pass ever

  bool operator==(const Head&) const = default;
  static void visit(auto& self, auto&& field) {
    field("instant", self.instant);
    field("transaction", self.transaction);
    field("sequence", self.sequence);
    field("pass", self.pass);
  }
};

/// The records found damaged: counted once each, remembered until the writer has removed them, described for people. Any thread.
class Losses {
 public:
  void note(Table table, std::string_view key);
  void say(std::string sentence);
  [[nodiscard]] std::vector<std::pair<Table, std::string>> to_remove() const;
  void removed(const std::vector<std::pair<Table, std::string>>& keys);
  [[nodiscard]] std::uint64_t count() const;
  [[nodiscard]] std::vector<std::string> sentences() const;

 private:
  mutable std::mutex mutex_;
  std::set<std::pair<Table, std::string>> keys_;
  std::deque<std::string> sentences_;
  std::uint64_t count_ = 0;
};

/// Sealed, typed records over LMDB. Reading is for any thread, changing for one.
class Database {
 public:
  Database(std::shared_ptr<lmdb::Environment> environment, std::string folder, std::uint64_t keep_free);

  [[nodiscard]] Transaction read() const { return environment_->read(); }

  /// The bytes of a record, or nothing when they are damaged, which is then noted.
  [[nodiscard]] std::optional<Unsealed> open_record(Table table, std::string_view key, std::string_view record) const;
  template <class T>
  [[nodiscard]] std::optional<T> value_of(Table table, std::string_view key, std::string_view record) const {
    const auto unsealed = open_record(table, key, record);
    if (!unsealed) return std::nullopt;
    auto value = decoded<T>(unsealed->value);
    if (!value) losses_.note(table, key);
    return value;
  }
  template <class T>
  [[nodiscard]] std::optional<T> get(Transaction& transaction, Table table, std::string_view key) const {
    const auto record = transaction.get(table, key);
    if (!record) return std::nullopt;
    return value_of<T>(table, key, *record);
  }

  /// As it is stored or, once that is found damaged, as it was when it was last whole: a store in use never begins anew at nothing.
  [[nodiscard]] std::optional<Head> head() const;

  /// A change in the making; at most one at a time.
  class Change {
   public:
    Transaction& transaction() { return transaction_; }
    template <class T>
    void put(Table table, std::string_view key, const T& value) {
      put_bytes(table, key, encoded(value));
    }
    template <class T>
    void append(Table table, std::string_view key, const T& value) {
      ++written_;
      transaction_.append(table, key, seal(key, encoded(value)));
    }
    void put_bytes(Table table, std::string_view key, std::string_view value) {
      ++written_;
      transaction_.put(table, key, seal(key, value));
    }
    void remove(Table table, std::string_view key) { transaction_.remove(table, key); }
    /// Sequence and pass of the head this change leaves behind.
    Head& head() { return head_; }
    /// Durable when it returns success. `now` is an instant that was written. Every failure is final for the store.
    Status commit(std::optional<Instant> now);

   private:
    friend class Database;
    explicit Change(Database& database);
    Database* database_;
    Transaction transaction_;
    Head head_;
    std::uint64_t written_ = 0;
    std::vector<std::pair<Table, std::string>> lost_;
  };

  enum class Room { kNeeded, kNotNeeded };
  /// kNeeded: refused with kUnavailable while the disk is nearly full. The first failed commit is every later change's answer.
  Result<Change> change(Room room);

  [[nodiscard]] Losses& losses() const { return losses_; }
  [[nodiscard]] std::uint64_t commits() const { return environment_->commits() - commits_before_; }
  [[nodiscard]] std::uint64_t written() const { return written_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }

 private:
  std::shared_ptr<lmdb::Environment> environment_;
  const std::string folder_;
  const std::uint64_t keep_free_;
  const std::uint64_t commits_before_;
  mutable Losses losses_;
  std::atomic<std::uint64_t> written_{0};
  [[nodiscard]] std::optional<Head> head_in(Transaction& transaction) const;
  mutable std::mutex head_mutex_;
  mutable std::optional<Head> whole_head_;  // the first that was read, then what this writer committed
  std::optional<Error> failure_;            // writer's thread
};

}  // namespace nelson
