#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/domains/fake/fake.h"
#include "state/model/desired.h"
#include "tests/simulation/effects.h"

namespace nelson::simulation {

/// A rule of hardening.md, section 2, that did not hold.
struct Violation {
  std::string invariant;  // "I3"
  std::string what;
  Duration at{};
};

/// What a pass showed to people, in plain values.
struct PassSeen {
  Duration at{};
  bool shows_converged = false;
  std::set<std::string> busy;  // domains whose effects are still under way
};

/// Watches the world and what is done to it, and knows by rules of its own what may never happen. It shares no code with the planner, the
/// executor and the store: a test reads its includes. All times are true ones, whatever the controller's clock says.
class Checker {
 public:
  struct Options {
    std::string owner = "ours";
    Duration full_pass{};                // the interval of passes
    std::size_t writes_an_hour = 20000;  // of one domain
    std::size_t passes_an_hour = 20000;
  };
  explicit Checker(Options options) : options_(std::move(options)) {}

  // ---- what it is told

  void desired_is(const std::shared_ptr<const Desired>& desired, Duration at);
  void controller_starts(Duration at);
  void controller_ends();
  /// The controller's clock makes older instants seem older than they are: what was stamped before counts for nothing.
  void clock_leapt(Duration at) { leapt_at_ = at; }
  void store_replaced();
  void answered(const std::string& domain, Part part, bool ok, bool stale, Duration at);
  void intended(std::vector<Intent> intents);
  void settled(const std::vector<std::uint64_t>& sequences);
  void before(const std::string& domain, const Write& write, const FakeTruth& truth, Duration at);
  void after(const std::string& domain, const Write& write, bool done);
  /// `truths` by domain; called after each pass that ended well.
  void pass_ended(const PassSeen& pass, const std::map<std::string, FakeTruth>& truths);
  /// Nothing has gone wrong and nothing was pushed for long: everything has to be as Git says.
  void at_rest(const std::map<std::string, FakeTruth>& truths, Duration at);

  void report(const std::string& invariant, const std::string& what, Duration at);

  [[nodiscard]] const Intents& intents() const { return intents_; }
  [[nodiscard]] const std::optional<Violation>& violation() const { return violation_; }
  /// How often each invariant was looked at.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& looks() const { return looks_; }

 private:
  struct Wanted {
    std::string unit, name_space, plan, repository;
    Version version;
    const DesiredStack* stack = nullptr;
    bool contested = false;
  };
  struct Evidence {
    bool ok = false;
    bool stale = false;
    Duration good_at{};
    bool ever = false;
  };
  struct Life {  // of a stack
    std::uint32_t incarnation = 0;
    Duration launched{}, unkept{}, needed{};
    Duration started{-1};           // last asked for
    Duration retired{-1};           // its removal was decided on
    std::set<std::uint32_t> ended;  // incarnations whose removal was confirmed
  };
  struct Course {
    Duration begun{}, stepped{};
  };
  using Where = std::pair<std::string, std::string>;  // domain, stack

  void check(bool holds, const char* invariant, const std::string& what);
  [[nodiscard]] const Wanted* wanted(const std::string& domain, const std::string& stack) const;
  /// The patch of that name, when a stack of its major lives: whether that is needed is not looked at.
  [[nodiscard]] bool patched(const std::string& domain, const Identity& stack) const;
  [[nodiscard]] const Wanted* patch(const std::string& domain, const std::string& stack, const FakeTruth& truth) const;
  /// Of the repositories that claim a unit, the one whose stack lives; "" when none or several do.
  [[nodiscard]] std::string claimant(const std::string& domain, const std::string& unit, const FakeTruth& truth) const;
  /// Whether two repositories claim it and this one's is not the one that decides.
  [[nodiscard]] bool outvoted(const std::string& domain, const Wanted& wanted, const FakeTruth& truth) const;
  [[nodiscard]] std::vector<std::string> callers(const FakeTruth& truth, const StackRecord& record) const;
  [[nodiscard]] bool view_is_stale(const std::string& domain, Part part) const;
  [[nodiscard]] std::size_t brake_count(const std::string& domain, const FakeTruth& truth, const std::string& stack,
                                        std::size_t& live) const;
  [[nodiscard]] bool is_needed(const std::string& domain, const std::string& stack) const;
  void note_needed(const std::string& domain, const FakeTruth& truth, Duration at);

  void check_write(const std::string& domain, const StackRecord& record, const FakeTruth& truth, const Intent& intent);
  void check_write(const std::string& domain, const TrafficRecord& record, const FakeTruth& truth, const Intent& intent);
  void check_write(const std::string& domain, const Claim& claim, const FakeTruth& truth, const Intent& intent);
  void check_write(const std::string& domain, const Drop& drop, const FakeTruth& truth, const Intent& intent);
  void check_write(const std::string& domain, const Start& start, const FakeTruth& truth, const Intent& intent);
  void check_write(const std::string& domain, const Stop& stop, const FakeTruth& truth, const Intent& intent);
  void check_write(const std::string& domain, const Publication& publication, const FakeTruth& truth, const Intent& intent);
  void check_write(const std::string& domain, const Unpublication& gone, const FakeTruth& truth, const Intent& intent);
  void check_write(const std::string& domain, const Route& route, const FakeTruth& truth, const Intent& intent);
  void check_write(const std::string& domain, const Unroute& gone, const FakeTruth& truth, const Intent& intent);
  void check_launch(const std::string& domain, const StackRecord& record, const StackRecord* old, const FakeTruth& truth);
  void check_retirement(const std::string& domain, const StackRecord& record, const FakeTruth& truth, bool idle);
  void check_course(const std::string& domain, const TrafficRecord& old, const TrafficRecord& record, const FakeTruth& truth);
  void check_unrouted(const std::string& domain, const std::string& stack, std::int32_t from_index, const FakeTruth& truth);
  void rest_of_domain(const std::string& domain, const DomainSettings& settings, const FakeTruth& truth);
  void rest_of_wanted(const std::string& domain, const std::string& name, const Wanted& wanted, const DomainSettings& settings,
                      const FakeTruth& truth);
  void rest_of_patch(const std::string& domain, const std::string& name, const Wanted& patch, const FakeTruth& truth);
  /// Whether something that lives calls it, or something wanted that is to be launched would.
  [[nodiscard]] bool awaited(const std::string& domain, const Wanted& wanted, const FakeTruth& truth) const;
  [[nodiscard]] bool can_be_launched(const std::string& domain, const Wanted& wanted, int depth) const;
  /// Whether a caller or a policy keeps it.
  [[nodiscard]] bool needed_by_somebody(const std::string& domain, const StackRecord& record, const FakeTruth& truth) const;
  [[nodiscard]] bool may_stay(const std::string& domain, const StackRecord& record, const FakeTruth& truth) const;

  Options options_;
  std::optional<Violation> violation_;
  std::optional<Violation> pending_;  // of the write under way: none when the world refuses it
  bool writing_ = false;
  std::map<std::string, std::uint64_t> looks_;

  std::shared_ptr<const Desired> desired_;
  Duration desired_at_{};
  std::map<Where, Wanted> wanted_, patches_;
  Intents intents_;
  std::uint64_t sequence_ = 0;
  Duration at_{};       // of what is being looked at
  Duration decided_{};  // when the write under way was announced
  Duration started_{};
  Duration leapt_at_{-1};
  std::map<std::string, std::array<Evidence, kParts>> evidence_;
  std::map<Where, Life> lives_;
  std::map<TrafficKey, Course> courses_;
  bool wrote_ = true;  // since the last look at who needs whom
  std::map<std::string, std::deque<Duration>> writes_;
  std::deque<Duration> passes_;
};

}  // namespace nelson::simulation
