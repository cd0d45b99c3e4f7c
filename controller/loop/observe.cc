#include "controller/loop/observe.h"

#include <algorithm>
#include <map>
#include <set>

#include "state/model/names.h"

namespace nelson {
namespace {

std::string joined(const std::vector<std::string>& names, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < limit; ++i) out += (i > 0 ? ", " : "") + names[i];
  if (names.size() > limit) out += " and " + std::to_string(names.size() - limit) + " more";
  return out;
}

/// A path and the file:// of it are one place.
bool same_place(std::string_view a, std::string_view b) {
  constexpr std::string_view kFile = "file://";
  if (a.starts_with(kFile)) a.remove_prefix(kFile.size());
  if (b.starts_with(kFile)) b.remove_prefix(kFile.size());
  return a == b;
}

template <class View>
Source source_of(const Result<View>& answer) {
  if (answer) return {true, ""};
  return {false, answer.error().message};
}

template <class Map>
const typename Map::mapped_type* find_in(const Map& map, const typename Map::key_type& key) {
  const auto at = map.find(key);
  return at == map.end() ? nullptr : &at->second;
}

/// Puts `value` at its place in a sorted list, in place of an equal one; null takes that out.
template <class T, class Key, class KeyOf>
void place(std::vector<T>& list, const Key& key, const T* value, KeyOf key_of) {
  const auto at =
      std::lower_bound(list.begin(), list.end(), key, [&](const T& one, const Key& wanted) { return key_of(one) < wanted; });
  const bool there = at != list.end() && key_of(*at) == key;
  if (value == nullptr) {
    if (there) list.erase(at);
  } else if (there) {
    *at = *value;
  } else {
    list.insert(at, *value);
  }
}

/// Whether the server is in the route with a share: it gets new connections.
bool serving(const ObservedCell& cell, const Sessions& sessions) {
  for (const Route& route : cell.routes)
    for (const Backend& backend : route.backends)
      if (backend.stack == sessions.stack && backend.percent > 0)
        for (const Backend::Server& server : backend.servers)
          if (server.index == sessions.index) return true;
  return false;
}

}  // namespace

DomainAnswers no_answers(const Error& error) {
  DomainAnswers out;
  out.scheduler = error;
  out.memory = error;
  out.discovery = error;
  out.balancer = error;
  return out;
}

DomainAnswers ask(Domain& domain) {
  DomainAnswers out;
  // Records first: what is launched between two of these calls is then at worst seen running without its record, never the reverse, and
  // nobody but this controller launches.
  out.memory = domain.memory->observe();
  out.scheduler = domain.scheduler->observe();
  out.discovery = domain.discovery->observe();
  out.balances = domain.balancer != nullptr;
  out.balancer = out.balances ? domain.balancer->observe() : Result<BalancerView>(BalancerView{});
  // Who asked for none misses nothing.
  if (domain.settings.balancer != "none") out.balancer_absent_reason = domain.balancer_absent_reason;
  return out;
}

/// The unit of a stack that is ours; nothing for another's.
std::optional<std::string> Assembly::unit_of(const std::string& stack) const {
  if (const StackRecord* const record = find_in(memory_.stacks, stack))
    return record->identity.owner == owner_ ? std::optional(record->identity.unit) : std::nullopt;
  const auto name = strangers_.contains(stack) ? std::nullopt : parse_stack_name(stack);
  return name ? std::optional(name->unit) : std::nullopt;
}

void Assembly::drop_if_empty(const std::string& unit, Observed& observed) const {
  const ObservedCell* const seen = find_in(observed.cells, {domain_, unit});
  if (seen != nullptr && *seen == ObservedCell{}) observed.cells.erase({domain_, unit});
}

void Assembly::place_stack(const std::string& stack, const std::optional<std::string>& old_unit, Observed& observed) {
  const StackRecord* const record = find_in(memory_.stacks, stack);
  const Running* const running = find_in(scheduler_.stacks, stack);
  const std::string* const published = find_in(discovery_.published, stack);
  const bool there = record != nullptr || running != nullptr || published != nullptr;
  const std::optional<std::string> unit = unit_of(stack);
  const auto name_of = [](const ObservedStack& one) -> const std::string& { return one.name; };
  if (old_unit && (old_unit != unit || !there) && observed.cells.contains({domain_, *old_unit})) {
    place<ObservedStack>(cell(*old_unit, observed).stacks, stack, nullptr, name_of);
    drop_if_empty(*old_unit, observed);
  }
  if (there && !unit)
    foreign_.insert(stack);
  else
    foreign_.erase(stack);
  if (!there || !unit) return;
  ObservedStack now{stack, std::nullopt, std::nullopt, std::nullopt};
  if (record != nullptr) now.record = *record;
  if (running != nullptr) now.running = *running;
  if (published != nullptr) now.published = *published;
  place(cell(*unit, observed).stacks, stack, &now, name_of);
}

/// Only connections to servers that get no new ones decide anything; the others come and go with every request, and a pass with nothing to
/// do must not look new because of them.
void Assembly::place_sessions(Observed& observed, std::set<std::string>& foreign) {
  std::map<std::string, std::vector<Sessions>> draining;
  for (const std::string& unit : draining_) draining[unit];
  for (const Sessions& sessions : balancer_.sessions) {
    if (sessions.count <= 0) continue;
    const std::optional<std::string> unit = unit_of(sessions.stack);
    if (!unit) {
      foreign.insert(sessions.stack);
      continue;
    }
    const ObservedCell* const seen = find_in(observed.cells, {domain_, *unit});
    if (seen == nullptr || !serving(*seen, sessions)) draining[*unit].push_back(sessions);
  }
  for (auto& [unit, list] : draining) {
    std::sort(list.begin(), list.end());
    const ObservedCell* const seen = find_in(observed.cells, {domain_, unit});
    if (list.empty())
      draining_.erase(unit);
    else
      draining_.insert(unit);
    if (seen == nullptr ? list.empty() : seen->sessions == list) continue;
    cell(unit, observed).sessions = std::move(list);
    drop_if_empty(unit, observed);
  }
}

void Assembly::update(const DomainAnswers& answers, Observed& observed) {
  const MemoryView memory = answers.memory ? *answers.memory : memory_;
  const SchedulerView scheduler = answers.scheduler ? *answers.scheduler : scheduler_;
  const DiscoveryView discovery = answers.discovery ? *answers.discovery : discovery_;
  const BalancerView balancer = answers.balancer ? *answers.balancer : balancer_;

  std::map<std::string, std::optional<std::string>> changed;  // stacks, with the units they were of
  const auto note = [&](const std::string& stack, const auto*, const auto*) { changed.emplace(stack, unit_of(stack)); };
  each_difference(memory_.stacks, memory.stacks, note);
  each_difference(scheduler_.stacks, scheduler.stacks, note);
  each_difference(discovery_.published, discovery.published, note);
  std::set<std::string> strangers(scheduler.foreign.begin(), scheduler.foreign.end());
  if (strangers != strangers_)
    for (const auto* side : {&strangers_, &strangers})
      for (const std::string& stack : *side) changed.emplace(stack, unit_of(stack));
  const auto place_service = [&](auto ObservedCell::*list) {
    return [this, list, &observed](const TrafficKey& key, const auto*, const auto* is) {
      if (key.domain != domain_) return;
      place(cell(key.unit, observed).*list, key, is, [](const auto& one) -> const TrafficKey& { return one.key; });
      drop_if_empty(key.unit, observed);
    };
  };
  each_difference(memory_.traffic, memory.traffic, place_service(&ObservedCell::traffic));
  each_difference(balancer_.routes, balancer.routes, place_service(&ObservedCell::routes));
  each_difference(balancer_.addresses, balancer.addresses, place_service(&ObservedCell::addresses));

  memory_ = memory;
  scheduler_ = scheduler;
  discovery_ = discovery;
  balancer_ = balancer;
  strangers_ = std::move(strangers);
  for (const auto& [stack, old_unit] : changed) place_stack(stack, old_unit, observed);
  std::set<std::string> foreign = strangers_;
  foreign.insert(foreign_.begin(), foreign_.end());
  place_sessions(observed, foreign);

  ObservedDomain& out = observed.domains[domain_];
  out.scheduler = source_of(answers.scheduler);
  out.memory = source_of(answers.memory);
  out.discovery = source_of(answers.discovery);
  out.balancer = source_of(answers.balancer);
  out.balances = answers.balances;
  if (!answers.balances) out.balancer.error = answers.balancer_absent_reason;
  out.claim = memory_.claim;
  if (answers.memory && !memory_.damaged.empty()) {
    out.memory.complete = false;
    out.memory.error = "records that cannot be read: " + joined(memory_.damaged, 5) +
                       ". What depends on them waits; put them back from a backup, or delete them to have them made anew";
  }
  out.foreign.assign(foreign.begin(), foreign.end());
}

ClaimVerdict judge_claim(const Desired& desired, const std::string& domain, const ObservedDomain& observed,
                         const Contains& contains) {
  if (!observed.memory.complete) return {};
  const Claim ours{desired.owner, desired.control_url, desired.control_commit};
  if (!observed.claim) return {"", ours, true};
  const Claim& claim = *observed.claim;
  if (claim == ours) return {};
  if (claim.owner != desired.owner)
    return {"domain " + domain + " belongs to another control repository (" + claim.control_url + ", id " + claim.owner +
                "); give this one a domain of its own, or remove everything of the other first",
            {},
            false};
  const bool allowed = same_place(claim.control_url, desired.control_url) ||
                       std::any_of(desired.moved_from.begin(), desired.moved_from.end(),
                                   [&](const std::string& former) { return same_place(former, claim.control_url); });
  if (!allowed)
    return {"domain " + domain + " was last governed from " + claim.control_url + ", not from " + desired.control_url +
                "; if the control repository moved, list the old address under moved_from in its owner.yml",
            {},
            false};
  if (claim.control_commit == desired.control_commit || claim.control_commit.empty()) return {"", ours, true};
  for (const WentBack& yes : desired.went_back)
    if (yes.from == claim.control_commit) {
      const Result<bool> follows = contains(desired.control_commit, yes.to);
      if (follows && *follows) return {"", ours, true};
    }
  const Result<bool> contained = contains(desired.control_commit, claim.control_commit);
  const std::string head = desired.control_commit.substr(0, 12);
  const std::string last = claim.control_commit.substr(0, 12);
  if (!contained)
    return {"cannot tell whether control commit " + head + " comes after " + last +
                ", which was last applied: " + contained.error().message,
            {},
            true};
  if (!*contained)
    return {"control commit " + head + " does not contain " + last +
                ", which was last applied (a restored backup, or a forced push); push a head that contains it (git merge " + last +
                "), or say yes in a file of acknowledgements/: {went_back: {from: " + claim.control_commit +
                ", to: " + desired.control_commit + "}, why: ...}",
            {},
            true};
  return {"", ours, true};
}

}  // namespace nelson
