#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/model/plan.h"
#include "state/model/result.h"

namespace nelson {

/// What a failure keeps from being tried: what else would be done about a stack, or in a whole cell.
struct FailureScope {
  CellKey cell;
  std::string stack;  // "": the cell

  auto operator<=>(const FailureScope&) const = default;
};

/// The scope of a failure of this effect. Nothing that is planned relies on a scheduler's having started something (what it runs is observed
/// first), so a stack that cannot be run costs the other releases of its unit nothing. All else keeps its cell, lest something be removed
/// from under a weight that was not moved.
[[nodiscard]] FailureScope failure_scope(const Action& action);
/// The scopes in which a failure keeps this action from being tried: its cell and its stack.
[[nodiscard]] std::array<FailureScope, 2> scopes_over(const Action& action);
/// Of the claim on a domain, which is no action: a cell without a unit.
[[nodiscard]] FailureScope claim_scope(const std::string& domain);

/// What failed last, or was put right and undone again, and when it is tried again: after 1 s, 2 s, 4 s, ... at most a minute. The executor
/// never repeats by itself; this is what the next pass knows. One thread.
class Backoff {
 public:
  /// An action was done. When it puts something right for the third time within ten minutes, it is a fight with whoever undoes it
  /// (design.md, Safety): its scope waits as after a failure, and it is told until fewer of them are ten minutes young.
  void done(const Action& action, Instant now);
  /// Both return the scope that waits now.
  FailureScope failed(const Action& action, const Error& error, Instant now);
  FailureScope failed_to_claim(const std::string& domain, const Error& error, Instant now);
  /// Of failures only: that the world is as it should be does not end a fight.
  void forget(const FailureScope& scope) { failures_.erase(scope); }
  /// Forgets both of cells of which Git says something new.
  void forgive(const std::function<bool(const CellKey&)>& is_new);

  /// Whether nothing may be done in the scope yet.
  [[nodiscard]] bool waits(const FailureScope& scope, Instant now) const;
  [[nodiscard]] bool waits(const Action& action, Instant now) const;
  /// Whether nothing has failed.
  [[nodiscard]] bool empty() const { return failures_.empty(); }
  /// Of failures.
  [[nodiscard]] std::vector<FailureScope> scopes() const;

  /// One for each failure, "attempt 3, again at 14:02:07", and for each fight.
  [[nodiscard]] std::vector<Hold> holds(Instant now) const;
  /// The first instant after `now` at which something may be tried again.
  [[nodiscard]] std::optional<Instant> next(Instant now) const;

 private:
  struct Failure {
    Hold hold;
    std::uint32_t attempts = 0;
    Instant next{};
  };
  struct Repairs {
    Hold hold;
    std::vector<Instant> at;  // of the last ten minutes when the last was done, oldest first
    Instant next{};
  };
  Failure& count(const FailureScope& scope, const std::string& what, const Error& error, Instant now);

  std::map<FailureScope, Failure> failures_;
  std::map<FailureScope, Repairs> repairs_;
};

/// Hold::code of what Backoff::holds gives, kFight apart.
inline constexpr std::string_view kEffectFailed = "effect-failed";

}  // namespace nelson
