#include "controller/domains/local/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>
#include <system_error>

#include "controller/base/files.h"

namespace nelson {
namespace {

std::string proc_path(pid_t pid, const char* file) { return "/proc/" + std::to_string(pid) + "/" + file; }

Error file_error(const std::string& path) { return unavailable(path + ": " + error_text(errno)); }

}  // namespace

std::optional<ProcessStat> stat_of(pid_t pid) {
  const auto text = read_text(proc_path(pid, "stat"), 4096);
  if (!text) return std::nullopt;
  // The second field is the program's name in parentheses and may itself hold spaces and parentheses.
  const std::size_t name_end = text->rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  ProcessStat stat;
  stat.pid = pid;
  unsigned long long start = 0;
  const int fields =
      std::sscanf(text->c_str() + name_end + 1, " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                  &stat.state, &stat.parent, &stat.session, &start);
  if (fields != 4) return std::nullopt;
  stat.start_time = start;
  return stat;
}

std::vector<pid_t> all_processes() {
  std::vector<pid_t> pids;
  for (const std::string& name : names_if_any("/proc")) {
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc() && end == name.data() + name.size()) pids.push_back(pid);
  }
  return pids;
}

bool environment_has(pid_t pid, std::string_view entry) {
  const auto text = read_text(proc_path(pid, "environ"));
  if (!text) return false;
  for (std::size_t at = text->find(entry); at != std::string::npos; at = text->find(entry, at + 1)) {
    const bool begins = at == 0 || (*text)[at - 1] == '\0';
    const std::size_t end = at + entry.size();
    if (begins && (end == text->size() || (*text)[end] == '\0')) return true;
  }
  return false;
}

bool signal_if(pid_t pid, int signal, const std::function<bool(pid_t)>& is_ours) {
  const Descriptor pinned(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pinned || !is_ours(pid)) return false;
  return ::syscall(SYS_pidfd_send_signal, pinned.get(), signal, nullptr, 0) == 0;
}

std::optional<std::string> read_text(const std::string& path, std::size_t limit) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return std::nullopt;
  std::string text;
  char buffer[16384];
  while (text.size() < limit) {
    const ssize_t n = ::read(fd.get(), buffer, std::min(sizeof buffer, limit - text.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::nullopt;
    if (n == 0) break;
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

Status make_folder(const std::string& path, mode_t mode) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return {};
    return unavailable(path + ": is a file where a folder must be");
  }
  const std::size_t slash = path.find_last_of('/');
  if (slash != std::string::npos && slash > 0) {
    if (Status above = make_folder(path.substr(0, slash), mode); !above) return above;
  }
  if (::mkdir(path.c_str(), mode) != 0) return errno == EEXIST ? Status() : Status(file_error(path));
  if (::chmod(path.c_str(), mode) != 0) return file_error(path);
  return {};
}

std::string error_text(int number) { return std::generic_category().message(number); }

std::string random_hex(std::size_t bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string raw(bytes, '\0');
  std::size_t have = 0;
  while (have < bytes) {
    const ssize_t n = ::getrandom(raw.data() + have, bytes - have, 0);
    if (n > 0) have += static_cast<std::size_t>(n);
  }
  std::string text;
  for (const char c : raw) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

}  // namespace nelson
