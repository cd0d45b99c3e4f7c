#include "gitsync/problem_codes.h"

namespace nelson {
namespace {

constexpr std::size_t kLongestParameter = 80;
constexpr std::size_t kLongestReason = 400;  // reasons and lists of what there is hold several words

std::string indented(std::string_view lines, std::string_view by) {
  std::string out;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    out += std::string(by) + std::string(lines.substr(0, end)) + "\n";
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return out;
}

/// The position of `name` among the blank-separated `names`.
std::size_t position_of(std::string_view name, std::string_view names) {
  for (std::size_t i = 0; !names.empty(); ++i) {
    const std::size_t end = std::min(names.find(' '), names.size());
    if (names.substr(0, end) == name) return i;
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return std::string_view::npos;
}

}  // namespace

const ProblemCode* find_problem_code(std::string_view name) {
  const auto* const found =
      std::find_if(kProblemCodes.begin(), kProblemCodes.end(), [name](const ProblemCode& row) { return row.name == name; });
  return found == kProblemCodes.end() ? nullptr : found;
}

std::string example_file(Frame frame, std::string_view lines) {
  switch (frame) {
    case Frame::kNone:
      return {};
    case Frame::kFile:
    case Frame::kDeployable:
      return indented(lines, "");
    case Frame::kUnit:
      return "units:\n  - name: basket\n    description: shopping baskets\n" + indented(lines, "    ") +
             "namespaces:\n  - {name: dev, units: [{ref: basket}]}\n";
    case Frame::kPlan:
      return "units:\n  - {name: basket, description: shopping baskets, ports: [default->8080/http]}\nplans:\n  - name: small\n" +
             indented(lines, "    ") + "namespaces:\n  - {name: dev, units: [{ref: basket, plans: [small]}]}\n";
  }
  return {};
}

Problem problem_of(Place place, CodeName code, std::vector<std::string> parameters, std::string way_out) {
  const ProblemCode& row = code.row();
  if (way_out.empty()) way_out = filled(row.way_out, row.parameters, parameters);
  Problem problem = problem_at(place, row.name, filled(row.message, row.parameters, parameters), std::move(way_out));
  problem.parameters = std::move(parameters);
  problem.warning = row.severity == Severity::kWarning;
  return problem;
}

std::string filled(std::string_view text, std::string_view names, const std::vector<std::string>& parameters) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '{') {
      out += text[at];
      continue;
    }
    if (text.substr(at).starts_with("{{")) {  // a brace that is meant
      out += '{';
      ++at;
      continue;
    }
    const std::size_t end = std::min(text.find('}', at), text.size());
    const std::string_view name = text.substr(at + 1, end - at - 1);
    const std::size_t position = position_of(name, names);
    if (position < parameters.size())
      out += in_one_line(parameters[position],
                         name == "reason" || name == "known" || name == "cycle" ? kLongestReason : kLongestParameter);
    at = end;
  }
  return out;
}

}  // namespace nelson
