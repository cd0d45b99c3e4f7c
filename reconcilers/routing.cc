#include "reconcilers/routing.h"

#include <algorithm>
#include <tuple>

#include "state/model/names.h"

namespace nelson {

const ObservedStack* find_stack(const ObservedCell& cell, const std::string& name) {
  const auto at = std::lower_bound(cell.stacks.begin(), cell.stacks.end(), name,
                                   [](const ObservedStack& stack, const std::string& wanted) { return stack.name < wanted; });
  return at != cell.stacks.end() && at->name == name ? &*at : nullptr;
}

bool is_live(const ObservedStack& stack) {
  return stack.record && !stack.record->removed && !stack.record->retiring && stack.record->launched;
}

std::vector<Target> targets_of(const ObservedCell& cell) {
  std::vector<Target> targets;
  for (const TrafficRecord& traffic : cell.traffic) {
    const std::int32_t led = [&] {
      std::int32_t sum = 0;
      for (const Weight& weight : traffic.weights)
        if (std::binary_search(traffic.target.begin(), traffic.target.end(), weight.stack)) sum += weight.percent;
      return sum;
    }();
    const bool arrived = led == 100;
    for (const Weight& weight : traffic.weights) {
      if (arrived && weight.percent == 0) continue;  // the course is over: what it left behind is no target any more
      const ObservedStack* stack = find_stack(cell, weight.stack);
      if (stack == nullptr || !is_live(*stack)) continue;
      const bool leads = std::binary_search(traffic.target.begin(), traffic.target.end(), weight.stack);
      targets.push_back({traffic.key.name_space, traffic.key.major, weight.stack, weight.percent, &*stack->record, leads});
    }
  }
  return targets;
}

bool Target::operator==(const Target& other) const {
  return std::tie(name_space, major, stack, percent, leads) ==
             std::tie(other.name_space, other.major, other.stack, other.percent, other.leads) &&
         (record == other.record || record->identity == other.record->identity);
}

std::vector<Call> calls_of(const CellKey& key, const ObservedCell& cell) {
  std::vector<Call> calls;
  for (const ObservedStack& stack : cell.stacks) {
    if (!is_live(stack)) continue;
    const Identity& identity = stack.record->identity;
    for (const Dependency& dependency : identity.spec.dependencies)
      calls.push_back({{key.domain, dependency.unit}, {stack.name, identity.name_space, dependency.version}});
  }
  return calls;
}

std::vector<Call> calls_to_come(const CellKey& key, const DesiredCell& intent, const ObservedCell* seen) {
  std::vector<Call> calls;
  for (const DesiredStack& stack : intent.stacks) {
    if (stack.patch) continue;  // perhaps nobody needs it, and then it calls nobody
    const bool was_there =
        seen != nullptr && std::any_of(seen->stacks.begin(), seen->stacks.end(), [&](const ObservedStack& other) {
          return other.record && other.record->identity.name_space == stack.name_space &&
                 other.record->identity.version == stack.version;
        });
    if (was_there) continue;
    for (const Dependency& dependency : stack.spec.dependencies)
      if (dependency.unit != key.unit)
        calls.push_back({{key.domain, dependency.unit},
                         {key.unit + ' ' + to_string(stack.version), stack.name_space, dependency.version, true}});
  }
  return calls;
}

std::optional<std::string> resolve(const std::vector<Target>& targets, std::string_view name_space, std::uint32_t major) {
  for (std::optional<std::string_view> at = name_space; at; at = parent_of(*at))
    for (const Target& target : targets)
      if (target.name_space == *at && target.major == major) return std::string(*at);
  return std::nullopt;
}

std::vector<Target> visible(const std::vector<Target>& targets, std::string_view name_space, std::uint32_t major) {
  const std::optional<std::string> home = resolve(targets, name_space, major);
  std::vector<Target> seen;
  for (const Target& target : targets)
    if (target.major == major && ((home && target.name_space == *home) || is_below(target.name_space, name_space)))
      seen.push_back(target);
  return seen;
}

}  // namespace nelson
