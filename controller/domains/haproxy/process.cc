#include "controller/domains/haproxy/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>

#include "controller/base/descriptor.h"
#include "controller/base/files.h"

namespace nelson::haproxy {
namespace {

using Clock = std::chrono::steady_clock;

std::string words_of(int cause) { return std::system_category().message(cause); }

/// The arguments as execve wants them; `words` must outlive it.
std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

// Between fork and exec only what POSIX allows a process with threads: no allocation, no lock.

void restore_signals() {
  for (int number = 1; number < 32; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void close_above(int last) {
  if (::syscall(SYS_close_range, last + 1, ~0U, 0) == 0) return;
  for (int number = last + 1; number < 65536; ++number) ::close(number);
}

[[noreturn]] void become(char* const* arguments, int input, int output) {
  static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  char* environment[] = {path, nullptr};
  ::dup2(input, 0);
  ::dup2(output, 1);
  ::dup2(output, 2);
  restore_signals();
  ::umask(077);
  close_above(2);
  ::execve(arguments[0], arguments, environment);
  const char text[] = "nelson: the program cannot be started\n";
  static_cast<void>(::write(2, text, sizeof text - 1) < 0);
  ::_exit(127);
}

constexpr auto kExecLimit = std::chrono::seconds(5);

void collect(int from, pid_t child, Clock::time_point deadline, std::string& output) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd waiting{from, POLLIN, 0};
    const int ready = left > 0 ? ::poll(&waiting, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      ::kill(child, SIGKILL);
      return;
    }
    char block[4096];
    const ssize_t got = ::read(from, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    if (output.size() < 65536) output.append(block, static_cast<std::size_t>(got));
  }
}

/// The words of a process's command line; none when it is gone or a thread of the kernel.
std::vector<std::string> command_of(pid_t pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/cmdline", 1 << 20);
  std::vector<std::string> words;
  if (!text) return words;
  std::string word;
  for (const char c : *text) {
    if (c == '\0')
      words.push_back(std::exchange(word, ""));
    else
      word += c;
  }
  return words;
}

bool is_zombie(pid_t pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!text) return true;
  const std::size_t end = text->rfind(')');
  return end == std::string::npos || end + 2 >= text->size() || (*text)[end + 2] == 'Z' || (*text)[end + 2] == 'X';
}

/// Returns once a process that this one made by fork is a program of its own, or has ended. A descriptor that execve closes would tell it too
/// early: the command line, by which others know the process, is empty for a moment longer.
void wait_until_replaced(pid_t child) {
  const auto ours = command_of(::getpid());
  for (const auto deadline = Clock::now() + kExecLimit; Clock::now() < deadline && !is_zombie(child);) {
    const auto command = command_of(child);
    if (!command.empty() && command != ours) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// The real user; nothing when the process is gone.
std::optional<uid_t> user_of(pid_t pid) {
  constexpr std::string_view kField = "\nUid:\t";
  const auto text = read_file("/proc/" + std::to_string(pid) + "/status", 1 << 16);
  const std::size_t at = text ? text->find(kField) : std::string::npos;
  if (at == std::string::npos) return std::nullopt;
  return static_cast<uid_t>(std::strtoul(text->c_str() + at + kField.size(), nullptr, 10));
}

}  // namespace

bool is_free_port(const std::string& host, std::uint16_t port) {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int yes = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) return false;
  return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 && ::listen(socket.get(), 1) == 0;
}

Result<Finished> run(const std::vector<std::string>& command, Duration limit) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return unavailable(command.front() + ": " + words_of(errno));
  Descriptor read_end(ends[0]), write_end(ends[1]);
  const Descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const auto arguments = pointers(command);
  const pid_t child = ::fork();
  if (child < 0) return unavailable(command.front() + ": cannot be started: " + words_of(errno));
  if (child == 0) become(arguments.data(), null.get(), write_end.get());
  write_end.reset();
  Finished finished;
  collect(read_end.get(), child, Clock::now() + limit, finished.output);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) finished.status = WEXITSTATUS(status);
  return finished;
}

Status start_detached(const std::vector<std::string>& command, const std::string& log, const std::vector<int>& doors) {
  const Descriptor output(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (output.get() < 0) return unavailable(log + ": " + words_of(errno));
  const Descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return unavailable(command.front() + ": cannot be started: " + words_of(errno));
  const Descriptor told(ends[0]);
  Descriptor tells(ends[1]);
  const auto arguments = pointers(command);
  const pid_t middle = ::fork();
  if (middle < 0) return unavailable(command.front() + ": cannot be started: " + words_of(errno));
  if (middle == 0) {
    // The groups are entered before the second fork, so that nothing of the program is ever outside of them.
    for (const int door : doors) static_cast<void>(::write(door, "0", 1) < 0);
    ::setsid();
    const pid_t last = ::fork();
    if (last != 0) ::_exit(last > 0 && ::write(tells.get(), &last, sizeof last) == sizeof last ? 0 : 1);
    static_cast<void>(::chdir("/") < 0);
    become(arguments.data(), null.get(), output.get());
  }
  tells.reset();
  int status = 0;
  while (::waitpid(middle, &status, 0) < 0 && errno == EINTR) {
  }
  pid_t last = 0;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || ::read(told.get(), &last, sizeof last) != sizeof last)
    return unavailable(command.front() + ": cannot be started: no process could be made");
  wait_until_replaced(last);
  return {};
}

std::size_t Relatives::signal(int signal) const {
  std::size_t found = 0;
  for (const std::string& process : names_if_any("/proc")) {
    const pid_t pid = std::atoi(process.c_str());
    if (pid <= 1) continue;
    const Descriptor pinned(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (pinned.get() < 0) continue;
    const auto command = command_of(pid);
    if (command.empty() || is_zombie(pid)) continue;
    const std::string name = command[0].substr(command[0].rfind('/') + 1);
    if (name != program_.substr(program_.rfind('/') + 1)) continue;
    if (std::find(command.begin(), command.end(), argument_) == command.end()) continue;
    if (::geteuid() != 0 && user_of(pid) != ::geteuid()) continue;
    if (signal != 0) ::syscall(SYS_pidfd_send_signal, pinned.get(), signal, nullptr, 0);
    ++found;
  }
  return found;
}

bool Relatives::gone_within(Duration limit) const {
  for (const auto deadline = Clock::now() + limit; Clock::now() < deadline;) {
    if (count() == 0) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return count() == 0;
}

}  // namespace nelson::haproxy
