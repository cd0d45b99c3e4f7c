#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "state/model/desired.h"
#include "state/model/observed.h"
#include "state/model/plan.h"
#include "state/model/problem.h"
#include "state/model/time.h"
#include "state/store.h"

namespace nelson {

/// What one pass knew, for everybody who asks about it. The loop fills it after each pass and gives it away.
struct ViewInput {
  std::shared_ptr<const Desired> desired;  // null while the control repository was never readable
  Observed observed;
  Plan plan;                                     // as planned at `now`, whatever has become of it since
  Instant now{};                                 // of the pass
  std::uint64_t pass = 0;                        // 1 is the first; 0 says that none has ended yet
  Duration interval = std::chrono::seconds(30);  // between two passes when nothing happens; readiness is judged by it
  std::map<std::string, Instant> since;          // first_seen of subject_of(each problem and hold); what is missing: see build_view
  std::vector<Problem> process_problems;         // of this machine: disk full, Git host down, ...; repository may be ""
  std::string store_notice;                      // Store::rebuilt(): history begins now, and why; "" when whole
  std::optional<RefusedStart> refused_start;     // Store::refused_start(); told for ten minutes
  std::map<std::string, std::uint64_t> counters;  // "git_fetches", "store_commits", ...: shown as nelson_<name>_total
  std::map<std::string, double> gauges;           // shown as nelson_<name>
  std::vector<JournalEntry> history;              // newest first; some hundred are enough
  std::string version;                            // of this program
  Instant started{};                              // of this process
};

/// Stable keys for "since when": equal for what a person would call the same trouble, pass after pass, also when numbers in its words change.
[[nodiscard]] std::string subject_of(const Problem& problem);
[[nodiscard]] std::string subject_of(const Hold& hold);

/// Every key that build_view will look up in `since`: what to give to Store::first_seen. Covers desired->problems, process_problems, trouble
/// among plan.held, and parts of domains that do not answer.
[[nodiscard]] std::vector<std::string> subjects_of(const ViewInput& input);

/// Everything the server answers from, rendered and indexed. Immutable, so any number of threads may read it. The inside is for
/// controller/status only (snapshot.h).
class View;

/// `previous`, the view before this one, makes it cheap: what did not change since then is shared with it, so the cost is a comparison and
/// what changed (a stack from nothing: about 12 microseconds). Trouble that `since` does not name began when `previous` first saw it.
/// Never throws but for want of memory; fields with any bytes at all are made safe.
[[nodiscard]] std::shared_ptr<const View> build_view(ViewInput input, const std::shared_ptr<const View>& previous = nullptr);

}  // namespace nelson
