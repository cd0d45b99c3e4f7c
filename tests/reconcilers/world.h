#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "reconcilers/forecast.h"
#include "reconcilers/plan.h"
#include "reconcilers/routing.h"
#include "state/model/names.h"

namespace nelson {

/// Calls `change` for each value, for writing.
template <class Map, class Change>
void for_each(Map& map, Change change) {
  const Map before = map;
  for (const auto& [key, value] : before) change(map[key]);
}

/// A small world for tests of decisions: what Git says and what is there, moved by the plan itself. No clock, no process.
struct World {
  Desired desired;
  Observed observed;
  Instant now{std::chrono::hours(24 * 365 * 56)};

  World() {
    desired.owner = "owner-1";
    desired.control_url = "file:///control";
    desired.control_commit = std::string(40, 'c');
    add_domain("local");
  }

  DomainSettings& add_domain(const std::string& name) {
    DomainSettings& settings = desired.domains[name];
    settings.name = name;
    settings.folder = "/srv/" + name;
    ObservedDomain& domain = observed.domains[name];
    for (Source* source : {&domain.scheduler, &domain.memory, &domain.discovery, &domain.balancer}) source->complete = true;
    return settings;
  }

  DomainSettings& settings() { return desired.domains["local"]; }

  /// A service in dev with one http port and a check.
  DesiredStack& want(const std::string& unit, const std::string& version, const std::string& domain = "local") {
    DesiredStack stack;
    stack.name_space = "dev";
    stack.plan = "default";
    stack.repository = "repo-" + unit;
    stack.commit = std::string(40, 'a');
    stack.version = *parse_version(version);
    stack.artifact.command = {"./" + unit};
    stack.spec.ports = {{"default", 8080, Protocol::kHttp}};
    stack.spec.health_checks = {{"ping", "default", Protocol::kHttp, "/health", std::chrono::seconds(10), std::chrono::seconds(2)}};
    stack.settings.traffic_shift = {ShiftPolicy::kLinear, std::chrono::minutes(20)};
    stack.fresh = true;
    desired.repositories[stack.repository] = {RepositoryState::kCurrent, stack.commit, ""};
    DesiredCell& cell = desired.cells[{domain, unit}];
    cell.stacks = {stack};
    return cell.stacks.front();
  }

  /// The unit's manifest declares it no more.
  void leave(const std::string& unit, const std::string& domain = "local") { desired.cells.erase({domain, unit}); }

  [[nodiscard]] Plan plan_now() const { return plan(desired, observed, now); }

  /// One pass: plans and carries out.
  Plan pass() {
    const Plan decided = plan_now();
    observed = apply(decided, observed, now);
    return decided;
  }

  /// Passes until nothing is left to do at this instant; how many it took, or -1 when it does not come to rest.
  int settle() {
    for (int passes = 0; passes < 40; ++passes)
      if (pass().actions.empty()) return passes;
    return -1;
  }

  /// Lets time pass, waking as the plan asks.
  void let_pass(Duration length) {
    const Instant end = now + length;
    settle();
    while (true) {
      const Plan decided = plan_now();
      if (!decided.wake_at || *decided.wake_at > end) break;
      now = std::max(*decided.wake_at, now);
      settle();
    }
    now = end;
    settle();
  }

  ObservedCell& cell(const std::string& unit, const std::string& domain = "local") { return observed.cells[{domain, unit}]; }

  /// The stack of that version, whatever its hash; null when none was ever there.
  ObservedStack* stack(const std::string& unit, const std::string& version, const std::string& domain = "local") {
    for (ObservedStack& stack : cell(unit, domain).stacks)
      if (stack.record && to_string(stack.record->identity.version) == version) return &stack;
    return nullptr;
  }

  [[nodiscard]] bool lives(const std::string& unit, const std::string& version) {
    const ObservedStack* found = stack(unit, version);
    return found != nullptr && found->record->launched && !found->record->retiring && !found->record->removed;
  }

  /// Percent of the unit's traffic in dev that the version takes; -1 when its service has no record.
  int share(const std::string& unit, const std::string& version) {
    const ObservedStack* found = stack(unit, version);
    if (found == nullptr) return -1;
    for (const TrafficRecord& record : cell(unit).traffic)
      for (const Weight& weight : record.weights)
        if (weight.stack == found->name) return weight.percent;
    return -1;
  }

  void set_health(const std::string& unit, const std::string& version, Health health) {
    for (Instance& instance : stack(unit, version)->running->instances) instance.health = health;
  }
};

/// What the live stacks of all cells call, put together anew.
inline CallerIndex callers_of(const Observed& observed) {
  CallerIndex index;
  for (const auto& [key, cell] : observed.cells)
    for (Call& call : calls_of(key, cell)) {
      std::vector<Caller>& callers = index[call.to];
      callers.insert(std::upper_bound(callers.begin(), callers.end(), call.from), std::move(call.from));
    }
  return index;
}

using Lines = std::vector<std::string>;

inline bool has(const Lines& lines, const std::string& line) { return std::find(lines.begin(), lines.end(), line) != lines.end(); }

/// The actions of a plan as lines, "launch howdy 1.0.0": what tables of expectations are written in.
inline std::vector<std::string> lines_of(const Plan& plan) {
  std::vector<std::string> lines;
  for (const Action& action : plan.actions) {
    std::string line(word_of(action.effect));
    if (const auto* note = std::get_if<Note>(&action.effect)) line += ' ' + std::string(name_of(note->fact));
    line += ' ' + action.cell.unit;
    if (const auto name = parse_stack_name(stack_of(action.effect))) line += ' ' + to_string(name->version);
    lines.push_back(line);
  }
  return lines;
}

inline std::vector<std::string> codes_of(const Plan& plan) {
  std::vector<std::string> codes;
  for (const Hold& hold : plan.held) codes.push_back(hold.code);
  return codes;
}

}  // namespace nelson
