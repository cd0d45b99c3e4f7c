#pragma once

#include <string>
#include <string_view>

#include "controller/status/library.h"

namespace nelson::status {

/// A whole page around `body`. No script; the one style sheet is named by its digest in the policy, so nothing that slips into the page
/// could style or run anything. `refresh`: seconds after which a browser loads it again, 0 for never.
[[nodiscard]] Content document(std::string_view title, std::string_view body, int refresh);

/// Escapes `text` and shows what it has in backticks as code.
void append_prose(std::string& out, std::string_view text);

}  // namespace nelson::status
