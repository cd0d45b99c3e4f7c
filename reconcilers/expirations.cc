#include "reconcilers/expirations.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <tuple>
#include <vector>

#include "reconcilers/deployments.h"
#include "reconcilers/traffic.h"

namespace nelson {
namespace {

/// A run of a job that was replaced may end by itself for this long; then it is ended.
constexpr Duration kLongestLastRun = std::chrono::hours(1);

bool same_place(const Case& a, const Case& b) {
  return a.identity().name_space == b.identity().name_space && a.identity().plan == b.identity().plan;
}

/// Stacks of the same unit and namespace that policies rank: ready ones.
std::vector<const Case*> peers_of(const Cell& cell, const Case& c) {
  std::vector<const Case*> peers;
  for (const Case& other : cell.cases)
    if (other.ready() && other.identity().name_space == c.identity().name_space) peers.push_back(&other);
  return peers;
}

/// Wanted first, then by launch: the first one is "latest", and its policy is in force (semantics 1). A patch is no more than launched.
bool later(const Case* a, const Case* b) {
  const auto key = [](const Case* c) { return std::tuple(c->current(), c->live ? *c->record->launched : Instant{}, c->name); };
  return key(a) > key(b);
}

const Case* latest_of(const Cell& cell, const Case& c) {
  const Case* latest = nullptr;
  for (const Case& other : cell.cases) {
    if (other.observed == nullptr || other.record == nullptr || !other.live) continue;
    if (other.identity().name_space != c.identity().name_space) continue;
    if (latest == nullptr || later(&other, latest)) latest = &other;
  }
  return latest;
}

/// Among stacks of one version a policy keeps at most the last launched of each plan.
bool last_of_its_version(const Cell& cell, const Case& c) {
  for (const Case* other : peers_of(cell, c))
    if (other != &c && same_place(*other, c) && other->identity().version == c.identity().version && later(other, &c)) return false;
  return true;
}

/// The greatest version among peers for which `fits` holds; none above `ceiling`.
template <class Fits>
std::optional<Version> greatest(const std::vector<const Case*>& peers, const Version& ceiling, Fits fits) {
  std::optional<Version> found;
  for (const Case* peer : peers) {
    const Version& version = peer->identity().version;
    if (version <= ceiling && fits(version) && (!found || *found < version)) found = version;
  }
  return found;
}

bool policy_keeps(const Cell& cell, const Case& c, ExpirationPolicy policy) {
  if (!c.ready() || !c.named || !last_of_its_version(cell, c)) return false;  // what has left Git counts as deprecated
  const Case* const latest = latest_of(cell, c);
  const std::vector<const Case*> peers = peers_of(cell, c);
  const Version top = latest->identity().version;
  const Version& version = c.identity().version;
  if (version > top) return false;
  switch (policy) {
    case ExpirationPolicy::kRetainActive:
      return false;  // callers keep any stack; nothing else does here
    case ExpirationPolicy::kRetainLatest:
      return version == top;
    case ExpirationPolicy::kRetainLatestTwoMajor:
      return version == top || greatest(peers, top, [&](const Version& v) { return v.major != top.major; }) == version;
    case ExpirationPolicy::kRetainLatestTwoFeature:
      return version == top ||
             greatest(peers, top, [&](const Version& v) { return v.major == top.major && v.minor != top.minor; }) == version;
    case ExpirationPolicy::kRetainUntilDeprecated:
      return true;
  }
  return false;
}

ExpirationPolicy policy_in_force(const Cell& cell, const Case& c) {
  const Case* const latest = latest_of(cell, c);
  return latest != nullptr ? latest->settings().expiration_policy : c.settings().expiration_policy;
}

std::string list(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < 3; ++i) out += (i > 0 ? ", " : "") + names[i];
  return names.size() > 3 ? out + " and " + std::to_string(names.size() - 3) + " more" : out;
}

/// Says of itself whether it is Git's wish (rule 0, and what Git may wish) or a need of somebody's.
struct Rule {
  enum { kWish, kNeed } of;
  bool (*keeps)(const Cell&, const Case&);
  std::string (*reason)(const Cell&, const Case&);
};

// The order is the policy. A job that is replaced, or gone from Git, is kept by nothing: lifetimes do not apply to it.
constexpr auto kRules = std::to_array<Rule>({
    {Rule::kWish, [](const Cell& cell, const Case&) { return cell.contested.has_value(); },
     [](const Cell& cell, const Case&) { return cell.contested->reason; }},
    {Rule::kWish, [](const Cell&, const Case& c) { return !c.named && !c.absence_known; },
     [](const Cell&, const Case& c) {
       return "its repository " + c.identity().repository + " cannot be read whole: nothing of it leaves Git";
     }},
    {Rule::kWish,
     [](const Cell& cell, const Case& c) {
       return c.wanted() && (c.job || c.awaited || !(cell.domain->retire_idle && unsettled(cell, c) == nullptr));
     },
     [](const Cell& cell, const Case& c) {
       if (!c.patch) return std::string("Git wants it");
       const auto need = need_of_major(cell, c.identity().name_space, c.identity().version.major);
       return "Git wants it while its major version is needed" + (need ? ": " + *need : "");
     }},
    {Rule::kWish,
     [](const Cell& cell, const Case& c) {
       const bool in_use = c.serves ? c.percent > 0 : !c.job && c.ready();
       return in_use && unsettled(cell, c) != nullptr;
     },
     [](const Cell& cell, const Case& c) {
       return "serves until " + unsettled(cell, c)->name + " is ready and has taken its traffic";
     }},
    {Rule::kNeed, [](const Cell&, const Case& c) { return !c.callers.empty(); },
     [](const Cell&, const Case& c) { return "called by " + list(c.callers); }},
    {Rule::kNeed, [](const Cell& cell, const Case& c) { return !c.job && policy_keeps(cell, c, policy_in_force(cell, c)); },
     [](const Cell& cell, const Case& c) { return "kept by " + std::string(name_of(policy_in_force(cell, c))); }},
});

bool has_successor(const Cell& cell, const Case& c) {
  return std::any_of(cell.cases.begin(), cell.cases.end(), [&](const Case& other) {
    return &other != &c && other.live && same_place(other, c) && *other.record->launched >= *c.record->launched;
  });
}

/// What of a removal cannot be known now, and what clears that; nothing when the view is whole.
std::optional<std::pair<std::string, std::string>> partial_view(const Cell& cell) {
  const ObservedDomain& world = *cell.world;
  for (const auto& [name, source] : {std::pair("discovery", &world.discovery), std::pair("balancer", &world.balancer)})
    if (!source->complete && (name != std::string("balancer") || world.balances))
      return {
          {"the view is partial: " + std::string(name) + " of domain " + cell.key.domain + " does not answer", "it answers again"}};
  return std::nullopt;
}

/// Why a removal that is due does not begin; nothing when it may.
std::optional<std::pair<std::string, std::string>> removal_obstacle(const Cell& cell, const Case& c, Instant now) {
  const ObservedDomain& world = *cell.world;
  if (!world.removals_held.empty()) return {{world.removals_held, "it is over, or acknowledged"}};
  if (auto partial = partial_view(cell)) return partial;
  // On an old memory of Git a unit stands whole: which of its stacks serves until the wanted one is ready, only Git can say.
  for (const Case& other : cell.cases)
    if (other.stands && other.identity().name_space == c.identity().name_space)
      return {not_known_whole(other.identity().repository)};
  if (c.percent > 0) {
    const TrafficRecord* const traffic =
        cell.traffic({cell.key.domain, c.identity().name_space, cell.key.unit, c.identity().version.major});
    const bool moves = std::any_of(cell.cases.begin(), cell.cases.end(), [&](const Case& other) {
      return other.wanted() && other.serves && other.identity().name_space == c.identity().name_space &&
             other.identity().version.major == c.identity().version.major;
    });
    for (const Weight& weight : traffic->weights) {
      const Case* const other = cell.find(weight.stack);
      if (weight.percent == 0 || other == &c || other == nullptr || !other->live) continue;
      const auto expires = expires_at(cell, *other);
      const bool kept = verdict_on(cell, *other).kept;
      // Where Git wants nothing no course will ever move the share: what is kept takes it when this one is gone.
      if (kept && !moves) continue;
      if (kept || !expires || *expires > now)
        return {{"it still takes " + std::to_string(c.percent) + "% of the traffic", other->name + " has taken it"}};
    }
  }
  return std::nullopt;
}

std::string deadline_reason(const Case& c) {
  if (!c.named) return "Git names it no more and nobody calls it";
  return "not wanted any more, nobody calls it, and its time is up";
}

void begin_removal(const Cell& cell, const Case& c, const std::string& reason, CellPlan& out) {
  const bool idle = c.wanted();
  out.act(cell, c.identity(), Note{c.name, idle ? Fact::kRetiringIdle : Fact::kRetiring}, reason);
}

void plan_live(const Cell& cell, const Case& c, Instant now, CellPlan& out) {
  const Verdict verdict = verdict_on(cell, c);
  const StackRecord& record = *c.record;
  if (verdict.kept) {
    if (record.kept_no_longer_since) out.act(cell, c.identity(), Note{c.name, Fact::kKeptAgain}, verdict.reason);
    return;
  }
  // A replaced job goes at once; but not before what replaces it may be launched (a held launch leaves the old schedule in place), unless
  // that has run already and so replaces nothing.
  const bool replaced = c.job && c.named;
  if (replaced) {
    for (const Case& other : cell.cases)
      if (other.candidate != nullptr && !other.live && !other.ran() && same_place(other, c))
        for (const Hold& hold : out.held)
          if (hold.subject == other.name && hold.code != "replaces") return;
  }
  if (!c.job && (!record.kept_no_longer_since || *record.kept_no_longer_since > now)) {
    if (record.kept_no_longer_since) out.wake(*record.kept_no_longer_since);  // the act may be held
    out.act(cell, c.identity(), Note{c.name, Fact::kKeptNoLonger}, "no rule keeps it any more");
    return;
  }
  const Instant expires = c.job ? now : *expires_at(cell, c);
  if (now < expires) {
    out.wake(expires);
    out.hold(cell, c.identity(), c.name, "expiring", "no rule keeps it: it goes at " + format_instant(expires),
             "a caller, or Git wanting it again, keeps it", false);
    return;
  }
  if (const auto obstacle = removal_obstacle(cell, c, now)) {
    out.hold(cell, c.identity(), c.name, "removal-held", "due to retire, but " + obstacle->first, obstacle->second, false);
    return;
  }
  begin_removal(cell, c, replaced ? "another version replaces this schedule" : deadline_reason(c), out);
}

bool in_a_route(const Cell& cell, const std::string& stack) {
  return std::any_of(cell.seen->routes.begin(), cell.seen->routes.end(), [&](const Route& route) {
    return std::any_of(route.backends.begin(), route.backends.end(),
                       [&](const Backend& backend) { return backend.stack == stack; });
  });
}

std::int32_t sessions_of(const Cell& cell, const std::string& stack) {
  std::int32_t count = 0;
  for (const Sessions& sessions : cell.seen->sessions)
    if (sessions.stack == stack) count += sessions.count;
  return count;
}

/// Once stamped, removal finishes: out of the balancer, last answers out, stopped, confirmed, buried. What is there of a buried stack all the
/// same goes the same way: it was buried, or something was published for it, on a view that was not the newest.
void plan_removal(const Cell& cell, const Case& c, Instant now, CellPlan& out) {
  const Identity& identity = c.identity();
  if (const auto partial = partial_view(cell)) {
    out.hold(cell, identity, c.name, "removal-held", "is being removed, but " + partial->first, partial->second, false);
    return;
  }
  if (c.running == nullptr) {
    if (c.observed->published) out.act(cell, identity, Unpublish{c.name}, "it is gone");
    if (!c.record->removed) out.act(cell, identity, Bury{c.name}, "its removal is confirmed");
    return;
  }
  if (c.running->stopping) {
    out.hold(cell, identity, c.name, "stopping", "it is being stopped", "its processes have ended", false);
    return;
  }
  if (in_a_route(cell, c.name)) {
    out.hold(cell, identity, c.name, "draining", "it leaves the balancer first", "no route names it", false);
    return;
  }
  if (const std::int32_t sessions = sessions_of(cell, c.name); sessions > 0) {
    out.hold(cell, identity, c.name, "draining", std::to_string(sessions) + " answers are still on their way",
             "they are out, at the latest after the drain limit", false);
    return;
  }
  if (c.job && c.running->child_running && c.record->retiring && *c.record->retiring > now) {
    out.act(cell, identity, Note{c.name, Fact::kRetiring}, "its removal began in the future of this clock: stamped again");
    return;
  }
  if (c.job && c.running->child_running && c.record->retiring && now < *c.record->retiring + kLongestLastRun) {
    out.wake(*c.record->retiring + kLongestLastRun);
    out.hold(cell, identity, c.name, "last-run", "its last run is under way", "the run ends, at the latest after an hour", false);
    return;
  }
  out.act(cell, identity, Remove{c.name, c.running->incarnation}, c.record->removed ? "it was removed and runs" : "retired");
}

}  // namespace

Verdict verdict_on(const Cell& cell, const Case& c) {
  for (const Rule& rule : kRules)
    if (rule.keeps(cell, c)) return {true, rule.reason(cell, c)};
  return {false, "no rule keeps it"};
}

std::optional<std::string> need_of_major(const Cell& cell, const std::string& name_space, std::uint32_t major) {
  for (const Case& c : cell.cases) {
    if (!c.live || c.identity().name_space != name_space || c.identity().version.major != major) continue;
    for (const Rule& rule : kRules)
      if (rule.of == Rule::kNeed && rule.keeps(cell, c)) return rule.reason(cell, c);
  }
  return std::nullopt;
}

std::optional<Instant> expires_at(const Cell& cell, const Case& c) {
  if (!c.record->kept_no_longer_since) return std::nullopt;
  // An instant to come counts as it is: "now" in its place would come to the same end, and would say another one at every look. What was
  // launched by a clock that was set back since was launched before it was kept no longer, whatever its record says: only that is stamped
  // again.
  const Instant since = *c.record->kept_no_longer_since;
  const Instant launched = std::min(*c.record->launched, since);
  return std::max(launched + cell.domain->initial_lifetime, since + cell.domain->extended_lifetime);
}

void plan_expirations(const Cell& cell, Instant now, CellPlan& out) {
  for (const Case& c : cell.cases) {
    if (c.record == nullptr) {
      if (c.candidate == nullptr)
        out.hold(cell, Identity{}, c.name, "record-lost",
                 "it runs, but its record is lost and Git does not want it: it is left alone",
                 "its record is restored, or somebody stops it by hand", true);
      continue;
    }
    if (c.record->removed) {
      if ((c.record->tombstone || c.record->reversed) && c.candidate == nullptr && c.absence_known)
        out.act(cell, c.identity(), Note{c.name, Fact::kTombstoneDropped}, "Git wants another version");
      const bool stays_away = c.candidate == nullptr || c.retired_idle || c.record->reversed || c.ran();
      if (c.running != nullptr || (stays_away && c.observed->published)) plan_removal(cell, c, now, out);
      continue;
    }
    if (c.record->retiring) {
      plan_removal(cell, c, now, out);
    } else if (c.live) {
      ++out.live;
      if (!c.named && c.absence_known && !has_successor(cell, c) && !cell.domain->leaving) out.losing.push_back(c.name);
      plan_live(cell, c, now, out);
    }
  }
}

}  // namespace nelson
