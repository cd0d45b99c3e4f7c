#include "state/model/version.h"

#include <array>
#include <charconv>
#include <limits>

namespace nelson {
namespace {

/// Exactly `N` runs of digits joined by dots.
template <std::size_t N>
std::optional<std::array<std::uint32_t, N>> parse_numbers(std::string_view text) {
  std::array<std::uint32_t, N> numbers{};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < N; ++i) {
    if (i > 0 && (at == end || *at++ != '.')) return std::nullopt;
    const auto [next, error] = std::from_chars(at, end, numbers[i]);
    if (error != std::errc() || numbers[i] > std::numeric_limits<std::int32_t>::max()) return std::nullopt;
    at = next;
  }
  if (at != end) return std::nullopt;
  return numbers;
}

}  // namespace

std::optional<Version> parse_version(std::string_view text) {
  const auto numbers = parse_numbers<3>(text);
  if (!numbers) return std::nullopt;
  return Version{(*numbers)[0], (*numbers)[1], (*numbers)[2]};
}

std::string to_string(const Version& version) {
  return std::to_string(version.major) + '.' + std::to_string(version.minor) + '.' + std::to_string(version.patch);
}

std::optional<FeatureVersion> parse_feature_version(std::string_view text) {
  const auto numbers = parse_numbers<2>(text);
  if (!numbers) return std::nullopt;
  return FeatureVersion{(*numbers)[0], (*numbers)[1]};
}

std::string to_string(const FeatureVersion& version) { return std::to_string(version.major) + '.' + std::to_string(version.minor); }

}  // namespace nelson
