#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/status/view.h"
#include "state/model/result.h"

namespace nelson {

struct StatusOptions {
  std::string listen = "127.0.0.1:9000";  // "ADDRESS:PORT" or "[IPV6]:PORT", numeric; port 0 is any free one

  /// Older journal entries than the view has, from any thread: Store::history. Unset: only what the view has.
  std::function<Result<std::vector<JournalEntry>>(const std::string& stack, std::uint64_t before, std::size_t limit)> history;

  /// Told in one line what went wrong inside (a handler that failed, with its request id). From any thread. Unset: nothing is told.
  std::function<void(std::string_view line)> log;

  // What the front allows (README.md, "Limits"). Shortened by tests only.
  std::size_t max_connections = 8192;
  std::chrono::milliseconds request_time = std::chrono::seconds(5);  // from a request's first byte to its last
  std::chrono::milliseconds idle_time = std::chrono::seconds(60);    // between requests
  std::chrono::milliseconds write_time = std::chrono::seconds(10);   // without one byte being taken

  /// A route for tests: "/test/throw" throws this text as an exception. "" makes no such route.
  std::string test_throw;
};

/// The read-only HTTP face: page, API, health and metrics. One thread owns all sockets, two answer.
class StatusServer {
 public:
  /// Binds and starts answering; until the first publish() it says that it is starting. kInvalid: the address makes no sense.
  /// kUnavailable: it is taken or not of this machine. Both say what to change.
  static Result<std::unique_ptr<StatusServer>> open(StatusOptions options);
  /// Closes every connection and ends the threads; takes less than a second.
  virtual ~StatusServer() = default;

  /// From now on answers come from `view`. Any thread; never waits for a reader.
  virtual void publish(std::shared_ptr<const View> view) = 0;

  /// "127.0.0.1:9000" or "[::1]:9000", with the real port.
  [[nodiscard]] virtual std::string address() const = 0;

  /// What the front has done so far, for /metrics and tests.
  struct Counters {
    std::uint64_t accepted = 0, requests = 0, refused = 0, shed = 0, expired = 0, open = 0;
  };
  [[nodiscard]] virtual Counters counters() const = 0;
};

}  // namespace nelson
