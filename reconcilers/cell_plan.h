#pragma once

#include <string>
#include <utility>
#include <vector>

#include "reconcilers/cell.h"

namespace nelson {

/// What was decided about one cell, and what the stages over all cells need to know of it.
struct CellPlan {
  std::vector<Action> actions;
  std::vector<Hold> held;
  std::optional<Instant> wake_at;

  // For the brake: stacks of the cell that Git no longer names and that have no live successor, due or not.
  std::vector<std::string> losing;
  std::size_t live = 0;
  // For cycles: units called by what is live or wanted, sorted.
  std::vector<std::string> calls;
  std::vector<std::string> first_launches;  // stacks launched here for the first time of their version

  void act(const Cell& cell, const Identity& identity, Effect effect, std::string reason) {
    actions.push_back({cell.key, identity.name_space, identity.repository, std::move(effect), std::move(reason)});
  }
  void hold(const Cell& cell, const Identity& identity, std::string subject, std::string code, std::string reason,
            std::string clears_when, bool trouble) {
    held.push_back({cell.key, identity.name_space, identity.repository, std::move(subject), std::move(code), std::move(reason),
                    std::move(clears_when), trouble});
  }
  /// Time alone changes the answer at `at`.
  void wake(Instant at) {
    if (!wake_at || at < *wake_at) wake_at = at;
  }
};

/// Decides on one cell. The same for every `now` until `wake_at`, unless it has actions.
[[nodiscard]] CellPlan plan_cell(const Cell& cell, Instant now);

}  // namespace nelson
