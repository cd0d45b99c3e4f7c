#include "controller/cli/command.h"

#include <algorithm>
#include <ostream>

#include "controller/base/text.h"
#include "state/model/names.h"

namespace nelson::cli {
namespace {

std::string dashed(const Flag& flag) { return "--" + std::string(flag.name); }

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(at), text.size());
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

/// "`instnaces`", or with the word that was probably meant.
std::string unknown(std::string_view kind, const std::string& word, const std::vector<std::string>& known) {
  std::string out = "unknown " + std::string(kind) + " \"" + visible(word.substr(0, 80)) + '"';
  if (const auto near = nearest(word, known)) out += "; did you mean \"" + *near + "\"?";
  return out;
}

const Flag* find_flag(const Command& command, std::string_view word) {
  for (const Flag& flag : command.flags)
    if (word == dashed(flag) || (flag.letter != 0 && word == std::string{'-', flag.letter})) return &flag;
  return nullptr;
}

std::string usage(const Command& command) {
  std::string out = "nelson " + std::string(command.name);
  if (!command.arguments.empty()) out += ' ' + std::string(command.arguments);
  for (const Flag& flag : command.flags) {
    out += " [" + (flag.letter != 0 ? std::string{'-', flag.letter} : dashed(flag));
    if (!flag.value.empty()) out += ' ' + std::string(flag.choices.empty() ? flag.value : flag.choices);
    out += ']';
  }
  return out;
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

/// Takes one command line apart, word by word.
class Parser {
 public:
  Parser(const Command& command, const std::vector<std::string>& words) : command_(command), words_(words) {}

  Parsed parse() {
    bool only_arguments = false;
    while (at_ < words_.size() && out_.error.empty()) {
      const std::string& word = words_[at_++];
      if (!only_arguments && word == "--") {
        only_arguments = true;
      } else if (!only_arguments && (word == "--help" || word == "-h")) {
        out_.help = true;
        return out_;
      } else if (!only_arguments && word.size() > 1 && word[0] == '-') {
        flag(word);
      } else {
        invocation_.arguments.push_back(word);
      }
    }
    if (out_.error.empty()) count();
    if (out_.error.empty()) out_.invocation = std::move(invocation_);
    return out_;
  }

 private:
  void flag(const std::string& word) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const Flag* flag = find_flag(command_, name);
    if (flag == nullptr) {
      std::vector<std::string> known{"--help"};
      for (const Flag& one : command_.flags) known.push_back(dashed(one));
      out_.error = unknown("flag", name, known);
      return;
    }
    std::string value;
    if (equals != std::string::npos) {
      if (flag->value.empty()) {
        out_.error = dashed(*flag) + " takes no value";
        return;
      }
      value = word.substr(equals + 1);
    } else if (!flag->value.empty()) {
      if (at_ == words_.size()) {
        out_.error = dashed(*flag) + " needs a value: " + std::string(flag->choices.empty() ? flag->value : flag->choices);
        return;
      }
      value = words_[at_++];
    }
    const auto choices = split(flag->choices, '|');
    if (!choices.empty() && std::find(choices.begin(), choices.end(), value) == choices.end()) {
      out_.error = unknown("value", value, choices) + " " + dashed(*flag) + " is one of " + std::string(flag->choices);
      return;
    }
    if (!invocation_.flags.emplace(flag->name, value).second) out_.error = dashed(*flag) + " is given twice";
  }

  void count() {
    const std::size_t given = invocation_.arguments.size();
    if (given < command_.least) out_.error = "an argument is missing";
    if (given > command_.most) out_.error = "unexpected argument \"" + visible(invocation_.arguments[command_.most]) + '"';
  }

  const Command& command_;
  const std::vector<std::string>& words_;
  std::size_t at_ = 0;
  Invocation invocation_;
  Parsed out_;
};

int refuse(Terminal& terminal, const std::string& message, std::string_view hint) {
  terminal.err << "nelson: " << message << "\n" << hint << "\n";
  return kExitUsage;
}

}  // namespace

std::string Invocation::get(std::string_view flag, std::string_view otherwise) const {
  const auto found = flags.find(flag);
  return found == flags.end() ? std::string(otherwise) : found->second;
}

const Command* find_command(std::string_view name) {
  const auto all = commands();
  const auto found = std::find_if(all.begin(), all.end(), [name](const Command& command) { return command.name == name; });
  return found == all.end() ? nullptr : &*found;
}

Parsed parse(const Command& command, const std::vector<std::string>& words) { return Parser(command, words).parse(); }

std::string general_help() {
  std::string out =
      "nelson - a delivery controller: what Git says, this machine runs\n\n"
      "Usage: nelson COMMAND [ARGUMENTS] [FLAGS]\n\nCommands:\n";
  for (const Command& command : commands()) {
    std::string left = std::string(command.name);
    if (!command.arguments.empty()) left += ' ' + std::string(command.arguments);
    out += "  " + padded(left, 24) + std::string(command.summary) + '\n';
  }
  return out +
         "\n\"nelson help COMMAND\" says more.\n"
         "First time here? nelson init /srv/nelson, then do what it prints.\n";
}

std::string help_of(const Command& command) {
  std::string out = std::string(command.summary) + "\n\nUsage: " + usage(command) + '\n';
  if (!command.detail.empty()) out += '\n' + std::string(command.detail) + '\n';
  if (!command.flags.empty()) out += "\nFlags:\n";
  for (const Flag& flag : command.flags) {
    std::string left = flag.letter != 0 ? std::string{'-', flag.letter} + ", " : "    ";
    left += dashed(flag);
    if (!flag.value.empty()) left += ' ' + std::string(flag.choices.empty() ? flag.value : flag.choices);
    out += "  " + padded(left, 30) + std::string(flag.help) + '\n';
  }
  return out;
}

std::string bash_completion() {
  std::string names, cases;
  for (const Command& command : commands()) {
    names += (names.empty() ? "" : " ") + std::string(command.name);
    std::string flags = "--help";
    for (const Flag& flag : command.flags) {
      flags += ' ' + dashed(flag);
      if (flag.choices.empty()) continue;
      std::string choices(flag.choices);
      std::replace(choices.begin(), choices.end(), '|', ' ');
      cases += "    " + std::string(command.name) + ":" + dashed(flag);
      if (flag.letter != 0) cases += "|" + std::string(command.name) + ":-" + flag.letter;
      cases += ") COMPREPLY=($(compgen -W \"" + choices + "\" -- \"$word\")); return;;\n";
    }
    cases += "    " + std::string(command.name) + ":*) [[ $word == -* ]] && COMPREPLY=($(compgen -W \"" + flags +
             "\" -- \"$word\")) && return;;\n";
  }
  return "# bash completion for nelson: source <(nelson completion bash)\n"
         "_nelson() {\n"
         "  local word=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
         "  COMPREPLY=()\n"
         "  if [[ $COMP_CWORD -eq 1 || ( $COMP_CWORD -eq 2 && $before == help ) ]]; then\n"
         "    COMPREPLY=($(compgen -W \"" +
         names +
         "\" -- \"$word\"))\n    return\n  fi\n"
         "  case \"${COMP_WORDS[1]}:$before\" in\n" +
         cases +
         "  esac\n"
         "  COMPREPLY=($(compgen -f -- \"$word\"))\n"
         "}\n"
         "complete -o filenames -F _nelson nelson\n";
}

int run_command_line(const std::vector<std::string>& words, Terminal& terminal) {
  if (words.empty()) {
    terminal.err << general_help();
    return kExitUsage;
  }
  std::string name = words[0];
  if (name == "--help" || name == "-h") name = "help";
  if (name == "--version") name = "version";
  const Command* command = find_command(name);
  if (command == nullptr) {
    std::vector<std::string> known;
    for (const Command& one : commands()) known.emplace_back(one.name);
    return refuse(terminal, unknown(name.starts_with('-') ? "flag" : "command", name, known), "nelson help lists what there is.");
  }
  const Parsed parsed = parse(*command, {words.begin() + 1, words.end()});
  if (parsed.help) {
    terminal.out << help_of(*command);
    return kExitOk;
  }
  if (!parsed.invocation) return refuse(terminal, parsed.error, "Usage: " + usage(*command));
  return command->run(*parsed.invocation, terminal);
}

}  // namespace nelson::cli
