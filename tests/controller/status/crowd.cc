#include "tests/controller/status/crowd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

namespace nelson::status_test {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kAtOnce = 64;  // arrivals in a row, so that nobody's turn to send is missed for them

sockaddr_in address_of(const std::string& text) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  const std::size_t colon = text.rfind(':');
  to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(text.c_str() + colon + 1)));
  inet_pton(AF_INET, text.substr(0, colon).c_str(), &to.sin_addr);
  return to;
}

}  // namespace

Crowd::Crowd(const std::string& address, std::size_t size, Manners manners, std::chrono::seconds most)
    : address_(address), manners_(std::move(manners)), end_(Clock::now() + most), began_(Clock::now()), members_(size) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  for (std::size_t i = size; i > 0; --i) away_.push_back(i - 1);
  thread_ = std::thread([this] { run(); });
}

Crowd::~Crowd() {
  stop_ = true;
  thread_.join();
  for (std::size_t i = 0; i < members_.size(); ++i) leave(i);
  ::close(epoll_);
}

bool Crowd::gathered(std::size_t count) const {
  for (const Clock::time_point end = Clock::now() + std::chrono::seconds(30); Clock::now() < end;) {
    if (present_ >= count) return true;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return false;
}

bool Crowd::came(std::uint64_t count) const {
  for (const Clock::time_point end = Clock::now() + std::chrono::seconds(30); Clock::now() < end;) {
    if (arrivals_ >= count) return true;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return false;
}

void Crowd::run() {
  std::array<epoll_event, 512> events{};
  while (!stop_ && Clock::now() < end_) {
    for (std::size_t i = 0; i < kAtOnce && !away_.empty(); ++i) {
      const std::size_t member = away_.back();
      away_.pop_back();
      arrive(member);
    }
    const auto wait = std::chrono::ceil<milliseconds>(next_drip() - Clock::now()).count();
    const int count = ::epoll_wait(epoll_, events.data(), events.size(),
                                   away_.empty() ? static_cast<int>(std::clamp<std::int64_t>(wait, 0, 20)) : 0);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      on_event(static_cast<std::size_t>(event.data.u64), event.events);
    }
    drip_until(Clock::now());
  }
}

void Crowd::arrive(std::size_t member) {
  Member& one = members_[member];
  one = Member{};
  one.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (one.fd < 0) {
    away_.push_back(member);
    return;
  }
  // A reset at the end, so that a crowd leaves no ports behind that nobody can use for a minute.
  const linger at_once{1, 0};
  ::setsockopt(one.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  const int on = 1;
  ::setsockopt(one.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (manners_.receive_buffer > 0)
    ::setsockopt(one.fd, SOL_SOCKET, SO_RCVBUF, &manners_.receive_buffer, sizeof manners_.receive_buffer);
  const sockaddr_in to = address_of(address_);
  epoll_event event{};
  event.events = EPOLLOUT | EPOLLET | EPOLLRDHUP | (manners_.reads ? EPOLLIN : 0U);
  event.data.u64 = member;
  const int made = ::connect(one.fd, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  if ((made != 0 && errno != EINPROGRESS) || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, one.fd, &event) != 0) {
    leave(member);
    away_.push_back(member);
  }
}

void Crowd::leave(std::size_t member) {
  Member& one = members_[member];
  if (one.present) --present_;
  one.present = false;
  if (one.fd >= 0) ::close(std::exchange(one.fd, -1));
}

bool Crowd::send_first(std::size_t member) {
  Member& one = members_[member];
  while (one.sent < manners_.first.size()) {
    const ssize_t sent = ::send(one.fd, manners_.first.data() + one.sent, manners_.first.size() - one.sent, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    one.sent += static_cast<std::size_t>(sent);
  }
  if (one.present) return true;
  one.present = true;
  ++present_;
  ++arrivals_;
  return !manners_.resets;
}

void Crowd::on_event(std::size_t member, std::uint32_t events) {
  Member& one = members_[member];
  if (one.fd < 0) return;
  bool there = (events & (EPOLLHUP | EPOLLERR)) == 0;
  if (there && (events & EPOLLOUT) != 0) there = send_first(member);
  if (there && manners_.reads && (events & (EPOLLIN | EPOLLRDHUP)) != 0) {
    std::array<char, 16384> bytes{};
    ssize_t got = 1;
    while (got > 0) got = ::recv(one.fd, bytes.data(), bytes.size(), 0);
    there = got < 0 && (errno == EAGAIN || errno == EINTR);
  } else if (there && (events & EPOLLRDHUP) != 0) {
    there = false;
  }
  if (there) return;
  leave(member);
  away_.push_back(member);
}

Crowd::Clock::time_point Crowd::next_drip() const {
  if (manners_.drip.empty()) return Clock::now() + std::chrono::hours(1);
  // Everybody's turn comes once each `pace`, evenly spread.
  const auto whole = std::chrono::duration_cast<std::chrono::nanoseconds>(manners_.pace);
  const std::uint64_t rounds = turn_ / members_.size(), within = turn_ % members_.size();
  return began_ + whole * static_cast<std::int64_t>(rounds) +
         whole * static_cast<std::int64_t>(within) / static_cast<std::int64_t>(members_.size());
}

void Crowd::drip_until(Clock::time_point now) {
  for (; next_drip() <= now; ++turn_) {
    const std::size_t member = turn_ % members_.size();
    Member& one = members_[member];
    if (!one.present) continue;
    // Whether it was taken is told by an event.
    const ssize_t sent = ::send(one.fd, &manners_.drip[one.dripped], 1, MSG_NOSIGNAL);
    if (sent == 1) one.dripped = (one.dripped + 1) % manners_.drip.size();
  }
}

}  // namespace nelson::status_test
