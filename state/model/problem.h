#pragma once

#include <cstdint>
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
  std::string code;     // stable, "InvalidCPU"; spec/manifest 9.1 names them
  std::string message;  // what is wrong
  std::string way_out;  // what would be right, or what to do
  bool warning = false;

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
  }
};

/// `file:line:column: message; way out`, with what is known.
[[nodiscard]] std::string to_string(const Problem& problem);

}  // namespace nelson
