#include "reconcilers/plan.h"

#include <algorithm>

#include "reconcilers/cell.h"
#include "reconcilers/deployments.h"
#include "reconcilers/discovery.h"
#include "reconcilers/expirations.h"
#include "reconcilers/replanner.h"
#include "reconcilers/traffic.h"
#include "state/model/canonical.h"
#include "state/model/digest.h"

namespace nelson {
namespace {

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

/// That something is needed again is knowledge, not change: a need that nobody wrote down would not prolong the life it was seen in.
bool is_knowledge(const Action& action) {
  const auto* const note = std::get_if<Note>(&action.effect);
  return note != nullptr && note->fact == Fact::kKeptAgain;
}

/// Somebody has to say yes first. A control repository that went back keeps running what runs; where another owner or address governs,
/// nothing is done at all: a copy of a control repository is harmless.
void hold_changes(const Cell& cell, CellPlan& out) {
  const auto dropped = std::erase_if(out.actions, [&](const Action& action) {
    return !cell.world->governed_here || (!std::holds_alternative<Repair>(action.effect) && !is_knowledge(action));
  });
  if (dropped == 0) return;
  out.hold(cell, subject_identity(cell), cell.key.unit, "changes-held", cell.world->changes_held,
           "it is acknowledged in the control repository", true);
}

}  // namespace

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
  std::sort(out.calls.begin(), out.calls.end());
  out.calls.erase(std::unique(out.calls.begin(), out.calls.end()), out.calls.end());
  plan_deployments(cell, now, out);
  for (const Case& c : cell.cases)
    if (c.live) plan_upkeep(cell, c, verdict_on(cell, c).kept, now, out);
  const std::vector<Service> services = plan_traffic(cell, now, out);
  drop_traffic(cell, services, out);
  plan_routes(cell, services, out);
  plan_discovery(cell, out);
  plan_expirations(cell, now, out);
  if (!cell.world->changes_held.empty()) hold_changes(cell, out);
  return out;
}

Plan plan(const Desired& desired, const Observed& observed, Instant now) { return Replanner().plan(desired, observed, now); }

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
