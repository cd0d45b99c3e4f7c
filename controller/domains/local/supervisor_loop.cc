#include "controller/domains/local/supervisor_loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>

namespace nelson {

EventLoop::EventLoop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

EventLoop::Ticket EventLoop::add(int fd, std::uint32_t events, Handler handler) {
  const Ticket ticket = next_++;
  epoll_event event{};
  event.events = events;
  event.data.u64 = ticket;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return 0;
  entries_.emplace(ticket, Entry{fd, std::make_shared<Handler>(std::move(handler))});
  return ticket;
}

void EventLoop::change(Ticket ticket, std::uint32_t events) {
  const auto found = entries_.find(ticket);
  if (found == entries_.end()) return;
  epoll_event event{};
  event.events = events;
  event.data.u64 = ticket;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, found->second.fd, &event);
}

void EventLoop::remove(Ticket ticket) {
  const auto found = entries_.find(ticket);
  if (found == entries_.end()) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second.fd, nullptr);
  entries_.erase(found);
}

void EventLoop::run_once(std::chrono::milliseconds timeout) {
  std::array<epoll_event, 64> ready{};
  const auto wait = std::clamp<std::int64_t>(timeout.count(), 0, 60'000);
  const int n = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), static_cast<int>(wait));
  for (int i = 0; i < n; ++i) {
    // An earlier handler of this round may have removed it: tickets are never used again.
    const auto found = entries_.find(ready[static_cast<std::size_t>(i)].data.u64);
    if (found == entries_.end()) continue;
    const std::shared_ptr<Handler> handler = found->second.handler;
    (*handler)(ready[static_cast<std::size_t>(i)].events);
  }
}

}  // namespace nelson
