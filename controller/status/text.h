#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "state/model/time.h"

namespace nelson::status {

// Everything that is shown may have been written by somebody else. These are the only ways into an answer.

/// `text` as a JSON string with its quotes: valid UTF-8 whatever went in (bad bytes become U+FFFD), and harmless inside HTML, a script or a
/// terminal: controls (C0, DEL, C1), '<', '>', '&', U+2028, U+2029 and bidirectional marks are written as \uXXXX.
void append_json(std::string& out, std::string_view text);

/// `text` for HTML content and for attribute values in double quotes. Controls other than line feed and tab, bidirectional marks, line
/// separators and bad bytes become U+FFFD.
void append_html(std::string& out, std::string_view text);
[[nodiscard]] std::string html(std::string_view text);

/// `text` as one path segment or query value.
[[nodiscard]] std::string url(std::string_view text);

/// A label's value in the Prometheus text format, without its quotes.
[[nodiscard]] std::string label(std::string_view text);

void append_number(std::string& out, std::int64_t value);

/// Builds JSON by appending. The caller keeps the nesting right; commas come by themselves.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  /// `name` must be plain ASCII.
  JsonWriter& key(std::string_view name);
  JsonWriter& text(std::string_view value);
  JsonWriter& number(std::int64_t value);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  JsonWriter& instant(Instant value) { return text(format_instant(value)); }

  JsonWriter& field(std::string_view name, std::string_view value) { return key(name).text(value); }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();

  std::string& out_;
  bool comma_ = false;
};

/// "4 minutes", "just now" for less than a second; the largest unit alone, for reading at a glance.
[[nodiscard]] std::string about(Duration length);

/// "12:04:31", or with the date when that is not the day of `now`. UTC.
[[nodiscard]] std::string clock_time(Instant at, Instant now);

}  // namespace nelson::status
