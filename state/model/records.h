#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "state/model/identity.h"
#include "state/model/spec.h"
#include "state/model/time.h"

namespace nelson {

// The facts that the domain keeps for us and that outlive the loss of our store (semantics 4).

enum class JobResult { kNone, kSucceeded, kFailed };
template <>
inline constexpr auto kNames<JobResult> = std::to_array<std::string_view>({"none", "succeeded", "failed"});

/// `nelson/stacks/v1/<stack>`. Written before the first effect, removed last. After a confirmed removal `incarnation`, identity,
/// job result, tombstone and reversal stay ("remains"); all facts of a run are cleared.
struct StackRecord {
  std::string stack;
  Identity identity;
  Settings settings;                // in force, changed in place
  std::string commit;               // where Git named the identity when it was launched or last updated
  std::string document;             // as Scheduler::render made it; what a repair submits
  std::uint32_t incarnation = 0;    // 1 is the first life of this name
  std::optional<Instant> launched;  // unset in remains
  std::optional<Instant> ready;
  std::optional<Instant> kept_no_longer_since;
  std::optional<Instant> retiring;  // once stamped, removal finishes
  std::optional<Instant> reversed;
  std::optional<Instant> tombstone;  // retired idle: not launched again while Git wants this digest
  JobResult job_result = JobResult::kNone;
  bool removed = false;  // remains of a removed stack

  bool operator==(const StackRecord&) const = default;
  static void visit(auto& self, auto&& field) {
    field("stack", self.stack);
    field("identity", self.identity);
    field("settings", self.settings);
    field("commit", self.commit);
    field("document", self.document);
    field("incarnation", self.incarnation);
    field("launched", self.launched);
    field("ready", self.ready);
    field("kept_no_longer_since", self.kept_no_longer_since);
    field("retiring", self.retiring);
    field("reversed", self.reversed);
    field("tombstone", self.tombstone);
    field("job_result", self.job_result);
    field("removed", self.removed);
  }
};

/// One service as callers know it.
struct TrafficKey {
  std::string domain;
  std::string name_space;
  std::string unit;
  std::uint32_t major = 0;

  auto operator<=>(const TrafficKey&) const = default;
  static void visit(auto& self, auto&& field) {
    field("domain", self.domain);
    field("namespace", self.name_space);
    field("unit", self.unit);
    field("major", self.major);
  }
};

struct Weight {
  std::string stack;
  std::int32_t percent = 0;

  auto operator<=>(const Weight&) const = default;
  static void visit(auto& self, auto&& field) {
    field("stack", self.stack);
    field("percent", self.percent);
  }
};

/// The weights in force and the course they are on (semantics 5). Weights are by stack name and sum to 100.
struct TrafficRecord {
  TrafficKey key;
  std::vector<Weight> weights;        // in force, sorted by stack; a stack at 0 stays listed while it is part of the course
  std::vector<Weight> origin;         // at the start of the course
  std::vector<std::string> target;    // the stacks of the release that the course leads to, sorted
  TrafficShift shift;                 // as it was at the start
  std::uint32_t steps = 0;            // steps taken since the start
  std::optional<Instant> stepped_at;  // the start, then the last step

  bool operator==(const TrafficRecord&) const = default;
  static void visit(auto& self, auto&& field) {
    field("key", self.key);
    field("weights", self.weights);
    field("origin", self.origin);
    field("target", self.target);
    field("shift", self.shift);
    field("steps", self.steps);
    field("stepped_at", self.stepped_at);
  }
};

/// Whose domain this is. Another control repository acts on nothing.
struct Claim {
  std::string owner;
  std::string control_url;     // without credentials
  std::string control_commit;  // last one applied

  bool operator==(const Claim&) const = default;
  static void visit(auto& self, auto&& field) {
    field("owner", self.owner);
    field("control_url", self.control_url);
    field("control_commit", self.control_commit);
  }
};

}  // namespace nelson
