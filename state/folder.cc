#include "state/folder.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <utility>
#include <vector>

namespace nelson {
namespace {

constexpr std::string_view kAside = "data.mdb.damaged-";
constexpr std::size_t kKeptAside = 3;
constexpr std::chrono::seconds kLettingGo{3};  // for what a holder that was killed has left behind to let go of the lock

std::string text_of(int error) { return std::strerror(error); }

std::string octal(mode_t mode) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), static_cast<unsigned>(mode & 07777), 8).ptr;
  return "0" + std::string(digits.data(), end);
}

Status check_owner_and_mode(const std::string& path, const struct stat& status, mode_t widest) {
  if (status.st_uid != ::geteuid())
    return invalid(path + " belongs to user " + std::to_string(status.st_uid) + ", not to " + std::to_string(::geteuid()) +
                   " who runs this: run nelson as its owner, or give it a folder of its own");
  if ((status.st_mode & 07777 & ~widest) != 0)
    return invalid(path + " has mode " + octal(status.st_mode) + ", which lets others at the store: chmod " + octal(widest) + " " +
                   path);
  return {};
}

Status check_file(const std::string& path, bool only_to_read) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return invalid("cannot look at " + path + ": " + text_of(errno));
  }
  if (!S_ISREG(status.st_mode)) return invalid(path + " is not a regular file: it is not nelson's, move it away");
  if (only_to_read) return {};
  return check_owner_and_mode(path, status, 0600);
}

Status check_files(const std::string& folder, bool only_to_read) {
  for (const char* const name : {"/data.mdb", "/lock.mdb", "/lock"})
    if (Status fits = check_file(folder + name, only_to_read); !fits) return fits;
  return {};
}

void sync_folder(const std::string& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  ::fsync(file);
  ::close(file);
}

/// The numbers of the files set aside, ascending.
std::vector<unsigned long> numbers_aside(const std::string& folder) {
  std::vector<unsigned long> numbers;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with(kAside)) continue;
    unsigned long value = 0;
    const char* const last = name.data() + name.size();
    if (std::from_chars(name.data() + kAside.size(), last, value).ptr == last) numbers.push_back(value);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

/// The lock file says in its first line who holds it, and in its second, if there is one, who was last refused.
struct LockWords {
  std::string holder, refused;
};

LockWords read_words(int file) {
  std::array<char, 1024> text{};
  const ssize_t size = ::pread(file, text.data(), text.size(), 0);
  std::istringstream lines(std::string(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0));
  LockWords words;
  for (std::string* const line : {&words.holder, &words.refused}) {
    std::getline(lines, *line);
    std::replace_if(
        line->begin(), line->end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  }
  return words;
}

/// Whether the process that these words name, "... (pid 123)", is gone. Its lock may outlive it for a moment: a child that it had forked
/// shares the lock until it starts a program of its own.
bool has_ended(std::string_view holder) {
  constexpr std::string_view kMark = "(pid ";
  const std::size_t at = holder.rfind(kMark);
  if (at == std::string_view::npos) return false;
  int id = 0;
  std::from_chars(holder.data() + at + kMark.size(), holder.data() + holder.size(), id);
  return id > 0 && ::kill(id, 0) != 0 && errno == ESRCH;
}

/// `keep` bytes stay. A failure is no matter: the lock holds whatever its file says, so that a full disk keeps nobody from starting.
void write_words(int file, std::size_t keep, const std::string& holder) {
  const std::string text = (holder.empty() ? "nelson" : holder.substr(0, 400)) + " (pid " + std::to_string(::getpid()) + ")\n";
  if (::ftruncate(file, static_cast<off_t>(keep)) == 0) [[maybe_unused]]
    const ssize_t n = ::pwrite(file, text.data(), text.size(), static_cast<off_t>(keep));
}

}  // namespace

Status prepare_folder(const std::string& folder) {
  if (folder.empty()) return invalid("the store has no folder: name one");
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(folder).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) return invalid("cannot make " + parent.string() + " for the store: " + error.message());
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return invalid("cannot make the store's folder " + folder + ": " + text_of(errno));
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) return invalid("cannot look at the store's folder " + folder + ": " + text_of(errno));
  if (!S_ISDIR(status.st_mode)) return invalid(folder + " is not a folder: name another one for the store");
  if (Status fits = check_owner_and_mode(folder, status, 0700); !fits) return fits;
  return check_files(folder, false);
}

Status check_folder_to_read(const std::string& folder) {
  struct stat status {};
  if (::stat((folder + "/data.mdb").c_str(), &status) != 0)
    return invalid("there is no store to read in " + folder + " (" + text_of(errno) + "): `nelson run` makes it");
  return check_files(folder, true);
}

Result<std::string> set_aside(const std::string& folder) {
  std::vector<unsigned long> numbers = numbers_aside(folder);
  const unsigned long next = numbers.empty() ? 1 : numbers.back() + 1;
  const std::string name = std::string(kAside) + std::to_string(next);
  if (::rename((folder + "/data.mdb").c_str(), (folder + "/" + name).c_str()) != 0)
    return internal("cannot move the damaged " + folder + "/data.mdb aside: " + text_of(errno) + "; move it away by hand");
  ::unlink((folder + "/lock.mdb").c_str());
  numbers.push_back(next);
  for (std::size_t i = 0; i + kKeptAside < numbers.size(); ++i)
    ::unlink((folder + "/" + std::string(kAside) + std::to_string(numbers[i])).c_str());
  sync_folder(folder);
  return name;
}

std::optional<std::uint64_t> free_bytes(const std::string& folder) {
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0) return std::nullopt;
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

Result<FolderLock> FolderLock::take(const std::string& folder, const std::string& holder) {
  const std::string path = folder + "/lock";
  const auto patience = std::chrono::steady_clock::now() + kLettingGo;
  for (;;) {
    FolderLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (lock.file_ < 0) return invalid("cannot open the store's lock " + path + ": " + text_of(errno));
    if (::flock(lock.file_, LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno != EWOULDBLOCK) return invalid("cannot lock " + path + ": " + text_of(errno));
      const std::string held_by = read_words(lock.file_).holder;
      if (has_ended(held_by) && std::chrono::steady_clock::now() < patience) {
        ::poll(nullptr, 0, 10);
        continue;
      }
      if (!held_by.empty()) write_words(lock.file_, held_by.size() + 1, holder);
      return conflict("the store at " + folder + " is held by " +
                      (held_by.empty() ? "a process that has only just started" : held_by) +
                      ": stop that one first, or give this one a store and domains of its own");
    }
    // Somebody may have removed the file between our opening and locking it; then the lock on it keeps nobody out.
    struct stat ours {
    }, there{};
    if (::fstat(lock.file_, &ours) != 0 || ::stat(path.c_str(), &there) != 0 || ours.st_ino != there.st_ino ||
        ours.st_dev != there.st_dev)
      continue;
    write_words(lock.file_, 0, holder);
    return lock;
  }
}

std::optional<RefusedStart> FolderLock::refused() const {
  struct stat status {};
  std::string who = read_words(file_).refused;
  if (who.empty() || ::fstat(file_, &status) != 0) return std::nullopt;
  const auto since_epoch = std::chrono::seconds(status.st_mtim.tv_sec) + std::chrono::nanoseconds(status.st_mtim.tv_nsec);
  return RefusedStart{std::move(who), Instant(std::chrono::duration_cast<Duration>(since_epoch))};
}

FolderLock::FolderLock(int file) : file_(file), process_(::getpid()) {}

FolderLock::~FolderLock() {
  if (file_ < 0) return;
  // A child that was forked and has not yet started its program shares the lock, and would keep it past our closing.
  if (process_ == ::getpid()) ::flock(file_, LOCK_UN);
  ::close(file_);
}

FolderLock::FolderLock(FolderLock&& other) noexcept : file_(std::exchange(other.file_, -1)), process_(other.process_) {}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(process_, other.process_);
  return *this;
}

}  // namespace nelson
