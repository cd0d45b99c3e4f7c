#include "controller/domains/haproxy/readings.h"

#include <algorithm>
#include <charconv>

namespace nelson::haproxy {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

/// Words between blanks.
std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> found;
  for (const std::string_view word : split(line, ' '))
    if (!word.empty()) found.push_back(word);
  return found;
}

std::int32_t number(std::string_view text) {
  std::int32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

Processes read_processes(std::string_view text) {
  Processes found;
  bool old = false;
  for (const std::string_view line : split(text, '\n')) {
    if (line.starts_with("# old workers")) old = true;
    const auto parts = words(line);
    if (parts.size() < 2 || line.starts_with('#')) continue;
    const pid_t pid = number(parts[0]);
    if (pid <= 0) continue;
    if (parts[1] == "master")
      found.master = pid;
    else if (parts[1] == "worker" && !old)
      found.worker = pid;
    if (parts[1] != "worker" || !old) continue;
    found.old_workers.push_back(pid);
    if (parts.size() > 2) found.most_reloads = std::max(found.most_reloads, number(parts[2]));
  }
  return found;
}

std::int32_t reloads(std::string_view text) {
  for (const std::string_view line : split(text, '\n'))
    if (const auto parts = words(line); parts.size() > 2 && parts[1] == "master") return number(parts[2]);
  return 0;
}

std::vector<StatLine> read_stat(std::string_view text) {
  constexpr std::size_t kSessions = 4, kStatus = 17, kWeight = 18;
  std::vector<StatLine> lines;
  for (const std::string_view line : split(text, '\n')) {
    if (line.empty() || line.starts_with('#')) continue;
    const auto fields = split(line, ',');
    if (fields.size() <= kWeight) continue;
    lines.push_back({std::string(fields[0]), std::string(fields[1]), std::string(fields[kStatus]), number(fields[kSessions]),
                     number(fields[kWeight])});
  }
  return lines;
}

std::vector<SessionLine> read_sessions(std::string_view text) {
  std::vector<SessionLine> sessions;
  for (const std::string_view line : split(text, '\n')) {
    if (!line.starts_with("0x")) continue;
    SessionLine session{std::string(line.substr(0, line.find(':'))), "", ""};
    for (const std::string_view word : words(line)) {
      if (word.starts_with("be=")) session.backend = word.substr(3);
      if (word.starts_with("srv=")) session.server = word.substr(4);
    }
    sessions.push_back(std::move(session));
  }
  return sessions;
}

std::vector<MapLines> read_maps(std::string_view text) {
  std::vector<MapLines> maps(1);
  for (const std::string_view line : split(text, '\n')) {
    const auto parts = words(line);
    if (parts.size() == 3 && parts[0].starts_with("0x"))
      maps.back().emplace_back(parts[1], parts[2]);
    else if (!maps.back().empty())
      maps.emplace_back();
  }
  return maps;
}

std::string field_of(std::string_view text, std::string_view name) {
  for (const std::string_view line : split(text, '\n'))
    if (line.size() > name.size() + 1 && line.starts_with(name) && line[name.size()] == ':')
      return std::string(line.substr(std::min(line.size(), name.size() + 2)));
  return "";
}

std::string sick_servers(std::string_view text) {
  constexpr std::size_t kName = 1, kState = 5, kAdmin = 6;
  std::string out;
  for (const std::string_view line : split(text, '\n')) {
    if (line == "1" || line.starts_with("# be_id")) out += std::string(line) + "\n";
    const auto parts = words(line);
    if (parts.size() <= kAdmin || line.starts_with('#')) continue;
    // Administrative states are hand changes; a reload is how those are undone.
    if (parts[kName].starts_with("check:") && parts[kState] == "0" && parts[kAdmin] == "0") out += std::string(line) + "\n";
  }
  return out;
}

}  // namespace nelson::haproxy
