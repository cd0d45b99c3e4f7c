#include "controller/cli/command.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "controller/cli/version.h"
#include "tests/controller/cli/ran.h"

namespace nelson::cli {
namespace {

struct LineCase {
  std::string name;
  std::vector<std::string> words;
  int code;
  std::string says;  // part of out or err
};

TEST(CommandLine, SaysWhatIsWrongAndWhatWasMeant) {
  const std::vector<LineCase> cases = {
      {"nothing at all", {}, 64, "Usage: nelson COMMAND"},
      {"help", {"help"}, 0, "  diff [PATH|REV]"},
      {"--help", {"--help"}, 0, "Commands:"},
      {"-h", {"-h"}, 0, "Commands:"},
      {"help of a command", {"help", "wait"}, 0, "Exit: 0 live everywhere, 1 failed for 3 seconds"},
      {"--help after a command", {"wait", "--help"}, 0, "--timeout DURATION"},
      {"help of an unknown command", {"help", "wiat"}, 64, "did you mean \"wait\"?"},
      {"version", {"version"}, 0, "nelson 0."},
      {"--version", {"--version"}, 0, "nelson 0."},
      {"a misspelt command", {"stauts"}, 64, "unknown command \"stauts\"; did you mean \"status\"?"},
      {"a command like nothing", {"xyzzy"}, 64, "unknown command \"xyzzy\""},
      {"a misspelt flag", {"run", "--confg", "x"}, 64, "unknown flag \"--confg\"; did you mean \"--config\"?"},
      {"a flag before the command", {"--confg"}, 64, "unknown flag \"--confg\""},
      {"a flag without its value", {"run", "--config"}, 64, "--config needs a value: FILE"},
      {"a flag without its choice", {"status", "-o"}, 64, "--output needs a value: table|json"},
      {"a wrong choice", {"status", "-o", "jsn"}, 64, "did you mean \"json\"?"},
      {"a wrong choice like nothing", {"status", "--output=xml"}, 64, "--output is one of table|json"},
      {"a value for a switch", {"logs", "--follow=yes", "x"}, 64, "--follow takes no value"},
      {"a flag twice", {"status", "-o", "json", "--output=json"}, 64, "--output is given twice"},
      {"an argument too many", {"version", "now"}, 64, "unexpected argument \"now\""},
      {"an argument too few", {"logs"}, 64, "an argument is missing"},
      {"init without a folder", {"init"}, 64, "Usage: nelson init DIR"},
      {"a hidden command is none for people", {"help", "git-worker"}, 64, "unknown command"},
      {"wait without a commit", {"wait"}, 64, "which commit?"},
      {"wait for no commit", {"wait", "--commit", "main"}, 64, "hexadecimal digits, not \"main\""},
      {"wait for a bad time", {"wait", "--commit", "abcdef0", "--timeout", "soon"}, 64, "--timeout takes a length of time"},
      {"history of too much", {"history", "-n", "100000"}, 64, "--lines is a number from 1 to 1000"},
      {"history of nothing", {"history", "-n", "0"}, 64, "--lines is a number from 1 to 1000"},
      {"logs of a word", {"logs", "-n", "all", "x"}, 64, "--lines is a number of lines"},
      {"a config that is not there", {"run", "--config", "/nonexistent/nelson.yml"}, 2, "/nonexistent/nelson.yml: No such file"},
      {"diff without a config", {"diff", "--config", "/nonexistent/nelson.yml"}, 2, "nelson init DIR"},
      {"logs without a config", {"logs", "x", "--config", "/nonexistent/nelson.yml"}, 2, "/nonexistent/nelson.yml"},
      {"status of nobody", {"status", "--address", "127.0.0.1:1"}, 2, "is \"nelson run\" running there?"},
      {"status of nonsense", {"status", "--address", "nowhere at all"}, 2, "no answer from nowhere at all"},
      {"completion of another shell", {"completion", "tcsh"}, 64, "completion is there for bash"},
      {"escapes in what was typed", {"\x1b[31m"}, 64, "\\x1b[31m"},
  };
  for (const LineCase& c : cases) {
    const Ran got = ran(c.words);
    EXPECT_EQ(got.code, c.code) << c.name << "\n" << got.out << got.err;
    EXPECT_NE((got.out + got.err).find(c.says), std::string::npos) << c.name << "\n" << got.out << got.err;
    EXPECT_EQ((got.out + got.err).find('\x1b'), std::string::npos) << c.name;
    if (c.code != 0 && c.code != 1) EXPECT_TRUE(got.out.empty()) << c.name << ": what is wrong goes to standard error";
  }
}

struct ParseCase {
  std::string name;
  std::vector<std::string> words;
  std::vector<std::string> arguments;
  std::map<std::string, std::string, std::less<>> flags;
};

TEST(CommandLine, FlagsComeInAnyOrderAndSpelling) {
  const std::vector<ParseCase> cases = {
      {"a value apart", {"--config", "f", "x"}, {"x"}, {{"config", "f"}}},
      {"a value after an equals sign", {"x", "--config=f"}, {"x"}, {{"config", "f"}}},
      {"by letter", {"-c", "f", "-f", "x"}, {"x"}, {{"config", "f"}, {"follow", ""}}},
      {"an empty value", {"--config=", "x"}, {"x"}, {{"config", ""}}},
      {"a value that looks like a flag", {"--config", "--follow", "x"}, {"x"}, {{"config", "--follow"}}},
      {"after two dashes all is arguments", {"--", "--follow"}, {"--follow"}, {}},
      {"a dash alone is an argument", {"-"}, {"-"}, {}},
  };
  for (const ParseCase& c : cases) {
    const Parsed parsed = parse(*find_command("logs"), c.words);
    ASSERT_TRUE(parsed.invocation) << c.name << ": " << parsed.error;
    EXPECT_EQ(parsed.invocation->arguments, c.arguments) << c.name;
    EXPECT_EQ(parsed.invocation->flags, c.flags) << c.name;
  }
}

TEST(CommandTable, IsWholeAndWithoutDoubles) {
  std::set<std::string_view> names;
  for (const Command& command : commands()) {
    EXPECT_TRUE(names.insert(command.name).second) << command.name;
    EXPECT_FALSE(command.summary.empty()) << command.name;
    EXPECT_LE(command.summary.size(), 80u) << command.name;
    EXPECT_LE(command.least, command.most) << command.name;
    std::set<std::string_view> flags;
    std::set<char> letters;
    for (const Flag& flag : command.flags) {
      EXPECT_TRUE(flags.insert(flag.name).second) << command.name << " --" << flag.name;
      EXPECT_TRUE(flag.letter == 0 || letters.insert(flag.letter).second) << command.name << " -" << flag.letter;
      EXPECT_FALSE(flag.help.empty()) << command.name << " --" << flag.name;
      EXPECT_NE(help_of(command).find("--" + std::string(flag.name)), std::string::npos);
    }
    EXPECT_NE(general_help().find("\n  " + std::string(command.name)), std::string::npos) << command.name;
  }
}

TEST(Completion, KnowsEveryCommandFlagAndChoiceAndIsBash) {
  const std::string script = bash_completion();
  for (const Command& command : commands()) {
    EXPECT_NE(script.find(command.name), std::string::npos) << command.name;
    for (const Flag& flag : command.flags) EXPECT_NE(script.find("--" + std::string(flag.name)), std::string::npos) << flag.name;
  }
  EXPECT_NE(script.find("table json"), std::string::npos);
  std::string pattern = testing::TempDir() + "nelson-completion-XXXXXX";
  const int file = mkstemp(pattern.data());
  ASSERT_GE(file, 0);
  std::ofstream(pattern) << script << "\nCOMP_WORDS=(nelson status -o js); COMP_CWORD=3; _nelson; echo \"${COMPREPLY[@]}\"\n"
                         << "COMP_WORDS=(nelson hist); COMP_CWORD=1; _nelson; echo \"${COMPREPLY[@]}\"\n"
                         << "COMP_WORDS=(nelson run --conf); COMP_CWORD=2; _nelson; echo \"${COMPREPLY[@]}\"\n";
  FILE* bash = popen(("bash " + pattern + " 2>&1").c_str(), "r");
  ASSERT_NE(bash, nullptr);
  char said[4096] = {};
  const std::size_t length = fread(said, 1, sizeof said - 1, bash);
  EXPECT_EQ(pclose(bash), 0);
  close(file);
  unlink(pattern.c_str());
  EXPECT_EQ(std::string(said, length), "json\nhistory\n--config\n");
}

TEST(Version, IsThatOfTheBuild) {
  std::ifstream file(NELSON_SOURCE "/CMakeLists.txt");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_NE(text.str().find("project(nelson VERSION " + std::string(kVersion) + " "), std::string::npos);
}

}  // namespace
}  // namespace nelson::cli
