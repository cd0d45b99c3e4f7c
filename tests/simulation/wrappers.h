#pragma once

#include <memory>

#include "controller/domains/domain.h"
#include "state/store.h"

namespace nelson::simulation {

// Stores and domains with a bug each; planted.cc says which.

[[nodiscard]] std::unique_ptr<Store> intends_nothing(std::unique_ptr<Store> store);
[[nodiscard]] std::unique_ptr<Store> forgets_outcomes(std::unique_ptr<Store> store);
[[nodiscard]] std::unique_ptr<Store> sees_no_open_intents(std::unique_ptr<Store> store);

[[nodiscard]] Domain stopping_is_gone(Domain domain);
[[nodiscard]] Domain failure_is_empty(Domain domain);
[[nodiscard]] Domain starts_before_recording(Domain domain);
[[nodiscard]] Domain gives_up(Domain domain);
[[nodiscard]] Domain sees_everybodys(Domain domain);

}  // namespace nelson::simulation
