#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/status/front.h"

namespace nelson::status {

/// A request as a handler sees it, decoded.
struct Request {
  std::string path;
  std::map<std::string, std::string> parameters;  // the first of each name

  /// "" when it is not given.
  [[nodiscard]] std::string_view parameter(const std::string& name) const;
  [[nodiscard]] bool has(const std::string& name) const { return parameters.count(name) > 0; }
};

struct Content {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  /// Instead of `body`: a part of bytes that many answers share.
  std::shared_ptr<const std::string> shared;
  std::size_t shared_begin = 0, shared_size = 0;
  std::vector<std::pair<std::string, std::string>> fields;
};

/// May throw: the client then gets a fixed text and a request id, and the log the same id.
using Respond = std::function<Content(const Request&)>;

/// cpp-httplib, kept away from sockets: it reads a request that the front has checked, and writes the answer, both in memory.
class Library {
 public:
  Library(Respond respond, std::function<void(std::string_view)> log);
  ~Library();

  /// Never throws; from any thread.
  [[nodiscard]] Reply answer(const std::string& text, bool close);

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

}  // namespace nelson::status
