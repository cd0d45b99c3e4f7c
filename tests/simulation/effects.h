#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "state/model/observed.h"

namespace nelson::simulation {

// What goes through the controller's hands, in words of the simulation's own: nothing here knows the planner or the executor.

/// The value under `key`, or null.
template <class Map>
const typename Map::mapped_type* at_or_null(const Map& map, const typename Map::key_type& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

/// Of namespaces.
inline bool above(const std::string& ancestor, const std::string& name) { return name.starts_with(ancestor + "/"); }

/// The service that a stack with ports stands behind.
inline TrafficKey service_of(const Identity& identity) {
  return {identity.domain, identity.name_space, identity.unit, identity.version.major};
}

/// The kinds of action, as the journal names them.
inline constexpr auto kActions =
    std::to_array<std::string_view>({"launch", "repair", "update", "scale", "note", "shift", "drop-traffic", "serve", "unserve",
                                     "publish", "unpublish", "remove", "bury", "claim"});
/// Its place in kActions, or their number.
[[nodiscard]] std::size_t action_index(std::string_view word);

enum class Part { kScheduler, kMemory, kDiscovery, kBalancer };
inline constexpr std::size_t kParts = 4;

struct Start {
  std::string stack;
  std::uint32_t incarnation = 0;
  std::int32_t count = 0;
  std::string document;
};
struct Stop {
  std::string stack;
  std::uint32_t incarnation = 0;
};
struct Drop {
  TrafficKey key;
};
struct Unroute {
  TrafficKey key;
};
struct Publication {
  std::string stack;
  std::string payload;
};
struct Unpublication {
  std::string stack;
};

/// One write to a domain.
using Write = std::variant<StackRecord, TrafficRecord, Claim, Drop, Start, Stop, Publication, Unpublication, Route, Unroute>;

/// Which kinds of action this write may be part of, by their words.
[[nodiscard]] const std::vector<std::string_view>& actions_with(const Write& write);
/// The stack it is about, else the unit of the service, else "".
[[nodiscard]] std::string subject_of(const Write& write);
[[nodiscard]] std::string describe(const Write& write);

/// An intended effect, as the journal has it.
struct Intent {
  std::uint64_t sequence = 0;
  std::string domain, unit, stack, effect;
  Duration at{};  // true time of the commit
};

/// The intents of the batch under way, and which of them a write belongs to.
class Intents {
 public:
  void commit(std::vector<Intent> batch);
  void settle(std::uint64_t sequence) { open_.erase(sequence); }
  /// The controller is gone: nothing of its batch is under way, what is open stays so.
  void end() { under_way_.clear(); }

  /// The intent that the next write of a domain carries out; null when none of those open fits.
  const Intent* carry_out(const std::string& domain, const Write& write);
  /// The same without going on to it.
  [[nodiscard]] const Intent* find(const std::string& domain, const Write& write) const;
  [[nodiscard]] const std::map<std::uint64_t, Intent>& open() const { return open_; }

 private:
  struct Batch {
    std::vector<Intent> intents;
    std::size_t next = 0;
  };
  [[nodiscard]] std::size_t place_of(const Batch& batch, const Write& write) const;

  std::map<std::string, Batch> under_way_;  // by domain
  std::map<std::uint64_t, Intent> open_;
};

/// Launched and not on its way out. Of ours only: others' stacks decide nothing.
[[nodiscard]] bool live(const StackRecord& record);
[[nodiscard]] bool is_job(const StackRecord& record);
[[nodiscard]] bool serves(const Identity& identity);
/// 0 when the record does not name it.
[[nodiscard]] int percent_of(const TrafficRecord& record, const std::string& stack);

}  // namespace nelson::simulation
