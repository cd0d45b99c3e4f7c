#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "controller/base/json.h"
#include "reconcilers/plan.h"
#include "reconcilers/print.h"

namespace nelson {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(fs::path(NELSON_SOURCE) / "tests/golden/plans"))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

/// A new case is a new folder with a situation.json; NELSON_ACCEPT=1 writes its plan.txt, which the reviewer reads.
class GoldenPlans : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenPlans, ReadAsWritten) {
  const fs::path folder = fs::path(NELSON_SOURCE) / "tests/golden/plans" / GetParam();
  const json::Json situation = json::Json::parse(text_of(folder / "situation.json"));
  const auto desired = json::read<Desired>(situation.at("desired"));
  const auto observed = json::read<Observed>(situation.at("observed"));
  const auto now = parse_instant(situation.at("now").get<std::string>());
  ASSERT_TRUE(now);
  const Plan decided = plan(desired, observed, *now);
  std::string text = print(decided);
  text += "wake at " + (decided.wake_at ? format_instant(*decided.wake_at) : std::string("no time")) + '\n';
  for (const std::string& line : summarize(forecast(desired, observed, *now, 1000))) text += "then " + line + '\n';
  if (std::getenv("NELSON_ACCEPT") != nullptr) {
    std::ofstream(folder / "plan.txt") << text;
    GTEST_SKIP() << "NELSON_ACCEPT rewrote " << (folder / "plan.txt");
  }
  EXPECT_EQ(text, text_of(folder / "plan.txt"));
}

INSTANTIATE_TEST_SUITE_P(Folders, GoldenPlans, ::testing::ValuesIn(cases()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace nelson
