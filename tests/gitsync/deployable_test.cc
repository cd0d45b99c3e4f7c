#include "gitsync/deployable.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nelson {
namespace {

Deployable read_valid(const std::string& text) {
  DeployableReading reading = read_deployable(text);
  for (const Problem& problem : reading.problems) ADD_FAILURE() << to_string(problem);
  return reading.deployable.value_or(Deployable{});
}

TEST(Deployable, NamesACommandInATree) {
  const Deployable deployable =
      read_valid("name: basket\nversion: 1.4.2\noutput: {kind: command, command: [./serve, --port, 80], tree: ./app//bin/}\n");
  EXPECT_EQ(deployable.name, "basket");
  EXPECT_EQ(deployable.version, (Version{1, 4, 2}));
  EXPECT_EQ(deployable.kind, ArtifactKind::kCommand);
  EXPECT_EQ(deployable.command, (std::vector<std::string>{"./serve", "--port", "80"}));
  EXPECT_EQ(deployable.tree, "app/bin");
  EXPECT_EQ(tree_path("shop/.nelson.yml", deployable), "shop/app/bin");
  EXPECT_EQ(tree_path(".nelson.yml", deployable), "app/bin");
  EXPECT_EQ(artifact_of(deployable, "abc"), (Artifact{ArtifactKind::kCommand, "", {"./serve", "--port", "80"}, "abc"}));
}

TEST(Deployable, TheManifestsOwnFolderIsATreeToo) {
  const Deployable deployable = read_valid("name: basket\nversion: 1.4.2\noutput: {kind: command, command: [./serve], tree: .}\n");
  ASSERT_TRUE(deployable.tree);
  EXPECT_EQ(tree_path("shop/.nelson.yml", deployable), "shop");
  EXPECT_EQ(tree_path(".nelson.yml", deployable), "");
}

TEST(Deployable, WithoutATreeTheProgramIsTheHosts) {
  EXPECT_FALSE(read_valid("name: basket\nversion: 1.4.2\noutput: {kind: command, command: [/bin/true]}\n").tree);
}

TEST(Deployable, NamesAnImageByAnyOfItsWords) {
  for (const char* kind : {"image", "container", "docker"}) {
    const Deployable deployable =
        read_valid(std::string("name: basket\nversion: 1.4.2\noutput: {kind: ") + kind + ", image: r.example.org:5000/a/b:1.0}\n");
    EXPECT_EQ(deployable.kind, ArtifactKind::kImage);
    EXPECT_EQ(deployable.image, "r.example.org:5000/a/b:1.0");
  }
}

TEST(Deployable, LiesBesideItsManifest) {
  EXPECT_EQ(deployable_path(".nelson.yml", "basket"), "basket.deployable.yml");
  EXPECT_EQ(deployable_path("shop/.nelson.yml", "basket"), "shop/basket.deployable.yml");
}

TEST(Deployable, ItsNameIsComparedWithoutCase) {
  const Deployable deployable = read_valid("name: ' Basket '\nversion: 1.4.2\noutput: {kind: image, image: a}\n");
  EXPECT_TRUE(is_for(deployable, "basket"));
  EXPECT_FALSE(is_for(deployable, "baskets"));
}

struct BadDeployable {
  const char* says;
  std::string text;
  const char* message;
  std::uint32_t line, column;
};

TEST(Deployable, RefusesTheRestWithItsPlace) {
  const std::string head = "name: basket\nversion: 1.4.2\n";
  const auto command = [&](const std::string& words) { return head + "output:\n  kind: command\n  command: " + words + "\n"; };
  const auto tree = [&](const std::string& path) { return command("[./serve]") + "  tree: " + path + "\n"; };
  std::string many = "[./serve";
  for (int i = 0; i < 300; ++i) many += ", x";
  const std::vector<BadDeployable> cases = {
      {"an empty file", "", "empty", 1, 1},
      {"no name", "version: 1.4.2\noutput: {kind: image, image: a}\n", "`deployable.name` is missing", 1, 1},
      {"no version", "name: basket\noutput: {kind: image, image: a}\n", "`deployable.version` is missing", 1, 1},
      {"no output", head, "`deployable.output` is missing", 1, 1},
      {"a version of two parts", "name: basket\nversion: 1.4\noutput: {kind: image, image: a}\n", "not a version", 2, 10},
      {"a name that is a path", "name: ../x\nversion: 1.4.2\noutput: {kind: image, image: a}\n", "not a unit's name", 1, 7},
      {"an unknown kind", head + "output: {kind: jar, image: a}\n", "`jar` is not one of", 3, 16},
      {"an image without its name", head + "output: {kind: image}\n", "needs `image`", 3, 9},
      {"a command without words", head + "output: {kind: command}\n", "needs `command`", 3, 9},
      {"a command line for a shell", command("./serve --port 80"), "must be a list", 5, 12},
      {"an empty command", command("[]"), "names no program", 5, 12},
      {"an empty program", command("[\"\", x]"), "names no program", 5, 12},
      {"a line break in the program", command("[\"a\\nb\"]"), "names no program", 5, 12},
      {"a NUL in a word", command("[a, \"b\\0\"]"), "control character", 5, 16},
      {"300 words", command(many + "]"), "301 words", 5, 12},
      {"40 KiB of words", command("[./serve, " + std::string(40'000, 'x') + "]"), "40009 bytes", 5, 12},
      {"a tree above", tree("../other"), "not a folder beside", 6, 9},
      {"a tree above, hidden", tree("app/../../x"), "not a folder beside", 6, 9},
      {"an absolute tree", tree("/etc"), "not a folder beside", 6, 9},
      {"an empty tree", tree("''"), "not a folder beside", 6, 9},
      {"a tree with an image", head + "output: {kind: image, image: a, tree: b}\n", "`output.tree` does not go with kind image", 3,
       33},
      {"an image with a command", command("[a]") + "  image: b\n", "`output.image` does not go with kind command", 6, 3},
      {"an image that is an option", head + "output: {kind: image, image: --privileged}\n", "lower-case letters", 3, 30},
  };
  for (const BadDeployable& c : cases) {
    SCOPED_TRACE(c.says);
    const DeployableReading reading = read_deployable(c.text);
    EXPECT_FALSE(reading.deployable);
    ASSERT_GE(reading.problems.size(), 1U);
    const Problem& problem = reading.problems[0];
    EXPECT_NE(problem.message.find(c.message), std::string::npos) << problem.message;
    EXPECT_EQ(problem.line, c.line);
    EXPECT_EQ(problem.column, c.column);
    EXPECT_FALSE(problem.way_out.empty());
  }
}

TEST(Deployable, UnknownKeysAreWarnings) {
  const DeployableReading reading = read_deployable("name: basket\nversion: 1.4.2\noutput: {kind: image, imag: b, image: a}\n");
  EXPECT_TRUE(reading.deployable);
  ASSERT_EQ(reading.problems.size(), 1U);
  EXPECT_TRUE(reading.problems[0].warning);
  EXPECT_EQ(reading.problems[0].way_out, "did you mean `image`?");
}

TEST(Image, SyntaxIsThatOfRegistries) {
  const std::string digest = "@sha256:" + std::string(64, 'a');
  for (const std::string& image :
       std::vector<std::string>{"a", "a:1.0", "library/a", "localhost/a:b", "localhost:5000/a", "r.example.org/a/b_c/d-e.f:V1_2-3",
                                "r.example.org:5000/a/b:1.0", "a" + digest, "r.example.org/a:1" + digest, "a__b"}) {
    EXPECT_TRUE(check_image(image)) << image;
  }
  for (const std::string& image : std::vector<std::string>{"",
                                                           "--privileged",
                                                           "-v",
                                                           "A",
                                                           "a:",
                                                           "a:-x",
                                                           "a:" + std::string(129, 'x'),
                                                           "a b",
                                                           "a@sha256:",
                                                           "registry@sha256:garbage",
                                                           "a@md5:" + std::string(64, 'a'),
                                                           "a/",
                                                           "/a",
                                                           "a//b",
                                                           "a:1:2",
                                                           "r.example.org:port/a",
                                                           "r.example.org:500000/a",
                                                           ":5000/a",
                                                           "a\n",
                                                           "a;rm",
                                                           "a$(x)",
                                                           "../a",
                                                           "a/..",
                                                           "a/.",
                                                           std::string(10 * 1024, 'a'),
                                                           "http://a/b"}) {
    EXPECT_FALSE(check_image(image)) << image;
  }
}

}  // namespace
}  // namespace nelson
