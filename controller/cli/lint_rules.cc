#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "controller/base/files.h"
#include "controller/cli/lint.h"
#include "gitsync/alert_rules.h"
#include "gitsync/problem_codes.h"

extern char** environ;

namespace nelson::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr auto kDeadline = std::chrono::seconds(10);
constexpr std::size_t kMostOutput = 1024 * 1024;

/// A folder of our own below the one for such things, gone with this object.
class Scratch {
 public:
  Scratch() {
    std::error_code error;
    path_ = (fs::temp_directory_path(error) / "nelson-lint-XXXXXX").string();
    if (error || mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  ~Scratch() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Ended {
  bool started = false;
  bool in_time = true;
  int status = 0;
  std::string output;  // both streams, in the order of writing
};

/// All that the child writes until it closes its end or the time is over.
bool read_until(int descriptor, Clock::time_point deadline, std::string& out) {
  char buffer[8192];
  while (out.size() < kMostOutput) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd waiting{descriptor, POLLIN, 0};
    const int ready = left > 0 ? poll(&waiting, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    const ssize_t got = read(descriptor, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    out.append(buffer, static_cast<std::size_t>(got));
  }
  return false;
}

Ended run_promtool(const std::vector<std::string>& files) {
  std::vector<std::string> words = {"promtool", "check", "rules", "--lint=none"};
  words.insert(words.end(), files.begin(), files.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  int ends[2];
  Ended ended;
  if (pipe2(ends, O_CLOEXEC) != 0) return ended;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  pid_t child = 0;
  ended.started = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ) == 0;
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (ended.started) {
    ended.in_time = read_until(ends[0], Clock::now() + kDeadline, ended.output);
    if (!ended.in_time) kill(child, SIGKILL);
    while (waitpid(child, &ended.status, 0) < 0 && errno == EINTR) {
    }
  }
  close(ends[0]);
  return ended;
}

/// One unit's rules in a file of their own.
struct Checked {
  LintedFile* file;
  const ManifestUnit* unit;
};

std::vector<Checked> with_rules(LintReport& report) {
  std::vector<Checked> out;
  for (LintedFile& file : report.files)
    if (file.reading.manifest)
      for (const ManifestUnit& unit : file.reading.manifest->units)
        if (!unit.alerts.empty() || !unit.rules.empty()) out.push_back({&file, &unit});
  return out;
}

/// The rule that a message of promtool is about: `group "basket", rule 2, "basket_down": ...`. Rules come before alerts in the file.
Place place_of_rule(const ManifestUnit& unit, std::string_view message) {
  const std::size_t at = message.find(", rule ");
  if (at == std::string_view::npos) return unit.place;
  const std::size_t number = std::strtoul(std::string(message.substr(at + 7, 8)).c_str(), nullptr, 10);
  if (number == 0) return unit.place;
  if (number <= unit.rules.size()) return unit.rules[number - 1].place;
  if (number - unit.rules.size() <= unit.alerts.size()) return unit.alerts[number - unit.rules.size() - 1].place;
  return unit.place;
}

/// What promtool says of file number `index`, one problem a line.
void take_findings(const std::string& output, const std::string& path, const Checked& checked, std::vector<Problem>& out) {
  for (std::size_t at = 0; at < output.size();) {
    const std::size_t end = std::min(output.find('\n', at), output.size());
    const std::string_view line(output.data() + at, end - at);
    at = end + 1;
    const std::size_t begins = line.find(path + ": ");
    if (begins == std::string_view::npos) continue;
    std::string_view message = line.substr(begins + path.size() + 2);
    // Places in the converted file mean nothing to its author.
    if (const std::size_t group = message.find("group "); group != std::string_view::npos) message.remove_prefix(group);
    Problem problem =
        problem_of(place_of_rule(*checked.unit, message), "InvalidPrometheusRules", {"promtool: " + std::string(message)},
                   "correct the expression; in the 1.x text it is what follows IF");
    problem.file = checked.file->path;
    problem.unit = checked.unit->name;
    out.push_back(std::move(problem));
  }
}

void not_checked(const Checked& first, const std::string& reason, LintReport& report) {
  Problem problem = problem_of(first.unit->place, "RulesNotChecked", {reason});
  problem.file = first.file->path;
  problem.unit = first.unit->name;
  report.problems.push_back(std::move(problem));
}

}  // namespace

void check_alert_rules(LintReport& report) {
  const std::vector<Checked> units = with_rules(report);
  if (units.empty()) return;
  const Scratch scratch;
  std::vector<std::string> files;
  for (std::size_t i = 0; i < units.size(); ++i) {
    files.push_back(scratch.path() + "/" + std::to_string(i) + ".rules.yml");
    if (scratch.path().empty() || !create_file(files.back(), rules_file(*units[i].unit, {})))
      return not_checked(units[0], "there is no room for temporary files", report);
  }
  const Ended ended = run_promtool(files);
  if (!ended.started) return not_checked(units[0], "promtool is not installed", report);
  if (!ended.in_time) return not_checked(units[0], "promtool did not end within 10 seconds", report);
  const std::size_t before = report.problems.size();
  for (std::size_t i = 0; i < units.size(); ++i) take_findings(ended.output, files[i], units[i], report.problems);
  const bool well = WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == 0;
  if (!well && report.problems.size() == before) not_checked(units[0], "promtool failed: " + ended.output.substr(0, 200), report);
}

}  // namespace nelson::cli
