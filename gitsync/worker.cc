#include <fcntl.h>
#include <git2.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <new>
#include <string>

#include "gitsync/gitsync.h"
#include "gitsync/mirror.h"
#include "gitsync/protocol.h"
#include "gitsync/transport.h"
#include "gitsync/wire.h"

namespace nelson {

namespace git {

namespace {

constexpr int kSocket = 3;
// After this a child ends and the next one starts clean: what the libraries leak stays bounded.
constexpr int kRequestsOfOneLife = 20'000;
constexpr int kAuthorityChangesOfOneLife = 50;
constexpr std::uint64_t kGrowthOfOneLife = kMaximumAddressGrowth / 2;

void limit(__rlimit_resource resource, rlim_t value) {
  rlimit now{};
  ::getrlimit(resource, &now);
  if (now.rlim_max != RLIM_INFINITY && value > now.rlim_max) value = now.rlim_max;
  now.rlim_cur = value;
  if (resource != RLIMIT_CPU) now.rlim_max = value;
  ::setrlimit(resource, &now);
}

std::uint64_t address_space() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0;
  statm >> pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void confine() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_DUMPABLE, 0);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::umask(077);
  if (::chdir("/") != 0) ::_exit(1);
  // libgit2 takes the known_hosts below the home of its start; this one moves with the working folder (transport.cc, trust_host).
  ::setenv("HOME", ".", 1);
  ::mallopt(M_ARENA_MAX, 1);  // each further arena would take 64 MiB of the address space
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGINT, SIG_IGN);  // a terminal's Ctrl-C is the parent's business
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_FSIZE, kMaximumPackBytes + (32ULL << 20));
  limit(RLIMIT_NOFILE, 1024);
}

/// The processor limit counts from the start of the process, so each request raises it.
void allow_processor_time() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  limit(RLIMIT_CPU, static_cast<rlim_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + 1 + kProcessorSeconds);
}

class Worker {
 public:
  int run() {
    FrameBuffer buffer;
    char bytes[65536];
    while (!spent_) {
      Frame frame;
      switch (buffer.next(frame)) {
        case FrameBuffer::State::kBroken:
          return 1;
        case FrameBuffer::State::kFrame:
          buffer.clear();  // one request at a time: nothing else is in it, and a credential was
          ++served_;
          if (!serve(frame)) return 1;
          continue;
        case FrameBuffer::State::kMore:
          break;
      }
      const ssize_t count = ::recv(kSocket, bytes, sizeof bytes, 0);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return 0;
      buffer.append({bytes, static_cast<std::size_t>(count)});
      ::explicit_bzero(bytes, static_cast<std::size_t>(count));
    }
    return 0;
  }

 private:
  /// Whether this answer is the last one, which is said ahead of it.
  [[nodiscard]] bool spent() const {
    const bool used_up = served_ >= kRequestsOfOneLife || authority_changes() >= kAuthorityChangesOfOneLife ||
                         (!kSanitized && address_space() > base_ + kGrowthOfOneLife);
    return used_up && !mirrors_.has_overlays();
  }

  bool serve(Frame& frame) {
    allow_processor_time();
    bool sent = false, known = false;
    for_each_request([&](std::uint8_t number, auto* type) {
      if (number != frame.kind) return;
      known = true;
      std::remove_pointer_t<decltype(type)> request;
      wire::Reader reader(frame.payload);
      reader(request);
      wipe(frame.payload);
      if (reader.complete()) sent = reply(request);
    });
    return known && sent;
  }

  template <class Request>
  bool reply(const Request& request) {
    try {
      Reply<typename Request::Answer> answer = ask(request);
      spent_ = spent();
      if (spent_) say(Phase::kDone);
      wire::Writer writer;
      if (!answer) {
        writer(answer.failure());
        return send_frame(kSocket, kFailureFrame, writer.take());
      }
      writer(*answer);
      const std::string bytes = writer.take();
      if (bytes.size() <= kMaximumMessage) return send_frame(kSocket, kAnswerFrame, bytes);
      writer(failure(ErrorKind::kInvalid, "RepositoryTooBig", "the repository has more than can be read at once",
                     "keep manifests in a smaller repository"));
      return send_frame(kSocket, kFailureFrame, writer.take());
    } catch (const std::bad_alloc&) {
      wire::Writer writer;
      writer(failure(ErrorKind::kInvalid, "RepositoryTooBig", "the repository needs more than 256 MiB to be read",
                     "keep manifests in a smaller repository"));
      return send_frame(kSocket, kFailureFrame, writer.take());
    }
  }

  template <class Request>
  Reply<typename Request::Answer> ask(const Request& request) {
    return mirrors_.answer(request);
  }
  Reply<PollAnswer> ask(const PollRequest& request) { return poll(mirrors_, request, say); }
  static void say(Phase phase) {
    const char byte = static_cast<char>(phase);
    (void)send_frame(kSocket, kPhaseFrame, {&byte, 1});
  }

  std::uint64_t base_ = address_space();
  int served_ = 0;
  bool spent_ = false;
  Mirrors mirrors_;
};

}  // namespace

}  // namespace git

int git_worker_main() {
  git::confine();
  struct stat about {};
  if (::fstat(git::kSocket, &about) != 0 || !S_ISSOCK(about.st_mode)) return 64;  // not started by a controller
  try {
    if (!git::start_library()) return 1;
    if (!git::kSanitized) git::limit(RLIMIT_AS, git::address_space() + git::kMaximumAddressGrowth);
    return git::Worker().run();
  } catch (const std::exception&) {
    return 1;
  }
}

}  // namespace nelson
