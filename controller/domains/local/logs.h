#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/model/result.h"
#include "state/model/time.h"

namespace nelson {

// What the instances of a local domain print is kept in `<domain folder>/logs/<stack>/<index>.log`, at most one older part beside it
// (`<index>.log.1`). No supervisor and no controller is needed to read it, only permission on the files.

inline constexpr std::uint64_t kLogPartBytes = 1 << 20;  // a part is closed when it reaches this
inline constexpr std::size_t kEndedLogsKept = 50;        // stacks that ended and whose logs are still kept, the newest

/// The log of one instance, or (index -1) what the stack's supervisor says of it: starts, exits, restarts.
struct LogFile {
  std::string stack;
  std::int32_t index = 0;
  std::string path;  // the current part; the older one is `path` + ".1"

  bool operator==(const LogFile&) const = default;
};

/// Every log of the domain in `folder`, by stack, then index. `word` chooses: "" all, a stack's name that stack, a unit's name all
/// stacks of the unit. kUnavailable when the folder cannot be read; no match is an empty list.
Result<std::vector<LogFile>> list_logs(const std::string& folder, std::string_view word);

/// The last `bytes` at most of the log, older part included, beginning at the start of a line where one is in reach.
Result<std::string> read_log(const LogFile& log, std::uint64_t bytes = 2 * kLogPartBytes);

/// Reads what is appended to a log from now on, across rotations. One thread.
class LogFollower {
 public:
  /// Begins after the first `skip` bytes of the current part; nothing: at its end.
  explicit LogFollower(LogFile log, std::optional<std::uint64_t> skip = std::nullopt);
  LogFollower(LogFollower&& other) noexcept;
  LogFollower& operator=(LogFollower&& other) noexcept;
  ~LogFollower();

  [[nodiscard]] const LogFile& log() const { return log_; }

  /// What came since the last call, at most 64 KiB; "" when nothing did. Never waits: the caller sets the pace.
  [[nodiscard]] std::string more();

 private:
  bool open_current(std::uint64_t offset);

  LogFile log_;
  int fd_ = -1;
  std::uint64_t offset_ = 0;
};

/// Appends to a log and rotates it. A part never exceeds `part_bytes`; a line is split only when it alone is longer. What cannot be
/// written (disk full) is dropped and counted, and said in the log once writing works again. One thread.
class LogWriter {
 public:
  LogWriter(std::string path, std::uint64_t part_bytes = kLogPartBytes);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  void write(std::string_view bytes);

 private:
  void open();
  void rotate();
  bool append(std::string_view bytes);

  std::string path_;
  std::uint64_t part_bytes_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::uint64_t dropped_ = 0;
};

/// Removes the logs of ended stacks beyond the newest kEndedLogsKept. A stack has ended when `<folder>/stacks/<stack>` is gone.
void drop_old_logs(const std::string& folder);

}  // namespace nelson
