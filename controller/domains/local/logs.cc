#include "controller/domains/local/logs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <tuple>
#include <utility>

#include "controller/base/files.h"
#include "controller/domains/local/process.h"
#include "state/model/names.h"

namespace nelson {
namespace {

constexpr std::string_view kLogSuffix = ".log";
constexpr std::string_view kSupervisorLog = "supervisor.log";

std::optional<std::int32_t> index_of(std::string_view file) {
  if (file == kSupervisorLog) return -1;
  if (!file.ends_with(kLogSuffix)) return std::nullopt;
  file.remove_suffix(kLogSuffix.size());
  std::int32_t index = 0;
  const auto [end, error] = std::from_chars(file.data(), file.data() + file.size(), index);
  if (error != std::errc() || end != file.data() + file.size() || index < 0) return std::nullopt;
  return index;
}

bool chosen(const std::string& stack, std::string_view word) {
  if (word.empty() || word == stack) return true;
  const auto name = parse_stack_name(stack);
  return name && name->unit == word;
}

std::string part_of(const std::string& path, std::uint64_t from_end) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0) return "";
  const auto size = static_cast<std::uint64_t>(info.st_size);
  std::string text(std::min(size, from_end), '\0');
  const ssize_t n = ::pread(fd.get(), text.data(), text.size(), static_cast<off_t>(size - text.size()));
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

}  // namespace

Result<std::vector<LogFile>> list_logs(const std::string& folder, std::string_view word) {
  const std::string logs = folder + "/logs";
  const auto stacks = names_in(logs);
  if (!stacks) {
    if (errno == ENOENT && ::access(folder.c_str(), F_OK) == 0) return std::vector<LogFile>{};
    return unavailable(logs + ": " + error_text(errno));
  }
  std::vector<LogFile> found;
  for (const std::string& stack : *stacks) {
    if (!chosen(stack, word)) continue;
    const std::string in = logs + "/" + stack + "/";
    for (const std::string& file : names_if_any(in))
      if (const auto index = index_of(file)) found.push_back({stack, *index, in + file});
  }
  std::sort(found.begin(), found.end(),
            [](const LogFile& a, const LogFile& b) { return std::tie(a.stack, a.index) < std::tie(b.stack, b.index); });
  return found;
}

Result<std::string> read_log(const LogFile& log, std::uint64_t bytes) {
  if (::access(log.path.c_str(), R_OK) != 0) return unavailable(log.path + ": " + error_text(errno));
  std::string text = part_of(log.path, bytes);
  if (text.size() < bytes) text = part_of(log.path + ".1", bytes - text.size()) + text;
  // Cut to a whole line, unless there is no other line.
  const std::size_t line = text.size() >= bytes ? text.find('\n') : std::string::npos;
  if (line != std::string::npos && line + 1 < text.size()) text.erase(0, line + 1);
  return text;
}

LogFollower::LogFollower(LogFile log, std::optional<std::uint64_t> skip) : log_(std::move(log)) {
  struct stat info {};
  const bool there = ::stat(log_.path.c_str(), &info) == 0;
  open_current(skip.value_or(there ? static_cast<std::uint64_t>(info.st_size) : 0));
}

LogFollower::LogFollower(LogFollower&& other) noexcept
    : log_(std::move(other.log_)), fd_(std::exchange(other.fd_, -1)), offset_(other.offset_) {}

LogFollower& LogFollower::operator=(LogFollower&& other) noexcept {
  std::swap(log_, other.log_);
  std::swap(fd_, other.fd_);
  std::swap(offset_, other.offset_);
  return *this;
}

LogFollower::~LogFollower() {
  if (fd_ >= 0) ::close(fd_);
}

bool LogFollower::open_current(std::uint64_t offset) {
  const int fd = ::open(log_.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
  offset_ = offset;
  return true;
}

std::string LogFollower::more() {
  constexpr std::size_t kMost = 64 << 10;
  std::string text(kMost, '\0');
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (fd_ < 0 && !open_current(0)) return "";
    const ssize_t n = ::pread(fd_, text.data(), text.size(), static_cast<off_t>(offset_));
    if (n > 0) {
      offset_ += static_cast<std::uint64_t>(n);
      text.resize(static_cast<std::size_t>(n));
      return text;
    }
    // At the end of this part: go on with the next one once it was rotated, or begin again where it was emptied.
    struct stat open_file {
    }, named{};
    if (::fstat(fd_, &open_file) != 0 || ::stat(log_.path.c_str(), &named) != 0) return "";
    if (static_cast<std::uint64_t>(open_file.st_size) > offset_) continue;  // written between the read and the look
    const bool same = open_file.st_ino == named.st_ino && open_file.st_dev == named.st_dev;
    if (same && static_cast<std::uint64_t>(named.st_size) >= offset_) return "";
    if (!open_current(0)) return "";
  }
  return "";
}

LogWriter::LogWriter(std::string path, std::uint64_t part_bytes) : path_(std::move(path)), part_bytes_(part_bytes) { open(); }

LogWriter::~LogWriter() {
  if (fd_ >= 0) ::close(fd_);
}

void LogWriter::open() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  struct stat info {};
  size_ = fd_ >= 0 && ::fstat(fd_, &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

void LogWriter::rotate() {
  ::rename(path_.c_str(), (path_ + ".1").c_str());
  open();
}

bool LogWriter::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      dropped_ += bytes.size();
      return false;
    }
    size_ += static_cast<std::uint64_t>(n);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

void LogWriter::write(std::string_view bytes) {
  if (fd_ < 0) open();
  if (dropped_ > 0) {
    const std::uint64_t lost = std::exchange(dropped_, 0);
    const std::string note = "[nelson: " + std::to_string(lost) + " bytes were lost here: the log could not be written]\n";
    if (!append(note)) dropped_ = lost;
  }
  while (!bytes.empty()) {
    if (size_ >= part_bytes_) rotate();
    const std::uint64_t room = size_ < part_bytes_ ? part_bytes_ - size_ : part_bytes_;
    std::string_view chunk = bytes.substr(0, room);
    if (chunk.size() < bytes.size()) {
      const std::size_t line = chunk.rfind('\n');
      if (line != std::string_view::npos) {
        chunk = chunk.substr(0, line + 1);
      } else if (size_ > 0) {
        rotate();
        continue;
      }
    }
    if (!append(chunk)) return;
    bytes.remove_prefix(chunk.size());
    if (!bytes.empty()) rotate();
  }
}

void drop_old_logs(const std::string& folder) {
  const std::string logs = folder + "/logs";
  std::vector<std::pair<std::int64_t, std::string>> ended;
  for (const std::string& stack : names_if_any(logs)) {
    struct stat info {};
    if (::access((folder + "/stacks/" + stack).c_str(), F_OK) == 0 || ::stat((logs + "/" + stack).c_str(), &info) != 0) continue;
    ended.emplace_back(-static_cast<std::int64_t>(info.st_mtime), logs + "/" + stack);
  }
  std::sort(ended.begin(), ended.end());
  for (std::size_t i = kEndedLogsKept; i < ended.size(); ++i) {
    for (const std::string& file : names_if_any(ended[i].second)) ::unlink((ended[i].second + "/" + file).c_str());
    ::rmdir(ended[i].second.c_str());
  }
}

}  // namespace nelson
