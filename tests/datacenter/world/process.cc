#include "tests/datacenter/world/process.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>
#include <utility>

namespace nelson::datacenter {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

int exit_status(int wait_status) { return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status); }

bool nobody_listens(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;  // connections that ended lately are nobody
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool free = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return free;
}

std::string slurp(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

/// The fields of /proc/<pid>/stat behind the name: the state is 0, the parent 1. None when it is gone.
std::vector<std::string> stat_of(pid_t pid) {
  const std::string stat = slurp("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream fields(stat.substr(name_end + 1));
  return {std::istream_iterator<std::string>(fields), {}};
}

/// Reads both pipes to their ends; false at the limit.
bool drain(std::array<int, 2> fds, std::array<std::string*, 2> texts, Clock::time_point until) {
  std::array<pollfd, 2> polled{{{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}}};
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) return false;
    if (::poll(polled.data(), polled.size(), static_cast<int>(left)) <= 0) continue;
    for (std::size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].fd < 0 || polled[i].revents == 0) continue;
      std::array<char, 16384> bytes{};
      const ssize_t count = ::read(polled[i].fd, bytes.data(), bytes.size());
      if (count > 0) texts[i]->append(bytes.data(), static_cast<std::size_t>(count));
      if (count <= 0) polled[i].fd = -1;
    }
  }
  return true;
}

pid_t spawn(const std::vector<std::string>& argv, const std::string& folder, int out, int err, bool session) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  if (session) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0].c_str(), &actions, &attributes, pointers(argv).data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? pid : 0;
}

}  // namespace

bool wait_until(std::chrono::milliseconds limit, const std::function<bool()>& condition) {
  const Clock::time_point until = Clock::now() + limit;
  while (!condition()) {
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

Ran run(const std::vector<std::string>& argv, const std::string& folder, Seconds limit) {
  Ran ran;
  std::array<int, 2> out{};
  std::array<int, 2> err{};
  if (::pipe2(out.data(), O_CLOEXEC) != 0 || ::pipe2(err.data(), O_CLOEXEC) != 0) return ran;
  const pid_t pid = spawn(argv, folder, out[1], err[1], false);
  ::close(out[1]);
  ::close(err[1]);
  if (pid != 0) {
    const bool in_time = drain({out[0], err[0]}, {&ran.out, &ran.err}, Clock::now() + limit);
    if (!in_time) ::kill(pid, SIGKILL);
    int status = 0;
    ::waitpid(pid, &status, 0);
    ran.status = in_time ? exit_status(status) : -1;
  }
  ::close(out[0]);
  ::close(err[0]);
  return ran;
}

Background::Background(const std::vector<std::string>& argv, const std::string& output) {
  const int fd = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return;
  pid_ = spawn(argv, "/", fd, fd, true);
  ::close(fd);
}

Background::~Background() { kill(); }

Background::Background(Background&& other) noexcept : pid_(other.pid_), status_(other.status_) { other.pid_ = 0; }

Background& Background::operator=(Background&& other) noexcept {
  kill();
  pid_ = std::exchange(other.pid_, 0);
  status_ = other.status_;
  return *this;
}

bool Background::running() { return pid_ != 0 && !wait(std::chrono::milliseconds(0)); }

void Background::signal(int signal) {
  if (running()) ::kill(pid_, signal);
}

std::optional<int> Background::wait(std::chrono::milliseconds limit) {
  if (pid_ == 0) return status_;
  wait_until(limit, [this] {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
    status_ = exit_status(status);
    pid_ = 0;
    return true;
  });
  return pid_ == 0 ? status_ : std::nullopt;
}

void Background::kill() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  wait(Seconds(10));
}

std::optional<Process> process_of(pid_t pid) {
  const std::vector<std::string> fields = stat_of(pid);
  constexpr std::size_t kStartTime = 19;
  if (fields.size() <= kStartTime || fields[0] == "Z" || fields[0] == "X") return std::nullopt;
  std::string command = slurp("/proc/" + std::to_string(pid) + "/cmdline");
  std::replace(command.begin(), command.end(), '\0', ' ');
  return Process{pid, std::stoull(fields[kStartTime]), command};
}

pid_t parent_of(pid_t pid) {
  const std::vector<std::string> fields = stat_of(pid);
  return fields.size() > 1 ? std::stoi(fields[1]) : 0;
}

bool alive(const Process& process) {
  const std::optional<Process> now = process_of(process.pid);
  return now && now->start_time == process.start_time;
}

std::vector<Process> processes_touching(const std::string& folder) {
  std::vector<Process> found;
  DIR* proc = ::opendir("/proc");
  if (proc == nullptr) return found;
  while (const dirent* entry = ::readdir(proc)) {
    const std::string name = entry->d_name;
    if (!std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c) != 0; })) continue;
    const std::optional<Process> process = process_of(std::stoi(name));
    if (!process || process->pid == ::getpid()) continue;
    std::array<char, 4096> cwd{};
    const ssize_t length = ::readlink(("/proc/" + name + "/cwd").c_str(), cwd.data(), cwd.size());
    const std::string works_in(cwd.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    if (works_in.starts_with(folder) || process->command.find(folder) != std::string::npos) found.push_back(*process);
  }
  ::closedir(proc);
  return found;
}

void end_processes_touching(const std::string& folder) {
  wait_until(Seconds(10), [&folder] {
    const std::vector<Process> left = processes_touching(folder);
    for (const Process& process : left) ::kill(process.pid, SIGKILL);
    return left.empty();
  });
}

Answer http_get(std::uint16_t port, const std::string& path, Seconds limit) {
  Answer answer;
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval timeout{limit.count(), 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  std::string text;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    answer.broken = std::string("connect: ") + std::strerror(errno);
  } else if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    answer.broken = std::string("send: ") + std::strerror(errno);
  } else {
    std::array<char, 16384> bytes{};
    ssize_t count = 0;
    // A receive with a time limit is not restarted after a signal (signal(7)).
    while ((count = ::recv(fd, bytes.data(), bytes.size(), 0)) > 0 || (count < 0 && errno == EINTR))
      if (count > 0) text.append(bytes.data(), static_cast<std::size_t>(count));
    if (count < 0) answer.broken = std::string("recv: ") + std::strerror(errno);
  }
  ::close(fd);
  const std::size_t body = text.find("\r\n\r\n");
  if (!text.starts_with("HTTP/1.") || body == std::string::npos) return answer;
  answer.status = std::stoi(text.substr(9, 3));
  answer.body = text.substr(body + 4);
  return answer;
}

std::uint16_t free_port() {
  // Below both the kernel's own range and the one of stacks, so that nobody is given it in the meantime.
  constexpr int kFirst = 19000, kCount = 1000;
  static int next = ::getpid();
  for (int tries = 0; tries < kCount; ++tries) {
    const auto port = static_cast<std::uint16_t>(kFirst + next++ % kCount);
    if (nobody_listens(port)) return port;
  }
  return 0;
}

PortBlock::PortBlock() {
  constexpr int kFirst = 12000, kBlocks = 69;
  static int next = ::getpid();
  for (int tries = 0; tries < kBlocks && first_ == 0; ++tries) {
    const auto first = static_cast<std::uint16_t>(kFirst + next++ % kBlocks * kSize);
    held_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un name{};  // begins with a zero: it is in no folder, and goes with its process
    name.sun_family = AF_UNIX;
    const std::string text = "nelson-test-ports-" + std::to_string(first);
    text.copy(name.sun_path + 1, sizeof name.sun_path - 1);
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
    const bool ours = ::bind(held_, reinterpret_cast<const sockaddr*>(&name), length) == 0;
    if (ours && nobody_listens(first) && nobody_listens(static_cast<std::uint16_t>(first + 1)))
      first_ = first;
    else
      ::close(std::exchange(held_, -1));
  }
}

PortBlock::~PortBlock() {
  if (held_ >= 0) ::close(held_);
}

}  // namespace nelson::datacenter
