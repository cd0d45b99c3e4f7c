#include "state/model/names.h"

#include <gtest/gtest.h>

namespace nelson::tests {
namespace {

TEST(Namespace, IsAPathOfSmallLetters) {
  for (const char* const good : {"dev", "dev/sandbox", "a-b", "ab", "a/b", "a-/b", "production/eu-west/blue"})
    EXPECT_TRUE(valid_namespace(good)) << good;
  for (const char* const bad : {"", "a", "/dev", "dev/", "-dev", "dev-", "dev//x", "Dev", "dev1", "dev x", "d\u00e9v", "dev\n"})
    EXPECT_FALSE(valid_namespace(bad)) << bad;
}

TEST(UnitName, IsAWordThatAStackNameCanHold) {
  for (const char* const good : {"ab", "A1", "my-unit", "a-b-c", "0a", "abcdefghijabcdefghijabcdefghijabcdefghijX"})
    EXPECT_TRUE(valid_unit_name(good)) << good;
  for (const char* const bad :
       {"", "a", "-ab", "ab-", "a--b", "a_b", "a.b", "a b", "a/b", "abcdefghijabcdefghijabcdefghijabcdefghijXY"})
    EXPECT_FALSE(valid_unit_name(bad)) << bad;
}

TEST(Namespace, KnowsItsRootAndItsParent) {
  EXPECT_EQ(root_of("dev"), "dev");
  EXPECT_EQ(root_of("dev/sandbox/x"), "dev");
  EXPECT_EQ(parent_of("dev"), std::nullopt);
  EXPECT_EQ(parent_of("dev/sandbox"), "dev");
  EXPECT_EQ(parent_of("dev/sandbox/x"), "dev/sandbox");
  EXPECT_TRUE(is_below("dev/sandbox", "dev"));
  EXPECT_TRUE(is_below("dev/sandbox/x", "dev"));
  EXPECT_FALSE(is_below("dev", "dev"));
  EXPECT_FALSE(is_below("development", "dev")) << "a longer word is no child";
  EXPECT_FALSE(is_below("dev", "dev/sandbox"));
}

TEST(StackNames, AreReadAsTheyAreWritten) {
  const StackName name{"my-unit", {1, 20, 3}, "0123abcv"};
  EXPECT_EQ(to_string(name), "my-unit--1-20-3--0123abcv");
  EXPECT_EQ(parse_stack_name("my-unit--1-20-3--0123abcv"), name);
}

class NoStackName : public testing::TestWithParam<const char*> {};

TEST_P(NoStackName, IsRead) { EXPECT_EQ(parse_stack_name(GetParam()), std::nullopt) << GetParam(); }

INSTANTIATE_TEST_SUITE_P(Table, NoStackName,
                         testing::Values("", "--", "a--1-2-3--01234567", "ab--1-2--01234567", "ab--1-2-3-4--01234567",
                                         "ab--1-2-3--0123456", "ab--1-2-3--012345678", "ab--1-2-3--0123456w", "ab--1-2-3--0123456A",
                                         "ab--1.2.3--01234567", "ab--1-2-3", "ab--1-2-3--01234567--x", "ab--1-2-x--01234567",
                                         "ab---1-2-3--01234567", "a_b--1-2-3--01234567", "ab--4294967296-2-3--01234567",
                                         "ab--1-2-3--01234567\n", " ab--1-2-3--01234567"));

TEST(Nearest, FindsWhatAMisspeltWordMeant) {
  const std::vector<std::string> words{"instances", "interval", "image", "plans", "ports"};
  EXPECT_EQ(nearest("instnaces", words), "instances") << "two letters swapped";
  EXPECT_EQ(nearest("instance", words), "instances") << "one missing";
  EXPECT_EQ(nearest("imagee", words), "image") << "one too many";
  EXPECT_EQ(nearest("port", words), "ports");
  EXPECT_EQ(nearest("plons", words), "plans");
  EXPECT_EQ(nearest("plans", words), "plans");
  EXPECT_EQ(nearest("xyzzy", words), std::nullopt) << "nothing near";
  EXPECT_EQ(nearest("", words), std::nullopt);
  EXPECT_EQ(nearest("a", {}), std::nullopt);
  EXPECT_EQ(nearest(std::string(100'000, 'x'), words), std::nullopt) << "a hostile word is cheap";
}

}  // namespace
}  // namespace nelson::tests
