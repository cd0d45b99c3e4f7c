#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/fuzz/target.h"

// The inputs that are kept, run by the functions that the fuzzer runs: corpus/TARGET/ holds small ones made by hand, from which the fuzzer
// starts, found/TARGET/ each one that ever found something.

namespace nelson::fuzz {
namespace {

namespace fs = std::filesystem;

std::vector<Target> targets() { return {http_front(), manifest(), control_files(), store_records(), references(), supervisor()}; }

struct Kept {
  Target target;
  fs::path file;
};

void PrintTo(const Kept& kept, std::ostream* out) { *out << kept.file.string(); }

std::vector<Kept> kept_inputs() {
  std::vector<Kept> all;
  for (const Target& target : targets())
    for (const char* folder : {"corpus", "found"}) {
      const fs::path path = fs::path(NELSON_SOURCE) / "tests/fuzz" / folder / target.name;
      if (!fs::is_directory(path)) continue;
      for (const auto& entry : fs::directory_iterator(path)) all.push_back({target, entry.path()});
    }
  std::sort(all.begin(), all.end(), [](const Kept& a, const Kept& b) { return a.file < b.file; });
  return all;
}

std::string name_of_case(const testing::TestParamInfo<Kept>& info) {
  const fs::path& file = info.param.file;
  std::string name =
      std::string(info.param.target.name) + "_" + file.parent_path().parent_path().filename().string() + "_" + file.stem().string();
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

class Replay : public testing::TestWithParam<Kept> {};

TEST_P(Replay, KeepsWhatMustHold) {
  std::ifstream file(GetParam().file, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  const std::string input = bytes.str();
  const auto begin = std::chrono::steady_clock::now();
  bool accepted = false;
  ASSERT_NO_THROW(accepted = GetParam().target.run(input)) << GetParam().file;
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10))
      << "of processor time at most one second is allowed";
  // A seed that is no good input any more leads the fuzzer nowhere.
  if (GetParam().file.filename().string().starts_with("good")) {
    EXPECT_TRUE(accepted) << GetParam().file << " was meant to be a good one";
  }
}

INSTANTIATE_TEST_SUITE_P(Inputs, Replay, testing::ValuesIn(kept_inputs()), name_of_case);

TEST(Corpus, EveryTargetHasGoodSeedsAndBadOnes) {
  for (const Target& target : targets()) {
    std::size_t good = 0, all = 0;
    for (const Kept& kept : kept_inputs()) {
      if (kept.target.name != target.name) continue;
      ++all;
      if (kept.file.filename().string().starts_with("good")) ++good;
    }
    EXPECT_GE(good, 1U) << target.name;
    EXPECT_GT(all, good) << target.name;
  }
}

}  // namespace
}  // namespace nelson::fuzz
