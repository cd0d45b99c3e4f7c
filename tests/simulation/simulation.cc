#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "reconcilers/plan.h"
#include "reconcilers/replanner.h"
#include "tests/simulation/run.h"

namespace nelson::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kLate = seconds(4);
constexpr int kPassesAtRest = 100;
constexpr std::uint64_t kPassesADryRun = 40;

/// Does every task at once.
class PromptWorker final : public Worker {
 public:
  [[nodiscard]] bool idle() const override { return true; }
  void start(std::function<void()> task, std::function<void()> ended) override {
    task();
    ended();
  }
  bool wait_until(SteadyTime) const override { return true; }
};

}  // namespace

std::string store_folder() {
  static std::uint64_t number = 0;
  const std::filesystem::path memory = "/dev/shm";
  const auto base = std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
  return (base / ("nelson-simulation-" + std::to_string(::getpid()) + "-" + std::to_string(++number))).string();
}

void Simulation::advance_to(Duration at) {
  for (;;) {
    const auto first = std::min_element(workers_.begin(), workers_.end(),
                                        [](const PlayedWorker* a, const PlayedWorker* b) { return a->due() < b->due(); });
    if (first == workers_.end() || (*first)->due() > at) break;
    outside_.advance_to((*first)->due());
    (*first)->run();
    wake();
  }
  outside_.advance_to(at);
}

void Simulation::start() {
  if (++outcome_.starts == 2) {
    outcome_.writes_at_restart = hooked_writes_;
    outcome_.commits_at_restart = outcome_.commits;
  }
  say("controller starts");
  auto process = std::make_unique<Process>();
  process->rig = make_rig_();
  StoreOptions options;
  options.folder = folder_;
  options.max_bytes = std::size_t{8} << 20;
  options.keep_entries = 40;
  options.keep_passes = 20;
  options.checkpoint_every = 25;
  options.keep_free = 0;
  options.holder = "simulation";
  auto store = Store::open(options);
  if (!store) return checker_.report("I4", "the store does not open: " + store.error().message, outside_.now());
  process->store = process->rig.store(on_disk(*std::move(store), *this));
  const ClockSources clocks{[this] { return Instant(std::chrono::hours(24 * 365 * 56)) + outside_.now() + wall_offset_; },
                            [this] { return outside_.now(); }};
  process->clock = std::make_unique<Clock>(process->rig.clocks(clocks));
  if (wall_offset_ > offset_at_start_ + seconds(1)) checker_.clock_leapt(outside_.now());
  offset_at_start_ = wall_offset_;

  process->faults->always([this](int, const std::string& call) { return choose(call); });
  process->faults->when_late([this] { advance_to(outside_.now() + kLate); });
  DomainsOptions domains;
  domains.open = [this, rig = &process->rig, faults = process->faults](const DomainSettings& settings,
                                                                       const DomainContext& context) {
    Domain domain = listened(outside_.world(settings.name).open(settings, context.owner), inner_);
    return Result<Domain>(rig->domain(listened(with_faults(std::move(domain), faults), outer_)));
  };
  domains.holder = "simulation";
  domains.changed = [this] { wake(); };
  domains.worker = [this](const std::string& name) { return std::make_unique<PlayedWorker>(*this, name); };
  domains.steady_now = [this] { return SteadyTime(outside_.now()); };
  process->domains = std::make_unique<Domains>(std::move(domains));

  EngineParts parts;
  parts.store = process->store.get();
  parts.clock = process->clock.get();
  parts.domains = process->domains.get();
  parts.contains = [this](const std::string& commit, const std::string& ancestor) {
    return Result<bool>(outside_.git().contains(commit, ancestor));
  };
  parts.planner.plan = process->rig.plan;
  parts.planner.digest = [](const Plan& plan) { return digest_of(plan); };
  process->engine = std::make_unique<Engine>(std::move(parts));
  LoopOptions pace;
  pace.full_pass = scenario_.shape.full_pass;
  process->pace = Pace(pace);
  process_ = std::move(process);

  outside_.git().controller_started();
  outside_.git().sync();
  checker_.controller_starts(outside_.now());
  due_ = outside_.now();
}

/// What `nelson diff` would say: other hands on the same domains, which ask and do nothing. Nothing when it could not know what this process
/// knows: that something hangs, or is about to be answered from the past.
std::optional<std::vector<std::string>> Simulation::dry_run(const Desired& desired) {
  const bool busy = std::any_of(workers_.begin(), workers_.end(), [](const PlayedWorker* worker) { return !worker->idle(); });
  const bool stale =
      !stale_.empty() || std::any_of(stale_reads_.begin(), stale_reads_.end(), [](const auto& s) { return s.second.first > 0; });
  if (busy || stale || hooks_.on_read || !hooks_.dry_runs) return std::nullopt;
  DomainsOptions options;
  options.open = [this](const DomainSettings& settings, const DomainContext& context) {
    return Result<Domain>(outside_.world(settings.name).open(settings, context.owner));
  };
  options.read_only = true;
  options.worker = [](const std::string&) { return std::make_unique<PromptWorker>(); };
  options.steady_now = [this] { return SteadyTime(outside_.now()); };
  const std::map<std::string, FakeTruth> before = outside_.truths();
  Domains domains(std::move(options));
  domains.align(desired);
  Observed observed = domains.observe();
  for (auto& [name, domain] : observed.domains) {
    const ClaimVerdict verdict = judge_claim(desired, name, domain, [this](const std::string& commit, const std::string& ancestor) {
      return Result<bool>(outside_.git().contains(commit, ancestor));
    });
    domain.changes_held = verdict.changes_held;
    domain.governed_here = verdict.governed_here;
  }
  std::vector<std::string> out;
  for (const Action& action : nelson::plan(desired, observed, process_->clock->now()).actions)
    out.push_back(action.cell.domain + ' ' + std::string(word_of(action.effect)) + ' ' + stack_of(action.effect));
  outside_.touched();
  if (outside_.truths() != before) checker_.report("I13", "a dry run changed the world", outside_.now());
  return out;
}

void Simulation::compare(const std::vector<std::string>& foreseen, const PassReport& report) {
  const bool free = std::all_of(report.observed.domains.begin(), report.observed.domains.end(),
                                [](const auto& domain) { return domain.second.removals_held.empty(); });
  const bool failing = std::any_of(report.plan.held.begin(), report.plan.held.end(),
                                   [](const Hold& hold) { return hold.code == "effect-failed" || hold.code == "fight"; });
  // Clocks that disagree, and what failed or was undone before, are this process's own knowledge.
  if (!free || failing || report.incomplete || wall_offset_ != Duration(0)) return;
  // The plan's order is over all domains, the journal's is by domain.
  std::vector<std::string> expected = foreseen, begun = begun_;
  std::sort(expected.begin(), expected.end());
  std::sort(begun.begin(), begun.end());
  if (expected != begun)
    checker_.report("I13",
                    "a dry run foresaw " + std::to_string(foreseen.size()) + " effects" +
                        (foreseen.empty() ? "" : " (" + foreseen.front() + ")") + " and the pass began " +
                        std::to_string(begun_.size()) + (begun_.empty() ? "" : " (" + begun_.front() + ")"),
                    outside_.now());
}

void Simulation::pass() {
  const auto desired = outside_.git().desired();
  if (desired != desired_) checker_.desired_is(desired, outside_.now());
  desired_ = desired;
  last_pass_ = outside_.now();
  ++outcome_.passes;
  begun_.clear();
  const auto foreseen = outcome_.passes % kPassesADryRun == 0 ? dry_run(*desired) : std::nullopt;
  try {
    const Result<const PassReport*> result = process_->engine->pass(desired);
    if (!result) return die();
    const PassReport& report = **result;
    for (const Action& action : report.plan.actions)
      say("action " + std::string(word_of(action.effect)) + ' ' + action.cell.unit + ' ' + stack_of(action.effect) + ": " +
          action.reason);
    for (const Hold& hold : report.plan.held) say("held " + hold.subject + ' ' + hold.code + ": " + hold.reason);
    PassSeen seen;
    seen.at = outside_.now();
    seen.shows_converged = report.plan.actions.empty() && report.plan.held.empty() && !report.incomplete && report.done.empty() &&
                           report.machine_problems.empty();
    for (const PlayedWorker* worker : workers_)
      if (!worker->idle()) seen.busy.insert(worker->domain());
    checker_.pass_ended(seen, outside_.truths());
    if (foreseen) compare(*foreseen, report);
    trace_.add(report.plan_digest, report.begun, static_cast<std::uint64_t>(outside_.now().count()));
    due_ = outside_.now() + std::max(milliseconds(20), process_->pace.after(report, process_->clock->now()));
    if (std::exchange(catches_up_, false)) due_ = std::min(due_, outside_.now() + seconds(1));
  } catch (const ControllerDied&) {
    die();
  }
}

void Simulation::be_calm(Duration midnight) {
  if (checker_.violation()) return;
  calm_ = true;
  armed_.clear();
  waiting_.clear();
  ripe_.clear();
  silent_until_.clear();
  stale_.clear();
  stale_reads_.clear();
  missed_news_ = 0;
  const Duration length = midnight - outside_.now();
  if (scenario_.shape.guided) {
    outside_.mend();
    poll();
    go_on_until(outside_.now() + length / 6);
    outside_.acknowledge(true);
    poll();
  }
  const int passes = scenario_.shape.guided ? kPassesAtRest : kPassesAtRest / 10;
  go_on_until(midnight - seconds(passes));
  if (checker_.violation()) return;
  outcome_.reads_before_rest = outcome_.reads;
  checker_.at_rest(outside_.truths(), outside_.now());
  if (!process_) return checker_.report("I2", "no controller runs at rest", outside_.now());
  const std::uint64_t writes = outcome_.writes, commits = outcome_.commits, news = outcome_.news;
  for (int i = 0; i < passes && process_ && !checker_.violation(); ++i) {
    go_on_until(outside_.now() + seconds(1));
    if (process_) pass();
  }
  // A run of a job is news to keep; it is no reason to do anything.
  if (outcome_.writes != writes || outcome_.commits > commits + (outcome_.news - news))
    checker_.report("I1",
                    std::to_string(outcome_.writes - writes) + " writes and " + std::to_string(outcome_.commits - commits) +
                        " commits in passes at rest",
                    outside_.now());
  calm_ = false;
  if (scenario_.shape.guided) outside_.acknowledge(false);
}

void Simulation::finish() {
  outcome_.violation = checker_.violation();
  outcome_.end = outside_.dump(true);
  outcome_.living = outside_.dump(false);
  outcome_.tries = hooked_writes_;
  trace_.add(outcome_.end);
  outcome_.trace = trace_.value();
  outcome_.simulated = outside_.now();
  outcome_.looks = checker_.looks();
}

Rig::Rig()
    : plan([replanner = std::make_shared<Replanner>()](const Desired& desired, const Observed& observed, Instant now) {
        return replanner->plan(desired, observed, now);
      }) {}

Outcome play(const Scenario& scenario, const MakeRig& make_rig, const Hooks& hooks) {
  return Simulation(scenario, make_rig, hooks).run();
}

Scenario shrink(Scenario scenario, const Violation& violation, const MakeRig& make_rig) {
  constexpr int kMostRuns = 300;
  int runs = 0;
  const auto still = [&](const Scenario& candidate) {
    const Outcome outcome = play(candidate, make_rig);
    return ++runs <= kMostRuns && outcome.violation && outcome.violation->invariant == violation.invariant;
  };
  const auto try_it = [&](const Scenario& candidate) {
    if (!still(candidate)) return false;
    scenario = candidate;
    return true;
  };
  Scenario shorter = scenario;
  shorter.days = static_cast<int>(violation.at / scenario.day) + 1;
  std::erase_if(shorter.events, [&](const Event& event) { return event.at > violation.at; });
  try_it(shorter);
  for (std::size_t chunk = scenario.events.size(); chunk > 0; chunk /= 2)
    for (std::size_t at = 0; at < scenario.events.size() && runs < kMostRuns;) {
      Scenario fewer = scenario;
      const auto from = fewer.events.begin() + static_cast<std::ptrdiff_t>(at);
      fewer.events.erase(from, from + static_cast<std::ptrdiff_t>(std::min(chunk, fewer.events.size() - at)));
      if (!try_it(fewer)) at += chunk;
    }
  return scenario;
}

}  // namespace nelson::simulation
