#include "controller/domains/local/cron.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <vector>

namespace nelson {
namespace {

using std::chrono::seconds;

struct Field {
  std::string_view name;
  int first = 0;
  int last = 0;
  std::string_view words;  // three letters each, for the values from `first` on
};

constexpr Field kMinute{"minute", 0, 59, ""};
constexpr Field kHour{"hour", 0, 23, ""};
constexpr Field kDay{"day of month", 1, 31, ""};
constexpr Field kMonth{"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"};
constexpr Field kWeekday{"day of week", 0, 7, "sunmontuewedthufrisat"};

Error bad(const Field& field, std::string_view text) {
  return invalid("schedule: \"" + std::string(text) + "\" is not a " + std::string(field.name) + "; it takes " +
                 std::to_string(field.first) + " to " + std::to_string(field.last) + ", lists (1,2), ranges (1-5), steps (*/15)" +
                 (field.words.empty() ? "" : " and names"));
}

std::optional<int> value_of(const Field& field, std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) {
    if (value < field.first || value > field.last) return std::nullopt;
    return value;
  }
  if (text.size() != 3) return std::nullopt;
  std::string word(text);
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (std::size_t i = 0; i < field.words.size(); i += 3)
    if (field.words.substr(i, 3) == word) return field.first + static_cast<int>(i / 3);
  return std::nullopt;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0;;) {
    const std::size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

/// One member of a list: `*`, `a`, `a-b`, each with an optional `/step`.
std::optional<std::uint64_t> read_member(const Field& field, std::string_view text) {
  int step = 1;
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view number = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), step);
    if (error != std::errc() || end != number.data() + number.size() || step < 1 || step > 60) return std::nullopt;
    text = text.substr(0, slash);
  }
  int low = field.first;
  int high = field.last;
  if (text != "*") {
    const std::size_t dash = text.find('-');
    const auto from = value_of(field, text.substr(0, dash));
    const auto to = dash == std::string_view::npos ? (slash == std::string_view::npos ? from : std::optional(field.last))
                                                   : value_of(field, text.substr(dash + 1));
    if (!from || !to || *from > *to) return std::nullopt;
    low = *from;
    high = *to;
  }
  std::uint64_t set = 0;
  for (int value = low; value <= high; value += step) set |= std::uint64_t{1} << value;
  return set;
}

Result<std::uint64_t> read_field(const Field& field, std::string_view text) {
  std::uint64_t set = 0;
  for (const std::string_view member : split(text, ',')) {
    const auto more = read_member(field, member);
    if (!more) return bad(field, text);
    set |= *more;
  }
  return set;
}

std::string_view spelt_out(std::string_view text) {
  constexpr auto kWords = std::to_array<std::pair<std::string_view, std::string_view>>(
      {{"monthly", "0 0 1 * *"}, {"daily", "0 0 * * *"}, {"hourly", "0 * * * *"}, {"quarter-hourly", "*/15 * * * *"}});
  for (const auto& [word, expression] : kWords)
    if (text == word) return expression;
  return text;
}

bool has(std::uint64_t set, unsigned value) { return (set >> value & 1) != 0; }

bool day_matches(const Cron& cron, std::chrono::sys_days day) {
  const std::chrono::year_month_day date(day);
  if (!has(cron.months, static_cast<unsigned>(date.month()))) return false;
  const bool by_day = has(cron.days, static_cast<unsigned>(date.day()));
  const bool by_weekday = has(cron.weekdays, std::chrono::weekday(day).c_encoding());
  return cron.any_day || cron.any_weekday ? by_day && by_weekday : by_day || by_weekday;
}

/// Seconds since the epoch; local when said so.
using Seconds = std::int64_t;

/// The C library knows one zone at a time, in the environment.
std::mutex zone_mutex;

/// The C library set to a zone, and put back at the end.
class ZoneInForce {
 public:
  explicit ZoneInForce(const std::string& rule) : utc_(rule.empty()) {
    if (utc_) return;
    lock_ = std::unique_lock(zone_mutex);
    const char* old = std::getenv("TZ");
    if (old != nullptr) kept_ = old;
    ::setenv("TZ", rule.c_str(), 1);
    ::tzset();
  }
  ~ZoneInForce() {
    if (utc_) return;
    if (kept_) {
      ::setenv("TZ", kept_->c_str(), 1);
    } else {
      ::unsetenv("TZ");
    }
    ::tzset();
  }
  ZoneInForce(const ZoneInForce&) = delete;
  ZoneInForce& operator=(const ZoneInForce&) = delete;

  /// What clocks there show minus UTC.
  [[nodiscard]] Seconds offset_at(Seconds utc) const {
    if (utc_) return 0;
    const std::time_t time = utc;
    std::tm local{};
    ::localtime_r(&time, &local);
    return local.tm_gmtoff;
  }

 private:
  bool utc_;
  std::unique_lock<std::mutex> lock_;
  std::optional<std::string> kept_;
};

/// The instants at which clocks show `local`, given the offsets in force a day before and after.
std::vector<Seconds> instants_of(Seconds local, Seconds before, Seconds after, const ZoneInForce& zone, bool by_the_clock) {
  std::vector<Seconds> found;
  for (const Seconds each : {before, after})
    if (zone.offset_at(local - each) == each) found.push_back(local - each);
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  if (!found.empty()) {
    // A schedule for each hour goes by elapsed time; one that names an hour means it once a day.
    if (!by_the_clock) found.resize(1);
    return found;
  }
  if (by_the_clock) return {};
  Seconds low = local - before - 86400;
  Seconds high = local - after + 86400;
  while (high - low > 1) {
    const Seconds middle = low + (high - low) / 2;
    (zone.offset_at(middle) == before ? low : high) = middle;
  }
  return {high};
}

std::optional<Seconds> first_on_day(const Cron& cron, Seconds midnight, Seconds after, const ZoneInForce& zone) {
  const Seconds offset_before = zone.offset_at(midnight - 86400);
  const Seconds offset_after = zone.offset_at(midnight + 2 * 86400);
  const bool plain = offset_before == offset_after;
  const bool each_hour = cron.hours == (1U << 24) - 1;
  std::optional<Seconds> best;
  for (unsigned hour = 0; hour < 24; ++hour) {
    if (!has(cron.hours, hour)) continue;
    for (unsigned minute = 0; minute < 60; ++minute) {
      if (!has(cron.minutes, minute)) continue;
      const Seconds local = midnight + hour * 3600 + minute * 60;
      if (plain) {
        if (local - offset_before > after) return local - offset_before;
        continue;
      }
      for (const Seconds at : instants_of(local, offset_before, offset_after, zone, each_hour))
        if (at > after && (!best || at < *best)) best = at;
    }
  }
  return best;
}

}  // namespace

Result<Cron> parse_cron(std::string_view text) {
  std::vector<std::string_view> words;
  for (const std::string_view word : split(spelt_out(text), ' '))
    if (!word.empty()) words.push_back(word);
  if (words.size() != 5)
    return invalid("schedule: \"" + std::string(text) + "\" has " + std::to_string(words.size()) +
                   " fields; a schedule is once, monthly, daily, hourly, quarter-hourly or five fields: minute, hour, day of "
                   "month, month, day of week");
  std::array<std::uint64_t, 5> sets{};
  constexpr std::array kFields{kMinute, kHour, kDay, kMonth, kWeekday};
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    auto set = read_field(kFields[i], words[i]);
    if (!set) return set.error();
    sets[i] = *set;
  }
  Cron cron;
  cron.minutes = sets[0];
  cron.hours = static_cast<std::uint32_t>(sets[1]);
  cron.days = static_cast<std::uint32_t>(sets[2]);
  cron.months = static_cast<std::uint32_t>(sets[3]);
  cron.weekdays = static_cast<std::uint32_t>((sets[4] | sets[4] >> 7) & 0x7f);
  cron.any_day = words[2].front() == '*';
  cron.any_weekday = words[4].front() == '*';
  return cron;
}

Result<TimeZone> TimeZone::open(const std::string& name) {
  TimeZone zone;
  if (name.empty() || name == "UTC") return zone;
  const bool plain = std::all_of(name.begin(), name.end(),
                                 [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '+' || c == '-' || c == '/'; });
  struct stat info {};
  if (!plain || name.front() == '/' || ::stat(("/usr/share/zoneinfo/" + name).c_str(), &info) != 0 || !S_ISREG(info.st_mode))
    return invalid("timezone: \"" + name + "\" is not in /usr/share/zoneinfo; write a name like Europe/Berlin, or install tzdata");
  zone.rule_ = ":" + name;
  return zone;
}

std::optional<Instant> next_after(const Cron& cron, Instant after, const TimeZone& place) {
  const ZoneInForce zone(place.rule());
  const Seconds from = std::chrono::floor<seconds>(after).time_since_epoch().count();
  const auto today = std::chrono::floor<std::chrono::days>(Instant(seconds(from + zone.offset_at(from))));
  constexpr int kDays = 8 * 366 + 2;
  for (int i = -1; i < kDays; ++i) {
    const std::chrono::sys_days day = today + std::chrono::days(i);
    if (!day_matches(cron, day)) continue;
    const Seconds midnight = std::chrono::duration_cast<seconds>(day.time_since_epoch()).count();
    if (const auto at = first_on_day(cron, midnight, from, zone)) return Instant(seconds(*at));
  }
  return std::nullopt;
}

Timetable::Timetable(Cron cron, TimeZone zone, Duration patience, Instant now)
    : cron_(cron), zone_(std::move(zone)), patience_(patience) {
  plan(now);
}

void Timetable::plan(Instant now) {
  last_seen_ = now;
  next_ = next_after(cron_, now, zone_);
  // The clock was set back to just before a run that was made.
  if (next_ && next_ == last_run_) next_ = next_after(cron_, *next_, zone_);
}

std::optional<Timetable::Due> Timetable::look(Instant now) {
  // The clock was set back: what was the next run may be far away now.
  if (now + seconds(5) < last_seen_) {
    plan(now);
    return std::nullopt;
  }
  last_seen_ = std::max(last_seen_, now);
  if (!next_ || now < *next_) return std::nullopt;
  const Due due{*next_, now - *next_ > patience_};
  if (!due.missed) last_run_ = due.at;
  plan(last_seen_);
  return due;
}

}  // namespace nelson
