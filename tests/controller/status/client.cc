#include "tests/controller/status/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <utility>

namespace nelson::status_test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience(20);

}  // namespace

Client::Client(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  const auto port = static_cast<std::uint16_t>(std::atoi(address.c_str() + colon + 1));
  const bool six = address.front() == '[';
  fd_ = ::socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return;
  int made = -1;
  if (six) {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(port);
    inet_pton(AF_INET6, address.substr(1, colon - 2).c_str(), &to.sin6_addr);
    made = ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  } else {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
    made = ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  }
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (made != 0) close();
}

Client::Client(Client&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)), ended_(other.ended_) {}

Client& Client::operator=(Client&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(buffer_, other.buffer_);
  std::swap(ended_, other.ended_);
  return *this;
}

Client::~Client() { close(); }

void Client::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

bool Client::wait(short what, Clock::time_point end) const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
  if (left <= 0) return false;
  pollfd waiting{fd_, what, 0};
  return ::poll(&waiting, 1, static_cast<int>(left)) > 0;
}

std::size_t Client::send(std::string_view bytes) {
  const Clock::time_point end = Clock::now() + kPatience;
  std::size_t done = 0;
  while (done < bytes.size() && fd_ >= 0) {
    const ssize_t sent = ::send(fd_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      done += static_cast<std::size_t>(sent);
    } else if ((errno != EAGAIN && errno != EINTR) || !wait(POLLOUT, end)) {
      break;
    }
  }
  return done;
}

std::size_t Client::flood(std::string_view chunk, std::size_t total) {
  std::size_t done = 0;
  while (done < total) {
    const std::size_t sent = send(chunk);
    done += sent;
    if (sent < chunk.size()) break;
  }
  return done;
}

void Client::end_sending() const { ::shutdown(fd_, SHUT_WR); }

bool Client::read_some(Clock::time_point end) {
  if (fd_ < 0 || ended_ || !wait(POLLIN, end)) return false;
  std::array<char, 65536> bytes{};
  const ssize_t got = ::recv(fd_, bytes.data(), bytes.size(), 0);
  if (got <= 0) {
    ended_ = true;
    return false;
  }
  buffer_.append(bytes.data(), static_cast<std::size_t>(got));
  return true;
}

std::string Client::read_answer(bool head, std::chrono::milliseconds limit) {
  const Clock::time_point end = Clock::now() + limit;
  std::size_t size = std::string::npos;
  for (;;) {
    if (size == std::string::npos) {
      const std::size_t header = buffer_.find("\r\n\r\n");
      if (header != std::string::npos)
        size = header + 4 + (head ? 0 : std::strtoul(field_of(buffer_, "Content-Length").c_str(), nullptr, 10));
    }
    if (size != std::string::npos && buffer_.size() >= size) break;
    if (!read_some(end)) break;
  }
  std::string answer = buffer_.substr(0, size);
  buffer_.erase(0, answer.size());
  return answer;
}

bool Client::closed(std::chrono::milliseconds limit) {
  const Clock::time_point end = Clock::now() + limit;
  while (read_some(end)) {
  }
  return ended_;
}

std::string get(std::string_view target) { return "GET " + std::string(target) + " HTTP/1.1\r\nHost: test\r\n\r\n"; }

std::string ask(const std::string& address, std::string_view request) {
  Client client(address);
  client.send(request);
  return client.read_answer(request.starts_with("HEAD "));
}

int status_of_answer(std::string_view answer) {
  if (answer.size() < 12 || !answer.starts_with("HTTP/1.1 ")) return 0;
  return std::atoi(std::string(answer.substr(9, 3)).c_str());
}

std::string body_of(std::string_view answer) {
  const std::size_t header = answer.find("\r\n\r\n");
  return header == std::string_view::npos ? "" : std::string(answer.substr(header + 4));
}

std::string field_of(std::string_view answer, std::string_view name) {
  const std::string line = "\r\n" + std::string(name) + ": ";
  const std::size_t at = answer.find(line);
  if (at == std::string_view::npos || at > answer.find("\r\n\r\n")) return "";
  const std::size_t begin = at + line.size();
  return std::string(answer.substr(begin, answer.find("\r\n", begin) - begin));
}

std::size_t resident() {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0;
  file >> pages >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace nelson::status_test
