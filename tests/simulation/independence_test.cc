#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace nelson::simulation {
namespace {

/// What the checker may know: plain values, what is in the played world, and itself.
const std::set<std::string> kMayKnow = {
    "state/model/desired.h",      "state/model/observed.h",     "controller/domains/fake/fake.h",
    "tests/simulation/effects.h", "tests/simulation/checker.h",
};

/// And the played world's header in turn: the interfaces, and values. No decision, no effect, no store.
const std::regex kForbidden("(reconcilers|controller/loop|controller/status|controller/cli|gitsync)/.*|state/[a-z_]+\\.h");

std::set<std::string> includes_of(const std::string& path) {
  std::ifstream file(std::string(NELSON_SOURCE) + "/" + path);
  EXPECT_TRUE(file.is_open()) << path;
  static const std::regex kInclude("\\s*#\\s*include\\s*\"([^\"]+)\".*");
  std::set<std::string> found;
  std::smatch match;
  for (std::string line; std::getline(file, line);)
    if (std::regex_match(line, match, kInclude)) found.insert(match[1]);
  return found;
}

TEST(Independence, TheCheckerSharesNoCodeWithWhatItChecks) {
  for (const char* path : {"tests/simulation/checker.h", "tests/simulation/checker.cc", "tests/simulation/checker_rest.cc",
                           "tests/simulation/effects.h", "tests/simulation/effects.cc"})
    for (const std::string& include : includes_of(path)) EXPECT_TRUE(kMayKnow.contains(include)) << path << " knows " << include;
}

TEST(Independence, NorDoesWhatItIncludes) {
  std::set<std::string> seen;
  std::vector<std::string> left = {"tests/simulation/checker.cc", "tests/simulation/checker_rest.cc"};
  while (!left.empty()) {
    const std::string path = left.back();
    left.pop_back();
    if (!seen.insert(path).second) continue;
    EXPECT_FALSE(std::regex_match(path, kForbidden)) << path;
    for (const std::string& include : includes_of(path)) left.push_back(include);
  }
  EXPECT_GT(seen.size(), 10u);
}

}  // namespace
}  // namespace nelson::simulation
