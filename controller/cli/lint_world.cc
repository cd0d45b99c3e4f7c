#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <system_error>

#include "controller/cli/lint.h"
#include "controller/cli/offline.h"
#include "gitsync/manifest_world.h"
#include "gitsync/problem_codes.h"

namespace nelson::cli {
namespace {

namespace fs = std::filesystem;

std::string resolved(const fs::path& path) {
  std::error_code error;
  return fs::weakly_canonical(path, error).string();
}

/// The top of the working copy that a file lies in; "" when it lies in none.
std::string working_copy_of(const std::string& file) {
  std::error_code error;
  for (fs::path folder = fs::path(resolved(file)).parent_path(); !folder.empty(); folder = folder.parent_path()) {
    if (fs::exists(folder / ".git", error)) return folder.string();
    if (folder == folder.parent_path()) break;
  }
  return "";
}

/// A problem as lint tells it: only looked ahead to, and of a file rather than of a repository at a commit.
void add(Problem problem, const std::string& file, LintReport& report) {
  problem.repository.clear();
  problem.commit.clear();
  problem.file = file;
  if (const ProblemCode* const row = find_problem_code(problem.code)) problem.warning = row->severity == Severity::kWarning;
  if (std::find(report.problems.begin(), report.problems.end(), problem) == report.problems.end())
    report.problems.push_back(std::move(problem));
}

bool is_of_world(const Problem& problem) {
  const ProblemCode* const row = find_problem_code(problem.code);
  return row != nullptr && row->asked == Asked::kWorld;
}

/// What a watched repository may not do, as the controller will say once this is pushed. Nobody watches the others.
void ask_as_if_pushed(Gitsync& gitsync, const std::string& top, const std::map<std::string, std::string>& files,
                      LintReport& report) {
  const auto repository = gitsync.repository_at(top);
  if (!repository) return;
  const auto desired = gitsync.with_overlay({*repository, top, ""});
  if (!desired) {
    report.unread.push_back(desired.error().message);
    return;
  }
  for (const Problem& problem : desired->problems) {
    if (problem.repository != *repository || !is_of_world(problem)) continue;
    const auto linted = files.find(resolved(fs::path(top) / problem.file));
    if (linted != files.end()) add(problem, linted->second, report);
  }
}

}  // namespace

Status ask_world(const std::string& config, LintReport& report) {
  const auto machine = read_machine_file(config);
  if (!machine) return machine.error();
  const auto gitsync = open_offline(*machine);
  if (!gitsync) return gitsync.error();
  const auto desired = last_desired(**gitsync, *machine);
  if (!desired) return desired.error();
  const ManifestWorld world(**desired);
  std::map<std::string, std::string> files;  // as they are called, by their resolved path
  std::set<std::string> tops;
  for (const LintedFile& file : report.files) {
    if (!file.reading.manifest) continue;
    for (Problem& problem : world.problems_of(*file.reading.manifest)) add(std::move(problem), file.path, report);
    if (file.path == "-") continue;
    files.emplace(resolved(file.path), file.path);
    if (std::string top = working_copy_of(file.path); !top.empty()) tops.insert(std::move(top));
  }
  for (const std::string& top : tops) ask_as_if_pushed(**gitsync, top, files, report);
  return {};
}

}  // namespace nelson::cli
