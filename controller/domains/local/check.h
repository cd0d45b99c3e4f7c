#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "controller/domains/local/process.h"
#include "state/model/spec.h"

namespace nelson {

/// One health check of one instance, performed without waiting: the owner polls fd() for events() and calls on_ready(). Over http a status
/// of 200 to 399 passes; tcp passes when the connection opens. https is checked as tcp: an instance's certificate names the service, not
/// 127.0.0.1, so that there is nothing to verify it against here. One thread.
class Check {
 public:
  using Clock = std::chrono::steady_clock;

  struct Outcome {
    bool passing = false;
    std::string detail;  // why not: "http 503 at /health", "tcp 127.0.0.1:20003: Connection refused"
  };

  Check(HealthCheck spec, std::uint16_t port);

  [[nodiscard]] const HealthCheck& spec() const { return spec_; }

  /// Begins; nothing is under way. Returns at once when the outcome is there at once.
  std::optional<Outcome> begin(Clock::time_point now);
  [[nodiscard]] bool under_way() const { return static_cast<bool>(fd_); }
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// EPOLLIN or EPOLLOUT.
  [[nodiscard]] std::uint32_t events() const { return events_; }
  [[nodiscard]] Clock::time_point deadline() const { return deadline_; }

  /// Goes on; the outcome once it is there, and then nothing is under way any more.
  std::optional<Outcome> on_ready();
  /// Gives up at the deadline.
  Outcome on_deadline();

 private:
  Outcome end(bool passing, std::string detail);
  [[nodiscard]] Outcome failed(int error);
  [[nodiscard]] std::string place() const;
  std::optional<Outcome> read_answer();

  HealthCheck spec_;
  std::uint16_t port_;
  Descriptor fd_;
  std::uint32_t events_ = 0;
  Clock::time_point deadline_{};
  std::string to_send_;
  std::string answer_;
  bool connected_ = false;
};

/// The status of an HTTP answer that begins with `text`; nothing while its first line is not whole, 0 when it is no HTTP answer.
[[nodiscard]] std::optional<int> status_of_answer(std::string_view text);

}  // namespace nelson
