#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "controller/cli/command.h"
#include "gitsync/manifest.h"
#include "state/model/problem.h"
#include "state/model/result.h"

namespace nelson::cli {

/// A file that was checked.
struct LintedFile {
  std::string path;  // as the person called it; "-" is standard input
  ManifestReading reading;
  bool deployable = false;  // then only the problems of `reading` are there
};

/// What `nelson lint` found, before it is printed.
struct LintReport {
  std::vector<LintedFile> files;
  std::vector<Problem> problems;    // sorted, each with its file
  std::vector<std::string> unread;  // paths that could not be read, and why

  [[nodiscard]] std::size_t errors() const;
  [[nodiscard]] std::size_t warnings() const;
};

/// The manifests and deployables that `paths` name: files as they are; folders with all that is called `.nelson.yml`, `<name>.nelson.yml` or
/// `<unit>.deployable.yml` in and below them, and where there is none, their own *.yml files. Links are not followed.
[[nodiscard]] LintReport lint_paths(const std::vector<std::string>& paths);

/// Lets promtool look at the alerts and rules of what was read; a warning where it is not installed or takes too long.
void check_alert_rules(LintReport& report);

/// What the control repository and the other repositories say to the manifests that read, as the controller last fetched them: warnings. Of
/// manifests in a working copy of a watched repository also what that repository may not do. The error says what could not be read.
[[nodiscard]] Status ask_world(const std::string& config, LintReport& report);

/// In one of the formats of the flag: text, json, sarif, github.
void print_lint(const LintReport& report, const std::string& format, Terminal& terminal);

/// What `--explain CODE` prints; "" for an unknown code.
[[nodiscard]] std::string explanation_of(const std::string& code);

}  // namespace nelson::cli
