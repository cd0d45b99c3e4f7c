#pragma once

#include <optional>
#include <string>

#include "state/model/observed.h"

namespace nelson {

/// The nine words of spec/runtime 1.1, derived from what is observed, never stored.
enum class StackStatus {
  kPending,    // recorded, nothing runs yet
  kDeploying,  // some instances are up
  kWarming,    // runs, health not yet passing
  kReady,
  kDeprecated,
  kGarbage,     // is being removed
  kFailed,      // a job that failed for good
  kTerminated,  // removed; only its remains are recorded
  kUnknown,     // runs without a record of ours that can be read
};
template <>
inline constexpr auto kNames<StackStatus> = std::to_array<std::string_view>({"pending", "deploying", "warming", "ready",
                                                                             "deprecated", "garbage", "failed", "terminated",
                                                                             "unknown"});

/// `deprecated`: its unit has left Git; shown once it is ready.
[[nodiscard]] StackStatus status_of(const ObservedStack& stack, bool deprecated);

/// Whether more than half of the instances asked for pass their checks or, without checks, have run for `ready_after`.
[[nodiscard]] bool healthy(const ObservedStack& stack, const DomainSettings& domain, Instant now);

}  // namespace nelson
