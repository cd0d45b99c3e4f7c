// Preloaded under nelson: counts the calls that change files below the folders of a test, writes each into a log, and makes the n-th fail or
// kills the process there. Also shows a wall clock that the test may move. It hands itself on to the supervisors and Git children that nelson
// starts, whose environments nelson clears.
//
// No allocation, no library beyond libc, and no dlsym: every wrapper makes its system call itself, so that it is safe between fork and exec.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <cstdarg>

#include "tests/faults/shim/control.h"

namespace {

using namespace nelson::faults;  // NOLINT: this file is nothing else

constexpr std::size_t kPath = 4096;

Control* control = nullptr;
int log_file = -1;
long own_pid = 0;  // a child between fork and exec is left alone
std::uint32_t own_role = 0;
const char* own_role_name = "";
char preload_entry[kPath];
char control_entry[kPath];

bool starts_with(const char* text, const char* start) { return strncmp(text, start, strlen(start)) == 0; }

// ------------------------------------------------------------------------------------------------------------------------ paths

/// A path in the making, always ended by a zero; what does not fit is cut.
class Path {
 public:
  Path() { text_[0] = '\0'; }
  explicit Path(int fd) { add_link_of("/proc/self/fd/", fd); }
  Path(int folder, const char* path) {
    if (path[0] != '/') {
      if (folder == AT_FDCWD)
        add_link("/proc/self/cwd");
      else
        add_link_of("/proc/self/fd/", folder);
      add("/");
    }
    add(path);
  }

  [[nodiscard]] const char* text() const { return text_; }
  [[nodiscard]] bool below(const char* folder) const {
    const std::size_t size = strlen(folder);
    return size > 0 && strncmp(text_, folder, size) == 0 && (text_[size] == '/' || text_[size] == '\0');
  }
  [[nodiscard]] bool watched() const {
    if (control == nullptr) return false;
    for (const auto& folder : control->folders)
      if (below(folder)) return true;
    return false;
  }

 private:
  void add(const char* more) {
    for (; *more != '\0' && size_ + 1 < kPath; ++more) text_[size_++] = *more;
    text_[size_] = '\0';
  }
  void add_link(const char* link) {
    const long n = syscall(SYS_readlinkat, AT_FDCWD, link, text_ + size_, kPath - 1 - size_);
    size_ += n > 0 ? static_cast<std::size_t>(n) : 0;
    text_[size_] = '\0';
  }
  void add_link_of(const char* folder, int fd) {
    char link[64];
    snprintf(link, sizeof link, "%s%d", folder, fd);
    add_link(link);
  }

  char text_[kPath];
  std::size_t size_ = 0;
};

// -------------------------------------------------------------------------------------------------------------------- judgement

void write_line(const char* call, std::uint32_t calls, const char* outcome, int error, const char* path) {
  if (log_file < 0) return;
  timespec now{};
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  char line[kPath + 128];
  const int size =
      snprintf(line, sizeof line, "%lld %ld %s %s %u %s %d %s\n", static_cast<long long>(now.tv_sec) * 1'000'000'000 + now.tv_nsec,
               own_pid, own_role_name, call, calls, outcome, error, path);
  syscall(SYS_write, log_file, line, static_cast<std::size_t>(size));
}

[[noreturn]] void end_here() {
  syscall(SYS_kill, own_pid, SIGKILL);
  for (;;) syscall(SYS_pause);
}

/// What is to happen to one call.
struct Verdict {
  bool looked_at = false;
  Deed deed = Deed::kNone;
};

Verdict judge(std::uint32_t calls, const Path& path) {
  if (control == nullptr || syscall(SYS_getpid) != own_pid || !path.watched()) return {};
  const Deed deed = control->deed.load(std::memory_order_acquire);
  const bool matches = deed != Deed::kNone && (control->calls & calls) != 0 && (control->roles & own_role) != 0 &&
                       strstr(path.text(), control->part) != nullptr;
  if (!matches) return {true, Deed::kNone};
  const std::uint64_t number = control->seen.fetch_add(1) + 1;
  const bool now = deed == Deed::kFailFrom ? number >= control->nth : number == control->nth;
  return {true, now ? deed : Deed::kNone};
}

/// Makes the call, or what the rule says instead. `make(cut)` is the system call itself, told whether to write only half.
template <class Make>
long guarded(const char* name, std::uint32_t calls, const Path& path, Make make) {
  const Verdict verdict = judge(calls, path);
  if (!verdict.looked_at) return make(false);
  const auto did = [&](const char* outcome, int error) {
    if (verdict.deed != Deed::kNone) control->done.fetch_add(1);
    write_line(name, calls, outcome, error, path.text());
  };
  if (verdict.deed == Deed::kKillBefore) {
    did("killed-before", 0);
    end_here();
  }
  if (verdict.deed == Deed::kFail || verdict.deed == Deed::kFailFrom) {
    did("made-to-fail", control->error);
    errno = control->error;
    return -1;
  }
  const long result = make(verdict.deed == Deed::kCutShort);
  const int error = result < 0 ? errno : 0;
  if (verdict.deed == Deed::kKillAfter) {
    did("killed-after", error);
    end_here();
  }
  did(verdict.deed == Deed::kCutShort ? "cut-short" : result < 0 ? "failed" : "ok", error);
  errno = error != 0 ? error : errno;
  return result;
}

bool is_there(int folder, const char* path) {
  const int before = errno;
  const bool there = syscall(SYS_faccessat, folder, path, F_OK) == 0;
  errno = before;
  return there;
}

/// kSpace when the call makes an entry that is not there yet.
std::uint32_t room_for(int folder, const char* path) { return is_there(folder, path) ? 0U : std::uint32_t{kSpace}; }

template <class Make>
int guarded_at(const char* name, std::uint32_t calls, int folder, const char* path, Make make) {
  return static_cast<int>(guarded(name, calls, Path(folder, path), [&](bool) { return make(); }));
}

// --------------------------------------------------------------------------------------------------------------- open and write

int open_at(const char* name, int folder, const char* path, int flags, mode_t mode) {
  const auto make = [&] { return syscall(SYS_openat, folder, path, flags, mode); };
  const bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
  if (!writes) return static_cast<int>(make());
  return guarded_at(name, kOpen | ((flags & O_CREAT) != 0 ? room_for(folder, path) : 0U), folder, path, make);
}

/// Whether writing `size` bytes at `offset` (negative: where the handle stands) makes the file longer.
bool grows(int fd, long long offset, std::size_t size) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return false;
  const long flags = syscall(SYS_fcntl, fd, F_GETFL);
  if (offset < 0) offset = (flags & O_APPEND) != 0 ? status.st_size : syscall(SYS_lseek, fd, 0L, SEEK_CUR);
  return offset + static_cast<long long>(size) > status.st_size;
}

std::uint32_t kind_of_write(int fd, long long offset, std::size_t size) {
  const long flags = syscall(SYS_fcntl, fd, F_GETFL);
  const bool through = flags >= 0 && (flags & (O_DSYNC | O_SYNC)) != 0;
  return kWrite | (through ? std::uint32_t{kSync} : 0U) | (grows(fd, offset, size) ? std::uint32_t{kSpace} : 0U);
}

/// `make(size)` writes at most that much of what there is.
template <class Make>
ssize_t write_to(const char* name, int fd, long long offset, std::size_t size, Make make) {
  const int before = errno;
  const Path path(fd);
  const std::uint32_t calls = path.watched() ? kind_of_write(fd, offset, size) : 0U;
  errno = before;
  return guarded(name, calls, path, [&](bool cut) { return make(cut ? (size + 1) / 2 : size); });
}

std::size_t bytes_of(const iovec* parts, int count) {
  std::size_t size = 0;
  for (int i = 0; i < count; ++i) size += parts[i].iov_len;
  return size;
}

/// The first `size` bytes of `parts`, in at most 64 of them; the rest is left for the caller's next call.
int beginning_of(const iovec* parts, int count, std::size_t size, iovec (&out)[64]) {
  int used = 0;
  for (; used < count && used < 64 && size > 0; ++used) {
    out[used] = parts[used];
    if (out[used].iov_len > size) out[used].iov_len = size;
    size -= out[used].iov_len;
  }
  return used;
}

int sync_of(const char* name, int fd, long number) {
  return static_cast<int>(guarded(name, kSync, Path(fd), [&](bool) { return syscall(number, fd); }));
}

int truncate_to(const char* name, int fd, long long size) {
  struct stat status {};
  const int before = errno;
  const bool longer = fstat(fd, &status) == 0 && size > status.st_size;
  errno = before;
  return static_cast<int>(guarded(name, kTruncate | (longer ? std::uint32_t{kSpace} : 0U), Path(fd),
                                  [&](bool) { return syscall(SYS_ftruncate, fd, size); }));
}

// ----------------------------------------------------------------------------------------------------------- what nelson starts

constexpr int kMostVariables = 256;

std::uint32_t role_of(char* const* arguments, const char** name) {
  struct Known {
    const char* word;
    std::uint32_t role;
  };
  if (arguments == nullptr || arguments[0] == nullptr || arguments[1] == nullptr) return 0;
  for (const Known& known : {Known{"run", kRun}, Known{"supervise", kSupervise}, Known{"git-worker", kGitWorker}}) {
    if (strcmp(arguments[1], known.word) != 0) continue;
    *name = known.word;
    return known.role;
  }
  return 0;
}

/// `environment`, with the shim in it when the program is nelson again.
char* const* handed_on(char* const* arguments, char* const* environment, char* (&room)[kMostVariables + 3]) {
  const char* name = nullptr;
  if (control == nullptr || role_of(arguments, &name) == 0) return environment;
  int count = 0;
  for (; environment != nullptr && environment[count] != nullptr && count < kMostVariables; ++count)
    room[count] = environment[count];
  room[count++] = preload_entry;
  room[count++] = control_entry;
  room[count] = nullptr;
  return room;
}

}  // namespace

__attribute__((constructor)) static void begin(int, char** arguments, char** environment) {
  const char* file = nullptr;
  const char* preload = nullptr;
  for (char** entry = environment; entry != nullptr && *entry != nullptr; ++entry) {
    if (starts_with(*entry, "LD_PRELOAD=")) preload = *entry;
    if (starts_with(*entry, kControlVariable) && (*entry)[strlen(kControlVariable)] == '=') file = *entry;
  }
  if (file == nullptr || preload == nullptr) return;
  own_role = role_of(arguments, &own_role_name);
  if (own_role == 0) return;
  snprintf(preload_entry, sizeof preload_entry, "%s", preload);
  snprintf(control_entry, sizeof control_entry, "%s", file);
  file += strlen(kControlVariable) + 1;
  const long fd = syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC, 0);
  if (fd < 0) return;
  void* const mapped = mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, static_cast<int>(fd), 0);
  syscall(SYS_close, fd);
  char log[kPath];
  snprintf(log, sizeof log, "%s.log", file);
  log_file = static_cast<int>(syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  own_pid = syscall(SYS_getpid);
  if (mapped != MAP_FAILED) control = static_cast<Control*>(mapped);
}

// --------------------------------------------------------------------------------------------------------------------- wrappers

// glibc's own declarations carry attributes (nonnull, nothrow) that differ between versions.
#pragma GCC diagnostic ignored "-Wmissing-attributes"
#pragma GCC diagnostic ignored "-Wnonnull-compare"

extern "C" {

#define NELSON_MODE_ARGUMENT(flags)                         \
  mode_t mode = 0;                                          \
  if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {             \
    va_list rest;                                           \
    va_start(rest, flags);                                  \
    mode = static_cast<mode_t>(va_arg(rest, unsigned int)); \
    va_end(rest);                                           \
  }

int open(const char* path, int flags, ...) {
  NELSON_MODE_ARGUMENT(flags)
  return open_at("open", AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  NELSON_MODE_ARGUMENT(flags)
  return open_at("open", AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char* path, int flags, ...) {
  NELSON_MODE_ARGUMENT(flags)
  return open_at("openat", folder, path, flags, mode);
}
int openat64(int folder, const char* path, int flags, ...) {
  NELSON_MODE_ARGUMENT(flags)
  return open_at("openat", folder, path, flags, mode);
}
// What a fortified build calls when no mode was given.
int __open_2(const char* path, int flags) { return open_at("open", AT_FDCWD, path, flags, 0); }
int __open64_2(const char* path, int flags) { return open_at("open", AT_FDCWD, path, flags, 0); }
int __openat_2(int folder, const char* path, int flags) { return open_at("openat", folder, path, flags, 0); }
int __openat64_2(int folder, const char* path, int flags) { return open_at("openat", folder, path, flags, 0); }
int creat(const char* path, mode_t mode) { return open_at("creat", AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode); }

FILE* fopen(const char* path, const char* mode) {
  const bool both = strchr(mode, '+') != nullptr;
  int flags = both ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;
  if (mode[0] != 'r') flags |= O_CREAT | (mode[0] == 'a' ? O_APPEND : O_TRUNC);
  if (strchr(mode, 'x') != nullptr) flags |= O_EXCL;
  if (strchr(mode, 'e') != nullptr) flags |= O_CLOEXEC;
  const int fd = open_at("fopen", AT_FDCWD, path, flags, 0666);
  return fd < 0 ? nullptr : fdopen(fd, mode);
}
FILE* fopen64(const char* path, const char* mode) { return fopen(path, mode); }

ssize_t write(int fd, const void* bytes, size_t size) {
  return write_to("write", fd, -1, size, [&](std::size_t most) { return syscall(SYS_write, fd, bytes, most); });
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  return write_to("pwrite", fd, offset, size, [&](std::size_t most) { return syscall(SYS_pwrite64, fd, bytes, most, offset); });
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) { return pwrite(fd, bytes, size, offset); }
ssize_t writev(int fd, const iovec* parts, int count) {
  const std::size_t size = bytes_of(parts, count);
  return write_to("writev", fd, -1, size, [&](std::size_t most) {
    iovec fewer[64];
    return most == size ? syscall(SYS_writev, fd, parts, count)
                        : syscall(SYS_writev, fd, fewer, beginning_of(parts, count, most, fewer));
  });
}
ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) {
  const std::size_t size = bytes_of(parts, count);
  return write_to("pwritev", fd, offset, size, [&](std::size_t most) {
    iovec fewer[64];
    return most == size ? syscall(SYS_pwritev, fd, parts, count, offset, 0L)
                        : syscall(SYS_pwritev, fd, fewer, beginning_of(parts, count, most, fewer), offset, 0L);
  });
}
ssize_t pwritev64(int fd, const iovec* parts, int count, off64_t offset) { return pwritev(fd, parts, count, offset); }

int ftruncate(int fd, off_t size) noexcept { return truncate_to("ftruncate", fd, size); }
int ftruncate64(int fd, off64_t size) noexcept { return truncate_to("ftruncate", fd, size); }

int rename(const char* from, const char* to) noexcept {
  return guarded_at("rename", kRename, AT_FDCWD, to, [&] { return syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to); });
}
int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  return guarded_at("renameat", kRename, to_folder, to, [&] { return syscall(SYS_renameat, from_folder, from, to_folder, to); });
}
int link(const char* from, const char* to) noexcept {
  return guarded_at("link", kLink | room_for(AT_FDCWD, to), AT_FDCWD, to,
                    [&] { return syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0); });
}
int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) noexcept {
  return guarded_at("linkat", kLink | room_for(to_folder, to), to_folder, to,
                    [&] { return syscall(SYS_linkat, from_folder, from, to_folder, to, flags); });
}
int symlink(const char* target, const char* path) noexcept {
  return guarded_at("symlink", kLink | room_for(AT_FDCWD, path), AT_FDCWD, path,
                    [&] { return syscall(SYS_symlinkat, target, AT_FDCWD, path); });
}
int mkdir(const char* path, mode_t mode) noexcept {
  return guarded_at("mkdir", kMkdir | room_for(AT_FDCWD, path), AT_FDCWD, path,
                    [&] { return syscall(SYS_mkdirat, AT_FDCWD, path, mode); });
}
int mkdirat(int folder, const char* path, mode_t mode) noexcept {
  return guarded_at("mkdirat", kMkdir | room_for(folder, path), folder, path,
                    [&] { return syscall(SYS_mkdirat, folder, path, mode); });
}
int unlink(const char* path) noexcept {
  return guarded_at("unlink", kUnlink, AT_FDCWD, path, [&] { return syscall(SYS_unlinkat, AT_FDCWD, path, 0); });
}
int unlinkat(int folder, const char* path, int flags) noexcept {
  return guarded_at("unlinkat", kUnlink, folder, path, [&] { return syscall(SYS_unlinkat, folder, path, flags); });
}
int rmdir(const char* path) noexcept {
  return guarded_at("rmdir", kUnlink, AT_FDCWD, path, [&] { return syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR); });
}
/// glibc's own unlinks without asking us.
int remove(const char* path) noexcept {
  struct stat status {};
  const bool folder = lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
  return folder ? rmdir(path) : unlink(path);
}

int fsync(int fd) { return sync_of("fsync", fd, SYS_fsync); }
int fdatasync(int fd) { return sync_of("fdatasync", fd, SYS_fdatasync); }
int sync_file_range(int fd, off64_t offset, off64_t size, unsigned int flags) {
  return static_cast<int>(
      guarded("sync_file_range", kSync, Path(fd), [&](bool) { return syscall(SYS_sync_file_range, fd, offset, size, flags); }));
}

int statvfs(const char* path, struct statvfs* out) noexcept {
  struct statfs status {};
  if (syscall(SYS_statfs, path, &status) != 0) return -1;
  memset(out, 0, sizeof *out);
  out->f_bsize = static_cast<unsigned long>(status.f_bsize);
  out->f_frsize = static_cast<unsigned long>(status.f_frsize != 0 ? status.f_frsize : status.f_bsize);
  out->f_blocks = status.f_blocks;
  out->f_bfree = status.f_bfree;
  out->f_bavail = status.f_bavail;
  out->f_files = status.f_files;
  out->f_ffree = out->f_favail = status.f_ffree;
  out->f_namemax = static_cast<unsigned long>(status.f_namelen);
  const Path whole(AT_FDCWD, path);
  const bool full = whole.watched() && control->deed == Deed::kFailFrom && control->error == ENOSPC &&
                    control->seen + 1 >= control->nth && strstr(whole.text(), control->part) != nullptr;
  if (full) out->f_bfree = out->f_bavail = 0;
  return 0;
}
int statvfs64(const char* path, struct statvfs64* out) noexcept { return statvfs(path, reinterpret_cast<struct statvfs*>(out)); }

int execve(const char* program, char* const* arguments, char* const* environment) noexcept {
  char* room[kMostVariables + 3];
  return static_cast<int>(syscall(SYS_execve, program, arguments, handed_on(arguments, environment, room)));
}
/// For a program with a slash in its name posix_spawnp does the same, and is not wrapped.
int posix_spawn(pid_t* pid, const char* program, const posix_spawn_file_actions_t* actions, const posix_spawnattr_t* attributes,
                char* const* arguments, char* const* environment) {
  char* room[kMostVariables + 3];
  return posix_spawnp(pid, program, actions, attributes, arguments, handed_on(arguments, environment, room));
}

int clock_gettime(clockid_t clock, timespec* now) noexcept {
  if (syscall(SYS_clock_gettime, clock, now) != 0) return -1;
  if (control == nullptr || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return 0;
  constexpr long long kSecond = 1'000'000'000;
  const long long moved = now->tv_sec * kSecond + now->tv_nsec + control->wall_ahead;
  now->tv_sec = moved / kSecond;
  now->tv_nsec = moved % kSecond;
  return 0;
}
int gettimeofday(timeval* now, void*) noexcept {
  timespec at{};
  if (clock_gettime(CLOCK_REALTIME, &at) != 0) return -1;
  *now = {at.tv_sec, at.tv_nsec / 1000};
  return 0;
}
time_t time(time_t* out) noexcept {
  timespec at{};
  clock_gettime(CLOCK_REALTIME, &at);
  if (out != nullptr) *out = at.tv_sec;
  return at.tv_sec;
}

}  // extern "C"
