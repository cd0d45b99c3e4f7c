#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "state/model/result.h"

namespace nelson {

/// Replaces the file whole or not at all, with `mode` whatever the umask; when `durable`, file and folder are synced when it returns. Writes
/// `<folder>/.<name>.tmp` first, which a reader of the folder passes over. kUnavailable names the path and the cause; the earlier file then
/// stands as it was. One writer a path.
Status replace_file(const std::string& path, std::string_view content, mode_t mode, bool durable = true);

/// Removes the file, durable when it returns. One that is not there is fine.
Status remove_file(const std::string& path);

/// Has what was made, renamed and removed in the folder survive a loss of power. kUnavailable names the folder and the cause.
Status sync_folder(const std::string& path);

/// Makes the folder, whose parent is there, with `mode` whatever the umask. One that is there keeps its mode.
Status ensure_folder(const std::string& path, mode_t mode);

}  // namespace nelson
