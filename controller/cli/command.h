#pragma once

#include <iosfwd>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nelson::cli {

// One table of commands and flags (commands.cc): parsing, help, completion and suggestions all read it, so that they agree.

/// What every command may end with; a command's help lists what its own codes mean.
enum Exit : int {
  kExitOk = 0,
  kExitChanges = 1,    // diff: there are changes; wait: it failed
  kExitBad = 2,        // configuration that does not read; an answer that could not be had
  kExitUsage = 64,     // the command line itself
  kExitInternal = 70,  // the store or a lock can no longer be trusted
  kExitHeld = 75,      // another controller holds the store or a domain
};

/// What commands read and write besides their arguments. Tests put their own in its place.
struct Terminal {
  std::ostream& out;
  std::ostream& err;
  bool colour = false;  // on `out`
};

struct Flag {
  std::string_view name;   // "config", for --config
  char letter = 0;         // 'o' for -o; 0: none
  std::string_view value;  // what help calls the value, "FILE"; "" for a switch
  std::string_view help;
  std::string_view choices = {};  // "text|json": other values are refused
};

/// A command line that fits the table.
struct Invocation {
  std::vector<std::string> arguments;
  std::map<std::string, std::string, std::less<>> flags;  // by name; switches have the value ""

  [[nodiscard]] bool has(std::string_view flag) const { return flags.find(flag) != flags.end(); }
  [[nodiscard]] std::string get(std::string_view flag, std::string_view otherwise = {}) const;
};

struct Command {
  std::string_view name;
  std::string_view arguments;       // as usage shows them: "[PATH|REV]"
  std::size_t least = 0, most = 0;  // how many
  std::string_view summary;         // one line
  std::string_view detail;          // paragraphs of help, exit codes among them
  std::span<const Flag> flags;
  int (*run)(const Invocation&, Terminal&);
};

[[nodiscard]] std::span<const Command> commands();
[[nodiscard]] const Command* find_command(std::string_view name);

/// The words after the command's name, or what is wrong with them: one line that names the nearest known flag.
struct Parsed {
  std::optional<Invocation> invocation;
  bool help = false;  // --help was among them
  std::string error;
};
[[nodiscard]] Parsed parse(const Command& command, const std::vector<std::string>& words);

/// What `nelson help [COMMAND]` prints.
[[nodiscard]] std::string general_help();
[[nodiscard]] std::string help_of(const Command& command);
/// A bash script that completes commands, flags, their choices and files.
[[nodiscard]] std::string bash_completion();

/// The whole of `nelson WORDS...` but the hidden commands. Returns the exit status.
int run_command_line(const std::vector<std::string>& words, Terminal& terminal);

// The commands, one file each.
int run_run(const Invocation&, Terminal&);
int run_init(const Invocation&, Terminal&);
int run_lint(const Invocation&, Terminal&);
int run_schema(const Invocation&, Terminal&);
int run_diff(const Invocation&, Terminal&);
int run_wait(const Invocation&, Terminal&);
int run_status(const Invocation&, Terminal&);
int run_history(const Invocation&, Terminal&);
int run_logs(const Invocation&, Terminal&);

}  // namespace nelson::cli
