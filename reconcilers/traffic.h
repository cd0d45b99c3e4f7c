#pragma once

#include <optional>
#include <vector>

#include "reconcilers/cell_plan.h"

namespace nelson {

/// How often a course of this duration steps: a hundredth of it, at least a second, at most the whole.
[[nodiscard]] Duration step_interval(const TrafficShift& shift);

/// Steps that a course needs from the first to the last percent.
[[nodiscard]] std::uint32_t step_count(const TrafficShift& shift);

/// A stack of the release that a course leads to, and its part of the release's share.
struct Part {
  std::string stack;
  std::string plan;
  std::int32_t instances = 1;
};

/// The weights after `steps` steps of the course: the target's share grows from its share in `origin` at 100 percent per duration (linear),
/// or all at once when the time is up (atomic); the others share the rest as they did in `origin`. Whole percents that sum to 100.
[[nodiscard]] std::vector<Weight> weights_at(const std::vector<Weight>& origin, const std::vector<Part>& target,
                                             const TrafficShift& shift, std::uint32_t steps);

/// `total` percent over parts by weight, in whole percents: remainders go to the largest fractions, ties by order.
[[nodiscard]] std::vector<std::int32_t> apportion(std::int32_t total, const std::vector<std::int64_t>& parts);

/// The first wanted stack (by name) in the namespace of `of` that is not ready or, with the others of its major, has not taken all traffic;
/// null when all have. A patch counts within its own major only.
[[nodiscard]] const Case* unsettled(const Cell& cell, const Case& of);

/// One service of a cell after this pass: its record, as it is or as this pass writes it; nothing when record and route stay untouched.
struct Service {
  TrafficKey key;
  std::optional<TrafficRecord> record;
};

/// Decides the courses of the cell's services; returns what is in force after this pass, for routes.
std::vector<Service> plan_traffic(const Cell& cell, Instant now, CellPlan& out);

/// Decides what the balancer serves.
void plan_routes(const Cell& cell, const std::vector<Service>& services, CellPlan& out);

}  // namespace nelson
