#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "state/model/result.h"
#include "state/model/time.h"

namespace nelson {

/// A 5-field cron expression: minute, hour, day of month, month, day of week. Each bit of a set is one allowed value.
struct Cron {
  std::uint64_t minutes = 0;   // 0 to 59
  std::uint32_t hours = 0;     // 0 to 23
  std::uint32_t days = 0;      // 1 to 31
  std::uint32_t months = 0;    // 1 to 12
  std::uint32_t weekdays = 0;  // 0 Sunday to 6 Saturday
  bool any_day = false;        // the day-of-month field begins with '*'
  bool any_weekday = false;    // likewise the day-of-week field

  bool operator==(const Cron&) const = default;
};

/// Reads `text`: lists, ranges, steps, names of months and weekdays (any case), 7 for Sunday, and the words monthly, daily, hourly and
/// quarter-hourly. kInvalid names the field.
Result<Cron> parse_cron(std::string_view text);

/// A place whose clocks count, by /usr/share/zoneinfo. next_after() sets TZ for a moment: no other thread may read the environment then.
class TimeZone {
 public:
  TimeZone() = default;  // UTC

  /// "" and "UTC" need no file. kInvalid when there is no such zone on this machine.
  static Result<TimeZone> open(const std::string& name);

  /// As the C library's TZ takes it; "" is UTC.
  [[nodiscard]] const std::string& rule() const { return rule_; }

 private:
  std::string rule_;
};

/// The first whole minute after `after` at which `cron` fires. As the classic cron: when both day fields are restricted, either of them
/// is enough. Where a clock change skips a local time, a run that names it comes at the change; where one repeats, the run comes once, at
/// the first. Nothing when no date fits within eight years (30 February).
[[nodiscard]] std::optional<Instant> next_after(const Cron& cron, Instant after, const TimeZone& place = {});

/// When a job runs, for one who tells it the time again and again, by a clock that may be set.
class Timetable {
 public:
  struct Due {
    Instant at;
    bool missed = false;  // nobody looked within the patience: the machine slept, or its clock was put forward
  };

  Timetable(Cron cron, TimeZone zone, Duration patience, Instant now);

  /// The run that is due, once.
  [[nodiscard]] std::optional<Due> look(Instant now);
  [[nodiscard]] std::optional<Instant> next() const { return next_; }

 private:
  void plan(Instant now);

  Cron cron_;
  TimeZone zone_;
  Duration patience_;
  Instant last_seen_;
  std::optional<Instant> next_;
  std::optional<Instant> last_run_;
};

}  // namespace nelson
