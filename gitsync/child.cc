#include "gitsync/child.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <vector>

namespace nelson::git {

namespace {

constexpr auto kWatchInterval = std::chrono::milliseconds(50);

std::vector<std::string> environment() {
  std::vector<std::string> out{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/nonexistent", "LANG=C.UTF-8"};
  for (const char* name : {"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') out.push_back(std::string(name) + "=" + value);
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

std::uint64_t resident_bytes(pid_t pid) {
  std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
  std::uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

/// What a death tells, by what the child was doing. One that met its memory's bound ends by itself with a status; a crash or a kill says
/// nothing of the repository.
Failure death(int status, Phase phase) {
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
    return failure(ErrorKind::kInvalid, "RepositoryTooBig", "the repository needs more than 30 s of processor time to be read",
                   "keep manifests in a smaller repository");
  if (WIFSIGNALED(status))
    return failure(ErrorKind::kUnavailable, "GitChild",
                   "the Git child was ended by signal " + std::to_string(WTERMSIG(status)) +
                       (WTERMSIG(status) == SIGKILL ? ", perhaps for want of memory in this machine" : ""),
                   "nelson starts another");
  if (WEXITSTATUS(status) == 0)
    return failure(ErrorKind::kUnavailable, "GitChild", "the Git child ended by itself", "nelson starts another");
  if (phase == Phase::kListing) return endless_list("the host");
  return failure(ErrorKind::kInvalid, "RepositoryTooBig", "the repository could not be read within 256 MiB of memory",
                 "keep manifests in a smaller repository, or check what its host sends");
}

}  // namespace

Child::Child(std::string program, int stop) : program_(std::move(program)), stop_(stop) {
  if (program_.empty()) program_ = "/proc/self/exe";
}

Child::~Child() { end(); }

void Child::end() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  pid_ = -1;
}

Status Child::start() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    return internal(std::string("socketpair: ") + std::strerror(errno));
  // The child's end must not be 3 itself, else dup2 would leave its close-on-exec mark on.
  if (pair[1] == 3) {
    const int moved = ::fcntl(pair[1], F_DUPFD_CLOEXEC, 10);
    ::close(pair[1]);
    pair[1] = moved;
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  for (int descriptor = 0; descriptor < 3; ++descriptor)
    ::posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0);
  ::posix_spawn_file_actions_adddup2(&actions, pair[1], 3);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 4);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> words{program_, "git-worker"};
  std::vector<std::string> variables = environment();
  pid_t pid = -1;
  const int error =
      ::posix_spawn(&pid, program_.c_str(), &actions, &attributes, pointers(words).data(), pointers(variables).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  ::close(pair[1]);
  if (error != 0) {
    ::close(pair[0]);
    return internal(program_ + " cannot be started: " + std::strerror(error));
  }
  socket_ = pair[0];
  pid_ = pid;
  ++started_;
  return {};
}

Failure Child::broken() {
  end();
  return failure(ErrorKind::kInternal, "GitChild", "the Git child answered something that is no answer", "nelson starts another");
}

bool Child::exchange(std::uint8_t number, std::string payload, Frame& answer, Failure& trouble, Deadline deadline,
                     Deadline list_deadline) {
  // A child that was killed between two requests is found out here.
  if (pid_ > 0) {
    pollfd watch{socket_, POLLIN, 0};
    if (::poll(&watch, 1, 0) != 0) end();
  }
  if (pid_ <= 0) {
    if (const Status started = start(); !started) {
      wipe(payload);
      trouble = failure(started.error().kind, "GitChild", started.error().message);
      return false;
    }
  }
  Phase phase = Phase::kNone;
  const std::uint64_t resident = resident_bytes(pid_);
  const bool sent = send_frame(socket_, number, payload);
  wipe(payload);
  FrameBuffer buffer;
  std::vector<char> bytes(65536);
  const auto give_up = [&](Failure why) {
    trouble = std::move(why);
    end();
    return false;
  };
  const auto died = [&] {
    int status = 0;
    ::kill(pid_, SIGKILL);  // it has closed its socket or is past use; after a death of its own this changes nothing
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return give_up(death(status, phase));
  };
  if (!sent) return died();
  while (true) {
    switch (buffer.next(answer)) {
      case FrameBuffer::State::kBroken:
        return give_up(failure(ErrorKind::kInternal, "GitChild", "the Git child's answer is too long"));
      case FrameBuffer::State::kFrame:
        if (answer.kind == kPhaseFrame && answer.payload.size() == 1) {
          phase = static_cast<Phase>(answer.payload[0]);
          continue;
        }
        if (phase == Phase::kDone) end();
        if (answer.kind == kAnswerFrame) return true;
        if (answer.kind == kFailureFrame) {
          wire::Reader reader(answer.payload);
          reader(trouble);
          if (!reader.complete()) trouble = broken();
          return false;
        }
        trouble = broken();
        return false;
      case FrameBuffer::State::kMore:
        break;
    }
    const Deadline now = std::chrono::steady_clock::now();
    const bool listing = phase == Phase::kListing;
    const Deadline end_at = listing ? std::min(deadline, list_deadline) : deadline;
    if (now >= end_at)
      return give_up(failure(ErrorKind::kUnavailable, "GitTimeout",
                             listing ? "the host did not answer in time" : "the host did not finish sending in time",
                             "nelson asks again, more rarely"));
    if (listing && resident_bytes(pid_) > resident + kMaximumListGrowth) return give_up(endless_list("the host"));
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end_at - now) + std::chrono::milliseconds(1);
    const auto wait = listing ? std::min(left, kWatchInterval) : left;
    pollfd watch[2] = {{socket_, POLLIN, 0}, {stop_, POLLIN, 0}};
    const int ready = ::poll(watch, stop_ >= 0 ? 2 : 1, static_cast<int>(std::min<std::int64_t>(wait.count(), 3'600'000)));
    if (ready < 0 && errno != EINTR)
      return give_up(failure(ErrorKind::kInternal, "GitChild", std::string("poll: ") + std::strerror(errno)));
    if (ready <= 0) continue;
    if (watch[1].revents != 0) return give_up(failure(ErrorKind::kUnavailable, "Stopping", "the controller is stopping"));
    if (watch[0].revents == 0) continue;
    const ssize_t count = ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return died();
    buffer.append({bytes.data(), static_cast<std::size_t>(count)});
  }
}

}  // namespace nelson::git
