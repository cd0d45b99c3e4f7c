#include "state/model/identity.h"

#include <gtest/gtest.h>

#include "state/model/names.h"

namespace nelson::tests {
namespace {

Identity least() {
  Identity identity;
  identity.owner = "owner-1";
  identity.domain = "home";
  identity.name_space = "dev";
  identity.repository = "shop";
  identity.unit = "cart";
  identity.plan = "default";
  identity.version = {1, 2, 3};
  return identity;
}

Identity with(void (*change)(Identity&)) {
  Identity identity = least();
  change(identity);
  return identity;
}

Identity full() {
  return with([](Identity& i) {
    i.name_space = "dev/sandbox";
    i.artifact = {ArtifactKind::kCommand, "", {"bin/serve", "--port", "80"}, "4b825dc642cb6eb9a060e54bf8d69288fbee4904"};
    i.generation = 2;
    i.spec.ports = {{"default", 8080, Protocol::kHttp}, {"admin", 9090, Protocol::kHttps}};
    i.spec.dependencies = {{"stock", {2, 1}}};
    i.spec.environment = {{"LANG", "de_DE.UTF-8"}, {"EMPTY", ""}};
    i.spec.health_checks = {{"alive", "default", Protocol::kHttp, "/health", std::chrono::seconds(10), std::chrono::seconds(2)}};
    i.spec.cpu_millis = 500;
    i.spec.cpu_request_millis = 250;
    i.spec.memory_kib = 524288;
    i.spec.memory_request_kib = 262144;
    i.spec.retries = 3;
    i.spec.schedule = "*/5 * * * *";
    i.spec.timezone = "Europe/Berlin";
  });
}

/// Pinned for ever: a change of any line here moves every user's fleet, and is a breaking change (semantics 3).
struct Golden {
  const char* name;
  Identity identity;
  const char* digest;
  const char* stack;
  const char* first_guid;
  const char* second_guid;
};

class GoldenIdentity : public testing::TestWithParam<Golden> {};

TEST_P(GoldenIdentity, HasThisDigestNameAndGuid) {
  const Golden& golden = GetParam();
  const Digest digest = digest_of(golden.identity);
  EXPECT_EQ(to_hex(digest), golden.digest);
  EXPECT_EQ(stack_name(golden.identity), golden.stack);
  EXPECT_EQ(stack_name(golden.identity, digest), golden.stack);
  EXPECT_EQ(guid_of(digest, 1), golden.first_guid);
  EXPECT_EQ(guid_of(digest, 2), golden.second_guid);
  const auto parsed = parse_stack_name(golden.stack);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->unit, golden.identity.unit);
  EXPECT_EQ(parsed->version, golden.identity.version);
}

INSTANTIATE_TEST_SUITE_P(Table, GoldenIdentity,
                         testing::Values(Golden{"with_nothing_but_its_names", least(),
                                                "3836797d68d71353289cde2d99b79d9ff634fd49e34224e813ee48a36e39e983",
                                                "cart--1-2-3--70r7ivb8", "eb67eef47f65", "d27f022842a9"},
                                         Golden{"with_everything", full(),
                                                "c18e6a047bb925bf778efbb85385703c822c46a078c359a1b9000c6309614b76",
                                                "cart--1-2-3--o676k13r", "4ca426b89ce8", "b734ec4b5e1e"},
                                         Golden{"with_an_image", with([](Identity& i) {
                                                  i.artifact = {ArtifactKind::kImage, "registry.example/cart:1.2.3", {}, ""};
                                                }),
                                                "6be7c2f2858a7fd19fb92de99fb99854f20346f8ab9472f6054a5561c491e91b",
                                                "cart--1-2-3--dfjs5sk5", "9c52d21e75e2", "e8707f981903"},
                                         Golden{"launched_again", with([](Identity& i) { i.generation = 1; }),
                                                "1bb27769be351cd7db6aa93831942518846f300db568c470d225c7aa90cf9aea",
                                                "cart--1-2-3--3ep7eqdu", "6e1a886d350f", "d357a7c4b461"},
                                         Golden{"with_a_port_alone", with([](Identity& i) {
                                                  i.spec.ports = {{"default", 80, Protocol::kHttp}};
                                                }),
                                                "19759b97a3080474775b4103e523b2383200450890b0b9ce0098549853a5a31a",
                                                "cart--1-2-3--35qpn5t3", "ea08103c9717", "d6d7be96a09e"},
                                         Golden{"with_a_port_of_another_protocol", with([](Identity& i) {
                                                  i.spec.ports = {{"default", 80, Protocol::kTcp}};
                                                }),
                                                "041a1f77ab94c5f9d146ddf3a1b7a3ebc0e50ed3c62d62e75d289291e3198d0f",
                                                "cart--1-2-3--0gd1uttb", "25d53f13b085", "595f296682c8"},
                                         Golden{"of_a_job_that_runs_once", with([](Identity& i) { i.spec.schedule = "once"; }),
                                                "7a2e574fce8cf212f78c4776b9df0357a7f1b2bf844a1d9093ee3146fb9e16e6",
                                                "cart--1-2-3--f8n5ejue", "8e8c6c21ef61", "9e86dbd5fb10"},
                                         Golden{"at_version_zero", with([](Identity& i) {
                                                  i.version = {0, 0, 0};
                                                }),
                                                "616be62b04dbe052f4e705c44bdda4f77c26b950dc578f7b4bb691ea9528f9ae",
                                                "cart--0-0-0--c5lucao4", "00795d36a529", "72d27cbfb0e1"},
                                         Golden{"with_letters_outside_ascii", with([](Identity& i) {
                                                  i.spec.environment = {{"GREETING", "gr\u00fc\u00df dich"}};
                                                }),
                                                "8e01cdf6520636c87b8e54b27d4dcb384ee5cbfc1cf302e37e3795f86f6d6e7c",
                                                "cart--1-2-3--ho0srtii", "4e0e57418877", "ddf8921772ca"},
                                         Golden{"with_demands", with([](Identity& i) {
                                                  i.spec.demands = {{"resource", {"blobs", "s3://b"}},
                                                                    {"volume", {"scratch", "/s", "100"}},
                                                                    {"constraint", {"unique", "host", ""}},
                                                                    {"tag", {"retail"}},
                                                                    {"workflow", {"pulsar"}},
                                                                    {"blueprint", {"web", "3"}}};
                                                }),
                                                "55ecac6de4dee520502b39a9f991a540f29f1baccd31aaf0e82e71b18e0878f8",
                                                "cart--1-2-3--anmaorf4", "3345d2393747", "439e514e1105"}),
                         [](const auto& info) { return info.param.name; });

TEST(Identity, EveryFieldButTheSettingsMakesAnotherStack) {
  const std::vector<void (*)(Identity&)> changes{
      [](Identity& i) { i.owner = "x"; },
      [](Identity& i) { i.domain = "x"; },
      [](Identity& i) { i.name_space = "x"; },
      [](Identity& i) { i.repository = "x"; },
      [](Identity& i) { i.unit = "xx"; },
      [](Identity& i) { i.plan = "x"; },
      [](Identity& i) { i.version.patch = 4; },
      [](Identity& i) { i.artifact.kind = ArtifactKind::kImage; },
      [](Identity& i) { i.artifact.image = "x"; },
      [](Identity& i) { i.artifact.command = {"x"}; },
      [](Identity& i) { i.artifact.tree = "x"; },
      [](Identity& i) { i.generation = 1; },
      [](Identity& i) { i.spec.ports.resize(1); },
      [](Identity& i) { i.spec.dependencies.resize(1); },
      [](Identity& i) { i.spec.environment.resize(1); },
      [](Identity& i) {
        i.spec.demands = {{"tag", {"x"}}};
      },
      [](Identity& i) { i.spec.health_checks.resize(1); },
      [](Identity& i) { i.spec.cpu_millis = 1; },
      [](Identity& i) { i.spec.cpu_request_millis = 1; },
      [](Identity& i) { i.spec.memory_kib = 1; },
      [](Identity& i) { i.spec.memory_request_kib = 1; },
      [](Identity& i) { i.spec.retries = 1; },
      [](Identity& i) { i.spec.schedule = "once"; },
      [](Identity& i) { i.spec.timezone = "UTC"; },
  };
  std::map<std::string, std::size_t> names{{to_hex(digest_of(least())), 0}};
  for (std::size_t k = 0; k < changes.size(); ++k) {
    const auto [at, fresh] = names.emplace(to_hex(digest_of(with(changes[k]))), k + 1);
    EXPECT_TRUE(fresh) << "change " << k + 1 << " gives the digest of change " << at->second;
  }
}

TEST(Identity, OrderOfEnvironmentAndPortsMattersAsDeclared) {
  Identity one = full(), other = full();
  std::swap(other.spec.environment[0], other.spec.environment[1]);
  EXPECT_NE(digest_of(one), digest_of(other));
}

TEST(Digest, IsSha256) {
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace nelson::tests
