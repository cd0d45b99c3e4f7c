#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace nelson {

/// The names of an enumeration's values, in their order. Every enumeration that is stored or shown has one; its values must be
/// 0, 1, 2, ... A name is what files, APIs and digests say, so renaming one is a breaking change.
///
///     template <> inline constexpr auto kNames<Protocol> = std::to_array<std::string_view>({"http", "https"});
template <class Enum>
inline constexpr std::array<std::string_view, 0> kNames;

template <class Enum>
[[nodiscard]] constexpr std::string_view name_of(Enum value) {
  return kNames<Enum>[static_cast<std::size_t>(value)];
}

template <class Enum>
[[nodiscard]] constexpr std::optional<Enum> from_name(std::string_view name) {
  for (std::size_t i = 0; i < kNames<Enum>.size(); ++i)
    if (kNames<Enum>[i] == name) return static_cast<Enum>(i);
  return std::nullopt;
}

/// std::map and SharedMap: what is stored and shown of them is the same.
template <class T>
concept Keyed = requires {
  typename T::key_type;
  typename T::mapped_type;
};

struct AnyField {
  void operator()(std::string_view, auto&) const {}
};

/// A struct that describes its members, so that encoding, decoding, digests, JSON and test data are each written once:
///
///     struct Port {
///       std::string name;
///       std::uint16_t number = 0;
///       static void visit(auto& self, auto&& field) { field("name", self.name); field("number", self.number); }
///     };
///
/// The order and names of the fields are the record's format.
template <class T>
concept Described = requires(T& value) {
  T::visit(value, AnyField{});
};

}  // namespace nelson
