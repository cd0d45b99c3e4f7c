#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "state/model/observed.h"

namespace nelson {

// An action names a state to bring about, never a step: performing it twice is the same as once. None carries an instant
// computed from `now`; the executor stamps the pass's `now` into the record, and next time it is an observed fact.

/// A dependency as resolved at launch: where the caller finds it, under one stable address per port.
struct Binding {
  std::string unit;
  std::string name_space;
  std::uint32_t major = 0;
  std::vector<Port> ports;

  bool operator==(const Binding&) const = default;
  static void visit(auto& self, auto&& field) {
    field("unit", self.unit);
    field("namespace", self.name_space);
    field("major", self.major);
    field("ports", self.ports);
  }
};

/// Write the record (stamping `launched`), then have the scheduler run it. Create-only.
struct Launch {
  std::string stack;
  Identity identity;
  Settings settings;
  std::string commit;
  std::uint32_t incarnation = 1;
  std::vector<Binding> bindings;

  bool operator==(const Launch&) const = default;
  static void visit(auto& self, auto&& field) {
    field("stack", self.stack);
    field("identity", self.identity);
    field("settings", self.settings);
    field("commit", self.commit);
    field("incarnation", self.incarnation);
    field("bindings", self.bindings);
  }
};

/// Submit the record's document again: the same incarnation, `count` instances.
struct Repair {
  std::string stack;
  std::uint32_t incarnation = 1;
  std::int32_t count = 1;

  bool operator==(const Repair&) const = default;
  static void visit(auto& self, auto&& field) {
    field("stack", self.stack);
    field("incarnation", self.incarnation);
    field("count", self.count);
  }
};

/// Write settings and commit into the record: what Git says outside the digest.
struct Update {
  std::string stack;
  Settings settings;
  std::string commit;

  bool operator==(const Update&) const = default;
  static void visit(auto& self, auto&& field) {
    field("stack", self.stack);
    field("settings", self.settings);
    field("commit", self.commit);
  }
};

/// Have the scheduler run `count` instances of what it already runs.
struct Scale {
  std::string stack;
  std::uint32_t incarnation = 1;
  std::int32_t count = 1;

  bool operator==(const Scale&) const = default;
  static void visit(auto& self, auto&& field) {
    field("stack", self.stack);
    field("incarnation", self.incarnation);
    field("count", self.count);
  }
};

enum class Fact {
  kReady,             // stamps `ready`
  kKeptNoLonger,      // stamps `kept_no_longer_since`
  kKeptAgain,         // clears it
  kRetiring,          // stamps `retiring`
  kRetiringIdle,      // stamps `retiring` and `tombstone`
  kTombstoneDropped,  // clears `tombstone` and `reversed`
  kJobSucceeded,
  kJobFailed,
};
template <>
inline constexpr auto kNames<Fact> = std::to_array<std::string_view>({"ready", "kept-no-longer", "kept-again", "retiring",
                                                                      "retiring-idle", "tombstone-dropped", "job-succeeded",
                                                                      "job-failed"});

/// Write one fact into the stack's record.
struct Note {
  std::string stack;
  Fact fact = Fact::kReady;

  bool operator==(const Note&) const = default;
  static void visit(auto& self, auto&& field) {
    field("stack", self.stack);
    field("fact", self.fact);
  }
};

/// Write the traffic record, stamping `stepped_at`. The weights in it are then what the balancer is asked for.
struct Shift {
  TrafficRecord record;  // `stepped_at` is left unset

  bool operator==(const Shift&) const = default;
  static void visit(auto& self, auto&& field) { field("record", self.record); }
};

/// Remove a traffic record that nothing stands behind any more.
struct DropTraffic {
  TrafficKey key;

  bool operator==(const DropTraffic&) const = default;
  static void visit(auto& self, auto&& field) { field("key", self.key); }
};

/// Have the balancer serve this route.
struct Serve {
  Route route;

  bool operator==(const Serve&) const = default;
  static void visit(auto& self, auto&& field) { field("route", self.route); }
};

/// The reason of a Serve that puts back what the balancer has lost (or was never told), for who tells people of it.
inline constexpr std::string_view kRouteLost = "the balancer does not serve what is recorded";

/// Have the balancer serve nothing under this key.
struct Unserve {
  TrafficKey key;

  bool operator==(const Unserve&) const = default;
  static void visit(auto& self, auto&& field) { field("key", self.key); }
};

/// Have discovery say this to the stack (the Lighthouse payload, spec/runtime 3.2).
struct Publish {
  std::string stack;
  std::string payload;

  bool operator==(const Publish&) const = default;
  static void visit(auto& self, auto&& field) {
    field("stack", self.stack);
    field("payload", self.payload);
  }
};

struct Unpublish {
  std::string stack;

  bool operator==(const Unpublish&) const = default;
  static void visit(auto& self, auto&& field) { field("stack", self.stack); }
};

/// Have the scheduler run nothing under this name. Only for stacks whose record says `retiring`.
struct Remove {
  std::string stack;
  std::uint32_t incarnation = 1;

  bool operator==(const Remove&) const = default;
  static void visit(auto& self, auto&& field) {
    field("stack", self.stack);
    field("incarnation", self.incarnation);
  }
};

/// The removal is confirmed: clear the record's facts of the run, keep its remains.
struct Bury {
  std::string stack;

  bool operator==(const Bury&) const = default;
  static void visit(auto& self, auto&& field) { field("stack", self.stack); }
};

using Effect =
    std::variant<Launch, Repair, Update, Scale, Note, Shift, DropTraffic, Serve, Unserve, Publish, Unpublish, Remove, Bury>;

/// An effect, whom it is for, and why. The reason is part of the action: diff, log and page print the same.
struct Action {
  CellKey cell;
  std::string name_space;
  std::string repository;  // "" when no repository names it any more
  Effect effect;
  std::string reason;

  bool operator==(const Action&) const = default;
};

/// Something that is wanted, or due, and does not happen now.
struct Hold {
  CellKey cell;
  std::string name_space;
  std::string repository;
  std::string subject;      // stack, or unit when there is no stack yet
  std::string code;         // stable: "unhealthy", "missing-dependency", "brake", "two-claims", "draining", ...
  std::string reason;       // why
  std::string clears_when;  // what would clear it
  bool trouble = false;     // somebody has to do something; false: time or progress clears it

  bool operator==(const Hold&) const = default;
  static void visit(auto& self, auto&& field) {
    field("cell", self.cell);
    field("namespace", self.name_space);
    field("repository", self.repository);
    field("subject", self.subject);
    field("code", self.code);
    field("reason", self.reason);
    field("clears_when", self.clears_when);
    field("trouble", self.trouble);
  }
};

/// The actions in the order they must run, what is held, and the first instant at which time alone could change the answer.
/// No actions means converged.
struct Plan {
  std::vector<Action> actions;
  std::vector<Hold> held;
  std::optional<Instant> wake_at;

  bool operator==(const Plan&) const = default;
};

/// Writes `fact` into `record`, stamped `now`: what the executor does for a Note, and a forecast supposes it did. What is stamped already
/// stays, unless it lies in the future of a clock that was set back (semantics 6).
void stamp(StackRecord& record, Fact fact, Instant now);

/// Turns the record of a removed stack into its remains: identity, incarnation, job result, tombstone and reversal stay.
void bury(StackRecord& record);

/// The stack an effect is about; "" for one about a service.
[[nodiscard]] const std::string& stack_of(const Effect& effect);

/// "launch", "repair", "update", "scale", "note", "shift", "drop-traffic", "serve", "unserve", "publish", "unpublish", "remove",
/// "bury": the word of each effect.
[[nodiscard]] std::string_view word_of(const Effect& effect);

/// Whether an effect of this word, for this reason, puts right what was right before: nobody's wish, but somebody's hand, or a program's end.
[[nodiscard]] bool puts_right(std::string_view word, std::string_view reason);

/// Hold::code of what is put right again and again (design.md, Safety).
inline constexpr std::string_view kFight = "fight";

}  // namespace nelson
