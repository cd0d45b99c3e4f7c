#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "controller/domains/haproxy/layout.h"
#include "controller/domains/haproxy/readings.h"

namespace nelson::haproxy {

/// A server as its sessions are known by.
struct Place {
  std::string backend;
  std::string server;

  auto operator<=>(const Place&) const = default;
};

/// Servers that left their routes, and until when their sessions may last. Such sessions live in old workers only. One that comes back at its
/// address stays: what it carries is in a route again.
class Draining {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Draining(Duration limit) : limit_(limit) {}

  /// A configuration was replaced by another.
  void note(const Table& before, const Table& after, Clock::time_point now);
  /// A session was seen in an old worker; one whose server is in no route of `table` counts from now, when nobody knows since when.
  void note(const StatLine& line, const Table& table, Clock::time_point now);

  /// The servers whose time is over; asked for once.
  [[nodiscard]] std::set<Place> take_overdue(Clock::time_point now);

 private:
  Duration limit_;
  std::map<std::pair<Place, std::string>, Clock::time_point> ends_;  // by place and address; "" is one that is not known
};

/// How long to wait after a reload at the least, when an old worker has lived through `reloads` of them: HAProxy ends it at `kMostReloads`, and
/// its connections may last for the drain limit.
[[nodiscard]] Duration reload_pause(std::int32_t reloads, Duration drain_limit);

/// The commands that end an old worker's sessions on these servers. A worker that was replaced refuses to end them by server.
[[nodiscard]] std::vector<std::string> shutdown_commands(const std::vector<SessionLine>& sessions, const std::set<Place>& places);

}  // namespace nelson::haproxy
