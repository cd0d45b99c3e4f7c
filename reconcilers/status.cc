#include "reconcilers/status.h"

#include <algorithm>

namespace nelson {
namespace {

bool counts(const Instance& instance, bool checked, Duration ready_after, Instant now) {
  if (checked) return instance.state == InstanceState::kRunning && instance.health == Health::kPassing;
  return instance.state == InstanceState::kRunning && instance.since + ready_after <= now;
}

}  // namespace

bool healthy(const ObservedStack& stack, const DomainSettings& domain, Instant now) {
  if (!stack.record || !stack.running || stack.running->stopping) return false;
  const Spec& spec = stack.record->identity.spec;
  if (!spec.schedule.empty()) return true;  // a job is fit as soon as its schedule is in place
  const auto good = std::count_if(stack.running->instances.begin(), stack.running->instances.end(), [&](const Instance& instance) {
    return counts(instance, !spec.health_checks.empty(), domain.ready_after, now);
  });
  return 2 * good > std::max(stack.running->count, 1);
}

StackStatus status_of(const ObservedStack& stack, bool deprecated) {
  if (!stack.record) return StackStatus::kUnknown;
  const StackRecord& record = *stack.record;
  if (record.removed) return StackStatus::kTerminated;
  if (record.retiring) return StackStatus::kGarbage;
  if (record.job_result == JobResult::kFailed) return StackStatus::kFailed;
  if (record.ready) return deprecated ? StackStatus::kDeprecated : StackStatus::kReady;
  if (!stack.running) return StackStatus::kPending;
  const auto up = std::count_if(stack.running->instances.begin(), stack.running->instances.end(),
                                [](const Instance& instance) { return instance.state == InstanceState::kRunning; });
  return up < stack.running->count ? StackStatus::kDeploying : StackStatus::kWarming;
}

}  // namespace nelson
