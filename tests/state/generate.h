#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "state/model/reflect.h"

namespace nelson::tests {

/// Fills any described value with values drawn from a seed: every enumerator, empty and long text with any byte, extremes of numbers,
/// absent optionals, lists of none to three.
class Generate {
 public:
  explicit Generate(std::uint64_t seed) : random_(seed) {}

  template <class T>
  T value() {
    T made{};
    fill(made);
    return made;
  }

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  template <std::integral T>
  void fill(T& value) {
    if constexpr (std::is_same_v<T, bool>)
      value = below(2) == 1;
    else
      value = below(4) == 0 ? static_cast<T>(random_()) : static_cast<T>(below(10));
  }
  template <class Enum>
  requires std::is_enum_v<Enum>
  void fill(Enum& value) { value = static_cast<Enum>(below(kNames<Enum>.size())); }
  void fill(std::string& text) {
    text.clear();
    const std::uint64_t size = below(20) == 0 ? below(300) : below(8);
    for (std::uint64_t i = 0; i < size; ++i) text += static_cast<char>(below(4) == 0 ? below(256) : 'a' + below(4));
  }
  template <class Rep, class Period>
  void fill(std::chrono::duration<Rep, Period>& value) {
    value = std::chrono::duration<Rep, Period>(static_cast<Rep>(below(1'000'000'000'000)));
  }
  template <class Clock, class Length>
  void fill(std::chrono::time_point<Clock, Length>& value) {
    Length length{};
    fill(length);
    value = std::chrono::time_point<Clock, Length>(length);
  }
  template <class T>
  void fill(std::optional<T>& value) {
    value.reset();
    if (below(2) == 1) fill(value.emplace());
  }
  template <class T>
  void fill(std::vector<T>& values) {
    values.clear();
    for (std::uint64_t left = below(4); left > 0; --left) fill(values.emplace_back());
  }
  template <Keyed Map>
  void fill(Map& values) {
    values.clear();
    for (std::uint64_t left = below(5); left > 0; --left) fill(values[value<typename Map::key_type>()]);
  }
  template <Described T>
  void fill(T& value) {
    T::visit(value, [this](std::string_view, auto& member) { this->fill(member); });
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace nelson::tests
