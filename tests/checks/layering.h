#pragma once

#include <string>
#include <vector>

#include "tests/checks/sources.h"

namespace nelson::checks {

/// What a source includes that the picture forbids:
///
///     state/model <- {state, gitsync, reconcilers} <- controller <- main
///
/// and inside controller/: base <- {domains, status} <- loop <- cli. Also libraries outside their folder, and clocks, files, logs and
/// chance where everything must be a function of its arguments.
[[nodiscard]] std::vector<std::string> layering_findings(const Source& source);

/// The package of .ci/packages that an include needs; "" for the language's and the system's own, "?" when nobody knows.
[[nodiscard]] std::string package_of(const std::string& include);

/// The names between the brackets or quotes of the #include lines.
struct Include {
  std::size_t line = 0;
  std::string name;
  bool quoted = false;
};
[[nodiscard]] std::vector<Include> includes_of(const Source& source);

}  // namespace nelson::checks
