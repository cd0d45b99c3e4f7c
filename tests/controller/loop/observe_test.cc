#include "controller/loop/observe.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/controller/loop/world.h"

namespace nelson {
namespace {

using namespace test;

class Assemble : public testing::Test {
 protected:
  Observed look() {
    Domain domain = *world_.open({}, {});
    assembly_.update(ask(domain), observed_);
    return observed_;
  }

  Story story_;
  TestDomain world_{story_};
  Assembly assembly_{"d", "us"};
  Observed observed_;
};

TEST_F(Assemble, EverythingLiesInTheCellOfItsUnit) {
  const Identity basket = identity_of("basket"), till = identity_of("till");
  const std::string basket_stack = stack_name(basket), till_stack = stack_name(till);
  const std::string unrecorded = "quay--3-1-4--0123abcd";
  for (const Identity& identity : {basket, till}) world_.records[stack_name(identity)] = record_of(identity);
  for (const std::string& stack : {basket_stack, unrecorded}) world_.running[stack].incarnation = 1;
  world_.published[till_stack] = "{}";
  const TrafficKey key{"d", "dev", "basket", 1};
  world_.traffic[key].key = key;
  Route route;
  route.key = key;
  route.backends = {{basket_stack, 100, {{0, {}}}, {}}};
  world_.routes[key] = route;
  world_.sessions = {{basket_stack, 0, 7}, {basket_stack, 1, 2}, {till_stack, 0, 0}};

  const Observed observed = look();
  ASSERT_EQ(observed.cells.size(), 3u);
  const ObservedCell& of_basket = observed.cells.at({"d", "basket"});
  ASSERT_EQ(of_basket.stacks.size(), 1u);
  EXPECT_TRUE(of_basket.stacks[0].record && of_basket.stacks[0].running && !of_basket.stacks[0].published);
  EXPECT_EQ(of_basket.traffic.size(), 1u);
  EXPECT_EQ(of_basket.routes.size(), 1u);
  EXPECT_EQ(of_basket.sessions, (std::vector<Sessions>{{basket_stack, 1, 2}})) << "a server in the route is not draining";
  const ObservedCell& of_till = observed.cells.at({"d", "till"});
  EXPECT_TRUE(of_till.stacks[0].record && !of_till.stacks[0].running && of_till.stacks[0].published);
  EXPECT_TRUE(of_till.sessions.empty());
  EXPECT_FALSE(observed.cells.at({"d", "quay"}).stacks[0].record) << "its unit comes from its name";
  const ObservedDomain& domain = observed.domains.at("d");
  EXPECT_TRUE(domain.scheduler.complete && domain.memory.complete && domain.discovery.complete && domain.balancer.complete);
}

TEST_F(Assemble, WhatIsNotOursIsNamedAndLeftOut) {
  Identity theirs = identity_of("basket");
  theirs.owner = "somebody else";
  const std::string stack = stack_name(theirs);
  world_.records[stack] = record_of(theirs);
  world_.running[stack].incarnation = 1;
  world_.running["no name of ours"].incarnation = 1;
  world_.foreign = {"a stranger"};
  const Observed observed = look();
  EXPECT_TRUE(observed.cells.empty());
  EXPECT_EQ(observed.domains.at("d").foreign, (std::vector<std::string>{"a stranger", stack, "no name of ours"}));
}

struct SilentCase {
  std::string line;
  Source ObservedDomain::*source;
};

TEST_F(Assemble, APartThatDoesNotAnswerIsIncompleteAndShowsWhatItSaidBefore) {
  const std::vector<SilentCase> cases = {{"observe scheduler", &ObservedDomain::scheduler},
                                         {"observe memory", &ObservedDomain::memory},
                                         {"observe discovery", &ObservedDomain::discovery},
                                         {"observe balancer", &ObservedDomain::balancer}};
  const Identity basket = identity_of("basket");
  world_.records[stack_name(basket)] = record_of(basket);
  world_.running[stack_name(basket)].incarnation = 1;
  world_.published[stack_name(basket)] = "{}";
  for (const SilentCase& c : cases) {
    const Observed whole = look();
    world_.fail(c.line, unavailable("no route to host"));
    const Observed partial = look();
    world_.mend();
    EXPECT_EQ(partial.cells, whole.cells) << c.line;
    for (const SilentCase& other : cases)
      EXPECT_EQ((partial.domains.at("d").*other.source).complete, other.line != c.line) << c.line << ", " << other.line;
    EXPECT_EQ((partial.domains.at("d").*c.source).error, "no route to host");
  }
}

/// Looks one after another say what a first look would say, whatever came, went, changed hands or fell silent between them.
TEST_F(Assemble, WhatWasSeenBeforeChangesNothing) {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&](std::size_t limit) { return random() % limit; };
    TestDomain world(story_);
    Assembly assembly("d", "us");
    Observed observed;
    for (int step = 0; step < 60; ++step) {
      Identity identity = identity_of("unit" + std::to_string(pick(3)));
      identity.generation = pick(2);
      const std::string stack = pick(10) == 0 ? "no name of ours" : stack_name(identity);
      if (pick(4) == 0) identity.owner = "somebody else";
      if (pick(8) == 0) identity.unit = "another";
      const TrafficKey key{pick(5) == 0 ? "elsewhere" : "d", "dev", identity.unit, static_cast<std::uint32_t>(pick(2))};
      const bool comes = pick(3) != 0;
      Running running;
      TrafficRecord traffic;
      Route route;
      const auto change = [&](auto& map, const auto& at, const auto& value) {
        if (comes)
          map[at] = value;
        else
          map.erase(at);
      };
      switch (pick(7)) {
        case 0:
          change(world.records, stack, record_of(identity));
          break;
        case 1:
          running.incarnation = static_cast<std::uint32_t>(pick(3));
          change(world.running, stack, running);
          break;
        case 2:
          change(world.published, stack, std::to_string(pick(3)));
          break;
        case 3:
          traffic.key = key;
          traffic.steps = static_cast<std::uint32_t>(pick(3));
          change(world.traffic, key, traffic);
          break;
        case 4:
          route.key = key;
          route.backends = {{stack, static_cast<std::int32_t>(50 * pick(3)), {{0, {}}}, {}}};
          change(world.routes, key, route);
          break;
        case 5:
          world.sessions = {{stack, static_cast<std::int32_t>(pick(2)), static_cast<std::int32_t>(pick(3))}};
          break;
        default:
          world.foreign = comes ? std::vector<std::string>{stack} : std::vector<std::string>{};
      }
      Domain domain = *world.open({}, {});
      const DomainAnswers answers = ask(domain);
      if (pick(6) == 0) assembly.update(no_answers(unavailable("gone for a while")), observed);
      assembly.update(answers, observed);
      Observed fresh;
      Assembly("d", "us").update(answers, fresh);
      ASSERT_EQ(observed, fresh) << "seed " << seed << " step " << step;
    }
  }
}

TEST_F(Assemble, DamagedRecordsMakeMemoryIncompleteAndAreNamed) {
  world_.damaged = {"/srv/d/records/basket"};
  const Source memory = look().domains.at("d").memory;
  EXPECT_FALSE(memory.complete);
  EXPECT_NE(memory.error.find("/srv/d/records/basket"), std::string::npos) << memory.error;
}

TEST_F(Assemble, ADomainWithoutBalancerSaysWhy) {
  world_.has_balancer = false;
  const ObservedDomain domain = look().domains.at("d");
  EXPECT_FALSE(domain.balances);
  EXPECT_TRUE(domain.balancer.complete);
  EXPECT_NE(domain.balancer.error.find("haproxy is not installed"), std::string::npos);
}

TEST_F(Assemble, ADomainThatWantsNoBalancerMissesNone) {
  world_.has_balancer = false;
  DomainSettings settings;
  settings.balancer = "none";
  Domain domain = *world_.open(settings, {});
  Observed observed;
  assembly_.update(ask(domain), observed);
  EXPECT_FALSE(observed.domains.at("d").balances);
  EXPECT_EQ(observed.domains.at("d").balancer, (Source{true, ""}));
}

struct ClaimCase {
  std::string name;
  std::optional<Claim> claim;
  std::string held;  // part of it; "" free
  bool writes;
  Result<bool> contained = true;
  bool governed_here = true;
};

TEST(ClaimRules, DecideWhoMayChangeADomain) {
  Desired desired = desired_with({"d"});
  desired.moved_from = {"file:///old"};
  const std::string& head = desired.control_commit;
  const std::string old(40, '2');
  const std::vector<ClaimCase> cases = {
      {"nobody's yet", std::nullopt, "", true},
      {"ours, at this commit", Claim{"us", "file:///control", head}, "", false},
      {"ours, at an earlier commit", Claim{"us", "file:///control", old}, "", true},
      {"ours, at a commit that the head does not contain", Claim{"us", "file:///control", old}, "does not contain", false, false},
      {"ours, but nobody can tell", Claim{"us", "file:///control", old}, "mirror is corrupt", false,
       unavailable("mirror is corrupt")},
      {"another owner's", Claim{"them", "file:///theirs", head}, "belongs to another control repository (file:///theirs", false,
       true, false},
      {"a copy at another address", Claim{"us", "file:///original", head}, "moved_from", false, true, false},
      {"the same place, written as a path", Claim{"us", "/control", head}, "", true},
      {"moved, as owner.yml says", Claim{"us", "file:///old", head}, "", true},
  };
  for (const ClaimCase& c : cases) {
    ObservedDomain observed;
    observed.memory.complete = true;
    observed.claim = c.claim;
    const ClaimVerdict verdict = judge_claim(desired, "d", observed, [&](const std::string& commit, const std::string& ancestor) {
      EXPECT_EQ(commit, head);
      EXPECT_EQ(ancestor, old);
      return c.contained;
    });
    if (c.held.empty())
      EXPECT_EQ(verdict.changes_held, "") << c.name;
    else
      EXPECT_NE(verdict.changes_held.find(c.held), std::string::npos) << c.name << ": " << verdict.changes_held;
    EXPECT_EQ(verdict.governed_here, c.governed_here) << c.name;
    ASSERT_EQ(verdict.write.has_value(), c.writes) << c.name;
    if (c.writes) EXPECT_EQ(*verdict.write, (Claim{"us", "file:///control", head})) << c.name;
  }
}

TEST(ClaimRules, AHeadThatWentBackActsAgainOnceBothCommitsAreAcknowledged) {
  Desired desired = desired_with({"d"});
  const std::string applied(40, '2'), restored(40, '3');
  ObservedDomain observed;
  observed.memory.complete = true;
  observed.claim = Claim{"us", "file:///control", applied};
  const Contains contains = [&](const std::string& commit, const std::string& ancestor) {
    EXPECT_EQ(commit, desired.control_commit);
    return Result<bool>(ancestor == restored);  // the restored head is below ours, the applied commit is nowhere
  };
  const std::string held = judge_claim(desired, "d", observed, contains).changes_held;
  EXPECT_NE(held.find("from: " + applied + ", to: " + desired.control_commit), std::string::npos) << "what to commit: " << held;

  desired.went_back = {{std::string(40, '4'), restored}, {applied, std::string(40, '5')}};
  EXPECT_FALSE(judge_claim(desired, "d", observed, contains).write) << "another loss, or another head, was acknowledged";
  desired.went_back = {{applied, restored}};
  EXPECT_EQ(judge_claim(desired, "d", observed, contains).changes_held, "");
  EXPECT_TRUE(judge_claim(desired, "d", observed, contains).write);
}

TEST(ClaimRules, NothingIsClaimedOnAPartialView) {
  ObservedDomain observed;
  observed.memory.error = "no route to host";
  const ClaimVerdict verdict = judge_claim(desired_with({"d"}), "d", observed, [](auto&, auto&) { return Result<bool>(true); });
  EXPECT_FALSE(verdict.write);
}

}  // namespace
}  // namespace nelson
