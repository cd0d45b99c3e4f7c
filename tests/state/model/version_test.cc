#include "state/model/version.h"

#include <gtest/gtest.h>

namespace nelson::tests {
namespace {

TEST(Versions, AreReadAsTheyAreWritten) {
  for (const char* const text : {"0.0.0", "1.2.3", "10.20.30", "2147483647.2147483647.2147483647"}) {
    const auto version = parse_version(text);
    ASSERT_TRUE(version.has_value()) << text;
    EXPECT_EQ(to_string(*version), text);
  }
  EXPECT_EQ(parse_version("1.2.3"), (Version{1, 2, 3}));
  EXPECT_EQ(parse_feature_version("1.2"), (FeatureVersion{1, 2}));
  EXPECT_EQ(to_string(FeatureVersion{1, 2}), "1.2");
}

TEST(Versions, NothingElseIsOne) {
  for (const char* const text :
       {"",          "1",     "1.2",    "1.2.",   "1.2.3.", "1.2.3.4", ".1.2",   "1..2",           "v1.2.3",
        "1.2.3-rc1", "1.2.x", " 1.2.3", "1.2.3 ", "+1.2.3", "-1.2.3",  "1.-2.3", "2147483648.0.0", "4294967296.0.0",
        "0x1.2.3",   "1,2,3", "1.2.3\n"})
    EXPECT_EQ(parse_version(text), std::nullopt) << text;
  for (const char* const text : {"", "1", "1.", "1.2.3", "1.x", "1.2147483648"})
    EXPECT_EQ(parse_feature_version(text), std::nullopt) << text;
}

TEST(Versions, AreOrderedByNumbersNotByText) {
  EXPECT_LT((Version{1, 9, 9}), (Version{1, 10, 0}));
  EXPECT_LT((Version{9, 0, 0}), (Version{10, 0, 0}));
  EXPECT_LT((Version{1, 2, 3}), (Version{1, 2, 10}));
  EXPECT_LT((FeatureVersion{1, 9}), (FeatureVersion{1, 10}));
}

}  // namespace
}  // namespace nelson::tests
