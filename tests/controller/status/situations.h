#pragma once

#include <memory>
#include <string>
#include <vector>

#include "controller/status/view.h"
#include "reconcilers/forecast.h"
#include "reconcilers/plan.h"

namespace nelson::status_test {

/// A small fleet that the real planner has brought up: a service `checkout` that calls `stock`, a service `cart`, a nightly job `report`.
/// What a test changes then is what it is about.
class Situation {
 public:
  Situation();

  /// Passes until nothing is left to do at this instant.
  void settle();
  /// Lets time go by, pass by pass.
  void advance(Duration length);
  /// Git wants another version of the unit, and the release's first pass is over.
  void release(const std::string& unit, const Version& version, const std::string& commit);

  ObservedStack& stack(const std::string& unit, const Version& version);
  std::string name(const std::string& unit, const Version& version) { return stack(unit, version).name; }
  /// The instances of a stack come to this.
  void instances(const std::string& unit, const Version& version, InstanceState state, Health health, const std::string& detail);

  /// The input as the loop would give it, with the plan for this instant. `since` of everything is `ago` before now.
  [[nodiscard]] ViewInput input(Duration ago = std::chrono::minutes(4)) const;
  [[nodiscard]] std::shared_ptr<const View> view() const { return build_view(input()); }

  Desired desired;
  Observed observed;
  Instant now;
  std::vector<Problem> process_problems;
  std::vector<JournalEntry> history;

 private:
  void pass();
};

/// `count` units with one ready stack each, for measuring.
[[nodiscard]] ViewInput large_fleet(std::size_t count);

inline const std::string kCommit1 = "1111111111111111111111111111111111111111";
inline const std::string kCommit2 = "2222222222222222222222222222222222222222";
inline const std::string kControl = "cccccccccccccccccccccccccccccccccccccccc";

}  // namespace nelson::status_test
