#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace nelson::status {

// What a request may look like (README.md, "Limits").
inline constexpr std::size_t kMaxHeader = 16 * 1024;
inline constexpr std::size_t kMaxRequestLine = 8 * 1024;
inline constexpr std::size_t kMaxPath = 2 * 1024;
inline constexpr std::size_t kMaxFields = 64;
inline constexpr std::size_t kMaxBody = 1024 * 1024;

/// What stands at the beginning of a connection's bytes.
struct Parsed {
  enum class Kind {
    kIncomplete,  // read on
    kRequest,     // `text` can be answered; `size` bytes are used up
    kRefused,     // answer `status` and close: what follows cannot be trusted to be a request
  } kind = Kind::kIncomplete;
  int status = 0;
  std::string_view reason;  // why it was refused, one sentence for the body
  std::string text;         // rewritten: nothing in it but the request line and the fields we know
  std::size_t size = 0;
  bool close = false;  // the client wants no further answer
};

/// Judges `bytes`; `searched` says how many were there last time without an end of header, and is updated. Pure.
[[nodiscard]] Parsed parse_request(std::string_view bytes, std::size_t& searched);

/// "Not Found" for 404.
[[nodiscard]] std::string_view phrase_of(int status);

}  // namespace nelson::status
