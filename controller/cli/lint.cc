#include "controller/cli/lint.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <ostream>
#include <set>
#include <string_view>
#include <thread>

#include "controller/base/files.h"
#include "controller/base/text.h"
#include "controller/cli/output.h"
#include "gitsync/deployable.h"
#include "gitsync/problem_codes.h"
#include "state/model/names.h"

namespace nelson::cli {
namespace {

namespace fs = std::filesystem;

// 256 KiB and a byte order mark, and a byte more that shows that it is too much.
constexpr std::size_t kMost = 256 * 1024 + 3 + 1;
constexpr std::size_t kMostThreads = 8;  // the worst file takes 80 MiB while it is read

bool is_deployable(std::string_view path) { return path.ends_with(".deployable.yml") || path.ends_with(".deployable.yaml"); }

std::string name_of_path(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

bool is_manifest(std::string_view path) { return path.ends_with(".nelson.yml"); }

/// Nearly the name, and so probably meant as one.
bool is_misnamed(std::string_view path) {
  std::string name = name_of_path(path);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return !is_manifest(path) && (name == ".nelson.yml" || name == ".nelson.yaml" || name == "nelson.yaml");
}

class Collector {
 public:
  explicit Collector(LintReport& report) : report_(report) {}

  void add(const std::string& path) {
    if (path == "-") {
      files_.insert(path);
      return;
    }
    std::error_code error;
    const auto status = fs::symlink_status(path, error);
    if (!fs::exists(status)) {
      report_.unread.push_back(visible(path) + ": " + (error ? error.message() : "there is no such file"));
    } else if (fs::is_directory(status) || (fs::is_symlink(status) && fs::is_directory(path, error))) {
      add_folder(path);
    } else {
      files_.insert(path);
    }
  }

  [[nodiscard]] const std::set<std::string>& files() const { return files_; }

 private:
  void add_folder(const std::string& folder) {
    bool found = false;
    std::set<std::string> others;
    std::error_code error;
    fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error), end;
    for (; !error && at != end; at.increment(error)) {
      const std::string path = at->path().string();
      if (at->is_directory(error) && at->path().filename() == ".git") at.disable_recursion_pending();
      if (at->is_directory(error) && !at->is_symlink(error)) continue;
      if (is_manifest(path) || is_deployable(path)) {
        files_.insert(path);
        found = found || is_manifest(path);
      } else if (is_misnamed(path)) {
        misnamed(path);
      } else if (at.depth() == 0 && (path.ends_with(".yml") || path.ends_with(".yaml"))) {
        others.insert(path);
      }
    }
    if (error) report_.unread.push_back(visible(folder) + ": " + error.message());
    if (found) return;
    files_.insert(others.begin(), others.end());
    if (others.empty() && report_.problems.empty() && !error)
      report_.unread.push_back(visible(folder) + ": no .nelson.yml in it or below it");
  }

  void misnamed(const std::string& path) {
    Problem problem = problem_of({}, "MisnamedManifest", {path});
    problem.file = path;
    report_.problems.push_back(std::move(problem));
  }

  LintReport& report_;
  std::set<std::string> files_;
};

Result<std::string> bytes_of(const std::string& path) {
  if (path != "-") return read_file(path, kMost);
  std::string bytes;
  bytes.reserve(4096);
  for (std::istreambuf_iterator<char> at(std::cin), end; at != end && bytes.size() < kMost; ++at) bytes += *at;
  return bytes;
}

/// What became of one path.
struct Linted {
  LintedFile file;
  std::string unread;  // why it could not be read; "" when it was
};

Linted lint_file(const std::string& path) {
  LintedFile file;
  file.path = path;
  file.deployable = is_deployable(path);
  std::error_code error;
  if (path != "-" && !fs::is_regular_file(fs::symlink_status(path, error))) {
    file.reading.problems.push_back(problem_of({}, "NotRegular", {path}));
  } else if (path != "-" && fs::file_size(path, error) >= kMost) {
    file.reading.problems.push_back(
        problem_of({1, 1}, "LoadError", {"the file has " + std::to_string(fs::file_size(path, error)) + " bytes, at most 262144"},
                   "split it"));
  } else {
    const auto bytes = bytes_of(path);
    if (!bytes) return {{}, visible(bytes.error().message)};
    if (file.deployable)
      file.reading.problems = read_deployable(*bytes).problems;
    else
      file.reading = read_manifest(*bytes);
  }
  for (Problem& problem : file.reading.problems) problem.file = path;
  return {std::move(file), ""};
}

/// In the order of `paths`. Reading YAML is nearly all there is to do, so every core does its part.
std::vector<Linted> lint_files(const std::vector<std::string>& paths) {
  std::vector<Linted> linted(paths.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < paths.size(); i = next++) linted[i] = lint_file(paths[i]);
  };
  std::vector<std::jthread> others;
  const std::size_t threads = std::min({kMostThreads, paths.size(), std::size_t{std::thread::hardware_concurrency()}});
  for (std::size_t i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  others.clear();  // waits
  return linted;
}

/// The unit that a build is about to release must be in one of the manifests.
void check_unit(const std::string& name, LintReport& report) {
  std::vector<std::string> known;
  std::string first;
  for (const LintedFile& file : report.files) {
    if (file.deployable) continue;
    if (!file.reading.manifest) return;  // what it declares is not known, and that it does not read is said
    if (first.empty()) first = file.path;
    for (const ManifestUnit& unit : file.reading.manifest->units) known.push_back(unit.name);
  }
  if (first.empty() || std::find(known.begin(), known.end(), name) != known.end()) return;
  std::string list;
  for (const std::string& one : known) list += (list.empty() ? "" : ", ") + one;
  const auto near = nearest(name, known);
  Problem problem = problem_of({}, "ManifestUnitKindMismatch", {name, list}, near ? "did you mean `" + *near + "`?" : "");
  problem.file = first;
  problem.unit = name;
  report.problems.push_back(std::move(problem));
}

int explain(const std::string& code, Terminal& terminal) {
  const std::string text = explanation_of(code);
  if (!text.empty()) {
    terminal.out << text;
    return kExitOk;
  }
  std::vector<std::string> known;
  for (const ProblemCode& row : kProblemCodes) known.emplace_back(row.name);
  const auto near = nearest(code, known);
  return fail(terminal, kExitUsage, "there is no code \"" + code + '"' + (near ? "; did you mean \"" + *near + "\"?" : ""));
}

}  // namespace

std::size_t LintReport::errors() const {
  return static_cast<std::size_t>(
      std::count_if(problems.begin(), problems.end(), [](const Problem& problem) { return !problem.warning; }));
}

std::size_t LintReport::warnings() const { return problems.size() - errors(); }

LintReport lint_paths(const std::vector<std::string>& paths) {
  LintReport report;
  Collector collector(report);
  for (const std::string& path : paths) collector.add(path);
  for (Linted& linted : lint_files({collector.files().begin(), collector.files().end()})) {
    if (!linted.unread.empty()) {
      report.unread.push_back(std::move(linted.unread));
      continue;
    }
    const std::vector<Problem>& problems = linted.file.reading.problems;
    report.problems.insert(report.problems.end(), problems.begin(), problems.end());
    report.files.push_back(std::move(linted.file));
  }
  return report;
}

int run_lint(const Invocation& invocation, Terminal& terminal) {
  if (invocation.has("explain")) return explain(invocation.get("explain"), terminal);
  std::vector<std::string> paths = invocation.arguments;
  if (paths.empty()) paths.emplace_back(".nelson.yml");
  LintReport report = lint_paths(paths);
  if (invocation.has("unit")) check_unit(invocation.get("unit"), report);
  check_alert_rules(report);
  if (invocation.has("config"))
    if (const Status asked = ask_world(invocation.get("config"), report); !asked) report.unread.push_back(asked.error().message);
  std::sort(report.problems.begin(), report.problems.end());
  print_lint(report, invocation.get("output", "text"), terminal);
  for (const std::string& why : report.unread) fail(terminal, kExitBad, why);
  if (!report.unread.empty()) return kExitBad;
  const bool wrong = report.errors() > 0 || (invocation.has("strict") && report.warnings() > 0);
  return wrong ? kExitChanges : kExitOk;
}

}  // namespace nelson::cli
