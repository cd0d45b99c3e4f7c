#include "controller/status/request.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace nelson::status {
namespace {

// Everything else a client says is dropped here, so no Range, no encoding and no name that the library gives a meaning of its own
// ever reaches it.
constexpr auto kPassedOn =
    std::to_array<std::string_view>({"host", "user-agent", "accept", "accept-language", "authorization", "content-type",
                                     "if-none-match", "x-request-id", "x-hub-signature-256", "x-github-event"});

struct Refusal {
  int status;
  std::string_view reason;
};

constexpr auto kPhrases = std::to_array<std::pair<int, std::string_view>>({
    {200, "OK"},
    {400, "Bad Request"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {417, "Expectation Failed"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
});

constexpr bool is_visible(char c) { return c > 0x20 && c < 0x7f; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

constexpr bool is_token(char c) {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool same_word(std::string_view text, std::string_view lower_case) {
  return std::equal(text.begin(), text.end(), lower_case.begin(), lower_case.end(), [](char a, char b) { return lower(a) == b; });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Whether a comma separated list names `word`.
bool lists(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (same_word(trimmed(list.substr(0, comma)), word)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

struct Line {
  std::string_view method, target;
  bool old = false;  // HTTP/1.0
};

std::optional<Refusal> read_line(std::string_view line, Line& out) {
  if (line.size() > kMaxRequestLine) return Refusal{414, "the request line is longer than 8 KiB"};
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return Refusal{400, "the request line is not METHOD TARGET VERSION"};
  out.method = line.substr(0, first);
  out.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (out.method.empty() || !std::all_of(out.method.begin(), out.method.end(), is_token))
    return Refusal{400, "the method is not a word"};
  if (out.target.empty() || !std::all_of(out.target.begin(), out.target.end(), is_visible))
    return Refusal{400, "the target has bytes that are not visible ASCII"};
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return version.starts_with("HTTP/") ? Refusal{505, "this server speaks HTTP/1.1"}
                                        : Refusal{400, "the request line is not METHOD TARGET VERSION"};
  }
  out.old = version == "HTTP/1.0";
  return std::nullopt;
}

/// What the fields say about framing, and those of them that are passed on.
struct Fields {
  std::size_t count = 0;
  int hosts = 0;
  std::optional<std::size_t> content_length;
  bool close = false;
  std::string passed_on;
};

std::optional<Refusal> read_content_length(std::string_view value, Fields& out) {
  if (out.content_length) return Refusal{400, "more than one Content-Length"};
  if (value.empty() || !std::all_of(value.begin(), value.end(), is_digit)) return Refusal{400, "Content-Length is not a number"};
  const std::size_t zeros = std::min(value.find_first_not_of('0'), value.size() - 1);
  value.remove_prefix(zeros);
  if (value.size() > 7) return Refusal{413, "the body is longer than 1 MiB"};
  std::size_t length = 0;
  for (const char digit : value) length = length * 10 + static_cast<std::size_t>(digit - '0');
  if (length > kMaxBody) return Refusal{413, "the body is longer than 1 MiB"};
  out.content_length = length;
  return std::nullopt;
}

/// The library decodes %XX in values, so an encoded line end would become a real one.
bool hides_control(std::string_view value) {
  for (std::size_t at = value.find('%'); at != std::string_view::npos; at = value.find('%', at + 1)) {
    if (at + 2 < value.size() && (value[at + 1] == '0' || value[at + 1] == '1')) return true;
  }
  return false;
}

std::optional<Refusal> read_field(std::string_view line, Fields& out) {
  if (++out.count > kMaxFields) return Refusal{431, "more than 64 header fields"};
  if (line.front() == ' ' || line.front() == '\t') return Refusal{400, "a header field goes on in the next line"};
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, std::min(colon, line.size()));
  if (colon == std::string_view::npos || name.empty() || !std::all_of(name.begin(), name.end(), is_token))
    return Refusal{400, "a header field is not NAME: VALUE"};
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!std::all_of(value.begin(), value.end(), [](char c) { return is_visible(c) || c == ' ' || c == '\t'; }))
    return Refusal{400, "a header field has bytes that are not visible ASCII"};

  if (same_word(name, "transfer-encoding")) return Refusal{400, "Transfer-Encoding is not accepted"};
  if (same_word(name, "expect")) return Refusal{417, "Expect is not accepted"};
  if (same_word(name, "content-length")) return read_content_length(value, out);
  if (same_word(name, "connection")) {
    out.close = out.close || lists(value, "close");
    return std::nullopt;
  }
  if (same_word(name, "host") && (++out.hosts > 1 || value.empty())) return Refusal{400, "exactly one Host is needed"};
  if (hides_control(value)) return Refusal{400, "a header field hides a control character"};
  const bool known =
      std::any_of(kPassedOn.begin(), kPassedOn.end(), [&](std::string_view known_name) { return same_word(name, known_name); });
  if (!known) return std::nullopt;
  if (value.find('%') != std::string_view::npos) return Refusal{400, "a header field has a '%'"};
  out.passed_on.append(name).append(": ").append(value).append("\r\n");
  return std::nullopt;
}

std::optional<Refusal> judge(const Line& line, const Fields& fields) {
  if (fields.hosts != 1) return Refusal{400, "exactly one Host is needed"};
  if (line.method == "GET" || line.method == "HEAD") {
    if (fields.content_length.value_or(0) > 0) return Refusal{400, "a body is not accepted here"};
    if (line.target.front() != '/') return Refusal{400, "the target is not a path"};
    // A page's name is never that long; the library would take time and stack for it.
    if (std::min(line.target.find('?'), line.target.size()) > kMaxPath) return Refusal{404, "there is nothing of this name"};
    return std::nullopt;
  }
  constexpr auto kOthers = std::to_array<std::string_view>({"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"});
  if (std::find(kOthers.begin(), kOthers.end(), line.method) == kOthers.end()) return Refusal{501, "this method is not known"};
  if (line.method != "POST" && fields.content_length.value_or(0) > 0) return Refusal{400, "a body is not accepted here"};
  return Refusal{405, "only GET and HEAD: what runs is changed by a commit, not here"};
}

Parsed refused(const Refusal& refusal) {
  Parsed out;
  out.kind = Parsed::Kind::kRefused;
  out.status = refusal.status;
  out.reason = refusal.reason;
  out.close = true;
  return out;
}

/// What is certainly wrong although the end is not there yet, so that nobody sends us 1.5 GiB first.
Parsed judge_beginning(std::string_view bytes) {
  const std::size_t line_end = bytes.find('\n');
  if (line_end != std::string_view::npos && (line_end == 0 || bytes[line_end - 1] != '\r'))
    return refused({400, "lines end with CR LF"});
  if (line_end == std::string_view::npos && bytes.size() > kMaxRequestLine)
    return refused({414, "the request line is longer than 8 KiB"});
  if (bytes.size() > kMaxHeader) return refused({431, "the header is longer than 16 KiB"});
  return {};
}

}  // namespace

std::string_view phrase_of(int status) {
  const auto* const found =
      std::find_if(kPhrases.begin(), kPhrases.end(), [status](const auto& entry) { return entry.first == status; });
  return found == kPhrases.end() ? std::string_view("Unknown") : found->second;
}

Parsed parse_request(std::string_view bytes, std::size_t& searched) {
  // An empty line before a request is tolerated once, as HTTP asks for.
  const std::size_t lead = bytes.starts_with("\r\n") ? 2 : 0;
  const std::size_t from = std::max(lead, searched > 3 ? searched - 3 : 0);
  const std::size_t end = bytes.find("\r\n\r\n", from);
  if (end == std::string_view::npos) {
    searched = bytes.size();
    return judge_beginning(bytes.substr(std::min(lead, bytes.size())));
  }
  searched = 0;
  if (end + 4 - lead > kMaxHeader) {
    const Parsed early = judge_beginning(bytes.substr(lead));
    return early.kind == Parsed::Kind::kRefused ? early : refused({431, "the header is longer than 16 KiB"});
  }

  std::string_view rest = bytes.substr(lead, end + 2 - lead);
  Line line;
  Fields fields;
  const std::size_t line_end = rest.find("\r\n");
  if (const auto refusal = read_line(rest.substr(0, line_end), line)) return refused(*refusal);
  rest.remove_prefix(line_end + 2);
  while (!rest.empty()) {
    const std::size_t field_end = rest.find("\r\n");
    if (const auto refusal = read_field(rest.substr(0, field_end), fields)) return refused(*refusal);
    rest.remove_prefix(field_end + 2);
  }
  if (const auto refusal = judge(line, fields)) return refused(*refusal);

  Parsed out;
  out.kind = Parsed::Kind::kRequest;
  out.size = end + 4;
  out.close = fields.close || line.old;
  out.text.reserve(line.method.size() + line.target.size() + fields.passed_on.size() + 16);
  out.text.append(line.method).append(" ").append(line.target).append(" HTTP/1.1\r\n").append(fields.passed_on).append("\r\n");
  return out;
}

}  // namespace nelson::status
