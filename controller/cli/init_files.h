#pragma once

#include <string>
#include <utility>
#include <vector>

namespace nelson::cli {

/// What `nelson init FOLDER` puts into the control repository: path and content. `id` is the owner's, `user` whom deployed things run
/// as ("": nobody in particular).
[[nodiscard]] std::vector<std::pair<std::string, std::string>> control_files(const std::string& folder, const std::string& id,
                                                                             const std::string& user);

/// FOLDER/nelson.yml: paths in it are relative to it.
[[nodiscard]] std::string machine_file();

}  // namespace nelson::cli
