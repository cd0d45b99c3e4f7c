#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "state/model/result.h"

namespace nelson {

/// The whole of a regular file. kInvalid when it is not there, is no regular file, may not be read or is longer than `max_bytes`;
/// kUnavailable when it could not be read just now.
Result<std::string> read_file(const std::string& path, std::size_t max_bytes);

/// The names in a folder, sorted, without "." and "..". Nothing when it cannot be read to its end; errno tells why.
std::optional<std::vector<std::string>> names_in(const std::string& path);
/// The same; a folder that cannot be read has none.
std::vector<std::string> names_if_any(const std::string& path);

/// Makes the file with this content; kConflict when something is there already. The folder must exist.
Status create_file(const std::string& path, const std::string& content, unsigned mode = 0644);

/// Makes the folder and those above it that are missing.
Status make_folders(const std::string& path, unsigned mode = 0755);

/// Whether nothing is there, or a folder with nothing in it.
[[nodiscard]] bool is_free(const std::string& path);

/// `path` as seen from `folder`: absolute ones stay; the result has no "." and no "..".
[[nodiscard]] std::string resolve_path(const std::string& folder, const std::string& path);

/// The folder a path lies in, absolute.
[[nodiscard]] std::string folder_of(const std::string& path);

}  // namespace nelson
