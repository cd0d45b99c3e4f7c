#include "controller/domains/local/job.h"

namespace nelson {

JobNext after_attempt(JobState& job, bool succeeded, std::int32_t retries) {
  if (!succeeded && ++job.failures <= (retries > 0 ? retries : kDefaultRetries)) return JobNext::kRetry;
  job.last = succeeded ? JobResult::kSucceeded : JobResult::kFailed;
  job.in_run = false;
  job.failures = 0;
  return JobNext::kRest;
}

bool resume(JobState& job, bool once) {
  if (once && job.last == JobResult::kNone) {
    job.in_run = true;  // what was cut off is no attempt: the failures counted so far stand
    return true;
  }
  job.in_run = false;
  job.failures = 0;
  return false;
}

void begin_run(JobState& job) {
  job.in_run = true;
  job.failures = 0;
}

}  // namespace nelson
