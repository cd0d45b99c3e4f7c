#include "gitsync/gate.h"

#include <git2.h>
#include <git2/sys/stream.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

#include "gitsync/characters.h"
#include "gitsync/protocol.h"

namespace nelson::git {

namespace {

// Two names of 512 bytes a ref, with ids: more than kMaximumReferences of them can need.
constexpr std::uint64_t kMaximumListBytes = kMaximumReferences * 1'200;

Gate* g_gate = nullptr;

struct Socket {
  git_stream parent;  // first: libgit2 knows the stream by it
  int descriptor;
  std::string host, port;
};

Socket& of(git_stream* stream) { return *reinterpret_cast<Socket*>(stream); }

int fail(const std::string& message) {
  git_error_set_str(GIT_ERROR_NET, message.c_str());
  return -1;
}

int connect_socket(git_stream* stream) {
  Socket& socket = of(stream);
  if (g_gate == nullptr || !g_gate->allows(socket.host, socket.port)) return fail("connection refused by the gate");
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(socket.host.c_str(), socket.port.c_str(), &hints, &found); error != 0)
    return fail("failed to resolve address for " + socket.host + ": " + ::gai_strerror(error));
  int reason = 0;
  for (const addrinfo* at = found; at != nullptr && socket.descriptor < 0; at = at->ai_next) {
    const int descriptor = ::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) continue;
    if (::connect(descriptor, at->ai_addr, at->ai_addrlen) == 0) {
      socket.descriptor = descriptor;
    } else {
      reason = errno;
      ::close(descriptor);
    }
  }
  ::freeaddrinfo(found);
  if (socket.descriptor < 0) return fail("failed to connect to " + socket.host + ": " + std::strerror(reason));
  const int on = 1;
  ::setsockopt(socket.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return 0;
}

ssize_t read_socket(git_stream* stream, void* data, std::size_t size) {
  ssize_t count = 0;
  do {
    count = ::recv(of(stream).descriptor, data, size, 0);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return fail(std::string("error receiving data: ") + std::strerror(errno));
  if (g_gate == nullptr || !g_gate->allows_bytes(static_cast<std::uint64_t>(count))) return fail("too many bytes");
  return count;
}

ssize_t write_socket(git_stream* stream, const char* data, std::size_t size, int) {
  // To a proxy the first line says where the tunnel leads.
  constexpr std::string_view kConnect = "CONNECT ";
  const std::string_view text(data, size);
  if (text.starts_with(kConnect)) {
    const std::string_view rest = text.substr(kConnect.size());
    if (g_gate == nullptr || !g_gate->allows_tunnel(std::string(rest.substr(0, rest.find(' ')))))
      return fail("tunnel refused by the gate");
  }
  ssize_t count = 0;
  do {
    count = ::send(of(stream).descriptor, data, size, MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return fail(std::string("error sending data: ") + std::strerror(errno));
  return count;
}

int close_socket(git_stream* stream) {
  Socket& socket = of(stream);
  if (socket.descriptor >= 0) ::close(socket.descriptor);
  socket.descriptor = -1;
  return 0;
}

void free_socket(git_stream* stream) {
  close_socket(stream);
  delete &of(stream);
}

int make_socket(git_stream** out, const char* host, const char* port) {
  auto* socket = new (std::nothrow) Socket{{}, -1, host, port};
  if (socket == nullptr) return -1;
  socket->parent.version = GIT_STREAM_VERSION;
  socket->parent.connect = connect_socket;
  socket->parent.read = read_socket;
  socket->parent.write = write_socket;
  socket->parent.close = close_socket;
  socket->parent.free = free_socket;
  *out = &socket->parent;
  return 0;
}

/// "http://user:password@proxy:3128/" -> (proxy, 3128)
std::pair<std::string, std::string> proxy_in(std::string_view url) {
  std::string port = url.starts_with("https://") ? "443" : "80";
  if (const std::size_t scheme = url.find("://"); scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (const std::size_t at = url.rfind('@'); at != std::string_view::npos) url.remove_prefix(at + 1);
  const std::size_t colon = url.rfind(':');
  if (colon != std::string_view::npos && url.find(']', colon) == std::string_view::npos) {
    port = url.substr(colon + 1);
    url = url.substr(0, colon);
  }
  if (url.starts_with('[') && url.ends_with(']')) url = url.substr(1, url.size() - 2);
  return {lower_case(url), port};
}

}  // namespace

Gate::Gate(std::string host, std::uint16_t port) : allowed_{{lower_case(host), std::to_string(port)}} {
  for (const char* name : {"https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"})
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') allowed_.push_back(proxy_in(value));
  git_stream_registration registration{};
  registration.version = GIT_STREAM_VERSION;
  registration.init = make_socket;
  git_stream_register(GIT_STREAM_STANDARD, &registration);
  g_gate = this;
}

Gate::~Gate() {
  g_gate = nullptr;
  git_stream_register(GIT_STREAM_STANDARD, nullptr);
}

bool Gate::allows(const std::string& host, const std::string& port) {
  const std::pair<std::string, std::string> wanted{lower_case(host), port};
  if (std::find(allowed_.begin(), allowed_.end(), wanted) != allowed_.end()) return true;
  refused_ = host + ":" + port;
  return false;
}

bool Gate::allows_tunnel(const std::string& host_and_port) {
  const auto& [host, port] = allowed_.front();
  const std::string wanted = lower_case(host_and_port);
  if (wanted == host + ":" + port || wanted == "[" + host + "]:" + port) return true;
  refused_ = host_and_port;
  return false;
}

bool Gate::allows_bytes(std::uint64_t count) {
  if (!counting_) return true;
  received_ += count;
  overflowed_ = overflowed_ || received_ > kMaximumListBytes;
  return !overflowed_;
}

}  // namespace nelson::git
