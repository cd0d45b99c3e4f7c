#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "reconcilers/routing.h"
#include "state/model/plan.h"

namespace nelson {

/// What Git wants, with the name it gets.
struct Candidate {
  const DesiredStack* desired = nullptr;
  Identity identity;
  std::string name;
};

/// One stack with everything that rules ask about it: the record that a rule is a line over.
struct Case {
  std::string name;
  const ObservedStack* observed = nullptr;  // null: nothing is there yet
  const StackRecord* record = nullptr;      // null: none was ever written, or it is lost
  const Running* running = nullptr;         // null: nothing runs under the name
  const Candidate* candidate = nullptr;     // set: this is what Git wants of its (namespace, plan)
  bool stands = false;  // not what Git wants, but what stays while that may not be acted on (its ref is not known whole)
  bool patch = false;   // wanted (or standing) as the highest of a lower major
  bool live = false;    // launched, not being removed, not removed
  bool job = false;
  bool serves = false;  // has ports and is no job: takes traffic
  bool healthy = false;
  bool named = false;          // Git names its (namespace, plan), be it as another stack; a patch does so for its major only
  bool absence_known = false;  // when it is not named: its repository was read whole, or its domain is leaving: it has left Git
  std::int32_t percent = 0;    // of its service's traffic, as recorded
  std::vector<std::string> callers;  // live stacks whose calls it may get, sorted
  bool awaited = false;       // where idle stacks retire: something that lives calls its unit, or waits to be launched until it can
  bool retired_idle = false;  // so it stays away until somebody calls it or the domain keeps what is idle

  [[nodiscard]] bool wanted() const { return candidate != nullptr || stands; }
  /// Wanted as the unit's current release.
  [[nodiscard]] bool current() const { return wanted() && !patch; }
  [[nodiscard]] bool ready() const { return live && record->ready.has_value(); }
  /// A once-job with a result: it does not run again.
  [[nodiscard]] bool ran() const {
    return record != nullptr && record->identity.spec.schedule == "once" && record->job_result != JobResult::kNone;
  }
  /// Runs, and what it was launched as is not known; when Git wants it, its name says so and it is written again.
  [[nodiscard]] bool unrecorded() const { return running != nullptr && record == nullptr; }
  /// Identity of what is recorded, else of what is wanted. Only for cases that have one of the two.
  [[nodiscard]] const Identity& identity() const { return record != nullptr ? record->identity : candidate->identity; }
  /// Settings that Git says now, else those in force.
  [[nodiscard]] const Settings& settings() const { return candidate != nullptr ? candidate->desired->settings : record->settings; }
};

/// What a dependency of a stack finds in another cell.
struct Provider {
  std::vector<Target> targets;
  std::vector<std::string> left;   // namespaces in which Git names the unit no more: no new callers there
  std::vector<std::string> named;  // namespaces in which Git wants it: it may be on its way
  bool partial = false;            // of a stack that takes its traffic the record is lost: the targets are not all

  [[nodiscard]] bool deprecated_in(const std::string& name_space) const;
  /// Whether Git wants it where a caller in `name_space` would look: there or above.
  [[nodiscard]] bool expected_for(std::string_view name_space) const;

  bool operator==(const Provider&) const = default;
};

/// What callers find in the cell `key`.
[[nodiscard]] Provider make_provider(const CellKey& key, const Desired& desired, const Observed& observed);

/// A cell with its neighbours, ready to be decided on. Points into the Desired and Observed it was made from.
struct Cell {
  CellKey key;
  const DomainSettings* domain = nullptr;  // null: no file in domains/ names it any more
  const ObservedDomain* world = nullptr;   // null: never observed
  const DesiredCell* intent = nullptr;     // null: Git says nothing of the unit here
  const ObservedCell* seen = nullptr;      // null: nothing of it is there
  std::string owner;
  std::vector<Candidate> candidates;
  std::vector<Case> cases;                    // by name
  std::map<std::string, Provider> providers;  // by unit, of every dependency of a candidate or live stack
  std::optional<Hold> contested;              // two repositories claim the unit and nothing decides

  Cell() = default;
  Cell(Cell&&) = default;  // cases point at candidates: a copy's would point at the original's
  Cell& operator=(Cell&&) = default;

  [[nodiscard]] const TrafficRecord* traffic(const TrafficKey& traffic_key) const;
  [[nodiscard]] const Case* find(const std::string& stack) const;
};

/// Makes the cell `key`. `callers` is what Neighbours say. Among its candidates are those patches that are wanted.
[[nodiscard]] Cell make_cell(const CellKey& key, const Desired& desired, const Observed& observed, const CallerIndex& callers,
                             Instant now);

}  // namespace nelson
