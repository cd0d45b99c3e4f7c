#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/descriptor.h"
#include "state/model/result.h"

namespace nelson {

/// What /proc/<pid>/stat says of a process.
struct ProcessStat {
  pid_t pid = 0;
  char state = '?';  // 'Z' and 'X' are dead
  pid_t parent = 0;
  pid_t session = 0;
  std::uint64_t start_time = 0;  // clock ticks since boot: with `pid` it names one process of this boot

  [[nodiscard]] bool alive() const { return state != 'Z' && state != 'X'; }
};

/// Nothing when there is no such process (any more).
[[nodiscard]] std::optional<ProcessStat> stat_of(pid_t pid);

/// The processes of this machine, by number.
[[nodiscard]] std::vector<pid_t> all_processes();

/// Whether the environment that `pid` was started with holds `entry` ("NAME=value") whole. False when it cannot be read.
[[nodiscard]] bool environment_has(pid_t pid, std::string_view entry);

/// Sends `signal` to the process `pid` if `is_ours(pid)` holds. The process is pinned before it is looked at, so that its number cannot pass
/// to a stranger between the look and the signal. Returns whether the signal was sent.
bool signal_if(pid_t pid, int signal, const std::function<bool(pid_t)>& is_ours);

/// The text of a small file of /proc, /sys or ours; nothing when it cannot be read; errno tells why. At most `limit` bytes.
[[nodiscard]] std::optional<std::string> read_text(const std::string& path, std::size_t limit = 16 << 20);

/// Makes `path` and what is missing above it, each with `mode` whatever the umask.
Status make_folder(const std::string& path, mode_t mode);

/// "No such file or directory" for ENOENT, safe in any thread.
[[nodiscard]] std::string error_text(int number);

/// `bytes` random bytes, in hexadecimal.
[[nodiscard]] std::string random_hex(std::size_t bytes);

}  // namespace nelson
