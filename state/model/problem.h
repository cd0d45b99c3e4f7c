#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "state/model/reflect.h"

namespace nelson {

/// A fault in somebody's input, with its place and the way out. Said the same way by the command line, the log, the API and the
/// page. What a field does not apply to stays empty or zero.
struct Problem {
  std::string repository;  // name in repositories/, or "control" for the control repository itself
  std::string commit;      // full id at which it was read
  std::string file;        // path inside the repository
  std::uint32_t line = 0;  // 1 is the first
  std::uint32_t column = 0;
  std::string unit;
  std::string code;     // stable, "InvalidCPU"; gitsync/problem_codes.h lists those of manifests
  std::string message;  // what is wrong
  std::string way_out;  // what would be right, or what to do
  bool warning = false;
  std::map<std::string, std::string> parameters;  // of the code, by the names that its table gives them
  std::string source;        // the line itself, without what looks like a secret; "" when it is not known or too long
  std::uint32_t length = 0;  // how many bytes of it from `column` on are meant; 0 is one word

  auto operator<=>(const Problem&) const = default;
  static void visit(auto& self, auto&& field) {
    field("repository", self.repository);
    field("commit", self.commit);
    field("file", self.file);
    field("line", self.line);
    field("column", self.column);
    field("unit", self.unit);
    field("code", self.code);
    field("message", self.message);
    field("way_out", self.way_out);
    field("warning", self.warning);
    field("parameters", self.parameters);
    field("source", self.source);
    field("length", self.length);
  }
};

/// `file:line:column: message; way out`, with what is known.
[[nodiscard]] std::string to_string(const Problem& problem);

/// The line in question with what is meant underlined, as two lines of text that end with a line break; "" without a source.
///
///        12 |     cpu: lots
///           |          ^^^^
[[nodiscard]] std::string underlined(const Problem& problem);

}  // namespace nelson
