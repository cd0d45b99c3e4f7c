#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "controller/status/document.h"
#include "controller/status/snapshot.h"
#include "controller/status/text.h"

namespace nelson::status {

/// Appends to a page: what it is given as text is escaped, what is written in this file is markup.
class Html {
 public:
  Html& raw(std::string_view markup) {
    out_ += markup;
    return *this;
  }
  Html& text(std::string_view text) {
    append_html(out_, text);
    return *this;
  }
  Html& prose(std::string_view text) {
    append_prose(out_, text);
    return *this;
  }
  Html& number(std::int64_t value) {
    append_number(out_, value);
    return *this;
  }
  Html& stack_link(std::string_view stack, std::string_view label) {
    return raw("<a href=\"/stacks/").raw(url(stack)).raw("\">").text(label).raw("</a>");
  }
  [[nodiscard]] const std::string& str() const { return out_; }

 private:
  std::string out_;
};

// Parts that pages share or that stand below the first screen.

void first_steps(const View& view, Html& out);
/// What is about to be done, and what waits for something that comes by itself.
void waiting(const View& view, Html& out);
void repositories(const View& view, Instant now, Html& out);
void domains(const View& view, Html& out);
/// The first `most` entries.
void recent(const std::vector<JournalEntry>& entries, Instant now, std::size_t most, Html& out);
void footer(const View& view, Html& out);

}  // namespace nelson::status
