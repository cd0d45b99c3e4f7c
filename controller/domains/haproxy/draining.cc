#include "controller/domains/haproxy/draining.h"

namespace nelson::haproxy {
namespace {

/// Where sessions can be, and at which address: an index that moved to another address is another server.
std::set<std::pair<Place, std::string>> places_of(const Table& table) {
  std::set<std::pair<Place, std::string>> places;
  for (const auto& [key, bound] : table)
    for (const Backend& backend : bound.route.backends)
      for (const Backend::Server& server : backend.servers)
        for (const Endpoint& endpoint : server.endpoints)
          places.emplace(Place{backend_name(backend.stack, endpoint.port), std::to_string(server.index)},
                         endpoint.host + ":" + std::to_string(endpoint.number));
  return places;
}

bool has_place(const Table& table, const Place& place) {
  const std::string stack = stack_of_backend(place.backend);
  for (const auto& [key, bound] : table)
    for (const Backend& backend : bound.route.backends)
      if (backend.stack == stack)
        for (const Backend::Server& server : backend.servers)
          if (std::to_string(server.index) == place.server) return true;
  return false;
}

}  // namespace

void Draining::note(const Table& before, const Table& after, Clock::time_point now) {
  const auto there = places_of(after);
  for (const auto& [place, address] : there) {
    ends_.erase({place, address});
    ends_.erase({place, ""});
  }
  for (const auto& place : places_of(before))
    if (!there.contains(place)) ends_.try_emplace(place, now + limit_);
}

void Draining::note(const StatLine& line, const Table& table, Clock::time_point now) {
  const Place place{line.proxy, line.server};
  const auto known = ends_.lower_bound({place, ""});
  if (known != ends_.end() && known->first.first == place) return;
  if (!has_place(table, place)) ends_.emplace(std::pair(place, ""), now + limit_);
}

std::set<Place> Draining::take_overdue(Clock::time_point now) {
  std::set<Place> overdue;
  std::erase_if(ends_, [&](const auto& item) {
    if (item.second > now) return false;
    overdue.insert(item.first.first);
    return true;
  });
  return overdue;
}

Duration reload_pause(std::int32_t reloads, Duration drain_limit) {
  constexpr std::int32_t kQuick = 10;
  return reloads < kQuick ? Duration{} : drain_limit / (kMostReloads - kQuick);
}

std::vector<std::string> shutdown_commands(const std::vector<SessionLine>& sessions, const std::set<Place>& places) {
  std::vector<std::string> commands;
  for (const SessionLine& session : sessions)
    if (places.contains({session.backend, session.server})) commands.push_back("shutdown session " + session.id);
  return commands;
}

}  // namespace nelson::haproxy
