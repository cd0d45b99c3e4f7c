#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace nelson {

/// A SHA-256 value.
struct Digest {
  std::array<std::uint8_t, 32> bytes{};

  auto operator<=>(const Digest&) const = default;
};

/// The SHA-256 of `bytes`.
[[nodiscard]] Digest sha256(std::string_view bytes);

/// All 64 lower-case hexadecimal digits.
[[nodiscard]] std::string to_hex(const Digest& digest);

}  // namespace nelson
