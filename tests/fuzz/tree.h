#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gitsync/document.h"
#include "state/model/problem.h"

namespace nelson::fuzz {

/// A reading that keeps what document.h promises.
struct Checked {
  DocumentReading reading;
  /// The tree in block style, without aliases and merge keys; nothing when there is none, or when it is beyond the limits in this form.
  std::optional<std::string> printed;
};

/// Reads `bytes` and throws Violation unless the reading is as document.h promises: a tree or an error, limits, UTF-8, places inside the
/// text, and a tree that is read again from how it prints.
Checked read_and_check(std::string_view bytes, DuplicateKeys duplicates);

/// Throws Violation unless each problem says where in `bytes` it is and how to get out of it, in one short line that can be shown.
void check_problems(std::string_view bytes, const std::vector<Problem>& problems);

/// Whether two readings complain of the same, which must not depend on how a tree was written. What is written once and used twice, by an
/// alias, is complained of once.
[[nodiscard]] bool same_codes(const std::vector<Problem>& a, const std::vector<Problem>& b);

[[nodiscard]] bool has_error(const std::vector<Problem>& problems);

/// Whether `text` is UTF-8 without overlong forms and surrogates.
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace nelson::fuzz
