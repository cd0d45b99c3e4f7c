#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "state/model/reflect.h"

namespace nelson {

/// A 64-bit hash of a value, taken straight from its members: what tells a changed value from an unchanged one, in memory and
/// within one process, at a small part of the price of encoding it. It is never stored.
class Fingerprint {
 public:
  [[nodiscard]] std::uint64_t value() const { return fold(state_ ^ kFirst, kSecond); }

  template <class T>
  requires std::integral<T> || std::is_enum_v<T>
  void add(T value) { state_ = fold(state_ ^ static_cast<std::uint64_t>(value) ^ kFirst, kSecond); }

  void add(const std::string& text) {
    add(text.size());
    const char* at = text.data();
    std::size_t left = text.size();
    for (; left >= 8; left -= 8, at += 8) add(load(at, 8));
    if (left > 0) add(load(at, left));
  }

  template <class Rep, class Period>
  void add(std::chrono::duration<Rep, Period> value) {
    add(value.count());
  }
  template <class Clock, class Length>
  void add(std::chrono::time_point<Clock, Length> value) {
    add(value.time_since_epoch());
  }
  template <class T>
  void add(const std::optional<T>& value) {
    add(value.has_value());
    if (value) add(*value);
  }
  template <class T>
  void add(const std::vector<T>& values) {
    add(values.size());
    for (const T& value : values) add(value);
  }
  template <class Key, class T>
  void add(const std::map<Key, T>& values) {
    add(values.size());
    for (const auto& [key, value] : values) {
      add(key);
      add(value);
    }
  }
  template <Described T>
  void add(const T& value) {
    T::visit(value, [this](std::string_view, const auto& member) { this->add(member); });
  }

 private:
  // Odd, with about as many ones as zeros; nothing else is asked of them.
  static constexpr std::uint64_t kFirst = 0xa24baed4963ee407;
  static constexpr std::uint64_t kSecond = 0x9fb21c651e98df25;

  static std::uint64_t load(const char* at, std::size_t size) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, size);
    return word;
  }

  /// Both halves of the 128-bit product: every bit of either factor reaches every part of the result.
  static std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }

  std::uint64_t state_ = 0;
};

template <class T>
[[nodiscard]] std::uint64_t fingerprint_of(const T& value) {
  Fingerprint fingerprint;
  fingerprint.add(value);
  return fingerprint.value();
}

}  // namespace nelson
