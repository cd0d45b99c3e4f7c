#include "controller/status/json_views.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "controller/status/text.h"
#include "reconcilers/routing.h"

namespace nelson::status {
namespace {

std::int64_t epoch_millis(Instant at) { return at.time_since_epoch().count(); }

/// What is kept shows when it would go if nothing kept it from now on (semantics 6).
Instant expiration_of(const View& view, const Row& row) { return row.expires.value_or(view.input.now + row.extended_lifetime); }

void append_core(JsonWriter& json, const Row& row) {
  json.field("stack_name", row.name);
  json.key("deployed_at");
  row.launched ? json.number(epoch_millis(*row.launched)) : json.null();
  json.field("workflow", row.workflow).field("guid", row.guid).field("unit", row.unit).field("plan", row.plan);
  json.key("resources").begin_array().end_array();
}

void append_weight(JsonWriter& json, const Row& row) {
  json.key("weight");
  row.serves ? json.number(row.percent) : json.null();
}

void append_instances(JsonWriter& json, const Row& row) {
  json.key("instances").begin_object();
  json.key("wanted").number(row.instances).key("healthy").number(row.healthy).key("restarts").number(row.restarts);
  json.end_object();
}

void append_history(JsonWriter& json, const std::vector<JournalEntry>& entries, const std::string* stack) {
  json.begin_array();
  for (const JournalEntry& entry : entries) {
    if (stack != nullptr && entry.stack != *stack) continue;
    json.begin_object().key("sequence").number(static_cast<std::int64_t>(entry.sequence));
    json.key("pass").number(static_cast<std::int64_t>(entry.pass)).key("intended").instant(entry.intended);
    json.field("domain", entry.domain).field("unit", entry.unit).field("stack", entry.stack).field("effect", entry.effect);
    json.field("reason", entry.reason).field("outcome", name_of(entry.outcome));
    if (entry.finished) json.key("finished").instant(*entry.finished);
    if (!entry.error.empty()) json.field("error", entry.error);
    json.end_object();
  }
  json.end_array();
}

/// Facts of the record as the statuses they led to, newest first.
void append_statuses(JsonWriter& json, const View& view, const Row& row) {
  const ObservedStack* const observed = view.observed(row);
  std::vector<std::pair<Instant, std::string_view>> seen;
  if (observed != nullptr && observed->record) {
    const StackRecord& record = *observed->record;
    if (record.launched) seen.emplace_back(*record.launched, "pending");
    if (record.ready) seen.emplace_back(*record.ready, "ready");
    if (record.retiring) seen.emplace_back(*record.retiring, "garbage");
  }
  json.key("statuses").begin_array();
  const std::string_view current = name_of(row.status);
  if (seen.empty() || seen.back().second != current) {
    json.begin_object().field("status", current);
    if (!row.detail.empty()) json.field("message", row.detail);
    json.key("timestamp");
    seen.empty() ? json.null() : json.instant(seen.back().first);
    json.end_object();
  }
  for (auto at = seen.rbegin(); at != seen.rend(); ++at)
    json.begin_object().field("status", at->second).key("timestamp").instant(at->first).end_object();
  json.end_array();
}

void append_edge(JsonWriter& json, const View& view, const std::string& stack, std::int32_t weight) {
  json.begin_object();
  const Row* const row = view.listing().find(stack);
  json.field("guid", row == nullptr ? std::string_view() : std::string_view(row->guid));
  json.field("stack_name", stack).field("type", "unit").key("deployed_at");
  row != nullptr && row->launched ? json.number(epoch_millis(*row->launched)) : json.null();
  json.key("weight").number(weight).field("port_name", "default").end_object();
}

void append_dependencies(JsonWriter& json, const View& view, const Row& row) {
  json.key("dependencies").begin_object().key("inbound").begin_array();
  for (const std::string& caller : row.callers) append_edge(json, view, caller, row.percent);
  json.end_array().key("outbound").begin_array();
  const ObservedStack* const observed = view.observed(row);
  if (observed != nullptr && observed->record && is_live(*observed)) {
    for (const Dependency& dependency : observed->record->identity.spec.dependencies) {
      const auto cell = view.input.observed.cells.find({row.domain, dependency.unit});
      if (cell == view.input.observed.cells.end()) continue;
      for (const Target& target : visible(targets_of(cell->second), row.name_space, dependency.version.major))
        if (target.percent > 0 && target.stack != row.name) append_edge(json, view, target.stack, target.percent);
    }
  }
  json.end_array().end_object();
}

void append_endpoints(JsonWriter& json, const std::vector<Endpoint>& endpoints) {
  json.begin_array();
  for (const Endpoint& endpoint : endpoints)
    json.begin_object()
        .field("port", endpoint.port)
        .field("host", endpoint.host)
        .key("number")
        .number(endpoint.number)
        .end_object();
  json.end_array();
}

void append_running(JsonWriter& json, const View& view, const Row& row) {
  const ObservedStack* const observed = view.observed(row);
  json.key("runs").begin_array();
  if (observed != nullptr && observed->running) {
    for (const Instance& instance : observed->running->instances) {
      json.begin_object().key("index").number(instance.index).field("state", name_of(instance.state));
      json.field("health", name_of(instance.health)).key("since").instant(instance.since);
      json.key("restarts").number(instance.restarts).field("detail", instance.detail).key("endpoints");
      append_endpoints(json, instance.endpoints);
      json.end_object();
    }
  }
  json.end_array();
}

void append_hold(JsonWriter& json, const View& view, const Hold& hold) {
  json.begin_object().field("domain", hold.cell.domain).field("namespace", hold.name_space).field("unit", hold.cell.unit);
  json.field("repository", hold.repository).field("subject", hold.subject).field("code", hold.code);
  json.field("reason", hold.reason).field("clears_when", hold.clears_when).key("trouble").boolean(hold.trouble);
  const auto since = view.since.find(subject_of(hold));
  if (since != view.since.end()) json.key("since").instant(since->second);
  json.end_object();
}

void append_holds_on(JsonWriter& json, const View& view, const Row& row) {
  json.key("held").begin_array();
  for (const Hold& hold : view.input.plan.held)
    if (hold.subject == row.name || (hold.subject == row.unit && hold.cell == CellKey{row.domain, row.unit}))
      append_hold(json, view, hold);
  json.end_array();
}

void append_trouble(JsonWriter& json, const Trouble& trouble) {
  constexpr auto kLevels = std::to_array<std::string_view>({"error", "warning", "notice"});
  json.begin_object().field("level", kLevels[static_cast<std::size_t>(trouble.level)]).field("what", trouble.what);
  json.field("place", trouble.place).field("cause", trouble.cause).field("way_out", trouble.way_out).field("code", trouble.code);
  json.field("domain", trouble.domain).field("namespace", trouble.name_space).field("unit", trouble.unit);
  json.field("repository", trouble.repository).field("commit", trouble.commit).field("subject", trouble.subject);
  if (!trouble.units.empty()) {
    json.key("units").begin_array();
    for (const std::string& unit : trouble.units) json.text(unit);
    json.end_array();
  }
  json.key("times").number(static_cast<std::int64_t>(trouble.times)).key("since");
  trouble.since ? json.instant(*trouble.since) : json.null();
  json.end_object();
}

void append_source(JsonWriter& json, std::string_view name, const Source& source) {
  json.key(name).begin_object().key("complete").boolean(source.complete).field("error", source.error).end_object();
}

void append_domains(JsonWriter& json, const View& view) {
  json.key("domains").begin_array();
  for (const auto& [name, domain] : view.input.observed.domains) {
    json.begin_object().field("name", name).key("sources").begin_object();
    append_source(json, "scheduler", domain.scheduler);
    append_source(json, "memory", domain.memory);
    append_source(json, "discovery", domain.discovery);
    append_source(json, "balancer", domain.balancer);
    json.end_object().key("balances").boolean(domain.balances);
    json.field("removals_held", domain.removals_held).field("changes_held", domain.changes_held).key("foreign").begin_array();
    for (const std::string& foreign : domain.foreign) json.text(foreign);
    json.end_array().end_object();
  }
  json.end_array();
}

void append_repositories(JsonWriter& json, const View& view) {
  json.key("repositories").begin_array();
  if (view.input.desired) {
    std::map<std::string, std::vector<const Problem*>> problems;
    for (const Problem& problem : view.input.desired->problems) problems[problem.repository].push_back(&problem);
    for (const auto& [name, repository] : view.input.desired->repositories) {
      json.begin_object().field("name", name).field("state", name_of(repository.state)).field("head", repository.head);
      json.field("last_fetched", repository.last_fetched).key("problems").begin_array();
      for (const Problem* problem : problems[name]) {
        json.begin_object().field("commit", problem->commit).field("file", problem->file).key("line").number(problem->line);
        json.key("column").number(problem->column).field("unit", problem->unit).field("code", problem->code);
        json.key("parameters").begin_object();
        for (const auto& [parameter, value] : problem->parameters) json.field(parameter, value);
        json.end_object()
            .field("message", problem->message)
            .field("way_out", problem->way_out)
            .key("warning")
            .boolean(problem->warning)
            .field("source", problem->source)
            .key("length")
            .number(problem->length)
            .end_object();
      }
      json.end_array().end_object();
    }
  }
  json.end_array();
}

void append_service_stack(JsonWriter& json, const Row& row, Instant now) {
  json.begin_object().field("stack", row.name).field("guid", row.guid).field("version", row.version).field("plan", row.plan);
  json.field("repository", row.repository).field("commit", row.commit).field("status", name_of(row.status));
  json.key("job").boolean(row.job).key("wanted").boolean(row.wanted).key("arrived").boolean(row.arrived).key("percent");
  row.serves ? json.number(row.percent) : json.null();
  append_instances(json, row);
  json.key("addresses");
  append_endpoints(json, row.addresses);
  json.field("why", row.why).field("goes", goes_of(row, now));
  if (row.expires) json.key("expires").instant(*row.expires);
  if (row.launched) json.key("launched").instant(*row.launched);
  if (row.ready) json.key("ready").instant(*row.ready);
  if (!row.detail.empty()) json.field("detail", row.detail);
  json.end_object();
}

void append_services(JsonWriter& json, const View& view) {
  json.key("services").begin_array();
  for (const Group& group : view.listing().groups) {
    const Row& first = *view.listing().rows[group.first];
    json.begin_object().field("domain", first.domain).field("namespace", first.name_space).field("unit", first.unit);
    json.key("moving").boolean(group.moving).key("stacks").begin_array();
    for (std::size_t i = group.first; i < group.last; ++i)
      if (view.listing().rows[i]->status != StackStatus::kTerminated)
        append_service_stack(json, *view.listing().rows[i], view.input.now);
    json.end_array().end_object();
  }
  json.end_array();
}

// What became of a commit.

struct UnitVerdict {
  const Row* row = nullptr;
  std::string_view state;
  std::string reason;
};

UnitVerdict judge(const View& view, const Row& row) {
  if (row.arrived) return {&row, "live", "ready" + std::string(row.serves ? ", and takes all traffic of its major version" : "")};
  if (!row.away.empty()) return {&row, "live", row.away};
  std::string waiting;
  for (const Hold& hold : view.input.plan.held) {
    if (hold.cell.domain != row.domain || hold.cell.unit != row.unit) continue;
    const bool concerns =
        hold.subject == row.name || (hold.subject == row.unit && (hold.name_space.empty() || hold.name_space == row.name_space));
    if (!concerns) continue;
    if (hold.trouble) return {&row, "failed", hold.reason};
    waiting = hold.reason;
  }
  if (row.status == StackStatus::kFailed) return {&row, "failed", "the job failed for good"};
  if (!waiting.empty()) return {&row, "progressing", waiting};
  if (!row.ready)
    return {&row, "progressing", std::to_string(row.healthy) + " of " + std::to_string(row.instances) + " instances are healthy"};
  return {&row, "progressing", "takes " + std::to_string(row.percent) + "% of the traffic"};
}

bool is_named(const std::string& id, const std::string& prefix) { return !id.empty() && id.starts_with(prefix); }

/// What a commit has to do with what is wanted now.
struct Concern {
  std::set<std::string> heads;  // repositories whose head it is
  bool control = false;         // it is the control repository's
  bool wanted = false;          // something wanted was read at it
  bool known = false;           // something that runs or ran came from it
  bool patch = false;           // a patch was read at it, which is wanted once something needs its major version
};

Concern concern_of(const View& view, const std::string& commit) {
  Concern concern;
  if (!view.input.desired) return concern;
  const Desired& desired = *view.input.desired;
  concern.control = is_named(desired.control_commit, commit);
  for (const auto& [name, repository] : desired.repositories)
    if (is_named(repository.head, commit)) concern.heads.insert(name);
  for (const auto& [key, cell] : desired.cells)
    for (const DesiredStack& stack : cell.stacks) concern.patch = concern.patch || (stack.patch && is_named(stack.commit, commit));
  for (const Row* at : view.listing().rows) {
    const Row& row = *at;
    const bool named = is_named(row.commit, commit);
    concern.known = concern.known || named || is_named(row.recorded_commit, commit);
    concern.wanted = concern.wanted || (named && row.wanted);
  }
  return concern;
}

bool concerns_claim(const View& view, const Concern& concern, const CellKey& key) {
  const auto cell = view.input.desired->cells.find(key);
  if (concern.control || cell == view.input.desired->cells.end()) return concern.control;
  return std::any_of(cell->second.claimants.begin(), cell->second.claimants.end(),
                     [&](const std::string& claimant) { return concern.heads.count(claimant) > 0; });
}

const Problem* problem_at(const View& view, const std::string& commit) {
  if (!view.input.desired) return nullptr;
  for (const Problem& problem : view.input.desired->problems)
    if (!problem.warning && is_named(problem.commit, commit)) return &problem;
  return nullptr;
}

std::string_view overall(const View& view, const Concern& concern, bool problem, const std::vector<UnitVerdict>& units) {
  const auto any = [&](std::string_view state) {
    return std::any_of(units.begin(), units.end(), [&](const UnitVerdict& unit) { return unit.state == state; });
  };
  if (problem || any("failed")) return "failed";
  const bool current = concern.control || !concern.heads.empty() || concern.wanted || concern.patch;
  if (!current) return concern.known ? "superseded" : "unknown";
  if (!view.input.desired) return "unknown";
  for (const std::string& name : concern.heads)
    if (view.input.desired->repositories.at(name).state == RepositoryState::kUnknown) return "progressing";
  return any("progressing") ? "progressing" : "live";
}

}  // namespace

void append_deployment(std::string& out, const Row& row) {
  JsonWriter json(out);
  json.begin_object();
  append_core(json, row);
  json.field("datacenter", row.domain).field("namespace", row.name_space).field("status", name_of(row.status));
  json.field("commit", row.commit).field("version", row.version).key("wanted").boolean(row.wanted);
  append_weight(json, row);
  append_instances(json, row);
  json.end_object();
}

std::string render_deployment(const View& view, const Row& row) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  append_core(json, row);
  json.field("namespace", row.name_space).key("expiration").number(epoch_millis(expiration_of(view, row)));
  append_statuses(json, view, row);
  append_dependencies(json, view, row);
  json.field("domain", row.domain).field("status", name_of(row.status)).field("version", row.version);
  json.field("repository", row.repository).field("commit", row.commit).key("wanted").boolean(row.wanted);
  append_weight(json, row);
  append_instances(json, row);
  append_running(json, view, row);
  json.key("reasons").begin_object().field("lives", row.why).field("goes", goes_of(row, view.input.now)).end_object();
  append_holds_on(json, view, row);
  json.key("history");
  append_history(json, view.input.history, &row.name);
  json.end_object();
  out += '\n';
  return out;
}

std::string render_status(const View& view, const Trouble* stale) {
  const ViewInput& input = view.input;
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("version", input.version).key("started").instant(input.started).key("now").instant(input.now);
  json.key("pass").number(static_cast<std::int64_t>(input.pass));
  const bool converged = view.converged && stale == nullptr;
  json.key("converged").boolean(converged).key("settled").boolean(converged && input.plan.held.empty());
  if (input.plan.wake_at) json.key("wake_at").instant(*input.plan.wake_at);
  json.key("control").begin_object();
  json.field("url", input.desired ? input.desired->control_url : "")
      .field("commit", input.desired ? input.desired->control_commit : "");
  json.end_object().key("trouble").begin_array();
  if (stale != nullptr) append_trouble(json, *stale);
  for (const Trouble& trouble : view.trouble) append_trouble(json, trouble);
  json.end_array();
  append_domains(json, view);
  append_repositories(json, view);
  append_services(json, view);
  json.key("held").begin_array();
  for (const Hold& hold : input.plan.held) append_hold(json, view, hold);
  json.end_array().key("actions").begin_array();
  for (const Action& action : input.plan.actions) {
    json.begin_object().field("effect", word_of(action.effect)).field("domain", action.cell.domain).field("unit", action.cell.unit);
    json.field("namespace", action.name_space).field("stack", stack_of(action.effect)).field("reason", action.reason).end_object();
  }
  json.end_array().field("store_notice", input.store_notice).end_object();
  out += '\n';
  return out;
}

std::string render_commit(const View& view, const std::string& commit) {
  const Concern concern = concern_of(view, commit);
  const Problem* const problem = problem_at(view, commit);
  std::vector<UnitVerdict> units;
  for (const Row* at : view.listing().rows) {
    const Row& row = *at;
    const bool concerned = concern.control || concern.heads.count(row.repository) > 0 || is_named(row.commit, commit);
    if (row.wanted && concerned) units.push_back(judge(view, row));
  }
  // A contested unit has no wanted stack that could be judged; its hold speaks for it.
  std::vector<Row> contested;
  if (view.input.desired)
    for (const Hold& hold : view.input.plan.held) {
      if (!hold.trouble || hold.code != "two-claims" || !concerns_claim(view, concern, hold.cell)) continue;
      Row row;
      row.unit = hold.cell.unit;
      row.domain = hold.cell.domain;
      contested.push_back(std::move(row));
    }
  std::string out;
  JsonWriter json(out);
  const std::string_view state = overall(view, concern, problem != nullptr || !contested.empty(), units);
  json.begin_object().field("commit", commit).field("state", state);
  json.key("pass").number(static_cast<std::int64_t>(view.input.pass));
  if (problem != nullptr)
    json.field("reason", to_string(*problem));
  else if (state == "live" && units.empty())
    json.field("reason", concern.patch ? "nothing needs its major version: it is launched once something does"
                                       : "Git wants nothing at this commit");
  json.key("repositories").begin_array();
  for (const std::string& name : concern.heads) json.text(name);
  json.end_array().key("units").begin_array();
  for (const UnitVerdict& unit : units) {
    json.begin_object().field("unit", unit.row->unit).field("namespace", unit.row->name_space).field("domain", unit.row->domain);
    json.field("stack", unit.row->name).field("state", unit.state).field("reason", unit.reason).end_object();
  }
  for (const Row& row : contested) {
    json.begin_object().field("unit", row.unit).field("namespace", "").field("domain", row.domain).field("stack", "");
    json.field("state", "failed").field("reason", "more than one repository declares it").end_object();
  }
  json.end_array().end_object();
  out += '\n';
  return out;
}

std::string render_history(const std::vector<JournalEntry>& entries) {
  std::string out;
  JsonWriter json(out);
  append_history(json, entries, nullptr);
  out += '\n';
  return out;
}

}  // namespace nelson::status
