#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "state/model/desired.h"
#include "state/model/records.h"

namespace nelson {

enum class InstanceState { kStarting, kRunning, kBackoff, kStopping, kExited };
template <>
inline constexpr auto kNames<InstanceState> = std::to_array<std::string_view>({"starting", "running", "backoff", "stopping",
                                                                               "exited"});

enum class Health { kUnknown, kPassing, kFailing };
template <>
inline constexpr auto kNames<Health> = std::to_array<std::string_view>({"unknown", "passing", "failing"});

/// Where a port of an instance can be reached.
struct Endpoint {
  std::string port;  // its name in the manifest
  std::string host;
  std::uint16_t number = 0;

  auto operator<=>(const Endpoint&) const = default;
  static void visit(auto& self, auto&& field) {
    field("port", self.port);
    field("host", self.host);
    field("number", self.number);
  }
};

/// One running copy of a stack.
struct Instance {
  std::int32_t index = 0;
  InstanceState state = InstanceState::kStarting;
  Instant since{};  // when it came into this state
  Health health = Health::kUnknown;
  std::vector<Endpoint> endpoints;  // in the order of the spec's ports
  std::int32_t restarts = 0;
  std::string
      detail;  // the last exit or check failure, in words: "exit status 1", "http 503 at /health", "port 20003 already taken"

  bool operator==(const Instance&) const = default;
  static void visit(auto& self, auto&& field) {
    field("index", self.index);
    field("state", self.state);
    field("since", self.since);
    field("health", self.health);
    field("endpoints", self.endpoints);
    field("restarts", self.restarts);
    field("detail", self.detail);
  }
};

/// What a scheduler runs under a stack's name.
struct Running {
  std::uint32_t incarnation = 0;
  std::string document_digest;      // hexadecimal SHA-256 of the document that was submitted
  std::int32_t count = 0;           // instances asked for
  std::vector<Instance> instances;  // by index
  bool stopping = false;
  bool child_running = false;             // jobs: a run is under way
  JobResult last_run = JobResult::kNone;  // jobs: result of the last finished run

  bool operator==(const Running&) const = default;
  static void visit(auto& self, auto&& field) {
    field("incarnation", self.incarnation);
    field("document_digest", self.document_digest);
    field("count", self.count);
    field("instances", self.instances);
    field("stopping", self.stopping);
    field("child_running", self.child_running);
    field("last_run", self.last_run);
  }
};

/// A stack of ours: what is remembered of it, what runs under its name, and what was published for it. At least one is there.
struct ObservedStack {
  std::string name;
  std::optional<StackRecord> record;
  std::optional<Running> running;
  std::optional<std::string> published;  // the discovery payload in force

  bool operator==(const ObservedStack&) const = default;
  static void visit(auto& self, auto&& field) {
    field("name", self.name);
    field("record", self.record);
    field("running", self.running);
    field("published", self.published);
  }
};

/// One stack behind a service's address.
struct Backend {
  std::string stack;
  std::int32_t percent = 0;
  struct Server {
    std::int32_t index = 0;
    std::vector<Endpoint> endpoints;

    bool operator==(const Server&) const = default;
    static void visit(auto& self, auto&& field) {
      field("index", self.index);
      field("endpoints", self.endpoints);
    }
  };
  std::vector<Server> servers;      // by index
  std::vector<HealthCheck> checks;  // of the stack's spec: the balancer leaves sick servers out by itself

  bool operator==(const Backend&) const = default;
  static void visit(auto& self, auto&& field) {
    field("stack", self.stack);
    field("percent", self.percent);
    field("servers", self.servers);
    field("checks", self.checks);
  }
};

/// One service's address and what stands behind it: what a balancer is asked for, and what it says it has.
struct Route {
  TrafficKey key;
  std::vector<Port> ports;
  std::vector<Backend> backends;  // by stack; percents sum to 100

  bool operator==(const Route&) const = default;
  static void visit(auto& self, auto&& field) {
    field("key", self.key);
    field("ports", self.ports);
    field("backends", self.backends);
  }
};

/// Where a service in force is reached, whatever stands behind it.
struct ServiceAddress {
  TrafficKey key;
  std::vector<Endpoint> endpoints;  // in the order of its route's ports

  bool operator==(const ServiceAddress&) const = default;
  static void visit(auto& self, auto&& field) {
    field("key", self.key);
    field("endpoints", self.endpoints);
  }
};

/// Connections that a balancer still carries to a server, in the route or out of it already.
struct Sessions {
  std::string stack;
  std::int32_t index = 0;
  std::int32_t count = 0;

  auto operator<=>(const Sessions&) const = default;
  static void visit(auto& self, auto&& field) {
    field("stack", self.stack);
    field("index", self.index);
    field("count", self.count);
  }
};

struct ObservedCell {
  std::vector<ObservedStack> stacks;      // by name
  std::vector<TrafficRecord> traffic;     // by key
  std::vector<Route> routes;              // in force, by key
  std::vector<ServiceAddress> addresses;  // of the routes, by key
  std::vector<Sessions> sessions;         // more than none, by (stack, index)

  bool operator==(const ObservedCell&) const = default;
  static void visit(auto& self, auto&& field) {
    field("stacks", self.stacks);
    field("traffic", self.traffic);
    field("routes", self.routes);
    field("addresses", self.addresses);
    field("sessions", self.sessions);
  }
};

/// How far a part of a domain answered in this observation.
struct Source {
  bool complete = false;  // everything it has was read
  std::string error;      // why not, with the way out

  bool operator==(const Source&) const = default;
  static void visit(auto& self, auto&& field) {
    field("complete", self.complete);
    field("error", self.error);
  }
};

struct ObservedDomain {
  Source scheduler;
  Source memory;  // records, claim
  Source discovery;
  Source balancer;
  bool balances = true;  // false: there is no balancer here; weights are only reported
  std::optional<Claim> claim;
  /// Why nothing may be removed now ("wall clock went back 3 minutes"), with the way out; "" when removals are free.
  std::string removals_held;
  /// Why nothing but repair may happen now (another owner's claim, a control head that does not contain the last applied one).
  std::string changes_held;
  std::vector<std::string> foreign;  // what is not ours: reported, never touched
  bool governed_here = true;         // false: the claim names another owner or address, so not even repair (semantics 4)

  bool operator==(const ObservedDomain&) const = default;
  static void visit(auto& self, auto&& field) {
    field("scheduler", self.scheduler);
    field("memory", self.memory);
    field("discovery", self.discovery);
    field("balancer", self.balancer);
    field("balances", self.balances);
    field("claim", self.claim);
    field("removals_held", self.removals_held);
    field("changes_held", self.changes_held);
    field("foreign", self.foreign);
    field("governed_here", self.governed_here);
  }
};

/// The world and what is remembered of it, as last seen.
struct Observed {
  std::map<std::string, ObservedDomain> domains;
  SharedMap<CellKey, ObservedCell> cells;

  bool operator==(const Observed&) const = default;
  static void visit(auto& self, auto&& field) {
    field("domains", self.domains);
    field("cells", self.cells);
  }
};

}  // namespace nelson
