#include "tests/simulation/effects.h"

#include <algorithm>

namespace nelson::simulation {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

}  // namespace

std::size_t action_index(std::string_view word) {
  return static_cast<std::size_t>(std::find(kActions.begin(), kActions.end(), word) - kActions.begin());
}

const std::vector<std::string_view>& actions_with(const Write& write) {
  static const std::vector<std::string_view> kWords[] = {{"launch", "update", "note", "bury"},
                                                         {"shift"},
                                                         {"claim"},
                                                         {"drop-traffic"},
                                                         {"launch", "repair", "scale"},
                                                         {"remove"},
                                                         {"publish"},
                                                         {"unpublish"},
                                                         {"serve"},
                                                         {"unserve"}};
  static_assert(std::size(kWords) == std::variant_size_v<Write>);
  return kWords[write.index()];
}

std::string subject_of(const Write& write) {
  return std::visit(
      Overloaded{[](const StackRecord& record) { return record.stack; },
                 [](const TrafficRecord& record) { return record.key.unit; }, [](const Claim&) { return std::string(); },
                 [](const Drop& drop) { return drop.key.unit; }, [](const Start& start) { return start.stack; },
                 [](const Stop& stop) { return stop.stack; }, [](const Publication& publication) { return publication.stack; },
                 [](const Unpublication& gone) { return gone.stack; }, [](const Route& route) { return route.key.unit; },
                 [](const Unroute& gone) { return gone.key.unit; }},
      write);
}

std::string describe(const Write& write) {
  static constexpr auto kWords = std::to_array<std::string_view>(
      {"record", "traffic", "claim", "drop", "start", "stop", "publish", "unpublish", "route", "unroute"});
  return std::string(kWords[write.index()]) + ' ' + subject_of(write);
}

void Intents::commit(std::vector<Intent> batch) {
  std::map<std::string, std::vector<Intent>> domains;
  for (Intent& intent : batch) {
    open_[intent.sequence] = intent;
    domains[intent.domain].push_back(std::move(intent));
  }
  for (auto& [domain, intents] : domains) under_way_[domain] = {std::move(intents), 0};
}

std::size_t Intents::place_of(const Batch& batch, const Write& write) const {
  const std::vector<std::string_view>& words = actions_with(write);
  const std::string subject = subject_of(write);
  for (std::size_t i = batch.next; i < batch.intents.size(); ++i) {
    const Intent& intent = batch.intents[i];
    const bool fits = intent.effect == "claim" || (intent.stack.empty() ? intent.unit : intent.stack) == subject;
    if (fits && open_.contains(intent.sequence) && std::find(words.begin(), words.end(), intent.effect) != words.end()) return i;
  }
  return batch.intents.size();
}

const Intent* Intents::find(const std::string& domain, const Write& write) const {
  const auto found = under_way_.find(domain);
  if (found == under_way_.end()) return nullptr;
  const std::size_t at = place_of(found->second, write);
  return at < found->second.intents.size() ? &found->second.intents[at] : nullptr;
}

const Intent* Intents::carry_out(const std::string& domain, const Write& write) {
  const auto found = under_way_.find(domain);
  if (found == under_way_.end()) return nullptr;
  Batch& batch = found->second;
  const std::size_t at = place_of(batch, write);
  if (at == batch.intents.size()) return nullptr;
  // A launch writes the record, then starts; every other effect is one write.
  const bool goes_on = batch.intents[at].effect == "launch" && std::holds_alternative<StackRecord>(write);
  batch.next = goes_on ? at : at + 1;
  return &batch.intents[at];
}

bool live(const StackRecord& record) {
  return record.identity.owner == "ours" && record.launched && !record.retiring && !record.removed;
}
bool is_job(const StackRecord& record) { return !record.identity.spec.schedule.empty(); }
bool serves(const Identity& identity) { return identity.spec.schedule.empty() && !identity.spec.ports.empty(); }

int percent_of(const TrafficRecord& record, const std::string& stack) {
  for (const Weight& weight : record.weights)
    if (weight.stack == stack) return weight.percent;
  return 0;
}

}  // namespace nelson::simulation
