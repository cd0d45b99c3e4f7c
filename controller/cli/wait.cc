#include <ostream>
#include <thread>

#include "controller/cli/client.h"
#include "controller/cli/command.h"
#include "controller/cli/output.h"
#include "state/model/time.h"

namespace nelson::cli {
namespace {

using json::Json;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPause{500};
// An instance that exits once and comes up at its second start is no failure of the commit.
constexpr std::chrono::seconds kFailedFor{3};

bool is_commit(const std::string& text) {
  return text.size() >= 7 && text.size() <= 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::string place_of(const Json& unit) {
  std::string out = text_of(unit, "namespace");
  if (!out.empty()) out += '/';
  return out + text_of(unit, "unit") + " in " + text_of(unit, "domain");
}

/// What is told of an answer; the same words are told once.
std::string story_of(const Json& answer) {
  std::string out = text_of(answer, "state");
  if (const std::string reason = text_of(answer, "reason"); !reason.empty()) out += "\n  " + reason;
  for (const Json& unit : list_of(answer, "units")) {
    out += "\n  " + place_of(unit) + ": " + text_of(unit, "state");
    if (const std::string reason = text_of(unit, "reason"); !reason.empty()) out += ", " + reason;
  }
  return out;
}

/// Two stories that differ in numbers only are one: a shift of twenty minutes is told once, not at each step.
std::string without_numbers(std::string story) {
  std::erase_if(story, [](char c) { return c >= '0' && c <= '9'; });
  return story;
}

void print(Terminal& terminal, const std::string& story) {
  std::string_view rest = story;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    terminal.out << painted(terminal, rest.substr(0, end), Paint::kPlain) << '\n';
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  terminal.out.flush();
}

}  // namespace

int run_wait(const Invocation& invocation, Terminal& terminal) {
  const std::string commit = invocation.get("commit");
  if (commit.empty()) return fail(terminal, kExitUsage, "which commit? --commit SHA, for instance --commit $(git rev-parse HEAD)");
  if (!is_commit(commit)) return fail(terminal, kExitUsage, "--commit takes 7 to 64 hexadecimal digits, not \"" + commit + '"');
  const auto timeout = parse_duration(invocation.get("timeout", "10 minutes"));
  if (!timeout) return fail(terminal, kExitUsage, "--timeout takes a length of time, \"10 minutes\" or 90s");
  const auto address = server_address(invocation);
  if (!address) return fail(terminal, kExitBad, address.error().message);

  const auto deadline = steady_clock::now() + std::min<Duration>(*timeout, std::chrono::hours(24 * 365));
  std::string told, last = "the controller never answered";
  auto fine_until = steady_clock::now();  // the last time it had not failed
  for (;;) {
    const auto answer = get_json(*address, "/v1/commits/" + commit);
    const std::string state = answer ? text_of(*answer, "state") : "";
    const std::string story = answer ? story_of(*answer) : answer.error().message;
    last = story;
    // A controller that starts again, and a commit that was not fetched yet, are nothing to report at once.
    const std::string gist = without_numbers(story);
    if (gist != told && answer && state != "unknown") print(terminal, story);
    told = gist;
    if (state == "live") return kExitOk;
    const auto now = steady_clock::now();
    const bool out_of_time = now + kPause > deadline;
    if (state != "failed") fine_until = now;
    if (state == "failed" && (out_of_time || now - fine_until >= kFailedFor)) return kExitChanges;
    if (state == "superseded") return fail(terminal, kExitBad, "a newer commit took the place of this one before it was live");
    if (out_of_time)
      return fail(terminal, kExitBad,
                  "not live within " + format_duration(*timeout) +
                      "; last known: " + (state == "unknown" ? "the controller has not seen this commit" : last));
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace nelson::cli
