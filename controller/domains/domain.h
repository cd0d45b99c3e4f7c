#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/model/observed.h"
#include "state/model/plan.h"
#include "state/model/result.h"

namespace nelson {

// The systems of one domain, each behind one narrow interface. Every call may be repeated safely and from one thread at a time
// per domain; different domains are called from different threads. Calls are bounded in time (seconds; a minute where
// a tree is exported or a long configuration checked and loaded) and never throw. Each interface has a live implementation, a fake that
// simulates (fake/) and a wrapper that injects faults (faulty.h); one set of contract tests runs on all.

/// What is submitted to a scheduler for one stack.
struct Submission {
  std::string stack;
  std::uint32_t incarnation = 1;
  std::string document;    // as render() made it, kept in the stack's record
  std::int32_t count = 1;  // instances
};

// What a part says of the world. A part that keeps its view, and changes in it what changed, makes a look cost what changed: two views that
// share what is the same are told apart without looking at it.

struct SchedulerView {
  SharedMap<std::string, Running> stacks;  // of this owner, by name
  std::vector<std::string> foreign;        // what carries no metadata of ours, or another owner's

  bool operator==(const SchedulerView&) const = default;
};

/// Runs stacks.
class Scheduler {
 public:
  virtual ~Scheduler() = default;

  /// The text that is submitted for a launch. Pure: equal arguments give equal bytes. kInvalid when this scheduler cannot run
  /// such a thing at all (an image without an engine), with the way out.
  [[nodiscard]] virtual Result<std::string> render(const Launch& launch, std::string_view guid) const = 0;

  /// Everything it runs. An error means that nothing is known, never that nothing runs.
  virtual Result<SchedulerView> observe() = 0;

  /// Makes `submission` run with `count` instances. Nothing under the name: started, as that incarnation. The same incarnation:
  /// missing instances are started and surplus ones stopped, highest index first, the others left alone. Another incarnation, or
  /// one that is being stopped: kConflict.
  virtual Status ensure_present(const Submission& submission) = 0;

  /// Begins, or goes on with, stopping everything under the name: SIGTERM, grace, SIGKILL or what the scheduler has for it.
  /// Returns at once; observe() lists the stack until nothing of it is left.
  virtual Status ensure_absent(const std::string& stack, std::uint32_t incarnation) = 0;
};

struct MemoryView {
  SharedMap<std::string, StackRecord> stacks;
  SharedMap<TrafficKey, TrafficRecord> traffic;
  std::optional<Claim> claim;
  std::vector<std::string> damaged;  // records that could not be read, with their place; what depends on them must wait

  bool operator==(const MemoryView&) const = default;
};

/// Keeps our records in the domain. Every write is durable when it returns.
class Memory {
 public:
  virtual ~Memory() = default;

  virtual Result<MemoryView> observe() = 0;
  /// kConflict when another controller wrote the record since the last observe().
  virtual Status put(const StackRecord& record) = 0;
  virtual Status put(const TrafficRecord& record) = 0;
  virtual Status put(const Claim& claim) = 0;
  virtual Status drop(const TrafficKey& key) = 0;

  /// Takes the domain's lock so that one controller acts. kConflict names the holder. Held until the object dies.
  virtual Status lock(std::string_view holder) = 0;
  /// Whether the lock taken is still ours: checked before each commit and effect.
  [[nodiscard]] virtual bool holds_lock() const = 0;
};

struct DiscoveryView {
  SharedMap<std::string, std::string> published;  // payloads by stack

  bool operator==(const DiscoveryView&) const = default;
};

/// Tells each stack where to find what it depends on.
class Discovery {
 public:
  virtual ~Discovery() = default;

  virtual Result<DiscoveryView> observe() = 0;
  virtual Status publish(const std::string& stack, const std::string& payload) = 0;
  virtual Status unpublish(const std::string& stack) = 0;
};

struct BalancerView {
  SharedMap<TrafficKey, Route> routes;              // in force
  SharedMap<TrafficKey, ServiceAddress> addresses;  // of the routes
  std::vector<Sessions> sessions;                   // to any server, in a route or leaving it; by (stack, index)

  bool operator==(const BalancerView&) const = default;
};

/// Carries requests to stacks by weight.
class Balancer {
 public:
  virtual ~Balancer() = default;

  virtual Result<BalancerView> observe() = 0;
  /// Serves `route` exactly: weights are percents of new requests per stack, whatever the number of instances. A server that leaves a
  /// route keeps its open connections; they are listed as sessions until they end, at the latest after the drain limit.
  virtual Status serve(const Route& route) = 0;
  virtual Status unserve(const TrafficKey& key) = 0;
};

/// One failure domain. `balancer` is null where there is none.
struct Domain {
  DomainSettings settings;
  std::unique_ptr<Scheduler> scheduler;
  std::unique_ptr<Memory> memory;
  std::unique_ptr<Discovery> discovery;
  std::unique_ptr<Balancer> balancer;
  std::string balancer_absent_reason;  // why `balancer` is null although one was asked for, with the way out
};

/// Writes the tree `tree` of `repository` into the new, empty folder `folder` (regular files and their executable bit only).
using ExportTree = std::function<Status(const std::string& repository, const std::string& tree, const std::string& folder)>;

struct DomainContext {
  std::string owner;  // the control repository's stable id
  ExportTree export_tree;
  std::function<void()> changed;  // may be called from any thread when something in the domain changed: wakes the loop
  bool read_only = false;         // for `nelson diff`: observe only; no lock, no folder made, no process started
};

/// Opens the parts that `settings` names. kInvalid names the setting that cannot be met, and the way out.
Result<Domain> open_domain(const DomainSettings& settings, const DomainContext& context);

}  // namespace nelson
