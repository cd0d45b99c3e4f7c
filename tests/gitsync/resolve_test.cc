#include "gitsync/resolve.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace nelson {
namespace {

const std::string kUrl = "https://git.example.org/control.git";

void put(ControlFiles& files, const std::string& path, const std::string& text) {
  ControlReading reading = read_control_file(path, text);
  for (const Problem& problem : reading.problems) ADD_FAILURE() << to_string(problem);
  if (reading.object) files.put(path, std::string(40, 'c'), std::move(*reading.object));
}

/// One domain, `local`, with the namespace `dev`, and the repositories named.
ControlFiles control(const std::vector<std::string>& repositories) {
  ControlFiles files;
  put(files, "owner.yml", "id: 0123abcd\n");
  put(files, "domains/local.yml", "folder: /srv/nelson\n");
  put(files, "namespaces/dev.yml", "");
  for (const std::string& name : repositories)
    put(files, "repositories/" + name + ".yml", "url: /srv/" + name + ".git\nrelease: branch\n");
  return files;
}

std::string manifest_of(const std::string& unit, const std::string& more = "") {
  return "units: [{name: " + unit + ", description: d, ports: [default->80/http]}]\n" + more +
         "namespaces: [{name: dev, units: [{ref: " + unit + "}]}]\n";
}

ReleaseReading release(const std::string& unit, const std::string& manifest, const std::string& file = ".nelson.yml") {
  ManifestReading reading = read_manifest(manifest);
  for (const Problem& problem : reading.problems)
    if (!problem.warning) ADD_FAILURE() << to_string(problem);
  ReleaseReading out;
  out.unit = unit;
  out.version = {1, 2, 3};
  out.commit = std::string(40, 'a');
  out.file = file;
  out.manifest = std::make_shared<const Manifest>(reading.manifest.value_or(Manifest{}));
  out.artifact = {ArtifactKind::kCommand, "", {"./serve"}, std::string(40, 'b')};
  out.fresh = true;
  return out;
}

RepositoryReading repository(const std::string& name, std::vector<ReleaseReading> releases) {
  RepositoryReading out;
  out.name = name;
  out.state = RepositoryState::kCurrent;
  out.head = std::string(40, 'a');
  out.releases = std::move(releases);
  return out;
}

Desired resolved(const ControlFiles& files, const std::vector<RepositoryReading>& repositories) {
  return resolve(files, kUrl, std::string(40, 'c'), repositories, {});
}

std::vector<std::string> codes(const Desired& desired) {
  std::vector<std::string> out;
  for (const Problem& problem : desired.problems) out.push_back(problem.code);
  std::sort(out.begin(), out.end());
  return out;
}

TEST(Resolve, OneReleaseIsOneStackInItsCell) {
  const Desired desired = resolved(control({"shop"}), {repository("shop", {release("basket", manifest_of("basket"))})});
  EXPECT_EQ(desired.owner, "0123abcd");
  EXPECT_EQ(desired.control_url, kUrl);
  EXPECT_EQ(codes(desired), std::vector<std::string>{});
  EXPECT_EQ(desired.repositories.at("shop").state, RepositoryState::kCurrent);
  ASSERT_EQ(desired.cells.size(), 1U);
  const DesiredCell& cell = desired.cells.at({"local", "basket"});
  EXPECT_TRUE(cell.claimants.empty());
  ASSERT_EQ(cell.stacks.size(), 1U);
  const DesiredStack& stack = cell.stacks[0];
  EXPECT_EQ(stack.name_space, "dev");
  EXPECT_EQ(stack.plan, "default");
  EXPECT_EQ(stack.repository, "shop");
  EXPECT_EQ(stack.commit, std::string(40, 'a'));
  EXPECT_EQ(stack.version, (Version{1, 2, 3}));
  EXPECT_EQ(stack.artifact.command, (std::vector<std::string>{"./serve"}));
  EXPECT_EQ(stack.spec.ports.size(), 1U);
  EXPECT_EQ(stack.settings.traffic_shift, DomainSettings{}.traffic_shift);
  EXPECT_TRUE(stack.fresh);
}

TEST(Resolve, EachPlanIsAStack) {
  const std::string text = R"(
units: [{name: basket, description: d}]
plans: [{name: big, instances: {desired: 3}}, {name: small}]
namespaces:
  - {name: dev, units: [{ref: basket, plans: [small, big]}]}
  - {name: dev/sandbox, units: [{ref: basket, plans: [small]}]}
)";
  const Desired desired = resolved(control({"shop"}), {repository("shop", {release("basket", text)})});
  const DesiredCell& cell = desired.cells.at({"local", "basket"});
  ASSERT_EQ(cell.stacks.size(), 2U) << "only the default namespace is deployed to by a release";
  EXPECT_EQ(cell.stacks[0].plan, "big");
  EXPECT_EQ(cell.stacks[0].settings.instances, 3);
  EXPECT_EQ(cell.stacks[1].plan, "small");
}

TEST(Resolve, DomainsAreThoseOfTheManifest) {
  ControlFiles files = control({"shop"});
  put(files, "domains/paris.yml", "folder: /srv/paris\ntraffic_shift: {policy: atomic, duration: 5s}\n");
  const auto cells = [&](const std::string& targets) {
    std::vector<std::string> out;
    for (const auto& [key, cell] : resolved(files, {repository("shop", {release("basket", manifest_of("basket", targets))})}).cells)
      out.push_back(key.domain);
    return out;
  };
  EXPECT_EQ(cells(""), (std::vector<std::string>{"local", "paris"}));
  EXPECT_EQ(cells("domains: {only: [paris]}\n"), (std::vector<std::string>{"paris"}));
  EXPECT_EQ(cells("domains: {except: [PARIS]}\n"), (std::vector<std::string>{"local"}));
  EXPECT_EQ(cells("domains: {only: [pariss]}\n"), std::vector<std::string>{});
  const Desired misspelt =
      resolved(files, {repository("shop", {release("basket", manifest_of("basket", "domains: {only: [pariss]}\n"))})});
  ASSERT_EQ(codes(misspelt), (std::vector<std::string>{"UnknownDomain"}));
  EXPECT_EQ(misspelt.problems[0].way_out, "did you mean `paris`?");
  const Desired both = resolved(files, {repository("shop", {release("basket", manifest_of("basket"))})});
  EXPECT_EQ(both.cells.at({"paris", "basket"}).stacks.at(0).settings.traffic_shift,
            (TrafficShift{ShiftPolicy::kAtomic, std::chrono::seconds(5)}));
}

struct BadClaim {
  const char* says;
  std::vector<std::pair<std::string, std::string>> files;  // put over those of `control`
  std::string manifest;
  const char* code;
  const char* message;
};

TEST(Resolve, WhatIsRefusedIsNeitherLaunchedNorTakenAway) {
  const std::string head = "url: /srv/shop.git\nrelease: branch\n";
  const std::vector<BadClaim> cases = {
      {"the domain has another default namespace than the manifest declares",
       {{"domains/local.yml", "folder: /srv\ndefault_namespace: prod\n"}},
       manifest_of("basket"),
       "MissingDefaultNamespaceReference",
       "`prod`"},
      {"the unit is not in the default namespace",
       {},
       "units: [{name: basket, description: d}]\nnamespaces: [{name: dev, units: []}]\n",
       "MissingIndividualDefaultNamespaceReference",
       "does not name unit `basket`"},
      {"the control repository has no such namespace",
       {{"namespaces/dev.yml", "domains: [paris]\n"}},
       manifest_of("basket"),
       "UnknownNamespace",
       "domain `local` has no namespace `dev`"},
      {"the repository may claim other units only",
       {{"repositories/shop.yml", head + "may:\n  units: [shop-*]\n"}},
       manifest_of("basket"),
       "ClaimRefused",
       "repositories/shop.yml:4 of the control repository"},
      {"the repository may use other namespaces only",
       {{"repositories/shop.yml", head + "may:\n  namespaces: [prod]\n"}},
       manifest_of("basket"),
       "ClaimRefused",
       "repositories/shop.yml:4"},
      {"the repository may use other domains only",
       {{"repositories/shop.yml", head + "may:\n  domains: [paris]\n"}},
       manifest_of("basket"),
       "ClaimRefused",
       "repositories/shop.yml:4"},
      {"the repository asks for too many instances",
       {{"repositories/shop.yml", head + "may:\n  instances: 2\n"}},
       "units: [{name: basket, description: d}]\nplans: [{name: p, instances: {desired: 3}}]\nnamespaces: [{name: dev, units: "
       "[{ref: basket, plans: [p]}]}]\n",
       "ClaimRefused",
       "allows 2"},
  };
  for (const BadClaim& c : cases) {
    SCOPED_TRACE(c.says);
    ControlFiles files = control({"shop"});
    for (const auto& [path, text] : c.files) put(files, path, text);
    const Desired desired = resolved(files, {repository("shop", {release("basket", c.manifest)})});
    EXPECT_TRUE(desired.cells.empty());
    EXPECT_EQ(desired.repositories.at("shop").state, RepositoryState::kLastGood);
    ASSERT_EQ(codes(desired), (std::vector<std::string>{c.code}));
    const Problem& problem = desired.problems[0];
    EXPECT_NE(problem.message.find(c.message), std::string::npos) << problem.message;
    EXPECT_EQ(problem.repository, "shop");
    EXPECT_EQ(problem.file, ".nelson.yml");
    EXPECT_EQ(problem.commit, std::string(40, 'a'));
    EXPECT_FALSE(problem.way_out.empty());
  }
}

TEST(Resolve, ExposedPortsNeedARight) {
  const std::string text =
      manifest_of("basket", "loadbalancers: [{name: lb, routes: [{expose: default->443/https, destination: basket->default}]}]\n");
  ControlFiles files = control({"shop"});
  const Desired refused = resolved(files, {repository("shop", {release("basket", text)})});
  EXPECT_EQ(codes(refused), (std::vector<std::string>{"ExposedPortRefused"}));
  EXPECT_EQ(refused.cells.size(), 1U) << "the unit itself is welcome";
  put(files, "repositories/shop.yml", "url: /srv/shop.git\nrelease: branch\nmay: {exposed: [443]}\n");
  EXPECT_EQ(codes(resolved(files, {repository("shop", {release("basket", text)})})), std::vector<std::string>{});
}

TEST(Resolve, TwoClaimantsAreBothNamed) {
  const Desired desired =
      resolved(control({"shop", "store"}), {repository("store", {release("basket", manifest_of("basket"), "b/.nelson.yml")}),
                                            repository("shop", {release("basket", manifest_of("basket"))})});
  const DesiredCell& cell = desired.cells.at({"local", "basket"});
  EXPECT_EQ(cell.claimants, (std::vector<std::string>{"shop", "store"}));
  ASSERT_EQ(cell.stacks.size(), 2U);
  EXPECT_EQ(cell.stacks[0].repository, "shop");
  EXPECT_EQ(cell.stacks[1].repository, "store");
  ASSERT_EQ(codes(desired), (std::vector<std::string>{"DisputedUnit", "DisputedUnit"}));
  EXPECT_EQ(desired.problems[0].file, ".nelson.yml");
  EXPECT_EQ(desired.problems[1].file, "b/.nelson.yml");
  for (const Problem& problem : desired.problems) {
    EXPECT_EQ(problem.message, "unit `basket` is claimed by the repositories shop and store");
    EXPECT_NE(problem.way_out.find("repositories/shop.yml and repositories/store.yml"), std::string::npos);
  }
}

TEST(Resolve, APatternDecidesBetweenClaimants) {
  ControlFiles files = control({"shop", "store"});
  put(files, "repositories/store.yml", "url: /srv/store.git\nrelease: branch\nunits: [bask*]\n");
  const Desired desired = resolved(files, {repository("shop", {release("basket", manifest_of("basket"))}),
                                           repository("store", {release("basket", manifest_of("basket"))})});
  const DesiredCell& cell = desired.cells.at({"local", "basket"});
  EXPECT_TRUE(cell.claimants.empty());
  ASSERT_EQ(cell.stacks.size(), 1U);
  EXPECT_EQ(cell.stacks[0].repository, "store");
  ASSERT_EQ(codes(desired), (std::vector<std::string>{"ClaimRefused"}));
  EXPECT_EQ(desired.problems[0].repository, "shop");
  EXPECT_NE(desired.problems[0].message.find("repositories/store.yml:3"), std::string::npos);
  EXPECT_NE(desired.problems[0].message.find("repositories/shop.yml does not"), std::string::npos);
  EXPECT_EQ(desired.repositories.at("shop").state, RepositoryState::kCurrent) << "what it ran passes to the other one";
}

TEST(Resolve, APatternIsNotAskedForTheOnlyClaimant) {
  ControlFiles files = control({"shop"});
  put(files, "repositories/shop.yml", "url: /srv/shop.git\nrelease: branch\nunits: [other]\n");
  EXPECT_EQ(resolved(files, {repository("shop", {release("basket", manifest_of("basket"))})}).cells.size(), 1U);
}

TEST(Resolve, TwoManifestsOfOneRepositoryMayNotShareAUnit) {
  const Desired desired =
      resolved(control({"shop"}), {repository("shop", {release("basket", manifest_of("basket"), "a/.nelson.yml"),
                                                       release("basket", manifest_of("basket"), "b/.nelson.yml"),
                                                       release("other", manifest_of("other"), "c/.nelson.yml")})});
  EXPECT_EQ(codes(desired), (std::vector<std::string>{"DuplicateName", "DuplicateName"}));
  EXPECT_EQ(desired.cells.size(), 1U);
  EXPECT_EQ(desired.repositories.at("shop").state, RepositoryState::kLastGood);
}

TEST(Resolve, AmplificationIsCountedBeforeItHappens) {
  ControlFiles files = control({"shop"});
  for (int i = 0; i < 20; ++i) put(files, "domains/d" + std::to_string(i) + ".yml", "folder: /srv/d\n");
  std::string plans, names;
  for (int i = 0; i < 60; ++i) {
    plans += "  - {name: p" + std::to_string(i) + "}\n";
    names += (i > 0 ? ", p" : "p") + std::to_string(i);
  }
  const std::string text = "units: [{name: basket, description: d}]\nplans:\n" + plans +
                           "namespaces: [{name: dev, units: [{ref: basket, plans: [" + names + "]}]}]\n";
  const Desired desired = resolved(files, {repository("shop", {release("basket", text)})});
  EXPECT_TRUE(desired.cells.empty());
  ASSERT_EQ(codes(desired), (std::vector<std::string>{"TooManyStacks"}));
  EXPECT_NE(desired.problems[0].message.find("1260 stacks"), std::string::npos);
}

TEST(Resolve, ARepositoryThatWasNeverReadIsUnknown) {
  const Desired desired = resolved(control({"shop"}), {});
  EXPECT_EQ(desired.repositories.at("shop").state, RepositoryState::kUnknown);
}

TEST(Resolve, ARepositoryWithoutItsFileIsGone) {
  const Desired desired = resolved(control({}), {repository("shop", {release("basket", manifest_of("basket"))})});
  EXPECT_TRUE(desired.repositories.empty());
  EXPECT_TRUE(desired.cells.empty());
}

TEST(Resolve, WithoutAnOwnerNothingIsWantedAndNothingIsTakenAway) {
  ControlFiles files = control({"shop"});
  files.owner.reset();
  const Desired desired = resolved(files, {repository("shop", {release("basket", manifest_of("basket"))})});
  EXPECT_TRUE(desired.cells.empty());
  EXPECT_EQ(desired.repositories.at("shop").state, RepositoryState::kUnknown);
  EXPECT_EQ(codes(desired), (std::vector<std::string>{"MissingOwner"}));
}

TEST(Resolve, AcknowledgementsAreOneSortedList) {
  ControlFiles files = control({});
  put(files, "acknowledgements/b.yml", "stacks: [b-two--1-0-0--0123abcd, a-one--1-2-3--v0v0v0v0]\nwhy: x\n");
  put(files, "acknowledgements/a.yml", "stacks: [b-two--1-0-0--0123abcd]\nwhy: x\n");
  EXPECT_EQ(resolved(files, {}).acknowledged, (std::vector<std::string>{"a-one--1-2-3--v0v0v0v0", "b-two--1-0-0--0123abcd"}));
}

TEST(Resolve, ProblemsOfReadingAreKept) {
  RepositoryReading shop = repository("shop", {});
  shop.problems = {problem_at({3, 4}, "InvalidCPU", "m", "w")};
  const Desired desired =
      resolve(control({"shop"}), "https://bob:canary@h/x", "c", {shop}, {problem_at({1, 1}, "UnknownKey", "m", "w")});
  ASSERT_EQ(desired.problems.size(), 2U);
  EXPECT_EQ(desired.problems[0].repository, "control");
  EXPECT_EQ(desired.problems[1].repository, "shop");
  EXPECT_EQ(desired.control_url, "https://h/x");
}

// ------------------------------------------------------------------------------------------------ laws

/// A few repositories that claim, clash and break rules.
struct Claims {
  ControlFiles files;
  std::vector<RepositoryReading> repositories;
};

Claims claims(std::mt19937& random) {
  const auto pick = [&](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
  Claims out{control({"a", "b", "c", "d"}), {}};
  put(out.files, "domains/paris.yml", pick(2) == 0 ? "folder: /srv/p\n" : "folder: /srv/p\ndefault_namespace: prod\n");
  if (pick(2) == 0) put(out.files, "namespaces/prod.yml", "");
  if (pick(2) == 0)
    put(out.files, "repositories/b.yml", "url: /srv/b\nrelease: branch\nunits: [unit-1, unit-2]\nmay: {instances: 2}\n");
  if (pick(2) == 0)
    put(out.files, "repositories/c.yml", "url: /srv/c\nrelease: branch\nmay: {units: [unit-*], domains: [local]}\n");
  for (const char* name : {"a", "b", "c", "d"}) {
    RepositoryReading reading = repository(name, {});
    reading.state = static_cast<RepositoryState>(pick(3));
    for (int i = 0; i < 4; ++i) {
      const std::string unit = "unit-" + std::to_string(pick(5));
      const std::string targets = pick(3) == 0 ? "domains: {only: [paris]}\n" : "";
      const std::string plan = "plans: [{name: p, instances: {desired: " + std::to_string(1 + pick(3)) + "}}, {name: q}]\n";
      const std::string text = targets + plan + "units: [{name: " + unit +
                               ", description: d}]\nnamespaces:\n  - {name: dev, units: [{ref: " + unit +
                               ", plans: [q, p]}]}\n  - {name: prod, units: [{ref: " + unit + ", plans: [p, q]}]}\n";
      reading.releases.push_back(release(unit, text, "m" + std::to_string(i) + "/.nelson.yml"));
    }
    out.repositories.push_back(std::move(reading));
  }
  return out;
}

class ResolveLaws : public ::testing::TestWithParam<unsigned> {};  // GetParam() is the seed

TEST_P(ResolveLaws, TheOrderOfWhatWasReadDoesNotMatter) {
  std::mt19937 random(GetParam());
  Claims w = claims(random);
  const Desired first = resolved(w.files, w.repositories);
  for (int i = 0; i < 5; ++i) {
    std::shuffle(w.repositories.begin(), w.repositories.end(), random);
    for (RepositoryReading& reading : w.repositories) std::shuffle(reading.releases.begin(), reading.releases.end(), random);
    ASSERT_EQ(resolved(w.files, w.repositories), first) << "seed " << GetParam();
  }
}

TEST_P(ResolveLaws, EverythingIsSortedAndOnce) {
  std::mt19937 random(GetParam());
  const Claims w = claims(random);
  const Desired desired = resolved(w.files, w.repositories);
  EXPECT_TRUE(std::is_sorted(desired.problems.begin(), desired.problems.end())) << "seed " << GetParam();
  for (const auto& [key, cell] : desired.cells) {
    ASSERT_FALSE(cell.stacks.empty()) << "seed " << GetParam();
    EXPECT_NE(cell.claimants.size(), 1U);
    std::set<std::string> repositories;
    for (std::size_t i = 0; i < cell.stacks.size(); ++i) {
      const DesiredStack& stack = cell.stacks[i];
      repositories.insert(stack.repository);
      if (i == 0) continue;
      const DesiredStack& before = cell.stacks[i - 1];
      EXPECT_LT(std::tie(before.name_space, before.plan, before.repository),
                std::tie(stack.name_space, stack.plan, stack.repository))
          << "seed " << GetParam();
    }
    EXPECT_EQ(repositories.size(), std::max<std::size_t>(1, cell.claimants.size())) << "seed " << GetParam();
  }
}

TEST_P(ResolveLaws, ARepositoryIsWholeOrKeepsWhatItHas) {
  std::mt19937 random(GetParam());
  const Claims w = claims(random);
  const Desired desired = resolved(w.files, w.repositories);
  for (const Problem& problem : desired.problems) {
    const bool dispute = problem.code == "DisputedUnit" || problem.message.find(" belongs to ") != std::string::npos;
    if (problem.warning || dispute || problem.code == "ExposedPortRefused") continue;
    EXPECT_NE(desired.repositories.at(problem.repository).state, RepositoryState::kCurrent)
        << "seed " << GetParam() << " " << to_string(problem);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ResolveLaws, ::testing::Range(1U, 101U));

}  // namespace
}  // namespace nelson
