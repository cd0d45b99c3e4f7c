#pragma once

#include <nlohmann/json.hpp>

#include "controller/base/json.h"
#include "tests/fuzz/target.h"

namespace nelson::fuzz {

/// Throws Violation when a number of `given` stands for another one in `taken`, wherever both say something.
inline void check_numbers(const json::Json& given, const json::Json& taken) {
  if (taken.is_number() && given != taken) violated("the number " + given.dump() + " is taken for " + taken.dump());
  if (given.is_object() && taken.is_object()) {
    for (const auto& item : taken.items())
      if (const auto found = given.find(item.key()); found != given.end()) check_numbers(*found, item.value());
  }
  if (given.is_array() && taken.is_array())
    for (std::size_t i = 0; i < given.size() && i < taken.size(); ++i) check_numbers(given[i], taken[i]);
}

}  // namespace nelson::fuzz
