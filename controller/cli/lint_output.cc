#include <algorithm>
#include <ostream>

#include "controller/base/json.h"
#include "controller/base/text.h"
#include "controller/cli/lint.h"
#include "controller/cli/output.h"
#include "controller/cli/version.h"
#include "gitsync/problem_codes.h"

namespace nelson::cli {
namespace {

using json::Json;

std::string_view severity_of(const Problem& problem) { return problem.warning ? "warning" : "error"; }

std::string counted(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string place_of(const Problem& problem) {
  std::string out = problem.file;
  if (problem.line > 0) out += ":" + std::to_string(problem.line);
  if (problem.line > 0 && problem.column > 0) out += ":" + std::to_string(problem.column);
  return out;
}

/// One line a problem; of a single file also the line in question.
void print_text(const LintReport& report, Terminal& terminal) {
  for (const Problem& problem : report.problems) {
    std::string line = place_of(problem) + ": " + std::string(severity_of(problem)) + ": " + problem.message;
    if (!problem.way_out.empty()) line += "; " + problem.way_out;
    terminal.out << painted(terminal, line + " [" + problem.code + "]", problem.warning ? Paint::kYellow : Paint::kRed) << '\n';
    if (report.files.size() == 1) print_underlined(problem, terminal);
  }
  if (report.problems.empty() && report.unread.empty())
    terminal.out << counted(report.files.size(), "file") << ", nothing to mend.\n";
  else if (!report.problems.empty())
    terminal.err << counted(report.files.size(), "file") << ": " << counted(report.errors(), "error") << ", "
                 << counted(report.warnings(), "warning") << ". \"nelson lint --explain CODE\" says more.\n";
}

void dump(const Json& json, Terminal& terminal) { terminal.out << json.dump(2, ' ', true, Json::error_handler_t::replace) << '\n'; }

void print_json(const LintReport& report, Terminal& terminal) {
  Json problems = Json::array();
  for (const Problem& problem : report.problems)
    problems.push_back({{"file", problem.file},
                        {"line", problem.line},
                        {"column", problem.column},
                        {"length", problem.length},
                        {"severity", severity_of(problem)},
                        {"code", problem.code},
                        {"parameters", json::to_json(problem.parameters)},
                        {"unit", problem.unit},
                        {"message", problem.message},
                        {"way_out", problem.way_out},
                        {"source", problem.source}});
  dump({{"valid", report.errors() == 0 && report.unread.empty()},
        {"files", report.files.size()},
        {"errors", report.errors()},
        {"warnings", report.warnings()},
        {"unread", report.unread},
        {"problems", std::move(problems)}},
       terminal);
}

Json sarif_result(const Problem& problem) {
  Json region = Json::object();
  if (problem.line > 0) {
    region["startLine"] = problem.line;
    region["startColumn"] = std::max<std::uint32_t>(1, problem.column);
    if (problem.length > 0) region["endColumn"] = problem.column + problem.length;
  }
  Json location = {{"artifactLocation", {{"uri", problem.file}}}};
  if (!region.empty()) location["region"] = std::move(region);
  const std::string text = problem.message + (problem.way_out.empty() ? "" : "; " + problem.way_out);
  return {{"ruleId", problem.code},
          {"level", severity_of(problem)},
          {"message", {{"text", text}}},
          {"locations", Json::array({Json{{"physicalLocation", std::move(location)}}})}};
}

void print_sarif(const LintReport& report, Terminal& terminal) {
  Json rules = Json::array();
  for (const ProblemCode& row : kProblemCodes)
    rules.push_back({{"id", row.name},
                     {"shortDescription", {{"text", row.message}}},
                     {"fullDescription", {{"text", row.why}}},
                     {"help", {{"text", explanation_of(std::string(row.name))}}},
                     {"defaultConfiguration", {{"level", name_of(row.severity)}}}});
  Json results = Json::array();
  for (const Problem& problem : report.problems) results.push_back(sarif_result(problem));
  dump({{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
        {"version", "2.1.0"},
        {"runs", Json::array({Json{{"tool", {{"driver", {{"name", "nelson"}, {"version", kVersion}, {"rules", std::move(rules)}}}}},
                                   {"columnKind", "unicodeCodePoints"},
                                   {"results", std::move(results)}}})}},
       terminal);
}

/// As GitHub's workflow commands want it; properties also without `:` and `,`.
std::string escaped(std::string_view text, bool property) {
  std::string out;
  for (const char c : text) {
    if (c == '%' || c == '\r' || c == '\n' || (property && (c == ':' || c == ','))) {
      constexpr std::string_view kDigits = "0123456789ABCDEF";
      out += {'%', kDigits[static_cast<unsigned char>(c) >> 4U], kDigits[static_cast<unsigned char>(c) & 15U]};
    } else {
      out += c;
    }
  }
  return out;
}

void print_github(const LintReport& report, Terminal& terminal) {
  for (const Problem& problem : report.problems) {
    terminal.out << "::" << severity_of(problem) << " file=" << escaped(visible(problem.file), true);
    if (problem.line > 0) terminal.out << ",line=" << problem.line << ",col=" << std::max<std::uint32_t>(1, problem.column);
    terminal.out << ",title=" << problem.code
                 << "::" << escaped(visible(problem.message + (problem.way_out.empty() ? "" : "; " + problem.way_out)), false)
                 << '\n';
  }
}

std::string shown_lines(std::string_view title, Frame frame, std::string_view lines) {
  std::string out = "\n" + std::string(title) + "\n\n";
  const std::string file = example_file(frame, lines);
  for (std::size_t at = 0; at < file.size();) {
    const std::size_t end = file.find('\n', at);
    out += "    " + file.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return out;
}

}  // namespace

std::string explanation_of(const std::string& code) {
  for (const FormerCode& former : kFormerCodes)
    if (former.name == code)
      return code + "\n\nA code of the reference that is not said here. Instead: " + std::string(former.instead) + "\n";
  const ProblemCode* const row = find_problem_code(code);
  if (row == nullptr) return {};
  std::string out = code + " (" + std::string(name_of(row->severity)) + ")\n\n  says:     " + std::string(row->message) +
                    "\n  way out:  " + std::string(row->way_out) + "\n";
  if (!row->parameters.empty()) out += "  parameters: " + std::string(row->parameters) + "\n";
  if (row->asked == Asked::kWorld) out += "  asked of: the world; it never makes a file invalid\n";
  out += "\n" + std::string(row->why) + "\n";
  if (row->frame != Frame::kNone) {
    out += shown_lines("Not so:", row->frame, row->wrong);
    out += shown_lines("But so:", row->frame, row->right);
  }
  return out;
}

void print_lint(const LintReport& report, const std::string& format, Terminal& terminal) {
  if (format == "json")
    print_json(report, terminal);
  else if (format == "sarif")
    print_sarif(report, terminal);
  else if (format == "github")
    print_github(report, terminal);
  else
    print_text(report, terminal);
}

}  // namespace nelson::cli
