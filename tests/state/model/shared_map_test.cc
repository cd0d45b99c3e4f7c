#include "state/model/shared_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace nelson {
namespace {

using Shared = SharedMap<int, std::string>;
using Plain = std::map<int, std::string>;

Plain plain(const Shared& map) { return {map.begin(), map.end()}; }

/// What each_difference must say, by looking at everything.
std::map<int, std::pair<std::string, std::string>> differences(const Plain& before, const Plain& after) {
  std::map<int, std::pair<std::string, std::string>> out;
  for (const auto& [key, value] : before) out[key] = {value, "gone"};
  for (const auto& [key, value] : after) out[key] = {before.contains(key) ? before.at(key) : "new", value};
  std::erase_if(out, [](const auto& entry) { return entry.second.first == entry.second.second; });
  return out;
}

class SharedMapLaws : public testing::TestWithParam<unsigned> {};

TEST_P(SharedMapLaws, IsAMapWhoseCopiesStayWhatTheyWere) {
  std::mt19937 random(GetParam());
  const int keys = 1 << (1 + GetParam() % 11);
  std::vector<std::pair<Shared, Plain>> copies(1);
  for (int step = 0; step < 3000; ++step) {
    auto& [map, model] = copies[random() % copies.size()];
    const int key = static_cast<int>(random() % static_cast<unsigned>(keys));
    switch (random() % 8) {
      case 0:
      case 1:
        ASSERT_EQ(map.erase(key), model.erase(key));
        break;
      case 2:
        if (copies.size() < 5)
          copies.emplace_back(copies[random() % copies.size()]);
        else
          copies.erase(copies.begin() + static_cast<std::ptrdiff_t>(random() % copies.size()));
        break;
      case 3:
        ASSERT_EQ(map.contains(key), model.contains(key));
        if (map.contains(key)) ASSERT_EQ(map.at(key) += 'x', model.at(key) += 'x');
        break;
      default:
        map[key] = model[key] = std::to_string(random() % 3);
    }
    if (step % 50 != 0) continue;
    for (const auto& [one, its_model] : copies) {
      ASSERT_EQ(plain(one), its_model) << "seed " << GetParam() << " step " << step;
      ASSERT_EQ(one.size(), its_model.size());
      const auto at = one.lower_bound(key);
      const auto its_at = its_model.lower_bound(key);
      ASSERT_EQ(at == one.end(), its_at == its_model.end());
      if (at != one.end()) ASSERT_EQ(at->first, its_at->first);
      for (const auto& [other, other_model] : copies) {
        ASSERT_EQ(one == other, its_model == other_model);
        std::map<int, std::pair<std::string, std::string>> seen;
        int last = -1;
        each_difference(one, other, [&](int changed, const std::string* was, const std::string* is) {
          EXPECT_LT(last, changed) << "in order";
          last = changed;
          seen[changed] = {was != nullptr ? *was : "new", is != nullptr ? *is : "gone"};
        });
        ASSERT_EQ(seen, differences(its_model, other_model)) << "seed " << GetParam() << " step " << step;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SharedMapLaws, testing::Range(1U, 23U));

/// Counts how often values are compared: what is shared is not looked at.
struct Counted {
  int value = 0;
  static inline int compared = 0;
  bool operator==(const Counted& other) const {
    ++compared;
    return value == other.value;
  }
};

TEST(SharedMap, AComparisonLooksOnlyAtWhatIsNotShared) {
  SharedMap<int, Counted> before;
  for (int i = 0; i < 100'000; ++i) before[i].value = i;
  SharedMap<int, Counted> after = before;
  after[50'000].value = -1;
  after.erase(70'000);
  after[200'000].value = 1;
  Counted::compared = 0;
  int differences = 0;
  each_difference(before, after, [&](int, const Counted*, const Counted*) { ++differences; });
  EXPECT_EQ(differences, 3);
  EXPECT_EQ(Counted::compared, 1);
  EXPECT_TRUE((SharedMap<int, Counted>(before) == before));
  EXPECT_EQ(Counted::compared, 1);
}

TEST(SharedMap, MissingKeysAreSaid) {
  Shared map{{1, "one"}};
  EXPECT_THROW((void)std::as_const(map).at(2), std::out_of_range);
  EXPECT_THROW((void)map.at(2), std::out_of_range);
  EXPECT_EQ(map.find(2), map.end());
  EXPECT_EQ(erase_if(map, [](const auto& entry) { return entry.first == 1; }), 1U);
  EXPECT_TRUE(map.empty());
}

}  // namespace
}  // namespace nelson
