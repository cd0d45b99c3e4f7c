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

FailureScope failure_scope(const Action& action) {
  const Effect& effect = action.effect;
  const bool runs =
      std::holds_alternative<Launch>(effect) || std::holds_alternative<Repair>(effect) || std::holds_alternative<Scale>(effect);
  return {action.cell, runs ? stack_of(effect) : ""};
}

std::array<FailureScope, 2> scopes_over(const Action& action) {
  return {{{action.cell, ""}, {action.cell, stack_of(action.effect)}}};
}

FailureScope claim_scope(const std::string& domain) { return {{domain, ""}, ""}; }

Backoff::Failure& Backoff::count(const FailureScope& scope, const std::string& what, const Error& error, Instant now) {
  Failure& failure = failures_[scope];
  ++failure.attempts;
  failure.next = now + pause_after(failure.attempts);
  Hold& hold = failure.hold;
  hold.cell = scope.cell;
  hold.subject = scope.cell.unit.empty() ? scope.cell.domain : scope.cell.unit;
  hold.code = kEffectFailed;
  hold.reason = what + " failed: " + error.message;
  hold.clears_when = "attempt " + std::to_string(failure.attempts) + ", again at " + time_of_day(failure.next);
  // What the world may mend by itself is nobody's work until it lasts.
  hold.trouble = error.kind == ErrorKind::kInvalid || error.kind == ErrorKind::kInternal || failure.attempts >= 3;
  return failure;
}

FailureScope Backoff::failed(const Action& action, const Error& error, Instant now) {
  FailureScope scope = failure_scope(action);
  Hold& hold = count(scope, std::string(word_of(action.effect)), error, now).hold;
  hold.name_space = action.name_space;
  hold.repository = action.repository;
  if (const std::string& stack = stack_of(action.effect); !stack.empty()) hold.subject = stack;
  return scope;
}

FailureScope Backoff::failed_to_claim(const std::string& domain, const Error& error, Instant now) {
  FailureScope scope = claim_scope(domain);
  count(scope, "claim", error, now);
  return scope;
}

bool Backoff::waits(const FailureScope& scope, Instant now) const {
  const auto found = failures_.find(scope);
  return found != failures_.end() && now < found->second.next;
}

bool Backoff::waits(const Action& action, Instant now) const {
  const auto scopes = scopes_over(action);
  return std::any_of(scopes.begin(), scopes.end(), [&](const FailureScope& scope) { return waits(scope, now); });
}

std::vector<FailureScope> Backoff::scopes() const {
  std::vector<FailureScope> out;
  for (const auto& [scope, failure] : failures_) out.push_back(scope);
  return out;
}

std::vector<Hold> Backoff::holds() const {
  std::vector<Hold> out;
  for (const auto& [scope, failure] : failures_) out.push_back(failure.hold);
  return out;
}

std::optional<Instant> Backoff::next(Instant now) const {
  std::optional<Instant> out;
  for (const auto& [scope, failure] : failures_)
    if (failure.next > now && (!out || failure.next < *out)) out = failure.next;
  return out;
}

}  // namespace nelson
