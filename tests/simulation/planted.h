#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "tests/simulation/simulation.h"

namespace nelson::simulation {

/// A known bug of controllers, planted at a seam: production has no switch for it.
struct PlantedBug {
  std::string name;
  std::string what;                     // what it does
  std::vector<std::string> invariants;  // any of them must catch it
  MakeRig rig;
};
inline void PrintTo(const PlantedBug& bug, std::ostream* out) { *out << bug.name; }

[[nodiscard]] const std::vector<PlantedBug>& planted_bugs();

}  // namespace nelson::simulation
