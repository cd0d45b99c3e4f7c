#include "state/passes.h"

#include <algorithm>
#include <map>

namespace nelson {
namespace {

/// Versions that one commit removes, so that no commit is long.
constexpr std::size_t kRemovedAtOnce = 10'000;

// A part is an entry of one of the maps in Desired and Observed, or a whole field that is no map. Its kind is the field's place in
// them, counted from 1, so that a field added to either is kept without a word here.

/// What of a part is an input: when a host last answered decides nothing, and a poll that brings nothing new must not cost a commit.
template <class T>
const T& deciding(const T& value) {
  return value;
}
DesiredRepository deciding(DesiredRepository repository) {
  repository.last_fetched.clear();
  return repository;
}

PartKey key_of(std::uint8_t kind, const std::string& name) { return {kind, name, ""}; }
PartKey key_of(std::uint8_t kind, const CellKey& key) { return {kind, key.domain, key.unit}; }

void each_part_of(std::uint8_t kind, const auto& member, auto&& see) { see(key_of(kind, ""), deciding(member)); }
template <Keyed Map>
void each_part_of(std::uint8_t kind, const Map& members, auto&& see) {
  for (const auto& [key, member] : members) see(key_of(kind, key), deciding(member));
}

/// Calls `see(key, value)` for every part of a pass's inputs, in the order of keys.
void each_part(const Desired& desired, const Observed& observed, auto&& see) {
  std::uint8_t kind = 0;
  const auto field = [&](std::string_view, const auto& member) { each_part_of(++kind, member, see); };
  Desired::visit(desired, field);
  Observed::visit(observed, field);
}

/// As SharedMap's, for the few that are no such map; not in the order of keys.
template <class Key, class T>
void each_difference(const std::map<Key, T>& before, const std::map<Key, T>& after, auto&& see) {
  for (const auto& [key, was] : before)
    if (!after.contains(key)) see(key, &was, static_cast<const T*>(nullptr));
  for (const auto& [key, is] : after) {
    const auto was = before.find(key);
    if (was == before.end() || !(was->second == is)) see(key, was == before.end() ? nullptr : &was->second, &is);
  }
}

template <class T>
void each_change_of(std::uint8_t kind, const T& before, const T& after, auto&& see) {
  if (!(before == after)) see(key_of(kind, ""), &after);
}
template <Keyed Map>
void each_change_of(std::uint8_t kind, const Map& before, const Map& after, auto&& see) {
  each_difference(before, after, [&](const auto& key, const auto* was, const auto* is) {
    if (was != nullptr && is != nullptr && deciding(*was) == deciding(*is)) return;
    see(key_of(kind, key), is);
  });
}

/// Calls `see(key, value)` for every part that is not what it was; null when it is gone.
void each_changed_part(const Desired& desired_before, const Observed& observed_before, const Desired& desired,
                       const Observed& observed, auto&& see) {
  std::vector<const void*> before;  // the members, in the order in which they are visited
  const auto note = [&](std::string_view, const auto& member) { before.push_back(&member); };
  Desired::visit(desired_before, note);
  Observed::visit(observed_before, note);
  std::uint8_t kind = 0;
  const auto field = [&](std::string_view, const auto& member) {
    const auto* was = static_cast<decltype(&member)>(before[kind]);
    each_change_of(++kind, *was, member, see);
  };
  Desired::visit(desired, field);
  Observed::visit(observed, field);
}

bool put_part_into(const PartHeader&, Decoder& decoder, auto& member) { return decoder.take(member); }
template <Keyed Map>
bool put_part_into(const PartHeader& header, Decoder& decoder, Map& members) {
  if constexpr (std::is_same_v<typename Map::key_type, CellKey>)
    return decoder.take(members[{header.first, header.second}]);
  else
    return decoder.take(members[header.first]);
}

/// The other way round. False when the bytes do not hold such a part.
bool put_part(const PartHeader& header, Decoder& decoder, Desired& desired, Observed& observed) {
  std::uint8_t kind = 0;
  bool put = false;
  const auto field = [&](std::string_view, auto& member) {
    if (++kind == header.kind) put = put_part_into(header, decoder, member) && decoder.done();
  };
  Desired::visit(desired, field);
  Observed::visit(observed, field);
  return put;
}

std::string version_key(const PartHeader& header, std::uint64_t pass) {
  return static_cast<char>(header.kind) + text_key(header.first) + text_key(header.second) + number_key(pass);
}

std::string_view part_of(std::string_view key) { return key.substr(0, key.size() - std::min<std::size_t>(key.size(), 8)); }

/// What a record takes on the disk, about: LMDB gives whole pages to those that fill half of one.
std::uint64_t room_of(std::size_t key, std::size_t value) {
  constexpr std::size_t kPage = 4096, kFrame = 32;
  const std::size_t size = key + value + kFrame;
  return size < kPage / 2 ? size : (size + kPage - 1) / kPage * kPage;
}

std::string header_and(const PartHeader& header, const auto& value) {
  std::string bytes = encoded(header);
  encode(bytes, value);
  return bytes;
}

}  // namespace

Passes::Passes(Database& database, const StoreOptions& options)
    : database_(database),
      keep_(std::max<std::uint64_t>(1, options.keep_passes)),
      checkpoint_every_(std::max<std::uint64_t>(1, options.checkpoint_every)),
      most_bytes_(options.max_bytes / 3) {}

Result<std::vector<StoredPass>> Passes::stored() const {
  std::vector<StoredPass> all;
  Transaction transaction = database_.read();
  {
    Cursor cursor(transaction, Table::kPasses);
    for (bool there = cursor.first(); there; there = cursor.next())
      if (auto pass = database_.value_of<StoredPass>(Table::kPasses, cursor.key(), cursor.record()))
        all.push_back(std::move(*pass));
  }
  if (Status read = transaction.finish(); !read) return read.error();
  return all;
}

Result<std::vector<PassRecord>> Passes::list() const {
  Result<std::vector<StoredPass>> all = stored();
  if (!all) return all.error();
  std::vector<PassRecord> records;
  for (StoredPass& pass : *all) records.push_back(std::move(pass.record));
  return records;
}

Status Passes::load() {
  Result<std::vector<StoredPass>> all = stored();
  if (!all) return all.error();
  if (const auto head = database_.head()) last_number_ = head->pass;
  last_.reset();
  last_checkpoint_ = 0;
  for (const StoredPass& pass : *all)
    if (pass.record.checkpoint) last_checkpoint_ = pass.record.pass;
  if (!all->empty()) last_ = all->back();
  const std::uint64_t oldest = all->empty() ? ~std::uint64_t{0} : all->front().record.pass;

  Known found;
  garbage_.clear();
  bytes_ = 0;
  inputs_ = 0;
  Transaction transaction = database_.read();
  {
    // The versions of one part lie together, oldest first. One is needed only while no later version is as old as the oldest pass.
    std::string part;
    std::string base;  // the newest version up to now that is not newer than the oldest pass
    bool base_present = true;
    std::optional<std::pair<PartKey, std::uint64_t>> newest;
    const auto end_part = [&] {
      if (!base.empty() && !base_present) garbage_.push_back(base);
      if (newest) {
        inputs_ ^= newest->second;
        found[newest->first] = newest->second;
      }
      base.clear();
      base_present = true;
      newest.reset();
    };
    Cursor cursor(transaction, Table::kParts);
    for (bool there = cursor.first(); there; there = cursor.next()) {
      const std::string_view key = cursor.key();
      const auto unsealed = database_.open_record(Table::kParts, key, cursor.record());
      if (!unsealed) continue;
      PartHeader header;
      Decoder decoder(unsealed->value);
      if (!decoder.take(header)) {
        database_.losses().note(Table::kParts, key);
        continue;
      }
      if (part_of(key) != part) {
        end_part();
        part = part_of(key);
      }
      bytes_ += room_of(key.size(), cursor.record().size());
      if (number_of_key(key) <= oldest) {
        if (!base.empty()) garbage_.push_back(base);
        base = key;
        base_present = header.present;
      }
      newest.reset();
      if (header.present) newest.emplace(PartKey{header.kind, header.first, header.second}, unsealed->digest);
    }
    end_part();
  }
  if (Status read = transaction.finish(); !read) return read;
  // They are taken from the back: the older versions of a removed part go before the one that says it is gone.
  std::reverse(garbage_.begin(), garbage_.end());

  if (!(found == known_)) seen_.reset();  // something was lost
  known_ = std::move(found);
  loaded_ = true;
  return {};
}

void Passes::compare(const Desired& desired, const Observed& observed, auto&& changed) const {
  bool on = true;
  const auto gone = [&](const PartKey& key) {
    on = on && changed(PartHeader{key.kind, key.first, key.second, false}, std::string());
  };
  const auto there = [&](const PartKey& key, const auto& value) {
    if (!on) return;
    const PartHeader header{key.kind, key.first, key.second, true};
    const std::string bytes = header_and(header, value);
    const auto known = known_.find(key);
    if (known == known_.end() || known->second != content_digest(bytes)) on = changed(header, bytes);
  };
  if (seen_) {
    each_changed_part(seen_->desired, seen_->observed, desired, observed, [&](const PartKey& key, const auto* value) {
      if (value != nullptr)
        there(key, deciding(*value));
      else if (known_.contains(key))
        gone(key);
    });
    return;
  }
  auto known = known_.begin();
  each_part(desired, observed, [&](const PartKey& key, const auto& value) {
    for (; known != known_.end() && known->first < key; ++known) gone(known->first);
    if (known != known_.end() && known->first == key) ++known;
    there(key, value);
  });
  for (; known != known_.end(); ++known) gone(known->first);
}

Status Passes::record(const Desired& desired, const Observed& observed, Instant now, const std::string& plan_digest) {
  if (too_large_) return {};
  bool checkpoint = !loaded_;
  if (!loaded_)
    if (Status done = load(); !done) return done;
  bool differs = !last_ || last_->record.plan_digest != plan_digest || last_->inputs != inputs_;
  if (!differs)
    compare(desired, observed, [&](auto&&...) {
      differs = true;
      return false;
    });
  if (!differs) {
    seen_ = Inputs{desired, observed};
    return {};
  }
  if (last_number_ + 1 >= last_checkpoint_ + checkpoint_every_ && !checkpoint) {
    if (Status done = load(); !done) return done;
    checkpoint = true;
  }
  for (;;) {
    Result<Written> written = write(desired, observed, now, plan_digest, checkpoint);
    if (!written) return written.error();
    if (*written == Written::kKept) return {};
    Result<bool> more = make_room();
    if (!more) return more.error();
    if (!*more) break;
    checkpoint = true;  // make_room has read everything again
  }
  database_.losses().say("the inputs of a pass take more than a third of the store (" + std::to_string(most_bytes_) +
                         " bytes): no pass is kept for replay until the next start; raise limits.store_mib of the machine file");
  too_large_ = true;
  return {};
}

Result<Passes::Written> Passes::write(const Desired& desired, const Observed& observed, Instant now, const std::string& plan_digest,
                                      bool checkpoint) {
  Result<Database::Change> change = database_.change(Database::Room::kNeeded);
  if (!change) return change.error();
  StoredPass pass{{last_number_ + 1, now, plan_digest, checkpoint}, inputs_};
  std::vector<Changed> changes;
  std::uint64_t bytes = bytes_;
  compare(desired, observed, [&](const PartHeader& header, const std::string& content) {
    const std::string value = header.present ? content : encoded(header);
    const std::string key = version_key(header, pass.record.pass);
    change->put_bytes(Table::kParts, key, value);
    bytes += room_of(key.size(), value.size());
    Changed& part = changes.emplace_back(Changed{{header.kind, header.first, header.second}, std::nullopt});
    if (header.present) part.digest = content_digest(value);
    const auto known = known_.find(part.key);
    pass.inputs ^= part.digest.value_or(0) ^ (known == known_.end() ? 0 : known->second);
    return bytes <= most_bytes_ && !change->transaction().failed();
  });
  if (bytes > most_bytes_) return Written::kTooLarge;
  const std::size_t removed = std::min(garbage_.size(), kRemovedAtOnce);
  for (std::size_t i = 0; i < removed; ++i) change->remove(Table::kParts, garbage_[garbage_.size() - 1 - i]);
  change->put(Table::kPasses, number_key(pass.record.pass), pass);
  {
    std::vector<std::string> old;
    {
      Cursor cursor(change->transaction(), Table::kPasses);
      for (bool there = cursor.first(); there && old.size() < kRemovedAtOnce; there = cursor.next()) {
        if (number_of_key(cursor.key()) + keep_ > pass.record.pass) break;
        old.emplace_back(cursor.key());
      }
    }
    for (const std::string& key : old) change->remove(Table::kPasses, key);
  }
  change->head().pass = pass.record.pass;
  if (Status done = change->commit(now); !done) return done.error();
  garbage_.resize(garbage_.size() - removed);
  bytes_ = bytes;
  inputs_ = pass.inputs;
  last_number_ = pass.record.pass;
  if (checkpoint) last_checkpoint_ = last_number_;
  last_ = std::move(pass);
  for (const Changed& part : changes) {
    if (part.digest)
      known_[part.key] = *part.digest;
    else
      known_.erase(part.key);
  }
  seen_ = Inputs{desired, observed};
  return Written::kKept;
}

Result<bool> Passes::make_room() {
  Result<std::vector<StoredPass>> all = stored();
  if (!all) return all.error();
  if (all->size() < 2) return false;
  Result<Database::Change> change = database_.change(Database::Room::kNotNeeded);
  if (!change) return change.error();
  for (std::size_t i = 0; i < all->size() / 2; ++i) change->remove(Table::kPasses, number_key((*all)[i].record.pass));
  if (Status done = change->commit(std::nullopt); !done) return done.error();
  if (Status done = load(); !done) return done.error();
  if (Status done = remove_garbage(); !done) return done.error();
  return true;
}

Status Passes::remove_garbage() {
  if (garbage_.empty()) return {};
  while (!garbage_.empty()) {
    Result<Database::Change> change = database_.change(Database::Room::kNotNeeded);
    if (!change) return change.error();
    for (std::size_t i = 0; i < kRemovedAtOnce && !garbage_.empty(); ++i) {
      change->remove(Table::kParts, garbage_.back());
      garbage_.pop_back();
    }
    if (Status done = change->commit(std::nullopt); !done) return done;
  }
  return load();
}

Result<ReplayedPass> Passes::replay(std::uint64_t number) const {
  const std::string name = "pass " + std::to_string(number);
  ReplayedPass replayed;
  Transaction transaction = database_.read();
  const auto pass = database_.get<StoredPass>(transaction, Table::kPasses, number_key(number));
  std::uint64_t inputs = 0;
  bool readable = true;
  if (pass) {
    Cursor cursor(transaction, Table::kParts);
    std::string part;
    std::optional<Unsealed> newest;  // the views live as long as the transaction
    const auto end_part = [&] {
      PartHeader header;
      Decoder decoder(newest ? newest->value : std::string_view());
      if (!newest || !decoder.take(header) || !header.present) return;
      inputs ^= newest->digest;
      readable = put_part(header, decoder, replayed.desired, replayed.observed) && readable;
    };
    for (bool there = cursor.first(); there; there = cursor.next()) {
      if (part_of(cursor.key()) != part) {
        end_part();
        newest.reset();
        part = part_of(cursor.key());
      }
      // Opened first, since the pass in a damaged key is not to be believed either.
      const auto unsealed = database_.open_record(Table::kParts, cursor.key(), cursor.record());
      if (unsealed && number_of_key(cursor.key()) <= number) newest = unsealed;
    }
    end_part();
  }
  if (Status read = transaction.finish(); !read) return read.error();
  if (!pass) return invalid(name + " is not kept: `passes` lists those that can be replayed");
  if (!readable || inputs != pass->inputs)
    return invalid(name +
                   " cannot be replayed: a part of its inputs was damaged and is lost; passes from the next checkpoint on can");
  replayed.record = pass->record;
  return replayed;
}

}  // namespace nelson
