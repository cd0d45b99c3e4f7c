#pragma once

#include <set>
#include <string>

#include "gitsync/shape.h"

namespace nelson {

/// Adds to `out` the path of every key that `shape`, which stands at `at`, can read: "units[].ports".
inline void add_keys_of(const Shape& shape, const std::string& at, std::set<std::string>& out) {
  for (const Shape::Entry& entry : shape.entries) {
    const std::string here = at.empty() ? entry.key : at + "." + entry.key;
    out.insert(here);
    add_keys_of(entry.shape, here, out);
  }
  for (const Shape& part : shape.parts) add_keys_of(part, shape.kind == Shape::Kind::kList ? at + "[]" : at, out);
}

}  // namespace nelson
