#pragma once

#include <memory>
#include <string>

#include "controller/domains/domain.h"

namespace nelson {

/// Discovery of a `local` domain: `<folder>/lighthouse/<stack>.json`, replaced whole, readable by every instance. With `read_only` no folder
/// is made and every write is refused.
Result<std::unique_ptr<Discovery>> open_lighthouse(const std::string& folder, bool read_only);

}  // namespace nelson
