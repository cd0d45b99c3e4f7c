#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/model/desired.h"
#include "state/model/observed.h"

namespace nelson {

// The routing graph of one domain (spec/runtime 4.1 to 4.4). A node is a live stack; an edge leads from a caller to each stack
// that its dependency resolves to now. What a service resolves to is said by its traffic record alone.

/// The value under `key`, or null.
template <class Map>
const typename Map::mapped_type* find_in(const Map& map, const typename Map::key_type& key) {
  const auto at = map.find(key);
  return at == map.end() ? nullptr : &at->second;
}

/// The cell's stack of that name, or null.
[[nodiscard]] const ObservedStack* find_stack(const ObservedCell& cell, const std::string& name);

/// A stack that stands behind a service now, with its share. Both sides of a course in progress are targets, also at weight 0.
struct Target {
  std::string name_space;
  std::uint32_t major = 0;
  std::string stack;
  std::int32_t percent = 0;
  const StackRecord* record = nullptr;  // never null; lives as long as the Observed it came from
  bool leads = false;                   // the course leads to it: what a new caller is checked against

  /// Whether callers can tell the two apart.
  bool operator==(const Target& other) const;
};

/// Of one unit, by (namespace, major, stack).
[[nodiscard]] std::vector<Target> targets_of(const ObservedCell& cell);

/// A live stack's declared dependency on a unit; or that of a version that will call it once it is launched.
struct Caller {
  std::string stack;  // of one that waits: "unit 1.2.0"
  std::string name_space;
  FeatureVersion version;
  bool waits = false;

  auto operator<=>(const Caller&) const = default;
};

/// A caller and the cell it calls.
struct Call {
  CellKey to;
  Caller from;

  bool operator==(const Call&) const = default;
};

/// What the live stacks of a cell call, in the order of stacks and their dependencies.
[[nodiscard]] std::vector<Call> calls_of(const CellKey& key, const ObservedCell& cell);

/// What is wanted and was never there in its version will call: its first launch waits for that (semantics 2). By (stack, version). Patches
/// are left out.
[[nodiscard]] std::vector<Call> calls_to_come(const CellKey& key, const DesiredCell& intent, const ObservedCell* seen);

/// Who calls, by (domain, unit called); callers by (stack, version).
using CallerIndex = SharedMap<CellKey, std::vector<Caller>>;

/// The namespace in which a caller's dependency is found: its own, else its parent, grandparent, ...; the first in which the unit has a
/// target of that major. Nothing when none has.
[[nodiscard]] std::optional<std::string> resolve(const std::vector<Target>& targets, std::string_view name_space,
                                                 std::uint32_t major);

/// The targets a caller sees: those in the namespace it resolves to, and those in every namespace below its own.
[[nodiscard]] std::vector<Target> visible(const std::vector<Target>& targets, std::string_view name_space, std::uint32_t major);

/// Whether the stack was launched and neither is being removed nor has been.
[[nodiscard]] bool is_live(const ObservedStack& stack);

}  // namespace nelson
