#include "controller/loop/backoff.h"

#include <algorithm>

namespace nelson {
namespace {

constexpr Duration kFirst = std::chrono::seconds(1);
constexpr Duration kLongest = std::chrono::seconds(60);

// The third undo of the same hand change in ten minutes is a fight: design.md, Safety.
constexpr Duration kFightLasts = std::chrono::minutes(10);
constexpr std::size_t kFightBegins = 3;

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

void Backoff::done(const Action& action, Instant now) {
  // A count that Git did not change lately was changed by somebody else.
  if (!puts_right(word_of(action.effect), action.reason) && !std::holds_alternative<Scale>(action.effect)) return;
  std::erase_if(repairs_, [now](const auto& entry) { return entry.second.at.back() + kFightLasts <= now; });
  Repairs& repairs = repairs_[failure_scope(action)];
  std::vector<Instant>& at = repairs.at;
  std::erase_if(at, [now](Instant before) { return before + kFightLasts <= now; });
  if (at.empty() || at.back() != now) at.push_back(now);  // what is put right in one pass was undone once
  if (at.size() < kFightBegins) return;
  repairs.next = now + pause_after(static_cast<std::uint32_t>(at.size() + 1 - kFightBegins));
  Hold& hold = repairs.hold;
  hold.cell = action.cell;
  hold.name_space = action.name_space;
  hold.repository = action.repository;
  const std::string& stack = stack_of(action.effect);
  hold.subject = stack.empty() ? action.cell.unit : stack;
  hold.code = kFight;
  hold.reason = std::string(word_of(action.effect)) + " was done " + std::to_string(at.size()) +
                " times within 10 minutes, and undone each time: " + action.reason;
  hold.clears_when =
      "find out who or what changes it, and end that; nelson goes on putting it right, after pauses of up to a minute";
  hold.trouble = true;
}

void Backoff::forgive(const std::function<bool(const CellKey&)>& is_new) {
  std::erase_if(failures_, [&](const auto& entry) { return is_new(entry.first.cell); });
  std::erase_if(repairs_, [&](const auto& entry) { return is_new(entry.first.cell); });
}

bool Backoff::waits(const FailureScope& scope, Instant now) const {
  const auto failure = failures_.find(scope);
  if (failure != failures_.end() && now < failure->second.next) return true;
  const auto repairs = repairs_.find(scope);
  return repairs != repairs_.end() && now < repairs->second.next;
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

std::vector<Hold> Backoff::holds(Instant now) const {
  std::vector<Hold> out;
  for (const auto& [scope, failure] : failures_) out.push_back(failure.hold);
  for (const auto& [scope, repairs] : repairs_)
    if (repairs.at.size() >= kFightBegins && now < repairs.at[repairs.at.size() - kFightBegins] + kFightLasts)
      out.push_back(repairs.hold);
  return out;
}

std::optional<Instant> Backoff::next(Instant now) const {
  std::optional<Instant> out;
  const auto consider = [&](Instant at) {
    if (at > now && (!out || at < *out)) out = at;
  };
  for (const auto& [scope, failure] : failures_) consider(failure.next);
  for (const auto& [scope, repairs] : repairs_) consider(repairs.next);
  return out;
}

}  // namespace nelson
