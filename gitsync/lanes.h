#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gitsync/child.h"

namespace nelson::git {

/// Threads with one Git child each, and who goes where: four fast lanes, one slow lane for what timed out before, and one lane aside for
/// questions about what is already here, so that those never wait behind a host. Threads and children are started when first needed.
///
/// A host that has not yet answered gets two lanes at most; one of which two repositories in a row timed out is *suspect*: its jobs go to
/// the slow lane, and while its pause lasts they are skipped there. Thread-safe.
class Lanes {
 public:
  explicit Lanes(std::string program);
  /// Kills the children and waits for the threads; jobs not begun are dropped.
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  struct Job {
    std::string host;  // "" is this machine: never limited, never suspect
    bool slow = false;
    std::function<void(Child&)> run;
    std::function<void()> skip;  // instead of run: the host is suspect and its pause lasts
  };
  void submit(Job job);

  /// Runs on the lane aside and waits for the end. False when the lanes are closing.
  bool run_aside(const std::function<void(Child&)>& run);

  void heard(const std::string& host);
  void timed_out(const std::string& host);

  [[nodiscard]] std::uint64_t children_started() const;
  /// Of the children that live, for tests.
  [[nodiscard]] std::vector<pid_t> children() const;

 private:
  enum class Kind { kFast, kSlow, kAside };
  struct Host {
    int running = 0;
    int timeouts = 0;
    bool proven = false;
    std::chrono::steady_clock::time_point skip_until{};
  };
  void start(Kind kind);
  void live(Kind kind, Child& child);
  bool take(Kind kind, Job& job);
  bool suspect(const std::string& host) const;

  std::string program_;
  int stop_ = -1;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::map<Kind, std::deque<Job>> queues_;
  std::map<Kind, int> threads_, idle_;
  std::map<std::string, Host> hosts_;
  std::vector<std::unique_ptr<Child>> children_;
  std::vector<std::thread> workers_;
};

}  // namespace nelson::git
