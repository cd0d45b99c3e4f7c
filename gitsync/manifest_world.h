#pragma once

#include <set>
#include <vector>

#include "gitsync/manifest.h"
#include "state/model/desired.h"

namespace nelson {

/// The rules of a manifest that need the world: what Git says elsewhere. They never invalidate a file (semantics 2), so all that comes of
/// them are warnings.
class ManifestWorld {
 public:
  /// `desired` must outlive this.
  explicit ManifestWorld(const Desired& desired);

  /// The caller fills in the file. Sorted.
  [[nodiscard]] std::vector<Problem> problems_of(const Manifest& manifest) const;

 private:
  const Desired& desired_;
  std::set<CellKey> called_;  // units that some other one depends on, by domain
};

}  // namespace nelson
