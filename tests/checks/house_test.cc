#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "tests/checks/layering.h"
#include "tests/checks/sources.h"

// How the house is kept: what a reviewer would say twice is said here once.

namespace nelson::checks {
namespace {

namespace fs = std::filesystem;

const std::set<std::string> kFolders = {"state", "gitsync", "reconcilers", "controller", "examples", "tests"};

bool is_code(const Source& source) {
  static const std::set<std::string> kExtensions = {"cc", "h", "py"};
  return kExtensions.contains(source.extension()) || (source.extension().empty() && source.text.starts_with("#!"));
}

TEST(House, TheTopLevelHoldsOnlyWhatBelongsThere) {
  const std::set<std::string> files = {"CMakeLists.txt", "README.md", "CHANGELOG.md", "LICENSE"};
  for (const auto& entry : fs::directory_iterator(NELSON_SOURCE)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".") || name.starts_with("build")) continue;
    EXPECT_TRUE(entry.is_directory() ? kFolders.contains(name) : files.contains(name)) << name << " has no place at the top";
  }
  for (const std::string& file : files) EXPECT_TRUE(fs::is_regular_file(fs::path(NELSON_SOURCE) / file)) << file << " is missing";
}

TEST(House, EveryTopFolderHasItsMap) {
  for (const std::string& folder : kFolders)
    EXPECT_TRUE(fs::is_regular_file(fs::path(NELSON_SOURCE) / folder / "README.md")) << folder << "/README.md is missing";
}

TEST(House, NoSourceIsLongerThanAPersonReads) {
  constexpr std::size_t kLines = 700;
  for (const Source& source : read_sources()) {
    if (!is_code(source)) continue;
    const std::size_t lines = lines_of(source.text).size();
    EXPECT_LE(lines, kLines) << source.path << " has " << lines << " lines: is there more than one thing in it?";
  }
}

/// What must stand in no file. Written in pieces, so that this file is clean of them too.
struct Forbidden {
  std::string pattern;
  std::string why;
};

const std::vector<Forbidden>& forbidden_everywhere() {
  static const std::vector<Forbidden> kForbidden = {
      {std::string("(^|[^[:alnum:]])/(wo") + "rk|fa" + "rm)/", "a path of somebody's machine"},
      {std::string("/tm") + "p/w/", "a path of somebody's machine"},
      {std::string("(deb|snapshot|security)[.]deb") + "ian[.]org", "a package archive's address"},
  };
  return kForbidden;
}

const std::vector<Forbidden>& forbidden_in_code() {
  static const std::vector<Forbidden> kForbidden = {
      {std::string("\\b(TO") + "DO|FIX" + "ME|X" + "XX|HA" + "CK)\\b", "a promise instead of the thing"},
      {std::string("not (yet )?impl") + "emented", "a promise instead of the thing"},
      {std::string("\\bfor n") + "ow\\b", "a promise instead of the thing"},
  };
  return kForbidden;
}

void expect_none(const Source& source, const std::vector<Forbidden>& forbidden) {
  for (const Forbidden& one : forbidden) {
    const std::regex pattern(one.pattern);
    for (const Line& line : lines_of(source.text))
      EXPECT_FALSE(std::regex_search(line.text, pattern)) << finding(source, line.number, one.why + ": " + line.text);
  }
}

TEST(House, NoFileNamesThisMachineOrAnArchive) {
  for (const Source& source : read_sources())
    if (source.text.find('\0') == std::string::npos) expect_none(source, forbidden_everywhere());
}

TEST(House, NoSourceHoldsAPromise) {
  for (const Source& source : read_sources())
    if (is_code(source)) expect_none(source, forbidden_in_code());
}

/// A pause between two looks at a condition is fine; waiting a fixed time and hoping is not.
bool is_hopeful_sleep(const std::string& code) {
  static const std::regex kSleep("\\b(sleep|usleep|nanosleep|sleep_until|sleep_for)\\s*\\(");
  static const std::regex kShortPause(
      "sleep_for\\s*\\((std::chrono::)?(milliseconds\\(\\d{1,2}\\)|\\d{1,2}ms|microseconds\\(\\d+\\))\\)");
  return std::regex_search(code, kSleep) && !std::regex_search(code, kShortPause);
}

TEST(House, NoTestWaitsByHoping) {
  for (const Source& source : read_sources()) {
    if (!source.in("tests") || (source.extension() != "cc" && source.extension() != "h")) continue;
    for (const Line& line : lines_of(code_of(source.text)))
      EXPECT_FALSE(is_hopeful_sleep(line.text))
          << finding(source, line.number, "wait for the condition, with a deadline: " + line.text);
  }
}

TEST(House, AHopefulSleepIsToldFromAPause) {
  EXPECT_TRUE(is_hopeful_sleep("std::this_thread::sleep_for(std::chrono::seconds(2));"));
  EXPECT_TRUE(is_hopeful_sleep("std::this_thread::sleep_for(500ms);"));
  EXPECT_TRUE(is_hopeful_sleep("::usleep(1000);"));
  EXPECT_FALSE(is_hopeful_sleep("std::this_thread::sleep_for(std::chrono::milliseconds(20));"));
  EXPECT_FALSE(is_hopeful_sleep("std::this_thread::sleep_for(5ms);"));
  EXPECT_FALSE(is_hopeful_sleep(code_of("write(\"time.sleep(60)\");  // sleep(1)")));
}

TEST(House, TheCommandsOfTheReadmeCanBeRun) {
  for (const char* path : {".ci/run", ".ci/install", "tests/run", "tests/lint", "examples/quickstart/run"}) {
    struct stat info {};
    const std::string full = std::string(NELSON_SOURCE) + "/" + path;
    ASSERT_EQ(::stat(full.c_str(), &info), 0) << path << " is missing";
    EXPECT_NE(info.st_mode & S_IXUSR, 0u) << path << " has no run bit";
  }
}

struct Package {
  std::string group;
  std::string why;
};

std::map<std::string, Package> read_packages() {
  std::map<std::string, Package> packages;
  std::ifstream in(std::string(NELSON_SOURCE) + "/.ci/packages");
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string group;
    std::string name;
    if (!(words >> group) || group == "#") continue;
    words >> name;
    std::string why;
    std::getline(words >> std::ws, why);
    EXPECT_TRUE(packages.emplace(name, Package{group, why}).second) << name << " is listed twice";
    EXPECT_FALSE(why.empty()) << name << " is listed without a reason";
    EXPECT_TRUE((std::set<std::string>{"build", "run", "test", "lint", "bench"}).contains(group)) << line;
  }
  return packages;
}

TEST(House, EveryLibraryIncludedIsInstalledByTheOneList) {
  const std::map<std::string, Package> packages = read_packages();
  for (const Source& source : read_sources()) {
    if (source.extension() != "h" && source.extension() != "cc") continue;
    for (const Include& include : includes_of(source)) {
      if (include.quoted) continue;
      const std::string name = package_of(include.name);
      if (name.empty()) continue;
      const auto found = packages.find(name);
      ASSERT_NE(found, packages.end()) << finding(source, include.line,
                                                  "<" + include.name + "> needs " + name + " in .ci/packages");
      EXPECT_TRUE(found->second.group == "build" || source.in("tests"))
          << finding(source, include.line, name + " is installed for " + found->second.group + " only");
    }
  }
}

TEST(House, EveryProgramTheScriptsAndTestsRunIsInstalledByTheOneList) {
  const std::map<std::string, Package> packages = read_packages();
  for (const char* name :
       {"g++", "cmake", "ninja-build", "pkg-config", "ccache", "git", "haproxy", "python3", "openssh-server", "openssl", "chromium",
        "prometheus", "clang-14", "clang-tidy-14", "clang-format-14", "nginx-light", "wrk", "strace"})
    EXPECT_TRUE(packages.contains(name)) << name;
}

}  // namespace
}  // namespace nelson::checks
