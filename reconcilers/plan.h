#pragma once

#include <map>
#include <string>
#include <vector>

#include "state/model/plan.h"

namespace nelson {

/// Returns the actions that bring `observed` to `desired`, in the order they must run, and what is held.
///
/// Pure: reads no clock, file or network, and equal arguments give equal plans. No actions means converged. `wake_at` is the
/// first instant at which time alone could change the answer.
[[nodiscard]] Plan plan(const Desired& desired, const Observed& observed, Instant now);

/// SHA-256, in hexadecimal, of a plan's canonical encoding.
[[nodiscard]] std::string digest_of(const Plan& plan);

}  // namespace nelson
