#include "state/database.h"

#include <algorithm>

#include "state/folder.h"
#include "state/model/digest.h"

namespace nelson {
namespace {

constexpr std::size_t kLongestText = 200;
constexpr std::size_t kSentences = 100;

std::string describe(Table table, std::string_view key) {
  const auto number = [key](std::string_view what) {
    return key.size() < 8 ? std::string(what) : std::string(what) + " " + std::to_string(number_of_key(key));
  };
  switch (table) {
    case Table::kJournal:
      return number("journal entry");
    case Table::kPasses:
      return number("the record of pass");
    case Table::kParts:
      return number("an input recorded in pass");
    case Table::kStacks:
      return number("the index of journal entry");
    case Table::kSubjects:
      return "the instant since when something is shown";
    case Table::kNow:
      return key.starts_with(kOpenMark) ? number("the mark of open intent")
                                        : "the record \"" + std::string(key.substr(0, 16)) + "\"";
  }
  return "a record";
}

}  // namespace

std::string number_key(std::uint64_t number) {
  std::string key(8, '\0');
  for (std::size_t i = 8; i-- > 0; number >>= 8) key[i] = static_cast<char>(number & 0xff);
  return key;
}

std::uint64_t number_of_key(std::string_view key) {
  std::uint64_t number = 0;
  for (const char byte : key.substr(key.size() - std::min<std::size_t>(key.size(), 8)))
    number = number << 8 | static_cast<std::uint8_t>(byte);
  return number;
}

std::string text_key(std::string_view text) {
  if (text.size() <= kLongestText) return std::string(1, static_cast<char>(text.size())) + std::string(text);
  const Digest digest = sha256(text);
  return "\xff" + std::string(digest.bytes.begin(), digest.bytes.end());
}

void Losses::note(Table table, std::string_view key) {
  {
    const std::lock_guard guard(mutex_);
    if (!keys_.emplace(table, key).second) return;
    ++count_;
  }
  say(describe(table, key) + " was damaged (its checksum does not fit) and is lost");
}

void Losses::say(std::string sentence) {
  const std::lock_guard guard(mutex_);
  sentences_.push_back(std::move(sentence));
  if (sentences_.size() > kSentences) sentences_.pop_front();
}

std::vector<std::pair<Table, std::string>> Losses::to_remove() const {
  const std::lock_guard guard(mutex_);
  return {keys_.begin(), keys_.end()};
}

void Losses::removed(const std::vector<std::pair<Table, std::string>>& keys) {
  const std::lock_guard guard(mutex_);
  for (const auto& key : keys) keys_.erase(key);
}

std::uint64_t Losses::count() const {
  const std::lock_guard guard(mutex_);
  return count_;
}

std::vector<std::string> Losses::sentences() const {
  const std::lock_guard guard(mutex_);
  return {sentences_.begin(), sentences_.end()};
}

Database::Database(std::shared_ptr<lmdb::Environment> environment, std::string folder, std::uint64_t keep_free)
    : environment_(std::move(environment)),
      folder_(std::move(folder)),
      keep_free_(keep_free),
      commits_before_(environment_->commits()) {}

std::optional<Unsealed> Database::open_record(Table table, std::string_view key, std::string_view record) const {
  auto unsealed = unseal(key, record);
  if (!unsealed) losses_.note(table, key);
  return unsealed;
}

std::optional<Head> Database::head() const {
  Transaction transaction = read();
  return head_in(transaction);
}

std::optional<Head> Database::head_in(Transaction& transaction) const {
  const std::optional<Head> stored = get<Head>(transaction, Table::kNow, kHeadKey);
  const std::lock_guard guard(head_mutex_);
  if (!whole_head_) whole_head_ = stored;
  return stored ? stored : whole_head_;
}

Result<Database::Change> Database::change(Room room) {
  if (failure_) return *failure_;
  if (environment_->read_only()) return internal("the store at " + folder_ + " was opened for reading and is asked to write");
  if (room == Room::kNeeded) {
    const auto free = free_bytes(folder_);
    if (free && *free < keep_free_)
      return unavailable("the disk of the store at " + folder_ + " is nearly full (" + std::to_string(*free >> 20) +
                         " of at least " + std::to_string(keep_free_ >> 20) +
                         " MiB free): nothing new is begun until some space is freed");
  }
  return Change(*this);
}

Database::Change::Change(Database& database)
    : database_(&database), transaction_(database.environment_->write()), lost_(database.losses_.to_remove()) {
  // First of all, because a damaged key may lie behind the last good one, and entries are appended.
  for (const auto& [table, key] : lost_) transaction_.remove(table, key);
  head_ = database.head_in(transaction_).value_or(Head{});
}

Status Database::Change::commit(std::optional<Instant> now) {
  head_.instant = head_.instant && now ? std::max(*head_.instant, *now) : now ? now : head_.instant;
  head_.transaction = transaction_.number();
  put(Table::kNow, kHeadKey, head_);
  if (Status done = transaction_.finish(); !done) {
    database_->failure_ = done.error();
    return done;
  }
  {
    const std::lock_guard guard(database_->head_mutex_);
    database_->whole_head_ = head_;
  }
  database_->written_ += written_;
  database_->losses_.removed(lost_);
  return {};
}

}  // namespace nelson
