#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "controller/status/server.h"
#include "state/model/result.h"

namespace nelson::status {

/// A complete answer: `head` goes first, then `body`. A body that many answers share is never copied.
struct Reply {
  std::string head;  // status line, fields, empty line, and small bodies
  std::shared_ptr<const std::string> body;
  std::size_t body_begin = 0, body_size = 0;  // the part of `body` to send
  bool close = false;
};

/// Answers one request that the front has checked: `text` is a request line with GET or HEAD and at most ten fields, never a body.
/// Called from two threads at once; must not throw.
using Answer = std::function<Reply(std::string text, bool close)>;

/// Owns every socket, from one thread. Checks each request against the limits, and lets two workers answer what is left.
class Front {
 public:
  static Result<std::unique_ptr<Front>> open(const StatusOptions& options, Answer answer);
  virtual ~Front() = default;

  [[nodiscard]] virtual std::string address() const = 0;
  [[nodiscard]] virtual StatusServer::Counters counters() const = 0;
};

}  // namespace nelson::status
