#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>

#include "controller/loop/engine.h"
#include "controller/loop/git_source.h"
#include "controller/loop/pace.h"

namespace nelson {

/// Runs passes whenever something could be different: Git brought news, a domain changed, the time has come (`wake_at`), and in any
/// case now and then.
class Loop {
 public:
  /// `desired` is what Git says now; null: nothing may be done yet. `report` is called after each pass, and with null when there is
  /// nothing desired to make a pass for.
  Loop(Engine& engine, const Clock& clock, std::function<std::shared_ptr<const Desired>()> desired,
       std::function<void(const PassReport*)> report, LoopOptions options = {});

  /// Until stop(), or until a pass finds that the process must end: then its error.
  Status run();

  // From any thread.
  void wake();
  void stop();

 private:
  void wait_until(std::chrono::steady_clock::time_point at);

  Engine& engine_;
  const Clock& clock_;
  std::function<std::shared_ptr<const Desired>()> desired_;
  std::function<void(const PassReport*)> report_;
  LoopOptions options_;
  Pace pace_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  bool stopping_ = false;
};

}  // namespace nelson
