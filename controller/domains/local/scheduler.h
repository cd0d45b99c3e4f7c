#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "controller/domains/domain.h"

namespace nelson {

/// What the scheduler of a `local` domain needs to know of its surroundings.
struct LocalSchedulerOptions {
  DomainSettings settings;
  std::string owner;
  ExportTree export_tree;
  /// Called from a thread of the scheduler's own whenever a supervisor reports a change, or dies.
  std::function<void()> changed;
  /// The stable address of a service's port. Called by ensure_present() only, so that render() stays pure.
  std::function<Result<Endpoint>(const TrafficKey&, const Port&)> address_of;
  bool read_only = false;  // observe and render only: no folder made, no process started or ended, nothing swept
  std::string program;     // the nelson binary that `supervise` is asked of; "" is this one (/proc/self/exe)
  /// A folder whose supervisor died keeps ports and counters so long, from the first look at it.
  std::chrono::steady_clock::duration forget_after = std::chrono::minutes(10);
};

/// Runs stacks as supervised processes of this machine: one supervisor a stack (`nelson supervise`, see supervisor.h), which outlives
/// the scheduler object and the process that holds it. kInvalid names the setting that cannot be met, and the way out.
Result<std::unique_ptr<Scheduler>> open_local_scheduler(LocalSchedulerOptions options);

}  // namespace nelson
