#include "state/codec.h"

#include <gtest/gtest.h>

#include "state/record.h"
#include "state/shape.h"
#include "state/store.h"
#include "tests/state/generate.h"

namespace nelson::tests {
namespace {

class CodecLaws : public testing::TestWithParam<std::uint64_t> {};

template <class T>
void expect_round_trip(std::uint64_t seed) {
  const T value = Generate(seed).value<T>();
  const std::string bytes = encoded(value);
  const auto back = decoded<T>(bytes);
  ASSERT_TRUE(back.has_value()) << "seed " << seed;
  EXPECT_EQ(*back, value) << "seed " << seed;
  EXPECT_EQ(encoded(*back), bytes) << "seed " << seed;
}

TEST_P(CodecLaws, DecodingWhatWasEncodedGivesItBack) {
  expect_round_trip<Desired>(GetParam());
  expect_round_trip<Observed>(GetParam());
  expect_round_trip<JournalEntry>(GetParam());
  expect_round_trip<PassRecord>(GetParam());
  expect_round_trip<StackRecord>(GetParam());
  expect_round_trip<Hold>(GetParam());
}

TEST_P(CodecLaws, NoBeginningOfAnEncodingIsAnEncoding) {
  const std::string bytes = encoded(Generate(GetParam()).value<Observed>());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    ASSERT_FALSE(decoded<Observed>(std::string_view(bytes).substr(0, size)).has_value())
        << "seed " << GetParam() << " size " << size;
  EXPECT_FALSE(decoded<Observed>(bytes + '\0').has_value()) << "seed " << GetParam();
}

TEST_P(CodecLaws, WhatDecodesAtAllEncodesToTheSameBytes) {
  Generate generate(GetParam());
  const std::string whole = encoded(generate.value<Desired>());
  for (int i = 0; i < 300; ++i) {
    std::string bytes = whole;
    for (std::uint64_t flips = 1 + generate.below(3); flips > 0; --flips)
      bytes[generate.below(bytes.size())] ^= static_cast<char>(1U << generate.below(8));
    if (const auto value = decoded<Desired>(bytes)) {
      EXPECT_EQ(encoded(*value), bytes) << "seed " << GetParam();
    }
  }
}

TEST_P(CodecLaws, EverySingleFlippedBitOfARecordIsFound) {
  Generate generate(GetParam());
  const std::string key = generate.value<std::string>() + "key";
  const std::string value = encoded(generate.value<JournalEntry>());
  const std::string record = seal(key, value);
  const auto whole = unseal(key, record);
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->value, value);
  EXPECT_EQ(whole->digest, content_digest(value));
  for (std::size_t bit = 0; bit < 8 * record.size(); ++bit) {
    std::string damaged = record;
    damaged[bit / 8] ^= static_cast<char>(1U << (bit % 8));
    ASSERT_FALSE(unseal(key, damaged).has_value()) << "seed " << GetParam() << " bit " << bit;
  }
  for (std::size_t bit = 0; bit < 8 * key.size(); ++bit) {
    std::string damaged = key;
    damaged[bit / 8] ^= static_cast<char>(1U << (bit % 8));
    ASSERT_FALSE(unseal(damaged, record).has_value()) << "seed " << GetParam() << " bit " << bit << " of the key";
  }
  for (std::size_t size = 0; size < record.size(); ++size)
    ASSERT_FALSE(unseal(key, std::string_view(record).substr(0, size)).has_value()) << "seed " << GetParam() << " size " << size;
}

INSTANTIATE_TEST_SUITE_P(Seeds, CodecLaws, testing::Range<std::uint64_t>(1, 13),
                         [](const auto& seed) { return "seed_" + std::to_string(seed.param); });

TEST(Codec, AValueIsTheseBytes) {
  using namespace std::string_literals;
  EXPECT_EQ(encoded(std::uint16_t{0x1234}), "\x34\x12"s);
  EXPECT_EQ(encoded(std::int32_t{-2}), "\xfe\xff\xff\xff"s);
  EXPECT_EQ(encoded(true), "\x01"s);
  EXPECT_EQ(encoded("ab"s), "\x02\0\0\0ab"s);
  EXPECT_EQ(encoded(Protocol::kTcp), "\x02"s);
  EXPECT_EQ(encoded(Duration(258)), "\x02\x01\0\0\0\0\0\0"s);
  EXPECT_EQ(encoded(Instant(Duration(-1))), "\xff\xff\xff\xff\xff\xff\xff\xff"s);
  EXPECT_EQ(encoded(std::optional<bool>()), "\0"s);
  EXPECT_EQ(encoded(std::optional<bool>(false)), "\x01\0"s);
  EXPECT_EQ(encoded(std::vector<std::uint8_t>{7, 8}), "\x02\0\0\0\x07\x08"s);
  EXPECT_EQ(encoded(std::map<std::uint8_t, bool>{{1, true}}), "\x01\0\0\0\x01\x01"s);
  EXPECT_EQ(encoded(Port{"p", 80, Protocol::kHttps}), "\x01\0\0\0p\x50\0\x01"s);
}

TEST(Codec, BytesThatEncodingNeverWritesAreRefused) {
  using namespace std::string_literals;
  EXPECT_FALSE(decoded<bool>("\x02"s)) << "a bool that is two";
  EXPECT_FALSE(decoded<Protocol>("\x04"s)) << "an enumerator that is none";
  EXPECT_FALSE(decoded<std::optional<bool>>("\x02\0"s)) << "an optional that is neither there nor not";
  EXPECT_FALSE((decoded<std::map<std::uint8_t, bool>>("\x02\0\0\0\x02\0\x01\0"s))) << "a map out of order";
  EXPECT_FALSE((decoded<std::map<std::uint8_t, bool>>("\x02\0\0\0\x01\0\x01\0"s))) << "a map with a key twice";
  EXPECT_FALSE(
      decoded<std::string>("\xff\xff\xff\xff"
                           "ab"s))
      << "text longer than the bytes";
  EXPECT_FALSE(decoded<std::vector<std::uint64_t>>("\xff\xff\xff\xff\0"s)) << "a list longer than the bytes";
}

TEST(Record, ChecksumIsCrc32c) {
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  EXPECT_EQ(crc32c("6789", crc32c("12345")), crc32c("123456789"));
}

TEST(Record, DigestIsTheBeginningOfSha256) { EXPECT_EQ(content_digest("abc"), 0xba7816bf8f01cfeaU); }

TEST(Shape, NamesEveryFieldItsKindAndItsOrder) {
  EXPECT_EQ(shape_of<Port>(), "{name: text; number: u16; protocol: enum(http https tcp wss ); }");
  EXPECT_EQ((shape_of<std::map<std::string, std::optional<Instant>>>()), "map of text to optional instant duration/1000");
  EXPECT_NE(shape_of<Desired>(), shape_of<Observed>());
}

}  // namespace
}  // namespace nelson::tests
