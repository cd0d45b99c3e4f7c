#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "controller/cli/command.h"

namespace nelson::cli {

/// What a command line came to.
struct Ran {
  int code = -1;
  std::string out, err;
};

inline Ran ran(const std::vector<std::string>& words, bool colour = false) {
  std::ostringstream out, err;
  Terminal terminal{out, err, colour};
  const int code = run_command_line(words, terminal);
  return {code, out.str(), err.str()};
}

}  // namespace nelson::cli
