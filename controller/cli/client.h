#pragma once

#include <chrono>
#include <string>

#include "controller/base/json.h"
#include "controller/cli/command.h"
#include "state/model/result.h"

namespace nelson::cli {

struct HttpAnswer {
  int status = 0;
  std::string body;
};

/// GET `path` from the status server at `address` ("127.0.0.1:9000", "[::1]:9000", with or without "http://"); an address that means
/// every interface is asked on loopback. At most 10 s and 64 MiB. kUnavailable when nobody answers, with the way out.
Result<HttpAnswer> http_get(const std::string& address, const std::string& path);

/// The body as JSON. A status other than 200 is an error with the server's own words.
Result<json::Json> get_json(const std::string& address, const std::string& path);

/// --address, else `listen` of the machine's file. The error says which file does not read.
Result<std::string> server_address(const Invocation& invocation);

/// One path segment or query value.
[[nodiscard]] std::string url_encoded(std::string_view text);

// What a stranger's answer says under a key: the default when it says nothing of that kind.
[[nodiscard]] std::string text_of(const json::Json& object, const char* key);
[[nodiscard]] std::int64_t number_of(const json::Json& object, const char* key);
[[nodiscard]] bool flag_of(const json::Json& object, const char* key);
[[nodiscard]] const json::Json& list_of(const json::Json& object, const char* key);

}  // namespace nelson::cli
