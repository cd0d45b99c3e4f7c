#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nelson {

/// `major.minor.patch` of a unit; ordered numerically. Nelson reads them as breaking.feature.patch.
struct Version {
  std::uint32_t major = 0, minor = 0, patch = 0;

  auto operator<=>(const Version&) const = default;
  static void visit(auto& self, auto&& field) {
    field("major", self.major);
    field("minor", self.minor);
    field("patch", self.patch);
  }
};

/// Exactly three runs of digits joined by dots, each at most 2^31 - 1.
[[nodiscard]] std::optional<Version> parse_version(std::string_view text);
/// "1.2.3"
[[nodiscard]] std::string to_string(const Version& version);

/// `major.minor` as a dependency names it.
struct FeatureVersion {
  std::uint32_t major = 0, minor = 0;

  auto operator<=>(const FeatureVersion&) const = default;
  static void visit(auto& self, auto&& field) {
    field("major", self.major);
    field("minor", self.minor);
  }
};

[[nodiscard]] std::optional<FeatureVersion> parse_feature_version(std::string_view text);
/// "1.2"
[[nodiscard]] std::string to_string(const FeatureVersion& version);

}  // namespace nelson
