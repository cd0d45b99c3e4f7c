#include "reconcilers/replanner.h"

#include <algorithm>
#include <iterator>

#include "reconcilers/cell.h"

namespace nelson {
namespace {

/// The order in which kinds of effects run, over all cells. What fails keeps the rest of its cell from being tried (of its stack, when it is
/// one that cannot be run), so facts, which hardly ever fail, come first, then what keeps alive and served what lives, and only then what is
/// new: a release whose launch takes long costs the one that serves nothing. Weights and routes move before anything is removed, so that no
/// request meets a stack that is going away; records are removed last.
int rank(const Effect& effect) {
  struct Ranked {
    int operator()(const Update&) const { return 0; }
    int operator()(const Note& note) const { return note.fact == Fact::kRetiring || note.fact == Fact::kRetiringIdle ? 10 : 1; }
    int operator()(const Repair&) const { return 2; }
    int operator()(const Scale&) const { return 3; }
    int operator()(const Shift&) const { return 4; }
    int operator()(const DropTraffic&) const { return 5; }
    int operator()(const Serve&) const { return 6; }
    int operator()(const Unserve&) const { return 7; }
    int operator()(const Publish&) const { return 8; }
    int operator()(const Launch&) const { return 9; }
    int operator()(const Remove&) const { return 11; }
    int operator()(const Unpublish&) const { return 12; }
    int operator()(const Bury&) const { return 13; }
  };
  return std::visit(Ranked{}, effect);
}

}  // namespace

const Plan& Replanner::plan(const Desired& desired, const Observed& observed, Instant now) {
  std::set<CellKey> due = neighbours_.advance(desired, observed);
  if (now < now_) {  // a plan holds from its instant on, not before
    for (const auto& [key, cell] : cells_) due.insert(due.end(), key);
  } else {
    for (auto wake = wakes_.begin(); wake != wakes_.end() && wake->first <= now; ++wake) due.insert(wake->second);
    for (const CellKey& key : speaking_)
      if (!cells_.at(key).actions.empty()) due.insert(key);
  }
  now_ = now;
  decided_ = due.size();
  const bool same_rules = acknowledged_ == desired.acknowledged && domains_ == desired.domains;
  if (due.empty() && same_rules) return plan_;
  for (const CellKey& key : due) {
    const bool there = desired.cells.contains(key) || observed.cells.contains(key);
    replace(key, there ? plan_cell(make_cell(key, desired, observed, neighbours_.callers(), now), now) : CellPlan{});
    if (!there) cells_.erase(key);
  }
  acknowledged_ = desired.acknowledged;
  domains_ = desired.domains;
  merge(desired);
  return plan_;
}

void Replanner::replace(const CellKey& key, CellPlan next) {
  CellPlan& cell = cells_[key];
  Losses& losses = losses_[key.domain];
  if (cell.wake_at) wakes_.erase({*cell.wake_at, key});
  for (const std::string& stack : cell.losing) losses.stacks.erase(stack);
  losses.live -= cell.live;
  cell = std::move(next);
  losses.live += cell.live;
  losses.stacks.insert(cell.losing.begin(), cell.losing.end());
  if (cell.wake_at) wakes_.emplace(*cell.wake_at, key);
  if (cell.actions.empty() && cell.held.empty())
    speaking_.erase(key);
  else
    speaking_.insert(key);
}

/// What no cell can see by itself, then all that they say in the order of cells and ranks.
void Replanner::merge(const Desired& desired) {
  std::vector<std::pair<CellKey, CellPlan>> speaking;
  for (const CellKey& key : speaking_) speaking.emplace_back(key, cells_.at(key));
  break_cycles(speaking, cells_);
  spare_the_called(speaking);
  apply_brake(speaking, losses_, desired);
  plan_ = {};
  for (auto& [key, cell] : speaking) {
    std::move(cell.actions.begin(), cell.actions.end(), std::back_inserter(plan_.actions));
    std::move(cell.held.begin(), cell.held.end(), std::back_inserter(plan_.held));
  }
  std::stable_sort(plan_.actions.begin(), plan_.actions.end(),
                   [](const Action& a, const Action& b) { return rank(a.effect) < rank(b.effect); });
  if (!wakes_.empty()) plan_.wake_at = wakes_.begin()->first;
}

}  // namespace nelson
