#include "tests/controller/domains/haproxy/servers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <stdexcept>

namespace nelson::haproxy_test {
namespace {

sockaddr_in local(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool send_all(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "nelson-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder can be made");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

std::uint16_t free_port() {
  static std::mt19937 random(std::random_device{}());
  for (;;) {
    const auto port = static_cast<std::uint16_t>(std::uniform_int_distribution<int>(21000, 31000)(random));
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = local(port);
    const bool free = ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(socket);
    if (free) return port;
  }
}

Instance::Instance(std::string name, std::uint16_t port) : name_(std::move(name)), port_(port) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const sockaddr_in address = local(port_);
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(listener_, 256) != 0)
    throw std::runtime_error("port " + std::to_string(port_) + ": " + std::strerror(errno));
  thread_ = std::thread([this] { accept_all(); });
}

Instance::~Instance() {
  ending_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
  while (open_ > 0) std::this_thread::yield();
}

void Instance::accept_all() {
  while (!ending_) {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    ++open_;
    std::thread([this, connection] {
      converse(connection);
      ::close(connection);
      --open_;
    }).detach();
  }
}

void Instance::converse(int connection) {
  std::string read;
  while (!ending_) {
    pollfd waiting{connection, POLLIN, 0};
    if (::poll(&waiting, 1, 50) == 0) continue;
    char block[4096];
    const ssize_t got = ::recv(connection, block, sizeof block, 0);
    if (got <= 0) return;
    read.append(block, static_cast<std::size_t>(got));
    const std::size_t end = read.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    if (!answer(connection, read.substr(0, end + 4))) return;
    read.erase(0, end + 4);
  }
}

bool Instance::answer(int connection, const std::string& request) {
  const bool health = request.starts_with("GET /health ");
  if (!health) ++requests_;
  if (request.starts_with("GET /slow ")) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kSlowMilliseconds);
    while (std::chrono::steady_clock::now() < until && !ending_) ::poll(nullptr, 0, 10);
  }
  const bool close = request.find("onnection: close") != std::string::npos;
  const bool fine = !(health && sick_);
  const std::string text = std::string(fine ? "HTTP/1.1 200 OK" : "HTTP/1.1 500 Internal Server Error") +
                           "\r\nContent-Length: " + std::to_string(name_.size()) + (close ? "\r\nConnection: close" : "") +
                           "\r\n\r\n" + name_;
  return send_all(connection, text) && !close;
}

bool Client::connect() {
  if (socket_ >= 0) return true;
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  const timeval limit{30, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const sockaddr_in address = local(port_);
  return ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

void Client::hang_up() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

std::optional<std::string> Client::fail(std::string why) {
  trouble_ = std::move(why);
  hang_up();
  return std::nullopt;
}

std::optional<std::string> Client::get(const std::string& path) {
  trouble_.clear();
  if (!connect()) return fail(std::string("no connection: ") + std::strerror(errno));
  if (!send_all(socket_, "GET " + path + " HTTP/1.1\r\nHost: test\r\n\r\n")) return fail("the request could not be sent");
  std::string read;
  for (;;) {
    char block[4096];
    const ssize_t got = ::recv(socket_, block, sizeof block, 0);
    if (got <= 0) return fail(got == 0 ? "the connection was closed before the answer" : std::strerror(errno));
    read.append(block, static_cast<std::size_t>(got));
    const std::size_t end = read.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    std::size_t at = read.find("ontent-Length: ");
    if (at == std::string::npos) at = read.find("ontent-length: ");
    if (at == std::string::npos || at > end) return fail("an answer without length: " + read.substr(0, 100));
    const std::size_t length = std::strtoul(read.c_str() + at + 15, nullptr, 10);
    if (read.size() < end + 4 + length) continue;
    if (!read.starts_with("HTTP/1.1 200")) return fail(read.substr(0, read.find('\r')));
    if (read.find("onnection: close") < end) hang_up();
    return read.substr(end + 4, length);
  }
}

}  // namespace nelson::haproxy_test
