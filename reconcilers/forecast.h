#pragma once

#include <string>
#include <vector>

#include "state/model/plan.h"

namespace nelson {

/// What follows a plan, if every instance comes up healthy and nobody pushes: found by applying the plan to a copy of the world,
/// moving the clock to `wake_at`, and planning again, until nothing changes.
struct ForecastStep {
  Duration after{};  // since now
  Action action;
};

/// At most `limit` steps. `settled`, when given, tells whether the world came to rest within them.
[[nodiscard]] std::vector<ForecastStep> forecast(const Desired& desired, const Observed& observed, Instant now, std::size_t limit,
                                                 bool* settled = nullptr);

/// The world after `plan` has been carried out at `now` and everything launched has come up healthy. Used by forecasts and by law
/// tests; the only simulation of a domain that is itself pure.
[[nodiscard]] Observed apply(const Plan& plan, const Observed& observed, Instant now);

}  // namespace nelson
