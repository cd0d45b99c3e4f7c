#include "tests/controller/status/situations.h"

#include <algorithm>
#include <stdexcept>

namespace nelson::status_test {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

DesiredStack service(const std::string& repository, const Version& version, const std::string& commit, std::int32_t count) {
  DesiredStack stack;
  stack.name_space = "dev";
  stack.plan = "default";
  stack.repository = repository;
  stack.commit = commit;
  stack.version = version;
  stack.artifact.command = {"./serve", to_string(version)};
  stack.artifact.tree = commit;
  stack.spec.ports = {{"default", 8080, Protocol::kHttp}};
  stack.spec.health_checks = {{"alive", "default", Protocol::kHttp, "/health", seconds(10), seconds(2)}};
  stack.settings.instances = count;
  stack.settings.expiration_policy = ExpirationPolicy::kRetainActive;
  stack.settings.traffic_shift = {ShiftPolicy::kLinear, minutes(20)};
  stack.fresh = true;
  return stack;
}

std::string id_of(std::size_t i) {
  std::string text = std::to_string(i);
  return std::string(40 - text.size(), '0') + text;
}

}  // namespace

Situation::Situation() : now(*parse_instant("2026-11-21T11:00:00Z")) {
  desired.owner = "0a1b2c3d";
  desired.control_url = "https://git.example.org/platform/control.git";
  desired.control_commit = kControl;
  DomainSettings& domain = desired.domains["local"];
  domain.name = "local";
  observed.domains["local"] = {{true, ""}, {true, ""}, {true, ""}, {true, ""}, true, std::nullopt, "", "", {}};
  for (const char* name : {"shop", "stock", "reports"})
    desired.repositories[name] = {RepositoryState::kCurrent, kCommit1, "2026-11-21T11:00:00Z"};

  desired.cells[{"local", "stock"}].stacks = {service("stock", {3, 0, 2}, kCommit1, 2)};
  desired.cells[{"local", "cart"}].stacks = {service("shop", {0, 9, 1}, kCommit1, 1)};
  DesiredStack report = service("reports", {1, 0, 0}, kCommit1, 1);
  report.spec.ports.clear();
  report.spec.health_checks.clear();
  report.spec.schedule = "0 3 * * *";
  desired.cells[{"local", "report"}].stacks = {report};
  settle();
  DesiredStack checkout = service("shop", {1, 4, 2}, kCommit1, 2);
  checkout.spec.dependencies = {{"stock", {3, 0}}};
  desired.cells[{"local", "checkout"}].stacks = {checkout};
  settle();
  advance(minutes(35));
}

void Situation::pass() {
  const Plan next = plan(desired, observed, now);
  std::uint64_t sequence = history.empty() ? 0 : history.front().sequence;
  for (const Action& action : next.actions) {
    JournalEntry entry;
    entry.sequence = ++sequence;
    entry.pass = 7;
    entry.intended = now;
    entry.domain = action.cell.domain;
    entry.unit = action.cell.unit;
    entry.stack = stack_of(action.effect);
    entry.effect = word_of(action.effect);
    entry.reason = action.reason;
    entry.outcome = JournalEntry::Outcome::kDone;
    entry.finished = now;
    history.insert(history.begin(), entry);
  }
  observed = apply(next, observed, now);
}

void Situation::settle() {
  for (int i = 0; i < 50; ++i) {
    if (plan(desired, observed, now).actions.empty()) return;
    pass();
  }
  throw std::runtime_error("the fleet of the test does not settle");
}

void Situation::advance(Duration length) {
  const Instant end = now + length;
  while (now < end) {
    const auto wake = plan(desired, observed, now).wake_at;
    now = std::min(end, wake ? std::max(*wake, now + seconds(1)) : end);
    settle();
  }
}

void Situation::release(const std::string& unit, const Version& version, const std::string& commit) {
  DesiredStack& stack = desired.cells.at({"local", unit}).stacks.front();
  DesiredStack next = service(stack.repository, version, commit, stack.settings.instances);
  next.spec = stack.spec;
  stack = next;
  desired.repositories.at(stack.repository).head = commit;
  settle();
}

ObservedStack& Situation::stack(const std::string& unit, const Version& version) {
  for (ObservedStack& stack : observed.cells.at({"local", unit}).stacks)
    if (stack.record && stack.record->identity.version == version) return stack;
  throw std::runtime_error("no stack " + unit + " " + to_string(version));
}

void Situation::instances(const std::string& unit, const Version& version, InstanceState state, Health health,
                          const std::string& detail) {
  for (Instance& instance : stack(unit, version).running->instances) {
    instance.state = state;
    instance.health = health;
    instance.detail = detail;
    instance.since = now - seconds(10);
    instance.restarts = state == InstanceState::kBackoff ? 5 : 0;
  }
}

ViewInput Situation::input(Duration ago) const {
  ViewInput input;
  input.desired = std::make_shared<const Desired>(desired);
  input.observed = observed;
  input.plan = plan(desired, observed, now);
  input.now = now;
  input.pass = 42;
  input.process_problems = process_problems;
  input.history = history;
  input.version = "0.1.0";
  input.started = now - minutes(50);
  input.counters = {{"git_fetches", 7}, {"actions{effect=\"launch\"}", 5}, {"deploy_success_count{env=\"dev\"}", 4}};
  input.gauges = {{"store_bytes", 1048576.0}};
  for (const std::string& subject : subjects_of(input)) input.since[subject] = now - ago;
  return input;
}

ViewInput large_fleet(std::size_t count) {
  Situation situation;
  Desired desired = situation.desired;
  desired.cells.clear();
  for (std::size_t i = 0; i < count; ++i) {
    DesiredStack stack = service("repo" + std::to_string(i % 100), {1, 0, static_cast<std::uint32_t>(i % 7)}, id_of(i), 2);
    stack.name_space = i % 4 == 0 ? "prod" : "dev";
    desired.cells[{"local", "unit" + std::to_string(i)}].stacks = {stack};
  }
  for (std::size_t i = 0; i < 100; ++i)
    desired.repositories["repo" + std::to_string(i)] = {RepositoryState::kCurrent, kCommit1, ""};
  situation.desired = std::move(desired);
  situation.observed.cells.clear();
  situation.history.clear();
  for (int i = 0; i < 6; ++i)
    situation.observed = apply(plan(situation.desired, situation.observed, situation.now), situation.observed, situation.now);
  return situation.input();
}

}  // namespace nelson::status_test
