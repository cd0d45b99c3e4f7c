#pragma once

#include <memory>
#include <string>
#include <vector>

#include "state/store.h"

namespace nelson::simulation {

/// The store's commits, in the order in which a pass makes them.
enum class CommitKind { kUnknown, kPass, kIntent, kOutcome, kSeen };
inline constexpr std::size_t kCommitKinds = 5;

enum class CommitFault {
  kNone,
  kFull,        // nothing is written; kUnavailable, as of a full disk
  kFails,       // nothing is written; kInternal: the process has to stop
  kDiesBefore,  // ControllerDied is thrown before it is written
  kDiesAfter,   // ControllerDied is thrown after it was written
  kAnswerLost,  // it is written, and kInternal is the answer
};

/// The disk under the store, as the simulation plays it.
class Disk {
 public:
  virtual ~Disk() = default;
  /// Asked before a commit that writes something; `effects` are the words of the entries it is about.
  virtual CommitFault commits(CommitKind kind, const std::vector<JournalEntry>& entries) = 0;
  /// Told after a commit of that kind was asked for and tried: whether anything was written.
  virtual void committed(CommitKind kind, bool wrote) = 0;
  /// What was written, told after each such commit.
  virtual void intended(const std::vector<JournalEntry>& entries) = 0;
  virtual void settled(const std::vector<std::uint64_t>& sequences, bool unknown) = 0;
};

/// The same store on that disk. `disk` outlives it.
[[nodiscard]] std::unique_ptr<Store> on_disk(std::unique_ptr<Store> store, Disk& disk);

}  // namespace nelson::simulation
