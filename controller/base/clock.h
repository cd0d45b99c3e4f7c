#pragma once

#include <functional>
#include <optional>
#include <string>

#include "state/model/time.h"

namespace nelson {

/// The wall clock and the clock that goes on through suspends and is never set (CLOCK_BOOTTIME). Tests put others in their place.
struct ClockSources {
  std::function<Instant()> wall;
  std::function<Duration()> boot;

  static ClockSources system();
};

/// `now` = the wall clock at start + the boot-time clock since (semantics 6): nobody who sets the clock moves a deadline. Thread-safe.
class Clock {
 public:
  explicit Clock(ClockSources sources = ClockSources::system());

  [[nodiscard]] Instant now() const;
  /// How far the wall clock is ahead of now(); negative when behind.
  [[nodiscard]] Duration wall_ahead() const;

 private:
  ClockSources sources_;
  Instant wall_at_start_;
  Duration boot_at_start_;
};

/// Tells why nothing may be removed: a clock that cannot be trusted must not make anything expire (semantics 6, hardening I9). One thread.
class ClockWatch {
 public:
  /// `last_instant`: the greatest instant the store has seen; compared once, here.
  ClockWatch(const Clock& clock, std::optional<Instant> last_instant);

  /// To be called each pass, before removals_held.
  void look();

  struct Held {
    std::string reason;
    Instant until{};
  };
  /// Whether removals wait in a domain whose longer lifetime is `lifetime`; they do for that long after the clock was last seen to jump.
  [[nodiscard]] std::optional<Held> removals_held(Duration lifetime) const;

 private:
  const Clock& clock_;
  Duration trusted_ahead_{};  // how far ahead the wall clock was when it was last judged
  std::optional<Instant> jumped_at_;
  std::string what_;
};

}  // namespace nelson
