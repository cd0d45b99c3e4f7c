#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gitsync/document.h"
#include "gitsync/problem_table.h"
#include "state/model/problem.h"

namespace nelson {

/// Null when there is none of that name.
[[nodiscard]] const ProblemCode* find_problem_code(std::string_view name);
/// An example as a whole file.
[[nodiscard]] std::string example_file(Frame frame, std::string_view lines);

/// A row of the table by its name; a misspelt one does not compile.
class CodeName {
 public:
  consteval CodeName(const char* name)  // NOLINT(google-explicit-constructor): a name is how a row is written
      : row_(std::find_if(kProblemCodes.begin(), kProblemCodes.end(), [&](const ProblemCode& row) { return row.name == name; })) {
    if (row_ == kProblemCodes.end()) throw "no such code in gitsync/problem_table.h";
  }
  [[nodiscard]] const ProblemCode& row() const { return *row_; }

 private:
  const ProblemCode* row_;
};

/// A problem of the table. `way_out` says more than the table can, where it is given.
[[nodiscard]] Problem problem_of(Place place, CodeName code, std::vector<std::string> parameters, std::string way_out = {});

/// The values under the row's names for them, which come in that order.
[[nodiscard]] std::map<std::string, std::string> named(std::string_view names, std::vector<std::string> values);
/// `text` with each {name} replaced by its parameter, in one line, made short and printable.
[[nodiscard]] std::string filled(std::string_view text, const std::map<std::string, std::string>& parameters);

}  // namespace nelson
