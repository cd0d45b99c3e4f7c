#include "state/model/time.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace nelson::tests {
namespace {

using namespace std::chrono_literals;

struct InstantCase {
  std::int64_t milliseconds;
  const char* text;
};

TEST(Instants, AreReadAsTheyAreWritten) {
  for (const auto& [milliseconds, text] :
       {InstantCase{0, "1970-01-01T00:00:00Z"}, InstantCase{1, "1970-01-01T00:00:00.001Z"},
        InstantCase{1795260957123, "2026-11-21T11:35:57.123Z"}, InstantCase{951782400000, "2000-02-29T00:00:00Z"},
        InstantCase{-1, "1969-12-31T23:59:59.999Z"}, InstantCase{253402300799999, "9999-12-31T23:59:59.999Z"}}) {
    const Instant instant{Duration(milliseconds)};
    EXPECT_EQ(format_instant(instant), text);
    EXPECT_EQ(parse_instant(text), instant) << text;
  }
}

TEST(Instants, NothingElseIsOne) {
  for (const char* const text :
       {"", "2026-11-21", "2026-11-21T11:35:57", "2026-11-21 11:35:57Z", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
        "2026-11-31T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T11:60:00Z", "2026-11-21T11:35:60Z", "2026-11-21T11:35:57.1Z",
        "2026-11-21T11:35:57.1234Z", "2026-11-21T11:35:57.Z", "2026-11-21T11:35:57+01:00", "2026-11-21T11:35:57ZZ",
        "2026-11-21T11:35:57.-12Z", "x"})
    EXPECT_EQ(parse_instant(text), std::nullopt) << text;
}

TEST(Instants, ALawForManyOfThem) {
  constexpr std::uint64_t kSeed = 7;
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 10'000; ++i) {
    const Instant instant{Duration(static_cast<std::int64_t>(random() % 253402300800000))};
    ASSERT_EQ(parse_instant(format_instant(instant)), instant) << "seed " << kSeed;
  }
}

TEST(Durations, AreSaidInTheLargestUnits) {
  const std::vector<std::pair<Duration, const char*>> cases{{0ms, "0 seconds"},
                                                            {250ms, "250 milliseconds"},
                                                            {1ms, "1 millisecond"},
                                                            {1s, "1 second"},
                                                            {1500ms, "1 second 500 milliseconds"},
                                                            {20min, "20 minutes"},
                                                            {90min, "1 hour 30 minutes"},
                                                            {25h, "1 day 1 hour"},
                                                            {48h, "2 days"},
                                                            {24h + 1min, "1 day"},
                                                            {-90s, "-1 minute 30 seconds"}};
  for (const auto& [length, text] : cases) EXPECT_EQ(format_duration(length), text);
}

TEST(Durations, AreReadInEveryUnit) {
  const std::vector<std::pair<const char*, Duration>> cases{
      {"20 minutes", 20min}, {"20minutes", 20min}, {"1 minute", 1min}, {"5 min", 5min},        {"1.5h", 90min},
      {"2 hours", 2h},       {"1 hour", 1h},       {"2d", 48h},        {"1 day", 24h},         {"3 days", 72h},
      {"10s", 10s},          {"10 sec", 10s},      {"10 secs", 10s},   {"1 second", 1s},       {"10 seconds", 10s},
      {"250ms", 250ms},      {"250 milli", 250ms}, {"1 millis", 1ms},  {"1 millisecond", 1ms}, {"7 milliseconds", 7ms},
      {"1500 \u00b5s", 1ms}, {"2500 micros", 2ms}, {"1 micro", 0ms},   {"999999 ns", 0ms},     {"3000000 nanoseconds", 3ms},
      {"0s", 0ms},           {" 1 s ", 1s},        {"\t1\ts", 1s},     {"1e3ms", 1s}};
  for (const auto& [text, length] : cases) EXPECT_EQ(parse_duration(text), length) << text;
}

TEST(Durations, NothingElseIsOne) {
  for (const char* const text :
       {"", "5", "s", "minutes", "-5s", "5 parsecs", "5 M", "5m", "5 Minutes", "five minutes", "1 hour 30 minutes", "nan s",
        "inf s", "1e300 s", "300 years", "110000 days", "0x10s", "1,5h", "5s5"})
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

}  // namespace
}  // namespace nelson::tests
