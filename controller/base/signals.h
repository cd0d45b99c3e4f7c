#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "state/model/result.h"

namespace nelson {

/// Turns SIGTERM, SIGINT and SIGHUP into calls from a thread of its own. Through a pipe, not by blocking them: children must not
/// inherit a mask that makes them deaf. SIGPIPE does nothing in this process and its usual thing in its children. One at a time.
class Signals {
 public:
  /// `on_signal` gets the number. The second SIGTERM or SIGINT ends the process at once, with status 128 + number. kUnavailable: no
  /// descriptor is left.
  static Result<std::unique_ptr<Signals>> open(std::function<void(int)> on_signal);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  Signals(std::function<void(int)> on_signal, int read_end);

  std::function<void(int)> on_signal_;
  std::thread thread_;
};

}  // namespace nelson
