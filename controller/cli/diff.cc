#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <set>

#include "controller/base/clock.h"
#include "controller/base/files.h"
#include "controller/base/json.h"
#include "controller/base/text.h"
#include "controller/cli/command.h"
#include "controller/cli/offline.h"
#include "controller/cli/output.h"
#include "controller/loop/domains.h"
#include "reconcilers/forecast.h"
#include "reconcilers/plan.h"
#include "reconcilers/print.h"

namespace nelson::cli {
namespace {

constexpr std::size_t kStepsForeseen = 2000;

/// Everything that is printed, in either form.
struct Difference {
  std::string repository;            // whose units are shown; "" is everybody's
  std::vector<Problem> problems;     // that concern what is shown
  std::vector<std::string> unknown;  // why the answer may be wrong
  std::vector<Action> actions;
  std::size_t elsewhere = 0;  // actions of other repositories, not shown
  std::vector<Hold> held;
  std::vector<ForecastStep> follows;  // beyond the actions themselves
  bool settled = true;

  [[nodiscard]] int exit() const {
    const bool broken = std::any_of(problems.begin(), problems.end(), [](const Problem& problem) { return !problem.warning; });
    if (broken || !unknown.empty()) return kExitBad;
    return actions.empty() ? kExitOk : kExitChanges;
  }
};

/// What to compare: the folder of a working copy and the revision in it; neither is what the controller does anyhow.
struct Subject {
  std::string path, revision;
};

Subject subject_of(const Invocation& invocation) {
  std::error_code error;
  const std::string here = std::filesystem::current_path(error).string();
  if (invocation.arguments.empty()) return {};
  const std::string& word = invocation.arguments[0];
  if (std::filesystem::is_directory(word, error)) return {resolve_path(here, word), ""};
  return {here, word};
}

Result<Desired> desired_of(Gitsync& gitsync, const Subject& subject, const Invocation& invocation, std::string& repository) {
  auto synced = gitsync.sync(false);
  if (!synced) return synced.error();
  repository = invocation.get("repository");
  if (repository.empty() && !subject.path.empty()) {
    auto found = gitsync.repository_at(subject.path);
    if (!found) return found.error();
    repository = *std::move(found);
  }
  if (!repository.empty() && !(*synced)->repositories.contains(repository))
    return invalid("the control repository has no repositories/" + repository + ".yml, so nothing of it is deployed");
  if (subject.path.empty()) return **synced;
  return gitsync.with_overlay({repository, subject.path, subject.revision});
}

/// The world, looked at without a lock and without a hand in it.
Observed look(Gitsync& gitsync, const Desired& desired, std::vector<std::string>& unknown) {
  DomainsOptions options;
  options.open = open_domain;
  options.read_only = true;
  options.patience = std::chrono::seconds(15);
  Domains domains(std::move(options));
  domains.align(desired);
  Observed observed = domains.observe();
  const Contains contains = [&gitsync](const std::string& commit, const std::string& ancestor) {
    return gitsync.contains("control", commit, ancestor);
  };
  for (auto& [name, domain] : observed.domains) {
    ClaimVerdict verdict = judge_claim(desired, name, domain, contains);
    domain.changes_held = std::move(verdict.changes_held);
    domain.governed_here = verdict.governed_here;
    if (!domain.changes_held.empty()) unknown.push_back(domain.changes_held);
    for (const Source* source : {&domain.scheduler, &domain.memory, &domain.discovery, &domain.balancer})
      if (!source->complete && std::find(unknown.begin(), unknown.end(), source->error) == unknown.end())
        unknown.push_back(source->error);
  }
  return observed;
}

Difference compare(const Desired& desired, const Observed& observed, const std::string& repository, Instant now) {
  Difference out;
  out.repository = repository;
  const Plan decided = plan(desired, observed, now);
  const auto shown = [&](const std::string& of) { return repository.empty() || of == repository; };
  // What the repository's units drag along in others is theirs to show, so a unit of it is known by the actions, not by its name.
  std::set<CellKey> cells;
  for (const auto& [key, cell] : desired.cells)
    if (std::any_of(cell.stacks.begin(), cell.stacks.end(), [&](const DesiredStack& stack) { return shown(stack.repository); }))
      cells.insert(key);
  for (const auto& [key, cell] : observed.cells)
    if (std::any_of(cell.stacks.begin(), cell.stacks.end(),
                    [&](const ObservedStack& stack) { return stack.record && shown(stack.record->identity.repository); }))
      cells.insert(key);
  for (const Action& action : decided.actions) {
    if (cells.contains(action.cell))
      out.actions.push_back(action);
    else
      ++out.elsewhere;
  }
  for (const Hold& hold : decided.held)
    if (cells.contains(hold.cell) || repository.empty()) out.held.push_back(hold);
  for (const Problem& problem : desired.problems)
    if (shown(problem.repository)) out.problems.push_back(problem);
  for (ForecastStep& step : forecast(desired, observed, now, kStepsForeseen, &out.settled)) {
    const bool first = step.after == Duration::zero() &&
                       std::find(decided.actions.begin(), decided.actions.end(), step.action) != decided.actions.end();
    if (!first && cells.contains(step.action.cell)) out.follows.push_back(std::move(step));
  }
  return out;
}

void print_json(const Difference& difference, Terminal& terminal) {
  json::Json out;
  out["repository"] = difference.repository;
  out["actions"] = json::Json::array();
  for (const Action& action : difference.actions) out["actions"].push_back(json::to_json(action));
  out["elsewhere"] = difference.elsewhere;
  out["held"] = json::to_json(difference.held);
  out["follows"] = json::Json::array();
  for (const ForecastStep& step : difference.follows)
    out["follows"].push_back({{"after", step.after.count()}, {"action", json::to_json(step.action)}});
  out["summary"] = summarize(difference.follows);
  out["settled"] = difference.settled;
  out["problems"] = json::to_json(difference.problems);
  out["unknown"] = difference.unknown;
  out["exit"] = difference.exit();
  terminal.out << out.dump(2, ' ', true, json::Json::error_handler_t::replace) << '\n';
}

Paint paint_of(std::string_view line) {
  if (line.starts_with("+")) return Paint::kGreen;
  if (line.starts_with("-") || line.starts_with("!")) return Paint::kRed;
  return line.starts_with("~") ? Paint::kYellow : Paint::kPlain;
}

void print_lines(Terminal& terminal, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    terminal.out << painted(terminal, text.substr(0, end), paint_of(text)) << '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void print_text(const Difference& difference, Terminal& terminal) {
  for (const Problem& problem : difference.problems) {
    terminal.out << painted(terminal, (problem.warning ? "warning: " : "wrong: ") + to_string(problem),
                            problem.warning ? Paint::kYellow : Paint::kRed)
                 << '\n';
    print_underlined(problem, terminal);
  }
  for (const std::string& reason : difference.unknown)
    terminal.out << painted(terminal, "not known: " + reason, Paint::kRed) << '\n';
  std::vector<Line> lines;
  for (const Action& action : difference.actions) lines.push_back(line_of(action));
  for (const Hold& hold : difference.held) lines.push_back(line_of(hold));
  print_lines(terminal, print(lines));
  if (difference.actions.empty()) terminal.out << "Nothing would change" << (difference.elsewhere > 0 ? " here" : "") << ".\n";
  if (difference.elsewhere > 0)
    terminal.out << difference.elsewhere << " more for units of other repositories; --all shows them.\n";
  const std::vector<std::string> follows = summarize(difference.follows);
  if (follows.empty()) return;
  terminal.out << "\nWhat follows, if it comes up healthy and nobody pushes:\n";
  for (const std::string& line : follows) terminal.out << "  " << painted(terminal, line, Paint::kPlain) << '\n';
  if (!difference.settled) terminal.out << "  ... and more, which is not foreseen.\n";
}

}  // namespace

int run_diff(const Invocation& invocation, Terminal& terminal) {
  const auto machine = read_machine_file(machine_file_path(invocation.get("config")));
  if (!machine) return fail(terminal, kExitBad, machine.error().message);
  const auto gitsync = open_offline(*machine);
  if (!gitsync) return fail(terminal, kExitBad, gitsync.error().message);
  std::string repository;
  const auto desired = desired_of(**gitsync, subject_of(invocation), invocation, repository);
  if (!desired) return fail(terminal, kExitBad, desired.error().message);
  std::vector<std::string> unknown;
  const Observed observed = look(**gitsync, *desired, unknown);
  Difference difference = compare(*desired, observed, invocation.has("all") ? "" : repository, Clock().now());
  difference.unknown = std::move(unknown);
  if (invocation.get("output") == "json")
    print_json(difference, terminal);
  else
    print_text(difference, terminal);
  return difference.exit();
}

}  // namespace nelson::cli
