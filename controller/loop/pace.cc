#include "controller/loop/pace.h"

#include <algorithm>

namespace nelson {
std::chrono::milliseconds Pace::after(const PassReport& report, Instant now) {
  std::chrono::milliseconds pause = options_.full_pass;
  if (report.wake_at) pause = std::clamp<Duration>(*report.wake_at - now, Duration(0), pause);
  if (report.incomplete) pause = std::min(pause, options_.ask_again);
  if (report.drains) pause = std::min(pause, options_.look_at_draining);
  if (report.begun == 0) {
    repeats_ = 0;
    last_digest_.clear();
    return pause;
  }
  // What was done shows at once, so the next step is decided at once; but a plan that comes back the same has no hurry.
  repeats_ = report.plan_digest == last_digest_ ? repeats_ + 1 : 0;
  last_digest_ = report.plan_digest;
  return std::min(pause, std::chrono::milliseconds(repeats_ == 0 ? 0 : std::min(5000, 50 << std::min(repeats_, 7))));
}

}  // namespace nelson
