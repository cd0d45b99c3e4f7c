#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nelson {

// What stands in front of each stored value: the first 8 bytes of its SHA-256, then a CRC-32C over key, digest and value. LMDB has
// no checksums of its own, and a flipped bit in a data file otherwise comes back as an answer. The key is covered too, so that a
// record which turns up under another key is known for damaged.

/// CRC-32C (Castagnoli) of `bytes`, continued from `seed`.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);

/// The first 8 bytes of SHA-256(value), most significant first: equal for equal content, in every process and for ever.
[[nodiscard]] std::uint64_t content_digest(std::string_view value);

/// What a sealed record holds; the view is into the bytes that were unsealed.
struct Unsealed {
  std::uint64_t digest = 0;
  std::string_view value;
};

[[nodiscard]] std::string seal(std::string_view key, std::string_view value);
/// Nothing when the checksum does not fit: any single flipped bit, and any truncation, is found.
[[nodiscard]] std::optional<Unsealed> unseal(std::string_view key, std::string_view record);

}  // namespace nelson
