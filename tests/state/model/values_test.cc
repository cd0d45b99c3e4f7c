#include <gtest/gtest.h>

#include "state/model/plan.h"
#include "state/model/problem.h"
#include "state/model/reflect.h"
#include "state/model/result.h"

namespace nelson::tests {
namespace {

template <class Enum>
void expect_names(std::initializer_list<std::string_view> names) {
  ASSERT_EQ(kNames<Enum>.size(), names.size());
  std::size_t index = 0;
  for (const std::string_view name : names) {
    EXPECT_EQ(name_of(static_cast<Enum>(index)), name);
    EXPECT_EQ(from_name<Enum>(name), static_cast<Enum>(index));
    ++index;
  }
  EXPECT_EQ(from_name<Enum>("no such name"), std::nullopt);
  EXPECT_EQ(from_name<Enum>(""), std::nullopt);
}

/// Files, APIs and digests say these words: renaming one breaks them all.
TEST(Names, OfEnumeratorsArePinned) {
  expect_names<Protocol>({"http", "https", "tcp", "wss"});
  expect_names<ArtifactKind>({"command", "image"});
  expect_names<ExpirationPolicy>(
      {"retain-active", "retain-latest", "retain-latest-two-major", "retain-latest-two-feature", "retain-until-deprecated"});
  expect_names<ShiftPolicy>({"linear", "atomic"});
  expect_names<JobResult>({"none", "succeeded", "failed"});
  expect_names<InstanceState>({"starting", "running", "backoff", "stopping", "exited"});
  expect_names<Health>({"unknown", "passing", "failing"});
  expect_names<RepositoryState>({"current", "last-good", "unknown"});
  expect_names<Fact>(
      {"ready", "kept-no-longer", "kept-again", "retiring", "retiring-idle", "tombstone-dropped", "job-succeeded", "job-failed"});
}

TEST(Effects, HaveAWordAndAStack) {
  const std::vector<std::pair<Effect, std::string_view>> effects{{Launch{"s", {}, {}, "", 1, {}}, "launch"},
                                                                 {Repair{"s", 1, 1}, "repair"},
                                                                 {Update{"s", {}, ""}, "update"},
                                                                 {Scale{"s", 1, 1}, "scale"},
                                                                 {Note{"s", Fact::kReady}, "note"},
                                                                 {Shift{}, "shift"},
                                                                 {DropTraffic{}, "drop-traffic"},
                                                                 {Serve{}, "serve"},
                                                                 {Unserve{}, "unserve"},
                                                                 {Publish{"s", ""}, "publish"},
                                                                 {Unpublish{"s"}, "unpublish"},
                                                                 {Remove{"s", 1}, "remove"},
                                                                 {Bury{"s"}, "bury"}};
  ASSERT_EQ(effects.size(), std::variant_size_v<Effect>);
  for (const auto& [effect, word] : effects) {
    EXPECT_EQ(word_of(effect), word);
    const bool about_a_service = word == "shift" || word == "drop-traffic" || word == "serve" || word == "unserve";
    EXPECT_EQ(stack_of(effect), about_a_service ? "" : "s") << word;
  }
}

TEST(Problems, SayTheirPlaceAndTheWayOut) {
  Problem problem;
  problem.message = "unknown key \"instnaces\"";
  EXPECT_EQ(to_string(problem), "unknown key \"instnaces\"");
  problem.way_out = "did you mean \"instances\"?";
  problem.repository = "shop";
  problem.commit = "3f2c1aa09e8d7c6b5a4f3e2d1c0b9a8f7e6d5c4b";
  problem.file = ".nelson.yml";
  problem.line = 7;
  problem.column = 3;
  EXPECT_EQ(to_string(problem), "shop .nelson.yml at 3f2c1aa0:7:3: unknown key \"instnaces\"; did you mean \"instances\"?");
}

TEST(Results, HoldAValueOrAnError) {
  const Result<int> good = 5;
  ASSERT_TRUE(good);
  EXPECT_EQ(*good, 5);
  const Result<int> bad = conflict("somebody else was first");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error(), (Error{ErrorKind::kConflict, "somebody else was first"}));
  EXPECT_EQ(bad.error().with_context("writing the record"), conflict("writing the record: somebody else was first"));
  EXPECT_TRUE(Status());
  EXPECT_EQ(Status(unavailable("x")).error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(Status(invalid("x")).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(Status(internal("x")).error().kind, ErrorKind::kInternal);
}

}  // namespace
}  // namespace nelson::tests
