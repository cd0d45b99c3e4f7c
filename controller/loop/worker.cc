#include "controller/loop/worker.h"

namespace nelson {

ThreadWorker::ThreadWorker() : thread_([this] { run(); }) {}

ThreadWorker::~ThreadWorker() {
  {
    const std::lock_guard guard(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool ThreadWorker::idle() const {
  const std::lock_guard guard(mutex_);
  return !busy_;
}

void ThreadWorker::start(std::function<void()> task, std::function<void()> ended) {
  {
    const std::lock_guard guard(mutex_);
    task_ = std::move(task);
    ended_ = std::move(ended);
    busy_ = true;
  }
  changed_.notify_all();
}

bool ThreadWorker::wait_until(SteadyTime deadline) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [this] { return !busy_; });
}

void ThreadWorker::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return busy_ || ending_; });
    if (!busy_) return;
    const auto task = std::move(task_);
    const auto ended = std::move(ended_);
    lock.unlock();
    task();
    lock.lock();
    busy_ = false;
    changed_.notify_all();
    lock.unlock();
    ended();
    lock.lock();
  }
}

}  // namespace nelson
