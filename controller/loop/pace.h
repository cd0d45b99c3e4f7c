#pragma once

#include <chrono>
#include <string>

#include "controller/loop/engine.h"

namespace nelson {

struct LoopOptions {
  std::chrono::milliseconds full_pass = std::chrono::seconds(60);         // at the latest so long after the last one
  std::chrono::milliseconds ask_again = std::chrono::seconds(5);          // when some part of a domain did not answer
  std::chrono::milliseconds look_at_draining = std::chrono::seconds(1);   // a balancer does not say when a last answer is out
  std::chrono::milliseconds least_pause = std::chrono::milliseconds(20);  // between two passes: a burst of news is one pass
};

/// How soon the next pass is due when nothing wakes the loop before. Reads no clock. One thread.
class Pace {
 public:
  explicit Pace(const LoopOptions& options) : options_(options) {}

  /// The pause after this pass; `now` by the clock of the report's instants.
  [[nodiscard]] std::chrono::milliseconds after(const PassReport& report, Instant now);

 private:
  LoopOptions options_;
  std::string last_digest_;
  int repeats_ = 0;  // passes in a row that began effects of one and the same plan
};

}  // namespace nelson
