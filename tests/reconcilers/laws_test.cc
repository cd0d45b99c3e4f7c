#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <set>

#include "reconcilers/replanner.h"
#include "tests/reconcilers/world.h"

namespace nelson {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

/// Histories made from a seed: pushes, reverts, sickness, kills, lost sources and time, in any order.
class History {
 public:
  explicit History(std::uint32_t seed) : random_(seed) {
    world.settings().initial_lifetime = minutes(pick(1, 40));
    world.settings().extended_lifetime = minutes(pick(1, 40));
    world.settings().retire_idle = chance(10);
    if (chance(30)) world.add_domain("other");
  }

  int pick(int from, int to) { return std::uniform_int_distribution<int>(from, to)(random_); }
  bool chance(int percent) { return pick(1, 100) <= percent; }

  void event() {
    switch (pick(0, 11)) {
      case 0:
      case 1:
      case 2:
        push();
        break;
      case 3:
        leave();
        break;
      case 4:
        set_health();
        break;
      case 5:
        kill();
        break;
      case 6:
        toggle_source();
        break;
      case 7:
        world.desired.repositories["repo-" + unit()].state = static_cast<RepositoryState>(pick(0, 2));
        break;
      case 8:
        scale();
        break;
      default:
        world.now += seconds(pick(1, 3000));
        break;
    }
  }

  void run(int events) {
    for (int i = 0; i < events; ++i) {
      event();
      if (chance(70)) world.pass();
    }
  }

  /// All sources answer, everything is healthy, all repositories are read: nothing from outside stands in the way.
  void calm() {
    for (auto& [name, domain] : world.observed.domains) {
      for (Source* source : {&domain.scheduler, &domain.memory, &domain.discovery, &domain.balancer}) *source = {true, ""};
      domain.removals_held.clear();
    }
    for_each(world.desired.repositories, [](DesiredRepository& repository) { repository.state = RepositoryState::kCurrent; });
    heal();
  }

  void heal() {
    for_each(world.observed.cells, [](ObservedCell& cell) {
      cell.sessions.clear();
      for (ObservedStack& stack : cell.stacks)
        if (stack.running)
          for (Instance& instance : stack.running->instances) {
            instance.state = InstanceState::kRunning;
            instance.health = Health::kPassing;
          }
    });
  }

  World world;

 private:
  std::string unit() { return std::string("unit-") + static_cast<char>('a' + pick(0, 4)); }
  std::string domain() { return chance(80) || !world.desired.domains.contains("other") ? "local" : "other"; }

  void push() {
    const std::string name = unit(), at = domain();
    DesiredStack& stack =
        world.want(name, std::to_string(pick(1, 3)) + '.' + std::to_string(pick(0, 2)) + '.' + std::to_string(pick(0, 1)), at);
    stack.settings.instances = pick(1, 3);
    stack.settings.expiration_policy = static_cast<ExpirationPolicy>(pick(0, 4));
    stack.settings.traffic_shift = {static_cast<ShiftPolicy>(pick(0, 1)), minutes(pick(0, 30))};
    if (chance(20)) stack.spec.health_checks.clear();
    if (chance(10)) {
      stack.spec.ports.clear();
      stack.spec.health_checks.clear();
      if (chance(50)) stack.spec.schedule = chance(50) ? "once" : "*/5 * * * *";
    }
    if (chance(30)) stack.spec.dependencies = {{unit(), {static_cast<std::uint32_t>(pick(1, 3)), 0}}};
    const bool twice = chance(20);
    DesiredStack second = stack;
    second.plan = "second";
    stack.fresh = chance(90);
    DesiredCell& cell = world.desired.cells[{"local", name}];
    if (twice && cell.stacks.size() == 1) cell.stacks.push_back(std::move(second));  // `stack` may not live on
    if (chance(40)) add_patches(world.desired.cells[{at, name}]);
  }

  /// As of a repository that releases by tags: the highest of some lower majors.
  void add_patches(DesiredCell& cell) {
    const std::vector<DesiredStack> current = cell.stacks;
    for (std::uint32_t major = 1; major < current.front().version.major; ++major) {
      if (chance(30)) continue;
      const Version version{major, static_cast<std::uint32_t>(pick(0, 3)), static_cast<std::uint32_t>(pick(0, 1))};
      for (DesiredStack stack : current) {
        stack.version = version;
        stack.patch = true;
        stack.fresh = chance(90);
        cell.stacks.push_back(std::move(stack));
      }
    }
  }

  void leave() { world.leave(unit(), domain()); }

  ObservedStack* any_running() {
    std::vector<ObservedStack*> all;
    for_each(world.observed.cells, [&](ObservedCell& cell) {
      for (ObservedStack& stack : cell.stacks)
        if (stack.running) all.push_back(&stack);
    });
    return all.empty() ? nullptr : all[static_cast<std::size_t>(pick(0, static_cast<int>(all.size()) - 1))];
  }

  void set_health() {
    if (ObservedStack* stack = any_running())
      for (Instance& instance : stack->running->instances) instance.health = static_cast<Health>(pick(0, 2));
  }

  void kill() {
    if (ObservedStack* stack = any_running()) stack->running.reset();
  }

  void toggle_source() {
    ObservedDomain& seen = world.observed.domains[domain()];
    Source* const sources[] = {&seen.scheduler, &seen.memory, &seen.discovery, &seen.balancer};
    Source& source = *sources[pick(0, 3)];
    source = source.complete ? Source{false, "it does not answer"} : Source{true, ""};
  }

  void scale() {
    for_each(world.desired.cells, [&](DesiredCell& cell) {
      for (DesiredStack& stack : cell.stacks)
        if (chance(30)) stack.settings.instances = pick(1, 4);
    });
  }

  std::mt19937 random_;
};

std::string stack_name_of_any(const World& world) {
  for (const auto& [key, cell] : world.observed.cells)
    if (!cell.stacks.empty()) return cell.stacks.back().name;
  return "";
}

/// A law holds for each of these seeds; a failure prints the seed as the test's name.
class PlanLaws : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  /// Runs a history and checks `law` after each of its passes.
  template <class Law>
  void after_each_pass(Law law) {
    History history(GetParam());
    for (int i = 0; i < 60; ++i) {
      history.event();
      const Observed before = history.world.observed;
      const Plan decided = history.world.pass();
      law(history.world, before, decided);
      if (HasFatalFailure()) return;
    }
  }
};

TEST_P(PlanLaws, EqualArgumentsGiveEqualPlans) {
  History history(GetParam());
  history.run(60);
  EXPECT_EQ(history.world.plan_now(), history.world.plan_now());
  EXPECT_EQ(digest_of(history.world.plan_now()), digest_of(history.world.plan_now()));
}

TEST_P(PlanLaws, SettlesAndStaysSettled) {
  History history(GetParam());
  history.run(60);
  history.calm();
  for (int i = 0; i < 600; ++i) {  // a course is a hundred wakes, and of one unit several majors may have theirs
    ASSERT_GE(history.world.settle(), 0) << "passes without end";
    const std::optional<Instant> wake = history.world.plan_now().wake_at;
    if (!wake) break;
    ASSERT_GT(*wake, history.world.now);
    history.world.now = *wake;
  }
  const Plan rest = history.world.plan_now();
  EXPECT_TRUE(rest.actions.empty());
  EXPECT_FALSE(rest.wake_at) << "something never ends";
  history.world.now += std::chrono::hours(1000);
  EXPECT_TRUE(history.world.plan_now().actions.empty());
}

TEST_P(PlanLaws, HoldsUntilWakeAt) {
  History history(GetParam());
  history.run(60);
  history.world.settle();
  const Plan today = history.world.plan_now();
  const Instant until = today.wake_at ? *today.wake_at - Duration(1) : history.world.now + std::chrono::hours(10000);
  EXPECT_EQ(plan(history.world.desired, history.world.observed, until).actions, today.actions);
}

TEST_P(PlanLaws, CellsMergeToTheWhole) {
  History history(GetParam());
  history.run(60);
  const World& world = history.world;
  // A cell's own actions do not change when cells that it neither calls nor is called by are not there.
  std::map<CellKey, std::vector<Action>> whole;
  for (const Action& action : world.plan_now().actions) whole[action.cell].push_back(action);
  const CallerIndex callers = callers_of(world.observed);
  for (const auto& [key, cell] : world.desired.cells) {
    std::set<std::string> near{key.unit};
    for (const auto& [called, list] : callers)
      for (const Caller& caller : list) {
        const auto name = parse_stack_name(caller.stack);
        if (called.unit == key.unit && name) near.insert(name->unit);
        if (name && name->unit == key.unit) near.insert(called.unit);
      }
    for (const DesiredStack& stack : cell.stacks)
      for (const Dependency& dependency : stack.spec.dependencies) near.insert(dependency.unit);
    for (const auto& [other, wanting] : world.desired.cells)
      for (const DesiredStack& stack : wanting.stacks)
        for (const Dependency& dependency : stack.spec.dependencies)
          if (dependency.unit == key.unit) near.insert(other.unit);
    Desired desired = world.desired;
    Observed observed = world.observed;
    erase_if(desired.cells,
             [&](const auto& entry) { return entry.first.domain != key.domain || !near.contains(entry.first.unit); });
    erase_if(observed.cells,
             [&](const auto& entry) { return entry.first.domain != key.domain || !near.contains(entry.first.unit); });
    std::vector<Action> alone;
    for (const Action& action : plan(desired, observed, world.now).actions)
      if (action.cell == key) alone.push_back(action);
    const auto strip = [](std::vector<Action> actions) {  // the stages over all cells may hold back launches and removals
      std::erase_if(actions, [](const Action& action) {
        const auto* note = std::get_if<Note>(&action.effect);
        return std::holds_alternative<Launch>(action.effect) ||
               (note != nullptr && (note->fact == Fact::kRetiring || note->fact == Fact::kRetiringIdle));
      });
      return actions;
    };
    EXPECT_EQ(strip(alone), strip(whole[key])) << key.unit;
  }
}

/// A short name for what a failure shows.
std::string text_of(const Plan& plan) {
  std::string text;
  for (const Action& action : plan.actions)
    text += std::string(word_of(action.effect)) + ' ' + action.cell.unit + ": " + action.reason + '\n';
  for (const Hold& hold : plan.held) text += "hold " + hold.subject + ' ' + hold.code + ": " + hold.reason + '\n';
  return text + (plan.wake_at ? format_instant(*plan.wake_at) : "");
}

TEST_P(PlanLaws, WhatWasAskedBeforeChangesNoAnswer) {
  History history(GetParam());
  World& world = history.world;
  Replanner replanner;
  for (int i = 0; i < 120; ++i) {
    history.event();
    if (history.chance(10)) world.now -= seconds(history.pick(1, 4000));  // a clock that is set back
    if (history.chance(10)) world.settings().extended_lifetime = minutes(history.pick(1, 40));
    if (history.chance(5)) world.desired.acknowledged = {world.observed.cells.empty() ? "" : stack_name_of_any(world)};
    if (history.chance(5)) world.observed.domains["local"].changes_held = history.chance(50) ? "held" : "";
    const Plan& next = replanner.plan(world.desired, world.observed, world.now);
    const Plan whole = world.plan_now();
    ASSERT_EQ(text_of(next), text_of(whole)) << "step " << i;
    ASSERT_EQ(next, whole) << "step " << i;
    ASSERT_EQ(digest_of(next), digest_of(whole));
    if (history.chance(80)) world.observed = apply(next, world.observed, world.now);
  }
}

TEST(Replanner, DecidesAnewOnlyWhatAChangeConcerns) {
  World world;
  for (const char* unit : {"a", "b", "c", "d"}) world.want(unit, "1.0.0");
  world.desired.cells[{"local", "a"}].stacks.front().spec.dependencies = {{"b", {1, 0}}};
  world.let_pass(std::chrono::hours(2));
  Replanner replanner;
  const auto decided = [&] {
    (void)replanner.plan(world.desired, world.observed, world.now);
    return replanner.decided();
  };
  EXPECT_EQ(decided(), 4U);
  EXPECT_EQ(decided(), 0U);
  world.now += std::chrono::hours(1);
  EXPECT_EQ(decided(), 0U) << "time alone changes nothing before wake_at";
  world.set_health("d", "1.0.0", Health::kFailing);
  EXPECT_EQ(decided(), 1U);
  world.set_health("b", "1.0.0", Health::kFailing);
  EXPECT_EQ(decided(), 1U) << "its caller cannot tell";
  world.stack("a", "1.0.0")->record->retiring = world.now;
  EXPECT_EQ(decided(), 2U) << "b has lost its caller";
  world.desired.repositories["repo-c"].state = RepositoryState::kLastGood;
  EXPECT_EQ(decided(), 2U) << "c, and a that has something to do";
  world.observed.domains["local"].removals_held = "the clock went back";
  EXPECT_EQ(decided(), 4U);
}

TEST_P(PlanLaws, WeightsSumToAHundredAndMoveByOneStep) {
  after_each_pass([](World& world, const Observed& before, const Plan& decided) {
    for (const Action& action : decided.actions) {
      const auto* shift = std::get_if<Shift>(&action.effect);
      if (shift == nullptr) continue;
      int sum = 0;
      for (const Weight& weight : shift->record.weights) {
        ASSERT_GE(weight.percent, 0);
        sum += weight.percent;
      }
      ASSERT_EQ(sum, 100);
      if (shift->record.shift.policy != ShiftPolicy::kLinear || shift->record.shift.duration < minutes(2)) continue;
      const auto cell = before.cells.find(action.cell);
      if (cell == before.cells.end()) continue;
      for (const TrafficRecord& record : cell->second.traffic) {
        if (record.key != shift->record.key) continue;
        std::set<std::string> dead;
        for (const ObservedStack& stack : cell->second.stacks)
          if (!is_live(stack)) dead.insert(stack.name);
        for (const Weight& was : record.weights)
          for (const Weight& is : shift->record.weights)
            if (was.stack == is.stack && record.target == shift->record.target && dead.empty() &&
                world.desired.cells[action.cell].stacks.size() < 2)
              ASSERT_LE(std::abs(was.percent - is.percent), 2) << was.stack;
      }
    }
  });
}

TEST_P(PlanLaws, WhatGitWantsIsNeverRetiredUnlessTheDomainSaysIdleGoes) {
  after_each_pass([](World& world, const Observed& before, const Plan& decided) {
    (void)before;
    for (const Action& action : decided.actions) {
      const auto* note = std::get_if<Note>(&action.effect);
      if (note == nullptr || (note->fact != Fact::kRetiring && note->fact != Fact::kRetiringIdle)) continue;
      if (world.settings().retire_idle) continue;
      const StackRecord& record =
          *world.stack(action.cell.unit, to_string(parse_stack_name(note->stack)->version), action.cell.domain)->record;
      const auto cell = world.desired.cells.find(action.cell);
      if (cell == world.desired.cells.end()) continue;
      for (const DesiredStack& wanted : cell->second.stacks)
        ASSERT_FALSE(!wanted.patch && wanted.version == record.identity.version && wanted.spec == record.identity.spec &&
                     wanted.plan == record.identity.plan && wanted.settings == record.settings && note->stack == record.stack &&
                     record.identity.name_space == wanted.name_space && record.identity.generation == wanted.generation &&
                     wanted.repository == record.identity.repository)
            << note->stack;
    }
  });
}

TEST_P(PlanLaws, NothingThatIsCalledOrServesIsRetired) {
  after_each_pass([](World& world, const Observed& before, const Plan& decided) {
    const CallerIndex callers = callers_of(before);
    for (const Action& action : decided.actions) {
      const auto* note = std::get_if<Note>(&action.effect);
      if (note == nullptr || note->fact != Fact::kRetiring) continue;
      const ObservedCell& cell = before.cells.at(action.cell);
      const auto stack =
          std::find_if(cell.stacks.begin(), cell.stacks.end(), [&](const ObservedStack& s) { return s.name == note->stack; });
      if (!stack->record->identity.spec.schedule.empty()) continue;
      const auto list = callers.find(action.cell);
      if (list != callers.end())
        for (const Caller& caller : list->second)
          for (const Target& target : visible(targets_of(cell), caller.name_space, caller.version.major))
            ASSERT_TRUE(target.stack != note->stack || caller.stack == target.stack)
                << note->stack << " is called by " << caller.stack;
      // It takes traffic only when everything with traffic beside it goes in the same pass or has no rule either.
      for (const TrafficRecord& record : cell.traffic)
        for (const Weight& weight : record.weights)
          if (weight.stack == note->stack && weight.percent > 0) {
            const auto wanted = world.desired.cells.find(action.cell);
            const std::uint32_t major = record.key.major;
            if (wanted != world.desired.cells.end())
              for (const DesiredStack& desired : wanted->second.stacks)
                ASSERT_FALSE(!desired.patch && desired.version.major == major && desired.fresh && !desired.spec.ports.empty() &&
                             desired.spec.schedule.empty() && !world.settings().retire_idle)
                    << note->stack << " serves " << weight.percent << "% of a major that Git wants";
          }
    }
  });
}

TEST_P(PlanLaws, APatchIsLaunchedOnlyBesideALiveStackOfItsMajor) {
  after_each_pass([](World& world, const Observed& before, const Plan& decided) {
    for (const Action& action : decided.actions) {
      const auto* launch = std::get_if<Launch>(&action.effect);
      if (launch == nullptr) continue;
      const std::vector<DesiredStack>& stacks = world.desired.cells.at(action.cell).stacks;
      const bool current = std::any_of(stacks.begin(), stacks.end(), [&](const DesiredStack& stack) {
        return !stack.patch && stack.version == launch->identity.version && stack.plan == launch->identity.plan;
      });
      if (current) continue;
      const auto cell = before.cells.find(action.cell);
      ASSERT_NE(cell, before.cells.end());
      ASSERT_TRUE(std::any_of(cell->second.stacks.begin(), cell->second.stacks.end(), [&](const ObservedStack& stack) {
        return is_live(stack) && stack.record->identity.version.major == launch->identity.version.major;
      })) << launch->stack;
    }
  });
}

TEST_P(PlanLaws, NothingIsRemovedOnAPartialView) {
  after_each_pass([](World&, const Observed& before, const Plan& decided) {
    for (const Action& action : decided.actions) {
      const auto* note = std::get_if<Note>(&action.effect);
      const bool begins = note != nullptr && (note->fact == Fact::kRetiring || note->fact == Fact::kRetiringIdle);
      if (!begins && !std::holds_alternative<Remove>(action.effect)) continue;
      const ObservedDomain& domain = before.domains.at(action.cell.domain);
      ASSERT_TRUE(domain.scheduler.complete && domain.memory.complete);
      if (begins) ASSERT_TRUE(domain.discovery.complete && domain.balancer.complete);
    }
  });
}

TEST_P(PlanLaws, OnlyWhatIsRecordedAsRetiringIsRemoved) {
  after_each_pass([](World&, const Observed& before, const Plan& decided) {
    for (const Action& action : decided.actions) {
      const auto* remove = std::get_if<Remove>(&action.effect);
      if (remove == nullptr) continue;
      const ObservedCell& cell = before.cells.at(action.cell);
      const auto stack =
          std::find_if(cell.stacks.begin(), cell.stacks.end(), [&](const ObservedStack& s) { return s.name == remove->stack; });
      ASSERT_NE(stack, cell.stacks.end());
      ASSERT_TRUE(stack->record && stack->record->retiring);
      for (const TrafficRecord& record : cell.traffic)
        for (const Weight& weight : record.weights) ASSERT_FALSE(weight.stack == remove->stack && weight.percent > 0);
    }
  });
}

TEST_P(PlanLaws, NoNameIsLaunchedWhileItsFormerLifeIsThere) {
  after_each_pass([](World&, const Observed& before, const Plan& decided) {
    for (const Action& action : decided.actions) {
      const auto* launch = std::get_if<Launch>(&action.effect);
      if (launch == nullptr) continue;
      const auto cell = before.cells.find(action.cell);
      if (cell == before.cells.end()) continue;
      for (const ObservedStack& stack : cell->second.stacks)
        if (stack.name == launch->stack && stack.running && stack.record)
          ASSERT_TRUE(stack.record->removed == false && !stack.record->retiring);
    }
  });
}

TEST_P(PlanLaws, AfterTheStormGitIsWhatRuns) {
  History history(GetParam());
  history.run(60);
  history.calm();
  World& world = history.world;
  world.settings().retire_idle = false;
  for_each(world.desired.cells, [](DesiredCell& cell) {
    for (DesiredStack& stack : cell.stacks) {
      stack.spec.dependencies.clear();  // circles and missing units hold launches for ever: tested elsewhere
      stack.fresh = true;
    }
  });
  for (int i = 0; i < 800; ++i) {
    ASSERT_GE(world.settle(), 0);
    history.heal();
    const auto wake = world.plan_now().wake_at;
    if (!wake) break;
    world.now = *wake;
  }
  for (const auto& [key, cell] : world.desired.cells)
    for (const DesiredStack& wanted : cell.stacks) {
      if (wanted.patch) continue;  // while somebody needs it
      bool runs = false;
      for (const ObservedStack& stack : world.observed.cells[key].stacks)
        // What a job came to is a fact: a run that ended does not have to be there any more (semantics 9).
        runs = runs || (is_live(stack) && (stack.running || stack.record->job_result != JobResult::kNone) && stack.record->ready &&
                        stack.record->identity.version == wanted.version && stack.record->identity.plan == wanted.plan &&
                        stack.record->settings == wanted.settings);
      EXPECT_TRUE(runs) << key.unit << ' ' << to_string(wanted.version) << ' ' << wanted.plan;
    }
}

/// NELSON_SEEDS asks for more than the hundred of every run.
std::uint32_t seeds() {
  const char* const asked = std::getenv("NELSON_SEEDS");
  return asked != nullptr ? static_cast<std::uint32_t>(std::atoi(asked)) : 100;
}

INSTANTIATE_TEST_SUITE_P(Seeds, PlanLaws, ::testing::Range(std::uint32_t{1}, seeds() + 1),
                         [](const auto& info) { return "seed_" + std::to_string(info.param); });

}  // namespace
}  // namespace nelson
