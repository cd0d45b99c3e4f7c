#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "reconcilers/cell_plan.h"
#include "reconcilers/neighbours.h"
#include "reconcilers/overall.h"

namespace nelson {

/// Plans one pass after another, each at the cost of what changed since the last: only cells that a change concerns, whose time has come,
/// or that have something to do are decided again. What it says never depends on what it was asked before (a law test holds it equal, byte
/// for byte, to a plan made from nothing).
class Replanner {
 public:
  /// What plan(desired, observed, now) returns; stays until the next call.
  const Plan& plan(const Desired& desired, const Observed& observed, Instant now);

  /// Cells decided anew in the last call.
  [[nodiscard]] std::size_t decided() const { return decided_; }

 private:
  void replace(const CellKey& key, CellPlan next);
  void merge(const Desired& desired);

  Neighbours neighbours_;
  Instant now_{};  // of the last call
  std::map<CellKey, CellPlan> cells_;
  std::set<std::pair<Instant, CellKey>> wakes_;  // of cells that have one
  std::set<CellKey> speaking_;                   // cells with actions or holds
  std::map<std::string, Losses> losses_;         // by domain
  std::vector<std::string> acknowledged_;
  std::map<std::string, DomainSettings> domains_;
  Plan plan_;
  std::size_t decided_ = 0;
};

}  // namespace nelson
