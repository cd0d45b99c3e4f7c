#include "controller/loop/reporter.h"

#include "controller/base/log.h"
#include "controller/status/view.h"

namespace nelson {
namespace {

constexpr std::chrono::minutes kSilence{5};

struct Line {
  LogLevel level = LogLevel::kInfo;
  std::string message, repository, unit, subject, domain, name_space, reason, way_out;
};

void say(const Line& line) {
  log_line(line.level, line.message,
           {{"repository", line.repository},
            {"unit", line.unit},
            {"stack", line.subject == line.unit || line.subject == line.domain ? "" : line.subject},
            {"namespace", line.name_space},
            {"domain", line.domain},
            {"reason", line.reason},
            {"clears", line.way_out}});
}

Line line_of(const Hold& hold) {
  return {hold.trouble ? LogLevel::kWarning : LogLevel::kInfo,
          "hold " + hold.code,
          hold.repository,
          hold.cell.unit,
          hold.subject,
          hold.cell.domain,
          hold.name_space,
          hold.reason,
          hold.clears_when};
}

Line line_of(const Problem& problem) {
  Line out;
  out.level = LogLevel::kWarning;
  out.message = problem.warning ? "warning " + problem.code : "problem " + problem.code;
  out.repository = problem.repository;
  out.unit = problem.unit;
  out.reason = to_string(problem);
  return out;
}

void add_domain(const std::string& name, const ObservedDomain& domain, std::map<std::string, Line>& out) {
  const auto part = [&](std::string_view what, const std::string& error, bool complete) {
    if (error.empty()) return;
    Line line;
    line.level = complete ? LogLevel::kInfo : LogLevel::kWarning;
    line.message = std::string(what);
    line.domain = name;
    line.reason = error;
    out.emplace("domain " + name + ' ' + std::string(what), line);
  };
  part("scheduler does not answer", domain.scheduler.error, domain.scheduler.complete);
  part("records do not answer", domain.memory.error, domain.memory.complete);
  part("discovery does not answer", domain.discovery.error, domain.discovery.complete);
  part(domain.balances ? "balancer does not answer" : "no balancer", domain.balancer.error, domain.balancer.complete);
  part("removals are held", domain.removals_held, false);
  part("changes are held", domain.changes_held, false);
  for (const std::string& foreign : domain.foreign)
    part("not ours: " + foreign, "it carries no mark of this control repository; it is left alone", true);
}

}  // namespace

void Reporter::tell(const PassReport& report) {
  std::map<std::string, Line> lines;
  for (const Hold& hold : report.plan.held) lines.emplace(subject_of(hold), line_of(hold));
  for (const Problem& problem : report.desired->problems) lines.emplace(subject_of(problem), line_of(problem));
  for (const Problem& problem : report.machine_problems) lines.emplace(subject_of(problem), line_of(problem));
  for (const auto& [name, domain] : report.observed.domains) add_domain(name, domain, lines);

  for (const auto& [subject, line] : lines) {
    const auto [said, is_new] = said_.try_emplace(subject);
    if (is_new) say(line);
    const std::string about = !line.subject.empty() ? line.subject : !line.domain.empty() ? line.domain : line.repository;
    said->second = {line.message + ' ' + about, line.level >= LogLevel::kWarning, report.now};
  }
  std::erase_if(said_, [&](const auto& entry) {
    const auto& [subject, said] = entry;
    if (lines.contains(subject)) return false;
    if (said.wrong) log_info("no longer: " + said.what);
    return said.wrong || report.now - said.last > kSilence;
  });
}

}  // namespace nelson
