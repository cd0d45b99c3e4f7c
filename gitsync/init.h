#pragma once

#include <string>
#include <utility>
#include <vector>

#include "state/model/result.h"

namespace nelson {

/// Makes `folder` (missing or empty) a Git repository with a working copy, branch `main` and one commit that holds `files`: pairs of a
/// path inside it and the content. kInvalid, with nothing written, when something is there already or a path leaves the folder. For
/// `nelson init`.
Status create_control_repository(const std::string& folder, const std::vector<std::pair<std::string, std::string>>& files,
                                 const std::string& message);

}  // namespace nelson
