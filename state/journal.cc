#include "state/journal.h"

#include <algorithm>

namespace nelson {
namespace {

constexpr std::size_t kLongestReason = 1024;
/// Old entries that one commit removes beside those it replaces, so that a lowered limit is reached soon and no commit is long.
constexpr std::size_t kTrimmedAtOnce = 1000;

std::string open_key(std::uint64_t sequence) { return kOpenMark + number_key(sequence); }
std::string stack_key(const std::string& stack, std::uint64_t sequence) { return text_key(stack) + number_key(sequence); }

/// Not in the middle of a UTF-8 character.
std::string cut(const std::string& text) {
  if (text.size() <= kLongestReason) return text;
  std::size_t end = kLongestReason;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

JournalEntry lost_entry(std::uint64_t sequence) {
  JournalEntry entry;
  entry.sequence = sequence;
  entry.reason = "the record of this intent was damaged: what it was about is not known";
  return entry;
}

}  // namespace

Journal::Journal(Database& database, std::uint64_t keep, std::uint64_t most_bytes)
    : database_(database), keep_(std::max<std::uint64_t>(1, keep)), most_bytes_(most_bytes) {}

Status Journal::start(std::uint64_t last) {
  last_ = last;
  bool damaged = false;
  {
    Transaction transaction = database_.read();
    {
      Cursor cursor(transaction, Table::kNow);
      for (bool there = cursor.seek(std::string(1, kOpenMark)); there && cursor.key().front() == kOpenMark; there = cursor.next())
        damaged = !database_.open_record(Table::kNow, cursor.key(), cursor.record()) || damaged;
    }
    {
      // A record whose key was damaged may lie behind the last good one, where the next entry is to be appended.
      Cursor tail(transaction, Table::kJournal);
      for (bool there = tail.last(); there && !database_.open_record(Table::kJournal, tail.key(), tail.record());)
        there = tail.previous();
    }
    if (Status read = transaction.finish(); !read) return read;
  }
  if (!damaged) return {};
  Result<Database::Change> change = database_.change(Database::Room::kNotNeeded);
  if (!change) return change.error();
  std::vector<std::uint64_t> open;
  {
    Cursor cursor(change->transaction(), Table::kJournal);
    for (bool there = cursor.first(); there; there = cursor.next())
      if (const auto entry = database_.value_of<JournalEntry>(Table::kJournal, cursor.key(), cursor.record());
          entry && entry->outcome == JournalEntry::Outcome::kOpen)
        open.push_back(entry->sequence);
  }
  for (const std::uint64_t sequence : open) change->put_bytes(Table::kNow, open_key(sequence), "");
  return change->commit(std::nullopt);
}

Status Journal::intend(std::vector<JournalEntry>& entries) {
  if (entries.empty()) return {};
  Result<Database::Change> change = database_.change(Database::Room::kNeeded);
  if (!change) return change.error();
  std::uint64_t sequence = last_;
  Instant latest = entries.front().intended;
  for (JournalEntry& entry : entries) {
    entry.sequence = ++sequence;
    entry.outcome = JournalEntry::Outcome::kOpen;
    entry.finished.reset();
    entry.error.clear();
    entry.reason = cut(entry.reason);
    latest = std::max(latest, entry.intended);
    change->append(Table::kJournal, number_key(sequence), entry);
    change->put_bytes(Table::kNow, open_key(sequence), "");
    if (!entry.stack.empty()) change->put_bytes(Table::kStacks, stack_key(entry.stack, sequence), "");
  }
  trim(*change, sequence, entries.size() + kTrimmedAtOnce);
  change->head().sequence = sequence;
  if (Status done = change->commit(latest); !done) return done;
  last_ = sequence;
  return {};
}

void Journal::trim(Database::Change& change, std::uint64_t newest, std::size_t limit) {
  struct Old {
    std::uint64_t sequence;
    std::string stack;
  };
  std::vector<Old> old;
  const std::uint64_t taken = change.transaction().bytes(Table::kJournal) + change.transaction().bytes(Table::kStacks);
  std::uint64_t freed = 0;  // at least
  {
    Cursor cursor(change.transaction(), Table::kJournal);
    for (bool there = cursor.first(); there && old.size() < limit; there = cursor.next()) {
      const std::uint64_t sequence = number_of_key(cursor.key());
      if (sequence > last_ || (sequence + keep_ > newest && taken <= most_bytes_ + freed)) break;
      const auto entry = database_.value_of<JournalEntry>(Table::kJournal, cursor.key(), cursor.record());
      // An open intent must not be forgotten, unless somebody never settles at all: the journal stays bounded.
      if (entry && entry->outcome == JournalEntry::Outcome::kOpen && sequence + 2 * keep_ > newest && taken <= 2 * most_bytes_)
        break;
      freed += cursor.key().size() + cursor.record().size();
      old.push_back({sequence, entry ? entry->stack : ""});
    }
  }
  for (const Old& entry : old) {
    change.remove(Table::kJournal, number_key(entry.sequence));
    change.remove(Table::kNow, open_key(entry.sequence));
    if (!entry.stack.empty()) change.remove(Table::kStacks, stack_key(entry.stack, entry.sequence));
  }
}

Status Journal::settle(std::span<const Settlement> settlements, Instant now) {
  std::vector<Finish> all;
  for (const Settlement& settlement : settlements)
    all.push_back({settlement.sequence, settlement.error.empty() ? JournalEntry::Outcome::kDone : JournalEntry::Outcome::kFailed,
                   settlement.error});
  return finish_all(all, now);
}

Status Journal::settle_unknown(std::span<const std::uint64_t> sequences, Instant now) {
  std::vector<Finish> all;
  for (const std::uint64_t sequence : sequences) all.push_back({sequence, JournalEntry::Outcome::kUnknown, ""});
  return finish_all(all, now);
}

Status Journal::finish_all(const std::vector<Finish>& all, Instant now) {
  if (all.empty()) return {};
  Result<Database::Change> change = database_.change(Database::Room::kNotNeeded);
  if (!change) return change.error();
  for (const Finish& finish : all) {
    const std::string key = number_key(finish.sequence);
    auto entry = database_.get<JournalEntry>(change->transaction(), Table::kJournal, key);
    const bool marked = change->transaction().get(Table::kNow, open_key(finish.sequence)).has_value();
    if (!change->transaction().failed() && !marked && (!entry || entry->outcome != JournalEntry::Outcome::kOpen))
      return internal("journal entry " + std::to_string(finish.sequence) + " is to be settled and is not open");
    change->remove(Table::kNow, open_key(finish.sequence));
    if (!entry) continue;  // its record was lost: the mark was all that was left
    entry->outcome = finish.outcome;
    entry->finished = now;
    entry->error = cut(finish.error);
    change->put(Table::kJournal, key, *entry);
  }
  return change->commit(now);
}

Result<std::vector<JournalEntry>> Journal::open_intents() const {
  std::vector<JournalEntry> entries;
  Transaction transaction = database_.read();
  {
    Cursor cursor(transaction, Table::kNow);
    for (bool there = cursor.seek(std::string(1, kOpenMark)); there && cursor.key().front() == kOpenMark; there = cursor.next()) {
      if (!database_.open_record(Table::kNow, cursor.key(), cursor.record())) continue;
      const std::uint64_t sequence = number_of_key(cursor.key());
      auto entry = database_.get<JournalEntry>(transaction, Table::kJournal, number_key(sequence));
      entries.push_back(entry ? std::move(*entry) : lost_entry(sequence));
    }
  }
  if (Status read = transaction.finish(); !read) return read.error();
  return entries;
}

Result<std::vector<JournalEntry>> Journal::history(const std::string& stack, std::uint64_t before, std::size_t limit) const {
  const bool all = stack.empty();
  const Table table = all ? Table::kJournal : Table::kStacks;
  const std::string prefix = all ? "" : text_key(stack);
  std::vector<JournalEntry> entries;
  Transaction transaction = database_.read();
  {
    Cursor cursor(transaction, table);
    // The greatest number is never given, so that it stands behind all.
    bool there = limit > 0 && cursor.seek_before(prefix + number_key(before == 0 ? ~std::uint64_t{0} : before));
    for (; there && entries.size() < limit && cursor.key().starts_with(prefix); there = cursor.previous()) {
      const std::string_view key = cursor.key();
      if (all) {
        if (auto entry = database_.value_of<JournalEntry>(table, key, cursor.record())) entries.push_back(std::move(*entry));
        continue;
      }
      if (!database_.open_record(table, key, cursor.record())) continue;
      auto entry = database_.get<JournalEntry>(transaction, Table::kJournal, number_key(number_of_key(key)));
      if (entry && entry->stack == stack) entries.push_back(std::move(*entry));
    }
  }
  if (Status read = transaction.finish(); !read) return read.error();
  return entries;
}

Result<JournalExtent> measure_journal(const Database& database) {
  JournalExtent extent;
  Transaction transaction = database.read();
  {
    Cursor cursor(transaction, Table::kJournal);
    for (bool there = cursor.first(); there; there = cursor.next()) {
      const auto entry = database.value_of<JournalEntry>(Table::kJournal, cursor.key(), cursor.record());
      if (!entry) continue;
      extent.last = std::max(extent.last, entry->sequence);
      extent.instant = std::max(extent.instant, std::optional(entry->intended));
      extent.instant = std::max(extent.instant, entry->finished);
    }
  }
  if (Status read = transaction.finish(); !read) return read.error();
  return extent;
}

}  // namespace nelson
