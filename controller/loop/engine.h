#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.h"
#include "controller/loop/backoff.h"
#include "controller/loop/domains.h"
#include "state/model/plan.h"
#include "state/store.h"

namespace nelson {

/// The decisions, as functions, so that a test may put its own in their place: plan() and digest_of() of reconcilers/plan.h.
struct Planner {
  std::function<Plan(const Desired&, const Observed&, Instant)> plan;
  std::function<std::string(const Plan&)> digest;
};

struct EngineParts {
  Store* store = nullptr;
  const Clock* clock = nullptr;
  Domains* domains = nullptr;
  Contains contains;
  Planner planner;
};

/// What one pass knew and did.
struct PassReport {
  std::shared_ptr<const Desired> desired;
  Observed observed;
  Plan plan;  // as decided; held also names the cells that wait after a failure
  Instant now{};
  std::uint64_t pass = 0;
  std::vector<Done> done;  // of this pass's steps and of late ones of earlier passes
  std::size_t begun = 0;   // steps begun in this pass
  std::string plan_digest;
  std::map<std::string, Instant> since;                      // first_seen of what is wrong
  std::shared_ptr<const std::vector<JournalEntry>> history;  // newest first
  std::optional<Instant> wake_at;         // the first instant at which another pass could do something, as far as time decides
  std::vector<Problem> machine_problems;  // of this machine, not of anybody's input: the store's disk is full, history was lost
  bool drains = false;                    // connections are on their way out
  bool incomplete = false;                // something did not answer, or could not be written: worth another look soon
};

/// One pass after another: observe, plan, journal, perform, journal (design.md, "One pass"). What only it remembers may be lost at any
/// instant. One thread.
class Engine {
 public:
  explicit Engine(EngineParts parts);

  /// One pass towards `desired`. An error ends the process: kConflict when another controller holds a domain (only in the first passes;
  /// later it is reported), kInternal when store or lock can no longer be trusted. What is returned stays until the next pass.
  Result<const PassReport*> pass(std::shared_ptr<const Desired> desired);

 private:
  void forgive(const Desired& desired);
  void judge(Observed& observed);
  void set_clocks(Observed& observed);
  Status settle_crashed();
  Status decide(std::shared_ptr<const Desired> desired, Observed observed);
  Status act();
  Status take_up(std::vector<Done> done);
  Status report();
  Status bear(const Status& written);
  void add_machine_problems();

  EngineParts parts_;
  ClockWatch watch_;
  Backoff backoff_;
  bool started_ = false;  // every domain has answered once
  bool crashed_settled_ = false;
  std::string store_trouble_;  // why the store takes no more just now
  std::uint64_t pass_ = 0;
  std::map<std::string, Claim> claims_;  // to be written before anything else
  std::optional<Instant> clock_free_at_;
  std::map<std::string, Duration> ahead_;                     // how far the clock of a domain was seen ahead of ours
  SharedMap<CellKey, ObservedCell> seen_;                     // as the domains said it in the last pass
  std::shared_ptr<const std::vector<JournalEntry>> history_;  // null when the journal has grown since it was read
  PassReport last_;                                           // of the pass under way; between two, of the one that ended
};

}  // namespace nelson
