#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "controller/domains/domain.h"
#include "state/model/desired.h"
#include "state/model/observed.h"

namespace nelson {

/// What the parts of one domain answered to one observation.
struct DomainAnswers {
  Result<SchedulerView> scheduler = unavailable("not asked yet");
  Result<MemoryView> memory = unavailable("not asked yet");
  Result<DiscoveryView> discovery = unavailable("not asked yet");
  Result<BalancerView> balancer = unavailable("not asked yet");
  bool balances = true;
  std::string balancer_absent_reason;
};

/// The answers of a domain that as a whole cannot be asked.
[[nodiscard]] DomainAnswers no_answers(const Error& error);

/// Asks each part once, in turn.
[[nodiscard]] DomainAnswers ask(Domain& domain);

/// Puts what one domain answers into an Observed, from one look to the next: each thing in its cell, what is not ours in `foreign`. A part
/// that does not answer counts as incomplete and, for people to see, shows what it said last. Costs what is different from the last look.
class Assembly {
 public:
  Assembly(std::string domain, std::string owner) : domain_(std::move(domain)), owner_(std::move(owner)) {}

  /// `observed` is the one of the last call, with nothing of this domain in it the first time.
  void update(const DomainAnswers& answers, Observed& observed);

  /// Whether any of its cells has sessions.
  [[nodiscard]] bool drains() const { return !draining_.empty(); }

 private:
  [[nodiscard]] std::optional<std::string> unit_of(const std::string& stack) const;
  void place_stack(const std::string& stack, const std::optional<std::string>& old_unit, Observed& observed);
  void place_sessions(Observed& observed, std::set<std::string>& foreign);
  [[nodiscard]] ObservedCell& cell(const std::string& unit, Observed& observed) const { return observed.cells[{domain_, unit}]; }
  void drop_if_empty(const std::string& unit, Observed& observed) const;

  std::string domain_, owner_;
  // What each part said last.
  MemoryView memory_;
  SchedulerView scheduler_;
  DiscoveryView discovery_;
  BalancerView balancer_;
  std::set<std::string> strangers_;  // scheduler_.foreign
  std::set<std::string> foreign_;    // names of stacks that are not ours, as any part knows them
  std::set<std::string> draining_;   // units with sessions in their cells
};

/// Whether `ancestor` is reachable from `commit` in the control repository.
using Contains = std::function<Result<bool>(const std::string& commit, const std::string& ancestor)>;

struct ClaimVerdict {
  std::string changes_held;    // ObservedDomain::changes_held
  std::optional<Claim> write;  // to be written before anything else is done; nothing when it stands already
  bool governed_here = true;   // ObservedDomain::governed_here
};

/// The rules of semantics 4: whose domain this is, and whether the control repository went back behind what was applied.
[[nodiscard]] ClaimVerdict judge_claim(const Desired& desired, const std::string& domain, const ObservedDomain& observed,
                                       const Contains& contains);

}  // namespace nelson
