#pragma once

#include <set>
#include <string>
#include <vector>

#include "reconcilers/routing.h"
#include "state/model/desired.h"
#include "state/model/observed.h"

namespace nelson {

/// Who calls and who needs whom, kept up to date from one pass to the next, so that what changed says which cells it concerns (semantics
/// 8): the cell itself, the cells it calls, and those that call it or wait for it, as far as they can tell the difference. Copies share
/// what they have in common.
class Neighbours {
 public:
  /// Takes in the next inputs and returns the cells that make_cell may make otherwise than from the last ones, at the same time. All of
  /// them the first time. Costs what is different.
  std::set<CellKey> advance(const Desired& desired, const Observed& observed);

  /// calls_of() and calls_to_come() of all cells, of the last inputs.
  [[nodiscard]] const CallerIndex& callers() const { return callers_; }

 private:
  void take_calls(const CellKey& key, const Desired& desired, const Observed& observed, std::set<CellKey>& concerned);
  void take_needs(const CellKey& key, const Desired& desired, const Observed& observed);

  Desired desired_;  // without its problems
  Observed observed_;
  CallerIndex callers_;
  SharedMap<CellKey, std::vector<CellKey>> needed_by_;  // by cell needed; sorted
};

}  // namespace nelson
