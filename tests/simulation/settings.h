#pragma once

#include <cstdint>
#include <cstdlib>

#include "controller/base/log.h"

namespace nelson::simulation {

/// A number from the environment, which makes the short form of a run a long one.
inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* value = std::getenv(variable);
  return value == nullptr || *value == '\0' ? otherwise : std::strtoull(value, nullptr, 10);
}

/// The controller says nothing while it is simulated.
inline void silence() {
  LogOptions quiet;
  quiet.level = LogLevel::kError;
  static_cast<void>(open_log(quiet).ok());
}

}  // namespace nelson::simulation
