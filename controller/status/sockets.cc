#include "controller/status/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace nelson::status {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

Result<Address> parse_address(const std::string& text) {
  const Error wrong = invalid("listen: \"" + text + "\" is not ADDRESS:PORT; write for example 127.0.0.1:9000 or [::1]:9000");
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return wrong;
  unsigned port = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, port);
  if (error != std::errc() || stop != end || port > 65535) return wrong;
  std::string host = text.substr(0, colon);
  Address out;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    auto* six = reinterpret_cast<sockaddr_in6*>(&out.storage);  // NOLINT: what the socket interface asks for
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(static_cast<std::uint16_t>(port));
    out.size = sizeof(sockaddr_in6);
    if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &six->sin6_addr) != 1) return wrong;
    return out;
  }
  if (host == "localhost") host = "127.0.0.1";
  auto* four = reinterpret_cast<sockaddr_in*>(&out.storage);  // NOLINT
  four->sin_family = AF_INET;
  four->sin_port = htons(static_cast<std::uint16_t>(port));
  out.size = sizeof(sockaddr_in);
  if (inet_pton(AF_INET, host.c_str(), &four->sin_addr) != 1) return wrong;
  return out;
}

}  // namespace

std::string address_of(int fd) {
  Address at;
  at.size = sizeof(at.storage);
  getsockname(fd, reinterpret_cast<sockaddr*>(&at.storage), &at.size);  // NOLINT
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (at.storage.ss_family == AF_INET6) {
    const auto* six = reinterpret_cast<const sockaddr_in6*>(&at.storage);  // NOLINT
    inet_ntop(AF_INET6, &six->sin6_addr, text.data(), text.size());
    return "[" + std::string(text.data()) + "]:" + std::to_string(ntohs(six->sin6_port));
  }
  const auto* four = reinterpret_cast<const sockaddr_in*>(&at.storage);  // NOLINT
  inet_ntop(AF_INET, &four->sin_addr, text.data(), text.size());
  return std::string(text.data()) + ":" + std::to_string(ntohs(four->sin_port));
}

Result<Descriptor> listen_on(const std::string& text) {
  const Result<Address> at = parse_address(text);
  if (!at) return at.error();
  Descriptor fd(::socket(at->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const auto failed = [&](const char* doing) {
    const int code = errno;
    std::string way_out = code == EADDRINUSE      ? "; something else listens there: end it, or give another listen address"
                          : code == EADDRNOTAVAIL ? "; this machine has no such address: give another listen address"
                          : code == EACCES        ? "; ports below 1024 need a right this process lacks: give a higher port"
                                                  : "";
    return unavailable("listen: cannot " + std::string(doing) + " " + text + ": " + std::strerror(code) + way_out);
  };
  if (fd.get() < 0) return failed("open a socket for");
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (at->storage.ss_family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  // Inherited by every connection that is accepted.
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at->storage), at->size) != 0) return failed("bind");  // NOLINT
  if (::listen(fd.get(), 4096) != 0) return failed("listen on");
  return fd;
}

}  // namespace nelson::status
