#include "gitsync/lanes.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <future>

namespace nelson::git {

namespace {

constexpr int kFastLanes = 4;  // on two cores four pollers were fastest (spec/performance 2.4)
constexpr int kUnprovenLimit = 2;
constexpr int kSuspectAfter = 2;
constexpr auto kFirstPause = std::chrono::seconds(15);
constexpr auto kLongestPause = std::chrono::seconds(120);

}  // namespace

Lanes::Lanes(std::string program) : program_(std::move(program)), stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Lanes::~Lanes() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    const std::uint64_t one = 1;
    (void)!::write(stop_, &one, sizeof one);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  children_.clear();
  ::close(stop_);
}

bool Lanes::suspect(const std::string& host) const {
  const auto found = hosts_.find(host);
  return !host.empty() && found != hosts_.end() && found->second.timeouts >= kSuspectAfter;
}

void Lanes::heard(const std::string& host) {
  const std::lock_guard lock(mutex_);
  Host& state = hosts_[host];
  state.timeouts = 0;
  state.proven = true;
  wake_.notify_all();
}

void Lanes::timed_out(const std::string& host) {
  const std::lock_guard lock(mutex_);
  Host& state = hosts_[host];
  ++state.timeouts;
  state.proven = false;
  if (state.timeouts < kSuspectAfter) return;
  auto pause = std::chrono::duration_cast<std::chrono::seconds>(kFirstPause);
  for (int i = kSuspectAfter; i < state.timeouts && pause < kLongestPause; ++i) pause *= 2;
  state.skip_until = std::chrono::steady_clock::now() + std::min<std::chrono::seconds>(pause, kLongestPause);
  wake_.notify_all();
}

void Lanes::submit(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    const Kind kind = job.slow || suspect(job.host) ? Kind::kSlow : Kind::kFast;
    queues_[kind].push_back(std::move(job));
    start(kind);
  }
  wake_.notify_all();
}

bool Lanes::run_aside(const std::function<void(Child&)>& run) {
  auto done = std::make_shared<std::promise<bool>>();
  std::future<bool> result = done->get_future();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    queues_[Kind::kAside].push_back({"", false,
                                     [&run, done](Child& child) {
                                       run(child);
                                       done->set_value(true);
                                     },
                                     nullptr});
    start(Kind::kAside);
  }
  wake_.notify_all();
  done.reset();
  try {
    return result.get();
  } catch (const std::future_error&) {
    return false;  // dropped: the lanes are closing
  }
}

void Lanes::start(Kind kind) {
  const int limit = kind == Kind::kFast ? kFastLanes : 1;
  if (idle_[kind] >= static_cast<int>(queues_[kind].size()) || threads_[kind] >= limit) return;
  ++threads_[kind];
  children_.push_back(std::make_unique<Child>(program_, stop_));
  workers_.emplace_back([this, kind, child = children_.back().get()] { live(kind, *child); });
}

bool Lanes::take(Kind kind, Job& job) {
  std::deque<Job>& queue = queues_[kind];
  for (auto at = queue.begin(); at != queue.end();) {
    if (kind == Kind::kFast && suspect(at->host)) {
      queues_[Kind::kSlow].push_back(std::move(*at));
      at = queue.erase(at);
      start(Kind::kSlow);
      wake_.notify_all();
      continue;
    }
    const Host& host = hosts_[at->host];
    if (kind == Kind::kFast && !at->host.empty() && !host.proven && host.running >= kUnprovenLimit) {
      ++at;
      continue;
    }
    job = std::move(*at);
    queue.erase(at);
    return true;
  }
  return false;
}

void Lanes::live(Kind kind, Child& child) {
  std::unique_lock lock(mutex_);
  while (true) {
    Job job;
    ++idle_[kind];
    wake_.wait(lock, [&] { return stopping_ || take(kind, job); });
    --idle_[kind];
    if (stopping_) break;
    const bool skip =
        kind == Kind::kSlow && job.skip && suspect(job.host) && std::chrono::steady_clock::now() < hosts_[job.host].skip_until;
    ++hosts_[job.host].running;
    lock.unlock();
    if (skip) {
      job.skip();
    } else {
      job.run(child);
    }
    const std::string host = job.host;
    job = {};
    lock.lock();
    --hosts_[host].running;
    wake_.notify_all();
  }
  queues_[kind].clear();
}

std::uint64_t Lanes::children_started() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t out = 0;
  for (const auto& child : children_) out += child->started();
  return out;
}

std::vector<pid_t> Lanes::children() const {
  const std::lock_guard lock(mutex_);
  std::vector<pid_t> out;
  for (const auto& child : children_)
    if (child->pid() > 0) out.push_back(child->pid());
  return out;
}

}  // namespace nelson::git
