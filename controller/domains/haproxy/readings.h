#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nelson::haproxy {

// What HAProxy's command line answers, as values. Nothing here throws: what cannot be read is left out.

/// The processes of one HAProxy.
struct Processes {
  pid_t master = 0;
  pid_t worker = 0;                // the one that takes new connections; 0 when there is none
  std::vector<pid_t> old_workers;  // still carry connections from before a reload
  std::int32_t most_reloads = 0;   // that one of those has lived through
};

/// Reads `show proc`.
[[nodiscard]] Processes read_processes(std::string_view text);

/// How often the master was reloaded, as `show proc` tells.
[[nodiscard]] std::int32_t reloads(std::string_view text);

/// A line of `show stat`.
struct StatLine {
  std::string proxy;
  std::string server;  // or "FRONTEND", "BACKEND"
  std::string status;  // "OPEN", "UP", "DOWN", "MAINT", "no check", ...
  std::int32_t sessions = 0;
  std::int32_t weight = 0;
};

/// Reads `show stat`.
[[nodiscard]] std::vector<StatLine> read_stat(std::string_view text);

/// A connection as `show sess` lists it.
struct SessionLine {
  std::string id;
  std::string backend;
  std::string server;
};
[[nodiscard]] std::vector<SessionLine> read_sessions(std::string_view text);

/// Reads one or more answers to `show map`: each block of lines, without their addresses.
using MapLines = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] std::vector<MapLines> read_maps(std::string_view text);

/// The value of a "Name: value" line; "" when there is none.
[[nodiscard]] std::string field_of(std::string_view text, std::string_view name);

/// Of `show servers state`, what a worker to come should know: the instances that failed their checks, in the same format.
[[nodiscard]] std::string sick_servers(std::string_view text);

}  // namespace nelson::haproxy
