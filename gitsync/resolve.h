#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gitsync/control_files.h"
#include "gitsync/manifest.h"
#include "state/model/desired.h"
#include "state/model/problem.h"

namespace nelson {

/// The current release of one unit, or the highest of a lower major: its manifest and artifact at the commit that is in force.
struct ReleaseReading {
  std::string unit;
  Version version;
  std::string commit;                        // full id
  std::string file;                          // path of the manifest
  std::shared_ptr<const Manifest> manifest;  // never null; declares `unit`
  Artifact artifact;
  bool fresh = false;  // as DesiredStack::fresh
  bool patch = false;  // as DesiredStack::patch; of each unit there is one release that is none
};

/// What is known of one watched repository.
struct RepositoryReading {
  std::string name;  // of its file in repositories/
  RepositoryState state = RepositoryState::kUnknown;
  std::string head;
  std::string last_fetched;
  std::vector<ReleaseReading> releases;
  std::vector<Problem> problems;
};

/// The pure step from what was read to what is wanted: each release in each domain it is for, in the domain's default namespace, one
/// stack per plan; claims and rights applied; everything sorted, so that the order of the arguments does not matter.
///
/// What is refused or unknown is left out of the cells with a problem that names both files, and its repository counts as last-good at
/// best: a refusal launches nothing and takes nothing away. A repository without a file in `control` is left out altogether.
[[nodiscard]] Desired resolve(const ControlFiles& control, const std::string& control_url, const std::string& control_commit,
                              const std::vector<RepositoryReading>& repositories, std::vector<Problem> control_problems);

}  // namespace nelson
