#include "controller/domains/haproxy/kept.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "controller/base/durable.h"
#include "controller/base/files.h"
#include "controller/base/json.h"
#include "controller/base/log.h"

namespace nelson::haproxy {
namespace {

constexpr std::size_t kTableBytes = std::size_t{64} << 20;
constexpr std::size_t kMapBytes = 1 << 20;

}  // namespace

Status write_file(const std::string& path, std::string_view content) { return replace_file(path, content, 0600, false); }

InForce Kept::load(const std::string& digest) const {
  const auto text = digest.empty() ? Result<std::string>(invalid("")) : read_file(path_of(digest), kTableBytes);
  if (!text) return {};
  InForce loaded{{}, digest};
  try {
    for (Bound& bound : json::read<std::vector<Bound>>(json::parse(*text))) {
      const TrafficKey key = bound.route.key;
      loaded.table.emplace(key, std::move(bound));
    }
  } catch (const std::exception& error) {
    log_warning("the routes of a running HAProxy cannot be read; they are served anew",
                {{"path", path_of(digest)}, {"reason", error.what()}});
    return {};
  }
  // The percents beside the routes are as old as the last reload.
  for (auto& [key, bound] : loaded.table) read_weights_of(bound.route);
  return loaded;
}

void Kept::read_weights_of(Route& route) const {
  const auto text = read_file(folder_ + "/" + map_name(route.key), kMapBytes);
  if (text) set_percents(route, read_weights(map_lines(*text)));
}

Status Kept::save(const InForce& what) const {
  std::vector<Bound> bounds;
  for (const auto& [key, bound] : what.table) bounds.push_back(bound);
  return write_file(path_of(what.digest), json::to_json(bounds).dump(2) + "\n");
}

Status Kept::save_weights(const Route& route) const { return write_file(folder_ + "/" + map_name(route.key), weight_text(route)); }

void Kept::sweep(const std::string& digest, const Table& wanted) const {
  std::set<std::string> kept{folder_ + "/routes/" + digest + ".json"};
  for (const auto& [key, bound] : wanted) kept.insert(folder_ + "/" + map_name(key));
  for (const char* name : {"/routes", "/maps"}) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ + name, error))
      if (!kept.contains(entry.path().string())) std::filesystem::remove(entry.path(), error);
  }
}

}  // namespace nelson::haproxy
