#include "controller/base/clock.h"

#include <ctime>

namespace nelson {
namespace {

constexpr Duration kTolerance = std::chrono::seconds(60);

Duration length(Duration d) { return d < Duration::zero() ? -d : d; }

}  // namespace

ClockSources ClockSources::system() {
  return {[] { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); },
          [] {
            timespec at{};
            clock_gettime(CLOCK_BOOTTIME, &at);
            return std::chrono::duration_cast<Duration>(std::chrono::seconds(at.tv_sec) + std::chrono::nanoseconds(at.tv_nsec));
          }};
}

Clock::Clock(ClockSources sources)
    : sources_(std::move(sources)), wall_at_start_(sources_.wall()), boot_at_start_(sources_.boot()) {}

Instant Clock::now() const { return wall_at_start_ + (sources_.boot() - boot_at_start_); }

Duration Clock::wall_ahead() const { return sources_.wall() - now(); }

ClockWatch::ClockWatch(const Clock& clock, std::optional<Instant> last_instant) : clock_(clock) {
  const Instant now = clock.now();
  if (!last_instant || now >= *last_instant - kTolerance) return;
  jumped_at_ = now;
  what_ = "the clock stood " + format_duration(*last_instant - now) + " before what this controller last wrote (" +
          format_instant(*last_instant) + ") when it started";
}

void ClockWatch::look() {
  const Duration ahead = clock_.wall_ahead();
  const Duration jump = ahead - trusted_ahead_;
  if (length(jump) <= kTolerance) return;
  trusted_ahead_ = ahead;
  jumped_at_ = clock_.now();
  what_ =
      "the wall clock went " + std::string(jump > Duration::zero() ? "forward" : "back") + " by " + format_duration(length(jump));
}

std::optional<ClockWatch::Held> ClockWatch::removals_held(Duration lifetime) const {
  if (!jumped_at_ || clock_.now() >= *jumped_at_ + lifetime) return std::nullopt;
  const Instant until = *jumped_at_ + lifetime;
  return Held{what_ + "; nothing is removed before " + format_instant(until) +
                  ". Set this machine's clock by NTP, then wait or start the controller again",
              until};
}

}  // namespace nelson
