#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "state/model/reflect.h"
#include "state/model/time.h"
#include "state/model/version.h"

namespace nelson {

enum class Protocol { kHttp, kHttps, kTcp, kWss };
template <>
inline constexpr auto kNames<Protocol> = std::to_array<std::string_view>({"http", "https", "tcp", "wss"});

/// A port a unit listens on. `number` is the declared one; an instance is told the one it got.
struct Port {
  std::string name;
  std::uint16_t number = 0;
  Protocol protocol = Protocol::kHttp;

  bool operator==(const Port&) const = default;
  static void visit(auto& self, auto&& field) {
    field("name", self.name);
    field("number", self.number);
    field("protocol", self.protocol);
  }
};

/// Another unit this one calls: any version with the same major and at least the minor.
struct Dependency {
  std::string unit;
  FeatureVersion version;

  bool operator==(const Dependency&) const = default;
  static void visit(auto& self, auto&& field) {
    field("unit", self.unit);
    field("version", self.version);
  }
};

struct EnvironmentVariable {
  std::string name;
  std::string value;

  bool operator==(const EnvironmentVariable&) const = default;
  static void visit(auto& self, auto&& field) {
    field("name", self.name);
    field("value", self.value);
  }
};

struct HealthCheck {
  std::string name;
  std::string port;                     // the name of one of the unit's ports
  Protocol protocol = Protocol::kHttp;  // http, https or tcp
  std::string path;                     // http and https only
  Duration interval{};                  // always set by the reader; the manifest's default is 10 seconds
  Duration timeout{};                   // likewise, 2 seconds

  bool operator==(const HealthCheck&) const = default;
  static void visit(auto& self, auto&& field) {
    field("name", self.name);
    field("port", self.port);
    field("protocol", self.protocol);
    field("path", self.path);
    field("interval", self.interval);
    field("timeout", self.timeout);
  }
};

/// One thing more that the scheduler is asked for, in words:
///
///     resource NAME URI, volume NAME PATH MEGABYTES, constraint KIND FIELD PARAMETER, tag NAME, workflow KIND, blueprint NAME [REVISION]
///
/// Few specs have any, and there are hundreds of thousands of specs: one list takes a sixth of what a member for each would.
struct Demand {
  std::string kind;
  std::vector<std::string> words;

  bool operator==(const Demand&) const = default;
  static void visit(auto& self, auto&& field) {
    field("kind", self.kind);
    field("words", self.words);
  }
};

/// What of a unit and its plan changes the running workload: exactly what the stack's digest covers (semantics 3). Readers
/// normalize: the port named `default` first, dependencies by name, the rest as declared. Unset fields stay default.
struct Spec {
  std::vector<Port> ports;
  std::vector<Dependency> dependencies;
  std::vector<EnvironmentVariable> environment;
  std::vector<HealthCheck> health_checks;
  std::int64_t cpu_millis = 0;          // limit, thousandths of a core; 0 is none
  std::int64_t cpu_request_millis = 0;  // 0 is none
  std::int64_t memory_kib = 0;          // limit; 0 is none
  std::int64_t memory_request_kib = 0;  // 0 is none
  std::int32_t retries = 0;             // 0 is unset
  std::string schedule;                 // "" service; "once"; else a 5-field cron expression in `timezone`
  std::string timezone;                 // "" is UTC
  std::vector<Demand> demands;          // in the order above; resources and tags by name, the rest as declared

  bool operator==(const Spec&) const = default;
  static void visit(auto& self, auto&& field) {
    field("ports", self.ports);
    field("dependencies", self.dependencies);
    field("environment", self.environment);
    field("health_checks", self.health_checks);
    field("cpu_millis", self.cpu_millis);
    field("cpu_request_millis", self.cpu_request_millis);
    field("memory_kib", self.memory_kib);
    field("memory_request_kib", self.memory_request_kib);
    field("retries", self.retries);
    field("schedule", self.schedule);
    field("timezone", self.timezone);
    field("demands", self.demands);
  }
};

enum class ArtifactKind { kCommand, kImage };
template <>
inline constexpr auto kNames<ArtifactKind> = std::to_array<std::string_view>({"command", "image"});

/// What a deployable's `output` names: a container image, or a command run in a copy of a tree of the repository.
struct Artifact {
  ArtifactKind kind = ArtifactKind::kCommand;
  std::string image;                 // kImage
  std::vector<std::string> command;  // kCommand; the first word is the program
  std::string tree;                  // kCommand: object id of the tree it runs in; "" for a program of the host

  bool operator==(const Artifact&) const = default;
  static void visit(auto& self, auto&& field) {
    field("kind", self.kind);
    field("image", self.image);
    field("command", self.command);
    field("tree", self.tree);
  }
};

enum class ExpirationPolicy {
  kRetainActive,
  kRetainLatest,
  kRetainLatestTwoMajor,
  kRetainLatestTwoFeature,
  kRetainUntilDeprecated,
};
template <>
inline constexpr auto kNames<ExpirationPolicy> = std::to_array<std::string_view>(
    {"retain-active", "retain-latest", "retain-latest-two-major", "retain-latest-two-feature", "retain-until-deprecated"});

enum class ShiftPolicy { kLinear, kAtomic };
template <>
inline constexpr auto kNames<ShiftPolicy> = std::to_array<std::string_view>({"linear", "atomic"});

struct TrafficShift {
  ShiftPolicy policy = ShiftPolicy::kLinear;
  Duration duration{};

  bool operator==(const TrafficShift&) const = default;
  static void visit(auto& self, auto&& field) {
    field("policy", self.policy);
    field("duration", self.duration);
  }
};

/// What Git says of a stack outside its digest: applied in place, without a new stack. Defaults of the domain are filled in.
struct Settings {
  std::int32_t instances = 1;
  ExpirationPolicy expiration_policy = ExpirationPolicy::kRetainActive;
  TrafficShift traffic_shift;

  bool operator==(const Settings&) const = default;
  static void visit(auto& self, auto&& field) {
    field("instances", self.instances);
    field("expiration_policy", self.expiration_policy);
    field("traffic_shift", self.traffic_shift);
  }
};

}  // namespace nelson
