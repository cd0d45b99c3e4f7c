#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "controller/domains/local/process.h"

namespace nelson {

/// Waits for file descriptors and calls who watches them. A handler may add and remove any of them, its own too. One thread.
class EventLoop {
 public:
  using Handler = std::function<void(std::uint32_t events)>;
  using Ticket = std::uint64_t;  // 0 is none

  EventLoop();

  /// `fd` stays the caller's, who removes the ticket before closing it.
  Ticket add(int fd, std::uint32_t events, Handler handler);
  void change(Ticket ticket, std::uint32_t events);
  void remove(Ticket ticket);

  /// Waits until something is ready or `timeout` has passed, and calls the handlers.
  void run_once(std::chrono::milliseconds timeout);

 private:
  struct Entry {
    int fd;
    std::shared_ptr<Handler> handler;
  };
  Descriptor epoll_;
  Ticket next_ = 1;
  std::map<Ticket, Entry> entries_;
};

}  // namespace nelson
