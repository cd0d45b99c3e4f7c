#include "gitsync/control_files.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gitsync/deployable.h"

namespace nelson {
namespace {

template <class T>
T read_valid(const std::string& path, const std::string& text) {
  ControlReading reading = read_control_file(path, text);
  for (const Problem& problem : reading.problems)
    if (!problem.warning) ADD_FAILURE() << to_string(problem);
  if (!reading.object || !std::holds_alternative<T>(*reading.object)) {
    ADD_FAILURE() << path << " is of another kind, or not read";
    return {};
  }
  return std::get<T>(*reading.object);
}

TEST(ControlFiles, OwnerFile) {
  const auto owner = read_valid<OwnerFile>("owner.yml", "id: 3f9c2a7d41b0\nmoved_from: [https://old.example.org/control.git]\n");
  EXPECT_EQ(owner.id, "3f9c2a7d41b0");
  EXPECT_EQ(owner.moved_from, (std::vector<std::string>{"https://old.example.org/control.git"}));
}

TEST(ControlFiles, RepositoryWithDefaults) {
  const auto file = read_valid<RepositoryFile>("repositories/shop.yml", "url: https://git.example.org/shop.git\nrelease: branch\n");
  EXPECT_EQ(file.name, "shop");
  EXPECT_EQ(file.branch, "main");
  EXPECT_EQ(file.release, ReleaseBy::kBranch);
  EXPECT_FALSE(file.may.units);
}

TEST(ControlFiles, RepositoryWithEveryKey) {
  const auto file = read_valid<RepositoryFile>("repositories/shop.yml", R"(
url: ssh://git@git.example.org:2222/shop.git
release: tags
branch: trunk
tag_pattern: release/{unit}-{version}
image: registry.example.org/{repository}/{unit}:{version}
credentials:
  ssh_key: file:/etc/nelson/id
  known_hosts: file:/etc/nelson/known_hosts
  ca: file:/etc/nelson/ca.pem
  token: env:SHOP_TOKEN
  user: deploy
units: [basket-*, checkout]
may:
  units: ["*"]
  namespaces: [dev, dev/*]
  domains: [local]
  instances: 10
  exposed: [443]
)");
  EXPECT_EQ(file.release, ReleaseBy::kTags);
  EXPECT_EQ(file.credentials.ssh_key, "file:/etc/nelson/id");
  EXPECT_EQ(file.credentials.token, "env:SHOP_TOKEN");
  EXPECT_EQ(file.units, (std::vector<std::string>{"basket-*", "checkout"}));
  EXPECT_EQ(file.units_place, (Place{13, 1}));
  EXPECT_EQ(file.may.namespaces, (std::vector<std::string>{"dev", "dev/*"}));
  EXPECT_EQ(file.may.instances, 10);
  EXPECT_EQ(file.may.instances_place, (Place{18, 3}));
  EXPECT_EQ(file.may.exposed, (std::vector<std::uint16_t>{443}));
  EXPECT_EQ(image_of(file, "basket", {1, 2, 3}, "").value(), "registry.example.org/shop/basket:1.2.3");
  EXPECT_FALSE(image_of(file, "Basket", {1, 2, 3}, "")) << "images have no capital letters";
}

TEST(ControlFiles, DomainWithDefaults) {
  DomainSettings expected;
  expected.name = "local";
  expected.folder = "/var/lib/nelson/local";
  EXPECT_EQ(read_valid<DomainSettings>("domains/local.yml", "folder: /var/lib/nelson/local/\n"), expected);
}

TEST(ControlFiles, DomainWithEveryKey) {
  const auto domain = read_valid<DomainSettings>("domains/local.yml", R"(
scheduler: local
discovery: local
balancer: none
default_namespace: dev/sandbox
traffic_shift: {policy: atomic, duration: 10 seconds}
expiration: {default: retain-latest, periodic: retain-until-deprecated}
lifetimes: {initial: 20 seconds, extended: 1 minute}
ready_after: 2 seconds
idle: retire
leaving: true
brake: {count: 2, percent: 50}
folder: /srv/nelson
run_as: nelson-units
ports: {instances: 30000-30999, stable: 31000-31999}
stop_grace: 3 seconds
drain_limit: 30 seconds
)");
  DomainSettings expected;
  expected.name = "local";
  expected.balancer = "none";
  expected.default_namespace = "dev/sandbox";
  expected.traffic_shift = {ShiftPolicy::kAtomic, std::chrono::seconds(10)};
  expected.default_policy = ExpirationPolicy::kRetainLatest;
  expected.default_periodic_policy = ExpirationPolicy::kRetainUntilDeprecated;
  expected.initial_lifetime = std::chrono::seconds(20);
  expected.extended_lifetime = std::chrono::minutes(1);
  expected.ready_after = std::chrono::seconds(2);
  expected.retire_idle = true;
  expected.leaving = true;
  expected.brake_count = 2;
  expected.brake_percent = 50;
  expected.folder = "/srv/nelson";
  expected.run_as = "nelson-units";
  expected.instance_ports = {30000, 30999};
  expected.stable_ports = {31000, 31999};
  expected.stop_grace = std::chrono::seconds(3);
  expected.drain_limit = std::chrono::seconds(30);
  EXPECT_EQ(domain, expected);
}

TEST(ControlFiles, NamespacesHoldTheirAncestors) {
  const auto file = read_valid<NamespaceFile>("namespaces/dev.yml", "domains: [local]\nnamespaces: [dev/team/sandbox]\n");
  EXPECT_EQ(file.root, "dev");
  EXPECT_EQ(file.namespaces, (std::vector<std::string>{"dev", "dev/team", "dev/team/sandbox"}));
  EXPECT_EQ(file.domains, (std::vector<std::string>{"local"}));
}

TEST(ControlFiles, AnEmptyNamespaceFileIsItsRootEverywhere) {
  const auto file = read_valid<NamespaceFile>("namespaces/dev.yml", "# only the root\n");
  EXPECT_EQ(file.namespaces, (std::vector<std::string>{"dev"}));
  EXPECT_FALSE(file.domains);
}

TEST(ControlFiles, Acknowledgement) {
  const auto file = read_valid<AcknowledgementFile>(
      "acknowledgements/2026-11-21.yml", "stacks: [b-two--1-0-0--0123abcd, a-one--1-2-3--v0v0v0v0]\nwhy: the shop moved\n");
  EXPECT_EQ(file.stacks, (std::vector<std::string>{"a-one--1-2-3--v0v0v0v0", "b-two--1-0-0--0123abcd"}));
}

struct BadControlFile {
  const char* says;
  const char* path;
  std::string text;
  const char* code;
  std::uint32_t line, column;
};

TEST(ControlFiles, RefusesTheRestWithItsPlace) {
  const std::string repository = "url: https://git.example.org/shop.git\nrelease: branch\n";
  const std::string domain = "folder: /srv\n";
  const std::vector<BadControlFile> cases = {
      {"an owner without an id", "owner.yml", "", "MissingProperty", 1, 1},
      {"an id with other characters", "owner.yml", "id: a/../b\n", "InvalidOwner", 1, 5},
      {"broken YAML", "owner.yml", "id: [\n", "LoadError", 2, 1},
      {"two documents", "owner.yml", "id: abcdef\n---\nid: abcdef\n", "LoadError", 2, 1},
      {"a key twice", "owner.yml", "id: abcdef\nid: abcdef\n", "LoadError", 2, 1},
      {"an unknown key", "repositories/shop.yml", repository + "branhc: main\n", "UnknownKey", 3, 1},
      {"no url", "repositories/shop.yml", "release: branch\n", "MissingProperty", 1, 1},
      {"no release", "repositories/shop.yml", "url: /srv/shop.git\n", "MissingProperty", 1, 1},
      {"both releases", "repositories/shop.yml", "url: /srv/shop.git\nrelease: [tags, branch]\n", "LoadError", 2, 10},
      {"an unknown release", "repositories/shop.yml", "url: /srv/shop.git\nrelease: tag\n", "InvalidRelease", 2, 10},
      {"a tag pattern with a branch", "repositories/shop.yml", repository + "tag_pattern: v{version}\n", "InvalidRelease", 3, 1},
      {"a tag pattern without a version", "repositories/shop.yml", "url: /srv/x\nrelease: tags\ntag_pattern: v*\n",
       "InvalidTagPattern", 3, 14},
      {"a url over http", "repositories/shop.yml", "url: http://git.example.org/shop.git\nrelease: branch\n", "InvalidUrl", 1, 6},
      {"a url that is an option", "repositories/shop.yml", "url: --upload-pack=x\nrelease: branch\n", "InvalidUrl", 1, 6},
      {"a url with a password", "repositories/shop.yml", "url: https://bob:canary@git.example.org/shop.git\nrelease: branch\n",
       "InvalidUrl", 1, 6},
      {"a literal token", "repositories/shop.yml", repository + "credentials: {token: canary}\n", "InvalidReference", 3, 22},
      {"a relative file", "repositories/shop.yml", repository + "credentials: {token: file:canary}\n", "InvalidReference", 3, 22},
      {"an ssh key from the environment", "repositories/shop.yml", repository + "credentials: {ssh_key: env:canary}\n",
       "InvalidReference", 3, 24},
      {"a reference to Vault", "repositories/shop.yml", repository + "credentials: {token: vault:secret/canary#key}\n",
       "NotUnderstood", 3, 22},
      {"ssh without known hosts", "repositories/shop.yml", "url: git@git.example.org:shop.git\nrelease: branch\n",
       "MissingKnownHosts", 1, 6},
      {"a branch that climbs", "repositories/shop.yml", repository + "branch: ../../x\n", "InvalidBranch", 3, 9},
      {"a pattern that matches nothing", "repositories/shop.yml", repository + "units: [a/b]\n", "InvalidPattern", 3, 9},
      {"an image that is none", "repositories/shop.yml", repository + "image: '{unit}:{tag}'\n", "InvalidImage", 3, 8},
      {"an unknown right", "repositories/shop.yml", repository + "may: {unit: [a]}\n", "UnknownKey", 3, 7},
      {"no number of instances", "repositories/shop.yml", repository + "may: {instances: many}\n", "LoadError", 3, 18},
      {"the control repository's own name", "repositories/control.yml", repository, "InvalidFileName", 1, 1},
      {"a domain without a folder", "domains/local.yml", "idle: keep\n", "MissingProperty", 1, 1},
      {"a relative folder", "domains/local.yml", "folder: var/lib\n", "InvalidFolder", 1, 9},
      {"a folder that climbs", "domains/local.yml", "folder: /var/../etc\n", "InvalidFolder", 1, 9},
      {"a scheduler of later versions", "domains/local.yml", domain + "scheduler: nomad\n", "NotUnderstood", 2, 12},
      {"an unknown balancer", "domains/local.yml", domain + "balancer: nginx\n", "InvalidValue", 2, 11},
      {"units run by root", "domains/local.yml", domain + "run_as: root\n", "InvalidUser", 2, 9},
      {"a policy that is none", "domains/local.yml", domain + "expiration: {default: retain}\n", "UnknownExpirationPolicyRef", 2,
       23},
      {"a lifetime without a unit", "domains/local.yml", domain + "lifetimes: {initial: 30}\n", "InvalidDuration", 2, 22},
      {"a lifetime of nothing", "domains/local.yml", domain + "lifetimes: {initial: 0s}\n", "InvalidDuration", 2, 22},
      {"a range that runs backwards", "domains/local.yml", domain + "ports: {instances: 25000-24000}\n", "InvalidPortRange", 2, 20},
      {"a range of low ports", "domains/local.yml", domain + "ports: {instances: 80-90}\n", "InvalidPortRange", 2, 20},
      {"a range of too many ports", "domains/local.yml", domain + "ports: {instances: 60000-70000}\n", "InvalidPortRange", 2, 20},
      {"ranges that overlap", "domains/local.yml", domain + "ports: {stable: 24000-26000}\n", "InvalidPortRange", 2, 1},
      {"a share above all", "domains/local.yml", domain + "brake: {percent: 101}\n", "LoadError", 2, 18},
      {"a boolean that is none", "domains/local.yml", domain + "leaving: maybe\n", "LoadError", 2, 10},
      {"a namespace of another root", "namespaces/dev.yml", "namespaces: [prod/x]\n", "InvalidNamespace", 1, 14},
      {"a namespace that climbs", "namespaces/dev.yml", "namespaces: [dev/../prod]\n", "InvalidNamespace", 1, 14},
      {"a root with a digit", "namespaces/dev2.yml", "", "InvalidFileName", 1, 1},
      {"a stack that is none", "acknowledgements/a.yml", "why: x\nstacks: [howdy]\n", "InvalidStackName", 2, 10},
      {"an acknowledgement of nothing", "acknowledgements/a.yml", "why: x\n", "MissingProperty", 1, 1},
      {"an id that was cut", "acknowledgements/a.yml", "why: x\nwent_back: {from: 6a27c3e, to: add33a6}\n", "InvalidCommit", 2, 19},
      {"an acknowledgement without a reason", "acknowledgements/a.yml", "stacks: []\n", "MissingProperty", 1, 1},
  };
  for (const BadControlFile& c : cases) {
    SCOPED_TRACE(c.says);
    ASSERT_TRUE(is_control_file(c.path));
    const ControlReading reading = read_control_file(c.path, c.text);
    EXPECT_FALSE(reading.object);
    ASSERT_GE(reading.problems.size(), 1U);
    const Problem& problem = reading.problems[0];
    EXPECT_EQ(problem.code, c.code) << problem.message;
    EXPECT_EQ(problem.line, c.line) << to_string(problem);
    EXPECT_EQ(problem.column, c.column) << to_string(problem);
    EXPECT_EQ(problem.file, c.path);
    EXPECT_FALSE(problem.way_out.empty());
    EXPECT_EQ(to_string(problem).find("canary"), std::string::npos) << "a credential is never repeated";
  }
}

TEST(ControlFiles, AllProblemsOfAFileAreToldAtOnce) {
  const ControlReading reading = read_control_file("domains/local.yml", "folder: x\nidle: maybe\nscheduller: local\n");
  ASSERT_EQ(reading.problems.size(), 3U);
  EXPECT_EQ(reading.problems[2].way_out, "did you mean `scheduler`?");
}

TEST(ControlFiles, RightsThatAreNotEnforcedYetAreSaid) {
  const ControlReading reading =
      read_control_file("repositories/shop.yml", "url: /srv/x\nrelease: branch\nmay: {registries: [a], cpu: 2}\n");
  EXPECT_TRUE(reading.object);
  ASSERT_EQ(reading.problems.size(), 2U);
  EXPECT_TRUE(reading.problems[0].warning);
}

TEST(ControlFiles, KnowsWhichFilesAreItsOwn) {
  for (const char* path :
       {"owner.yml", "repositories/shop.yml", "domains/local.yml", "namespaces/dev.yml", "acknowledgements/1.yml"}) {
    EXPECT_TRUE(is_control_file(path)) << path;
    EXPECT_FALSE(unread_path_problem(path)) << path;
  }
  struct Case {
    const char* path;
    const char* code;  // "" for none
    bool warning;
  };
  for (const Case& c : std::vector<Case>{{"README.md", "", false},
                                         {".ci/steps.yml", "", false},
                                         {"repositories/README.md", "", false},
                                         {"repositories/.keep", "", false},
                                         {"LICENSE", "", false},
                                         {"repositories/Shop.yml", "InvalidFileName", false},
                                         {"repositories/shop.yaml", "InvalidFileName", false},
                                         {"repositories/a b.yml", "InvalidFileName", false},
                                         {"repositories/-a.yml", "InvalidFileName", false},
                                         {"repositories/team/shop.yml", "InvalidFileName", false},
                                         {"repository/shop.yml", "UnknownFile", true},
                                         {"owner.yaml", "UnknownFile", true},
                                         {"owners.yml", "UnknownFile", true},
                                         {"promotions/prod/basket.yml", "NotUnderstood", true},
                                         {"deprecations/x.yml", "NotUnderstood", true},
                                         {"redeploys/local/dev/x.yml", "NotUnderstood", true},
                                         {"reversals/x.yml", "NotUnderstood", true},
                                         {"holds/x.yml", "NotUnderstood", true},
                                         {"pauses/x.yml", "NotUnderstood", true},
                                         {"loadbalancers/x.yml", "NotUnderstood", true},
                                         {"blueprints/x.yml", "NotUnderstood", true},
                                         {"roles/x.yml", "NotUnderstood", true},
                                         {"notifications/x.yml", "NotUnderstood", true}}) {
    SCOPED_TRACE(c.path);
    EXPECT_FALSE(is_control_file(c.path));
    const std::optional<Problem> problem = unread_path_problem(c.path);
    ASSERT_EQ(problem.has_value(), *c.code != '\0');
    if (!problem) continue;
    EXPECT_EQ(problem->code, c.code);
    EXPECT_EQ(problem->warning, c.warning);
    EXPECT_EQ(problem->file, c.path);
  }
}

TEST(ControlFiles, PutReplacesTheFormerRevision) {
  ControlFiles files;
  files.put("repositories/shop.yml", "c1",
            read_control_file("repositories/shop.yml", "url: /srv/a\nrelease: branch\n").object.value());
  files.put("repositories/shop.yml", "c2",
            read_control_file("repositories/shop.yml", "url: /srv/b\nrelease: branch\n").object.value());
  files.put("owner.yml", "c2", read_control_file("owner.yml", "id: abcdef\n").object.value());
  EXPECT_EQ(files.repositories.at("shop").url, "/srv/b");
  EXPECT_EQ(files.files.at("repositories/shop.yml"), "c2");
  EXPECT_EQ(files.owner.value().id, "abcdef");
}

TEST(Patterns, AStarIsAnyRun) {
  for (const auto& [pattern, name] : std::vector<std::pair<const char*, const char*>>{{"*", ""},
                                                                                      {"*", "x"},
                                                                                      {"a*", "a"},
                                                                                      {"a*", "abc"},
                                                                                      {"*c", "abc"},
                                                                                      {"a*c", "abbc"},
                                                                                      {"a*b*c", "a-b-b-c"},
                                                                                      {"abc", "abc"},
                                                                                      {"**", "x"}})
    EXPECT_TRUE(matches(pattern, name)) << pattern << " " << name;
  for (const auto& [pattern, name] : std::vector<std::pair<const char*, const char*>>{
           {"", "x"}, {"a", "b"}, {"a*", "ba"}, {"a*c", "abcd"}, {"abc", "ab"}, {"ab", "abc"}, {"?", "a"}})
    EXPECT_FALSE(matches(pattern, name)) << pattern << " " << name;
}

TEST(Tags, NameAVersionAndPerhapsAUnit) {
  struct Case {
    const char* pattern;
    const char* tag;
    std::optional<TagRelease> release;
  };
  for (const Case& c : std::vector<Case>{{"", "1.4.2", TagRelease{"", {1, 4, 2}}},
                                         {"", "basket/1.4.2", TagRelease{"basket", {1, 4, 2}}},
                                         {"", "v1.4.2", std::nullopt},
                                         {"", "1.4", std::nullopt},
                                         {"", "a/b/1.4.2", std::nullopt},
                                         {"", "../1.4.2", std::nullopt},
                                         {"v{version}", "v1.4.2", TagRelease{"", {1, 4, 2}}},
                                         {"v{version}", "1.4.2", std::nullopt},
                                         {"v{version}", "v1.4.2-rc1", std::nullopt},
                                         {"{unit}-{version}", "basket-api-10.4.2", TagRelease{"basket-api", {10, 4, 2}}},
                                         {"{version}/{unit}", "1.4.2/basket", TagRelease{"basket", {1, 4, 2}}},
                                         {"release/{unit}-{version}", "release/basket-1.4.2", TagRelease{"basket", {1, 4, 2}}}}) {
    SCOPED_TRACE(std::string(c.pattern) + " " + c.tag);
    EXPECT_EQ(match_tag(c.pattern, c.tag), c.release);
  }
  EXPECT_FALSE(match_tag("{unit}-{version}", std::string(100'000, 'a')));
}

TEST(Urls, ArePrintedWithoutSecrets) {
  EXPECT_EQ(printable_url("https://bob:secret@git.example.org/a.git"), "https://git.example.org/a.git");
  EXPECT_EQ(printable_url("https://token@git.example.org/a@b.git"), "https://git.example.org/a@b.git");
  EXPECT_EQ(printable_url("https://git.example.org/a.git?private_token=x"), "https://git.example.org/a.git");
  EXPECT_EQ(printable_url("ssh://git:secret@git.example.org/a.git"), "ssh://git@git.example.org/a.git");
  EXPECT_EQ(printable_url("git@git.example.org:a.git"), "git@git.example.org:a.git");
  EXPECT_EQ(printable_url("file:///srv/a.git"), "file:///srv/a.git");
}

/// The folder's README shows every file; what it shows must be true.
TEST(Readme, EveryExampleReadsWell) {
  std::ifstream readme(std::string(NELSON_SOURCE) + "/gitsync/README.md");
  std::vector<std::string> shown;
  std::string line, path, text;
  bool inside = false;
  while (std::getline(readme, line)) {
    if (line == "```yaml") {
      inside = true;
      path.clear();
      text.clear();
    } else if (line == "```" && inside) {
      inside = false;
      SCOPED_TRACE(path);
      shown.push_back(path);
      const bool deployable = path.ends_with(".deployable.yml");
      const std::vector<Problem> problems = deployable ? read_deployable(text).problems : read_control_file(path, text).problems;
      for (const Problem& problem : problems) ADD_FAILURE() << to_string(problem);
      EXPECT_TRUE(deployable || is_control_file(path));
    } else if (inside && path.empty()) {
      path = line.substr(2);
    } else if (inside) {
      text += line + "\n";
    }
  }
  EXPECT_EQ(shown.size(), 6U) << "one of each kind";
}

TEST(Readme, TheDomainShownHasTheDefaults) {
  std::ifstream readme(std::string(NELSON_SOURCE) + "/gitsync/README.md");
  std::ostringstream all;
  all << readme.rdbuf();
  const std::string text = all.str();
  const std::size_t start = text.find("# domains/local.yml\n");
  ASSERT_NE(start, std::string::npos);
  auto shown = read_valid<DomainSettings>("domains/local.yml", text.substr(start, text.find("```", start) - start));
  DomainSettings defaults;
  defaults.name = "local";
  defaults.folder = shown.folder;
  shown.run_as.clear();
  EXPECT_EQ(shown, defaults);
}

}  // namespace
}  // namespace nelson
