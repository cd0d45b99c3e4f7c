#pragma once

#include <string>
#include <string_view>

namespace nelson {

// What looks like a secret that somebody wrote into a file by mistake: by its name, or by the form of the well-known kinds of keys.

/// Whether a variable of this name and value is most likely a secret itself, not the name of a file or of something that holds one.
[[nodiscard]] bool looks_secret(std::string_view name, std::string_view value);

/// `line` with every value that looks like a secret as so many asterisks, so that places in it stay.
[[nodiscard]] std::string without_secrets(std::string_view line);

}  // namespace nelson
