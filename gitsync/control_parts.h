#pragma once

#include <string_view>

#include "gitsync/document.h"
#include "gitsync/object_reader.h"
#include "state/model/desired.h"

namespace nelson {

// Shared by the files that read parts of the control repository; nobody else includes this.

/// Whether it names one place from the root on, without `..` and control characters.
[[nodiscard]] bool is_absolute_path(std::string_view path);

/// Reads `domains/<name>.yml` into `domain`, which has its name already. Problems go to `in`.
void read_domain(Reading& in, const Node& root, DomainSettings& domain);

}  // namespace nelson
