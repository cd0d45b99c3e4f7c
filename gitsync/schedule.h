#pragma once

#include <string>
#include <string_view>

#include "state/model/result.h"

namespace nelson {

/// Reads a manifest's schedule (spec/manifest 3.6): `monthly`, `daily`, `hourly`, `quarter-hourly`, `once`, or five cron fields. Returns
/// the text that a Spec carries: "once", or five fields separated by one space, each a list of (`*` | a | a-b)[/n] in numbers: names
/// became numbers, `?` and an empty step base became `*`. Weekdays are 0 to 7, both ends Sunday. `a/n` means from a to the field's end.
/// The error's message is the reason alone, without a place.
[[nodiscard]] Result<std::string> normalized_schedule(std::string_view text);

/// Whether the days that a normalized schedule names never come, such as February 30.
[[nodiscard]] bool never_runs(std::string_view schedule);

/// Whether `text` has the form of a time zone's name ("Europe/Berlin", "UTC", "Etc/GMT+3"). Whether the machine that runs the job knows
/// it is not asked: validity depends on the bytes alone.
[[nodiscard]] bool valid_timezone(std::string_view text);

}  // namespace nelson
