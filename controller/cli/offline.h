#pragma once

#include <memory>

#include "controller/cli/machine_file.h"
#include "gitsync/gitsync.h"

namespace nelson::cli {

[[nodiscard]] GitsyncOptions gitsync_options(const MachineFile& machine);

/// Git as the controller last fetched it: reads its mirrors, and neither fetches nor writes. The error says what to do when there is
/// nothing to read yet, or no right to.
Result<std::unique_ptr<Gitsync>> open_offline(const MachineFile& machine);

/// What those mirrors say.
Result<std::shared_ptr<const Desired>> last_desired(Gitsync& offline, const MachineFile& machine);
Result<std::shared_ptr<const Desired>> last_desired(const MachineFile& machine);

}  // namespace nelson::cli
