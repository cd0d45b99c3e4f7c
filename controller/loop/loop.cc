#include "controller/loop/loop.h"

namespace nelson {

using std::chrono::steady_clock;

Loop::Loop(Engine& engine, const Clock& clock, std::function<std::shared_ptr<const Desired>()> desired,
           std::function<void(const PassReport*)> report, LoopOptions options)
    : engine_(engine), clock_(clock), desired_(std::move(desired)), report_(std::move(report)), options_(options), pace_(options) {}

void Loop::wake() {
  {
    const std::lock_guard guard(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void Loop::stop() {
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
}

Status Loop::run() {
  for (;;) {
    {
      const std::lock_guard guard(mutex_);
      if (stopping_) return {};
      woken_ = false;
    }
    const auto began = steady_clock::now();
    auto at = began + options_.full_pass;
    if (const auto desired = desired_()) {
      const Result<const PassReport*> report = engine_.pass(desired);
      if (!report) return report.error();
      report_(*report);
      at = steady_clock::now() + pace_.after(**report, clock_.now());
    } else {
      report_(nullptr);
    }
    wait_until(at);
  }
}

void Loop::wait_until(steady_clock::time_point at) {
  std::unique_lock lock(mutex_);
  const auto stopping = [this] { return stopping_; };
  if (changed_.wait_for(lock, options_.least_pause, stopping)) return;
  changed_.wait_until(lock, at, [this] { return stopping_ || woken_; });
}

}  // namespace nelson
