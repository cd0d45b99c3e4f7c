#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "state/model/result.h"
#include "state/model/time.h"

namespace nelson::haproxy {

/// Whether `port` of `host` (an IPv4 address) is listened on by nobody.
[[nodiscard]] bool is_free_port(const std::string& host, std::uint16_t port);

/// What a program printed on both its outputs, and how it ended.
struct Finished {
  int status = -1;  // exit status, or -1
  std::string output;
};
/// Runs a program to its end, at most `limit`, then kills it. At most 64 KiB of output are kept.
Result<Finished> run(const std::vector<std::string>& command, Duration limit);

/// Starts a program so that nothing of this process is left on it: own session, no parent but init, no environment but PATH, no descriptor
/// but /dev/null as 0 and the end of the file `log` as 1 and 2. It enters the control groups whose open `cgroup.procs` are `doors`.
/// Returns once the process is that program, or has ended without; after 5 s in any case.
Status start_detached(const std::vector<std::string>& command, const std::string& log, const std::vector<int>& doors);

/// Processes of this user (for root: of anybody, since its workers are another's) whose command line has `program`'s name first and the word
/// `argument` in it. Each is looked at when it is pinned, so that no number passes to a stranger before a signal.
class Relatives {
 public:
  Relatives(std::string program, std::string argument) : program_(std::move(program)), argument_(std::move(argument)) {}

  /// Sends `signal` to all of them; how many there were.
  std::size_t signal(int signal) const;
  /// How many there are.
  [[nodiscard]] std::size_t count() const { return signal(0); }
  /// Whether none is left within `limit`.
  [[nodiscard]] bool gone_within(Duration limit) const;

 private:
  std::string program_;
  std::string argument_;
};

}  // namespace nelson::haproxy
