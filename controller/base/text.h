#pragma once

#include <string>
#include <string_view>

namespace nelson {

/// `text` with everything that could drive a terminal or hide itself made visible as \xNN: control characters (C0, DEL, C1), bidirectional
/// overrides and bytes that are not UTF-8. Line feed and tab stay when `keep_lines`.
[[nodiscard]] std::string visible(std::string_view text, bool keep_lines = false);

/// `text` with the user information of every URL in it cut out: "https://bob:secret@host/x" -> "https://host/x". The names of ssh users
/// ("ssh://git@host") are no secret and stay.
[[nodiscard]] std::string without_credentials(std::string_view text);

}  // namespace nelson
