#pragma once

#include <string>
#include <vector>

#include "tests/simulation/scenario.h"

namespace nelson::simulation {

/// A short story without faults, which tests then disturb at every place.
struct Workload {
  std::string name;
  Scenario scenario;
};

/// Stories that together make the planner use every kind of action.
[[nodiscard]] const std::vector<Workload>& workloads();

}  // namespace nelson::simulation
