#include "controller/base/json.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace nelson {
namespace {

/// "" or why it is not read.
template <class T>
std::string refusal(const std::string& text) {
  try {
    json::read<T>(json::parse(text));
    return "";
  } catch (const std::exception& refused) {
    return refused.what();
  }
}

TEST(Json, ANumberIsReadAsItselfOrNotAtAll) {
  EXPECT_EQ(json::read<std::int32_t>(json::parse("-2147483648")), INT32_MIN);
  EXPECT_EQ(json::read<std::uint64_t>(json::parse("18446744073709551615")), UINT64_MAX);
  EXPECT_EQ(json::read<std::uint16_t>(json::parse("65535")), 65535);
  EXPECT_EQ(json::read<Duration>(json::parse("-7")), Duration(-7));
  EXPECT_EQ(json::read<double>(json::parse("1")), 1.0);
  for (const char* text : {"2147483648", "4294967297", "1.5", "1e3", "true", "\"1\"", "null", "[1]"})
    EXPECT_NE(refusal<std::int32_t>(text), "") << text;
  for (const char* text : {"-1", "65536"}) EXPECT_NE(refusal<std::uint16_t>(text), "") << text;
  EXPECT_NE(refusal<Duration>("9223372036854775808"), "");
}

TEST(Json, ATextIsReadToItsEndAndNoDeeperThanAnythingOfOurs) {
  const auto nested = [](std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); };
  EXPECT_NO_THROW(json::parse(nested(64)));
  EXPECT_THROW(json::parse(nested(66)), std::invalid_argument);
  EXPECT_THROW(json::parse(std::string(4 << 20, '[')), std::invalid_argument) << "without the memory for four million levels";
  EXPECT_THROW(json::parse(std::string("{}\0rubbish", 10)), std::invalid_argument);
  EXPECT_THROW(json::parse("{} rubbish"), std::invalid_argument);
  EXPECT_THROW(json::parse("\"\xff\""), std::invalid_argument);
}

TEST(Json, ARefusalIsShortWhateverWasRead) {
  const std::string much(100'000, '\n'), word = '"' + std::string(100'000, 'a') + "\xc3\xa9\"";
  for (const std::string& text : {"{\"a\"" + much + "\xff", "[" + word + " 1]", word.substr(0, 1000)}) {
    EXPECT_NE(refusal<std::string>(text), "");
    EXPECT_LE(refusal<std::string>(text).size(), 300U) << refusal<std::string>(text).substr(0, 400);
  }
  EXPECT_LE(refusal<Instant>(word).size(), 100U);
}

}  // namespace
}  // namespace nelson
