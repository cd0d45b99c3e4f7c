#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "gitsync/gitsync.h"

namespace nelson {

/// Gitsync in a thread of its own, so that a Git host that does not answer keeps nothing waiting: what it last said stays in force.
class GitSource {
 public:
  /// `changed` is called from that thread after each sync that brought something new.
  GitSource(std::unique_ptr<Gitsync> gitsync, std::function<void()> changed);
  /// Waits for the sync under way.
  ~GitSource();
  GitSource(const GitSource&) = delete;
  GitSource& operator=(const GitSource&) = delete;

  struct Latest {
    std::shared_ptr<const Desired> desired;  // null while the control repository was never readable
    std::optional<Error> error;              // of the last sync
    std::uint64_t syncs = 0;                 // ended so far
    std::optional<std::chrono::steady_clock::time_point> busy_since;
    Gitsync::Counters counters;
  };
  [[nodiscard]] Latest latest() const;

  /// Syncs every repository now, whatever its poll.
  void sync_all();

  /// The Gitsync, for what is thread-safe in it.
  [[nodiscard]] Gitsync& gitsync() { return *gitsync_; }

 private:
  void run();

  std::unique_ptr<Gitsync> gitsync_;
  std::function<void()> changed_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool all_ = false;
  bool ending_ = false;
  Latest latest_;
  std::thread thread_;
};

}  // namespace nelson
