#include "controller/domains/local/cron.h"

#include <gtest/gtest.h>

namespace nelson {
namespace {

std::string next(const std::string& cron, const std::string& after, const std::string& zone = "") {
  const auto parsed = parse_cron(cron);
  if (!parsed) return parsed.error().message;
  const auto place = TimeZone::open(zone);
  if (!place) return place.error().message;
  const auto at = next_after(*parsed, *parse_instant(after), *place);
  return at ? format_instant(*at) : "never";
}

TEST(Cron, NextRuns) {
  struct Case {
    const char* name;
    const char* cron;
    const char* after;
    const char* expected;
    const char* zone;
  };
  const std::vector<Case> cases{
      {"every minute", "* * * * *", "2026-11-21T11:35:57Z", "2026-11-21T11:36:00Z", ""},
      {"strictly later", "* * * * *", "2026-11-21T11:36:00Z", "2026-11-21T11:37:00Z", ""},
      {"a fraction of a second counts as past", "* * * * *", "2026-11-21T11:35:59.999Z", "2026-11-21T11:36:00Z", ""},
      {"a step", "*/15 * * * *", "2026-11-21T11:46:00Z", "2026-11-21T12:00:00Z", ""},
      {"a step that does not divide the hour", "*/25 * * * *", "2026-11-21T11:51:00Z", "2026-11-21T12:00:00Z", ""},
      {"a range with a step", "10-40/15 * * * *", "2026-11-21T11:25:00Z", "2026-11-21T11:40:00Z", ""},
      {"a start with a step", "50/5 * * * *", "2026-11-21T11:50:00Z", "2026-11-21T11:55:00Z", ""},
      {"a list", "5,35 8,20 * * *", "2026-11-21T08:35:00Z", "2026-11-21T20:05:00Z", ""},
      {"over the year's end", "0 0 1 1 *", "2026-11-21T00:00:00Z", "2027-01-01T00:00:00Z", ""},
      {"names of months and days, any case", "0 9 * Feb-MAR mon", "2026-11-21T00:00:00Z", "2027-02-01T09:00:00Z", ""},
      {"Sunday is 0", "0 0 * * 0", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z", ""},
      {"and 7", "0 0 * * 7", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z", ""},
      {"Friday to Sunday", "0 0 * * 5-7", "2026-11-22T00:00:00Z", "2026-11-27T00:00:00Z", ""},
      {"both day fields restricted: either", "0 0 13 * 5", "2026-11-21T00:00:00Z", "2026-11-27T00:00:00Z", ""},
      {"both day fields restricted: the other", "0 0 13 * 5", "2026-12-11T00:00:00Z", "2026-12-13T00:00:00Z", ""},
      {"a day field that begins with a star restricts along with the other", "0 0 */2 * 1", "2026-11-21T00:00:00Z",
       "2026-11-23T00:00:00Z", ""},
      {"the 31st only where there is one", "0 0 31 * *", "2026-11-01T00:00:00Z", "2026-12-31T00:00:00Z", ""},
      {"29 February", "0 0 29 2 *", "2026-11-21T00:00:00Z", "2028-02-29T00:00:00Z", ""},
      {"29 February over a century that is no leap year", "0 0 29 2 *", "2097-01-01T00:00:00Z", "2104-02-29T00:00:00Z", ""},
      {"30 February", "0 0 30 2 *", "2026-11-21T00:00:00Z", "never", ""},
      {"monthly", "monthly", "2026-11-21T00:00:00Z", "2026-12-01T00:00:00Z", ""},
      {"daily", "daily", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z", ""},
      {"hourly", "hourly", "2026-11-21T11:00:00Z", "2026-11-21T12:00:00Z", ""},
      {"quarter-hourly", "quarter-hourly", "2026-11-21T11:00:00Z", "2026-11-21T11:15:00Z", ""},
      {"a zone", "0 9 * * *", "2026-11-21T00:00:00Z", "2026-11-21T08:00:00Z", "Europe/Berlin"},
      {"a zone of half hours", "0 9 * * *", "2026-11-21T00:00:00Z", "2026-11-21T03:30:00Z", "Asia/Kolkata"},
      {"a local day that began yesterday in UTC", "0 1 * * *", "2026-11-20T20:00:00Z", "2026-11-21T00:00:00Z", "Europe/Berlin"},
      {"a skipped local time runs at the change", "30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z", "Europe/Berlin"},
      {"and the next day as ever", "30 2 * * *", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z", "Europe/Berlin"},
      {"a repeated local time runs at the first", "30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "Europe/Berlin"},
      {"and not at the second", "30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z", "Europe/Berlin"},
      {"each hour goes on through the repeated one", "30 * * * *", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "Europe/Berlin"},
      {"each minute goes on through the repeated hour", "* * * * *", "2026-10-25T00:59:00Z", "2026-10-25T01:00:00Z",
       "Europe/Berlin"},
      {"each hour has no run in the skipped one", "30 * * * *", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "Europe/Berlin"},
      {"the American change", "30 2 * * *", "2026-03-08T00:00:00Z", "2026-03-08T07:00:00Z", "America/New_York"},
      {"a change at midnight", "15 0 * * *", "2024-10-26T12:00:00Z", "2024-10-26T22:15:00Z", "Asia/Beirut"},
  };
  for (const Case& each : cases) EXPECT_EQ(next(each.cron, each.after, each.zone), each.expected) << each.name;
}

TEST(Cron, WhatCannotBeReadIsNamed) {
  struct Case {
    const char* cron;
    const char* part;
  };
  const std::vector<Case> cases{
      {"", "0 fields"},          {"* * * *", "4 fields"},         {"* * * * * *", "6 fields"}, {"60 * * * *", "minute"},
      {"* 24 * * *", "hour"},    {"* * 0 * *", "day of month"},   {"* * * 13 *", "month"},     {"* * * * 8", "day of week"},
      {"5-1 * * * *", "minute"}, {"*/0 * * * *", "minute"},       {"1,,2 * * * *", "minute"},  {"* * * foo *", "month"},
      {"a * * * *", "minute"},   {"* * * * mon-", "day of week"}, {"1-2-3 * * * *", "minute"}, {"yearly", "1 fields"}};
  for (const Case& each : cases) {
    const auto cron = parse_cron(each.cron);
    ASSERT_FALSE(cron) << each.cron;
    EXPECT_EQ(cron.error().kind, ErrorKind::kInvalid);
    EXPECT_NE(cron.error().message.find(each.part), std::string::npos) << cron.error().message;
  }
  EXPECT_FALSE(TimeZone::open("../etc/passwd"));
  EXPECT_FALSE(TimeZone::open("Nowhere"));
}

TEST(Cron, EachRunIsLaterThanTheOneBefore) {
  const auto zone = TimeZone::open("Europe/Berlin");
  ASSERT_TRUE(zone);
  for (const char* text : {"*/7 * * * *", "30 2,3 * * *", "0 */3 * * *", "15 1-3 * * 0", "59 23 * * *"}) {
    const auto cron = parse_cron(text);
    Instant at = *parse_instant("2026-03-20T00:00:00Z");
    const Instant end = *parse_instant("2026-11-01T00:00:00Z");
    while (at < end) {
      const auto following = next_after(*cron, at, *zone);
      ASSERT_TRUE(following);
      ASSERT_GT(*following, at) << text;
      // Nothing was passed over: from any instant between, the same run is next.
      const Instant between = at + (*following - at) / 2;
      ASSERT_EQ(next_after(*cron, between, *zone), following) << text << " after " << format_instant(between);
      at = *following;
    }
  }
}

Instant at(std::string_view text) { return *parse_instant(text); }

TEST(Timetable, RunsThatAreMissedAreSkippedAndNoneIsMadeTwice) {
  struct Look {
    const char* now;
    const char* due;  // "" is none
    bool missed = false;
  };
  struct Case {
    const char* name;
    std::vector<Look> looks;
  };
  const std::vector<Case> cases{
      {"on time, once a day",
       {{"2026-03-10T01:59:59Z", ""},
        {"2026-03-10T02:00:00Z", "2026-03-10T02:00:00Z"},
        {"2026-03-10T02:00:01Z", ""},
        {"2026-03-11T02:00:59Z", "2026-03-11T02:00:00Z"}}},
      {"the machine slept",
       {{"2026-03-10T09:00:00Z", "2026-03-10T02:00:00Z", true},
        {"2026-03-10T09:00:01Z", ""},
        {"2026-03-11T02:00:00Z", "2026-03-11T02:00:00Z"}}},
      {"the clock is set back to just before a run that was made",
       {{"2026-03-10T02:00:00Z", "2026-03-10T02:00:00Z"},
        {"2026-03-10T01:59:50Z", ""},
        {"2026-03-10T02:00:01Z", ""},
        {"2026-03-11T02:00:00Z", "2026-03-11T02:00:00Z"}}},
      {"the clock is set back to before a run that was missed",
       {{"2026-03-10T09:00:00Z", "2026-03-10T02:00:00Z", true},
        {"2026-03-10T01:30:00Z", ""},
        {"2026-03-10T02:00:01Z", "2026-03-10T02:00:00Z"}}},
  };
  for (const Case& each : cases) {
    Timetable table(*parse_cron("0 2 * * *"), {}, std::chrono::minutes(1), at("2026-03-10T01:00:00Z"));
    for (const Look& look : each.looks) {
      SCOPED_TRACE(std::string(each.name) + ", " + look.now);
      const auto due = table.look(at(look.now));
      EXPECT_EQ(due ? format_instant(due->at) : "", std::string(look.due).empty() ? "" : format_instant(at(look.due)));
      EXPECT_EQ(due && due->missed, look.missed);
    }
  }
}

}  // namespace
}  // namespace nelson
