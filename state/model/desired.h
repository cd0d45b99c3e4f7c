#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "state/model/identity.h"
#include "state/model/problem.h"
#include "state/model/shared_map.h"
#include "state/model/spec.h"
#include "state/model/time.h"

namespace nelson {

struct PortRange {
  std::uint16_t first = 0, last = 0;

  bool operator==(const PortRange&) const = default;
  static void visit(auto& self, auto&& field) {
    field("first", self.first);
    field("last", self.last);
  }
};

/// One file of the control repository's domains/. The defaults are those of spec/runtime 9.1 and 14.
struct DomainSettings {
  std::string name;
  std::string scheduler = "local";
  std::string discovery = "local";
  std::string balancer = "haproxy";  // or "none"
  std::string default_namespace = "dev";
  TrafficShift traffic_shift{ShiftPolicy::kLinear, std::chrono::minutes(20)};
  ExpirationPolicy default_policy = ExpirationPolicy::kRetainActive;
  ExpirationPolicy default_periodic_policy = ExpirationPolicy::kRetainLatest;
  Duration initial_lifetime = std::chrono::minutes(30);
  Duration extended_lifetime = std::chrono::minutes(30);
  Duration ready_after = std::chrono::seconds(30);  // without health checks: how long instances must have run
  bool retire_idle = false;                         // `idle: retire`
  bool leaving = false;                             // empty this domain
  std::uint32_t brake_count = 5;                    // more losses than this, and
  std::uint32_t brake_percent = 20;                 // more than this share of the live stacks, wait for a yes

  // The local domain (semantics 11).
  std::string folder;
  std::string run_as;  // "" is the controller's own user
  PortRange instance_ports{20000, 24999};
  PortRange stable_ports{25000, 26999};
  Duration stop_grace = std::chrono::seconds(10);   // between SIGTERM and SIGKILL
  Duration drain_limit = std::chrono::seconds(60);  // how long an answer in flight may hold a removal

  bool operator==(const DomainSettings&) const = default;
  static void visit(auto& self, auto&& field) {
    field("name", self.name);
    field("scheduler", self.scheduler);
    field("discovery", self.discovery);
    field("balancer", self.balancer);
    field("default_namespace", self.default_namespace);
    field("traffic_shift", self.traffic_shift);
    field("default_policy", self.default_policy);
    field("default_periodic_policy", self.default_periodic_policy);
    field("initial_lifetime", self.initial_lifetime);
    field("extended_lifetime", self.extended_lifetime);
    field("ready_after", self.ready_after);
    field("retire_idle", self.retire_idle);
    field("leaving", self.leaving);
    field("brake_count", self.brake_count);
    field("brake_percent", self.brake_percent);
    field("folder", self.folder);
    field("run_as", self.run_as);
    field("instance_ports", self.instance_ports);
    field("stable_ports", self.stable_ports);
    field("stop_grace", self.stop_grace);
    field("drain_limit", self.drain_limit);
  }
};

/// The unit of planning: one unit in one domain, over all its namespaces and plans (semantics 8).
struct CellKey {
  std::string domain;
  std::string unit;

  auto operator<=>(const CellKey&) const = default;
  static void visit(auto& self, auto&& field) {
    field("domain", self.domain);
    field("unit", self.unit);
  }
};

/// What Git wants of one (unit, namespace, plan) in one domain.
struct DesiredStack {
  std::string name_space;
  std::string plan;
  std::string repository;
  std::string commit;  // full id; where the manifest and the deployable were read
  Version version;
  Artifact artifact;
  std::uint64_t generation = 0;  // of the redeploy file; the planner takes the greatest known
  Spec spec;
  Settings settings;
  bool fresh = false;  // the ref that names `commit` was fetched since this controller took the lock (semantics 2, last good)
  bool patch = false;  // the highest of a lower major: wanted while more than Git's wish keeps a stack of that major (semantics 2)

  bool operator==(const DesiredStack&) const = default;
  static void visit(auto& self, auto&& field) {
    field("namespace", self.name_space);
    field("plan", self.plan);
    field("repository", self.repository);
    field("commit", self.commit);
    field("version", self.version);
    field("artifact", self.artifact);
    field("generation", self.generation);
    field("spec", self.spec);
    field("settings", self.settings);
    field("fresh", self.fresh);
    field("patch", self.patch);
  }
};

struct DesiredCell {
  std::vector<DesiredStack> stacks;  // by (namespace, plan, repository, version); no patch without one that is none
  /// More than one repository claims the unit and no `units:` pattern decides; `stacks` then holds the claims of all of them.
  std::vector<std::string> claimants;  // names of the files in repositories/, sorted; fewer than two when undisputed

  bool operator==(const DesiredCell&) const = default;
  static void visit(auto& self, auto&& field) {
    field("stacks", self.stacks);
    field("claimants", self.claimants);
  }
};

enum class RepositoryState {
  kCurrent,   // what its ref names was read whole
  kLastGood,  // some file does not read, or the host does not answer: earlier intent stands, nothing of it leaves Git
  kUnknown,   // nothing was ever read: its stacks are neither launched nor retired
};
template <>
inline constexpr auto kNames<RepositoryState> = std::to_array<std::string_view>({"current", "last-good", "unknown"});

/// A watched repository and how well it is known.
struct DesiredRepository {
  RepositoryState state = RepositoryState::kUnknown;
  std::string head;          // full id of the newest commit its ref is known to name; "" when none
  std::string last_fetched;  // format_instant of the last answer of its host; "" when none. For people: decides nothing.

  bool operator==(const DesiredRepository&) const = default;
  static void visit(auto& self, auto&& field) {
    field("state", self.state);
    field("head", self.head);
    field("last_fetched", self.last_fetched);
  }
};

/// An operator's yes to a control repository whose head went back (semantics 4): full ids of the commit that was last applied and of the
/// head that came instead.
struct WentBack {
  std::string from;
  std::string to;

  auto operator<=>(const WentBack&) const = default;
  static void visit(auto& self, auto&& field) {
    field("from", self.from);
    field("to", self.to);
  }
};

/// Everything that Git says, resolved. Equal repositories give an equal value.
struct Desired {
  std::string owner;                    // the control repository's stable id
  std::string control_url;              // printed without credentials
  std::vector<std::string> moved_from;  // former control urls of this owner, as owner.yml lists them
  std::string control_commit;           // full id
  std::map<std::string, DomainSettings> domains;
  SharedMap<std::string, DesiredRepository> repositories;
  SharedMap<CellKey, DesiredCell> cells;
  std::vector<std::string> acknowledged;  // stack names that files in acknowledgements/ release from the brake, sorted
  std::vector<WentBack> went_back;        // that files in acknowledgements/ say yes to, sorted
  std::vector<Problem> problems;          // sorted

  bool operator==(const Desired&) const = default;
  static void visit(auto& self, auto&& field) {
    field("owner", self.owner);
    field("control_url", self.control_url);
    field("moved_from", self.moved_from);
    field("control_commit", self.control_commit);
    field("domains", self.domains);
    field("repositories", self.repositories);
    field("cells", self.cells);
    field("acknowledged", self.acknowledged);
    field("went_back", self.went_back);
    field("problems", self.problems);
  }
};

}  // namespace nelson
