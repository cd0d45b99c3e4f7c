#pragma once

#include <unistd.h>

#include <string>
#include <utility>

#include "state/model/result.h"

namespace nelson::status {

/// A descriptor, closed once.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_ = -1;
};

/// "127.0.0.1:9000" or "[::1]:9000": where `fd` is bound.
[[nodiscard]] std::string address_of(int fd);

/// A listening socket that never blocks, on "ADDRESS:PORT" or "[IPV6]:PORT". Its errors are those of StatusServer::open.
Result<Descriptor> listen_on(const std::string& text);

}  // namespace nelson::status
