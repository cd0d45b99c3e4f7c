#include "tests/simulation/planted.h"

#include <algorithm>
#include <functional>
#include <set>

#include "reconcilers/plan.h"
#include "state/model/plan.h"
#include "tests/simulation/wrappers.h"
#include "tests/simulation/writing.h"

namespace nelson::simulation {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

using Edit = std::function<void(Plan&, const Desired&, const Observed&, Instant)>;

/// A planner whose result is edited.
MakeRig edited(Edit edit) {
  return [edit] {
    Rig rig;
    rig.plan = [edit](const Desired& desired, const Observed& observed, Instant now) {
      Plan plan = nelson::plan(desired, observed, now);
      edit(plan, desired, observed, now);
      return plan;
    };
    return rig;
  };
}

/// A planner that is asked about something else than what is there.
MakeRig misled(std::function<void(Desired&, Observed&, Instant&)> mislead) {
  return [mislead] {
    Rig rig;
    rig.plan = [mislead](Desired desired, Observed observed, Instant now) {
      mislead(desired, observed, now);
      return nelson::plan(desired, observed, now);
    };
    return rig;
  };
}

template <class Member>
void each_stack(Observed& observed, Member change) {
  each_for_writing(observed.cells, [&](const CellKey&, ObservedCell& cell) {
    for (ObservedStack& stack : cell.stacks) change(cell, stack);
  });
}

bool is_fact(const Action& action, Fact fact) {
  const auto* note = std::get_if<Note>(&action.effect);
  return note != nullptr && note->fact == fact;
}

template <class T>
bool is(const Action& action) {
  return std::holds_alternative<T>(action.effect);
}

/// Domains wrapped by one that calls differently.
MakeRig through(std::function<Domain(Domain)> wrap) {
  return [wrap] {
    Rig rig;
    rig.domain = wrap;
    return rig;
  };
}

MakeRig kept_in(std::function<std::unique_ptr<Store>(std::unique_ptr<Store>)> wrap) {
  return [wrap] {
    Rig rig;
    rig.store = wrap;
    return rig;
  };
}

void complete(Observed& observed) {
  for (auto& [name, domain] : observed.domains)
    for (Source* source : {&domain.scheduler, &domain.memory, &domain.discovery, &domain.balancer}) *source = {true, ""};
}

/// Removes what it saw leave, in the pass in which it saw it; what it missed stays for ever.
MakeRig edge_triggered() {
  return [] {
    Rig rig;
    rig.plan = [before = std::make_shared<std::set<CellKey>>()](const Desired& desired, const Observed& observed, Instant now) {
      Plan plan = nelson::plan(desired, observed, now);
      std::set<CellKey> named;
      for (const auto& [key, cell] : desired.cells) named.insert(key);
      std::erase_if(plan.actions, [&](const Action& action) {
        if (!is_fact(action, Fact::kKeptNoLonger) || named.contains(action.cell)) return false;
        return !before->contains(action.cell);  // its leaving was not seen by this process
      });
      *before = std::move(named);
      return plan;
    };
    return rig;
  };
}

/// A queue of actions kept from an older plan.
MakeRig works_off_an_old_plan() {
  return [] {
    Rig rig;
    rig.plan = [kept = std::make_shared<std::vector<Action>>()](const Desired& desired, const Observed& observed, Instant now) {
      Plan plan = nelson::plan(desired, observed, now);
      std::vector<Action> removals;
      for (const Action& action : plan.actions)
        if (is_fact(action, Fact::kKeptNoLonger)) {
          Action retire = action;
          std::get<Note>(retire.effect).fact = Fact::kRetiring;
          removals.push_back(retire);
        }
      if (plan.actions.empty()) plan.actions = std::exchange(*kept, {});
      if (!removals.empty()) *kept = std::move(removals);
      return plan;
    };
    return rig;
  };
}

MakeRig acts_on_an_old_git() {
  return [] {
    Rig rig;
    rig.plan = [before = std::make_shared<std::optional<Desired>>()](const Desired& desired, const Observed& observed,
                                                                     Instant now) {
      const Desired old = before->value_or(desired);
      *before = desired;
      return nelson::plan(old, observed, now);
    };
    return rig;
  };
}

MakeRig follows_the_wall_clock() {
  return [] {
    Rig rig;
    rig.clocks = [](ClockSources clocks) {
      // Time since the start is measured by the wall clock.
      const Instant start = clocks.wall();
      const auto wall = clocks.wall;
      return ClockSources{wall, [wall, start] { return wall() - start; }};
    };
    return rig;
  };
}

std::vector<PlantedBug> make_bugs() {
  return {
      {"effect without intent", "the journal is written after the effects, in one go", {"I4"}, kept_in(intends_nothing)},
      {"outcome forgotten", "every fourth batch is never settled", {"I4"}, kept_in(forgets_outcomes)},
      {"crash leaves intents open", "what a crash cut off is not looked for", {"I4"}, kept_in(sees_no_open_intents)},
      {"edge-triggered removal", "only what this process saw leaving is removed", {"I5"}, edge_triggered()},
      {"wall-clock expiry", "deadlines follow the wall clock", {"I9", "I8"}, follows_the_wall_clock()},
      {"relaunch before removal is confirmed",
       "what is being stopped counts as gone: its name is used again",
       {"I6"},
       through(stopping_is_gone)},
      {"acts on an old Git", "what Git said in the pass before is carried out", {"I7", "I3", "I14"}, acts_on_an_old_git()},
      {"removal on a partial view",
       "what did not answer counts as answered",
       {"I3", "I8", "I9"},
       misled([](Desired&, Observed& observed, Instant) { complete(observed); })},
      {"failure read as empty",
       "a scheduler that fails counts as one that runs nothing",
       {"I6", "I3", "I8", "I5"},
       through(failure_is_empty)},
      {"unread repository means nothing is wanted",
       "a repository that is not current has left Git",
       {"I3"},
       misled([](Desired& desired, Observed&, Instant) {
         each_for_writing(desired.repositories, [&](const std::string& name, DesiredRepository& repository) {
           if (repository.state == RepositoryState::kCurrent) return;
           each_for_writing(desired.cells, [&](const CellKey&, DesiredCell& cell) {
             std::erase_if(cell.stacks, [&](const DesiredStack& stack) { return stack.repository == name; });
           });
           repository.state = RepositoryState::kCurrent;
         });
       })},
      {"two keys written one by one",
       "the weights are recorded a pass later than the balancer gets them",
       {"I8"},
       edited([](Plan& plan, const Desired&, const Observed&, Instant) {
         std::stable_partition(plan.actions.begin(), plan.actions.end(), [](const Action& action) { return is<Serve>(action); });
       })},
      {"stopped before it is drained",
       "a stack is stopped while the balancer names it",
       {"I8"},
       misled([](Desired&, Observed& observed, Instant) {
         each_for_writing(observed.cells, [](const CellKey&, ObservedCell& cell) {
           std::set<std::string> leaving;
           for (const ObservedStack& stack : cell.stacks)
             if (stack.record && stack.record->retiring) leaving.insert(stack.name);
           std::erase_if(cell.sessions, [&](const Sessions& sessions) { return leaving.contains(sessions.stack); });
           for (Route& route : cell.routes)
             std::erase_if(route.backends, [&](const Backend& backend) { return leaving.contains(backend.stack); });
         });
       })},
      {"traffic jumps",
       "a course takes all the steps that time has passed for",
       {"I8"},
       edited([](Plan& plan, const Desired&, const Observed&, Instant) {
         for (Action& action : plan.actions)
           if (auto* shift = std::get_if<Shift>(&action.effect); shift != nullptr && shift->record.steps == 2)
             for (Weight& weight : shift->record.weights)
               weight.percent = !shift->record.target.empty() && weight.stack == shift->record.target.front() ? 100 : 0;
       })},
      {"traffic to the sick", "health is not asked before weights move", {"I8"}, misled([](Desired&, Observed& observed, Instant) {
         each_stack(observed, [](ObservedCell&, ObservedStack& stack) {
           if (stack.running)
             for (Instance& instance : stack.running->instances) {
               instance.state = InstanceState::kRunning;
               instance.health = Health::kPassing;
             }
         });
       })},
      {"weights rounded apart",
       "each weight is rounded by itself",
       {"I8"},
       edited([](Plan& plan, const Desired&, const Observed&, Instant) {
         for (Action& action : plan.actions)
           if (auto* shift = std::get_if<Shift>(&action.effect))
             for (Weight& weight : shift->record.weights) weight.percent = weight.percent / 2 * 2;
       })},
      {"callers do not count",
       "a stack that is called expires like any other",
       {"I9"},
       misled([](Desired&, Observed& observed, Instant) {
         each_stack(observed, [](ObservedCell&, ObservedStack& stack) {
           if (stack.record && stack.record->ready) stack.record->identity.spec.dependencies.clear();
         });
       })},
      {"lifetime counted from the launch",
       "being needed does not prolong a life",
       {"I9"},
       misled([](Desired&, Observed& observed, Instant) {
         each_stack(observed, [](ObservedCell&, ObservedStack& stack) {
           if (stack.record && stack.record->kept_no_longer_since) stack.record->kept_no_longer_since = stack.record->launched;
         });
       })},
      {"no brake", "however much Git forgets at once goes at once", {"I3"}, misled([](Desired& desired, Observed&, Instant) {
         for (auto& [name, settings] : desired.domains) settings.brake_count = 1000;
       })},
      {"restored backup is obeyed",
       "a control repository that went back is applied",
       {"I3", "I7"},
       misled([](Desired&, Observed& observed, Instant) {
         for (auto& [name, domain] : observed.domains) domain.changes_held.clear();
       })},
      {"old memory of Git is obeyed",
       "what was not fetched since the start counts as fetched",
       {"I7"},
       misled([](Desired& desired, Observed&, Instant) {
         each_for_writing(desired.cells, [](const CellKey&, DesiredCell& cell) {
           for (DesiredStack& stack : cell.stacks) stack.fresh = true;
         });
       })},
      {"two schedules at once",
       "the new version of a job starts while the old one is in place",
       {"I6"},
       misled([](Desired&, Observed& observed, Instant) {
         each_stack(observed, [](ObservedCell&, ObservedStack& stack) {
           if (stack.record && stack.record->retiring && !stack.record->identity.spec.schedule.empty()) stack.running.reset();
         });
       })},
      {"works off an old plan", "removals decided earlier are carried out later", {"I9", "I3"}, works_off_an_old_plan()},
      {"writes when nothing changed",
       "a stack is published anew in each pass",
       {"I1", "I11"},
       misled([](Desired&, Observed& observed, Instant) {
         each_stack(observed, [](ObservedCell&, ObservedStack& stack) {
           if (stack.published && stack.name.ends_with("0")) stack.published = "";
         });
       })},
      {"launch before its record",
       "the scheduler is asked first, the record written after",
       {"I6"},
       through(starts_before_recording)},
      {"gives up after a failure", "an effect that failed is not tried again", {"I2", "I5"}, through(gives_up)},
      {"owner is not asked", "what carries another owner's mark counts as ours", {"I5"}, through(sees_everybodys)},
  };
}

}  // namespace

const std::vector<PlantedBug>& planted_bugs() {
  static const std::vector<PlantedBug> kBugs = make_bugs();
  return kBugs;
}

}  // namespace nelson::simulation
