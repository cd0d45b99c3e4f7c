#include "gitsync/schedule.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <vector>

#include "gitsync/characters.h"
#include "gitsync/document.h"

namespace nelson {
namespace {

struct Word {
  std::string_view word;
  std::string_view schedule;
};
constexpr auto kWords = std::to_array<Word>({{"once", "once"},
                                             {"monthly", "0 0 1 * *"},
                                             {"daily", "0 0 * * *"},
                                             {"hourly", "0 * * * *"},
                                             {"quarter-hourly", "*/15 * * * *"}});

constexpr auto kMonths =
    std::to_array<std::string_view>({"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"});
constexpr auto kWeekdays = std::to_array<std::string_view>({"mon", "tue", "wed", "thu", "fri", "sat", "sun"});

struct CronField {
  std::string_view name;
  int first;
  int last;
  const std::string_view* words;  // the first one means 1
  std::size_t word_count;
};
constexpr std::array<CronField, 5> kFields = {{{"minute", 0, 59, nullptr, 0},
                                               {"hour", 0, 23, nullptr, 0},
                                               {"day of the month", 1, 31, nullptr, 0},
                                               {"month", 1, 12, kMonths.data(), kMonths.size()},
                                               {"day of the week", 0, 7, kWeekdays.data(), kWeekdays.size()}}};

// Every minute of an hour, written out, fits twice.
constexpr std::size_t kLongest = 512;

std::vector<std::string_view> split(std::string_view text, std::string_view separators, bool keep_empty) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = std::min(text.find_first_of(separators), text.size());
    if (end > 0 || keep_empty) parts.push_back(text.substr(0, end));
    if (end == text.size()) return parts;
    text.remove_prefix(end + 1);
  }
}

Error reason(const CronField& field, std::string_view part, std::string_view why) {
  return invalid(std::string(field.name) + " " + in_quotes(part) + ": " + std::string(why));
}

Result<int> value_of(const CronField& field, std::string_view text, std::string_view part) {
  int value = 0;
  const auto [next, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!text.empty() && text[0] != '-' && error == std::errc() && next == text.data() + text.size()) {
    if (value >= field.first && value <= field.last) return value;
  } else if (field.words != nullptr) {
    const auto* const end = field.words + field.word_count;
    const auto* const found = std::find(field.words, end, lower_case(text));
    if (found != end) return static_cast<int>(found - field.words) + 1;
  }
  return reason(field, part, "must lie between " + std::to_string(field.first) + " and " + std::to_string(field.last));
}

Result<std::string> base_of(const CronField& field, std::string_view base, std::string_view part, bool stepped) {
  if (base == "*" || (base.empty() && stepped)) return std::string("*");
  const std::size_t dash = base.find('-');
  const auto from = value_of(field, base.substr(0, dash), part);
  if (!from) return from.error();
  if (dash == std::string_view::npos) return std::to_string(*from);
  const auto to = value_of(field, base.substr(dash + 1), part);
  if (!to) return to.error();
  if (*from > *to) return reason(field, part, "the range runs backwards");
  return std::to_string(*from) + '-' + std::to_string(*to);
}

Result<std::string> normalized_part(const CronField& field, std::string_view part) {
  const std::size_t slash = part.find('/');
  auto base = base_of(field, part.substr(0, slash), part, slash != std::string_view::npos);
  if (!base || slash == std::string_view::npos) return base;
  const std::string_view text = part.substr(slash + 1);
  int step = 0;
  const auto [next, error] = std::from_chars(text.data(), text.data() + text.size(), step);
  if (error != std::errc() || next != text.data() + text.size() || step < 1 || step > field.last)
    return reason(field, part, "the step must lie between 1 and " + std::to_string(field.last));
  return *base + '/' + std::to_string(step);
}

Result<std::string> normalized_field(const CronField& field, std::string_view text) {
  if (text == "?") return std::string("*");
  std::string out;
  for (const std::string_view part : split(text, ",", true)) {
    const auto normalized = normalized_part(field, part);
    if (!normalized) return normalized;
    out += (out.empty() ? "" : ",") + *normalized;
  }
  return out;
}

}  // namespace

Result<std::string> normalized_schedule(std::string_view text) {
  if (text.size() > kLongest) return invalid("longer than " + std::to_string(kLongest) + " bytes");
  const std::vector<std::string_view> fields = split(text, " \t\r\n", false);
  if (fields.size() == 1) {
    const std::string word = lower_case(fields[0]);
    for (const Word& known : kWords)
      if (known.word == word) return std::string(known.schedule);
  }
  if (fields.size() != kFields.size())
    return invalid("neither monthly, daily, hourly, quarter-hourly or once nor five cron fields, but " +
                   std::to_string(fields.size()));
  std::string out;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto field = normalized_field(kFields[i], fields[i]);
    if (!field) return field;
    out += (out.empty() ? "" : " ") + *field;
  }
  return out;
}

bool never_runs(std::string_view schedule) {
  const std::vector<std::string_view> fields = split(schedule, " ", false);
  // A named weekday comes in every month.
  if (fields.size() != kFields.size() || fields[2] == "*" || fields[3] == "*" || fields[4] != "*") return false;
  constexpr std::array<int, 12> kDays = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int first_day = 31;
  for (const std::string_view part : split(fields[2], ",", true)) {
    int day = 1;  // of `*` and its steps
    std::from_chars(part.data(), part.data() + part.size(), day);
    first_day = std::min(first_day, day);
  }
  int most = 0;
  for (const std::string_view part : split(fields[3], ",", true)) {
    const std::string_view base = part.substr(0, part.find('/'));
    int from = 1, to = 12;
    const auto parsed = std::from_chars(base.data(), base.data() + base.size(), from);
    if (base != "*") {
      to = part.size() == base.size() ? from : 12;
      if (parsed.ptr != base.data() + base.size()) std::from_chars(parsed.ptr + 1, base.data() + base.size(), to);
    }
    int step = 1;
    if (base.size() < part.size()) std::from_chars(part.data() + base.size() + 1, part.data() + part.size(), step);
    for (int month = from; month <= to; month += std::max(1, step))
      most = std::max(most, kDays[static_cast<std::size_t>(month) - 1]);
  }
  return first_day > most;
}

bool valid_timezone(std::string_view text) {
  if (text.empty() || text.size() > 64) return false;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const std::vector<std::string_view> parts = split(text, "/", true);
  return std::all_of(parts.begin(), parts.end(), [&](std::string_view part) {
    return !part.empty() && letter(part[0]) && std::all_of(part.begin(), part.end(), [&](char c) {
      return letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+';
    });
  });
}

}  // namespace nelson
