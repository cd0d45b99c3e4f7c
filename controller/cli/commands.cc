#include <algorithm>
#include <array>
#include <ostream>

#include "controller/base/text.h"
#include "controller/cli/command.h"
#include "controller/cli/version.h"
#include "state/model/names.h"

namespace nelson::cli {
namespace {

constexpr Flag kConfig{"config", 'c', "FILE", "the machine's file; else $NELSON_CONFIG, else /etc/nelson/nelson.yml"};
constexpr Flag kAddress{"address", 'a', "ADDRESS", "host:port of the controller's status server; else `listen` of the config"};
constexpr Flag kOutput{"output", 'o', "FORMAT", "how to print", "table|json"};

constexpr std::array kRunFlags{kConfig};
constexpr std::array kInitFlags{
    Flag{"no-user", 0, "", "as root: make no system user for what is deployed"},
};
constexpr std::array kLintFlags{
    Flag{"unit", 'u', "NAME", "a unit that must be declared, for a build that is about to release it"},
    Flag{"output", 'o', "FORMAT", "how to print", "text|json|sarif|github"},
    Flag{"strict", 0, "", "warnings count as problems"},
    Flag{"explain", 0, "CODE", "what a code means, with an example of both sides; reads no file"},
    Flag{"config", 'c', "FILE", "also ask what Git says elsewhere: the machine's file of a controller that has run"},
};
constexpr std::array kDiffFlags{
    kConfig,
    Flag{"repository", 'r', "NAME", "which file of repositories/ PATH or REV belongs to; else found by its remotes"},
    Flag{"all", 0, "", "every unit, not only those of the repository"},
    Flag{"output", 'o', "FORMAT", "how to print", "text|json"},
};
constexpr std::array kWaitFlags{
    Flag{"commit", 0, "SHA", "the commit, in full or at least its first 7 digits"},
    Flag{"timeout", 't', "DURATION", "give up after so long: 90s, \"10 minutes\" (the default)"},
    kConfig,
    kAddress,
};
constexpr std::array kClientFlags{kOutput, kConfig, kAddress};
constexpr std::array kHistoryFlags{
    kOutput,
    Flag{"lines", 'n', "N", "how many entries, 1 to 1000; 20 otherwise"},
    kConfig,
    kAddress,
};
constexpr std::array kLogsFlags{
    Flag{"follow", 'f', "", "go on printing what comes, until interrupted"},
    Flag{"lines", 'n', "N", "how many lines of each instance to begin with; 50 otherwise"},
    kConfig,
};

int run_help(const Invocation& invocation, Terminal& terminal) {
  if (invocation.arguments.empty()) {
    terminal.out << general_help();
    return kExitOk;
  }
  const std::string& name = invocation.arguments[0];
  const Command* command = find_command(name);
  if (command != nullptr) {
    terminal.out << help_of(*command);
    return kExitOk;
  }
  std::vector<std::string> known;
  for (const Command& one : commands()) known.emplace_back(one.name);
  terminal.err << "nelson: unknown command \"" << visible(name) << '"';
  if (const auto near = nearest(name, known)) terminal.err << "; did you mean \"" << *near << "\"?";
  terminal.err << "\nnelson help lists what there is.\n";
  return kExitUsage;
}

int run_version(const Invocation&, Terminal& terminal) {
  terminal.out << "nelson " << kVersion << '\n';
  return kExitOk;
}

int run_completion(const Invocation& invocation, Terminal& terminal) {
  if (invocation.arguments[0] != "bash") {
    terminal.err << "nelson: completion is there for bash, not for \"" << visible(invocation.arguments[0]) << "\"\n";
    return kExitUsage;
  }
  terminal.out << bash_completion();
  return kExitOk;
}

constexpr std::array kCommands{
    Command{"init", "DIR", 1, 1, "make a control repository and a machine's file that work at once",
            "Makes DIR/control, a Git repository with one commit that says how one machine is used, and DIR/nelson.yml,\n"
            "which makes this machine act on it. DIR must not exist, or be empty. As root a system user is made for what\n"
            "is deployed, so that nothing of it runs as root.\n\n"
            "Exit: 0 made, 2 could not.",
            kInitFlags, run_init},
    Command{"run", "", 0, 0, "act on what Git says, until told to end",
            "SIGTERM or Ctrl-C ends it within 5 seconds and leaves everything deployed running; a second one ends it at\n"
            "once. SIGHUP asks every repository for news now.\n\n"
            "Exit: 0 told to end, 2 the configuration does not read, 70 the store or a lock can no longer be trusted,\n"
            "75 another controller holds the store or a domain.",
            kRunFlags, run_run},
    Command{
        "lint", "[PATH...]", 0, 100'000, "check manifests and deployables, with no controller and no configuration",
        "PATH is a file, a folder with manifests in or below it, or - for standard input; .nelson.yml without one. Of a single\n"
        "file each problem is shown in its line; of several, one line a problem. Alerts are also shown to promtool, where\n"
        "Debian's package prometheus is installed.\n\n"
        "Exit: 0 fine, 1 problems (with --strict also warnings), 2 something could not be read.",
        kLintFlags, run_lint},
    Command{"schema",
            "",
            0,
            0,
            "a JSON Schema of manifests, for editors",
            "With the YAML language server: nelson schema > nelson.schema.json, and as the first line of a manifest\n"
            "# yaml-language-server: $schema=nelson.schema.json",
            {},
            run_schema},
    Command{"diff", "[PATH|REV]", 0, 1, "what would be done, and why, without doing it",
            "PATH is a working copy of an application repository: what would be done if it were pushed as it lies there.\n"
            "REV is a revision of the working copy in the current folder. With neither: what the controller is about to do\n"
            "by itself. Reads what the controller last fetched, and changes nothing.\n\n"
            "Exit: 0 nothing would change, 1 changes, 2 could not tell.",
            kDiffFlags, run_diff},
    Command{"wait", "", 0, 0, "block until a commit is live everywhere, or has failed",
            "For a build: git push && nelson wait --commit $(git rev-parse HEAD)\n\n"
            "Exit: 0 live everywhere, 1 failed for 3 seconds on end (it says what and why), 2 could not tell: the time ran out, a "
            "newer commit\n"
            "overtook this one, or the controller does not answer.",
            kWaitFlags, run_wait},
    Command{"status", "[UNIT|STACK]", 0, 1, "what is deployed, its share of traffic, and what is wrong",
            "Exit: 0 it is well, 1 something is wrong (it is printed), 2 the controller does not answer.", kClientFlags,
            run_status},
    Command{"logs", "UNIT|STACK", 1, 1, "what a unit's instances printed", "Exit: 0, or 2 when there is no such log.", kLogsFlags,
            run_logs},
    Command{"history", "[STACK]", 0, 1, "what was done, newest first", "Exit: 0, or 2 when the controller does not answer.",
            kHistoryFlags, run_history},
    Command{"help", "[COMMAND]", 0, 1, "this, or more about one command", "", {}, run_help},
    Command{"version", "", 0, 0, "which version this is", "", {}, run_version},
    Command{"completion", "bash", 1, 1, "completion for a shell: source <(nelson completion bash)", "", {}, run_completion},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace nelson::cli
