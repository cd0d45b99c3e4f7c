#include "reconcilers/cell.h"

#include <algorithm>
#include <functional>
#include <set>
#include <tuple>

#include "reconcilers/expirations.h"
#include "reconcilers/status.h"
#include "state/model/names.h"

namespace nelson {
namespace {

/// Two repositories may claim a unit; then the one that the running stack names goes on, if it still claims it (semantics 4).
std::optional<std::string> deciding_claimant(const DesiredCell& intent, const ObservedCell* seen) {
  std::set<std::string> running;
  if (seen != nullptr)
    for (const ObservedStack& stack : seen->stacks)
      if (is_live(stack)) running.insert(stack.record->identity.repository);
  std::optional<std::string> only;
  for (const std::string& claimant : intent.claimants)
    if (running.contains(claimant)) {
      if (only) return std::nullopt;
      only = claimant;
    }
  return only;
}

Hold two_claims(const CellKey& key, const DesiredCell& intent) {
  std::string files;
  for (const std::string& claimant : intent.claimants)
    files += (files.empty() ? "" : " and ") + ("repositories/" + claimant + ".yml");
  return {.cell = key,
          .name_space = "",
          .repository = intent.claimants.front(),
          .subject = key.unit,
          .code = "two-claims",
          .reason = "more than one repository declares the unit " + key.unit + ": " + files,
          .clears_when = "one of them stops declaring it, or one of the files says `units: [" + key.unit + "]`",
          .trouble = true};
}

std::uint64_t generation_in_force(const DesiredStack& desired, const ObservedCell* seen) {
  std::uint64_t generation = desired.generation;
  if (seen != nullptr)
    for (const ObservedStack& stack : seen->stacks)
      if (stack.record && stack.record->identity.name_space == desired.name_space)
        generation = std::max(generation, stack.record->identity.generation);
  return generation;
}

Candidate make_candidate(const CellKey& key, const std::string& owner, const DesiredStack& desired, const ObservedCell* seen) {
  Candidate candidate{.desired = &desired,
                      .identity = {.owner = owner,
                                   .domain = key.domain,
                                   .name_space = desired.name_space,
                                   .repository = desired.repository,
                                   .unit = key.unit,
                                   .plan = desired.plan,
                                   .version = desired.version,
                                   .artifact = desired.artifact,
                                   .generation = generation_in_force(desired, seen),
                                   .spec = desired.spec},
                      .name = {}};
  candidate.name = stack_name(candidate.identity);
  return candidate;
}

bool same_place(const Identity& a, const DesiredStack& b) { return a.name_space == b.name_space && a.plan == b.plan; }

/// Whether Git has a patch for the major of the stack.
bool is_patched(const DesiredCell& intent, const Identity& stack) {
  return std::any_of(intent.stacks.begin(), intent.stacks.end(), [&](const DesiredStack& desired) {
    return desired.patch && desired.version.major == stack.version.major && same_place(stack, desired);
  });
}

/// The live stack that stays in a candidate's place while that is not what the ref names, fetched since this controller started: a unit
/// does not go to another commit on an old memory of Git (semantics 2). What is of a patch's major stands for the current release only
/// where nothing else does.
const ObservedStack* standing_for(const Candidate& candidate, const DesiredCell& intent, const ObservedCell* seen) {
  if (candidate.desired->fresh || seen == nullptr) return nullptr;
  const ObservedStack* best = nullptr;
  const auto rank = [&](const ObservedStack& stack) {
    return std::tuple(!is_patched(intent, stack.record->identity), *stack.record->launched);
  };
  for (const ObservedStack& stack : seen->stacks) {
    if (!is_live(stack) || !same_place(stack.record->identity, *candidate.desired)) continue;
    if (stack.name == candidate.name) return nullptr;
    if (candidate.desired->patch && stack.record->identity.version.major != candidate.desired->version.major) continue;
    if (best == nullptr || rank(*best) < rank(stack)) best = &stack;
  }
  return best;
}

/// Whether somebody calls what Git wants here, or would once it is launched.
bool is_awaited(const Case& c, const CallerIndex& callers, const CellKey& key) {
  const auto found = callers.find(key);
  if (found == callers.end()) return false;
  const Identity& called = c.identity();
  return std::any_of(found->second.begin(), found->second.end(), [&](const Caller& caller) {
    const bool in_reach = caller.name_space == called.name_space || is_below(caller.name_space, called.name_space);
    return in_reach && caller.stack != c.name && caller.version.major == called.version.major &&
           caller.version.minor <= called.version.minor;
  });
}

}  // namespace

Provider make_provider(const CellKey& key, const Desired& desired, const Observed& observed) {
  Provider provider;
  if (const DesiredCell* const wanted = find_in(desired.cells, key))
    for (const DesiredStack& stack : wanted->stacks) provider.named.push_back(stack.name_space);
  const ObservedCell* const seen = find_in(observed.cells, key);
  if (seen == nullptr) return provider;
  provider.targets = targets_of(*seen);
  provider.partial = std::any_of(seen->traffic.begin(), seen->traffic.end(), [&](const TrafficRecord& traffic) {
    return std::any_of(traffic.weights.begin(), traffic.weights.end(), [&](const Weight& weight) {
      const ObservedStack* const stack = find_stack(*seen, weight.stack);
      return weight.percent > 0 && stack != nullptr && stack->running && !stack->record;
    });
  });
  const DesiredCell* const intent = find_in(desired.cells, key);
  for (const Target& target : provider.targets) {
    const bool named =
        intent != nullptr && std::any_of(intent->stacks.begin(), intent->stacks.end(),
                                         [&](const DesiredStack& stack) { return stack.name_space == target.name_space; });
    const DesiredRepository* const repository = find_in(desired.repositories, target.record->identity.repository);
    if (!named && (repository == nullptr || repository->state == RepositoryState::kCurrent))
      provider.left.push_back(target.name_space);
  }
  return provider;
}

bool Provider::deprecated_in(const std::string& name_space) const {
  return std::find(left.begin(), left.end(), name_space) != left.end();
}

bool Provider::expected_for(std::string_view name_space) const {
  return std::any_of(named.begin(), named.end(),
                     [&](const std::string& name) { return name == name_space || is_below(name_space, name); });
}

const TrafficRecord* Cell::traffic(const TrafficKey& traffic_key) const {
  if (seen == nullptr) return nullptr;
  for (const TrafficRecord& record : seen->traffic)
    if (record.key == traffic_key) return &record;
  return nullptr;
}

const Case* Cell::find(const std::string& stack) const {
  const auto at =
      std::lower_bound(cases.begin(), cases.end(), stack, [](const Case& c, const std::string& name) { return c.name < name; });
  return at != cases.end() && at->name == stack ? &*at : nullptr;
}

namespace {

/// Whether a patch is wanted.
using Wants = std::function<bool(const DesiredStack& patch)>;

Cell cell_with(const Wants& wants, const CellKey& key, const Desired& desired, const Observed& observed, const CallerIndex& callers,
               Instant now) {
  Cell cell;
  cell.key = key;
  cell.owner = desired.owner;
  cell.domain = find_in(desired.domains, key.domain);
  cell.world = find_in(observed.domains, key.domain);
  cell.intent = find_in(desired.cells, key);
  cell.seen = find_in(observed.cells, key);

  // What Git wants. A domain that is leaving wants nothing.
  const bool intends = cell.intent != nullptr && cell.domain != nullptr && !cell.domain->leaving;
  std::optional<std::string> claimant;
  if (intends && cell.intent->claimants.size() > 1) {
    claimant = deciding_claimant(*cell.intent, cell.seen);
    if (!claimant) cell.contested = two_claims(key, *cell.intent);
  }
  if (intends && !cell.contested)
    for (const DesiredStack& stack : cell.intent->stacks)
      if ((!claimant || stack.repository == *claimant) && (!stack.patch || wants(stack)))
        cell.candidates.push_back(make_candidate(key, desired.owner, stack, cell.seen));

  std::map<std::string, bool> standing;  // name -> whether for a patch
  std::set<std::string> stood_for;
  for (const Candidate& candidate : cell.candidates)
    if (const ObservedStack* stack = standing_for(candidate, *cell.intent, cell.seen)) {
      const auto [at, is_new] = standing.try_emplace(stack->name, candidate.desired->patch);
      if (!is_new) at->second = at->second && candidate.desired->patch;
      stood_for.insert(candidate.name);
    }

  // One case a stack: what is there and what is wanted, merged by name.
  std::map<std::string, Case> cases;
  if (cell.seen != nullptr)
    for (const ObservedStack& stack : cell.seen->stacks) {
      Case& c = cases[stack.name];
      c.observed = &stack;
      c.record = stack.record ? &*stack.record : nullptr;
      c.running = stack.running ? &*stack.running : nullptr;
      c.live = is_live(stack);
      const auto stands = standing.find(stack.name);
      c.stands = stands != standing.end();
      c.patch = c.stands && stands->second;
    }
  for (const Candidate& candidate : cell.candidates) {
    if (stood_for.contains(candidate.name)) continue;
    Case& c = cases[candidate.name];
    c.candidate = &candidate;
    c.patch = candidate.desired->patch;
  }

  const std::vector<Target> targets = cell.seen != nullptr ? targets_of(*cell.seen) : std::vector<Target>{};
  std::map<std::string, std::set<std::string>> called_by;
  if (const auto found = callers.find(key); found != callers.end())
    for (const Caller& caller : found->second) {
      if (caller.waits) continue;
      for (const Target& target : visible(targets, caller.name_space, caller.version.major))
        if (caller.stack != target.stack) called_by[target.stack].insert(caller.stack);
    }

  for (auto& [name, c] : cases) {
    c.name = name;
    if (c.record == nullptr && c.candidate == nullptr) {  // runs, and nobody knows as what
      cell.cases.push_back(std::move(c));
      continue;
    }
    const Identity& identity = c.identity();
    c.job = !identity.spec.schedule.empty();
    c.serves = !c.job && !identity.spec.ports.empty();
    c.healthy = c.observed != nullptr && cell.domain != nullptr && healthy(*c.observed, *cell.domain, now);
    c.named = std::any_of(cell.candidates.begin(), cell.candidates.end(), [&](const Candidate& candidate) {
      const DesiredStack& wants = *candidate.desired;
      return same_place(identity, wants) && (!wants.patch || wants.version.major == identity.version.major);
    });
    const DesiredRepository* const repository = find_in(desired.repositories, identity.repository);
    // A domain that is leaving says itself that it wants nothing, whatever its repositories say.
    c.absence_known = !cell.contested && (repository == nullptr || repository->state == RepositoryState::kCurrent ||
                                          (cell.domain != nullptr && cell.domain->leaving));
    if (const auto found = called_by.find(name); found != called_by.end())
      c.callers.assign(found->second.begin(), found->second.end());
    if (cell.domain != nullptr && cell.domain->retire_idle && !c.job) {
      c.awaited = c.candidate != nullptr && is_awaited(c, callers, key);
      c.retired_idle = c.record != nullptr && c.record->tombstone && !c.awaited;
    }
    if (const TrafficRecord* traffic = cell.traffic({key.domain, identity.name_space, key.unit, identity.version.major}))
      for (const Weight& weight : traffic->weights)
        if (weight.stack == name) c.percent = weight.percent;
    cell.cases.push_back(std::move(c));
  }

  std::set<std::string> needed;
  for (const Case& c : cell.cases)
    if (c.live || c.candidate != nullptr)
      for (const Dependency& dependency : c.identity().spec.dependencies) needed.insert(dependency.unit);
  for (const std::string& unit : needed) cell.providers[unit] = make_provider({key.domain, unit}, desired, observed);
  return cell;
}

}  // namespace

Cell make_cell(const CellKey& key, const Desired& desired, const Observed& observed, const CallerIndex& callers, Instant now) {
  Cell cell = cell_with([](const DesiredStack&) { return false; }, key, desired, observed, callers, now);
  // Whether a major is needed is asked of the cell as it is without its patches: a patch that kept itself would never go.
  const auto wants = [&](const DesiredStack& patch) {
    return need_of_major(cell, patch.name_space, patch.version.major).has_value();
  };
  const bool patched = cell.intent != nullptr && !cell.candidates.empty() &&
                       std::any_of(cell.intent->stacks.begin(), cell.intent->stacks.end(),
                                   [&](const DesiredStack& stack) { return stack.patch && wants(stack); });
  if (patched) return cell_with(wants, key, desired, observed, callers, now);
  return cell;
}

}  // namespace nelson
