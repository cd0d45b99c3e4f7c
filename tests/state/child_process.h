#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace nelson::tests {

/// A copy of this process that runs `work` and reports numbers through a pipe. Killed, at the latest, when this goes.
class Child {
 public:
  using Report = std::function<void(std::uint64_t)>;

  explicit Child(const std::function<void(const Report&)>& work) {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(ends[0]);
      work([to = ends[1]](std::uint64_t number) {
        if (::write(to, &number, sizeof(number)) != sizeof(number)) ::_exit(1);
      });
      ::_exit(0);
    }
    ::close(ends[1]);
    from_ = ends[0];
  }
  ~Child() {
    end();
    if (from_ >= 0) ::close(from_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }

  /// SIGKILL, and until it is gone.
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }

  /// Until it ends by itself; its status as waitpid has it.
  int wait() {
    int status = -1;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

  /// The next number it reports; nothing after `patience` or when it has ended.
  std::optional<std::uint64_t> next(std::chrono::milliseconds patience = std::chrono::seconds(60)) {
    pollfd waiting{from_, POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(patience.count())) != 1) return std::nullopt;
    std::uint64_t number = 0;
    if (::read(from_, &number, sizeof(number)) != sizeof(number)) return std::nullopt;
    return number;
  }

 private:
  pid_t pid_ = -1;
  int from_ = -1;
};

}  // namespace nelson::tests
