#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "state/database.h"
#include "state/store.h"

namespace nelson {

/// The journal of effects: a ring of entries by sequence number, an index of them by stack, and a mark for each that has no outcome.
/// The members are Store's, of the same names.
class Journal {
 public:
  /// Keeps `keep` entries, and fewer when they would take more than `most_bytes` of the file.
  Journal(Database& database, std::uint64_t keep, std::uint64_t most_bytes);

  /// For the writer, once: `last` is the last sequence number ever given. Marks of open intents that were damaged are made again.
  Status start(std::uint64_t last);

  Status intend(std::vector<JournalEntry>& entries);
  Status settle(std::span<const Settlement> settlements, Instant now);
  Status settle_unknown(std::span<const std::uint64_t> sequences, Instant now);
  [[nodiscard]] Result<std::vector<JournalEntry>> open_intents() const;
  [[nodiscard]] Result<std::vector<JournalEntry>> history(const std::string& stack, std::uint64_t before, std::size_t limit) const;

 private:
  struct Finish {
    std::uint64_t sequence = 0;
    JournalEntry::Outcome outcome = JournalEntry::Outcome::kDone;
    std::string error;
  };
  Status finish_all(const std::vector<Finish>& all, Instant now);
  void trim(Database::Change& change, std::uint64_t newest, std::size_t limit);

  Database& database_;
  const std::uint64_t keep_;
  const std::uint64_t most_bytes_;
  std::uint64_t last_ = 0;
};

/// The greatest instant in the journal, and its last sequence number, read from the entries themselves.
struct JournalExtent {
  std::optional<Instant> instant;
  std::uint64_t last = 0;
};
[[nodiscard]] Result<JournalExtent> measure_journal(const Database& database);

}  // namespace nelson
