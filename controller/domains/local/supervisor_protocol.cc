#include "controller/domains/local/supervisor_protocol.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <vector>

#include "controller/base/json.h"
#include "controller/domains/local/supervisor_document.h"

namespace nelson {
namespace {

using json::Json;

constexpr std::size_t kClients = 64;
constexpr auto kSilence = std::chrono::seconds(30);
constexpr const char* kChangedLine = "{\"changed\":true}\n";

std::string line_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

/// The described value with what `json` says of it; fields it does not have are skipped, unlike in json::read.
template <Described T>
void read_known(const Json& json, T& value);

template <class T>
void read_known(const Json& json, std::vector<T>& values) {
  for (const Json& item : json) read_known(item, values.emplace_back());
}

template <class T>
void read_known(const Json& json, T& value) {
  json::from_json(json, value);
}

template <Described T>
void read_known(const Json& json, T& value) {
  T::visit(value, [&json](std::string_view name, auto& member) {
    const auto found = json.find(std::string(name));
    if (found != json.end()) read_known(*found, member);
  });
}

template <class F>
auto parse(std::string_view what, std::string_view line, F read) -> Result<decltype(read(Json()))> {
  try {
    const Json json = json::parse(line);
    if (!json.is_object()) return invalid(std::string(what) + ": an object is expected");
    return read(json);
  } catch (const std::exception& problem) {
    return invalid(std::string(what) + ": " + problem.what());
  }
}

constexpr auto kVerbs = std::to_array<std::string_view>({"status", "count", "stop", "watch"});

/// An address that reaches the socket through an open folder: a socket's own address has room for 107 bytes only.
sockaddr_un address_in(const Descriptor& folder) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(folder.get()) + "/" + kSocketFile;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Descriptor open_folder(const std::string& path) { return Descriptor(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)); }

bool limit_waiting(int fd, std::chrono::steady_clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::microseconds>(deadline - std::chrono::steady_clock::now()).count();
  if (left <= 0) return false;
  timeval time{};
  time.tv_sec = left / 1'000'000;
  time.tv_usec = left % 1'000'000;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
  return true;
}

}  // namespace

std::string to_line(const SupervisorHello& hello) {
  return line_of(Json{{"nelson_supervisor", hello.protocol},
                      {"stack", hello.stack},
                      {"incarnation", hello.incarnation},
                      {"document_digest", hello.document_digest}});
}

std::string to_line(const SupervisorRequest& request) {
  Json json{{"do", std::string(kVerbs[static_cast<std::size_t>(request.verb)])}};
  if (request.verb == SupervisorRequest::Verb::kCount) json["count"] = request.count;
  return line_of(json);
}

std::string status_line(const Running& running) { return line_of(Json{{"running", json::to_json(running)}}); }

std::string answer_line(const Status& outcome) {
  return line_of(outcome ? Json{{"ok", true}} : Json{{"error", outcome.error().message}});
}

Result<SupervisorHello> read_hello(std::string_view line) {
  return parse("hello", line, [](const Json& json) {
    SupervisorHello hello;
    hello.protocol = json::read<std::int32_t>(json.at("nelson_supervisor"));
    hello.stack = json.at("stack").get<std::string>();
    hello.incarnation = json::read<std::uint32_t>(json.at("incarnation"));
    hello.document_digest = json.at("document_digest").get<std::string>();
    return hello;
  });
}

Result<SupervisorRequest> read_request(std::string_view line) {
  return parse("request", line, [](const Json& json) {
    const auto word = json.at("do").get<std::string>();
    for (std::size_t i = 0; i < kVerbs.size(); ++i) {
      if (kVerbs[i] != word) continue;
      SupervisorRequest request{static_cast<SupervisorRequest::Verb>(i), 0};
      if (request.verb == SupervisorRequest::Verb::kCount) request.count = json::read<std::int32_t>(json.at("count"));
      return request;
    }
    throw std::invalid_argument("unknown verb " + json::in_short(word));
  });
}

Result<Running> read_status(std::string_view line) {
  return parse("status", line, [](const Json& json) {
    Running running;
    read_known(json.at("running"), running);
    return running;
  });
}

Status read_answer(std::string_view line) {
  const auto error = parse("answer", line, [](const Json& json) { return json.value("error", std::string()); });
  if (!error) return error.error();
  return error->empty() ? Status() : Status(unavailable(*error));
}

Result<Descriptor> listen_in(const std::string& stack_folder) {
  const Descriptor folder = open_folder(stack_folder);
  if (!folder) return unavailable(stack_folder + ": " + error_text(errno));
  ::unlinkat(folder.get(), kSocketFile, 0);
  Descriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_in(folder);
  if (!listener || ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::fchmodat(folder.get(), kSocketFile, 0600, 0) != 0 || ::listen(listener.get(), kClients) != 0)
    return unavailable(stack_folder + "/" + kSocketFile + ": " + error_text(errno));
  return listener;
}

Result<std::optional<SupervisorClient>> SupervisorClient::open(const std::string& stack_folder, std::chrono::milliseconds timeout) {
  const Descriptor folder = open_folder(stack_folder);
  if (!folder && (errno == ENOENT || errno == ENOTDIR)) return std::optional<SupervisorClient>();
  if (!folder) return unavailable(stack_folder + ": " + error_text(errno));
  Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return unavailable("socket: " + error_text(errno));
  SupervisorClient client(std::move(fd), std::chrono::steady_clock::now() + timeout);
  limit_waiting(client.fd_.get(), client.deadline_);
  const sockaddr_un address = address_in(folder);
  if (::connect(client.fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) return std::optional<SupervisorClient>();
    return unavailable("the supervisor in " + stack_folder + " does not answer: " + error_text(errno));
  }
  const auto line = client.read_line();
  // It ended, or was killed, while its socket still took us in: nobody is there.
  if (!line && line.error().kind == ErrorKind::kConflict) return std::optional<SupervisorClient>();
  if (!line) return line.error().with_context("the supervisor in " + stack_folder);
  auto hello = read_hello(*line);
  if (!hello) return unavailable(hello.error().message).with_context("the supervisor in " + stack_folder);
  client.hello_ = *std::move(hello);
  return std::optional<SupervisorClient>(std::move(client));
}

Result<std::string> SupervisorClient::read_line() {
  for (;;) {
    const std::size_t end = buffer_.find('\n');
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    if (buffer_.size() > kReplyBytes) return unavailable("says more than it may");
    if (!limit_waiting(fd_.get(), deadline_)) return unavailable("does not answer in time");
    char chunk[16384];
    const ssize_t n = ::recv(fd_.get(), chunk, sizeof chunk, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return unavailable("does not answer in time");
    if (n <= 0) return conflict("ended");
    buffer_.append(chunk, static_cast<std::size_t>(n));
  }
}

Result<std::string> SupervisorClient::ask(const SupervisorRequest& request) {
  const std::string line = to_line(request);
  const bool sent = limit_waiting(fd_.get(), deadline_) &&
                    ::send(fd_.get(), line.data(), line.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(line.size());
  const Error context = unavailable("the supervisor of " + hello_.stack);
  if (!sent) return context.with_context("not heard");
  auto answer = read_line();
  if (!answer) return unavailable(context.message + " " + answer.error().message);
  return answer;
}

Result<Running> SupervisorClient::status() {
  const auto line = ask({SupervisorRequest::Verb::kStatus, 0});
  if (!line) return line.error();
  return read_status(*line);
}

Status SupervisorClient::set_count(std::int32_t count) {
  const auto line = ask({SupervisorRequest::Verb::kCount, count});
  return line ? read_answer(*line) : Status(line.error());
}

Status SupervisorClient::stop() {
  const auto line = ask({SupervisorRequest::Verb::kStop, 0});
  return line ? read_answer(*line) : Status(line.error());
}

Result<Descriptor> SupervisorClient::watch() {
  const auto line = ask({SupervisorRequest::Verb::kWatch, 0});
  if (!line) return line.error();
  if (const Status answer = read_answer(*line); !answer) return answer.error();
  ::fcntl(fd_.get(), F_SETFL, ::fcntl(fd_.get(), F_GETFL) | O_NONBLOCK);
  return std::move(fd_);
}

ControlServer::ControlServer(EventLoop& loop, Descriptor listener, std::string hello, Answer answer)
    : loop_(loop), listener_(std::move(listener)), hello_(std::move(hello)), answer_(std::move(answer)) {
  ::fcntl(listener_.get(), F_SETFL, ::fcntl(listener_.get(), F_GETFL) | O_NONBLOCK);
  ticket_ = loop_.add(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_all(); });
}

ControlServer::~ControlServer() {
  while (!clients_.empty()) drop(clients_.begin()->first);
  loop_.remove(ticket_);
}

void ControlServer::accept_all() {
  for (;;) {
    Descriptor fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return;
    ucred peer{};
    socklen_t size = sizeof peer;
    const bool known =
        ::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == ::geteuid() || peer.uid == 0);
    if (!known || clients_.size() >= kClients) continue;
    const std::uint64_t id = next_++;
    Client& client = clients_[id];
    client.fd = std::move(fd);
    client.out = hello_;
    client.heard = Clock::now();
    client.ticket = loop_.add(client.fd.get(), EPOLLIN, [this, id](std::uint32_t events) { on_client(id, events); });
    if (client.ticket == 0 || !flush(client)) drop(id);
  }
}

void ControlServer::on_client(std::uint64_t id, std::uint32_t events) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  Client& client = found->second;
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !receive(client)) return drop(id);
  if (!flush(client)) drop(id);
}

bool ControlServer::receive(Client& client) {
  char chunk[kRequestBytes];
  const ssize_t n = ::recv(client.fd.get(), chunk, sizeof chunk, 0);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) return false;
  client.heard = Clock::now();
  client.in.append(chunk, static_cast<std::size_t>(n));
  for (std::size_t end = client.in.find('\n'); end != std::string::npos; end = client.in.find('\n')) {
    const auto request = read_request(std::string_view(client.in).substr(0, end));
    client.in.erase(0, end + 1);
    if (request && request->verb == SupervisorRequest::Verb::kWatch) client.watches = true;
    client.out += request ? answer_(*request) : answer_line(request.error());
    if (client.out.size() > 2 * kReplyBytes) return false;
  }
  return client.in.size() <= kRequestBytes;
}

bool ControlServer::flush(Client& client) {
  while (!client.out.empty()) {
    const ssize_t n = ::send(client.fd.get(), client.out.data(), client.out.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) return false;
    client.out.erase(0, static_cast<std::size_t>(n));
  }
  loop_.change(client.ticket, client.out.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
  return true;
}

void ControlServer::drop(std::uint64_t id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  loop_.remove(found->second.ticket);
  clients_.erase(found);
}

void ControlServer::tell_watchers() {
  std::vector<std::uint64_t> lost;
  for (auto& [id, client] : clients_) {
    if (!client.watches) continue;
    // One line not yet read says as much as many.
    if (client.out.empty()) client.out = kChangedLine;
    if (!flush(client)) lost.push_back(id);
  }
  for (const std::uint64_t id : lost) drop(id);
}

void ControlServer::tick(Clock::time_point now) {
  std::vector<std::uint64_t> silent;
  for (const auto& [id, client] : clients_)
    if (!client.watches && now - client.heard > kSilence) silent.push_back(id);
  for (const std::uint64_t id : silent) drop(id);
}

}  // namespace nelson
