#include "state/subjects.h"

#include <algorithm>

namespace nelson {

Status Subjects::load() {
  Transaction transaction = database_.read();
  {
    Cursor cursor(transaction, Table::kSubjects);
    for (bool there = cursor.first(); there; there = cursor.next())
      if (const auto subject = database_.value_of<Subject>(Table::kSubjects, cursor.key(), cursor.record()))
        known_[subject->name] = subject->since;
  }
  Status read = transaction.finish();
  loaded_ = read.ok();
  return read;
}

Result<std::map<std::string, Instant>> Subjects::first_seen(const std::vector<std::string>& subjects, Instant now) {
  if (!loaded_)
    if (Status done = load(); !done) return done.error();
  std::map<std::string, Instant> seen;
  for (const std::string& name : subjects) {
    const auto at = known_.find(name);
    seen.emplace(name, at == known_.end() ? now : at->second);
  }
  const auto same_name = [](const auto& a, const auto& b) { return a.first == b.first; };
  if (std::equal(seen.begin(), seen.end(), known_.begin(), known_.end(), same_name)) return seen;

  Result<Database::Change> change = database_.change(Database::Room::kNeeded);
  if (!change) return change.error();
  for (const auto& [name, since] : known_)
    if (!seen.contains(name)) change->remove(Table::kSubjects, text_key(name));
  for (const auto& [name, since] : seen)
    if (!known_.contains(name)) change->put(Table::kSubjects, text_key(name), Subject{name, since});
  if (Status done = change->commit(now); !done) return done.error();
  known_ = seen;
  return seen;
}

}  // namespace nelson
