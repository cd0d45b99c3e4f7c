#include "state/model/problem.h"

namespace nelson {

std::string to_string(const Problem& problem) {
  std::string out = problem.repository;
  const auto append = [&out](std::string_view separator, std::string_view text) {
    if (text.empty()) return;
    if (!out.empty()) out += separator;
    out += text;
  };
  append(" ", problem.file);
  if (!problem.commit.empty()) append(" at ", problem.commit.substr(0, 8));
  if (problem.line > 0) append(":", std::to_string(problem.line));
  if (problem.column > 0) append(":", std::to_string(problem.column));
  append(": ", problem.message);
  append("; ", problem.way_out);
  return out;
}

}  // namespace nelson
