#include "controller/domains/local/logs.h"

#include <algorithm>
#include <chrono>
#include <ostream>
#include <thread>

#include "controller/base/text.h"
#include "controller/cli/command.h"
#include "controller/cli/machine_file.h"
#include "controller/cli/offline.h"
#include "controller/cli/output.h"

namespace nelson::cli {
namespace {

constexpr std::chrono::milliseconds kPause{200};

struct Found {
  std::string domain;
  LogFile file;
};

/// "basket--1-4-2--0abc1234[0]", the supervisor's own lines under "[supervisor]".
std::string label_of(const LogFile& log) {
  return log.stack + '[' + (log.index < 0 ? "supervisor" : std::to_string(log.index)) + ']';
}

void print_lines(Terminal& terminal, const LogFile& log, std::string_view text, bool with_label) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (with_label) terminal.out << painted(terminal, label_of(log) + ": ", Paint::kDim);
    terminal.out << visible(line, true) << '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  terminal.out.flush();
}

std::string_view last_lines(std::string_view text, std::size_t count) {
  std::size_t begin = text.size();
  for (; count > 0 && begin > 0; --count) {
    const std::size_t newline = begin < 2 ? std::string_view::npos : text.rfind('\n', begin - 2);
    begin = newline == std::string_view::npos ? 0 : newline + 1;
  }
  return text.substr(begin);
}

Result<std::vector<Found>> find_logs(const Desired& desired, const std::string& word) {
  std::vector<Found> out;
  for (const auto& [name, domain] : desired.domains) {
    if (domain.scheduler != "local") continue;
    auto logs = list_logs(domain.folder, word);
    if (!logs) return logs.error().with_context("domain " + name);
    for (LogFile& log : *logs) out.push_back({name, std::move(log)});
  }
  return out;
}

int follow(std::vector<LogFollower> followers, bool with_label, Terminal& terminal) {
  // Ends by a signal; a reader that went away (`| head`) ends it at the next line.
  while (terminal.out) {
    bool quiet = true;
    for (LogFollower& follower : followers) {
      const std::string more = follower.more();
      quiet = quiet && more.empty();
      print_lines(terminal, follower.log(), more, with_label);
    }
    if (quiet) std::this_thread::sleep_for(kPause);
  }
  return kExitOk;
}

}  // namespace

int run_logs(const Invocation& invocation, Terminal& terminal) {
  const std::string& word = invocation.arguments[0];
  const std::string lines = invocation.get("lines", "50");
  if (lines.empty() || lines.size() > 6 || lines.find_first_not_of("0123456789") != std::string::npos)
    return fail(terminal, kExitUsage, "--lines is a number of lines, not \"" + lines + '"');
  const auto machine = read_machine_file(machine_file_path(invocation.get("config")));
  if (!machine) return fail(terminal, kExitBad, machine.error().message);
  const auto desired = last_desired(*machine);
  if (!desired) return fail(terminal, kExitBad, desired.error().message);
  const auto found = find_logs(**desired, word);
  if (!found) return fail(terminal, kExitBad, found.error().message);
  if (found->empty())
    return fail(terminal, kExitBad,
                "no unit or stack \"" + word + "\" has logs on this machine; \"nelson status\" lists what there is");

  const bool with_label = found->size() > 1;
  std::vector<LogFollower> followers;
  for (const Found& one : *found) {
    // Opened before reading, so that nothing falls between what was there and what comes.
    followers.emplace_back(one.file);
    const auto text = read_log(one.file);
    if (!text) return fail(terminal, kExitBad, text.error().message);
    print_lines(terminal, one.file, last_lines(*text, static_cast<std::size_t>(std::stoi(lines))), with_label);
  }
  if (!invocation.has("follow")) return kExitOk;
  return follow(std::move(followers), with_label, terminal);
}

}  // namespace nelson::cli
