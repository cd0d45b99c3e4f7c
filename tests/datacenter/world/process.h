#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace nelson::datacenter {

using Seconds = std::chrono::seconds;

/// Looks at `condition` until it holds or `limit` is over; returns whether it held.
bool wait_until(std::chrono::milliseconds limit, const std::function<bool()>& condition);

struct Ran {
  int status = -1;  // exit status; 128 + signal; -1: could not be started or was ended at its limit
  std::string out;
  std::string err;
};

/// Runs a program to its end, without standard input. `argv[0]` is looked up in PATH.
Ran run(const std::vector<std::string>& argv, const std::string& folder = "/", Seconds limit = Seconds(60));

/// A program that runs beside the test, in a session of its own; killed with this object. Its output goes to a file.
class Background {
 public:
  Background() = default;
  Background(const std::vector<std::string>& argv, const std::string& output);
  ~Background();
  Background(Background&& other) noexcept;
  Background& operator=(Background&& other) noexcept;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool running();
  /// Sends `signal`, if it still runs.
  void signal(int signal);
  /// Its exit status (128 + signal), or nothing when it still runs at the limit.
  std::optional<int> wait(std::chrono::milliseconds limit);
  /// SIGKILL, and waits for the end.
  void kill();

 private:
  pid_t pid_ = 0;  // 0: none, or ended
  std::optional<int> status_;
};

/// One life of a process number.
struct Process {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // clock ticks since boot
  std::string command;           // arguments joined by blanks

  bool operator==(const Process&) const = default;
};

/// What now runs under `pid`; nothing when it is gone or a zombie.
std::optional<Process> process_of(pid_t pid);

/// 0 when it is gone.
pid_t parent_of(pid_t pid);

/// Whether the very same process still runs.
bool alive(const Process& process);

/// Every process whose arguments or working folder name `folder`.
std::vector<Process> processes_touching(const std::string& folder);

/// Kills those, by their ids, until none is left.
void end_processes_touching(const std::string& folder);

struct Answer {
  int status = 0;  // 0: no answer
  std::string body;
  std::string broken;  // how the connection failed, if it did
};

/// GET http://127.0.0.1:port/path on a connection of its own.
Answer http_get(std::uint16_t port, const std::string& path, Seconds limit = Seconds(10));

/// A port that is not given again soon, outside the ranges that a local domain uses. Nobody listens on it at 127.0.0.1, at this moment. One
/// thread.
std::uint16_t free_port();

/// Ports for one world, which no other on this machine is given while this lives, in whatever process: who has them holds a socket of
/// that name. Nobody listens on the first two at 127.0.0.1. One thread.
class PortBlock {
 public:
  static constexpr int kSize = 101;

  PortBlock();
  ~PortBlock();
  PortBlock(const PortBlock&) = delete;
  PortBlock& operator=(const PortBlock&) = delete;

  /// 0 when all are taken.
  [[nodiscard]] std::uint16_t first() const { return first_; }

 private:
  int held_ = -1;
  std::uint16_t first_ = 0;
};

}  // namespace nelson::datacenter
