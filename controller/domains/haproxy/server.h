#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "controller/domains/haproxy/control.h"
#include "controller/domains/haproxy/layout.h"

namespace nelson::haproxy {

/// The HAProxy in one folder: its configuration, its processes. One thread at a time.
class Server {
 public:
  Server(std::string folder, std::string program, std::function<std::vector<int>()> doors);

  /// What runs now.
  struct Live {
    Processes processes;
    std::string digest;  // of the configuration that the worker has; "" when it is none of ours, or no worker takes connections
  };
  /// Nothing when none runs.
  [[nodiscard]] Result<std::optional<Live>> look() const;

  /// Brings the configuration into force: checks it, puts it in place, starts HAProxy or reloads it, and waits until a worker has it. On an
  /// error the earlier configuration is in place, and in force if it was; the message holds HAProxy's own words.
  Status apply(const Configuration& configuration);

  /// An HAProxy of this folder that cannot be reached any more (its socket was removed) is told to finish its connections; returns when it is
  /// gone or `released()`, that is when it no longer listens. Only when look() finds none.
  void end_lost(const std::function<bool()>& released) const;

  /// Ends it at once.
  Status kill();

  /// The digest of the configuration in place; "" when there is none.
  [[nodiscard]] std::string digest_in_place() const;
  /// Keeps for the next worker which instances are sick now, so that it does not try them on somebody's request.
  void remember_health(pid_t worker) const;

  /// Keeps the log from growing; to be called now and then.
  void bound_log() const;

  [[nodiscard]] const Control& control() const { return control_; }

 private:
  [[nodiscard]] std::string path(const char* name) const { return folder_ + "/" + name; }
  [[nodiscard]] std::vector<std::string> command() const;
  Status validate(const Configuration& configuration) const;
  Status start(const std::string& digest);
  Status reload(const std::string& digest, pid_t replaced);
  Status wait_until_in_force(const std::string& digest, pid_t replaced, std::size_t log_from) const;
  std::size_t begin_log() const;
  [[nodiscard]] std::string failure_since(std::size_t log_from) const;

  std::string folder_;
  std::string program_;
  std::function<std::vector<int>()> doors_;
  Control control_;
};

}  // namespace nelson::haproxy
