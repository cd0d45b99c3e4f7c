#include <gtest/gtest.h>

#include <regex>

#include "tests/datacenter/world/world.h"

// Releases by tags, with the real program.

namespace nelson::datacenter {
namespace {

TEST(Tags, APatchOfAnOldMajorReachesItsCallersAndGoesWithThem) {
  World world({"2 seconds", "3 seconds", "3 seconds", "10 seconds", "2 seconds"});
  ASSERT_EQ(world.broken(), "");
  for (const char* name : {"shop", "front"}) world.add_repository(name);
  world.control_file("repositories/shop.yml", "url: file://" + world.path("remotes/shop.git") + "\nrelease: tags\n");
  const auto release = [&](const std::string& version) {
    Unit basket;
    basket.version = version;
    const std::string commit = world.push_unit("shop", basket);
    world.git({"tag", version}, world.path("shop"));
    world.git({"push", "-q", "origin", version}, world.path("shop"));
    return commit;
  };
  // Its files are those of the basket under another name.
  const auto call = [&](const std::string& version, const std::string& basket) {
    const auto renamed = [&](const std::string& file) {
      return std::regex_replace(read_text(world.path("shop/" + file)), std::regex("basket"), "gateway");
    };
    write_text(world.path("front/app/witness.py"), read_text(world.path("shop/app/witness.py")));
    write_text(world.path("front/gateway.deployable.yml"),
               std::regex_replace(renamed("basket.deployable.yml"), std::regex("version: .*"), "version: " + version));
    std::string manifest = renamed(".nelson.yml");
    manifest.insert(manifest.find("    ports:"), "    dependencies: [{ref: basket@" + basket + "}]\n");
    world.push_file("front", ".nelson.yml", manifest);
  };
  release("1.0.0");
  call("1.0.0", "1.0");
  ASSERT_TRUE(world.start()) << world.log();
  ASSERT_TRUE(world.wait_live("gateway", "1.0.0")) << world.why();
  release("2.0.0");
  ASSERT_TRUE(world.wait_live("basket", "2.0.0")) << world.why();

  const std::string patch = release("1.0.1");
  const Ran waited = world.nelson({"wait", "--commit", patch});
  EXPECT_EQ(waited.status, 0) << waited.out << waited.err << world.why();
  EXPECT_TRUE(wait_until(Seconds(30), [&] { return !world.status().find("basket", "1.0.0"); })) << world.why();
  const Status status = world.status();
  for (const char* version : {"1.0.1", "2.0.0"}) {
    const auto stack = status.find("basket", version);
    ASSERT_TRUE(stack) << version << world.why();
    EXPECT_EQ(stack->percent.value_or(-1), 100) << version;
    EXPECT_EQ(world.witnessed(stack->name).size(), 2u) << version;
  }
  EXPECT_NE(world.page().find("while its major version is needed: called by gateway"), std::string::npos) << world.page();

  call("1.1.0", "2.0");
  ASSERT_TRUE(world.wait_live("gateway", "1.1.0")) << world.why();
  EXPECT_TRUE(wait_until(Seconds(60), [&] { return !world.status().find("basket", "1.0.1"); })) << world.why();
  EXPECT_TRUE(world.status().find("basket", "2.0.0"));
}

}  // namespace
}  // namespace nelson::datacenter
