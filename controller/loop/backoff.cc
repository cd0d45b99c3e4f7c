#include "controller/loop/backoff.h"

#include <algorithm>

namespace nelson {
namespace {

constexpr Duration kFirst = std::chrono::seconds(1);
constexpr Duration kLongest = std::chrono::seconds(60);

Duration pause_after(std::uint32_t attempts) { return std::min(kLongest, kFirst * (1 << std::min(attempts - 1, 6u))); }

/// "14:02:07"
std::string time_of_day(Instant at) { return format_instant(std::chrono::floor<std::chrono::seconds>(at)).substr(11, 8); }

}  // namespace

Backoff::Failure& Backoff::count(const CellKey& cell, const std::string& what, const Error& error, Instant now) {
  Failure& failure = cells_[cell];
  ++failure.attempts;
  failure.next = now + pause_after(failure.attempts);
  Hold& hold = failure.hold;
  hold.cell = cell;
  hold.subject = cell.unit.empty() ? cell.domain : cell.unit;
  hold.code = kEffectFailed;
  hold.reason = what + " failed: " + error.message;
  hold.clears_when = "attempt " + std::to_string(failure.attempts) + ", again at " + time_of_day(failure.next);
  // What the world may mend by itself is nobody's work until it lasts.
  hold.trouble = error.kind == ErrorKind::kInvalid || error.kind == ErrorKind::kInternal || failure.attempts >= 3;
  return failure;
}

void Backoff::failed(const Action& action, const Error& error, Instant now) {
  Hold& hold = count(action.cell, std::string(word_of(action.effect)), error, now).hold;
  hold.name_space = action.name_space;
  hold.repository = action.repository;
  if (const std::string& stack = stack_of(action.effect); !stack.empty()) hold.subject = stack;
}

void Backoff::failed(const CellKey& cell, const std::string& what, const Error& error, Instant now) {
  count(cell, what, error, now);
}

bool Backoff::waits(const CellKey& cell, Instant now) const {
  const auto found = cells_.find(cell);
  return found != cells_.end() && now < found->second.next;
}

std::vector<CellKey> Backoff::cells() const {
  std::vector<CellKey> out;
  for (const auto& [cell, failure] : cells_) out.push_back(cell);
  return out;
}

std::vector<Hold> Backoff::holds() const {
  std::vector<Hold> out;
  for (const auto& [cell, failure] : cells_) out.push_back(failure.hold);
  return out;
}

std::optional<Instant> Backoff::next(Instant now) const {
  std::optional<Instant> out;
  for (const auto& [cell, failure] : cells_)
    if (failure.next > now && (!out || failure.next < *out)) out = failure.next;
  return out;
}

}  // namespace nelson
