#include "reconcilers/plan.h"

#include <algorithm>
#include <array>
#include <set>

#include "reconcilers/cell.h"
#include "reconcilers/cell_plan.h"
#include "reconcilers/deployments.h"
#include "reconcilers/discovery.h"
#include "reconcilers/expirations.h"
#include "reconcilers/overall.h"
#include "reconcilers/traffic.h"
#include "state/model/canonical.h"
#include "state/model/digest.h"

namespace nelson {
namespace {

/// The order in which kinds of effects run, over all cells. Weights and routes move before anything is removed, so that no request meets a
/// stack that is going away; records are removed last.
int rank(const Effect& effect) {
  struct Ranked {
    int operator()(const Launch&) const { return 0; }
    int operator()(const Repair&) const { return 1; }
    int operator()(const Update&) const { return 2; }
    int operator()(const Scale&) const { return 3; }
    int operator()(const Note& note) const { return note.fact == Fact::kRetiring || note.fact == Fact::kRetiringIdle ? 10 : 4; }
    int operator()(const Shift&) const { return 5; }
    int operator()(const DropTraffic&) const { return 6; }
    int operator()(const Serve&) const { return 7; }
    int operator()(const Unserve&) const { return 8; }
    int operator()(const Publish&) const { return 9; }
    int operator()(const Remove&) const { return 11; }
    int operator()(const Unpublish&) const { return 12; }
    int operator()(const Bury&) const { return 13; }
  };
  return std::visit(Ranked{}, effect);
}

Identity subject_identity(const Cell& cell) {
  for (const Case& c : cell.cases)
    if (c.record != nullptr || c.candidate != nullptr) return c.identity();
  return {};
}

/// What keeps a whole cell from being decided on; nothing when it can be.
std::optional<Hold> undecidable(const Cell& cell) {
  const Identity identity = subject_identity(cell);
  const auto held = [&](std::string code, std::string reason, std::string clears_when) {
    return Hold{cell.key,        identity.name_space, identity.repository,    cell.key.unit,
                std::move(code), std::move(reason),   std::move(clears_when), true};
  };
  if (cell.domain == nullptr)
    return held("domain-gone",
                "no file in domains/ names the domain " + cell.key.domain + " any more: its stacks run on, untouched",
                "domains/" + cell.key.domain + ".yml is restored, with `leaving: true` if it is to be emptied");
  if (cell.world == nullptr) return held("unobserved", "domain " + cell.key.domain + " was not observed yet", "it is observed");
  for (const auto& [name, source] : {std::pair("scheduler", &cell.world->scheduler), std::pair("records", &cell.world->memory)})
    if (!source->complete)
      return held("unobserved", "the " + std::string(name) + " of domain " + cell.key.domain + " cannot be read: " + source->error,
                  "it answers again");
  return std::nullopt;
}

/// Records of services that nothing lives behind any more.
void drop_traffic(const Cell& cell, const std::vector<Service>& services, CellPlan& out) {
  if (cell.seen == nullptr) return;
  for (const TrafficRecord& record : cell.seen->traffic) {
    if (std::any_of(services.begin(), services.end(), [&](const Service& service) { return service.key == record.key; })) continue;
    Identity identity;
    identity.name_space = record.key.name_space;
    out.act(cell, identity, DropTraffic{record.key}, "nothing lives behind it any more");
  }
}

/// Somebody has to say yes first (another owner's claim, a control repository that went back): what runs is kept running, no more.
void hold_all_but_repair(const Cell& cell, CellPlan& out) {
  const auto dropped =
      std::erase_if(out.actions, [](const Action& action) { return !std::holds_alternative<Repair>(action.effect); });
  if (dropped == 0) return;
  out.hold(cell, subject_identity(cell), cell.key.unit, "changes-held", cell.world->changes_held,
           "it is acknowledged in the control repository", true);
}

CellPlan plan_cell(const Cell& cell, Instant now) {
  CellPlan out;
  if (auto hold = undecidable(cell)) {
    out.held.push_back(std::move(*hold));
    return out;
  }
  if (cell.contested) out.held.push_back(*cell.contested);
  for (const Case& c : cell.cases) {
    if (!c.live && c.candidate == nullptr) continue;
    for (const Dependency& dependency : c.identity().spec.dependencies) out.calls.push_back(dependency.unit);
  }
  plan_deployments(cell, now, out);
  for (const Case& c : cell.cases)
    if (c.live) plan_upkeep(cell, c, verdict_on(cell, c).kept, now, out);
  const std::vector<Service> services = plan_traffic(cell, now, out);
  drop_traffic(cell, services, out);
  plan_routes(cell, services, out);
  plan_discovery(cell, out);
  plan_expirations(cell, now, out);
  if (!cell.world->changes_held.empty()) hold_all_but_repair(cell, out);
  return out;
}

Plan merge(std::vector<std::pair<CellKey, CellPlan>> cells) {
  Plan plan;
  for (auto& [key, cell] : cells) {
    std::move(cell.actions.begin(), cell.actions.end(), std::back_inserter(plan.actions));
    std::move(cell.held.begin(), cell.held.end(), std::back_inserter(plan.held));
    if (cell.wake_at && (!plan.wake_at || *cell.wake_at < *plan.wake_at)) plan.wake_at = cell.wake_at;
  }
  std::stable_sort(plan.actions.begin(), plan.actions.end(),
                   [](const Action& a, const Action& b) { return rank(a.effect) < rank(b.effect); });
  return plan;
}

std::set<CellKey> all_keys(const Desired& desired, const Observed& observed) {
  std::set<CellKey> keys;
  for (const auto& [key, cell] : desired.cells) keys.insert(key);
  for (const auto& [key, cell] : observed.cells) keys.insert(key);
  return keys;
}

}  // namespace

Plan plan(const Desired& desired, const Observed& observed, Instant now) {
  const CallerIndex callers = callers_of(observed);
  std::vector<std::pair<CellKey, CellPlan>> cells;
  for (const CellKey& key : all_keys(desired, observed))
    cells.emplace_back(key, plan_cell(make_cell(key, desired, observed, callers, now), now));
  break_cycles(cells);
  apply_brake(cells, desired);
  return merge(std::move(cells));
}

std::string digest_of(const Plan& plan) {
  std::string text;
  for (const Action& action : plan.actions) {
    append_netstring(text, canonical(action.cell));
    append_netstring(text, word_of(action.effect));
    append_netstring(text, std::visit([](const auto& effect) { return canonical(effect); }, action.effect));
    append_netstring(text, action.reason);
  }
  append_netstring(text, canonical(plan.held));
  append_netstring(text, plan.wake_at ? std::to_string(plan.wake_at->time_since_epoch().count()) : "");
  return to_hex(sha256(text));
}

}  // namespace nelson
