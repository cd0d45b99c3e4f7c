#include "controller/domains/local/check.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace nelson {
namespace {

/// What may not stand in a request line is written as %XX, so that a path cannot end the line.
std::string safe_path(std::string_view path) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string safe = path.starts_with('/') ? "" : "/";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f) {
      safe += c;
    } else {
      safe += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return safe;
}

std::string request_for(const HealthCheck& spec, std::uint16_t port) {
  if (spec.protocol != Protocol::kHttp) return "";
  return "GET " + safe_path(spec.path) + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
         "\r\nUser-Agent: nelson\r\nAccept: */*\r\nConnection: close\r\n\r\n";
}

}  // namespace

std::optional<int> status_of_answer(std::string_view text) {
  constexpr std::string_view kStart = "HTTP/1.";
  if (text.substr(0, kStart.size()) != kStart.substr(0, text.size())) return 0;
  if (text.size() < 13 && text.find('\n') == std::string_view::npos) return std::nullopt;
  int status = 0;
  if (text.size() < 12 || text[8] != ' ') return 0;
  for (const char c : text.substr(9, 3)) {
    if (c < '0' || c > '9') return 0;
    status = status * 10 + (c - '0');
  }
  return status;
}

Check::Check(HealthCheck spec, std::uint16_t port) : spec_(std::move(spec)), port_(port) {}

std::string Check::place() const {
  const std::string at = std::string(name_of(spec_.protocol)) + " 127.0.0.1:" + std::to_string(port_);
  return spec_.protocol == Protocol::kHttp ? at + safe_path(spec_.path) : at;
}

Check::Outcome Check::end(bool passing, std::string detail) {
  fd_.reset();
  return {passing, std::move(detail)};
}

Check::Outcome Check::failed(int error) { return end(false, place() + ": " + error_text(error)); }

std::optional<Check::Outcome> Check::begin(Clock::time_point now) {
  deadline_ = now + spec_.timeout;
  connected_ = false;
  answer_.clear();
  to_send_ = request_for(spec_, port_);
  fd_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_) return failed(errno);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  events_ = EPOLLOUT;
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return on_ready();
  if (errno != EINPROGRESS) return failed(errno);
  return std::nullopt;
}

std::optional<Check::Outcome> Check::on_ready() {
  if (!connected_) {
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    if (error != 0) return failed(error);
    // With nobody listening, the system may pick the very port as our own end and connect us to ourselves.
    sockaddr_in own{};
    socklen_t own_size = sizeof own;
    if (::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&own), &own_size) == 0 && own.sin_port == htons(port_))
      return failed(ECONNREFUSED);
    connected_ = true;
    if (spec_.protocol != Protocol::kHttp) return end(true, "");
  }
  while (!to_send_.empty()) {
    const ssize_t n = ::send(fd_.get(), to_send_.data(), to_send_.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return std::nullopt;
    if (n < 0) return failed(errno);
    to_send_.erase(0, static_cast<std::size_t>(n));
  }
  events_ = EPOLLIN;
  return read_answer();
}

std::optional<Check::Outcome> Check::read_answer() {
  char buffer[1024];
  for (;;) {
    const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return std::nullopt;
    if (n < 0) return failed(errno);
    if (n == 0) return end(false, place() + ": closed without an answer");
    answer_.append(buffer, static_cast<std::size_t>(n));
    const auto status = status_of_answer(answer_);
    if (status && *status == 0) return end(false, place() + ": the answer is not HTTP");
    if (status) return end(*status >= 200 && *status < 400, "http " + std::to_string(*status) + " at " + safe_path(spec_.path));
  }
}

Check::Outcome Check::on_deadline() { return end(false, place() + ": no answer within " + format_duration(spec_.timeout)); }

}  // namespace nelson
