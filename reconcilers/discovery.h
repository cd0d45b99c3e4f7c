#pragma once

#include <string>

#include "reconcilers/cell_plan.h"

namespace nelson {

/// The Lighthouse document of a stack (spec/runtime 3.2, protocol v1): where what it depends on is, and with what weights. JSON text with
/// namespaces and (service, port) in ascending order.
[[nodiscard]] std::string lighthouse_payload(const Cell& cell, const Case& c);

/// Publishes what changed for each live stack.
void plan_discovery(const Cell& cell, CellPlan& out);

}  // namespace nelson
