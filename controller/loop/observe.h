#pragma once

#include <functional>
#include <optional>
#include <string>

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

/// Puts what `domain` answered into `observed`: each thing in its cell, what is not ours (`owner`) in `foreign`. A part that did not
/// answer counts as incomplete and, for people to see, shows what it said `before`.
void assemble(const std::string& domain, const std::string& owner, const DomainAnswers& answers, const DomainAnswers& before,
              Observed& observed);

/// Whether `ancestor` is reachable from `commit` in the control repository.
using Contains = std::function<Result<bool>(const std::string& commit, const std::string& ancestor)>;

struct ClaimVerdict {
  std::string changes_held;    // ObservedDomain::changes_held
  std::optional<Claim> write;  // to be written before anything else is done; nothing when it stands already
};

/// The rules of semantics 4: whose domain this is, and whether the control repository went back behind what was applied.
[[nodiscard]] ClaimVerdict judge_claim(const Desired& desired, const std::string& domain, const ObservedDomain& observed,
                                       const Contains& contains);

}  // namespace nelson
