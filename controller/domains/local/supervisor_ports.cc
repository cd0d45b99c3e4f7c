#include "controller/domains/local/supervisor_ports.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <memory>

#include "controller/base/files.h"
#include "controller/domains/local/process.h"

namespace nelson {
namespace {

std::string link_of(const LocalPaths& paths, std::uint16_t port) { return paths.ports() + "/" + std::to_string(port); }
std::string holder(const std::string& stack, std::int32_t index) { return stack + "/" + std::to_string(index); }

std::string target_of(const std::string& link) {
  std::array<char, 256> buffer{};
  const ssize_t n = ::readlink(link.c_str(), buffer.data(), buffer.size());
  return n > 0 ? std::string(buffer.data(), static_cast<std::size_t>(n)) : "";
}

std::optional<PortRange> range_in_force(const LocalPaths& paths) {
  unsigned first = 0;
  unsigned last = 0;
  const auto text = read_text(paths.ports() + kPortRangeFile, 100);
  if (!text || std::sscanf(text->c_str(), "%u %u", &first, &last) != 2 || first == 0 || last > 65535 || first > last)
    return std::nullopt;
  return PortRange{static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)};
}

bool can_bind(int family, const sockaddr* address, socklen_t size) {
  const Descriptor fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return true;  // no such protocol here, so nobody listens on it
  const int on = 1;
  // Connections of an instance that is gone may linger on the port; only a listener counts.
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  return ::bind(fd.get(), address, size) == 0 || errno == EADDRNOTAVAIL;
}

/// FNV-1a: spreads stacks over the range, the same way each time.
std::uint32_t spread(const std::string& text) {
  std::uint32_t hash = 2166136261U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

}  // namespace

bool port_is_free(std::uint16_t port) {
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(port);
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(port);
  return can_bind(AF_INET, reinterpret_cast<const sockaddr*>(&four), sizeof four) &&
         can_bind(AF_INET6, reinterpret_cast<const sockaddr*>(&six), sizeof six);
}

Result<std::uint16_t> claim_port(const LocalPaths& paths, const std::string& stack, std::int32_t index, std::uint16_t preferred,
                                 const std::vector<std::uint16_t>& taken) {
  const auto range = range_in_force(paths);
  if (!range) return unavailable(paths.ports() + kPortRangeFile + " does not say which ports instances may have");
  const std::string me = holder(stack, index);
  std::uint16_t strangers = 0;
  int trouble = 0;  // of the folder itself: a full disk, say
  const auto claim = [&](std::uint16_t port) {
    if (std::find(taken.begin(), taken.end(), port) != taken.end()) return false;
    const std::string link = link_of(paths, port);
    if (::symlink(me.c_str(), link.c_str()) != 0) {
      if (errno != EEXIST) trouble = errno;
      if (errno != EEXIST || target_of(link) != me) return false;
    }
    if (port_is_free(port)) return true;
    if (strangers == 0) strangers = port;
    ::unlink(link.c_str());
    return false;
  };
  if (preferred >= range->first && preferred <= range->last && claim(preferred)) return preferred;
  const std::uint32_t size = std::uint32_t{range->last} - range->first + 1;
  const std::uint32_t start = spread(me) % size;
  for (std::uint32_t i = 0; i < size; ++i) {
    const auto port = static_cast<std::uint16_t>(range->first + (start + i) % size);
    if (claim(port)) return port;
  }
  if (trouble != 0) return unavailable(paths.ports() + ": a port cannot be claimed: " + error_text(trouble));
  const std::string which = strangers != 0 ? "port " + std::to_string(strangers) + " already taken, and no" : "no";
  return unavailable(which + " free port in " + std::to_string(range->first) + "-" + std::to_string(range->last) +
                     "; end what listens there, or widen instance_ports in the domain's file");
}

void release_port(const LocalPaths& paths, const std::string& stack, std::int32_t index, std::uint16_t port) {
  const std::string link = link_of(paths, port);
  if (target_of(link) == holder(stack, index)) ::unlink(link.c_str());
}

void release_orphan_ports(const LocalPaths& paths) {
  for (const std::string& name : names_if_any(paths.ports())) {
    const std::string link = paths.ports() + "/" + name;
    const std::string target = target_of(link);
    const std::size_t slash = target.find('/');
    if (slash != std::string::npos && ::access(paths.stack(target.substr(0, slash)).c_str(), F_OK) != 0) ::unlink(link.c_str());
  }
}

}  // namespace nelson
