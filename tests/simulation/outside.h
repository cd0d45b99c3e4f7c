#pragma once

#include <map>
#include <string>
#include <vector>

#include "controller/domains/fake/fake.h"
#include "tests/simulation/scenario.h"

namespace nelson::simulation {

/// The world around the controller: domains, repositories and the true time. It goes on whether or not a controller runs.
class Outside {
 public:
  explicit Outside(const Scenario& scenario);

  [[nodiscard]] Duration now() const { return now_; }
  /// To the instant `at`; the worlds change meanwhile.
  void advance_to(Duration at);
  /// When something happens next in a domain by itself.
  [[nodiscard]] std::optional<Duration> next_change() const;

  [[nodiscard]] FakeWorld& world(const std::string& domain) { return worlds_.at(domain); }
  [[nodiscard]] const std::map<std::string, FakeTruth>& truths();
  /// Something was done in a domain.
  void touched() { truths_.clear(); }

  [[nodiscard]] GitWorld& git() { return git_; }
  /// Carries out an event that has nothing to do with the controller's process. Whether it was such a one.
  bool happen(const Event& event);
  /// Everything that is broken is mended.
  void mend();
  /// Operators let go all that lives, and take it back.
  void acknowledge(bool yes);

  /// What is there, without instants: one line a thing. `remains`: also what is left of removed stacks, and how often a name has lived.
  [[nodiscard]] std::string dump(bool remains);

 private:
  bool happen_in_git(const Event& event);
  bool happen_to_operators(const Event& event);
  bool happen_in_worlds(const Event& event);
  [[nodiscard]] std::string repository_of(int unit) const;
  [[nodiscard]] std::string repository_name(int index) const;
  [[nodiscard]] std::string domain_name(int index) const;
  [[nodiscard]] std::string running_stack(const std::string& domain, int index);
  void write_manifests(const std::string& repository);
  void behave(int unit, FakeBehaviour behaviour);

  Scenario scenario_;
  Duration now_{};
  std::map<std::string, FakeWorld> worlds_;
  GitWorld git_;
  std::map<std::string, FakeTruth> truths_;  // empty when something has changed since
  bool unsettled_ = false;                   // another behaviour shows with the next advance
  std::vector<int> variants_;                // of each unit; -1 when it is declared nowhere
  std::size_t last_pushed_ = 0;              // the unit of the last push, and what it was before
  int variant_before_ = -1;
  std::vector<int> instances_;  // 0: as its variant says
  std::vector<bool> disputed_;
};

}  // namespace nelson::simulation
