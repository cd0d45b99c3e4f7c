#include "controller/domains/haproxy/control.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>

#include "controller/base/descriptor.h"

namespace nelson::haproxy {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPatience = std::chrono::seconds(3);
constexpr std::size_t kAnswerBytes = std::size_t{64} << 20;
constexpr std::size_t kCommandBytes = 12000;  // HAProxy reads a line of at most 16 KiB

/// Whether the other side is ready for `events` before the deadline.
bool wait_for(int socket, short events, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd waiting{socket, events, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

/// A connected socket, or -1 with errno. The folder is opened first: a socket's address has room for 107 bytes, its path may be longer.
int connect_in(const std::string& folder, const char* name) {
  const Descriptor place(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (place.get() < 0) return -1;
  const std::string path = "/proc/self/fd/" + std::to_string(place.get()) + "/" + name;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const int connected = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (connected < 0) return -1;
  if (::connect(connected, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return connected;
  const int cause = errno;
  ::close(connected);
  errno = cause;
  return -1;
}

/// Why a connection was refused: because there is nobody, rather than for want of a descriptor, say.
bool nobody_is_there(int cause) { return cause == ENOENT || cause == ECONNREFUSED || cause == ENOTDIR; }

bool send_all(int socket, std::string_view text, Clock::time_point deadline) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent > 0)
      text.remove_prefix(static_cast<std::size_t>(sent));
    else if (errno == EAGAIN ? !wait_for(socket, POLLOUT, deadline) : errno != EINTR)
      return false;
  }
  return true;
}

std::optional<std::string> read_all(int socket, Clock::time_point deadline) {
  std::string answer;
  char block[65536];
  while (answer.size() < kAnswerBytes) {
    const ssize_t got = ::recv(socket, block, sizeof block, 0);
    if (got == 0) return answer;
    if (got > 0)
      answer.append(block, static_cast<std::size_t>(got));
    else if (errno == EAGAIN ? !wait_for(socket, POLLIN, deadline) : errno != EINTR)
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

bool Control::listens() const {
  const Descriptor socket(connect_in(folder_, "master.sock"));
  return socket.get() >= 0 || !nobody_is_there(errno);
}

Result<std::optional<std::string>> Control::ask(std::string_view command) const {
  const auto deadline = Clock::now() + kPatience;
  int connected = connect_in(folder_, "master.sock");
  // A master that is loading lets others wait; on such a socket that is told by EAGAIN, and nothing tells when to try again.
  while (connected < 0 && errno == EAGAIN && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    connected = connect_in(folder_, "master.sock");
  }
  const Descriptor socket(connected);
  if (socket.get() < 0) {
    const int cause = errno;
    if (nobody_is_there(cause)) return std::optional<std::string>();
    return unavailable(folder_ + "/master.sock: " + std::system_category().message(cause));
  }
  // The end of what is asked is said by closing this direction; the answer ends with the other.
  if (send_all(socket.get(), std::string(command) + "\n", deadline) && ::shutdown(socket.get(), SHUT_WR) == 0)
    if (auto answer = read_all(socket.get(), deadline)) return std::optional<std::string>(std::move(*answer));
  return unavailable(folder_ + "/master.sock: HAProxy does not answer; look into " + folder_ + "/haproxy.log");
}

Result<std::string> Control::ask_worker(pid_t worker, const std::vector<std::string>& commands) const {
  std::string answers, line;
  const std::string address = "@!" + std::to_string(worker) + " ";
  for (std::size_t i = 0; i < commands.size(); ++i) {
    line += (line.empty() ? "" : "; ") + address + commands[i];
    if (i + 1 < commands.size() && line.size() + commands[i + 1].size() < kCommandBytes) continue;
    auto answer = ask(line);
    if (!answer) return answer.error();
    if (!*answer) return unavailable(folder_ + ": HAProxy ended while it was being asked");
    answers += **answer;
    line.clear();
  }
  return answers;
}

Result<std::optional<Processes>> Control::processes() const {
  auto answer = ask("show proc");
  if (!answer) return answer.error();
  if (!*answer) return std::optional<Processes>();
  return std::optional<Processes>(read_processes(**answer));
}

}  // namespace nelson::haproxy
