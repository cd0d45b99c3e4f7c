#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace nelson {

/// The clock by which a pass waits for a domain, and a domain that does not open is tried again.
using SteadyTime = std::chrono::steady_clock::time_point;

/// Runs one task at a time, so that a domain that hangs keeps nobody waiting but itself. All members from one thread. It ends only when no
/// task of it is under way any more.
class Worker {
 public:
  virtual ~Worker() = default;

  [[nodiscard]] virtual bool idle() const = 0;
  /// Only when idle. Does `task`, and calls `ended` as soon as it is idle again; neither may throw.
  virtual void start(std::function<void()> task, std::function<void()> ended) = 0;
  /// Whether it is idle at the deadline at the latest. What the task wrote may be read then.
  virtual bool wait_until(SteadyTime deadline) const = 0;
};

/// A worker with a thread of its own.
class ThreadWorker final : public Worker {
 public:
  ThreadWorker();
  /// Waits for the task under way.
  ~ThreadWorker() override;
  ThreadWorker(const ThreadWorker&) = delete;
  ThreadWorker& operator=(const ThreadWorker&) = delete;

  [[nodiscard]] bool idle() const override;
  void start(std::function<void()> task, std::function<void()> ended) override;
  bool wait_until(SteadyTime deadline) const override;

 private:
  void run();

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::function<void()> task_, ended_;
  bool busy_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace nelson
