#pragma once

#include "reconcilers/cell_plan.h"

namespace nelson {

/// Launches what Git wants and is not there, repairs what a rule keeps and does not run, applies in place what lies outside the digest,
/// and notes readiness and the results of jobs. `kept(c)` says whether a rule keeps a case.
void plan_deployments(const Cell& cell, Instant now, CellPlan& out);

/// Drift repair and notes for one live stack. `kept`: whether a rule keeps it; one that no rule keeps is not started again.
void plan_upkeep(const Cell& cell, const Case& c, bool kept, Instant now, CellPlan& out);

}  // namespace nelson
