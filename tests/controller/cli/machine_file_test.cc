#include "controller/cli/machine_file.h"

#include <gtest/gtest.h>

namespace nelson {
namespace {

const std::string kPath = "/etc/nelson/nelson.yml";

TEST(MachineFileTest, TheShortestOne) {
  const auto machine = parse_machine_file(kPath, "control: https://git.example.org/control.git\nstore: /var/lib/nelson\n");
  ASSERT_TRUE(machine) << machine.error().message;
  EXPECT_EQ(machine->control_url, "https://git.example.org/control.git");
  EXPECT_EQ(machine->control_branch, "main");
  EXPECT_EQ(machine->store, "/var/lib/nelson");
  EXPECT_EQ(machine->listen, "127.0.0.1:9000");
  EXPECT_EQ(machine->poll, std::chrono::seconds(30));
  EXPECT_EQ(machine->log, LogOptions{});
}

TEST(MachineFileTest, EverythingInIt) {
  const auto machine = parse_machine_file(kPath, R"(
control:
  url: ssh://git@git.example.org/control.git
  branch: production
  credentials: {token: "env:TOKEN", user: nelson, ssh_key: "file:/k", known_hosts: "file:/h", ca: "file:/c"}
store: ../../var/nelson
listen: "[::1]:8000"
poll: 1 minute
log: {level: warning, format: json, file: nelson.log}
limits: {store_mib: 64, journal_entries: 1000, replay_passes: 10, git_deadline: 5s, connections: 100}
)");
  ASSERT_TRUE(machine) << machine.error().message;
  EXPECT_EQ(machine->control_url, "ssh://git@git.example.org/control.git");
  EXPECT_EQ(machine->control_branch, "production");
  EXPECT_EQ(machine->control_credentials.token, "env:TOKEN");
  EXPECT_EQ(machine->control_credentials.user, "nelson");
  EXPECT_EQ(machine->control_credentials.ssh_key, "file:/k");
  EXPECT_EQ(machine->control_credentials.known_hosts, "file:/h");
  EXPECT_EQ(machine->control_credentials.ca, "file:/c");
  EXPECT_EQ(machine->store, "/var/nelson");
  EXPECT_EQ(machine->listen, "[::1]:8000");
  EXPECT_EQ(machine->poll, std::chrono::minutes(1));
  EXPECT_EQ(machine->log.level, LogLevel::kWarning);
  EXPECT_EQ(machine->log.format, LogFormat::kJson);
  EXPECT_EQ(machine->log.file, "/etc/nelson/nelson.log");
  EXPECT_EQ(machine->limits.store_mib, 64u);
  EXPECT_EQ(machine->limits.journal_entries, 1000u);
  EXPECT_EQ(machine->limits.replay_passes, 10u);
  EXPECT_EQ(machine->limits.git_deadline, std::chrono::seconds(5));
  EXPECT_EQ(machine->limits.connections, 100u);
}

struct UrlCase {
  std::string name, url, want;
};

TEST(MachineFileTest, APathIsARepositoryOfThisMachine) {
  const std::vector<UrlCase> cases = {
      {"relative to the file", "control", "file:///etc/nelson/control"},
      {"relative, upwards", "../control", "file:///etc/control"},
      {"absolute", "/srv/control", "file:///srv/control"},
      {"a url stays", "https://h/x", "https://h/x"},
      {"the short form of ssh stays", "git@h:x.git", "git@h:x.git"},
  };
  for (const UrlCase& c : cases) {
    const auto machine = parse_machine_file(kPath, "store: s\ncontrol: \"" + c.url + "\"\n");
    ASSERT_TRUE(machine) << c.name;
    EXPECT_EQ(machine->control_url, c.want) << c.name;
  }
}

struct WrongCase {
  std::string name, text;
  std::vector<std::string> says;  // parts of the message, all of them
};

TEST(MachineFileTest, WhatIsWrongHasItsPlaceAndTheWayOut) {
  const std::string good = "control: c\nstore: s\n";
  const std::vector<WrongCase> cases = {
      {"an empty file", "", {"/etc/nelson/nelson.yml:"}},
      {"a list", "[a, b]", {"nelson.yml:1:1:"}},
      {"not YAML", "control: [", {"nelson.yml:"}},
      {"no control", "store: s\n", {"`control` is missing"}},
      {"no store", "control: c\n", {"`store` is missing"}},
      {"both missing are both told", "listen: x\n", {"`control` is missing", "`store` is missing"}},
      {"a misspelt key", good + "lisen: x\n", {"nelson.yml:3:1:", "lisen", "listen"}},
      {"a key twice", good + "store: t\n", {"nelson.yml:3:1:", "store"}},
      {"a key within control", "store: s\ncontrol: {urll: x}\n", {"nelson.yml:2:11:", "urll", "url"}},
      {"a control without url", "store: s\ncontrol: {branch: x}\n", {"nelson.yml:2:", "url` is missing"}},
      {"a key within credentials",
       "store: s\ncontrol: {url: x, credentials: {tokn: \"env:T\"}}\n",
       {"nelson.yml:2:33:", "tokn", "token"}},
      {"a secret for a token",
       "store: s\ncontrol: {url: x, credentials: {token: hunter2}}\n",
       {"nelson.yml:2:40:", "not a reference", "env:NAME"}},
      {"a variable for a key file",
       "store: s\ncontrol: {url: x, credentials: {ssh_key: \"env:K\"}}\n",
       {"nelson.yml:2:42:", "file:/path"}},
      {"control as a list", "store: s\ncontrol: [x]\n", {"nelson.yml:2:10:"}},
      {"control without a value", "store: s\ncontrol:\n", {"`control` is missing"}},
      {"store as a list", "control: c\nstore: [s]\n", {"nelson.yml:2:8:", "store"}},
      {"listen as a mapping", good + "listen: {a: b}\n", {"nelson.yml:3:9:", "listen"}},
      {"listen without a value", good + "listen:\n", {"nelson.yml:3:1:", "listen"}},
      {"a poll that is no time", good + "poll: often\n", {"nelson.yml:3:7:", "poll"}},
      {"a poll of nothing", good + "poll: 0s\n", {"nelson.yml:3:7:", "100 milliseconds"}},
      {"a log level", good + "log: {level: inof}\n", {"nelson.yml:3:14:", "inof", "info"}},
      {"a log format", good + "log: {format: xml}\n", {"nelson.yml:3:15:", "xml"}},
      {"a log as a word", good + "log: debug\n", {"nelson.yml:3:6:", "log"}},
      {"a log file as a list", good + "log: {file: [x]}\n", {"nelson.yml:3:13:", "file"}},
      {"a limit that is unknown", good + "limits: {store_mb: 5}\n", {"nelson.yml:3:10:", "store_mb", "store_mib"}},
      {"a limit that is no number", good + "limits: {store_mib: much}\n", {"nelson.yml:3:21:", "store_mib"}},
      {"a limit that is too small", good + "limits: {store_mib: 1}\n", {"nelson.yml:3:21:", "16"}},
      {"a limit that is too large", good + "limits: {connections: 100000}\n", {"nelson.yml:3:23:", "65536"}},
      {"a negative limit", good + "limits: {replay_passes: -1}\n", {"nelson.yml:3:25:", "replay_passes"}},
      {"a deadline too short", good + "limits: {git_deadline: 1ms}\n", {"nelson.yml:3:24:", "1 second"}},
      {"an anchor that contains itself", good + "log: &a {file: *a}\n", {"nelson.yml:3:"}},
      {"two documents", good + "---\ncontrol: d\n", {"nelson.yml:"}},
  };
  for (const WrongCase& c : cases) {
    const auto machine = parse_machine_file(kPath, c.text);
    ASSERT_FALSE(machine) << c.name;
    EXPECT_EQ(machine.error().kind, ErrorKind::kInvalid) << c.name;
    for (const std::string& part : c.says)
      EXPECT_NE(machine.error().message.find(part), std::string::npos) << c.name << ", " << part << ":\n"
                                                                       << machine.error().message;
    EXPECT_EQ(machine.error().message.find("hunter2"), std::string::npos) << "a secret came back";
  }
}

TEST(MachineFileTest, AFileThatIsTooLongOrNotThereIsNamed) {
  EXPECT_NE(read_machine_file("/nonexistent.yml").error().message.find("/nonexistent.yml"), std::string::npos);
  EXPECT_FALSE(parse_machine_file(kPath, std::string(300 * 1024, '#')));
}

TEST(MachineFileTest, ItsPathComesFromTheFlagTheVariableOrTheUsualPlace) {
  unsetenv("NELSON_CONFIG");
  EXPECT_EQ(machine_file_path(""), "/etc/nelson/nelson.yml");
  setenv("NELSON_CONFIG", "/v.yml", 1);
  EXPECT_EQ(machine_file_path(""), "/v.yml");
  EXPECT_EQ(machine_file_path("/f.yml"), "/f.yml");
  unsetenv("NELSON_CONFIG");
}

}  // namespace
}  // namespace nelson
