#include "controller/domains/local/process_sweep.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <vector>

#include "controller/base/files.h"
#include "controller/domains/local/supervisor_ports.h"

namespace nelson {
namespace {

constexpr std::string_view kDropped = ".dropped-";

bool is_remain(pid_t pid, const std::string& entry, const StackGroups& groups) {
  if (pid == ::getpid()) return false;
  const auto stat = stat_of(pid);
  return stat && stat->alive() && (groups.contains_as_instance(pid) || (!entry.empty() && environment_has(pid, entry)));
}

/// Nothing when the processes cannot be listed, among which is at least this one.
std::optional<std::vector<pid_t>> remains_of(const std::string& entry, const StackGroups& groups) {
  std::vector<pid_t> pids = all_processes();
  if (pids.empty()) return std::nullopt;
  std::erase_if(pids, [&](pid_t pid) { return !is_remain(pid, entry, groups); });
  return pids;
}

/// "" for what cannot be a mark of ours.
std::string mark_entry(const std::string& mark) { return mark.size() < 32 ? "" : "NELSON_MARK=" + mark; }

}  // namespace

std::size_t end_remains(const std::string& mark, const StackGroups& groups) {
  const std::string entry = mark_entry(mark);
  const auto pids = remains_of(entry, groups);
  if (!pids) return 1;
  for (const pid_t pid : *pids) signal_if(pid, SIGKILL, [&](pid_t each) { return is_remain(each, entry, groups); });
  return pids->size();
}

bool has_remains(const std::string& mark, const StackGroups& groups) {
  const auto pids = remains_of(mark_entry(mark), groups);
  return !pids || !pids->empty();
}

void remove_tree(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return;
  if (!S_ISDIR(info.st_mode)) {
    ::unlink(path.c_str());
    return;
  }
  ::chmod(path.c_str(), 0700);
  for (const std::string& name : names_if_any(path)) remove_tree(path + "/" + name);
  ::rmdir(path.c_str());
}

void remove_stack_folder(const LocalPaths& paths, const std::string& stack) {
  if (const auto state = read_state(paths.stack(stack)))
    for (const SupervisorState::Process& process : state->processes)
      for (const std::int32_t port : process.ports) release_port(paths, stack, process.index, static_cast<std::uint16_t>(port));
  const std::string dropped = paths.stacks() + "/" + std::string(kDropped) + stack + "-" + random_hex(4);
  if (std::rename(paths.stack(stack).c_str(), dropped.c_str()) == 0) remove_tree(dropped);
}

void remove_dropped_folders(const LocalPaths& paths) {
  for (const std::string& name : names_if_any(paths.stacks()))
    if (name.starts_with(kDropped)) remove_tree(paths.stacks() + "/" + name);
}

}  // namespace nelson
