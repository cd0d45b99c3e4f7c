#include "controller/base/signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <system_error>

namespace nelson {
namespace {

std::atomic<int> write_end{-1};
std::atomic<int> endings{0};

void handle(int number) {
  const int saved = errno;
  if (number != SIGHUP && endings.fetch_add(1) > 0) _exit(128 + number);
  const auto byte = static_cast<unsigned char>(number);
  // A full pipe means that enough is told already.
  [[maybe_unused]] const ssize_t ignored = write(write_end.load(), &byte, 1);
  errno = saved;
}

void set_handler(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

constexpr int kHandled[] = {SIGTERM, SIGINT, SIGHUP};

}  // namespace

Result<std::unique_ptr<Signals>> Signals::open(std::function<void(int)> on_signal) {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) return unavailable("no pipe for signals: " + std::generic_category().message(errno));
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  endings = 0;
  write_end = ends[1];
  return std::unique_ptr<Signals>(new Signals(std::move(on_signal), ends[0]));
}

Signals::Signals(std::function<void(int)> on_signal, int read_end) : on_signal_(std::move(on_signal)) {
  thread_ = std::thread([this, read_end] {
    unsigned char number = 0;
    for (;;) {
      const ssize_t got = read(read_end, &number, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0 || number == 0) break;
      on_signal_(number);
    }
    close(read_end);
  });
  for (const int number : kHandled) set_handler(number, handle);
  set_handler(SIGPIPE, [](int) {});
}

Signals::~Signals() {
  for (const int number : kHandled) set_handler(number, SIG_DFL);
  const int end = write_end.exchange(-1);
  close(end);
  thread_.join();
}

}  // namespace nelson
