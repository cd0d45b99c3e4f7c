#include "controller/loop/git_source.h"

namespace nelson {
namespace {

// Gitsync says when the next poll is due; a due time that does not move must not make this thread spin.
constexpr std::chrono::milliseconds kLeastPause{20};
constexpr std::chrono::seconds kPauseAfterError{1};

}  // namespace

GitSource::GitSource(std::unique_ptr<Gitsync> gitsync, std::function<void()> changed)
    : gitsync_(std::move(gitsync)), changed_(std::move(changed)), thread_([this] { run(); }) {}

GitSource::~GitSource() {
  {
    const std::lock_guard guard(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

GitSource::Latest GitSource::latest() const {
  const std::lock_guard guard(mutex_);
  return latest_;
}

void GitSource::sync_all() {
  {
    const std::lock_guard guard(mutex_);
    all_ = true;
  }
  wake_.notify_all();
}

void GitSource::run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    const bool all = std::exchange(all_, false);
    latest_.busy_since = std::chrono::steady_clock::now();
    lock.unlock();
    auto synced = gitsync_->sync(all);
    const auto counters = gitsync_->counters();
    lock.lock();
    latest_.busy_since.reset();
    latest_.counters = counters;
    ++latest_.syncs;
    const bool failed = !synced;
    const std::optional<Error> error = failed ? std::optional(synced.error()) : std::nullopt;
    const bool news = latest_.syncs == 1 || error != latest_.error || (!failed && *synced != latest_.desired);
    latest_.error = error;
    if (!failed) latest_.desired = *std::move(synced);
    lock.unlock();
    if (news) changed_();
    const auto pause = failed ? std::chrono::milliseconds(kPauseAfterError) : kLeastPause;
    const auto due = std::max(gitsync_->due(), std::chrono::steady_clock::now() + pause);
    lock.lock();
    wake_.wait_until(lock, due, [this] { return ending_ || all_; });
  }
}

}  // namespace nelson
