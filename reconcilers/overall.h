#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "reconcilers/cell_plan.h"

namespace nelson {

// What no cell can see by itself (semantics 8): small, pure, over the plans of the cells that have something to say.

/// Turns first launches that would close a circle of calls into holds. `all`: every cell, for who calls whom.
void break_cycles(std::vector<std::pair<CellKey, CellPlan>>& cells, const std::map<CellKey, CellPlan>& all);

/// Holds the removal of what a launch of the same plan is about to call: callers count from launch, and this one is not yet seen.
void spare_the_called(std::vector<std::pair<CellKey, CellPlan>>& cells);

/// What a domain would lose: of all its cells together.
struct Losses {
  std::set<std::string> stacks;  // CellPlan::losing
  std::size_t live = 0;
};

/// Holds every removal of what Git no longer names when too much of a domain would go at once (semantics 1, brake). `losses` by domain.
void apply_brake(std::vector<std::pair<CellKey, CellPlan>>& cells, const std::map<std::string, Losses>& losses,
                 const Desired& desired);

}  // namespace nelson
