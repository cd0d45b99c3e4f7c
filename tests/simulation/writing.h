#pragma once

#include <vector>

#include "state/model/shared_map.h"

namespace nelson::simulation {

/// Calls `change(key, value)` for each entry, which may write to the value: iterators of a SharedMap are for reading.
template <class Key, class T, class Change>
void each_for_writing(SharedMap<Key, T>& map, Change change) {
  std::vector<Key> keys;
  for (const auto& [key, value] : map) keys.push_back(key);
  for (const Key& key : keys) change(key, map[key]);
}

}  // namespace nelson::simulation
