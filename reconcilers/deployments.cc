#include "reconcilers/deployments.h"

#include <algorithm>
#include <array>
#include <optional>

#include "reconcilers/status.h"
#include "state/model/digest.h"

namespace nelson {
namespace {

struct Obstacle {
  std::string code;
  std::string reason;
  std::string clears_when;
  bool trouble = true;
};

bool seen_before(const Cell& cell, const Identity& identity) {
  return std::any_of(cell.cases.begin(), cell.cases.end(), [&](const Case& c) {
    return c.record != nullptr && c.record->identity.name_space == identity.name_space &&
           c.record->identity.version == identity.version;
  });
}

std::string print(const Dependency& dependency) { return dependency.unit + '@' + to_string(dependency.version); }

/// What a new caller finds under a dependency, or why it finds nothing (spec/runtime 4.7).
std::optional<Obstacle> missing(const Cell& cell, const Identity& identity, const Dependency& dependency) {
  const Provider& provider = cell.providers.at(dependency.unit);
  const std::string what = identity.unit + " depends on " + print(dependency) + ", which ";
  const std::optional<std::string> home = resolve(provider.targets, identity.name_space, dependency.version.major);
  const bool expected = provider.expected_for(identity.name_space);
  if (!home)
    return Obstacle{"missing-dependency",
                    what + (expected ? "is not ready yet in " : "serves nothing in ") + identity.name_space + " or above it",
                    print(dependency) + " is deployed and ready there; or the dependency leaves the manifest", !expected};
  bool fits = false;
  for (const Target& target : provider.targets) {
    if (target.name_space != *home || target.major != dependency.version.major) continue;
    const Identity& found = target.record->identity;
    const bool has_default =
        std::any_of(found.spec.ports.begin(), found.spec.ports.end(), [](const Port& port) { return port.name == "default"; });
    fits = fits || (found.version.minor >= dependency.version.minor && has_default && (target.leads || target.percent == 100));
  }
  if (!fits)
    return Obstacle{"missing-dependency", what + "is served in " + *home + " only by an older minor version",
                    dependency.unit + ' ' + to_string(dependency.version) + " or a later minor takes traffic there", true};
  if (provider.deprecated_in(*home))
    return Obstacle{"deprecated-dependency", what + "has left Git and takes no new callers",
                    dependency.unit + " is declared again; or the dependency leaves the manifest", true};
  return std::nullopt;
}

std::optional<Obstacle> other_schedule(const Cell& cell, const Case& c) {
  if (!c.job) return std::nullopt;
  for (const Case& other : cell.cases) {
    if (&other == &c || other.running == nullptr || other.record == nullptr || !other.job) continue;
    if (other.identity().name_space == c.identity().name_space && other.identity().plan == c.identity().plan)
      return Obstacle{"replaces", "the schedule of " + other.name + " ends first, so that two versions never run at once",
                      other.name + " is gone", false};
  }
  return std::nullopt;
}

/// Repair, scaling and redeploys are never held by the world, nor is writing the record of what runs again.
bool is_first_launch(const Cell& cell, const Case& c) { return !c.unrecorded() && !seen_before(cell, c.identity()); }

std::optional<Obstacle> first_launch(const Cell& cell, const Case& c) {
  if (!is_first_launch(cell, c)) return std::nullopt;
  for (const Dependency& dependency : c.identity().spec.dependencies)
    if (auto obstacle = missing(cell, c.identity(), dependency)) return obstacle;
  return std::nullopt;
}

std::optional<Obstacle> leaving(const Cell&, const Case& c) {
  if (c.record == nullptr) return std::nullopt;
  // What was buried and is seen to run was buried too early, or the view is an old one: either way it goes first.
  const bool still_there = c.record->removed && c.running != nullptr;
  if (!still_there && (!c.record->retiring || c.record->removed)) return std::nullopt;
  return Obstacle{"leaving-first", "its former life is being removed; the name is used again after that",
                  "the removal is confirmed", false};
}

std::optional<Obstacle> buried(const Cell&, const Case& c) {
  if (c.record == nullptr) return std::nullopt;
  if (c.record->reversed)
    return Obstacle{"reversed", "this version was reversed and is not launched again", "Git wants another one", true};
  if (c.retired_idle)
    return Obstacle{"retired-idle", "retired idle: nobody called it",
                    "somebody calls it, Git wants another version, or the domain says `idle: keep`", false};
  return std::nullopt;
}

std::optional<Obstacle> ran(const Cell&, const Case& c) {
  if (!c.ran()) return std::nullopt;
  const bool failed = c.record->job_result == JobResult::kFailed;
  return Obstacle{"ran-once",
                  std::string("it ran before and ") + (failed ? "failed for good" : "succeeded") + ": it does not run again",
                  "Git wants another version", failed};
}

/// What may stand in the way of a launch, in the order in which it is told. The first that applies is the one that is shown. That another
/// schedule has to end is the last, because that one ends only when nothing else stands in the way.
constexpr auto kObstacles =
    std::to_array<std::optional<Obstacle> (*)(const Cell&, const Case&)>({leaving, buried, ran, first_launch, other_schedule});

std::vector<Binding> bindings_of(const Cell& cell, const Identity& identity) {
  std::vector<Binding> bindings;
  for (const Dependency& dependency : identity.spec.dependencies) {
    const Provider& provider = cell.providers.at(dependency.unit);
    const auto home = resolve(provider.targets, identity.name_space, dependency.version.major);
    if (!home) continue;
    for (const Target& target : provider.targets)
      if (target.name_space == *home && target.major == dependency.version.major) {
        bindings.push_back({dependency.unit, *home, dependency.version.major, target.record->identity.spec.ports});
        break;
      }
  }
  return bindings;
}

std::uint32_t next_incarnation(const Case& c) {
  if (c.running != nullptr) return c.running->incarnation;  // it runs and its record is lost: the same life goes on
  if (c.record == nullptr) return 1;
  return c.record->removed ? c.record->incarnation + 1 : std::max(c.record->incarnation, 1U);
}

std::string launch_reason(const Cell& cell, const Case& c) {
  if (c.running != nullptr) return "runs, but its record was lost: written again";
  const std::string commit = " at " + c.candidate->desired->commit.substr(0, 8);
  for (const Case& other : cell.cases)
    if (other.live && &other != &c && other.identity().name_space == c.identity().name_space &&
        other.identity().plan == c.identity().plan && (!c.patch || other.identity().version.major == c.identity().version.major))
      return "Git wants " + to_string(c.identity().version) + commit + " in place of " + to_string(other.identity().version);
  return "Git wants it" + commit;
}

void plan_launch(const Cell& cell, const Case& c, CellPlan& out) {
  for (const auto& obstacle_of : kObstacles)
    if (const auto obstacle = obstacle_of(cell, c)) {
      out.hold(cell, c.identity(), c.name, obstacle->code, obstacle->reason, obstacle->clears_when, obstacle->trouble);
      return;
    }
  const Candidate& candidate = *c.candidate;
  if (is_first_launch(cell, c)) out.first_launches.push_back(c.name);
  out.act(cell, candidate.identity,
          Launch{c.name, candidate.identity, candidate.desired->settings, candidate.desired->commit, next_incarnation(c),
                 bindings_of(cell, candidate.identity)},
          launch_reason(cell, c));
}

/// Why a stack is not ready, as its instances tell.
std::string unready(const Case& c) {
  const std::int32_t wanted = std::max(c.running->count, 1);
  std::int32_t good = 0;
  std::string details;
  for (const Instance& instance : c.running->instances) {
    if (instance.health == Health::kPassing && instance.state == InstanceState::kRunning) {
      ++good;
      continue;
    }
    if (!instance.detail.empty() && details.find(instance.detail) == std::string::npos)
      details += (details.empty() ? ": " : "; ") + instance.detail;
  }
  return std::to_string(good) + " of " + std::to_string(wanted) + " instances are healthy" + details;
}

/// Crashing is trouble at once; failing checks only when an instance had its time to come up.
bool is_sick(const Instance& instance, Duration patience, Instant now) {
  return instance.restarts > 0 || instance.state == InstanceState::kBackoff ||
         (instance.health == Health::kFailing && instance.since + patience <= now);
}

bool in_trouble(const Running& running, Duration patience, Instant now) {
  return std::any_of(running.instances.begin(), running.instances.end(),
                     [&](const Instance& instance) { return is_sick(instance, patience, now); });
}

/// Whether what a ready stack lacks to be healthy is on its way: it was told to run more instances, or was started again.
bool comes_up(const Case& c, Duration patience, Instant now) {
  const bool checked = !c.identity().spec.health_checks.empty();
  const auto good_or_coming = [&](const Instance& instance) {
    const bool coming = !is_sick(instance, patience, now);
    if (instance.state == InstanceState::kStarting) return coming;
    if (instance.state != InstanceState::kRunning) return false;
    const bool young = instance.since + patience > now;
    return instance.health == Health::kPassing || (young ? coming : !checked);
  };
  const Running& running = *c.running;
  return !running.stopping &&
         2 * std::count_if(running.instances.begin(), running.instances.end(), good_or_coming) > std::max(running.count, 1);
}

/// Without checks readiness comes with time alone; with them, time alone turns a slow start into trouble.
void wake_when_mature(const Cell& cell, const Case& c, Instant now, CellPlan& out) {
  for (const Instance& instance : c.running->instances)
    if ((instance.state == InstanceState::kRunning || instance.health == Health::kFailing) &&
        instance.since + cell.domain->ready_after > now)
      out.wake(instance.since + cell.domain->ready_after);
}

void plan_readiness(const Cell& cell, const Case& c, Instant now, CellPlan& out) {
  if (c.running == nullptr) return;
  if (!c.healthy) wake_when_mature(cell, c, now, out);
  if (!c.record->ready && c.healthy) {
    out.act(cell, c.identity(), Note{c.name, Fact::kReady},
            c.job                                     ? "its schedule is in place"
            : c.identity().spec.health_checks.empty() ? "its instances keep running"
                                                      : unready(c));
    return;
  }
  if (c.healthy) return;
  const Duration patience = cell.domain->ready_after;
  const bool trouble = c.record->ready ? !comes_up(c, patience, now) : in_trouble(*c.running, patience, now);
  out.hold(cell, c.identity(), c.name, c.record->ready ? "unhealthy" : "warming", unready(c),
           trouble
               ? "its instances pass: see `nelson logs " + c.name + "`; a newer release overtakes it, `git revert` takes it back"
               : "most of its instances are healthy",
           trouble);
}

void plan_in_place(const Cell& cell, const Case& c, CellPlan& out) {
  if (c.candidate == nullptr) return;
  const DesiredStack& desired = *c.candidate->desired;
  if (c.record->settings == desired.settings) return;
  std::string what;
  const auto differs = [&](bool different, const std::string& text) {
    if (different) what += (what.empty() ? "" : ", ") + text;
  };
  const Settings& old = c.record->settings;
  differs(old.instances != desired.settings.instances,
          "instances " + std::to_string(old.instances) + " -> " + std::to_string(desired.settings.instances));
  differs(old.expiration_policy != desired.settings.expiration_policy,
          "expiration policy " + std::string(name_of(desired.settings.expiration_policy)));
  differs(old.traffic_shift != desired.settings.traffic_shift, "traffic shift " +
                                                                   std::string(name_of(desired.settings.traffic_shift.policy)) +
                                                                   ' ' + format_duration(desired.settings.traffic_shift.duration));
  out.act(cell, c.identity(), Update{c.name, desired.settings, desired.commit}, "changed in place: " + what);
}

bool routed(const Cell& cell, const std::string& stack, std::int32_t from_index) {
  if (cell.seen == nullptr) return false;
  for (const Route& route : cell.seen->routes)
    for (const Backend& backend : route.backends)
      if (backend.stack == stack)
        for (const Backend::Server& server : backend.servers)
          if (server.index >= from_index) return true;
  for (const Sessions& sessions : cell.seen->sessions)
    if (sessions.stack == stack && sessions.index >= from_index && sessions.count > 0) return true;
  return false;
}

void plan_count(const Cell& cell, const Case& c, CellPlan& out) {
  const std::int32_t count = c.settings().instances;
  if (c.job || c.running->stopping || c.running->count == count) return;
  if (count < c.running->count && cell.world->balances && !cell.world->balancer.complete) {
    out.hold(cell, c.identity(), c.name, "draining",
             "whether instances " + std::to_string(count) + " and up are in use is not known: the balancer of domain " +
                 cell.key.domain + " does not answer",
             "it answers again", false);
    return;
  }
  if (count < c.running->count && routed(cell, c.name, count)) {
    out.hold(cell, c.identity(), c.name, "draining",
             "instances " + std::to_string(count) + " and up still have connections or a place in the balancer",
             "they have left it and their last answer is out", false);
    return;
  }
  out.act(cell, c.identity(), Scale{c.name, c.running->incarnation, count},
          std::to_string(c.running->count) + " -> " + std::to_string(count) + " instances");
}

void plan_result(const Cell& cell, const Case& c, CellPlan& out) {
  if (c.running == nullptr || c.record->identity.spec.schedule != "once" || c.ran()) return;
  if (c.running->last_run == JobResult::kSucceeded)
    out.act(cell, c.identity(), Note{c.name, Fact::kJobSucceeded}, "it ran and succeeded");
  if (c.running->last_run == JobResult::kFailed) out.act(cell, c.identity(), Note{c.name, Fact::kJobFailed}, "it failed for good");
}

}  // namespace

std::pair<std::string, std::string> not_known_whole(const std::string& repository) {
  return {"repository " + repository + " was not reached since this controller started, or a file in it does not read",
          "its host answers, and its files read"};
}

void plan_upkeep(const Cell& cell, const Case& c, bool kept, Instant now, CellPlan& out) {
  plan_result(cell, c, out);
  if (kept && !c.ran()) {
    const std::int32_t count = c.job ? 1 : c.record->settings.instances;
    if (c.running == nullptr)
      out.act(cell, c.identity(), Repair{c.name, c.record->incarnation, count}, "nothing runs under its name");
    else if (!c.running->stopping && !c.record->document.empty() &&
             c.running->document_digest != to_hex(sha256(c.record->document)))
      out.act(cell, c.identity(), Repair{c.name, c.record->incarnation, count}, "what runs is not what was submitted");
    else
      plan_count(cell, c, out);
  }
  plan_in_place(cell, c, out);
  plan_readiness(cell, c, now, out);
}

void plan_deployments(const Cell& cell, Instant, CellPlan& out) {
  for (const Case& c : cell.cases)
    if (c.candidate != nullptr && !c.live) plan_launch(cell, c, out);
  for (const Case& c : cell.cases)
    if (c.stands) {
      const auto [reason, clears_when] = not_known_whole(c.identity().repository);
      out.hold(cell, c.identity(), c.name, "not-fetched", "Git may want another version, but " + reason, clears_when, true);
    }
}

}  // namespace nelson
