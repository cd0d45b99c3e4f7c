#include "gitsync/gitsync.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "gitsync/init.h"
#include "tests/gitsync/git_fixture.h"

namespace nelson {
namespace {

using namespace nelson::gitsync_test;

TEST(Gitsync, BranchHeadGivesTheReleaseOfEachUnit) {
  World world;
  const Git shop(world.path("shop"));
  write_unit(shop, "basket", "1.4.2");
  const std::string commit = shop.commit("one");
  world.watch("shop", shop.url());
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  const DesiredStack* stack = stack_of(*desired, "basket");
  ASSERT_NE(stack, nullptr) << problems_of(*desired);
  EXPECT_EQ(stack->version, (Version{1, 4, 2}));
  EXPECT_EQ(stack->commit, commit);
  EXPECT_EQ(stack->repository, "shop");
  EXPECT_TRUE(stack->fresh);
  EXPECT_EQ(stack->artifact.tree, shop.tree("app"));
  EXPECT_EQ(stack->artifact.command, (std::vector<std::string>{"./serve"}));
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kCurrent);
  EXPECT_EQ(desired->repositories.at("shop").head, commit);
  EXPECT_EQ(desired->owner, "0123456789abcdef");
  EXPECT_EQ(desired->control_commit, world.control.head());
  EXPECT_TRUE(desired->problems.empty()) << problems_of(*desired);
}

TEST(Gitsync, PollOfUnchangedRepositoriesIsOneRefListEachAndNothingElse) {
  World world;
  const Git shop(world.path("shop"));
  write_unit(shop, "basket", "1.4.2");
  shop.commit("one");
  const Git desk(world.path("desk"));
  write_unit(desk, "desk", "1.0.0");
  desk.commit("one");
  world.watch("shop", shop.url());
  world.watch("desk", desk.url());
  const auto gitsync = world.open();
  const auto first = synced(*gitsync);
  const auto before = gitsync->counters();
  const auto second = synced(*gitsync);
  const auto after = gitsync->counters();
  EXPECT_EQ(first, second) << "the same pointer";
  EXPECT_EQ(after.ref_lists - before.ref_lists, 3U);
  EXPECT_EQ(after.fetches, before.fetches);
  EXPECT_EQ(after.blobs_parsed, before.blobs_parsed);
  EXPECT_EQ(after.trees_read, before.trees_read);
}

TEST(Gitsync, ABlobIsParsedOnce) {
  World world;
  const Git shop(world.path("shop"));
  write_unit(shop, "basket", "1.0.0");
  write_unit(shop, "search", "1.0.0", "search/");
  shop.commit("one");
  world.watch("shop", shop.url());
  const auto gitsync = world.open();
  (void)synced(*gitsync);
  const auto before = gitsync->counters();
  shop.write("search/search.deployable.yml",
             "name: search\nversion: 1.0.1\noutput: {kind: command, command: [./serve], tree: app}\n");
  shop.commit("two");
  const auto desired = synced(*gitsync);
  EXPECT_EQ(gitsync->counters().blobs_parsed - before.blobs_parsed, 1U);
  EXPECT_EQ(gitsync->counters().fetches - before.fetches, 1U);
  ASSERT_NE(stack_of(*desired, "search"), nullptr);
  EXPECT_EQ(stack_of(*desired, "search")->version, (Version{1, 0, 1}));
  // A commit that changes something else parses nothing.
  shop.write("README.md", "hello\n");
  shop.commit("three");
  (void)synced(*gitsync);
  EXPECT_EQ(gitsync->counters().blobs_parsed - before.blobs_parsed, 1U);
}

TEST(Gitsync, ABrokenManifestKeepsItsLastGoodRevisionAndHarmsNoOther) {
  World world;
  const Git shop(world.path("shop"));
  write_unit(shop, "basket", "1.0.0");
  write_unit(shop, "search", "1.0.0", "search/");
  const std::string good = shop.commit("one");
  world.watch("shop", shop.url());
  const auto gitsync = world.open();
  (void)synced(*gitsync);
  shop.write(".nelson.yml", "units: [\n");
  shop.write("search/search.deployable.yml",
             "name: search\nversion: 1.1.0\noutput: {kind: command, command: [./serve], tree: app}\n");
  shop.commit("broken");
  shop.write("x", "x");
  const std::string head = shop.commit("still broken");
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    const auto fresh = restarted ? world.open() : nullptr;
    const auto desired = synced(restarted ? *fresh : *gitsync);
    ASSERT_NE(stack_of(*desired, "basket"), nullptr);
    EXPECT_EQ(stack_of(*desired, "basket")->commit, good);
    EXPECT_FALSE(stack_of(*desired, "basket")->fresh) << "no ref names that commit";
    ASSERT_NE(stack_of(*desired, "search"), nullptr);
    EXPECT_EQ(stack_of(*desired, "search")->version, (Version{1, 1, 0}));
    EXPECT_EQ(stack_of(*desired, "search")->commit, head);
    EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kLastGood);
    const Problem* problem = problem_of(*desired, "LoadError", "shop");
    ASSERT_NE(problem, nullptr) << problems_of(*desired);
    EXPECT_EQ(problem->file, ".nelson.yml");
    EXPECT_EQ(problem->commit, head);
    EXPECT_GT(problem->line, 0U);
  }
  write_unit(shop, "basket", "2.0.0");
  shop.commit("mended");
  const auto mended = synced(*gitsync);
  EXPECT_EQ(mended->repositories.at("shop").state, RepositoryState::kCurrent);
  ASSERT_NE(stack_of(*mended, "basket"), nullptr);
  EXPECT_EQ(stack_of(*mended, "basket")->version, (Version{2, 0, 0}));
  EXPECT_TRUE(mended->problems.empty()) << problems_of(*mended);
}

TEST(Gitsync, AManifestThatNeverReadIsUnknown) {
  World world;
  const Git shop(world.path("shop"));
  shop.write(".nelson.yml", "nonsense\n");
  shop.commit("one");
  world.watch("shop", shop.url());
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kUnknown);
  EXPECT_TRUE(desired->cells.empty());
}

struct NoManifest {
  const char* what;
  const char* code;
  std::function<void(const Git&)> write;
};

class NotRegular : public ::testing::TestWithParam<NoManifest> {};

TEST_P(NotRegular, IsNeverFollowed) {
  World world;
  const Git shop(world.path("shop"));
  write_unit(shop, "search", "1.0.0", "search/");
  write_file(world.path("outside.yml"), manifest_of({"stolen"}));
  GetParam().write(shop);
  shop.commit("one");
  world.watch("shop", shop.url());
  const auto gitsync = world.open();
  const auto desired = settled(*gitsync, [](const Desired& d) { return stack_of(d, "search") != nullptr; });
  EXPECT_NE(stack_of(*desired, "search"), nullptr) << problems_of(*desired);
  EXPECT_EQ(desired->cells.size(), 1U);
  if (*GetParam().code != '\0') EXPECT_NE(problem_of(*desired, GetParam().code), nullptr) << problems_of(*desired);
}

void add_link(const Git& git, const std::string& path, const std::string& target) {
  std::filesystem::create_directories(std::filesystem::path(git.folder() + "/" + path).parent_path());
  ASSERT_EQ(::symlink(target.c_str(), (git.folder() + "/" + path).c_str()), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Gitsync, NotRegular,
    ::testing::Values(NoManifest{"AManifestThatIsALinkOutOfTheTree", "NotRegular",
                                 [](const Git& git) { add_link(git, ".nelson.yml", "../outside.yml"); }},
                      NoManifest{"AFolderThatIsALink", "", [](const Git& git) { add_link(git, "linked", "search"); }},
                      NoManifest{"ADeployableThatIsALink", "NotRegular",
                                 [](const Git& git) {
                                   git.write("x/.nelson.yml", manifest_of({"stolen"}));
                                   add_link(git, "x/stolen.deployable.yml", "../search/search.deployable.yml");
                                 }},
                      NoManifest{
                          "ASubmodule", "",
                          [](const Git& git) {
                            git({"update-index", "--add", "--cacheinfo", "160000,0123456789012345678901234567890123456789,module"});
                          }},
                      NoManifest{"AFolderNamedLikeAManifest", "", [](const Git& git) { git.write("y/.nelson.yml/inside", "x"); }},
                      NoManifest{"ABlobOfAGigabyteInAFewBytes", "LoadError",
                                 [](const Git& git) { git.write("z/.nelson.yml", std::string(64 << 20, 'a')); }}),
    [](const auto& info) { return info.param.what; });

TEST(Gitsync, TagsReleaseTheHighestVersionOfEachUnit) {
  World world;
  const Git shop(world.path("shop"));
  shop.write(".nelson.yml", manifest_of({"basket", "search"}));
  const std::string first = shop.commit("one");
  shop({"tag", "1.0.0"});
  shop.write("x", "2");
  const std::string second = shop.commit("two");
  shop({"tag", "-a", "-m", "annotated", "basket/1.2.0"});
  shop({"tag", "v9.9.9"});
  shop({"tag", "basket/1.10.0", first});
  world.watch("shop", shop.url(), "release: tags\nimage: registry.example.org/{unit}:{version}\n");
  const auto gitsync = world.open();
  auto desired = synced(*gitsync);
  ASSERT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  EXPECT_EQ(stack_of(*desired, "basket")->version, (Version{1, 10, 0}));
  EXPECT_EQ(stack_of(*desired, "basket")->commit, first);
  EXPECT_EQ(stack_of(*desired, "basket")->artifact.image, "registry.example.org/basket:1.10.0");
  EXPECT_EQ(stack_of(*desired, "search")->version, (Version{1, 0, 0}));
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kCurrent) << problems_of(*desired);

  shop({"tag", "-d", "basket/1.10.0"});
  desired = synced(*gitsync);
  EXPECT_EQ(stack_of(*desired, "basket")->version, (Version{1, 2, 0}));
  EXPECT_EQ(stack_of(*desired, "basket")->commit, second) << "an annotated tag is its commit";

  shop.write(".nelson.yml", manifest_of({"basket"}));
  shop.commit("search leaves");
  desired = synced(*gitsync);
  EXPECT_EQ(stack_of(*desired, "search"), nullptr) << "the default branch no longer declares it";
  EXPECT_NE(stack_of(*desired, "basket"), nullptr);
}

TEST(Gitsync, ATagThatDoesNotReadLeavesTheNextLowerInForce) {
  World world;
  const Git shop(world.path("shop"));
  write_unit(shop, "basket", "1.0.0");
  shop.commit("one");
  shop({"tag", "1.0.0"});
  shop.write("basket.deployable.yml", "name: [\n");
  const std::string bad = shop.commit("two");
  shop({"tag", "1.1.0"});
  world.watch("shop", shop.url(), "release: tags\n");
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  ASSERT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  EXPECT_EQ(stack_of(*desired, "basket")->version, (Version{1, 0, 0}));
  EXPECT_FALSE(stack_of(*desired, "basket")->fresh);
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kLastGood);
  bool said = false;
  for (const Problem& problem : desired->problems)
    said = said ||
           (problem.commit == bad && problem.file == "basket.deployable.yml" && problem.message.find("1.1.0") != std::string::npos);
  EXPECT_TRUE(said) << problems_of(*desired);
}

TEST(Gitsync, AUnitWhoseDeployableIsGoneKeepsItsRelease) {
  World world;
  const Git shop = watched_shop(world);
  const auto gitsync = world.open();
  (void)synced(*gitsync);
  shop.remove("basket.deployable.yml");
  shop.commit("two");
  auto desired = synced(*gitsync);
  EXPECT_NE(stack_of(*desired, "basket"), nullptr);
  EXPECT_NE(problem_of(*desired, "MissingDeployable"), nullptr) << problems_of(*desired);
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kLastGood);
  shop.write(".nelson.yml", manifest_of({"other"}));
  shop.commit("three");
  desired = synced(*gitsync);
  EXPECT_EQ(stack_of(*desired, "basket"), nullptr);
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kCurrent) << problems_of(*desired);
}

TEST(Gitsync, AForcePushThatReadsIsApplied) {
  World world;
  const Git shop = watched_shop(world);
  const auto gitsync = world.open();
  (void)synced(*gitsync);
  shop({"checkout", "-q", "--orphan", "other"});
  write_unit(shop, "basket", "0.9.0");
  shop.commit("unrelated");
  shop({"branch", "-f", "main", "other"});
  const auto desired = synced(*gitsync);
  ASSERT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  EXPECT_EQ(stack_of(*desired, "basket")->version, (Version{0, 9, 0}));
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kCurrent);
}

/// What goes away leaves the last good desired state in force, in this process and after a restart, and is current again afterwards.
struct Loss {
  const char* what;
  const char* code;
  std::function<void(const Git&)> lose, restore;
};

class Lost : public ::testing::TestWithParam<Loss> {};

TEST_P(Lost, LeavesTheLastGoodStateInForce) {
  World world;
  const Git shop(world.path("shop"));
  write_unit(shop, "basket", "1.0.0");
  const std::string commit = shop.commit("one");
  world.watch("shop", shop.url());
  const auto gitsync = world.open();
  (void)synced(*gitsync);
  GetParam().lose(shop);
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    const auto fresh = restarted ? world.open() : nullptr;
    const auto desired = synced(restarted ? *fresh : *gitsync);
    ASSERT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
    EXPECT_EQ(stack_of(*desired, "basket")->commit, commit);
    EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kLastGood);
    EXPECT_NE(problem_of(*desired, GetParam().code, "shop"), nullptr) << problems_of(*desired);
  }
  GetParam().restore(shop);
  const auto desired = synced(*gitsync);
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kCurrent) << problems_of(*desired);
  EXPECT_TRUE(desired->problems.empty()) << problems_of(*desired);
}

INSTANTIATE_TEST_SUITE_P(
    Gitsync, Lost,
    ::testing::Values(Loss{"ARepositoryThatVanished", "RepositoryNotFound",
                           [](const Git& git) { std::filesystem::rename(git.folder(), git.folder() + ".away"); },
                           [](const Git& git) { std::filesystem::rename(git.folder() + ".away", git.folder()); }},
                      Loss{"ABranchThatWasDeleted", "BranchMissing",
                           [](const Git& git) {
                             git({"branch", "-q", "-m", "main", "moved"});
                           },
                           [](const Git& git) {
                             git({"branch", "-q", "-m", "moved", "main"});
                           }},
                      Loss{"ARepositoryThatBecameEmpty", "NoCommits",
                           [](const Git& git) {
                             std::filesystem::rename(git.folder(), git.folder() + ".away");
                             Git(git.folder());
                           },
                           [](const Git& git) {
                             std::filesystem::remove_all(git.folder());
                             std::filesystem::rename(git.folder() + ".away", git.folder());
                           }}),
    [](const auto& info) { return info.param.what; });

TEST(Gitsync, ARepositoryWithoutAnyManifestIsTold) {
  World world;
  const Git shop(world.path("shop"));
  shop.write("README.md", "hello\n");
  const std::string head = shop.commit("one");
  world.watch("shop", shop.url());
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kCurrent);
  const Problem* problem = problem_of(*desired, "NoManifest", "shop");
  ASSERT_NE(problem, nullptr) << problems_of(*desired);
  EXPECT_TRUE(problem->warning);
  EXPECT_EQ(problem->commit, head);
  write_unit(shop, "basket", "1.0.0");
  shop.commit("two");
  EXPECT_TRUE(synced(*gitsync)->problems.empty());
}

TEST(Gitsync, AnEmptyRepositoryHasNoCommits) {
  World world;
  const Git shop(world.path("shop"));
  world.watch("shop", shop.url());
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  ASSERT_NE(problem_of(*desired, "NoCommits", "shop"), nullptr) << problems_of(*desired);
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kUnknown);
}

/// Every kind of damage to a mirror ends in a new one, said aloud, with nothing lost.
struct Damage {
  const char* what;
  std::function<void(const std::string& mirror)> damage;
};

class DamagedMirror : public ::testing::TestWithParam<Damage> {};

TEST_P(DamagedMirror, IsFetchedAnew) {
  World world;
  const Git shop = watched_shop(world);
  (void)synced(*world.open());
  std::string mirror;
  for (const auto& entry : std::filesystem::directory_iterator(world.path("mirrors")))
    if (entry.path().filename().string().starts_with("shop-")) mirror = entry.path();
  ASSERT_FALSE(mirror.empty());
  GetParam().damage(mirror);
  const auto gitsync = world.open();
  auto desired = synced(*gitsync);
  ASSERT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  EXPECT_EQ(desired->repositories.at("shop").state, RepositoryState::kCurrent) << problems_of(*desired);
  EXPECT_NE(problem_of(*desired, "MirrorRebuilt", "shop"), nullptr) << problems_of(*desired);
  shop.write("x", "x");
  shop.commit("two");
  desired = synced(*gitsync);
  EXPECT_TRUE(desired->problems.empty()) << problems_of(*desired);
}

void each_file(const std::string& folder, const std::function<void(const std::filesystem::path&)>& action) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) action(entry.path());
}

INSTANTIATE_TEST_SUITE_P(
    Gitsync, DamagedMirror,
    ::testing::Values(Damage{"ObjectsRemoved", [](const std::string& mirror) { std::filesystem::remove_all(mirror + "/objects"); }},
                      Damage{"PacksOverwritten",
                             [](const std::string& mirror) {
                               each_file(mirror + "/objects", [](const auto& path) {
                                 std::filesystem::permissions(path, std::filesystem::perms::owner_all);
                                 write_file(path, std::string(std::filesystem::file_size(path), 'x'));
                               });
                             }},
                      Damage{"PacksTruncated",
                             [](const std::string& mirror) {
                               each_file(mirror + "/objects", [](const auto& path) {
                                 std::filesystem::permissions(path, std::filesystem::perms::owner_all);
                                 std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
                               });
                             }},
                      Damage{"HeadOverwritten", [](const std::string& mirror) { write_file(mirror + "/HEAD", "nonsense"); }},
                      Damage{"ConfigurationOverwritten",
                             [](const std::string& mirror) { write_file(mirror + "/config", "[nonsense"); }}),
    [](const auto& info) { return info.param.what; });

TEST(Gitsync, ABrokenControlFileKeepsItsLastGoodRevision) {
  World world;
  const Git shop = watched_shop(world);
  const auto gitsync = world.open();
  (void)synced(*gitsync);
  world.control.write("repositories/shop.yml", "url: " + shop.url() + "\nrelease: sideways\n");
  world.control.write("domains/local.yml", "folder: [\n");
  const std::string head = world.control.commit("broken");
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    const auto fresh = restarted ? world.open() : nullptr;
    const auto desired = synced(restarted ? *fresh : *gitsync);
    EXPECT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
    EXPECT_EQ(desired->domains.at("local").folder, "/var/lib/nelson-test");
    int located = 0;
    for (const Problem& problem : desired->problems)
      if (problem.repository == "control" && problem.commit == head && problem.line > 0 && problem.column > 0) ++located;
    EXPECT_GE(located, 2) << problems_of(*desired);
  }
}

TEST(Gitsync, AControlFileThatIsRemovedIsGone) {
  World world;
  const Git shop = watched_shop(world);
  const auto gitsync = world.open();
  (void)synced(*gitsync);
  world.control.remove("repositories/shop.yml");
  world.control.commit("forget shop");
  const auto desired = synced(*gitsync);
  EXPECT_TRUE(desired->cells.empty());
  EXPECT_TRUE(desired->repositories.empty());
}

TEST(Gitsync, AControlRepositoryThatWasNeverReadIsAnError) {
  World world;
  GitsyncOptions options = world.options();
  options.control_url = "file://" + world.path("nowhere");
  auto opened = Gitsync::open(options);
  ASSERT_TRUE(opened);
  const auto result = (*opened)->sync(true);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("nowhere"), std::string::npos) << result.error().message;
}

TEST(Gitsync, ARestartWorksFromTheMirrorsWhileTheHostsAreAway) {
  World world;
  const Git shop = watched_shop(world);
  (void)synced(*world.open());
  std::filesystem::rename(world.control.folder(), world.path("gone"));
  std::filesystem::rename(shop.folder(), world.path("gone2"));
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  ASSERT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  EXPECT_FALSE(stack_of(*desired, "basket")->fresh);
  EXPECT_NE(problem_of(*desired, "RepositoryNotFound", "control"), nullptr);
}

TEST(Gitsync, TwoControllersReadTheSame) {
  World world;
  for (const char* name : {"a", "b", "c"}) {
    const Git git(world.path(name));
    write_unit(git, std::string("unit-") + name, "1.0.0");
    git.commit("one");
    world.watch(name, git.url());
  }
  const auto first = world.open();
  const auto one = synced(*first);
  GitsyncOptions options = world.options();
  options.folder = world.path("others");
  auto second = Gitsync::open(options);
  ASSERT_TRUE(second);
  Desired two = *synced(**second);
  for (const auto& [name, repository] : one->repositories) two.repositories.at(name).last_fetched = repository.last_fetched;
  EXPECT_EQ(*one, two);
}

TEST(Gitsync, OfflineReadsTheMirrorsOfARunningControllerAndWritesNothing) {
  World world;
  const Git shop = watched_shop(world);
  const auto controller = world.open();
  const auto live = synced(*controller);
  const std::string before = run({"find", world.path("mirrors"), "-printf", "%p %T@ %s\n"}).output;

  GitsyncOptions options = world.options();
  options.offline = true;
  auto offline = Gitsync::open(options);
  ASSERT_TRUE(offline);
  const auto seen = synced(**offline);
  EXPECT_EQ(seen->cells, live->cells);
  EXPECT_EQ(seen->repositories.at("shop").state, RepositoryState::kCurrent);
  EXPECT_EQ((*offline)->counters().ref_lists, 0U);
  EXPECT_EQ(run({"find", world.path("mirrors"), "-printf", "%p %T@ %s\n"}).output, before);

  options.folder = world.path("none");
  EXPECT_FALSE(Gitsync::open(options));
  EXPECT_FALSE(std::filesystem::exists(world.path("none")));
}

TEST(Gitsync, AnOverlayOfAWorkingCopyIsWhatAPushWouldGive) {
  World world;
  const Git shop(world.path("shop"));
  write_unit(shop, "basket", "1.0.0");
  shop.write(".gitignore", "secret\n");
  shop.commit("one");
  world.watch("shop", shop.url());
  run({"git", "clone", "-q", shop.url(), world.path("clone")});
  (void)synced(*world.open());
  GitsyncOptions options = world.options();
  options.offline = true;
  auto offline = Gitsync::open(options);
  ASSERT_TRUE(offline);

  EXPECT_EQ(*(*offline)->repository_at(world.path("clone")), "shop");
  // Changed, added and removed files, none of them committed or staged.
  const std::string clone = world.path("clone");
  write_file(clone + "/basket.deployable.yml",
             "name: basket\nversion: 1.1.0\noutput: {kind: command, command: [./serve], tree: app}\n");
  write_file(clone + "/app/new", "new\n");
  write_file(clone + "/app/secret", "ignored\n");
  const std::string objects = run({"find", clone + "/.git", "-printf", "%p %T@ %s\n"}).output;
  const auto desired = (*offline)->with_overlay({"shop", clone, ""});
  ASSERT_TRUE(desired) << desired.error().message;
  EXPECT_EQ(run({"find", clone + "/.git", "-printf", "%p %T@ %s\n"}).output, objects) << "nothing was written";
  ASSERT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  EXPECT_EQ(stack_of(*desired, "basket")->version, (Version{1, 1, 0}));
  EXPECT_TRUE(stack_of(*desired, "basket")->fresh);
  const std::string tree = stack_of(*desired, "basket")->artifact.tree;

  run({"git", "add", "-A"}, clone);
  run({"git", "commit", "-q", "-m", "two"}, clone);
  EXPECT_EQ(run({"git", "rev-parse", "HEAD:app"}, clone).output, tree + "\n") << "the tree that a commit really has";
  const auto revision = (*offline)->with_overlay({"shop", clone, "HEAD~1"});
  ASSERT_TRUE(revision) << revision.error().message;
  EXPECT_EQ(stack_of(*revision, "basket")->version, (Version{1, 0, 0}));
  EXPECT_EQ(stack_of(*revision, "basket")->commit, shop.head());

  write_file(clone + "/.nelson.yml", "units: [\n");
  const auto broken = (*offline)->with_overlay({"shop", clone, ""});
  ASSERT_TRUE(broken) << broken.error().message;
  EXPECT_NE(problem_of(*broken, "LoadError", "shop"), nullptr) << problems_of(*broken);
  ASSERT_NE(stack_of(*broken, "basket"), nullptr) << "the last good release stands";
  EXPECT_EQ(stack_of(*broken, "basket")->version, (Version{1, 0, 0}));

  EXPECT_FALSE((*offline)->with_overlay({"shop", clone, "no-such-thing"}));
  EXPECT_FALSE((*offline)->with_overlay({"nothing", clone, ""}));
  EXPECT_FALSE((*offline)->with_overlay({"shop", world.path("mirrors"), ""}));
}

TEST(Gitsync, ContainsKnowsAncestors) {
  World world;
  const std::string first = world.control.head();
  world.control.write("x", "x");
  const std::string second = world.control.commit("two");
  const auto gitsync = world.open();
  (void)synced(*gitsync);
  EXPECT_TRUE(*gitsync->contains("control", second, first));
  EXPECT_TRUE(*gitsync->contains("control", second, second));
  EXPECT_FALSE(*gitsync->contains("control", first, second));
  EXPECT_FALSE(*gitsync->contains("control", second, std::string(40, 'a')));
  EXPECT_FALSE(gitsync->contains("nothing", second, first));
}

TEST(Gitsync, ExportWritesRegularFilesReadOnlyAndNothingElse) {
  World world;
  const Git shop(world.path("shop"));
  write_unit(shop, "basket", "1.0.0");
  shop.write("app/data/text", "text\n");
  add_link(shop, "app/link", "/etc/passwd");
  add_link(shop, "app/data/up", "../../..");
  shop.commit("one");
  world.watch("shop", shop.url());
  const auto gitsync = world.open();
  const auto desired = synced(*gitsync);
  ASSERT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  const std::string out = world.path("out");
  std::filesystem::create_directory(out);
  const Status done = gitsync->export_tree("shop", stack_of(*desired, "basket")->artifact.tree, out);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(run({"find", ".", "-mindepth", "1", "-printf", "%y %m %p\n"}, out).output.size(),
            std::string("f 555 ./serve\nd 555 ./data\nf 444 ./data/text\n").size())
      << run({"find", ".", "-mindepth", "1", "-printf", "%y %m %p\n"}, out).output;
  EXPECT_EQ(read_file(out + "/data/text"), "text\n");
  const Status again = gitsync->export_tree("shop", stack_of(*desired, "basket")->artifact.tree, out);
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("not an empty folder"), std::string::npos);
}

TEST(Gitsync, ExportRefusesMoreThan64MiB) {
  World world;
  const Git shop(world.path("shop"));
  write_unit(shop, "basket", "1.0.0");
  shop.write("app/a", std::string(40 << 20, 'a'));
  shop.write("app/b", std::string(40 << 20, 'b'));
  shop.commit("one");
  world.watch("shop", shop.url());
  const auto gitsync = world.open();
  const auto desired = settled(*gitsync, is_read);
  ASSERT_NE(stack_of(*desired, "basket"), nullptr) << problems_of(*desired);
  const std::string out = world.path("out");
  std::filesystem::create_directory(out);
  const Status done = gitsync->export_tree("shop", stack_of(*desired, "basket")->artifact.tree, out);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("64 MiB"), std::string::npos) << done.error().message;
}

TEST(Gitsync, TheMirrorFolderIsPrivate) {
  World world;
  (void)synced(*world.open());
  struct stat about {};
  ASSERT_EQ(::stat(world.path("mirrors").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0700U);
}

TEST(Init, MakesARepositoryThatGitAndNelsonRead) {
  TempFolder folder;
  const Status made = create_control_repository(
      folder / "c", {{"owner.yml", "id: 0123456789abcdef\n"}, {"domains/local.yml", "folder: /x\n"}}, "first");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(run({"git", "status", "--porcelain"}, folder / "c").output, "");
  EXPECT_EQ(run({"git", "log", "--format=%s", "main"}, folder / "c").output, "first\n");
  GitsyncOptions options;
  options.control_url = folder / "c";
  options.folder = folder / "mirrors";
  auto gitsync = Gitsync::open(options);
  ASSERT_TRUE(gitsync);
  EXPECT_EQ(synced(**gitsync)->owner, "0123456789abcdef");
  EXPECT_FALSE(create_control_repository(folder / "c", {}, "again"));
  EXPECT_FALSE(create_control_repository(folder / "d", {{"../e", ""}}, "outside"));
  EXPECT_FALSE(std::filesystem::exists(folder / "d"));
}

}  // namespace
}  // namespace nelson
