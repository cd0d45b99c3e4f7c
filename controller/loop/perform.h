#pragma once

#include <map>
#include <string>
#include <vector>

#include "controller/domains/domain.h"
#include "state/model/plan.h"

namespace nelson {

/// The records of one domain, by stack, as this pass knows them: read from its observation, changed by its effects.
using Records = std::map<std::string, StackRecord>;

/// Brings about what one action names, in the domain it is for. `now` is the pass's: what is stamped into records. Repeating it does no
/// harm. A record is written before the effect it announces, and `records` follows what was written.
Status perform(const Effect& effect, Domain& domain, Records& records, Instant now);

}  // namespace nelson
