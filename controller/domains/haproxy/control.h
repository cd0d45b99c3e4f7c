#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "controller/domains/haproxy/readings.h"
#include "state/model/result.h"
#include "state/model/time.h"

namespace nelson::haproxy {

/// The command line of a running HAProxy, by the socket of its master in `folder`. That socket is what makes it ours: only the process that
/// bound it can answer there. A path of any length will do. One thread at a time.
class Control {
 public:
  explicit Control(std::string folder) : folder_(std::move(folder)) {}

  /// Whether somebody listens.
  [[nodiscard]] bool listens() const;

  /// What the master answers; nothing when nobody listens. kUnavailable: it listens, but does not answer within 3 s.
  [[nodiscard]] Result<std::optional<std::string>> ask(std::string_view command) const;

  /// What a worker answers to one or more commands, each answer followed by an empty line.
  [[nodiscard]] Result<std::string> ask_worker(pid_t worker, const std::vector<std::string>& commands) const;

  /// The master's and the workers' ids; nothing when nobody listens.
  [[nodiscard]] Result<std::optional<Processes>> processes() const;

 private:
  std::string folder_;
};

}  // namespace nelson::haproxy
