#include "reconcilers/overall.h"

#include <algorithm>
#include <iterator>

#include "state/model/names.h"

namespace nelson {
namespace {

using Cells = std::vector<std::pair<CellKey, CellPlan>>;

/// The shortest chain of calls within `domain` from the unit `from` to the unit `to`, both named; empty when there is none.
std::vector<std::string> chain(const std::map<CellKey, CellPlan>& all, const std::string& domain, const std::string& from,
                               const std::string& to) {
  std::map<std::string, std::string> came_from{{from, ""}};
  std::vector<std::string> queue{from};
  for (std::size_t i = 0; i < queue.size(); ++i) {
    if (queue[i] == to) {
      std::vector<std::string> path;
      for (std::string at = to; !at.empty(); at = came_from[at]) path.insert(path.begin(), at);
      return path;
    }
    const auto next = all.find({domain, queue[i]});
    if (next == all.end()) continue;
    const std::string unit = queue[i];
    for (const std::string& called : next->second.calls)
      if (came_from.emplace(called, unit).second) queue.push_back(called);
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

/// The lines to commit, equal for all that the brake holds, so that they are told once.
std::string acknowledgement_of(const std::set<std::string>& stacks) {
  constexpr std::size_t kMost = 50;
  std::string names;
  std::size_t listed = 0;
  for (const std::string& stack : stacks) {
    if (listed++ == kMost) break;
    names += (names.empty() ? "" : ", ") + stack;
  }
  const std::string rest =
      stacks.size() > kMost ? " (and " + std::to_string(stacks.size() - kMost) + " more, once these are gone)" : "";
  return "a file in acknowledgements/ of the control repository lists them: {stacks: [" + names + "]" + rest + ", why: ...}";
}

}  // namespace

void break_cycles(Cells& cells, const std::map<CellKey, CellPlan>& all) {
  for (auto& [key, plan] : cells) {
    if (plan.first_launches.empty()) continue;
    hold_back(plan, [&, &key = key, &plan = plan](const Action& action) -> std::optional<Hold> {
      const auto* const launch = std::get_if<Launch>(&action.effect);
      if (launch == nullptr ||
          std::find(plan.first_launches.begin(), plan.first_launches.end(), launch->stack) == plan.first_launches.end())
        return std::nullopt;
      for (const Dependency& dependency : launch->identity.spec.dependencies) {
        const std::vector<std::string> path = chain(all, key.domain, dependency.unit, key.unit);
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

void spare_the_called(Cells& cells) {
  std::map<std::pair<CellKey, std::uint32_t>, std::string> called;  // unit and major in a domain -> a stack that will call it
  for (const auto& [key, plan] : cells)
    for (const Action& action : plan.actions)
      if (const auto* const launch = std::get_if<Launch>(&action.effect))
        for (const Dependency& dependency : launch->identity.spec.dependencies)
          called.emplace(std::pair(CellKey{key.domain, dependency.unit}, dependency.version.major), launch->stack);
  if (called.empty()) return;
  for (auto& [key, plan] : cells)
    hold_back(plan, [&called, &key = key](const Action& action) -> std::optional<Hold> {
      const auto* const note = std::get_if<Note>(&action.effect);
      if (note == nullptr || (note->fact != Fact::kRetiring && note->fact != Fact::kRetiringIdle)) return std::nullopt;
      const auto name = parse_stack_name(note->stack);
      const auto caller = name ? called.find({key, name->version.major}) : called.end();
      if (caller == called.end()) return std::nullopt;
      Hold hold =
          hold_instead(action, "removal-held", "due to retire, but " + caller->second + " is being launched and calls its unit",
                       "the next pass knows whether it calls this stack");
      hold.trouble = false;
      return hold;
    });
}

void apply_brake(Cells& cells, const std::map<std::string, Losses>& losses, const Desired& desired) {
  std::map<std::string, std::set<std::string>> braked;  // by domain: what would go and nobody has said yes to
  for (const auto& [domain, loss] : losses) {
    const auto settings = desired.domains.find(domain);
    if (settings == desired.domains.end() || loss.stacks.size() <= settings->second.brake_count) continue;
    std::set<std::string> losing;
    std::set_difference(loss.stacks.begin(), loss.stacks.end(), desired.acknowledged.begin(), desired.acknowledged.end(),
                        std::inserter(losing, losing.end()));
    if (losing.size() > settings->second.brake_count &&
        losing.size() * 100 > std::size_t{settings->second.brake_percent} * loss.live)
      braked[domain] = std::move(losing);
  }
  std::map<std::string, std::string> ways_out;
  for (auto& [key, plan] : cells) {
    const auto found = braked.find(key.domain);
    if (found == braked.end()) continue;
    const std::set<std::string>& losing = found->second;
    const std::size_t live = losses.at(key.domain).live;
    std::string& way_out = ways_out[key.domain];
    if (way_out.empty()) way_out = acknowledgement_of(losing);
    hold_back(plan, [&](const Action& action) -> std::optional<Hold> {
      const auto* const note = std::get_if<Note>(&action.effect);
      if (note == nullptr || note->fact != Fact::kRetiring || !losing.contains(note->stack)) return std::nullopt;
      return hold_instead(action, "brake",
                          "Git names " + std::to_string(losing.size()) + " of " + std::to_string(live) + " live stacks of " +
                              action.cell.domain + " no more: none of them goes without a yes",
                          way_out);
    });
  }
}

}  // namespace nelson
