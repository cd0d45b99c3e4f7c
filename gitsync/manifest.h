#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gitsync/document.h"
#include "state/model/desired.h"
#include "state/model/problem.h"
#include "state/model/spec.h"

namespace nelson {

// The parsed form of `.nelson.yml` (spec/manifest 19). Plain values; every name and number in it has been checked as far as the bytes of
// the file alone allow. Places are those of the object's name or value, for problems found later.

struct ManifestResource {
  std::string name;
  std::string description;
};

/// An alert (name in snake case) or a recording rule (name as written).
struct ManifestRule {
  std::string name;
  std::string expression;  // bare, in the present dialect
  std::string hold_for;
  std::vector<std::pair<std::string, std::string>> labels, annotations;
  Place place;
};

enum class WorkflowKind { kMagnetar, kCanopus, kPulsar };
template <>
inline constexpr auto kNames<WorkflowKind> = std::to_array<std::string_view>({"magnetar", "canopus", "pulsar"});

struct Workflow {
  WorkflowKind kind = WorkflowKind::kMagnetar;
  std::string blueprint;                 // name; "" is none
  std::optional<std::int64_t> revision;  // nothing is HEAD
};

struct ManifestUnit {
  std::string name;
  std::string description;
  std::vector<Port> ports;               // as declared
  std::vector<Dependency> dependencies;  // as declared, each unit once
  std::vector<ManifestResource> resources;
  std::vector<std::string> meta;
  std::vector<ManifestRule> alerts;
  std::vector<ManifestRule> rules;
  // What a plan that says nothing of them takes from its unit (spec/manifest 21).
  std::string schedule;  // normalized, "" is none
  std::string timezone;
  std::optional<ExpirationPolicy> expiration_policy;
  std::optional<Workflow> workflow;
  Place place;
};

struct ManifestVolume {
  std::string name;
  std::string mount_path;
  std::int64_t size_mb = 0;
};

/// One entry of a constraint list: unique, cluster, groupBy, like, unlike.
struct ManifestConstraint {
  std::string kind;
  std::string field;
  std::string parameter;
};

struct ManifestPlan {
  std::string name;
  std::optional<double> cpu, cpu_request;        // cores
  std::optional<double> memory, memory_request;  // megabytes of 2^20 bytes
  std::optional<std::int32_t> instances;
  std::optional<std::int32_t> retries;
  std::vector<ManifestConstraint> constraints;
  std::vector<EnvironmentVariable> environment;
  std::vector<std::string> alert_opt_outs;
  std::vector<HealthCheck> health_checks;
  std::vector<Place> check_places;
  std::vector<std::pair<std::string, std::string>> resources;  // (ref, uri), each ref once
  std::string schedule;                                        // normalized, "" is none
  std::string timezone;
  std::optional<ExpirationPolicy> expiration_policy;
  std::optional<TrafficShift> traffic_shift;
  std::vector<ManifestVolume> volumes;
  std::optional<Workflow> workflow;
  Place place;
  Place instances_place;
};

struct ManifestUnitReference {
  std::string unit;
  std::vector<std::string>
      plans;  // never empty, each once, in the order of the file's `plans`; "default" where the file names none
  Place place;
};

struct ManifestNamespace {
  std::string name;
  std::vector<ManifestUnitReference> units;  // one per unit; namespace-level plans are filled in
  std::vector<std::pair<std::string, std::optional<std::string>>> loadbalancers;  // (name, plan)
  Place place;
};

struct ManifestRoute {
  std::string name;
  Port expose;
  std::string unit;
  std::string port;
  Place place;
};

struct ManifestLoadbalancer {
  std::string name;
  std::vector<ManifestRoute> routes;
  Place place;
};

/// Which domains a manifest is for.
struct ManifestTargets {
  enum class Kind { kAll, kOnly, kExcept };
  Kind kind = Kind::kAll;
  std::vector<std::string> names;

  /// `only` compares exactly, `except` trimmed and without case (spec/manifest 8.1).
  [[nodiscard]] bool includes(std::string_view domain) const;
};

struct Manifest {
  std::vector<ManifestUnit> units;
  std::vector<ManifestPlan> plans;
  std::vector<ManifestLoadbalancer> loadbalancers;
  std::vector<ManifestNamespace> namespaces;
  ManifestTargets targets;
  std::vector<std::string> slack_channels;
  std::vector<std::string> email_recipients;

  [[nodiscard]] const ManifestUnit* unit(std::string_view name) const;
  /// `default` is the built-in plan, with everything unset, unless the file declares one of that name; null for any other unknown name.
  [[nodiscard]] const ManifestPlan* plan(std::string_view name) const;
  [[nodiscard]] const ManifestNamespace* name_space(std::string_view name) const;
};

/// `manifest` is there exactly when no problem is an error. Warnings come either way. The caller fills repository, commit and file.
struct ManifestReading {
  std::optional<Manifest> manifest;
  std::vector<Problem> problems;  // in the order of the file
};

/// Reads and validates a manifest: a function of the bytes alone (semantics 2). All problems of the file are reported at once, as far as
/// one does not follow from another. Never throws. Thread-safe.
[[nodiscard]] ManifestReading read_manifest(std::string_view bytes);

/// What of the unit and its plan changes the running workload, in the one form that digests are taken of: the port `default` first, then
/// as declared; dependencies, resources and tags by name; thousandths of a core and KiB. kManifestEffects (manifest_effects.h) lists what is
/// in and what is out.
[[nodiscard]] Spec normalized_spec(const ManifestUnit& unit, const ManifestPlan& plan);

/// What is applied in place, with the domain's defaults filled in.
[[nodiscard]] Settings settings_of(const ManifestUnit& unit, const ManifestPlan& plan, const DomainSettings& domain);

/// The limits of spec/manifest 5.4 and spec/hardening 7.
inline constexpr std::size_t kMaximumUnits = 100;
inline constexpr std::size_t kMaximumPlans = 100;
inline constexpr std::size_t kMaximumNamespaces = 50;
inline constexpr std::size_t kMaximumStacks = 1'000;

/// How many stacks the manifest makes in one domain, over all its namespaces.
[[nodiscard]] std::size_t stacks_per_domain(const Manifest& manifest);

}  // namespace nelson
