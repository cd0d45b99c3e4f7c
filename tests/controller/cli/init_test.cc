#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "controller/base/files.h"
#include "controller/cli/command.h"
#include "controller/cli/init_files.h"
#include "controller/cli/machine_file.h"
#include "gitsync/control_files.h"
#include "gitsync/deployable.h"
#include "gitsync/manifest.h"

namespace nelson::cli {
namespace {

const std::string kId(32, 'a');

TEST(InitFiles, AreReadWithoutAnyProblem) {
  for (const std::string user : {"", "nelson-run"}) {
    ControlFiles control;
    for (const auto& [path, content] : control_files("/srv/nelson", kId, user)) {
      if (!is_control_file(path)) {
        EXPECT_FALSE(unread_path_problem(path)) << path << " is neither read nor left alone";
        continue;
      }
      ControlReading reading = read_control_file(path, content);
      for (const Problem& problem : reading.problems) ADD_FAILURE() << path << ": " << to_string(problem);
      ASSERT_TRUE(reading.object) << path;
      control.put(path, "commit", *std::move(reading.object));
    }
    ASSERT_TRUE(control.owner);
    EXPECT_EQ(control.owner->id, kId);
    ASSERT_EQ(control.domains.count("local"), 1u);
    EXPECT_EQ(control.domains.at("local").folder, "/srv/nelson/local");
    EXPECT_EQ(control.domains.at("local").run_as, user);
    ASSERT_EQ(control.namespaces.count("dev"), 1u);
    EXPECT_EQ(control.namespaces.at("dev").namespaces, std::vector<std::string>{"dev"});
    EXPECT_TRUE(control.repositories.empty()) << "the example is not an object";
  }
}

/// The indented text of the README that begins with `first`.
std::string example(const std::string& first) {
  std::string readme;
  for (const auto& [path, content] : control_files("/srv/nelson", kId, ""))
    if (path == "repositories/README.md") readme = content;
  const std::size_t begin = readme.find("    " + first);
  if (begin == std::string::npos) return "";
  std::istringstream lines(readme.substr(begin));
  std::string yaml;
  for (std::string line; std::getline(lines, line) && line.starts_with("    ");) yaml += line.substr(4) + '\n';
  return yaml;
}

TEST(InitFiles, TheExamplesInTheReadmeRead) {
  const ControlReading repository = read_control_file("repositories/shop.yml", example("url:"));
  for (const Problem& problem : repository.problems) ADD_FAILURE() << to_string(problem);
  EXPECT_TRUE(repository.object);
  const ManifestReading manifest = read_manifest(example("# .nelson.yml"));
  for (const Problem& problem : manifest.problems) ADD_FAILURE() << to_string(problem);
  EXPECT_TRUE(manifest.manifest);
  const DeployableReading deployable = read_deployable(example("# hello.deployable.yml"));
  for (const Problem& problem : deployable.problems) ADD_FAILURE() << to_string(problem);
  ASSERT_TRUE(deployable.deployable);
  EXPECT_TRUE(is_for(*deployable.deployable, "hello"));
}

class Init : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "nelson-init-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  int init(const std::string& folder) {
    out_.str("");
    err_.str("");
    Terminal terminal{out_, err_, false};
    return run_command_line({"init", folder, "--no-user"}, terminal);
  }

  std::string folder_;
  std::ostringstream out_, err_;
};

TEST_F(Init, MakesAControlRepositoryAndAMachinesFile) {
  const std::string folder = folder_ + "/new";
  ASSERT_EQ(init(folder), 0) << err_.str();
  const auto machine = read_machine_file(folder + "/nelson.yml");
  ASSERT_TRUE(machine) << machine.error().message;
  EXPECT_EQ(machine->control_url, "file://" + folder + "/control");
  EXPECT_EQ(machine->store, folder + "/store");
  EXPECT_TRUE(std::filesystem::exists(folder + "/control/.git"));
  const auto owner = read_file(folder + "/control/owner.yml", 4096);
  ASSERT_TRUE(owner) << owner.error().message;
  EXPECT_NE(out_.str().find("nelson run --config " + folder + "/nelson.yml"), std::string::npos) << out_.str();
  ASSERT_EQ(init(folder_ + "/other"), 0);
  EXPECT_NE(read_file(folder_ + "/other/control/owner.yml", 4096).value(), *owner) << "every owner has an id of its own";
}

TEST_F(Init, WhatItSaysToTypeMakesTheControllersNextCommit) {
  const std::string folder = folder_ + "/new";
  ASSERT_EQ(init(folder), 0) << err_.str();
  std::istringstream said(out_.str());
  std::string commands =
      "export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t HOME=" + folder_ + "; set -e\n";
  for (std::string line; std::getline(said, line);)
    if (line.starts_with("  ") && line.find("nelson run") == std::string::npos) commands += line + '\n';
  ASSERT_TRUE(create_file(folder_ + "/commands", commands));
  ASSERT_EQ(std::system(("bash " + folder_ + "/commands > " + folder_ + "/said 2>&1").c_str()), 0)
      << read_file(folder_ + "/said", 4096).value();
  const auto made = read_file(folder + "/control/repositories/shop.yml", 4096);
  ASSERT_TRUE(made);
  const ControlReading reading = read_control_file("repositories/shop.yml", *made);
  EXPECT_TRUE(reading.object) << *made;
}

TEST_F(Init, RefusesANameThatPathsInFilesCannotHold) {
  for (const char* name : {"/my dir", "/a#b", "/a: b", "/a'b", "/a\\b"}) {
    EXPECT_EQ(init(folder_ + name), 2) << name;
    EXPECT_FALSE(std::filesystem::exists(folder_ + name)) << name;
  }
}

TEST_F(Init, RefusesAFolderThatIsNotEmpty) {
  ASSERT_TRUE(create_file(folder_ + "/precious", "data"));
  EXPECT_EQ(init(folder_), 2);
  EXPECT_NE(err_.str().find(folder_ + " is there and not empty"), std::string::npos) << err_.str();
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/control"));
  EXPECT_EQ(init(folder_ + "/precious"), 2) << "nor a file";
  EXPECT_EQ(read_file(folder_ + "/precious", 10).value(), "data");
}

}  // namespace
}  // namespace nelson::cli
