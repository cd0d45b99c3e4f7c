#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "state/model/result.h"
#include "state/model/time.h"

namespace nelson {

/// Makes the store's folder when it is missing, mode 0700, and checks that it and the files in it are ours alone. kInvalid names what
/// is not, and the command that mends it.
Status prepare_folder(const std::string& folder);

/// As prepare_folder, for somebody who only reads: makes nothing, and another owner is welcome.
Status check_folder_to_read(const std::string& folder);

/// Renames the data file to data.mdb.damaged-<n>, n one more than the greatest there, and removes LMDB's table of readers with it. The
/// three newest such files are kept. Returns the new name, without the folder.
Result<std::string> set_aside(const std::string& folder);

/// Bytes that an unprivileged writer may still write on the folder's disk; nothing when the system does not say.
[[nodiscard]] std::optional<std::uint64_t> free_bytes(const std::string& folder);

/// A start that was turned away because the store is held.
struct RefusedStart {
  std::string who;  // in the words it left
  Instant at;
};

/// The right to write a store: held from make to destruction, and given back by the kernel when the process ends, however it ends.
/// Not inherited by programs that this process starts.
class FolderLock {
 public:
  /// kConflict: somebody else holds it; the message says who, by the words they left and their process id, and they can see it, too.
  static Result<FolderLock> take(const std::string& folder, const std::string& holder);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&& other) noexcept;

  /// The last one refused since this lock was taken.
  [[nodiscard]] std::optional<RefusedStart> refused() const;

 private:
  explicit FolderLock(int file);
  int file_ = -1;
  int process_ = 0;  // who may give it back: a forked child may not
};

}  // namespace nelson
