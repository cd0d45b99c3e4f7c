#pragma once

#include <vector>

namespace nelson {

/// The values of a view's map, in order.
template <class Map>
std::vector<typename Map::mapped_type> values_in(const Map& map) {
  std::vector<typename Map::mapped_type> values;
  for (const auto& [key, value] : map) values.push_back(value);
  return values;
}

}  // namespace nelson
