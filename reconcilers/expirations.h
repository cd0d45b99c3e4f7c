#pragma once

#include <optional>
#include <string>

#include "reconcilers/cell_plan.h"

namespace nelson {

/// Whether a rule keeps a stack, and which.
struct Verdict {
  bool kept = false;
  std::string reason;
};

/// The first rule that applies decides; the order is the policy (semantics 1, spec/runtime 9.3). Only for live stacks.
[[nodiscard]] Verdict verdict_on(const Cell& cell, const Case& c);

/// Why a policy or a caller, and not only Git's wish, keeps a stack of that major: then its patches are wanted (semantics 2). Nothing when
/// neither does.
[[nodiscard]] std::optional<std::string> need_of_major(const Cell& cell, const std::string& name_space, std::uint32_t major);

/// When a live stack that no rule keeps goes: max(launched + initial, kept_no_longer_since + extended). Nothing while that is not stamped yet.
[[nodiscard]] std::optional<Instant> expires_at(const Cell& cell, const Case& c);

/// Stamps and clears what rules say, begins removals that are due, finishes those that have begun.
void plan_expirations(const Cell& cell, Instant now, CellPlan& out);

}  // namespace nelson
