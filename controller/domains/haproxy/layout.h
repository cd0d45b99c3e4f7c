#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "state/model/observed.h"
#include "state/model/result.h"

namespace nelson::haproxy {

/// A route and where its ports are bound. What stands in the configuration is this without the percents.
struct Bound {
  Route route;
  std::vector<Endpoint> addresses;  // one for each of the route's ports, in their order

  bool operator==(const Bound&) const = default;
  static void visit(auto& self, auto&& field) {
    field("route", self.route);
    field("addresses", self.addresses);
  }
};

/// A worker that was replaced ends, whatever it carries, at the reload that is this many after; so that there are never many of them.
inline constexpr std::int32_t kMostReloads = 50;

using Table = std::map<TrafficKey, Bound>;

/// What the configuration needs to know besides the routes.
struct Global {
  Duration hard_stop{};  // how long a worker outlives the reload that replaced it
  std::string user;      // whom workers run as; "" is whoever starts them
  std::string group;
  unsigned threads = 1;
};

// HAProxy's names for our things. Each says whose it is, so that a reading of its statistics needs no table.

/// "service:dev~sandbox:checkout:1:default"
[[nodiscard]] std::string frontend_name(const TrafficKey& key, std::string_view port);
/// "stack:checkout--1-2-0--0000abcd:default"
[[nodiscard]] std::string backend_name(std::string_view stack, std::string_view port);
/// "maps/dev~sandbox:checkout:1.map", below our folder, in which HAProxy runs.
[[nodiscard]] std::string map_name(const TrafficKey& key);
/// Whose a backend is; "" when it is none of a stack.
[[nodiscard]] std::string stack_of_backend(std::string_view backend);

/// Whether the route can be written into a configuration: names made of what they may hold, percents that sum to 100, stacks and
/// servers sorted and not twice. kInvalid names what is wrong.
[[nodiscard]] Status check(const Route& route);

/// The configuration: equal arguments give equal bytes. Its second line is `description nelson <digest>`, the digest of all the rest.
struct Configuration {
  std::string text;
  std::string digest;  // 16 hexadecimal digits
};
[[nodiscard]] Configuration configuration(const Table& table, const Global& global);

/// The digest that a configuration's text or HAProxy's description ("nelson <digest>") carries; "" when there is none.
[[nodiscard]] std::string digest_in(std::string_view text);

/// The weights as a map, line by line: the hundred slots dealt to stacks ("0:24 a", "25:99 b"), then a line for each stack with a share
/// ("1000 a"), then whose it is ("2000 maps/..."). Requests count through the slots in an order that deals them evenly.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> weight_lines(const Route& route);
[[nodiscard]] std::string weight_text(const Route& route);

/// What a running HAProxy's map says: the name of the map, and the percent of each stack in it.
struct Weighed {
  std::string map;
  std::map<std::string, std::int32_t> percents;
};
/// The lines of such a text.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> map_lines(std::string_view text);
/// Reads lines of "key value"; what does not look like ours is left out.
[[nodiscard]] Weighed read_weights(const std::vector<std::pair<std::string, std::string>>& lines);

/// Gives the route's stacks the percents read, 0 where there is none.
void set_percents(Route& route, const Weighed& weighed);

/// Whether the two need the same configuration, whatever their percents.
[[nodiscard]] bool same_structure(const Route& a, const Route& b);

}  // namespace nelson::haproxy
