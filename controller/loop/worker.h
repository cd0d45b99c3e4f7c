#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace nelson {

/// A thread that runs one task at a time, so that a domain that hangs keeps nobody waiting but itself. All members from one other thread.
class Worker {
 public:
  Worker();
  /// Waits for the task under way.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  [[nodiscard]] bool idle() const;
  /// Only when idle. `task` must not throw.
  void start(std::function<void()> task);
  /// Whether it is idle at the deadline at the latest. What the task wrote may be read then.
  bool wait_until(std::chrono::steady_clock::time_point deadline) const;

 private:
  void run();

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::function<void()> task_;
  bool busy_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace nelson
