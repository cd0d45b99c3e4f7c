#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nelson {

/// Milliseconds, the resolution of everything that is stored, sent or compared (spec: instants are epoch milliseconds).
using Duration = std::chrono::milliseconds;
using Instant = std::chrono::sys_time<Duration>;

/// "2026-11-21T11:35:57.123Z"; the milliseconds are left out when they are zero.
[[nodiscard]] std::string format_instant(Instant at);

/// Reads what format_instant writes.
[[nodiscard]] std::optional<Instant> parse_instant(std::string_view text);

/// The largest whole units, at most two: "20 minutes", "1 hour 30 minutes", "250 milliseconds".
[[nodiscard]] std::string format_duration(Duration length);

/// Reads a number and a unit ("20 minutes", "1.5h", "250ms"); the units are those of the manifest language: d day days, h hour
/// hours, min minute minutes, s sec secs second seconds, ms milli millis millisecond milliseconds, and the micro and nano forms
/// (truncated to whole milliseconds). Nothing for anything else, for a negative length and for more than 292 years.
[[nodiscard]] std::optional<Duration> parse_duration(std::string_view text);

}  // namespace nelson
