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

// The frozen encoding behind every digest (semantics 3). A value is text; a described struct is, for each field whose value is
// not the default one, the netstrings of its name and of its value. So a field that is added later, and left unset, changes no
// digest, and no two different values share an encoding.

inline void append_netstring(std::string& out, std::string_view text) {
  out += std::to_string(text.size());
  out += ':';
  out += text;
  out += ',';
}

inline std::string canonical(const std::string& value) { return value; }
inline std::string canonical(bool value) { return value ? "true" : "false"; }
template <std::integral T>
std::string canonical(T value) {
  return std::to_string(value);
}
template <class Enum>
requires std::is_enum_v<Enum> std::string canonical(Enum value) { return std::string(name_of(value)); }
template <class Rep, class Period>
std::string canonical(std::chrono::duration<Rep, Period> value);
template <class Clock, class Length>
std::string canonical(std::chrono::time_point<Clock, Length> value) {
  return std::to_string(value.time_since_epoch().count());
}
template <class T>
std::string canonical(const std::optional<T>& value);
template <class T>
std::string canonical(const std::vector<T>& values);
template <Described T>
std::string canonical(const T& value);

template <class Rep, class Period>
std::string canonical(std::chrono::duration<Rep, Period> value) {
  return std::to_string(value.count());
}

template <class T>
std::string canonical(const std::optional<T>& value) {
  return value ? canonical(*value) : std::string();
}

template <class T>
std::string canonical(const std::vector<T>& values) {
  std::string out;
  for (const T& value : values) append_netstring(out, canonical(value));
  return out;
}

template <Described T>
std::string canonical(const T& value) {
  std::string out;
  T::visit(value, [&](std::string_view name, const auto& member) {
    if (member == std::remove_cvref_t<decltype(member)>{}) return;
    append_netstring(out, name);
    append_netstring(out, canonical(member));
  });
  return out;
}

}  // namespace nelson
