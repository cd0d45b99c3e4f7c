#pragma once

#include <string>
#include <utility>

#include "reconcilers/cell_plan.h"

namespace nelson {

/// Why what stands in place of what Git wants stays, and what clears that: all that makes a repository's intent old looks the same here.
[[nodiscard]] std::pair<std::string, std::string> not_known_whole(const std::string& repository);

/// Launches what Git wants and is not there, or says what stands in the way.
void plan_deployments(const Cell& cell, Instant now, CellPlan& out);

/// Upkeep of one live stack: drift repair, what lies outside the digest applied in place, readiness and results of jobs.
/// `kept`: whether a rule keeps it; one that no rule keeps is not started again.
void plan_upkeep(const Cell& cell, const Case& c, bool kept, Instant now, CellPlan& out);

}  // namespace nelson
