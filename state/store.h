#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "state/folder.h"
#include "state/model/observed.h"
#include "state/model/plan.h"
#include "state/model/problem.h"
#include "state/model/result.h"

namespace nelson {

/// One intended effect and what became of it. Sequence numbers are dense: 1, 2, 3, ...
struct JournalEntry {
  std::uint64_t sequence = 0;
  std::uint64_t pass = 0;
  Instant intended{};
  std::string domain;
  std::string unit;
  std::string stack;   // "" for an effect on a service
  std::string effect;  // word_of(effect)
  std::string reason;
  enum class Outcome { kOpen, kDone, kFailed, kUnknown } outcome = Outcome::kOpen;  // kUnknown: settled by looking, after a crash
  std::optional<Instant> finished;
  std::string error;  // of a failed one

  bool operator==(const JournalEntry&) const = default;
  static void visit(auto& self, auto&& field) {
    field("sequence", self.sequence);
    field("pass", self.pass);
    field("intended", self.intended);
    field("domain", self.domain);
    field("unit", self.unit);
    field("stack", self.stack);
    field("effect", self.effect);
    field("reason", self.reason);
    field("outcome", self.outcome);
    field("finished", self.finished);
    field("error", self.error);
  }
};
template <>
inline constexpr auto kNames<JournalEntry::Outcome> = std::to_array<std::string_view>({"open", "done", "failed", "unknown"});

struct Settlement {
  std::uint64_t sequence = 0;
  std::string error;  // "" when done
};

/// What went into one pass, so that it can be replayed: its inputs as changes against the pass before.
struct PassRecord {
  std::uint64_t pass = 0;
  Instant now{};
  std::string plan_digest;  // hexadecimal SHA-256 of the plan
  bool checkpoint = false;  // its whole inputs were looked for in the store, and what was lost or never there was written again

  bool operator==(const PassRecord&) const = default;
  static void visit(auto& self, auto&& field) {
    field("pass", self.pass);
    field("now", self.now);
    field("plan_digest", self.plan_digest);
    field("checkpoint", self.checkpoint);
  }
};

struct ReplayedPass {
  PassRecord record;
  Desired desired;
  Observed observed;
};

struct StoreOptions {
  std::string folder;  // made when missing, mode 0700; wider modes are refused
  std::size_t max_bytes = std::size_t{1} << 30;
  std::uint64_t keep_entries = 100'000;  // journal entries; older ones go, sooner when they take a quarter of the bytes
  std::uint64_t keep_passes = 1'000;     // replayable passes
  std::uint64_t checkpoint_every = 100;  // passes
  std::string holder;                    // who takes the lock: "nelson run on HOST, pid N, since T"
  bool read_only = false;                // no lock, no write, no folder made; for tests and tests/bench
  std::uint64_t keep_free = std::uint64_t{64} << 20;  // bytes of the disk left alone: below, only outcomes are still written
};

/// The cache with a memory (law 4). One writer, from one thread; readers may call the const members from any thread and never block
/// it. LMDB lives behind this and nowhere else. kInternal from any member means that the store can no longer be trusted: the caller
/// stops the process.
class Store {
 public:
  /// kConflict: another controller holds the store; the message names it. kInvalid: the folder or file is not ours, is wider than
  /// 0700/0600, or has a newer schema. A file of an older schema, a damaged one or none is made anew: `rebuilt()` then says why.
  static Result<std::unique_ptr<Store>> open(StoreOptions options);
  virtual ~Store() = default;

  /// Why history starts now, in words for people; "" when the store was there and whole.
  [[nodiscard]] virtual std::string rebuilt() const = 0;

  /// The last other controller that wanted this store and was refused, since open; nothing in a store that is only read.
  [[nodiscard]] virtual std::optional<RefusedStart> refused_start() const = 0;

  /// Commits the intents of one batch, giving them sequence numbers in place. One sync. Reasons (and errors, in settle) are cut after
  /// 1 KiB. kUnavailable: the disk is nearly full (StoreOptions::keep_free); nothing was written, so nothing may be performed now.
  virtual Status intend(std::vector<JournalEntry>& entries) = 0;
  /// Commits the outcomes of one batch. One sync.
  virtual Status settle(std::span<const Settlement> settlements, Instant now) = 0;
  /// Intents without outcome, left by a crash. Settle them as unknown after the next observation. One whose record was lost comes with
  /// its sequence number and a reason that says so, and nothing else.
  [[nodiscard]] virtual Result<std::vector<JournalEntry>> open_intents() const = 0;
  virtual Status settle_unknown(std::span<const std::uint64_t> sequences, Instant now) = 0;
  /// Newest first, at most `limit`, with sequence below `before` (0: from the newest), of one stack or of all ("").
  [[nodiscard]] virtual Result<std::vector<JournalEntry>> history(const std::string& stack, std::uint64_t before,
                                                                  std::size_t limit) const = 0;

  /// Keeps the inputs of a pass, as changes against the last one kept. Writes nothing at all when neither inputs nor plan digest changed.
  /// `last_fetched` of repositories decides nothing: it is neither compared nor kept. Inputs too large for a third of max_bytes are not
  /// kept, which damages() then says. kUnavailable: as for intend; the pass is not kept, which harms nothing but replay.
  virtual Status record_pass(const Desired& desired, const Observed& observed, Instant now, const std::string& plan_digest) = 0;
  /// kInvalid: the pass is not kept, or part of its inputs was lost. What is returned is exactly what was recorded.
  [[nodiscard]] virtual Result<ReplayedPass> replay(std::uint64_t pass) const = 0;
  /// The replayable passes, oldest first.
  [[nodiscard]] virtual Result<std::vector<PassRecord>> passes() const = 0;
  /// The number of the newest pass kept, for JournalEntry::pass; 0 when there is none.
  [[nodiscard]] virtual std::uint64_t last_pass() const = 0;

  /// When each of `subjects` was first seen in the sets given to the previous calls; those not given any more are forgotten. Writes
  /// only when the set changed. For "since when" on the page.
  virtual Result<std::map<std::string, Instant>> first_seen(const std::vector<std::string>& subjects, Instant now) = 0;

  /// The greatest instant ever written, for the check of the clock at start; nothing in a new store.
  [[nodiscard]] virtual std::optional<Instant> last_instant() const = 0;

  /// Since open; for tests and /metrics. Every commit is synced, so the first two are equal.
  struct Counters {
    std::uint64_t commits = 0, syncs = 0, records_written = 0, records_damaged = 0;
  };
  [[nodiscard]] virtual Counters counters() const = 0;

  /// What was lost since open, a sentence each, oldest first; at most the last 100. To be said aloud.
  [[nodiscard]] virtual std::vector<std::string> damages() const = 0;
};

}  // namespace nelson
