#include "state/record.h"

#include <array>
#include <cstring>

#include "state/codec.h"
#include "state/model/digest.h"

namespace nelson {
namespace {

constexpr std::size_t kHeader = sizeof(std::uint64_t) + sizeof(std::uint32_t);

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

/// Table k holds the remainder of a byte that is followed by k zero bytes, so that eight bytes are taken at a time.
constexpr Tables make_tables() {
  constexpr std::uint32_t kReversedPolynomial = 0x82f63b78;
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? kReversedPolynomial : 0);
    tables[0][byte] = remainder;
  }
  for (std::size_t k = 1; k < tables.size(); ++k)
    for (std::size_t byte = 0; byte < 256; ++byte)
      tables[k][byte] = (tables[k - 1][byte] >> 8) ^ tables[0][tables[k - 1][byte] & 0xff];
  return tables;
}

constexpr Tables kTables = make_tables();

std::uint32_t checksum(std::string_view key, std::string_view digest, std::string_view value) {
  return crc32c(value, crc32c(digest, crc32c(key)));
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed) {
  std::uint32_t crc = ~seed;
  const auto* at = reinterpret_cast<const std::uint8_t*>(bytes.data());
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    crc ^= std::uint32_t{at[0]} | std::uint32_t{at[1]} << 8 | std::uint32_t{at[2]} << 16 | std::uint32_t{at[3]} << 24;
    crc = kTables[7][crc & 0xff] ^ kTables[6][crc >> 8 & 0xff] ^ kTables[5][crc >> 16 & 0xff] ^ kTables[4][crc >> 24] ^
          kTables[3][at[4]] ^ kTables[2][at[5]] ^ kTables[1][at[6]] ^ kTables[0][at[7]];
  }
  for (; left > 0; --left, ++at) crc = (crc >> 8) ^ kTables[0][(crc ^ *at) & 0xff];
  return ~crc;
}

std::uint64_t content_digest(std::string_view value) {
  const auto computed = [](std::string_view of) {
    const Digest digest = sha256(of);
    std::uint64_t first = 0;
    for (std::size_t i = 0; i < sizeof(first); ++i) first = first << 8 | digest.bytes[i];
    return first;
  };
  // Two of an effect's three records are a key and nothing else.
  static const std::uint64_t kOfNothing = computed("");
  return value.empty() ? kOfNothing : computed(value);
}

std::string seal(std::string_view key, std::string_view value) {
  std::string record;
  record.reserve(kHeader + value.size());
  encode(record, content_digest(value));
  encode(record, checksum(key, record, value));
  record += value;
  return record;
}

std::optional<Unsealed> unseal(std::string_view key, std::string_view record) {
  if (record.size() < kHeader) return std::nullopt;
  Unsealed unsealed;
  std::uint32_t expected = 0;
  Decoder header(record.substr(0, kHeader));
  header.take(unsealed.digest);
  header.take(expected);
  unsealed.value = record.substr(kHeader);
  if (checksum(key, record.substr(0, sizeof(unsealed.digest)), unsealed.value) != expected) return std::nullopt;
  return unsealed;
}

}  // namespace nelson
