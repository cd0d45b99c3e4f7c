#include "state/model/canonical.h"

#include <gtest/gtest.h>

#include "state/model/identity.h"
#include "tests/state/generate.h"

namespace nelson::tests {
namespace {

TEST(Canonical, AValueIsThisText) {
  EXPECT_EQ(canonical(std::string("a:b,")), "a:b,");
  EXPECT_EQ(canonical(true), "true");
  EXPECT_EQ(canonical(false), "false");
  EXPECT_EQ(canonical(-5), "-5");
  EXPECT_EQ(canonical(std::uint64_t{18446744073709551615U}), "18446744073709551615");
  EXPECT_EQ(canonical(Protocol::kWss), "wss");
  EXPECT_EQ(canonical(Duration(1500)), "1500");
  EXPECT_EQ(canonical(std::optional<int>()), "");
  EXPECT_EQ(canonical(std::optional<int>(0)), "0");
  EXPECT_EQ(canonical(std::vector<std::string>{}), "");
  EXPECT_EQ(canonical(std::vector<std::string>{"", "ab"}), "0:,2:ab,");
  EXPECT_EQ(canonical(Port{}), "");
  EXPECT_EQ(canonical(Port{"default", 8080, Protocol::kTcp}), "4:name,7:default,6:number,4:8080,8:protocol,3:tcp,");
  EXPECT_EQ(canonical(Dependency{"db", {1, 2}}), "4:unit,2:db,7:version,24:5:major,1:1,5:minor,1:2,,");
}

/// Two versions of one struct: the second has a field more.
struct Before {
  std::string name;
  int count = 0;
  bool operator==(const Before&) const = default;
  static void visit(auto& self, auto&& field) {
    field("name", self.name);
    field("count", self.count);
  }
};
struct After {
  std::string name;
  bool added = false;
  int count = 0;
  bool operator==(const After&) const = default;
  static void visit(auto& self, auto&& field) {
    field("name", self.name);
    field("added", self.added);
    field("count", self.count);
  }
};

class CanonicalLaws : public testing::TestWithParam<std::uint64_t> {};

TEST_P(CanonicalLaws, AnUnsetFieldContributesNothing) {
  Generate generate(GetParam());
  for (int i = 0; i < 100; ++i) {
    const auto before = generate.value<Before>();
    EXPECT_EQ(canonical(before), canonical(After{before.name, false, before.count})) << "seed " << GetParam();
    EXPECT_NE(canonical(before), canonical(After{before.name, true, before.count})) << "seed " << GetParam();
  }
}

TEST_P(CanonicalLaws, DifferentValuesHaveDifferentEncodings) {
  Generate generate(GetParam());
  std::vector<Identity> identities;
  for (int i = 0; i < 40; ++i) {
    identities.push_back(generate.value<Identity>());
    // And one that differs from it in a single field, picked by its place.
    Identity other = identities.back();
    const std::uint64_t chosen = generate.below(16);
    std::uint64_t at = 0;
    const auto change = [&](std::string_view, auto& member) {
      if (at++ == chosen) generate.fill(member);
    };
    Identity::visit(other, change);
    Spec::visit(other.spec, change);
    identities.push_back(std::move(other));
  }
  std::vector<std::string> encodings;
  for (const Identity& identity : identities) encodings.push_back(canonical(identity));
  for (std::size_t i = 0; i < identities.size(); ++i)
    for (std::size_t k = i; k < identities.size(); ++k)
      ASSERT_EQ(encodings[i] == encodings[k], identities[i] == identities[k]) << "seed " << GetParam();
}

INSTANTIATE_TEST_SUITE_P(Seeds, CanonicalLaws, testing::Range<std::uint64_t>(1, 21),
                         [](const auto& info) { return "seed_" + std::to_string(info.param); });

/// Texts that a careless encoding would confuse.
TEST(Canonical, TextCannotImitateStructure) {
  using Words = std::vector<std::string>;
  const std::vector<Words> tricky{{},         {""},      {"", ""}, {"0:,"},       {"0:,0:,"},
                                  {"a", "b"}, {"a,1:b"}, {"ab"},   {"1:a,", "b"}, {"1:a,1:b,"}};
  for (std::size_t i = 0; i < tricky.size(); ++i)
    for (std::size_t k = i + 1; k < tricky.size(); ++k) EXPECT_NE(canonical(tricky[i]), canonical(tricky[k])) << i << " and " << k;
}

}  // namespace
}  // namespace nelson::tests
