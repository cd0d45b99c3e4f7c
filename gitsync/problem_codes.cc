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
  auto values = named(row.parameters, std::move(parameters));
  if (way_out.empty()) way_out = filled(row.way_out, values);
  Problem problem = problem_at(place, row.name, filled(row.message, values), std::move(way_out));
  problem.parameters = std::move(values);
  problem.warning = row.severity == Severity::kWarning;
  return problem;
}

std::map<std::string, std::string> named(std::string_view names, std::vector<std::string> values) {
  std::map<std::string, std::string> out;
  for (std::string& value : values) {
    const std::size_t end = std::min(names.find(' '), names.size());
    out[std::string(names.substr(0, end))] = std::move(value);
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return out;
}

std::string filled(std::string_view text, const std::map<std::string, std::string>& parameters) {
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
    const auto parameter = parameters.find(std::string(text.substr(at + 1, end - at - 1)));
    if (parameter != parameters.end()) {
      const auto& [name, value] = *parameter;
      out += in_one_line(value, name == "reason" || name == "known" || name == "cycle" ? kLongestReason : kLongestParameter);
    }
    at = end;
  }
  return out;
}

}  // namespace nelson
