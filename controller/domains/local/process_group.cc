#include "controller/domains/local/process_group.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <sstream>

#include "controller/base/files.h"

namespace nelson {
namespace {

constexpr std::string_view kTop = "nelson";

struct OwnGroup {
  std::vector<std::string> controllers;  // empty for version 2
  std::string path;
};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

bool contains(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

/// "4:memory:/some/group" -> controllers and path.
std::optional<OwnGroup> read_own_group(const std::string& line) {
  const std::size_t first = line.find(':');
  const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
  if (second == std::string::npos) return std::nullopt;
  return OwnGroup{split(line.substr(first + 1, second - first - 1), ','), line.substr(second + 1)};
}

std::vector<OwnGroup> read_own_groups(std::string_view text) {
  std::vector<OwnGroup> groups;
  for (const std::string& line : split(std::string(text), '\n'))
    if (auto group = read_own_group(line)) groups.push_back(std::move(*group));
  return groups;
}

struct Mount {
  std::string point;
  bool unified = false;
  std::vector<std::string> options;
};

/// "35 34 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu" -> mount.
std::optional<Mount> read_mount(const std::string& line) {
  const std::size_t dash = line.find(" - ");
  if (dash == std::string::npos) return std::nullopt;
  const auto before = split(line.substr(0, dash), ' ');
  const auto after = split(line.substr(dash + 3), ' ');
  if (before.size() < 5 || after.size() < 3 || (after[0] != "cgroup" && after[0] != "cgroup2")) return std::nullopt;
  return Mount{before[4], after[0] == "cgroup2", split(after[2], ',')};
}

bool belongs(const OwnGroup& group, const Mount& mount) {
  if (mount.unified) return group.controllers.empty();
  return std::any_of(group.controllers.begin(), group.controllers.end(),
                     [&mount](const std::string& each) { return contains(mount.options, each); });
}

GroupHierarchy use_of(const Mount& mount, const OwnGroup& own) {
  GroupHierarchy hierarchy{.mount = mount.point, .unified = mount.unified};
  const bool at_top = own.path == "/";
  if (mount.unified) {
    const auto controllers = split(read_text(mount.point + "/cgroup.controllers", 4096).value_or(""), ' ');
    for (std::string each : controllers) {
      while (!each.empty() && std::isspace(static_cast<unsigned char>(each.back())) != 0) each.pop_back();
      hierarchy.cpu = hierarchy.cpu || each == "cpu";
      hierarchy.memory = hierarchy.memory || each == "memory";
    }
    hierarchy.escapes = !at_top;
    return hierarchy;
  }
  hierarchy.cpu = contains(mount.options, "cpu") && at_top;
  hierarchy.memory = contains(mount.options, "memory") && at_top;
  const bool limits = std::any_of(mount.options.begin(), mount.options.end(), [](const std::string& each) {
    return each == "cpu" || each == "cpuacct" || each == "memory" || each == "cpuset" || each == "blkio" || each == "devices" ||
           each == "hugetlb";
  });
  hierarchy.escapes = !limits && !at_top;
  return hierarchy;
}

bool write_file(const std::string& path, std::string_view text) {
  const Descriptor fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

std::string safe_name(std::string_view text) {
  std::string name;
  for (const char c : text.substr(0, 120))
    name += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' ? c : '_';
  return name.empty() ? "_" : name;
}

bool limit_processors(const GroupHierarchy& hierarchy, const std::string& group, std::int64_t millis) {
  // Quota in microseconds of processor time for each 100 ms.
  const std::string quota = std::to_string(std::max<std::int64_t>(millis * 100, 1000));
  if (hierarchy.unified) return write_file(group + "/cpu.max", quota + " 100000");
  return write_file(group + "/cpu.cfs_period_us", "100000") && write_file(group + "/cpu.cfs_quota_us", quota);
}

bool limit_memory(const GroupHierarchy& hierarchy, const std::string& group, std::int64_t kib) {
  const std::string bytes = std::to_string(kib * 1024);
  return write_file(group + (hierarchy.unified ? "/memory.max" : "/memory.limit_in_bytes"), bytes);
}

}  // namespace

std::vector<GroupHierarchy> group_hierarchies(std::string_view mountinfo, std::string_view own_groups) {
  const auto own = read_own_groups(own_groups);
  std::vector<GroupHierarchy> used;
  std::vector<std::size_t> trackers;  // better ones first
  for (const std::string& line : split(std::string(mountinfo), '\n')) {
    const auto mount = read_mount(line);
    if (!mount) continue;
    const auto group = std::find_if(own.begin(), own.end(), [&](const OwnGroup& each) { return belongs(each, *mount); });
    if (group == own.end()) continue;
    const bool known =
        std::any_of(used.begin(), used.end(), [&](const GroupHierarchy& each) { return each.mount == mount->point; });
    if (known) continue;
    used.push_back(use_of(*mount, *group));
    if (mount->unified) trackers.insert(trackers.begin(), used.size() - 1);
    if (!mount->unified && (contains(mount->options, "pids") || contains(mount->options, "freezer")))
      trackers.push_back(used.size() - 1);
  }
  if (!trackers.empty()) used[trackers.front()].tracks = true;
  return used;
}

std::vector<GroupHierarchy> group_hierarchies() {
  return group_hierarchies(read_text("/proc/self/mountinfo").value_or(""), read_text("/proc/self/cgroup").value_or(""));
}

StackGroups::StackGroups(std::vector<GroupHierarchy> hierarchies, std::string_view owner, std::string_view name)
    : hierarchies_(std::move(hierarchies)), owner_(safe_name(owner)), name_(safe_name(name)) {}

const GroupHierarchy* StackGroups::tracker() const {
  for (const GroupHierarchy& each : hierarchies_)
    if (each.tracks) return &each;
  return nullptr;
}

std::string StackGroups::path(const GroupHierarchy& hierarchy, const std::string& leaf) const {
  const std::string group = hierarchy.mount + "/" + std::string(kTop) + "/" + owner_ + "/" + name_;
  return leaf.empty() ? group : group + "/" + leaf;
}

std::vector<Descriptor> StackGroups::make(const std::string& leaf, const Limits& limits, std::string& missed) {
  std::vector<Descriptor> doors;
  bool cpu_done = limits.cpu_millis <= 0;
  bool memory_done = limits.memory_kib <= 0;
  for (const GroupHierarchy& each : hierarchies_) {
    const bool cpu = each.cpu && limits.cpu_millis > 0;
    const bool memory = each.memory && limits.memory_kib > 0;
    if (!each.tracks && !each.escapes && !cpu && !memory) continue;
    const std::string group = path(each, leaf);
    // Another stack's last act may be to remove the folders above ours while we make them.
    bool made = false;
    for (int attempt = 0; attempt < 5 && !made; ++attempt) made = make_folder(group, 0755).ok();
    if (!made) continue;
    if (each.unified && (cpu || memory)) {
      const std::string wanted = std::string(cpu ? "+cpu " : "") + (memory ? "+memory" : "");
      std::string above = each.mount;
      for (const std::string& step : {std::string(), "/" + std::string(kTop), "/" + owner_, "/" + name_})
        write_file((above += step) + "/cgroup.subtree_control", wanted);
    }
    if (cpu) cpu_done = limit_processors(each, group, limits.cpu_millis) || cpu_done;
    if (memory) memory_done = limit_memory(each, group, limits.memory_kib) || memory_done;
    Descriptor door(::open((group + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (door) doors.push_back(std::move(door));
  }
  if (!cpu_done || !memory_done) {
    missed = std::string("limits not enforced: no control group ") + (!cpu_done && !memory_done ? "" : "of its own ") +
             "can limit " +
             (cpu_done      ? "memory"
              : memory_done ? "processors"
                            : "processors and memory") +
             " here";
  }
  return doors;
}

bool StackGroups::tracks(const std::string& leaf) const {
  const GroupHierarchy* hierarchy = tracker();
  return hierarchy != nullptr && ::access((path(*hierarchy, leaf) + "/cgroup.procs").c_str(), R_OK) == 0;
}

std::vector<pid_t> StackGroups::members(const std::string& leaf) const {
  std::vector<pid_t> pids;
  const GroupHierarchy* hierarchy = tracker();
  if (hierarchy == nullptr) return pids;
  for (const std::string& line : split(read_text(path(*hierarchy, leaf) + "/cgroup.procs").value_or(""), '\n')) {
    pid_t pid = 0;
    std::from_chars(line.data(), line.data() + line.size(), pid);
    const auto stat = pid > 0 ? stat_of(pid) : std::nullopt;
    if (stat && stat->alive()) pids.push_back(pid);
  }
  return pids;
}

std::string StackGroups::group_of(pid_t pid) const {
  const GroupHierarchy* hierarchy = tracker();
  if (hierarchy == nullptr) return "";
  const std::string marker = "/" + std::string(kTop) + "/" + owner_ + "/" + name_ + "/";
  // The stack's group has one name in every hierarchy and no stranger's: any line that leads into it will do.
  for (const OwnGroup& group : read_own_groups(read_text("/proc/" + std::to_string(pid) + "/cgroup", 65536).value_or(""))) {
    const std::size_t at = group.path.find(marker);
    if (at != std::string::npos) return group.path.substr(at + marker.size());
  }
  return "";
}

bool StackGroups::contains(pid_t pid, const std::string& leaf) const {
  const std::string group = group_of(pid);
  return !group.empty() && (leaf.empty() || group == leaf);
}

bool StackGroups::contains_as_instance(pid_t pid) const {
  const std::string group = group_of(pid);
  return group.size() > 1 && group[0] == 'i' && std::isdigit(static_cast<unsigned char>(group[1])) != 0;
}

void StackGroups::remove(const std::string& leaf) {
  for (const GroupHierarchy& each : hierarchies_) ::rmdir(path(each, leaf).c_str());
}

void StackGroups::leave_and_remove() {
  for (const GroupHierarchy& each : hierarchies_) {
    const std::string group = path(each, "");
    if (::access(group.c_str(), F_OK) != 0) continue;
    if (contains(::getpid(), "")) write_file(each.mount + "/cgroup.procs", "0");
    for (const std::string& leaf : names_if_any(group)) ::rmdir((group + "/" + leaf).c_str());
    ::rmdir(group.c_str());
    // Also the owner's group and ours, when this was the last stack.
    ::rmdir((each.mount + "/" + std::string(kTop) + "/" + owner_).c_str());
    ::rmdir((each.mount + "/" + std::string(kTop)).c_str());
  }
}

}  // namespace nelson
