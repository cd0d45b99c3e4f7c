#include "controller/loop/engine.h"

#include <algorithm>
#include <set>

#include "controller/base/log.h"
#include "controller/status/view.h"

namespace nelson {
namespace {

constexpr std::size_t kHistoryShown = 500;

JournalEntry entry_of(const Step& step, std::uint64_t pass, Instant now) {
  JournalEntry out;
  out.pass = pass;
  out.intended = now;
  out.domain = step.domain;
  if (const Action* action = std::get_if<Action>(&step.what)) {
    out.unit = action->cell.unit;
    out.stack = stack_of(action->effect);
    out.effect = word_of(action->effect);
    out.reason = action->reason;
  } else {
    out.effect = "claim";
    out.reason = "control commit " + std::get<Claim>(step.what).control_commit.substr(0, 12) + " is applied here";
  }
  return out;
}

void tell(const Done& done) {
  const Action* action = std::get_if<Action>(&done.step.what);
  const LogLevel level = done.status ? LogLevel::kInfo : done.tried ? LogLevel::kWarning : LogLevel::kDebug;
  const std::string error = done.status ? "" : done.status.error().message;
  if (action == nullptr)
    return log_line(level, done.status ? "claim" : "claim failed", {{"domain", done.step.domain}, {"error", error}});
  log_line(level, std::string(word_of(action->effect)) + (done.status ? "" : " failed"),
           {{"repository", action->repository},
            {"unit", action->cell.unit},
            {"stack", stack_of(action->effect)},
            {"namespace", action->name_space},
            {"domain", action->cell.domain},
            {"reason", action->reason},
            {"error", error}});
}

}  // namespace

Engine::Engine(EngineParts parts) : parts_(std::move(parts)), watch_(*parts_.clock, parts_.store->last_instant()) {}

Result<const PassReport*> Engine::pass(std::shared_ptr<const Desired> desired) {
  const std::shared_ptr<const Desired> before = last_.desired;
  last_.done.clear();
  last_.begun = 0;
  store_trouble_.clear();
  last_.now = parts_.clock->now();
  watch_.look();
  if (before && desired != before) forgive(*desired);
  if (Status taken = take_up(parts_.domains->finished(false)); !taken) return taken.error();
  parts_.domains->align(*desired);

  Observed observed = parts_.domains->observe();
  last_.drains = parts_.domains->drains();
  if (!started_) {
    if (const auto held = parts_.domains->held_by_another()) return *held;
    started_ = parts_.domains->all_answered();
  }
  last_.desired = desired;
  judge(observed);
  if (Status settled = settle_crashed(); !settled) return settled.error();
  if (Status decided = decide(before, std::move(observed)); !decided) return decided.error();
  if (Status acted = act(); !acted) return acted.error();
  if (Status reported = report(); !reported) return reported.error();
  return &last_;
}

/// A new revision of what failed is a new try.
void Engine::forgive(const Desired& desired) {
  backoff_.forgive([&](const CellKey& cell) {
    const auto before = last_.desired->cells.find(cell);
    const auto now = desired.cells.find(cell);
    const bool was = before != last_.desired->cells.end();
    const bool is = now != desired.cells.end();
    return was != is || (is && !(before->second == now->second));
  });
}

/// An instant later than now counts as now (semantics 6), and from then on as that instant: so the domain's clock, which may be right while
/// ours was set, keeps nothing from becoming old.
void Engine::set_clocks(Observed& observed) {
  constexpr Duration kTolerance = std::chrono::seconds(1);
  each_difference(seen_, observed.cells, [&](const CellKey& key, const ObservedCell*, const ObservedCell* cell) {
    if (cell == nullptr) return;
    Duration& ahead = ahead_[key.domain];
    for (const ObservedStack& stack : cell->stacks)
      if (stack.running)
        for (const Instance& instance : stack.running->instances)
          if (instance.since - ahead > last_.now + kTolerance) ahead = instance.since - last_.now;
  });
  seen_ = observed.cells;
  for (const auto& [domain, ahead] : ahead_) {
    if (ahead == Duration(0)) continue;
    for (auto cell = seen_.lower_bound({domain, ""}); cell != seen_.end() && cell->first.domain == domain; ++cell)
      for (ObservedStack& stack : observed.cells[cell->first].stacks)
        if (stack.running)
          for (Instance& instance : stack.running->instances) instance.since -= ahead;
  }
}

/// Completes the observation with what no domain can say itself: claims and clocks.
void Engine::judge(Observed& observed) {
  const Desired& desired = *last_.desired;
  claims_.clear();
  clock_free_at_.reset();
  last_.incomplete = false;
  set_clocks(observed);
  for (auto& [name, domain] : observed.domains) {
    ClaimVerdict verdict = judge_claim(desired, name, domain, parts_.contains);
    domain.changes_held = std::move(verdict.changes_held);
    domain.governed_here = verdict.governed_here;
    if (verdict.write) claims_[name] = *std::move(verdict.write);
    const DomainSettings& settings = desired.domains.at(name);
    if (const auto held = watch_.removals_held(std::max(settings.initial_lifetime, settings.extended_lifetime))) {
      domain.removals_held = held->reason;
      if (!clock_free_at_ || held->until < *clock_free_at_) clock_free_at_ = held->until;
    }
    last_.incomplete = last_.incomplete || !domain.scheduler.complete || !domain.memory.complete || !domain.discovery.complete ||
                       !domain.balancer.complete;
  }
}

/// Intents that a crash left without outcome: the world has just been looked at, so the plan goes by what is there.
Status Engine::settle_crashed() {
  if (crashed_settled_) return {};
  const auto open = parts_.store->open_intents();
  if (!open) return open.error();
  std::vector<std::uint64_t> sequences;
  for (const JournalEntry& entry : *open) {
    sequences.push_back(entry.sequence);
    log_warning("an effect was cut off; the world was looked at instead of repeating it", {{"unit", entry.unit},
                                                                                           {"stack", entry.stack},
                                                                                           {"domain", entry.domain},
                                                                                           {"effect", entry.effect},
                                                                                           {"reason", entry.reason}});
  }
  crashed_settled_ = true;
  if (sequences.empty()) return {};
  return parts_.store->settle_unknown(sequences, last_.now);
}

Status Engine::decide(std::shared_ptr<const Desired> before, Observed observed) {
  const bool same_world = before == last_.desired && pass_ > 0 && observed == last_.observed;
  const bool same_time = !last_.plan.wake_at || last_.now < *last_.plan.wake_at;
  // The planner's own law: equal arguments, and an earlier time than wake_at, give the plan of before.
  if (same_world && same_time && last_.plan.actions.empty() && backoff_.empty()) return {};
  last_.observed = std::move(observed);
  last_.plan = parts_.planner.plan(*last_.desired, last_.observed, last_.now);
  last_.plan_digest = parts_.planner.digest(last_.plan);
  return bear(parts_.store->record_pass(*last_.desired, last_.observed, last_.now, last_.plan_digest));
}

/// A full disk is nobody's fault here and may be mended under our feet: it is reported, not died of.
Status Engine::bear(const Status& written) {
  if (written || written.error().kind != ErrorKind::kUnavailable) return written;
  store_trouble_ = written.error().message;
  return {};
}

/// Journal, perform, journal. What fails is for the next passes to know, not to be repeated here.
Status Engine::act() {
  std::set<FailureScope> has_actions;
  std::map<std::string, std::vector<Step>> steps;
  for (const auto& [domain, claim] : claims_)
    if (parts_.domains->ready(domain) && !backoff_.waits(claim_scope(domain), last_.now))
      steps[domain].push_back({0, domain, claim});
  for (const Action& action : last_.plan.actions) {
    for (const FailureScope& scope : scopes_over(action)) has_actions.insert(scope);
    const std::string& domain = action.cell.domain;
    const bool unclaimed = claims_.contains(domain) && !steps.contains(domain);
    if (unclaimed || !parts_.domains->ready(domain) || backoff_.waits(action, last_.now)) continue;
    steps[domain].push_back({0, domain, action});
  }
  // Nothing is planned for a domain that does not answer or is still busy: that says nothing of what failed there.
  const auto silent = [this](const std::string& domain) {
    const auto seen = last_.observed.domains.find(domain);
    return seen != last_.observed.domains.end() && (!seen->second.scheduler.complete || !seen->second.memory.complete);
  };
  for (const FailureScope& scope : backoff_.scopes()) {
    const std::string& domain = scope.cell.domain;
    if (!has_actions.contains(scope) && !claims_.contains(domain) && !silent(domain)) backoff_.forget(scope);
  }
  if (steps.empty()) return {};

  if (Status locked = parts_.domains->check_locks(); !locked) return locked;
  std::vector<JournalEntry> entries;
  for (const auto& [domain, list] : steps)
    for (const Step& step : list) entries.push_back(entry_of(step, parts_.store->last_pass(), last_.now));
  const Status intended = parts_.store->intend(entries);
  if (!intended) return bear(intended);
  history_.reset();
  std::size_t i = 0;
  for (auto& [domain, list] : steps) {
    for (Step& step : list) step.sequence = entries[i++].sequence;
    last_.begun += list.size();
    parts_.domains->perform(domain, std::move(list), last_.now);
  }
  return take_up(parts_.domains->finished(true));
}

Status Engine::take_up(std::vector<Done> done) {
  if (done.empty()) return {};
  std::vector<Settlement> settlements;
  std::set<FailureScope> begun, failed;
  for (const Done& one : done) {
    settlements.push_back({one.step.sequence, one.status ? "" : one.status.error().message});
    if (!one.status && settlements.back().error.empty()) settlements.back().error = "failed without a reason";
    tell(one);
    if (!one.tried) continue;  // that says nothing of what failed before
    const Action* action = std::get_if<Action>(&one.step.what);
    if (action == nullptr) {
      begun.insert(claim_scope(one.step.domain));
      if (!one.status) failed.insert(backoff_.failed_to_claim(one.step.domain, one.status.error(), last_.now));
    } else {
      for (const FailureScope& scope : scopes_over(*action)) begun.insert(scope);
      if (one.status)
        backoff_.done(*action, last_.now);
      else
        failed.insert(backoff_.failed(*action, one.status.error(), last_.now));
    }
  }
  for (const FailureScope& scope : begun)
    if (!failed.contains(scope)) backoff_.forget(scope);
  for (Done& one : done) last_.done.push_back(std::move(one));
  history_.reset();
  if (Status locked = parts_.domains->check_locks(); !locked) return locked;
  return parts_.store->settle(settlements, last_.now);
}

void Engine::add_machine_problems() {
  last_.machine_problems.clear();
  if (!store_trouble_.empty()) {
    last_.incomplete = true;
    Problem problem;
    problem.code = "StoreFull";
    problem.message = store_trouble_;
    problem.way_out = "make room on the disk of the store; until then nothing is changed, and everything goes on running";
    last_.machine_problems.push_back(std::move(problem));
  }
  for (const std::string& damage : parts_.store->damages()) {
    Problem problem;
    problem.code = "StoreDamaged";
    problem.message = damage;
    problem.way_out = "nothing has to be done: what is needed is made anew; look after the disk";
    problem.warning = true;
    last_.machine_problems.push_back(std::move(problem));
  }
}

Status Engine::report() {
  last_.pass = ++pass_;
  std::erase_if(last_.plan.held, [](const Hold& hold) { return hold.code == kEffectFailed || hold.code == kFight; });
  for (Hold& hold : backoff_.holds(last_.now)) last_.plan.held.push_back(std::move(hold));

  add_machine_problems();

  std::vector<std::string> subjects;
  for (const Problem& problem : last_.machine_problems) subjects.push_back(subject_of(problem));
  for (const Problem& problem : last_.desired->problems) subjects.push_back(subject_of(problem));
  for (const Hold& hold : last_.plan.held) subjects.push_back(subject_of(hold));
  std::sort(subjects.begin(), subjects.end());
  subjects.erase(std::unique(subjects.begin(), subjects.end()), subjects.end());
  auto since = parts_.store->first_seen(subjects, last_.now);
  if (since)
    last_.since = *std::move(since);
  else if (since.error().kind != ErrorKind::kUnavailable)
    return since.error();

  if (!history_) {
    auto history = parts_.store->history("", 0, kHistoryShown);
    if (!history) return history.error();
    history_ = std::make_shared<const std::vector<JournalEntry>>(*std::move(history));
  }
  last_.history = history_;

  last_.wake_at = last_.plan.wake_at;
  for (const auto& at : {backoff_.next(last_.now), clock_free_at_})
    if (at && (!last_.wake_at || *at < *last_.wake_at)) last_.wake_at = at;
  return {};
}

}  // namespace nelson
