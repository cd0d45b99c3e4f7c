#include "controller/loop/loop.h"

#include <algorithm>

namespace nelson {

using std::chrono::steady_clock;

namespace {

bool drains(const Observed& observed) {
  return std::any_of(observed.cells.begin(), observed.cells.end(), [](const auto& cell) { return !cell.second.sessions.empty(); });
}

}  // namespace

Loop::Loop(Engine& engine, const Clock& clock, std::function<std::shared_ptr<const Desired>()> desired,
           std::function<void(const PassReport*)> report, LoopOptions options)
    : engine_(engine), clock_(clock), desired_(std::move(desired)), report_(std::move(report)), options_(options) {}

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
      at = next_pass(**report);
    } else {
      report_(nullptr);
    }
    wait_until(at);
  }
}

steady_clock::time_point Loop::next_pass(const PassReport& report) {
  const auto now = steady_clock::now();
  auto at = now + options_.full_pass;
  if (report.wake_at)
    at = std::min(at, now + std::clamp<Duration>(*report.wake_at - clock_.now(), Duration(0), options_.full_pass));
  if (report.incomplete) at = std::min(at, now + options_.ask_again);
  if (drains(report.observed)) at = std::min(at, now + options_.look_at_draining);
  if (report.begun == 0) {
    repeats_ = 0;
    last_digest_.clear();
    return at;
  }
  // What was done shows at once, so the next step is decided at once; but a plan that comes back the same has no hurry.
  repeats_ = report.plan_digest == last_digest_ ? repeats_ + 1 : 0;
  last_digest_ = report.plan_digest;
  const std::chrono::milliseconds pause(repeats_ == 0 ? 0 : std::min(5000, 50 << std::min(repeats_, 7)));
  return std::min(at, now + pause);
}

void Loop::wait_until(steady_clock::time_point at) {
  std::unique_lock lock(mutex_);
  const auto stopping = [this] { return stopping_; };
  if (changed_.wait_for(lock, options_.least_pause, stopping)) return;
  changed_.wait_until(lock, at, [this] { return stopping_ || woken_; });
}

}  // namespace nelson
