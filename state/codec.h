#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "state/model/reflect.h"

namespace nelson {

// The bytes of a stored value. Integers are little-endian and as wide as their type; an enumeration and a bool are one byte; text, a
// vector and a map lead with a 32-bit count; an optional leads with a byte 0 or 1; durations and instants are 64-bit counts; a
// described struct is its fields in order. Every value has exactly one encoding, so equal bytes mean equal values.
//
// Decoding trusts nothing: it never reads past the end, allocates in proportion to the bytes that are there, and refuses what
// encoding would not have written.

template <std::integral T>
void encode(std::string& out, T value) {
  using Unsigned = std::make_unsigned_t<std::conditional_t<std::is_same_v<T, bool>, char, T>>;
  auto bits = static_cast<Unsigned>(value);
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out += static_cast<char>(bits & 0xff);
    if constexpr (sizeof(T) > 1) bits = static_cast<Unsigned>(bits >> 8);
  }
}
template <class Enum>
requires std::is_enum_v<Enum>
void encode(std::string& out, Enum value) {
  static_assert(!kNames<Enum>.empty() && kNames<Enum>.size() <= 256);
  encode(out, static_cast<std::uint8_t>(value));
}
inline void encode(std::string& out, const std::string& value) {
  encode(out, static_cast<std::uint32_t>(value.size()));
  out += value;
}
template <class Rep, class Period>
void encode(std::string& out, std::chrono::duration<Rep, Period> value) {
  encode(out, static_cast<std::int64_t>(value.count()));
}
template <class Clock, class Length>
void encode(std::string& out, std::chrono::time_point<Clock, Length> value) {
  encode(out, value.time_since_epoch());
}
template <class T>
void encode(std::string& out, const std::optional<T>& value);
template <class T>
void encode(std::string& out, const std::vector<T>& values);
template <Keyed Map>
void encode(std::string& out, const Map& values);
template <Described T>
void encode(std::string& out, const T& value);

template <class T>
void encode(std::string& out, const std::optional<T>& value) {
  encode(out, value.has_value());
  if (value) encode(out, *value);
}
template <class T>
void encode(std::string& out, const std::vector<T>& values) {
  encode(out, static_cast<std::uint32_t>(values.size()));
  for (const T& value : values) encode(out, value);
}
template <Keyed Map>
void encode(std::string& out, const Map& values) {
  encode(out, static_cast<std::uint32_t>(values.size()));
  for (const auto& [key, value] : values) {
    encode(out, key);
    encode(out, value);
  }
}
template <Described T>
void encode(std::string& out, const T& value) {
  T::visit(value, [&out](std::string_view, const auto& member) { encode(out, member); });
}

template <class T>
[[nodiscard]] std::string encoded(const T& value) {
  std::string out;
  encode(out, value);
  return out;
}

/// What is left to decode. Every `take` answers false, and leaves its target unspecified, when the bytes do not hold such a value.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool done() const { return rest_.empty(); }
  [[nodiscard]] std::string_view rest() const { return rest_; }

  template <std::integral T>
  bool take(T& value) {
    if (rest_.size() < sizeof(T)) return false;
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) bits |= std::uint64_t{static_cast<std::uint8_t>(rest_[i])} << (8 * i);
    rest_.remove_prefix(sizeof(T));
    if constexpr (std::is_same_v<T, bool>)
      if (bits > 1) return false;
    value = static_cast<T>(bits);
    return true;
  }

  template <class Enum>
  requires std::is_enum_v<Enum>
  bool take(Enum& value) {
    std::uint8_t index = 0;
    if (!take(index) || index >= kNames<Enum>.size()) return false;
    value = static_cast<Enum>(index);
    return true;
  }

  bool take(std::string& value) {
    std::uint32_t size = 0;
    if (!take(size) || size > rest_.size()) return false;
    value.assign(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return true;
  }

  template <class Rep, class Period>
  bool take(std::chrono::duration<Rep, Period>& value) {
    std::int64_t count = 0;
    if (!take(count)) return false;
    value = std::chrono::duration<Rep, Period>(count);
    return true;
  }

  template <class Clock, class Length>
  bool take(std::chrono::time_point<Clock, Length>& value) {
    Length length{};
    if (!take(length)) return false;
    value = std::chrono::time_point<Clock, Length>(length);
    return true;
  }

  template <class T>
  bool take(std::optional<T>& value) {
    bool there = false;
    if (!take(there)) return false;
    value.reset();
    return !there || take(value.emplace());
  }

  template <class T>
  bool take(std::vector<T>& values) {
    std::uint32_t count = 0;
    // An element takes at least one byte, so a count that lies is refused before anything is allocated for it.
    if (!take(count) || count > rest_.size()) return false;
    values.clear();
    for (std::uint32_t i = 0; i < count; ++i)
      if (!take(values.emplace_back())) return false;
    return true;
  }

  template <Keyed Map>
  bool take(Map& values) {
    std::uint32_t count = 0;
    if (!take(count) || count > rest_.size()) return false;
    values.clear();
    std::optional<typename Map::key_type> last;
    for (std::uint32_t i = 0; i < count; ++i) {
      typename Map::key_type key;
      if (!take(key) || (last && !(*last < key)) || !take(values[key])) return false;
      last = std::move(key);
    }
    return true;
  }

  template <Described T>
  bool take(T& value) {
    bool whole = true;
    T::visit(value, [&](std::string_view, auto& member) { whole = whole && take(member); });
    return whole;
  }

 private:
  std::string_view rest_;
};

/// The value that `bytes` are the whole encoding of; nothing when they are not one.
template <class T>
[[nodiscard]] std::optional<T> decoded(std::string_view bytes) {
  std::optional<T> value(std::in_place);
  Decoder decoder(bytes);
  if (!decoder.take(*value) || !decoder.done()) return std::nullopt;
  return value;
}

}  // namespace nelson
