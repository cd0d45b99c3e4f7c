#include "controller/domains/local/scheduler_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <vector>

namespace nelson {
namespace {

constexpr int kGatherMillis = 10;

/// Reads what is there; false when the supervisor is gone.
bool drain(int fd) {
  char buffer[1024];
  for (;;) {
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n > 0 || (n < 0 && errno == EINTR)) continue;
    return n < 0 && errno == EAGAIN;
  }
}

}  // namespace

SupervisorWatch::SupervisorWatch(std::function<void()> changed)
    : changed_(std::move(changed)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), thread_([this] { run(); }) {}

SupervisorWatch::~SupervisorWatch() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
}

bool SupervisorWatch::watches(const std::string& stack) const {
  const std::lock_guard lock(mutex_);
  return sockets_.contains(stack);
}

void SupervisorWatch::add(const std::string& stack, Descriptor socket) {
  {
    const std::lock_guard lock(mutex_);
    sockets_[stack] = std::move(socket);
  }
  ::eventfd_write(wake_.get(), 1);
}

bool SupervisorWatch::wait_for_news() {
  std::vector<pollfd> polled{{wake_.get(), POLLIN, 0}};
  std::vector<std::string> names;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, socket] : sockets_) {
      polled.push_back({socket.get(), POLLIN, 0});
      names.push_back(name);
    }
  }
  ::poll(polled.data(), polled.size(), -1);
  eventfd_t ignored = 0;
  ::eventfd_read(wake_.get(), &ignored);
  bool news = false;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (polled[i + 1].revents == 0) continue;
    const auto found = sockets_.find(names[i]);
    // Replaced meanwhile: its successor is looked at next time.
    if (found == sockets_.end() || found->second.get() != polled[i + 1].fd) continue;
    news = true;
    if (!drain(found->second.get())) sockets_.erase(found);
  }
  return news;
}

void SupervisorWatch::run() {
  for (;;) {
    const bool news = wait_for_news();
    {
      const std::lock_guard lock(mutex_);
      if (ending_) return;
    }
    if (!news) continue;
    ::poll(nullptr, 0, kGatherMillis);
    if (changed_) changed_();
  }
}

}  // namespace nelson
