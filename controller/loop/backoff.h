#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/model/plan.h"
#include "state/model/result.h"

namespace nelson {

/// Cells whose last effect failed, and when each is tried again: after 1 s, 2 s, 4 s, ... at most a minute. The executor never repeats
/// by itself; this is what the next pass knows. One thread.
class Backoff {
 public:
  void failed(const Action& action, const Error& error, Instant now);
  /// The same for something that is no action: the claim on a domain, whose cell has no unit.
  void failed(const CellKey& cell, const std::string& what, const Error& error, Instant now);
  void forget(const CellKey& cell) { cells_.erase(cell); }

  /// Whether nothing may be done to the cell yet.
  [[nodiscard]] bool waits(const CellKey& cell, Instant now) const;
  [[nodiscard]] bool failing(const CellKey& cell) const { return cells_.contains(cell); }
  [[nodiscard]] std::vector<CellKey> cells() const;

  /// One for each failing cell: "attempt 3, again at 14:02:07".
  [[nodiscard]] std::vector<Hold> holds() const;
  /// The first instant after `now` at which a cell may be tried again.
  [[nodiscard]] std::optional<Instant> next(Instant now) const;

 private:
  struct Failure {
    Hold hold;
    std::uint32_t attempts = 0;
    Instant next{};
  };
  Failure& count(const CellKey& cell, const std::string& what, const Error& error, Instant now);

  std::map<CellKey, Failure> cells_;
};

/// Hold::code of what Backoff::holds gives.
inline constexpr std::string_view kEffectFailed = "effect-failed";

}  // namespace nelson
