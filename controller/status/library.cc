#include "controller/status/library.h"

#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <typeinfo>

namespace nelson::status {
namespace {

/// One request's bytes in, one answer's bytes out.
class MemoryStream final : public httplib::Stream {
 public:
  explicit MemoryStream(std::string_view in) : in_(in) {}

  [[nodiscard]] bool is_readable() const override { return !in_.empty(); }
  [[nodiscard]] bool is_writable() const override { return true; }

  ssize_t read(char* to, std::size_t size) override {
    const std::size_t count = std::min(size, in_.size());
    std::memcpy(to, in_.data(), count);
    in_.remove_prefix(count);
    return static_cast<ssize_t>(count);
  }

  ssize_t write(const char* from, std::size_t size) override {
    // The library hands the shared bytes back unchanged: they are referred to, not copied.
    if (shared_ && from == shared_->data() + out_.body_begin + out_.body_size && out_.body_size + size <= shared_size_) {
      out_.body_size += size;
    } else {
      out_.head.append(from, size);
    }
    return static_cast<ssize_t>(size);
  }

  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  [[nodiscard]] socket_t socket() const override { return -1; }

  void expect(const Content& content) {
    shared_ = content.shared;
    shared_size_ = content.shared_size;
    out_.body_begin = content.shared_begin;
  }
  Reply take() {
    if (out_.body_size > 0) out_.body = std::move(shared_);
    return std::move(out_);
  }

 private:
  std::string_view in_;
  Reply out_;
  std::shared_ptr<const std::string> shared_;
  std::size_t shared_size_ = 0;
};

thread_local MemoryStream* current_stream = nullptr;

constexpr std::string_view kLastWord =
    "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
    "Connection: close\r\nContent-Length: 40\r\n\r\n{\"message\":\"An internal error occurred\"}";

Request request_of(const httplib::Request& from) {
  Request out;
  out.path = from.path;
  for (const auto& [name, value] : from.params) out.parameters.emplace(name, value);
  return out;
}

void fill(httplib::Response& to, Content content) {
  to.status = content.status;
  for (const auto& [name, value] : content.fields) to.set_header(name, value);
  if (!content.shared) {
    to.set_content(content.body.data(), content.body.size(), content.type);
    return;
  }
  current_stream->expect(content);
  const char* const begin = content.shared->data() + content.shared_begin;
  to.set_content_provider(content.shared_size, content.type,
                          [shared = content.shared, begin](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
                            return sink.write(begin + offset, length);
                          });
}

}  // namespace

std::string_view Request::parameter(const std::string& name) const {
  const auto found = parameters.find(name);
  return found == parameters.end() ? std::string_view() : std::string_view(found->second);
}

class Library::Server final : public httplib::Server {
 public:
  Server(Respond respond, std::function<void(std::string_view)> log) : respond_(std::move(respond)), log_(std::move(log)) {
    // Without a listening socket the library takes itself for shutting down and sends no content by provider. No call uses this one.
    svr_sock_ = INVALID_SOCKET - 1;
    set_payload_max_length(0);
    set_keep_alive_max_count(1'000'000);
    set_keep_alive_timeout(60);
    // Routes are ours: the library's are regular expressions, which recurse for every character of a path.
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      handle(request, response);
      return HandlerResponse::Handled;
    });
    set_exception_handler(
        [this](const httplib::Request&, httplib::Response& response, std::exception_ptr) {  // NOLINT: its signature
          apologize(response, "an exception outside the handler");
        });
  }

  bool process(MemoryStream& stream, bool close, bool& closed) { return process_request(stream, close, closed, nullptr); }

 private:
  void handle(const httplib::Request& request, httplib::Response& response) {
    // What a failure says may hold a secret: neither the client nor the log gets its text, both get its number.
    try {
      fill(response, respond_(request_of(request)));
      if (request.method == "HEAD") response.set_header("Accept-Ranges", "none");
    } catch (const std::exception& failure) {
      apologize(response, typeid(failure).name());
    } catch (...) {
      apologize(response, "something that is no exception");
    }
  }

  void apologize(httplib::Response& response, std::string_view what) {
    const std::string id = "r" + std::to_string(++failures_);
    if (log_) log_("status: request " + id + " failed inside: " + std::string(what));
    response = httplib::Response();
    response.status = 500;
    response.set_header("X-Content-Type-Options", "nosniff");
    response.set_header("Cache-Control", "no-store");
    response.set_content("{\"message\":\"An internal error occurred\",\"request\":\"" + id + "\"}\n", "application/json");
  }

  const Respond respond_;
  const std::function<void(std::string_view)> log_;
  std::atomic<std::uint64_t> failures_{0};
};

Library::Library(Respond respond, std::function<void(std::string_view)> log)
    : server_(std::make_unique<Server>(std::move(respond), std::move(log))) {}

Library::~Library() = default;

Reply Library::answer(const std::string& text, bool close) {
  try {
    MemoryStream stream(text);
    current_stream = &stream;
    bool closed = false;
    const bool written = server_->process(stream, close, closed);
    current_stream = nullptr;
    Reply reply = stream.take();
    reply.close = close || closed || !written;
    return reply;
  } catch (...) {
    current_stream = nullptr;
    return {std::string(kLastWord), nullptr, 0, 0, true};
  }
}

}  // namespace nelson::status
