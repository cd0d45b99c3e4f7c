#pragma once

#include <vector>

#include "reconcilers/cell_plan.h"

namespace nelson {

// What no cell can see by itself (semantics 8): small, pure, over the plans of all cells.

/// Turns first launches that would close a circle of calls into holds.
void break_cycles(std::vector<std::pair<CellKey, CellPlan>>& cells);

/// Holds every removal of what Git no longer names when too much of a domain would go at once (semantics 1, brake).
void apply_brake(std::vector<std::pair<CellKey, CellPlan>>& cells, const Desired& desired);

}  // namespace nelson
