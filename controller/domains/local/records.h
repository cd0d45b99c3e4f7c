#pragma once

#include <memory>
#include <string>

#include "controller/domains/domain.h"

namespace nelson {

/// The records of a `local` domain: one JSON file each under `<folder>/records`, and `<folder>/lock`. Every file carries the SHA-256 of what
/// it says; one that does not read, or says something else, is listed as damaged and left where it is.
///
/// A file that did not change since it was last read costs a stat. put() and drop() are refused with kConflict when the file is not what
/// this object last saw. A full disk is kUnavailable, and the earlier record stands whole.
///
/// With `read_only` no folder or file is made, and every write and lock() is refused.
Result<std::unique_ptr<Memory>> open_local_memory(const std::string& folder, bool read_only);

}  // namespace nelson
