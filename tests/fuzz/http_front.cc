#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "controller/status/library.h"
#include "controller/status/request.h"
#include "controller/status/routes.h"
#include "controller/status/view.h"
#include "tests/controller/status/situations.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/tree.h"

// An input is what a client sends on one connection: judged, rewritten, answered by the library and the real routes, as the front does.

namespace nelson::fuzz {
namespace {

using status::parse_request;
using status::Parsed;
using Kind = Parsed::Kind;

constexpr std::size_t kMostRequests = 8;  // of one input
constexpr std::string_view kSecret = "canary-4711";

bool same_verdict(const Parsed& a, const Parsed& b) {
  if (a.kind != b.kind) return false;
  return a.kind != Kind::kRequest || (a.text == b.text && a.size == b.size && a.close == b.close);
}

/// However the bytes arrive, the verdict is the one that all of them together get.
void check_pieces(std::string_view bytes, const Parsed& whole, std::size_t step) {
  std::size_t searched = 0;
  for (std::size_t size = std::min(step, bytes.size());; size = std::min(size + step, bytes.size())) {
    const Parsed parsed = parse_request(bytes.substr(0, size), searched);
    if (parsed.kind != Kind::kIncomplete || size == bytes.size()) {
      if (!same_verdict(parsed, whole)) violated("pieces of " + std::to_string(step) + " bytes get another verdict");
      return;
    }
  }
}

void check_request(const Parsed& parsed) {
  if (parsed.size == 0 || parsed.size > status::kMaxHeader + 2) violated("a request of " + std::to_string(parsed.size) + " bytes");
  if (!parsed.text.starts_with("GET /") && !parsed.text.starts_with("HEAD /")) violated("another method or target: " + parsed.text);
  // The request line, the fields (each may be there more than once), and the empty line.
  if (std::count(parsed.text.begin(), parsed.text.end(), '\n') > static_cast<std::ptrdiff_t>(status::kMaxFields) + 2)
    violated("more fields than are taken");
  for (std::size_t i = 0; i < parsed.text.size(); ++i) {
    const char c = parsed.text[i];
    const bool visible = c >= 0x20 && c < 0x7f;
    const bool line_end = (c == '\r' && parsed.text[i + 1] == '\n') || (c == '\n' && i > 0 && parsed.text[i - 1] == '\r');
    if (!visible && c != '\t' && !line_end) violated("a byte goes through that is not visible");
  }
  std::size_t searched = 0;
  const Parsed again = parse_request(parsed.text, searched);
  if (again.kind != Kind::kRequest || again.text != parsed.text || again.size != parsed.text.size())
    violated("a rewritten request reads as another: " + parsed.text);
}

constexpr auto kAnswered = std::to_array<std::string_view>(
    {"Content-Type", "Content-Length", "X-Content-Type-Options", "Cache-Control", "Referrer-Policy", "Cross-Origin-Resource-Policy",
     "Content-Security-Policy", "Connection", "Keep-Alive", "X-Total-Count", "Accept-Ranges", "Refresh", "Location", "Vary"});

struct Answered {
  int status = 0;
  std::string type;
  std::size_t length = 0;
};

/// Reads the head of an answer as strictly as a client may.
Answered check_head(std::string_view head) {
  Answered out;
  if (!head.starts_with("HTTP/1.1 ") || head.size() < 13) violated("no status line: " + std::string(head));
  out.status = std::stoi(std::string(head.substr(9, 3)));
  std::size_t lengths = 0;
  for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
    const std::size_t end = head.find("\r\n", at);
    const std::string_view line = head.substr(at, end - at);
    const std::size_t colon = line.find(": ");
    const std::string_view name = line.substr(0, colon);
    if (colon == std::string_view::npos || std::find(kAnswered.begin(), kAnswered.end(), name) == kAnswered.end())
      violated("a field that nobody meant: " + std::string(line));
    for (const char c : line)
      if (c < 0x20 || c == 0x7f) violated("a field that is not visible ASCII: " + std::string(line));
    if (name == "Content-Length") out.length = std::stoul(std::string(line.substr(colon + 2))), ++lengths;
    if (name == "Content-Type") out.type = line.substr(colon + 2);
    at = end + 2;
  }
  if (lengths != 1) violated(std::to_string(lengths) + " lengths");
  return out;
}

/// Whether the request itself brings the word, percent-encoded perhaps: the page shows again what was looked for.
bool brings(std::string_view request, std::string_view word) {
  std::string plain;
  for (std::size_t at = 0; at < request.size(); ++at) {
    const std::string digits(request.substr(std::min(at + 1, request.size()), 2));
    if (request[at] == '%' && digits.size() == 2 && std::isxdigit(digits[0]) != 0 && std::isxdigit(digits[1]) != 0) {
      plain += static_cast<char>(std::stoi(digits, nullptr, 16));
      at += 2;
    } else {
      plain += request[at];
    }
  }
  return plain.find(word) != std::string::npos;
}

void check_body(const Answered& answered, std::string_view body, std::string_view request) {
  if (body.find(kSecret) != std::string_view::npos && !brings(request, kSecret)) violated("a secret in an answer");
  if (!is_utf8(body)) violated("an answer that is not UTF-8");
  if (body.find("<script") != std::string_view::npos) violated("a script in an answer");
  if (answered.type.starts_with("application/json") && !nlohmann::json::accept(body))
    violated("JSON that is none: " + std::string(body));
}

struct Served {
  Served() : view(status_test::Situation().view()) { options.test_throw = "password=" + std::string(kSecret); }
  status::Content answer(const status::Request& request) const {
    status::Moment moment;
    moment.view = view;
    return status::route(request, moment, options);
  }

  StatusOptions options;
  std::shared_ptr<const View> view;
  status::Library library{[this](const status::Request& request) { return answer(request); }, nullptr};
};

void check_answer(const Parsed& parsed) {
  static Served served;
  const status::Reply reply = served.library.answer(parsed.text, parsed.close);
  const std::size_t head_end = reply.head.find("\r\n\r\n");
  if (head_end == std::string::npos) violated("an answer without a head");
  const Answered answered = check_head(std::string_view(reply.head).substr(0, head_end + 2));
  std::string body = reply.head.substr(head_end + 4);
  if (reply.body) body += reply.body->substr(reply.body_begin, reply.body_size);
  if (parsed.text.starts_with("HEAD ")) {
    if (!body.empty()) violated("HEAD gets a body");
    return;
  }
  if (body.size() != answered.length) violated("a length that is not the body's");
  if (parsed.close && !reply.close) violated("a client that wants no more is kept");
  check_body(answered, body, parsed.text);
}

bool run_http_front(std::string_view input) {
  bool any = false;
  for (std::size_t i = 0; i < kMostRequests && !input.empty(); ++i) {
    std::size_t searched = 0;
    const Parsed parsed = parse_request(input, searched);
    check_pieces(input, parsed, input.size() < 300 ? 1 : 61);
    if (parsed.kind == Kind::kRefused &&
        (parsed.status < 400 || parsed.reason.empty() || status::phrase_of(parsed.status) == "Unknown"))
      violated("refused without a word");
    if (parsed.kind == Kind::kIncomplete && input.size() > status::kMaxHeader + 2) violated("more is wanted than the limit");
    if (parsed.kind != Kind::kRequest) return any;
    check_request(parsed);
    check_answer(parsed);
    any = true;
    if (parsed.close) return true;
    input.remove_prefix(parsed.size);
  }
  return any;
}

}  // namespace

Target http_front() { return {"http_front", run_http_front}; }

}  // namespace nelson::fuzz
