#pragma once

#include <cstdint>

#include "controller/domains/local/supervisor_document.h"

namespace nelson {

inline constexpr std::int32_t kDefaultRetries = 3;  // of a job whose plan says nothing

enum class JobNext { kRetry, kRest };

/// Counts a finished attempt: a run succeeds with its first success and fails when `retries` more attempts failed after the first
/// (0 is kDefaultRetries). A result is written into `job.last`, and the run is then over.
JobNext after_attempt(JobState& job, bool succeeded, std::int32_t retries);

/// What a new supervisor does with the job it finds: a once-job without a result runs, also one that was cut off; a cut off periodic run is
/// over without a result, since its next one comes anyway. Returns whether a run begins now.
bool resume(JobState& job, bool once);

/// Begins a run.
void begin_run(JobState& job);

}  // namespace nelson
