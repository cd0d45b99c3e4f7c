#include "controller/base/text.h"

#include <algorithm>
#include <cstdint>

namespace nelson {
namespace {

/// The length of the well-formed UTF-8 sequence at the start of `text`, and its code point; 0 when there is none.
std::size_t decode(std::string_view text, std::uint32_t& point) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) {
    point = lead;
    return 1;
  }
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  if (length == 0 || lead > 0xF4 || text.size() < length) return 0;
  point = lead & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    point = point << 6 | (byte(i) & 0x3Fu);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  return point < kLeast[length] || point > 0x10FFFF || surrogate ? 0 : length;
}

bool hides(std::uint32_t point) {
  return point < 0x20 || (point >= 0x7F && point <= 0x9F) || (point >= 0x200E && point <= 0x200F) ||
         (point >= 0x2028 && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069) || point == 0xFEFF;
}

}  // namespace

std::string visible(std::string_view text, bool keep_lines) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    std::uint32_t point = 0;
    const std::size_t length = decode(text, point);
    const bool line = keep_lines && (text[0] == '\n' || text[0] == '\t');
    if (length > 0 && (line || !hides(point))) {
      out += text.substr(0, length);
      text.remove_prefix(length);
      continue;
    }
    for (std::size_t i = 0; i < std::max<std::size_t>(length, 1); ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      out += "\\x";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string without_credentials(std::string_view text) {
  std::string out;
  for (;;) {
    const std::size_t mark = text.find("://");
    if (mark == std::string_view::npos) return out += text;
    const std::size_t host = mark + 3;
    const std::size_t end = std::min(text.find_first_of("/?# \t\r\n\"'<>", host), text.size());
    const std::size_t at = text.substr(0, end).rfind('@');
    const std::string_view user = at == std::string_view::npos || at < host ? "" : text.substr(host, at - host);
    const bool plain_ssh_user = text.substr(0, mark).ends_with("ssh") && user.find(':') == std::string_view::npos;
    out += text.substr(0, host);
    text.remove_prefix(user.empty() || plain_ssh_user ? host : at + 1);
  }
}

}  // namespace nelson
