#include "state/model/time.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace nelson {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

struct UnitWord {
  std::string_view word;
  double milliseconds;
};

constexpr auto kUnits = std::to_array<UnitWord>({
    {"d", 86'400'000},    {"day", 86'400'000}, {"days", 86'400'000},  {"h", 3'600'000},       {"hour", 3'600'000},
    {"hours", 3'600'000}, {"min", 60'000},     {"minute", 60'000},    {"minutes", 60'000},    {"s", 1'000},
    {"sec", 1'000},       {"secs", 1'000},     {"second", 1'000},     {"seconds", 1'000},     {"ms", 1},
    {"milli", 1},         {"millis", 1},       {"millisecond", 1},    {"milliseconds", 1},    {"µs", 1e-3},
    {"micro", 1e-3},      {"micros", 1e-3},    {"microsecond", 1e-3}, {"microseconds", 1e-3}, {"ns", 1e-6},
    {"nano", 1e-6},       {"nanos", 1e-6},     {"nanosecond", 1e-6},  {"nanoseconds", 1e-6},
});

std::string counted(std::int64_t count, std::string_view word) {
  return std::to_string(count) + ' ' + std::string(word) + (count == 1 ? "" : "s");
}

}  // namespace

std::string format_instant(Instant at) {
  const auto day = floor<days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(at - day);
  std::array<char, 64> text{};
  const int length =
      std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                    static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()));
  std::string out(text.data(), static_cast<std::size_t>(length));
  if (const auto rest = time.subseconds().count(); rest != 0) {
    std::snprintf(text.data(), text.size(), ".%03d", static_cast<int>(rest));
    out += text.data();
  }
  return out + 'Z';
}

std::optional<Instant> parse_instant(std::string_view text) {
  int year = 0;
  unsigned month = 0, day = 0, hour = 0, minute = 0, second = 0, milli = 0;
  int used = 0;
  const std::string copy(text);
  if (std::sscanf(copy.c_str(), "%4d-%2u-%2uT%2u:%2u:%2u%n", &year, &month, &day, &hour, &minute, &second, &used) != 6)
    return std::nullopt;
  std::string_view rest = text.substr(static_cast<std::size_t>(used));
  if (rest.size() == 5 && rest[0] == '.') {
    if (std::from_chars(rest.data() + 1, rest.data() + 4, milli).ptr != rest.data() + 4) return std::nullopt;
    rest.remove_prefix(4);
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  if (rest != "Z" || !date.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return Instant(std::chrono::sys_days(date)) + hours(hour) + minutes(minute) + seconds(second) + milliseconds(milli);
}

std::string format_duration(Duration length) {
  if (length < Duration::zero()) return "-" + format_duration(-length);
  struct Part {
    std::string_view word;
    std::int64_t milliseconds;
  };
  static constexpr auto kParts =
      std::to_array<Part>({{"day", 86'400'000}, {"hour", 3'600'000}, {"minute", 60'000}, {"second", 1'000}, {"millisecond", 1}});
  std::int64_t rest = length.count();
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    if (rest < kParts[i].milliseconds) continue;
    std::string out = counted(rest / kParts[i].milliseconds, kParts[i].word);
    rest %= kParts[i].milliseconds;
    if (i + 1 < kParts.size() && rest >= kParts[i + 1].milliseconds)
      out += ' ' + counted(rest / kParts[i + 1].milliseconds, kParts[i + 1].word);
    return out;
  }
  return "0 seconds";
}

std::optional<Duration> parse_duration(std::string_view text) {
  std::string compact;
  for (const char c : text.substr(0, 64))
    if (c != ' ' && c != '\t') compact += c;
  double number = 0;
  const char* const end = compact.data() + compact.size();
  const auto [next, error] = std::from_chars(compact.data(), end, number);
  if (error != std::errc() || !std::isfinite(number) || number < 0) return std::nullopt;
  const std::string_view word(next, static_cast<std::size_t>(end - next));
  const auto unit = std::find_if(kUnits.begin(), kUnits.end(), [&](const UnitWord& u) { return u.word == word; });
  if (unit == kUnits.end()) return std::nullopt;
  const double milliseconds = number * unit->milliseconds;
  if (milliseconds > 292.0 * 365.25 * 86'400'000) return std::nullopt;
  return Duration(static_cast<std::int64_t>(milliseconds));
}

}  // namespace nelson
