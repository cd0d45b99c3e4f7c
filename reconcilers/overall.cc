#include "reconcilers/overall.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace nelson {
namespace {

using Cells = std::vector<std::pair<CellKey, CellPlan>>;
using Calls = std::map<std::string, std::set<std::string>>;  // unit -> units it calls

/// The shortest chain of calls from `from` to `to`, both named; empty when there is none.
std::vector<std::string> chain(const Calls& calls, const std::string& from, const std::string& to) {
  std::map<std::string, std::string> came_from{{from, ""}};
  std::vector<std::string> queue{from};
  for (std::size_t i = 0; i < queue.size(); ++i) {
    if (queue[i] == to) {
      std::vector<std::string> path;
      for (std::string at = to; !at.empty(); at = came_from[at]) path.insert(path.begin(), at);
      return path;
    }
    const auto next = calls.find(queue[i]);
    if (next == calls.end()) continue;
    for (const std::string& unit : next->second)
      if (came_from.emplace(unit, queue[i]).second) queue.push_back(unit);
  }
  return {};
}

Hold hold_instead(const Action& action, std::string code, std::string reason, std::string clears_when) {
  return {action.cell,     action.name_space, action.repository,      stack_of(action.effect),
          std::move(code), std::move(reason), std::move(clears_when), true};
}

/// Replaces the actions that `held` picks by holds.
template <class Held>
void hold_back(CellPlan& plan, Held held) {
  std::vector<Action> going;
  for (Action& action : plan.actions) {
    if (auto hold = held(action))
      plan.held.push_back(std::move(*hold));
    else
      going.push_back(std::move(action));
  }
  plan.actions = std::move(going);
}

}  // namespace

void break_cycles(Cells& cells) {
  std::map<std::string, Calls> domains;
  bool first_launches = false;
  for (const auto& [key, plan] : cells) {
    domains[key.domain][key.unit].insert(plan.calls.begin(), plan.calls.end());
    first_launches = first_launches || !plan.first_launches.empty();
  }
  if (!first_launches) return;
  for (auto& [key, plan] : cells) {
    if (plan.first_launches.empty()) continue;
    const Calls& calls = domains[key.domain];
    hold_back(plan, [&, &key = key, &plan = plan](const Action& action) -> std::optional<Hold> {
      const auto* const launch = std::get_if<Launch>(&action.effect);
      if (launch == nullptr ||
          std::find(plan.first_launches.begin(), plan.first_launches.end(), launch->stack) == plan.first_launches.end())
        return std::nullopt;
      for (const Dependency& dependency : launch->identity.spec.dependencies) {
        const std::vector<std::string> path = chain(calls, dependency.unit, key.unit);
        if (path.empty()) continue;
        std::string circle = key.unit;
        for (const std::string& unit : path) circle += " -> " + unit;
        return hold_instead(action, "dependency-cycle", "its dependencies form a circle: " + circle,
                            "one of these dependencies leaves its manifest");
      }
      return std::nullopt;
    });
  }
}

void apply_brake(Cells& cells, const Desired& desired) {
  struct Count {
    std::set<std::string> losing;
    std::size_t live = 0;
  };
  std::map<std::string, Count> domains;
  for (const auto& [key, plan] : cells) {
    Count& count = domains[key.domain];
    count.live += plan.live;
    for (const std::string& stack : plan.losing)
      if (!std::binary_search(desired.acknowledged.begin(), desired.acknowledged.end(), stack)) count.losing.insert(stack);
  }
  for (auto& [key, plan] : cells) {
    const auto settings = desired.domains.find(key.domain);
    if (settings == desired.domains.end()) continue;
    const Count& count = domains[key.domain];
    if (count.losing.size() <= settings->second.brake_count ||
        count.losing.size() * 100 <= std::size_t{settings->second.brake_percent} * count.live)
      continue;
    hold_back(plan, [&](const Action& action) -> std::optional<Hold> {
      const auto* const note = std::get_if<Note>(&action.effect);
      if (note == nullptr || note->fact != Fact::kRetiring || !count.losing.contains(note->stack)) return std::nullopt;
      return hold_instead(action, "brake",
                          "Git names " + std::to_string(count.losing.size()) + " of " + std::to_string(count.live) +
                              " live stacks of " + action.cell.domain + " no more: none of them goes without a yes",
                          "acknowledgements/<name>.yml in the control repository lists it: `stacks: [" + note->stack + "]`");
    });
  }
}

}  // namespace nelson
