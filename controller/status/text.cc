#include "controller/status/text.h"

#include <array>
#include <charconv>
#include <cstddef>

namespace nelson::status {
namespace {

constexpr char32_t kReplacement = 0xfffd;

struct Read {
  char32_t point;
  std::size_t size;
};

/// The code point at the beginning of `text`, which is not empty; a byte that begins none reads as U+FFFD.
Read read_point(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xc2 && lead < 0xe0 ? 2 : (lead & 0xf0U) == 0xe0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
  if (size == 0 || text.size() < size) return {kReplacement, 1};
  char32_t point = lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return {kReplacement, 1};
    point = (point << 6U) | (byte(i) & 0x3fU);
  }
  constexpr std::array<char32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  if (point < kSmallest[size] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return {kReplacement, 1};
  return {point, size};
}

/// Does something to a reader instead of being read: controls, line separators, marks that turn the direction of text, invisible ones.
constexpr bool is_trick(char32_t point) {
  return point < 0x20 || (point >= 0x7f && point < 0xa0) || (point >= 0x200b && point <= 0x200f) ||
         (point >= 0x2028 && point <= 0x202e) || (point >= 0x2060 && point <= 0x206f) || point == 0xfeff;
}

void append_utf8(std::string& out, char32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xc0U | (point >> 6U));
    out += static_cast<char>(0x80U | (point & 0x3fU));
  } else if (point < 0x10000) {
    out += static_cast<char>(0xe0U | (point >> 12U));
    out += static_cast<char>(0x80U | ((point >> 6U) & 0x3fU));
    out += static_cast<char>(0x80U | (point & 0x3fU));
  } else {
    out += static_cast<char>(0xf0U | (point >> 18U));
    out += static_cast<char>(0x80U | ((point >> 12U) & 0x3fU));
    out += static_cast<char>(0x80U | ((point >> 6U) & 0x3fU));
    out += static_cast<char>(0x80U | (point & 0x3fU));
  }
}

constexpr std::string_view kHex = "0123456789abcdef";

constexpr bool is_plain(unsigned char c) {
  return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' && c != '\'';
}

/// Copies the harmless ASCII at the beginning of `text` and cuts it off: nearly everything there ever is.
void append_plain(std::string& out, std::string_view& text) {
  std::size_t size = 0;
  while (size < text.size() && is_plain(static_cast<unsigned char>(text[size]))) ++size;
  out.append(text.data(), size);
  text.remove_prefix(size);
}

}  // namespace

void append_json(std::string& out, std::string_view text) {
  out += '"';
  while (append_plain(out, text), !text.empty()) {
    const auto [point, size] = read_point(text);
    text.remove_prefix(size);
    if (point == '"' || point == '\\') {
      out += '\\';
      out += static_cast<char>(point);
    } else if (point == '\n') {
      out += "\\n";
    } else if (is_trick(point) || point == '<' || point == '>' || point == '&') {
      out += "\\u";
      for (const unsigned shift : {12U, 8U, 4U, 0U}) out += kHex[(point >> shift) & 0xfU];
    } else {
      append_utf8(out, point);
    }
  }
  out += '"';
}

void append_html(std::string& out, std::string_view text) {
  while (append_plain(out, text), !text.empty()) {
    const auto [point, size] = read_point(text);
    text.remove_prefix(size);
    switch (point) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        append_utf8(out, is_trick(point) && point != '\n' && point != '\t' ? kReplacement : point);
    }
  }
}

std::string html(std::string_view text) {
  std::string out;
  append_html(out, text);
  return out;
}

std::string url(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4U];
      out += kHex[byte & 0xfU];
    }
  }
  return out;
}

std::string label(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto [point, size] = read_point(text);
    text.remove_prefix(size);
    if (point == '\n') {
      out += "\\n";
    } else if (point == '"' || point == '\\') {
      out += '\\';
      out += static_cast<char>(point);
    } else {
      append_utf8(out, is_trick(point) ? kReplacement : point);
    }
  }
  return out;
}

void append_number(std::string& out, std::int64_t value) {
  std::array<char, 24> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

void JsonWriter::separate() {
  if (comma_) out_ += ',';
  comma_ = true;
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_ += bracket;
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  out_ += '"';
  out_ += name;
  out_ += "\":";
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::text(std::string_view value) {
  separate();
  append_json(out_, value);
  return *this;
}

JsonWriter& JsonWriter::number(std::int64_t value) {
  separate();
  append_number(out_, value);
  return *this;
}

JsonWriter& JsonWriter::boolean(bool value) {
  separate();
  out_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::null() {
  separate();
  out_ += "null";
  return *this;
}

std::string about(Duration length) {
  using namespace std::chrono;
  const auto say = [](std::int64_t count, std::string_view unit) {
    return std::to_string(count) + " " + std::string(unit) + (count == 1 ? "" : "s");
  };
  if (length < seconds(1)) return "just now";
  if (length < minutes(2)) return say(duration_cast<seconds>(length).count(), "second");
  if (length < hours(2)) return say(duration_cast<minutes>(length).count(), "minute");
  if (length < days(2)) return say(duration_cast<hours>(length).count(), "hour");
  return say(duration_cast<days>(length).count(), "day");
}

std::string clock_time(Instant at, Instant now) {
  const std::string text = format_instant(at);  // 2026-11-21T11:35:57.123Z
  if (text.size() < 19) return text;
  const std::string time = text.substr(11, 8);
  return std::chrono::floor<std::chrono::days>(at) == std::chrono::floor<std::chrono::days>(now) ? time
                                                                                                 : text.substr(0, 10) + " " + time;
}

}  // namespace nelson::status
