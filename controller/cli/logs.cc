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
constexpr std::chrono::seconds kLookForNew{1};
constexpr std::size_t kLongestLine = 64 << 10;  // what is longer is not waited for

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

/// A log that is followed. A program may stop in the middle of a line: the beginning waits for the rest.
struct Followed {
  LogFollower follower;
  std::string rest;

  /// Whether there was anything.
  bool print_more(Terminal& terminal, bool with_label) {
    const std::string more = follower.more();
    if (more.empty()) return false;
    print(more, terminal, with_label);
    return true;
  }

  void print(std::string_view text, Terminal& terminal, bool with_label) {
    rest += text;
    const std::size_t whole = rest.size() < kLongestLine ? rest.rfind('\n') + 1 : rest.size();  // npos + 1 is 0
    print_lines(terminal, follower.log(), std::string_view(rest).substr(0, whole), with_label);
    rest.erase(0, whole);
  }
};

/// The logs of stacks that were launched after the last look, from their beginning.
void add_new(const Desired& desired, const std::string& word, std::vector<Followed>& followed) {
  const auto found = find_logs(desired, word);
  if (!found) return;  // it was readable before, and may be again
  for (const Found& one : *found)
    if (std::none_of(followed.begin(), followed.end(), [&](const Followed& old) { return old.follower.log() == one.file; }))
      followed.push_back({LogFollower(one.file, 0), ""});
  std::erase_if(followed, [&](const Followed& old) {
    return std::none_of(found->begin(), found->end(), [&](const Found& one) { return one.file == old.follower.log(); });
  });
}

int follow(const Desired& desired, const std::string& word, std::vector<Followed> followed, Terminal& terminal) {
  // Ends by a signal; a reader that went away (`| head`) ends it at the next line.
  auto looked = std::chrono::steady_clock::now();
  while (terminal.out) {
    bool quiet = true;
    for (Followed& one : followed) quiet = !one.print_more(terminal, followed.size() > 1) && quiet;
    if (quiet) std::this_thread::sleep_for(kPause);
    if (std::chrono::steady_clock::now() - looked < kLookForNew) continue;
    looked = std::chrono::steady_clock::now();
    add_new(desired, word, followed);
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
  const bool follows = invocation.has("follow");
  std::vector<Followed> followed;
  for (const Found& one : *found) {
    // Opened before reading, so that nothing falls between what was there and what comes.
    followed.push_back({LogFollower(one.file), ""});
    const auto text = read_log(one.file);
    if (!text) return fail(terminal, kExitBad, text.error().message);
    const std::string_view last = last_lines(*text, static_cast<std::size_t>(std::stoi(lines)));
    if (follows)
      followed.back().print(last, terminal, with_label);
    else
      print_lines(terminal, one.file, last, with_label);
  }
  return follows ? follow(**desired, word, std::move(followed), terminal) : kExitOk;
}

}  // namespace nelson::cli
