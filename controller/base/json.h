#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "state/model/plan.h"
#include "state/model/reflect.h"
#include "state/model/time.h"

// JSON of every described struct (state/model/reflect.h), in both directions, for records in files, the API, diffs and test data.
// Instants are ISO-8601 text, durations milliseconds, enumerations their names; an empty optional is left out. Slow to compile: include it
// in .cc files only.

namespace nelson::json {

using Json = nlohmann::ordered_json;

inline Json to_json(const std::string& value) { return value; }
inline Json to_json(bool value) { return value; }
template <class T>
requires std::is_arithmetic_v<T> Json to_json(T value) { return value; }
template <class Enum>
requires std::is_enum_v<Enum> Json to_json(Enum value) { return std::string(name_of(value)); }
inline Json to_json(Duration value) { return value.count(); }
inline Json to_json(Instant value) { return format_instant(value); }
template <class T>
Json to_json(const std::vector<T>& values);
template <Keyed Map>
Json to_json(const Map& values);
template <Described T>
Json to_json(const T& value);

template <class T>
Json to_json(const std::vector<T>& values) {
  Json out = Json::array();
  for (const T& value : values) out.push_back(to_json(value));
  return out;
}

/// Text keys make an object, others a list of {"key", "value"}.
template <Keyed Map>
Json to_json(const Map& values) {
  if constexpr (std::is_same_v<typename Map::key_type, std::string>) {
    Json out = Json::object();
    for (const auto& [key, value] : values) out[key] = to_json(value);
    return out;
  } else {
    Json out = Json::array();
    for (const auto& [key, value] : values) out.push_back(Json{{"key", to_json(key)}, {"value", to_json(value)}});
    return out;
  }
}

template <Described T>
Json to_json(const T& value) {
  Json out = Json::object();
  T::visit(value, [&out](std::string_view name, const auto& member) {
    if constexpr (requires { member.has_value(); }) {
      if (member) out[std::string(name)] = to_json(*member);
    } else {
      out[std::string(name)] = to_json(member);
    }
  });
  return out;
}

// Reading. Throws nlohmann's exceptions or std::invalid_argument; callers at the edge turn them into an Error with the file's name.

/// Somebody's word in a message: its beginning, as far as it can be shown.
inline std::string in_short(std::string_view text) {
  std::string out(text.substr(0, 40));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return '"' + out + '"';
}

/// The value that the whole of `text` is. The library by itself takes a zero byte for the end, whatever follows, builds any number of
/// levels, at some eighty bytes of memory for each, and repeats all it has read of a broken text.
inline Json parse(std::string_view text) {
  constexpr int kMostLevels = 64;
  if (text.find('\0') != std::string_view::npos) throw std::invalid_argument("a zero byte");
  try {
    return Json::parse(text, [](int depth, Json::parse_event_t, const Json&) {
      if (depth > kMostLevels) throw std::invalid_argument("more than 64 levels");
      return true;
    });
  } catch (const Json::exception& broken) {
    const std::string_view why = broken.what();
    throw std::invalid_argument(std::string(why.substr(0, std::min(why.find("; last read"), std::size_t{200}))));
  }
}

inline void from_json(const Json& json, std::string& value) { value = json.get<std::string>(); }
inline void from_json(const Json& json, bool& value) { value = json.get<bool>(); }
template <class T>
requires std::is_arithmetic_v<T>
void from_json(const Json& json, T& value) {
  if constexpr (std::is_integral_v<T>) {
    // The library's own conversion takes 1.5 for 1 and 2^32 + 1, in 32 bits, likewise.
    const bool fits = json.is_number_unsigned()  ? std::in_range<T>(json.get<std::uint64_t>())
                      : json.is_number_integer() ? std::in_range<T>(json.get<std::int64_t>())
                                                 : false;
    if (!fits) throw std::invalid_argument("a whole number within its bounds is expected");
  }
  value = json.get<T>();
}
template <class Enum>
requires std::is_enum_v<Enum>
void from_json(const Json& json, Enum& value) {
  const auto found = from_name<Enum>(json.get<std::string>());
  if (!found) throw std::invalid_argument("unknown word " + in_short(json.get<std::string>()));
  value = *found;
}
inline void from_json(const Json& json, Duration& value) {
  std::int64_t count = 0;
  from_json(json, count);
  value = Duration(count);
}
inline void from_json(const Json& json, Instant& value) {
  const auto at = parse_instant(json.get<std::string>());
  if (!at) throw std::invalid_argument("not an instant: " + in_short(json.get<std::string>()));
  value = *at;
}
template <class T>
void from_json(const Json& json, std::optional<T>& value);
template <class T>
void from_json(const Json& json, std::vector<T>& values);
template <Keyed Map>
void from_json(const Json& json, Map& values);
template <Described T>
void from_json(const Json& json, T& value);

template <class T>
void from_json(const Json& json, std::optional<T>& value) {
  from_json(json, value.emplace());
}
template <class T>
void from_json(const Json& json, std::vector<T>& values) {
  if (!json.is_array()) throw std::invalid_argument("a list is expected");
  for (const Json& item : json) from_json(item, values.emplace_back());
}
template <Keyed Map>
void from_json(const Json& json, Map& values) {
  if constexpr (std::is_same_v<typename Map::key_type, std::string>) {
    for (const auto& [key, item] : json.items()) from_json(item, values[key]);
  } else {
    for (const Json& item : json) {
      typename Map::key_type key{};
      from_json(item.at("key"), key);
      from_json(item.at("value"), values[key]);
    }
  }
}

/// Fields that are left out keep their defaults; unknown ones are an error, so that a misspelt one is not lost.
template <Described T>
void from_json(const Json& json, T& value) {
  if (!json.is_object()) throw std::invalid_argument("an object is expected");
  std::size_t known = 0;
  T::visit(value, [&](std::string_view name, auto& member) {
    const auto found = json.find(std::string(name));
    if (found == json.end()) return;
    ++known;
    from_json(*found, member);
  });
  if (known != json.size()) {
    for (const auto& item : json.items()) {
      const std::string& key = item.key();
      bool is_known = false;
      T::visit(value, [&](std::string_view name, auto&) { is_known = is_known || name == key; });
      if (!is_known) throw std::invalid_argument("unknown field " + in_short(key));
    }
  }
}

template <class T>
T read(const Json& json) {
  T value{};
  from_json(json, value);
  return value;
}

inline Json to_json(const Action& action) {
  Json out{{"effect", std::string(word_of(action.effect))},
           {"domain", action.cell.domain},
           {"unit", action.cell.unit},
           {"namespace", action.name_space},
           {"repository", action.repository},
           {"reason", action.reason}};
  out["arguments"] = std::visit([](const auto& effect) { return to_json(effect); }, action.effect);
  return out;
}

}  // namespace nelson::json
