#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/model/version.h"

namespace nelson {

// Namespaces are paths, root first: "dev", "dev/sandbox" (spec/manifest 3.7).

/// Starts and ends with a-z, between them a-z, '-' and '/', no "//", at least two characters.
[[nodiscard]] bool valid_namespace(std::string_view name);
/// First and last character alphanumeric, between them also '-', no "--", 2 to 41 characters (spec/manifest 3.1, 21).
[[nodiscard]] bool valid_unit_name(std::string_view name);

/// "dev/sandbox" -> "dev".
[[nodiscard]] std::string_view root_of(std::string_view name);
/// "dev/sandbox" -> "dev"; nothing for a root.
[[nodiscard]] std::optional<std::string_view> parent_of(std::string_view name);
/// Whether `name` lies strictly below `ancestor`.
[[nodiscard]] bool is_below(std::string_view name, std::string_view ancestor);

/// The parts of `<unit>--<x>-<y>-<z>--<hash8>`.
struct StackName {
  std::string unit;
  Version version;
  std::string hash;

  bool operator==(const StackName&) const = default;
};

[[nodiscard]] std::string to_string(const StackName& name);
/// Nothing unless the text has exactly the three parts, with a hash of eight characters 0-9a-v.
[[nodiscard]] std::optional<StackName> parse_stack_name(std::string_view text);

/// The entry of `candidates` that a misspelt `word` most likely meant; nothing when none is near.
[[nodiscard]] std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace nelson
