#include "controller/cli/offline.h"

namespace nelson::cli {

GitsyncOptions gitsync_options(const MachineFile& machine) {
  GitsyncOptions out;
  out.control_url = machine.control_url;
  out.control_branch = machine.control_branch;
  out.control_credentials = machine.control_credentials;
  out.folder = mirrors_folder(machine);
  out.poll = machine.poll;
  out.deadline = machine.limits.git_deadline;
  return out;
}

Result<std::unique_ptr<Gitsync>> open_offline(const MachineFile& machine) {
  GitsyncOptions options = gitsync_options(machine);
  options.offline = true;
  auto opened = Gitsync::open(std::move(options));
  if (!opened) return opened.error().with_context("what the controller last fetched cannot be read");
  return opened;
}

Result<std::shared_ptr<const Desired>> last_desired(Gitsync& offline, const MachineFile& machine) {
  auto desired = offline.sync(false);
  if (!desired)
    return desired.error().with_context("the controller has fetched nothing yet that could be read here (\"nelson run --config " +
                                        machine.path + "\" does)");
  return desired;
}

Result<std::shared_ptr<const Desired>> last_desired(const MachineFile& machine) {
  auto gitsync = open_offline(machine);
  if (!gitsync) return gitsync.error();
  return last_desired(**gitsync, machine);
}

}  // namespace nelson::cli
