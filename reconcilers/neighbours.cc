#include "reconcilers/neighbours.h"

#include <algorithm>

#include "reconcilers/cell.h"

namespace nelson {
namespace {

/// Adds to `out` the keys of a map's cells in `domain`, or in all when it is "".
template <class Cells>
void add_cells(const Cells& cells, const std::string& domain, std::set<CellKey>& out) {
  for (auto at = cells.lower_bound({domain, ""}); at != cells.end() && (domain.empty() || at->first.domain == domain); ++at)
    out.insert(at->first);
}

/// Whether plans and rows can tell the two apart: neither the claim nor what is foreign is any cell's.
bool alike(ObservedDomain a, ObservedDomain b) {
  for (ObservedDomain* domain : {&a, &b}) {
    domain->claim.reset();
    domain->foreign.clear();
  }
  return a == b;
}

std::set<std::string> changed_domains(const Desired& desired_before, const Desired& desired, const Observed& before,
                                      const Observed& observed) {
  std::set<std::string> names, changed;
  for (const Desired* side : {&desired_before, &desired})
    for (const auto& [name, settings] : side->domains) names.insert(name);
  for (const Observed* side : {&before, &observed})
    for (const auto& [name, domain] : side->domains) names.insert(name);
  for (const std::string& name : names) {
    const DomainSettings *was = find_in(desired_before.domains, name), *is = find_in(desired.domains, name);
    const ObservedDomain *seen = find_in(before.domains, name), *sees = find_in(observed.domains, name);
    const bool same = (was == nullptr || is == nullptr ? was == is : *was == *is) &&
                      (seen == nullptr || sees == nullptr ? seen == sees : alike(*seen, *sees));
    if (!same) changed.insert(name);
  }
  return changed;
}

/// Cells in which a stack is of one of these repositories.
void add_cells_of(const std::set<std::string>& repositories, const Desired& desired, const Observed& observed,
                  std::set<CellKey>& out) {
  for (const auto& [key, cell] : desired.cells)
    for (const DesiredStack& stack : cell.stacks)
      if (repositories.contains(stack.repository)) out.insert(key);
  for (const auto& [key, cell] : observed.cells)
    for (const ObservedStack& stack : cell.stacks)
      if (stack.record && repositories.contains(stack.record->identity.repository)) out.insert(key);
}

/// The units that a cell's providers are looked up for, and perhaps some more.
std::set<CellKey> needs_of(const CellKey& key, const Desired& desired, const Observed& observed) {
  std::set<CellKey> needs;
  const auto add = [&](const Spec& spec) {
    for (const Dependency& dependency : spec.dependencies) needs.insert({key.domain, dependency.unit});
  };
  if (const DesiredCell* const cell = find_in(desired.cells, key))
    for (const DesiredStack& stack : cell->stacks) add(stack.spec);
  if (const ObservedCell* const cell = find_in(observed.cells, key))
    for (const ObservedStack& stack : cell->stacks)
      if (is_live(stack)) add(stack.record->identity.spec);
  return needs;
}

std::vector<Call> all_calls(const CellKey& key, const Desired& desired, const Observed& observed) {
  const ObservedCell* const seen = find_in(observed.cells, key);
  std::vector<Call> calls = seen != nullptr ? calls_of(key, *seen) : std::vector<Call>{};
  if (const DesiredCell* const intent = find_in(desired.cells, key))
    for (Call& call : calls_to_come(key, *intent, seen)) calls.push_back(std::move(call));
  return calls;
}

}  // namespace

/// Calls that this cell's stacks make or will make: out of the index as they were, into it as they are.
void Neighbours::take_calls(const CellKey& key, const Desired& desired, const Observed& observed, std::set<CellKey>& concerned) {
  const std::vector<Call> before = all_calls(key, desired_, observed_);
  const std::vector<Call> now = all_calls(key, desired, observed);
  if (before == now) return;
  for (const Call& call : before) {
    concerned.insert(call.to);
    std::vector<Caller>& callers = callers_[call.to];
    callers.erase(std::lower_bound(callers.begin(), callers.end(), call.from));
    if (callers.empty()) callers_.erase(call.to);
  }
  for (const Call& call : now) {
    concerned.insert(call.to);
    std::vector<Caller>& callers = callers_[call.to];
    callers.insert(std::upper_bound(callers.begin(), callers.end(), call.from), call.from);
  }
}

void Neighbours::take_needs(const CellKey& key, const Desired& desired, const Observed& observed) {
  const std::set<CellKey> before = needs_of(key, desired_, observed_);
  const std::set<CellKey> now = needs_of(key, desired, observed);
  for (const CellKey& needed : before) {
    if (now.contains(needed)) continue;
    std::vector<CellKey>& list = needed_by_[needed];
    list.erase(std::lower_bound(list.begin(), list.end(), key));
    if (list.empty()) needed_by_.erase(needed);
  }
  for (const CellKey& needed : now) {
    if (before.contains(needed)) continue;
    std::vector<CellKey>& list = needed_by_[needed];
    list.insert(std::lower_bound(list.begin(), list.end(), key), key);
  }
}

std::set<CellKey> Neighbours::advance(const Desired& desired, const Observed& observed) {
  std::set<CellKey> concerned;
  const auto add_domain = [&](const std::string& domain) {
    add_cells(desired.cells, domain, concerned);
    add_cells(observed.cells, domain, concerned);
  };
  if (desired_.owner != desired.owner) add_domain("");
  for (const std::string& domain : changed_domains(desired_, desired, observed_, observed)) add_domain(domain);

  std::set<CellKey> changed;
  each_difference(desired_.cells, desired.cells, [&](const CellKey& key, auto*, auto*) { changed.insert(key); });
  each_difference(observed_.cells, observed.cells, [&](const CellKey& key, auto*, auto*) { changed.insert(key); });
  std::set<std::string> repositories;  // known better or worse than before
  each_difference(desired_.repositories, desired.repositories,
                  [&](const std::string& name, const DesiredRepository* was, const DesiredRepository* is) {
                    if (was == nullptr || is == nullptr || was->state != is->state) repositories.insert(name);
                  });
  if (!repositories.empty()) add_cells_of(repositories, desired, observed, changed);

  for (const CellKey& key : changed) {
    take_calls(key, desired, observed, concerned);
    take_needs(key, desired, observed);
  }
  for (const CellKey& key : changed)
    if (const auto* const waiting = find_in(needed_by_, key))
      if (!(make_provider(key, desired_, observed_) == make_provider(key, desired, observed)))
        concerned.insert(waiting->begin(), waiting->end());
  concerned.merge(changed);

  desired_ = desired;
  desired_.problems.clear();
  observed_ = observed;
  return concerned;
}

}  // namespace nelson
