#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gitsync/manifest.h"
#include "state/model/result.h"

namespace nelson {

// Alerts in both dialects (spec/manifest 13, 21.6), converted to the one that today's Prometheus reads.

/// Takes `IF <expr> [FOR <duration>] [LABELS {...}] [ANNOTATIONS {...}]` apart, keywords in any case, into the present form; the name is
/// left alone. The error's message is the reason.
[[nodiscard]] Status parse_alert_text(std::string_view text, ManifestRule& alert);

/// Whether `text` can be an expression as far as that can be said without its grammar: not empty, brackets and quotes closed.
[[nodiscard]] Status check_expression(std::string_view text);

/// The unit's rules and alerts without `opt_outs`, as a rules file of Prometheus 2: one group of the unit's name, rules first, in order.
[[nodiscard]] std::string rules_file(const ManifestUnit& unit, const std::vector<std::string>& opt_outs);

}  // namespace nelson
