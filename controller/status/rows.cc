#include <algorithm>
#include <set>
#include <tuple>

#include "controller/status/snapshot.h"
#include "controller/status/text.h"
#include "reconcilers/cell.h"
#include "reconcilers/expirations.h"
#include "reconcilers/routing.h"
#include "reconcilers/traffic.h"

namespace nelson::status {
namespace {

std::int32_t sessions_of(const Cell& cell, const std::string& stack) {
  std::int32_t count = 0;
  if (cell.seen != nullptr)
    for (const Sessions& sessions : cell.seen->sessions)
      if (sessions.stack == stack) count += sessions.count;
  return count;
}

/// The course that takes traffic from or to the stack, if one is under way.
const TrafficRecord* course_of(const Cell& cell, const Case& c) {
  const Identity& identity = c.identity();
  const TrafficRecord* const record = cell.traffic({cell.key.domain, identity.name_space, cell.key.unit, identity.version.major});
  if (record == nullptr || record->target.empty()) return nullptr;
  std::int32_t arrived = 0;
  for (const Weight& weight : record->weights)
    if (std::find(record->target.begin(), record->target.end(), weight.stack) != record->target.end()) arrived += weight.percent;
  return arrived < 100 ? record : nullptr;
}

Duration rest_of(const TrafficRecord& course) {
  const std::uint32_t steps = step_count(course.shift);
  return step_interval(course.shift) * static_cast<std::int64_t>(steps - std::min(course.steps, steps));
}

bool leads_to(const TrafficRecord& course, const std::string& stack) {
  return std::find(course.target.begin(), course.target.end(), stack) != course.target.end();
}

std::string version_of(const Cell& cell, const std::string& stack) {
  const Case* const c = cell.find(stack);
  return c != nullptr && (c->record != nullptr || c->candidate != nullptr) ? to_string(c->identity().version) : stack;
}

std::string short_id(const std::string& commit) { return commit.substr(0, 8); }

std::string why_of(const Cell& cell, const Case& c) {
  if (c.record == nullptr && c.candidate == nullptr) return "it runs, and its record is lost";
  if (c.record != nullptr && c.record->removed && c.candidate == nullptr) return "it is gone; what is remembered of it stays";
  if (c.record != nullptr && c.record->retiring) {
    const std::int32_t sessions = sessions_of(cell, c.name);
    if (sessions > 0) return std::to_string(sessions) + (sessions == 1 ? " answer is" : " answers are") + " still on the way";
    return c.running != nullptr ? "its processes are being stopped" : "its removal is being confirmed";
  }
  if (c.wanted()) {
    const Identity& identity = c.identity();
    const std::string& commit = c.candidate != nullptr ? c.candidate->desired->commit : c.record->commit;
    const bool idle = c.live && cell.domain != nullptr && cell.domain->retire_idle && !verdict_on(cell, c).kept;
    if (idle) return "Git wants it, but nobody calls it";
    return "Git wants it: " + identity.repository + (commit.empty() ? "" : " at " + short_id(commit));
  }
  if (cell.domain == nullptr) return "no file in domains/ names its domain: it is left alone";
  if (!c.live) return "";
  return verdict_on(cell, c).reason;
}

std::string when(Instant at, Instant now) {
  const Duration left = at - now;
  if (left <= Duration::zero()) return "now";
  return "in " + about(left) + ", at " + clock_time(at, now) + " UTC";
}

std::string goes_of(const Cell& cell, const Case& c, Instant now) {
  if (c.record == nullptr) return c.candidate != nullptr ? "" : "not by itself";
  if (c.record->removed) return "";
  if (c.record->retiring) {
    if (c.running == nullptr || sessions_of(cell, c.name) == 0) return "now";
    return cell.domain == nullptr ? "after its last answer"
                                  : "after its last answer, at most " + format_duration(cell.domain->drain_limit);
  }
  if (cell.domain == nullptr || !c.live) return "";
  if (const auto expires = expires_at(cell, c, now); expires && !verdict_on(cell, c).kept) return when(*expires, now);
  if (c.wanted()) return "when a newer release replaces it";
  const TrafficRecord* const course = c.serves && c.percent > 0 ? course_of(cell, c) : nullptr;
  if (course != nullptr && !leads_to(*course, c.name)) {
    const Case* const next = cell.find(course->target.front());
    if (next == nullptr || !next->ready())
      return "not before " + version_of(cell, course->target.front()) + " is ready and has its traffic";
    return "its traffic is gone in about " + about(rest_of(*course)) + "; then " + format_duration(cell.domain->extended_lifetime) +
           " after the last need";
  }
  if (!c.callers.empty()) return format_duration(cell.domain->extended_lifetime) + " after its last caller is gone";
  return format_duration(cell.domain->extended_lifetime) + " after nothing keeps it any more";
}

/// What instances complain of, each complaint once.
std::string detail_of(const Running& running) {
  std::string out;
  std::int32_t restarts = 0;
  for (const Instance& instance : running.instances) {
    restarts += instance.restarts;
    const bool well = instance.state == InstanceState::kRunning && instance.health != Health::kFailing;
    if (well || instance.detail.empty() || out.find(instance.detail) != std::string::npos) continue;
    out += (out.empty() ? "" : "; ") + instance.detail;
  }
  if (restarts > 0 && !out.empty()) out += " (restarted " + std::to_string(restarts) + (restarts == 1 ? " time)" : " times)");
  return out;
}

bool is_good(const Instance& instance, const Spec& spec, Duration ready_after, Instant now) {
  if (instance.state != InstanceState::kRunning) return false;
  return spec.health_checks.empty() ? instance.since + ready_after <= now : instance.health == Health::kPassing;
}

void describe_running(const Cell& cell, const Case& c, Instant now, Row& row) {
  if (c.running == nullptr) return;
  const Duration ready_after = cell.domain != nullptr ? cell.domain->ready_after : Duration::zero();
  for (const Instance& instance : c.running->instances) {
    row.restarts += instance.restarts;
    if (c.record != nullptr && is_good(instance, c.record->identity.spec, ready_after, now)) ++row.healthy;
  }
  row.detail = detail_of(*c.running);
}

/// Whether the wanted stacks of the service have all its traffic (semantics 1).
bool has_traffic(const Cell& cell, const Case& c) {
  std::int32_t share = 0;
  for (const Case& other : cell.cases)
    if (other.wanted() && other.serves && other.identity().name_space == c.identity().name_space &&
        other.identity().version.major == c.identity().version.major)
      share += other.percent;
  return share == 100;
}

Row make_row(const Cell& cell, const Case& c, Instant now) {
  Row row;
  row.name = c.name;
  row.domain = cell.key.domain;
  row.unit = cell.key.unit;
  row.observed = c.observed;
  row.wanted = c.wanted();
  row.job = c.job;
  row.serves = c.serves;
  row.percent = c.percent;
  row.callers = c.callers;
  if (c.record != nullptr || c.candidate != nullptr) {
    const Identity& identity = c.identity();
    row.name_space = identity.name_space;
    row.plan = identity.plan;
    row.repository = identity.repository;
    row.version_number = identity.version;
    row.version = to_string(identity.version);
    row.instances = c.job ? 1 : c.settings().instances;
  }
  if (c.candidate != nullptr) row.commit = c.candidate->desired->commit;
  if (c.record != nullptr) {
    row.guid = guid_of(digest_of(c.record->identity), c.record->incarnation);
    row.launched = c.record->launched;
    row.ready = c.record->ready;
    if (row.commit.empty()) row.commit = c.record->commit;
    const bool deprecated = !c.named && c.absence_known;
    row.status = c.candidate != nullptr && c.record->removed ? StackStatus::kPending : status_of(*c.observed, deprecated);
  } else if (c.observed != nullptr && c.candidate == nullptr) {
    row.status = StackStatus::kUnknown;
  }
  if (cell.domain != nullptr) {
    row.extended_lifetime = cell.domain->extended_lifetime;
    if (c.live && !verdict_on(cell, c).kept) row.expires = expires_at(cell, c, now);
  }
  describe_running(cell, c, now, row);
  row.arrived = c.wanted() && c.ready() && (!c.serves || has_traffic(cell, c));
  row.why = why_of(cell, c);
  row.goes = goes_of(cell, c, now);
  return row;
}

}  // namespace

std::string some_of(const std::vector<std::string>& names, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < limit; ++i) out += (i > 0 ? ", " : "") + names[i];
  if (names.size() > limit) out += " and " + std::to_string(names.size() - limit) + " more";
  return out;
}

std::vector<Row> make_rows(const ViewInput& input) {
  std::vector<Row> rows;
  const Desired nothing;
  const Desired& desired = input.desired ? *input.desired : nothing;
  const CallerIndex callers = callers_of(input.observed);
  std::set<CellKey> keys;
  for (const auto& [key, cell] : desired.cells) keys.insert(key);
  for (const auto& [key, cell] : input.observed.cells) keys.insert(key);
  for (const CellKey& key : keys) {
    const Cell cell = make_cell(key, desired, input.observed, callers, input.now);
    for (const Case& c : cell.cases) rows.push_back(make_row(cell, c, input.now));
  }
  const auto order = [](const Row& row) {
    return std::tie(row.name_space, row.domain, row.unit, row.version_number, row.plan, row.name);
  };
  std::sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) { return order(a) < order(b); });
  return rows;
}

}  // namespace nelson::status
