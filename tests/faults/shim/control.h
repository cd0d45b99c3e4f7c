#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

/// What a test and the preloaded shim share: a file that both have mapped. The test writes the rule, the shim counts and acts.
namespace nelson::faults {

/// The environment variable that names the file. The shim's log lies beside it, as <file>.log.
inline constexpr const char* kControlVariable = "NELSON_FAULTS";

/// What a call is, as bits: one call may be several, a write through an O_DSYNC handle is also a sync.
enum Calls : std::uint32_t {
  kOpen = 1U << 0,  // for writing
  kWrite = 1U << 1,
  kTruncate = 1U << 2,
  kRename = 1U << 3,
  kLink = 1U << 4,  // symbolic ones too
  kMkdir = 1U << 5,
  kUnlink = 1U << 6,  // rmdir too
  kSync = 1U << 7,
  kSpace = 1U << 8,  // needs room that the file system has not given yet: makes an entry, or makes a file longer
  kAll = kSpace - 1,
};

/// Which of nelson's processes, by its first argument.
enum Roles : std::uint32_t { kRun = 1U << 0, kSupervise = 1U << 1, kGitWorker = 1U << 2 };

enum class Deed : std::uint32_t {
  kNone,
  kFail,      // the n-th matching call
  kFailFrom,  // the n-th and all after it, until the rule is taken back; with ENOSPC statvfs shows a full disk meanwhile
  kCutShort,  // the n-th writes half of what it was given, and says so
  kKillBefore,
  kKillAfter,
};

struct Control {
  static constexpr std::size_t kFolders = 2;
  static constexpr std::size_t kPathBytes = 256;

  /// Only calls on what lies below these are looked at. Fixed before a process starts.
  char folders[kFolders][kPathBytes];

  // The rule. Written while `deed` is kNone, which is then set last.
  std::uint32_t calls;
  std::uint32_t roles;
  std::uint64_t nth;      // from 1
  std::int32_t error;     // errno
  char part[kPathBytes];  // what the path contains
  std::atomic<Deed> deed;

  std::atomic<std::uint64_t> seen;  // calls that matched since the rule was given
  std::atomic<std::uint64_t> done;  // how often the deed was done

  /// Nanoseconds added to the wall clock of every process that has the shim.
  std::atomic<std::int64_t> wall_ahead;
};

}  // namespace nelson::faults
