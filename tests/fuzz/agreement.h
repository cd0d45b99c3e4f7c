#pragma once

#include "gitsync/document.h"
#include "gitsync/manifest.h"

namespace nelson::fuzz {

/// Throws Violation where `nelson schema` and the reader disagree about one document: the schema refuses what reads, or takes what the
/// reader refuses for something that a schema can say (all but tests/controller/cli/schema_cannot_say.txt). What a plain word means to an
/// editor depends on its version of YAML; where that decides, both are right.
void check_agreement(const Node& root, const ManifestReading& reading);

}  // namespace nelson::fuzz
