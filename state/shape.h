#pragma once

#include <chrono>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "state/model/reflect.h"

namespace nelson {

// The layout of encoded values as text: the kinds, names and order of all their fields. A store keeps the digest of the shapes it was
// written with, so that a changed struct is noticed at start even if nobody thought of the schema's number.

template <class T>
struct Shape;

template <class T>
[[nodiscard]] std::string shape_of() {
  return Shape<T>::text();
}

template <std::integral T>
struct Shape<T> {
  static std::string text() { return (std::is_signed_v<T> ? "i" : "u") + std::to_string(8 * sizeof(T)); }
};
template <class Enum>
requires std::is_enum_v<Enum>
struct Shape<Enum> {
  static std::string text() {
    std::string text = "enum(";
    for (const std::string_view name : kNames<Enum>) text += std::string(name) + ' ';
    return text + ')';
  }
};
template <>
struct Shape<std::string> {
  static std::string text() { return "text"; }
};
template <class Rep, class Period>
struct Shape<std::chrono::duration<Rep, Period>> {
  static std::string text() { return "duration/" + std::to_string(Period::den); }
};
template <class Clock, class Length>
struct Shape<std::chrono::time_point<Clock, Length>> {
  static std::string text() { return "instant " + shape_of<Length>(); }
};
template <class T>
struct Shape<std::optional<T>> {
  static std::string text() { return "optional " + shape_of<T>(); }
};
template <class T>
struct Shape<std::vector<T>> {
  static std::string text() { return "list of " + shape_of<T>(); }
};
template <Keyed Map>
struct Shape<Map> {
  static std::string text() {
    return "map of " + shape_of<typename Map::key_type>() + " to " + shape_of<typename Map::mapped_type>();
  }
};
template <Described T>
struct Shape<T> {
  static std::string text() {
    std::string text = "{";
    T value{};
    T::visit(value, [&text](std::string_view name, const auto& member) {
      text += std::string(name) + ": " + shape_of<std::remove_cvref_t<decltype(member)>>() + "; ";
    });
    return text + '}';
  }
};

}  // namespace nelson
