#include "gitsync/reading.h"

#include <filesystem>
#include <set>
#include <string>

#include "gitsync/parsed_once.h"
#include "tests/gitsync/git_fixture.h"

namespace nelson {
namespace {

using namespace nelson::gitsync_test;

std::string image_of(const std::string& unit, const std::string& version) {
  return "name: " + unit + "\nversion: " + version + "\noutput: {kind: image, image: registry.example.org/" + unit + ":1}\n";
}

std::string mirror_of(const World& world, const std::string& name) {
  for (const auto& entry : std::filesystem::directory_iterator(world.path("mirrors")))
    if (entry.path().filename().string().starts_with(name + "-")) return entry.path();
  return "";
}

/// Unpacks a mirror, so that a test can take single objects away.
void loosen(const std::string& mirror) {
  const Ran ran = run({"sh", "-c",
                       "mkdir .packs && mv objects/pack/* .packs/ && for pack in .packs/*.pack; do git unpack-objects -q < $pack; "
                       "done && rm -rf .packs"},
                      mirror);
  ASSERT_EQ(ran.status, 0) << ran.output;
}

void remove_object(const std::string& mirror, const std::string& id) {
  ASSERT_TRUE(std::filesystem::remove(mirror + "/objects/" + id.substr(0, 2) + "/" + id.substr(2))) << id;
}

void import(const Git& repository, const std::string& stream) {
  write_file(repository.folder() + "/.git/stream", stream);
  const Ran ran = run({"sh", "-c", "git fast-import --quiet --force < .git/stream"}, repository.folder());
  ASSERT_EQ(ran.status, 0) << ran.output;
}

/// A commit that adds more files than are listed.
std::string too_many_files(const std::string& parent, const std::string& prefix, const std::string& suffix) {
  std::string out =
      "blob\nmark :1\ndata 0\n\ncommit refs/heads/main\ncommitter T <t@example.org> 1700000000 +0000\ndata 1\nm\nfrom " + parent +
      "\n";
  for (int i = 0; i < 10'001; ++i) out += "M 100644 :1 " + prefix + std::to_string(i) + suffix + "\n";
  return out;
}

// --- control files ---

struct Unread {
  const char* what;
  const char* file;
  std::function<void(const Git& control)> write;
};

class UnreadControlFile : public ::testing::TestWithParam<Unread> {};

TEST_P(UnreadControlFile, MakesNothingUnwanted) {
  TempFolder folder;
  const Git shop(folder / "shop");
  write_unit(shop, "basket", "1.0.0");
  shop.commit("one");
  World world;
  world.watch("shop", shop.url());
  GetParam().write(world.control);
  // All of the history that is left has the broken file.
  world.control({"checkout", "-q", "--orphan", "squashed"});
  world.control.commit("squashed");
  world.control({"branch", "-M", "main"});
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  const std::string name = GetParam().file;
  if (name.starts_with("domains/")) {
    EXPECT_FALSE(desired->domains.contains("local")) << "what is in a domain without a file runs on";
  } else {
    ASSERT_TRUE(desired->repositories.contains("shop")) << problems_of(*desired);
    EXPECT_NE(desired->repositories.at("shop").state, RepositoryState::kCurrent);
  }
  EXPECT_EQ(stack_of(*desired, "basket"), nullptr);
}

INSTANTIATE_TEST_SUITE_P(
    Reading, UnreadControlFile,
    ::testing::Values(Unread{"ARepository", "repositories/shop.yml",
                             [](const Git& control) { control.write("repositories/shop.yml", "release: sideways\n"); }},
                      Unread{"ARepositoryThatIsALink", "repositories/shop.yml",
                             [](const Git& control) {
                               control.remove("repositories/shop.yml");
                               std::filesystem::create_symlink("../elsewhere", control.folder() + "/repositories/shop.yml");
                             }},
                      Unread{"ADomain", "domains/local.yml",
                             [](const Git& control) { control.write("domains/local.yml", "folder: [\n"); }},
                      Unread{"ANamespace", "namespaces/dev.yml",
                             [](const Git& control) { control.write("namespaces/dev.yml", "namespaces: [\n"); }}),
    [](const auto& info) { return info.param.what; });

TEST(Reading, AControlRepositoryWithTooManyFilesLeavesTheEarlierReadingInForce) {
  World world;
  const Git shop = watched_shop(world);
  const auto gitsync = world.open();
  ASSERT_TRUE(is_read(*synced(*gitsync)));
  const std::string before = world.control.head();
  import(world.control, too_many_files(before, "notes/", ""));  // before repositories/
  const auto desired = synced(*gitsync);
  EXPECT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  EXPECT_EQ(desired->control_commit, before);
  EXPECT_NE(problem_of(*desired, "RepositoryTooBig", "control"), nullptr) << problems_of(*desired);
}

// --- damage is not absence ---

struct LostObject {
  const char* what;
  std::function<std::string(const Git& shop)> object;
  const char* release;
};

class LostObjects : public ::testing::TestWithParam<LostObject> {};

TEST_P(LostObjects, AreFetchedAgain) {
  World world;
  const Git shop(world.path("shop"));
  write_unit(shop, "basket", "1.0.0");
  shop.commit("one");
  shop({"tag", "1.0.0"});
  write_unit(shop, "basket", "1.1.0");
  shop.commit("two");
  shop({"tag", "-a", "-m", "annotated", "1.1.0"});
  shop.remove("basket.deployable.yml");
  shop.commit("three");
  world.watch("shop", shop.url(), std::string("release: ") + GetParam().release + "\n");
  (void)synced(*world.open());
  const std::string mirror = mirror_of(world, "shop");
  loosen(mirror);
  remove_object(mirror, GetParam().object(shop));
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  ASSERT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  EXPECT_EQ(stack_of(*desired, "basket")->version, (Version{1, 1, 0}));
  EXPECT_NE(problem_of(*desired, "MirrorRebuilt", "shop"), nullptr) << problems_of(*desired);
}

INSTANTIATE_TEST_SUITE_P(Reading, LostObjects,
                         ::testing::Values(LostObject{"OfAnAnnotatedTag",
                                                      [](const Git& shop) {
                                                        return shop({"rev-parse", "1.1.0"});
                                                      },
                                                      "tags"},
                                           LostObject{"TheCommitOfATag",
                                                      [](const Git& shop) {
                                                        return shop({"rev-parse", "1.1.0^{}"});
                                                      },
                                                      "tags"},
                                           LostObject{"AParent",
                                                      [](const Git& shop) {
                                                        return shop({"rev-parse", "HEAD~1"});
                                                      },
                                                      "branch"}),
                         [](const auto& info) { return info.param.what; });

TEST(Reading, AMirrorThatIsDeletedIsFetchedAgain) {
  World world;
  const Git shop(world.path("shop"));
  write_unit(shop, "basket", "1.0.0");
  const std::string commit = shop.commit("one");
  world.watch("shop", shop.url());
  const auto gitsync = world.open();
  ASSERT_TRUE(is_read(*synced(*gitsync)));
  std::filesystem::remove_all(mirror_of(world, "shop"));
  ASSERT_TRUE(is_read(*synced(*gitsync)));
  EXPECT_TRUE(*gitsync->contains("shop", commit, commit));
}

TEST(Reading, ABranchThatIsNotListedIsNotFresh) {
  World world;
  const Git shop = watched_shop(world);
  (void)synced(*world.open());
  shop({"branch", "-q", "-m", "main", "moved"});
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  ASSERT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  EXPECT_FALSE(stack_of(*desired, "basket")->fresh);
  shop({"branch", "-q", "-m", "moved", "main"});
  EXPECT_TRUE(stack_of(*synced(*gitsync), "basket")->fresh);
}

// --- history ---

/// A history of `busy` commits that each change the desk's deployable, after one that took the lamp's away.
std::string busy_history(int busy) {
  const auto inline_file = [](const std::string& path, const std::string& text) {
    return "M 100644 inline " + path + "\ndata " + std::to_string(text.size()) + "\n" + text + "\n";
  };
  const auto commit = [](int mark, const std::string& files) {
    return "commit refs/heads/main\nmark :" + std::to_string(mark) + "\ncommitter T <t@example.org> 1700000000 +0000\ndata 1\nm\n" +
           (mark == 1 ? "" : "from :" + std::to_string(mark - 1) + "\n") + files;
  };
  std::string out = commit(1, inline_file(".nelson.yml", manifest_of({"desk", "lamp"})) +
                                  inline_file("desk.deployable.yml", image_of("desk", "1.0.0")) +
                                  inline_file("lamp.deployable.yml", image_of("lamp", "1.0.0")));
  out += commit(2, "D lamp.deployable.yml\n");
  for (int i = 0; i < busy; ++i)
    out += commit(i + 3, inline_file("desk.deployable.yml", image_of("desk", "1.0." + std::to_string(i + 1))));
  return out;
}

TEST(Reading, HistoryIsLookedAtAsFarAsSaidHoweverOftenTheFolderChanged) {
  for (const int busy : {300, 1'100}) {
    SCOPED_TRACE(busy);
    World world;
    const Git shop(world.path("shop"));
    import(shop, busy_history(busy));
    world.watch("shop", shop.url());
    const auto gitsync = world.open();
    const auto desired = synced(*gitsync);
    EXPECT_NE(stack_of(*desired, "desk"), nullptr) << problems_of(*desired);
    EXPECT_EQ(stack_of(*desired, "lamp") != nullptr, busy < 1'000);
    EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kLastGood) << "what was not found may run";
  }
}

TEST(Reading, AUnitThatNeverHadADeployableKeepsNothingFromLeaving) {
  World world;
  const Git shop(world.path("shop"));
  shop.write(".nelson.yml", manifest_of({"desk", "lamp"}));
  shop.write("desk.deployable.yml", image_of("desk", "1.0.0"));
  shop.commit("one");
  world.watch("shop", shop.url());
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kCurrent) << problems_of(*desired);
}

// --- tags ---

TEST(Reading, OnlyTheManifestThatDeclaresAUnitIsReadForItAtItsTags) {
  World world;
  const Git shop(world.path("shop"));
  for (const char* unit : {"desk", "lamp", "sofa"}) {
    shop.write(std::string(unit) + "/.nelson.yml", manifest_of({unit}));
    shop.write(std::string(unit) + "/" + unit + ".deployable.yml", image_of(unit, "1.0.0"));
  }
  shop.commit("one");
  shop({"tag", "desk/1.0.0"});
  world.watch("shop", shop.url(), "release: tags\n");
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  EXPECT_NE(stack_of(*desired, "desk"), nullptr) << problems_of(*desired);
  const auto before = gitsync->counters();
  // Deployables at a tag are bytes for its own unit: three manifests are one each already.
  for (const char* unit : {"desk", "lamp", "sofa"})
    shop.write(std::string(unit) + "/" + unit + ".deployable.yml", image_of(unit, "1.1.0"));
  shop.commit("two");
  shop({"tag", "desk/1.1.0"});
  for (const char* unit : {"desk", "lamp", "sofa"}) shop.remove(std::string(unit) + "/" + unit + ".deployable.yml");
  shop.commit("three");
  EXPECT_EQ(stack_of(*synced(*gitsync), "desk")->version, (Version{1, 1, 0}));
  EXPECT_EQ(gitsync->counters().blobs_parsed - before.blobs_parsed, 1U);
}

TEST(Reading, AUnitThatMovedToAnotherFolderKeepsItsTags) {
  World world;
  const Git shop(world.path("shop"));
  shop.write("old/.nelson.yml", manifest_of({"basket"}));
  shop.write("old/basket.deployable.yml", image_of("basket", "1.0.0"));
  shop.write("other/.nelson.yml", "units: [\n");
  const std::string tagged = shop.commit("one");
  shop({"tag", "1.0.0"});
  shop.remove("old");
  shop.write("new/.nelson.yml", manifest_of({"basket"}));
  shop.write("other/.nelson.yml", manifest_of({"search"}));
  shop.commit("two");
  world.watch("shop", shop.url(), "release: tags\n");
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  ASSERT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  EXPECT_EQ(stack_of(*desired, "basket")->commit, tagged);
  EXPECT_TRUE(stack_of(*desired, "basket")->fresh);
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kLastGood) << "search may be declared by what does not read";
}

TEST(Reading, ATagWhoseTreeWasNotReadWholeMakesTheRepositoryLastGood) {
  World world;
  const Git shop(world.path("shop"));
  write_unit(shop, "basket", "1.0.0");
  const std::string first = shop.commit("one");
  import(shop, too_many_files(first, "x", ".deployable.yml"));
  shop({"tag", "1.0.0", "main"});
  shop({"reset", "-q", "--hard", first});
  world.watch("shop", shop.url(), "release: tags\n");
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  EXPECT_NE(problem_of(*desired, "RepositoryTooBig", "shop"), nullptr) << problems_of(*desired);
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kLastGood);
}

TEST(Reading, TagsOfLowerMajorsGivePatches) {
  World world;
  const Git shop(world.path("shop"));
  std::map<std::string, std::string> tagged;
  const auto release = [&](const std::string& version, const std::string& manifest) {
    shop.write(".nelson.yml", manifest);
    shop.write("basket.deployable.yml", image_of("basket", version));
    tagged[version] = shop.commit(version);
    shop({"tag", version});
  };
  const std::string well = manifest_of({"basket"});
  for (const char* version : {"0.9.0", "1.0.0", "1.1.0"}) release(version, well);
  release("1.2.0", "units: [\n");
  for (const char* version : {"2.0.0", "3.0.0", "3.1.0"}) release(version, well);
  world.watch("shop", shop.url(), "release: tags\n");
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  std::string seen;
  for (const DesiredStack& stack : desired->cells.at({"local", "basket"}).stacks) {
    seen += to_string(stack.version) + (stack.patch ? " patch" : "") + (stack.fresh ? "\n" : " not fresh\n");
    EXPECT_EQ(stack.commit, tagged[to_string(stack.version)]);
  }
  EXPECT_EQ(seen, "0.9.0 patch\n1.1.0 patch not fresh\n2.0.0 patch\n3.1.0\n") << problems_of(*desired);
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kCurrent) << "an old major takes nothing away";
  ASSERT_FALSE(desired->problems.empty());
  for (const Problem& problem : desired->problems) EXPECT_TRUE(problem.warning) << to_string(problem);

  // A working copy is asked about beside the patches that are there, and is one itself when its major is a lower one.
  const auto overlaid = [&](const std::string& version) {
    shop.write("basket.deployable.yml", image_of("basket", version));
    const auto overlay = gitsync->with_overlay({"shop", shop.folder(), ""});
    if (!overlay) return overlay.error().message;
    std::string out;
    for (const DesiredStack& stack : overlay->cells.at({"local", "basket"}).stacks)
      out += to_string(stack.version) + (stack.patch ? " patch\n" : "\n");
    return out;
  };
  EXPECT_EQ(overlaid("3.2.0"), "0.9.0 patch\n1.1.0 patch\n2.0.0 patch\n3.2.0\n");
  EXPECT_EQ(overlaid("2.5.0"), "0.9.0 patch\n1.1.0 patch\n2.5.0 patch\n3.1.0\n");
  EXPECT_EQ(overlaid("1.0.9"), "0.9.0 patch\n1.1.0 patch\n2.0.0 patch\n3.1.0\n") << "1.1.0 is a higher one";
}

/// The basket's wanted versions where a repository may ask for one instance and its tag `version` asks for two.
std::string allowed_without(const std::string& version, RepositoryState state, bool warning) {
  World world;
  const Git shop(world.path("shop"));
  for (const std::string tag : {"1.0.0", "2.0.0", "3.0.0"}) {
    shop.write(".nelson.yml", manifest_of({"basket"}, tag == version ? 2 : 1));
    shop.write("basket.deployable.yml", image_of("basket", tag));
    shop.commit(tag);
    shop({"tag", tag});
  }
  world.watch("shop", shop.url(), "release: tags\nmay: {instances: 1}\n");
  const auto desired = synced(*world.open());
  EXPECT_EQ(desired->repositories.at("shop").state, state) << problems_of(*desired);
  const Problem* const problem = problem_of(*desired, "ClaimRefused", "shop");
  EXPECT_TRUE(problem != nullptr && problem->warning == warning) << problems_of(*desired);
  const auto cell = desired->cells.find({"local", "basket"});
  std::string out;
  if (cell != desired->cells.end())
    for (const DesiredStack& stack : cell->second.stacks) out += to_string(stack.version) + ' ';
  return out;
}

TEST(Reading, APatchThatIsRefusedCostsTheReleaseNothing) {
  EXPECT_EQ(allowed_without("2.0.0", RepositoryState::kCurrent, true), "1.0.0 3.0.0 ");
}

TEST(Reading, AReleaseThatIsRefusedHasNoPatches) { EXPECT_EQ(allowed_without("3.0.0", RepositoryState::kLastGood, false), ""); }

// --- overlays ---

TEST(Reading, AnOverlayTellsOfANewUnitWithoutADeployable) {
  for (const char* image : {"", "image: registry.example.org/{unit}:{version}\n"}) {
    SCOPED_TRACE(image);
    World world;
    const Git shop(world.path("shop"));
    write_unit(shop, "basket", "1.0.0");
    shop.commit("one");
    shop({"tag", "1.0.0"});
    world.watch("shop", shop.url(), std::string("release: tags\n") + image);
    const auto gitsync = world.open();
    (void)synced(*gitsync);
    shop.write(".nelson.yml", manifest_of({"basket", "search"}));
    const auto desired = gitsync->with_overlay({"shop", shop.folder(), ""});
    ASSERT_TRUE(desired) << desired.error().message;
    const Problem* problem = problem_of(*desired, "MissingDeployable", "shop");
    ASSERT_EQ(problem != nullptr, *image == '\0') << problems_of(*desired);
    if (problem == nullptr) continue;
    EXPECT_EQ(problem->unit, "search");
    EXPECT_TRUE(problem->warning);
  }
}

TEST(Reading, AnOverlayLivesAsLongAsItIsAskedAbout) {
  World world;
  const Git shop = watched_shop(world);
  const auto gitsync = world.open();
  (void)synced(*gitsync);
  // More than a child may grow by before it is replaced, in memory only.
  for (int i = 0; i < 140; ++i) shop.write("big/" + std::to_string(i), std::string(1 << 20, 'x') + std::to_string(i));
  const auto desired = gitsync->with_overlay({"shop", shop.folder(), ""});
  ASSERT_TRUE(desired) << desired.error().message;
  EXPECT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
}

// --- what was parsed before ---

TEST(ParsedOnce, KeepsWhatIsInUseAndForgetsTheRest) {
  git::ParsedOnce<int> parsed(10, 1'000);
  const auto make = [] { return 1; };
  for (int i = 0; i < 1'000; ++i) {
    (void)parsed.get("often", 1, make);
    (void)parsed.get(std::to_string(i), 1, make);
  }
  EXPECT_EQ(parsed.made(), 1'001U) << "the one that is asked for again and again was made once";
  EXPECT_NE(parsed.find("often"), nullptr);
  EXPECT_NE(parsed.find("999"), nullptr);
  EXPECT_EQ(parsed.find("0"), nullptr);
}

TEST(ParsedOnce, IsBoundedByBytesToo) {
  git::ParsedOnce<int> parsed(1'000, 100);
  for (int i = 0; i < 100; ++i) (void)parsed.get(std::to_string(i), 60, [] { return 1; });
  int kept = 0;
  for (int i = 0; i < 100; ++i) kept += parsed.find(std::to_string(i)) != nullptr ? 1 : 0;
  EXPECT_GE(kept, 1);
  EXPECT_LE(kept, 4);
}

}  // namespace
}  // namespace nelson
