#pragma once

#include <cstdint>
#include <string_view>

namespace nelson::simulation {

/// A digest of a sequence of texts and numbers (FNV-1a): equal runs have equal traces.
class Trace {
 public:
  template <class... T>
  void add(const T&... values) {
    (one(values), ...);
  }
  [[nodiscard]] std::uint64_t value() const { return state_; }

 private:
  void one(std::string_view text) {
    for (const char c : text) byte(static_cast<unsigned char>(c));
    byte(0xff);
  }
  void one(std::uint64_t number) {
    for (int i = 0; i < 8; ++i, number >>= 8) byte(number & 0xff);
  }
  void byte(std::uint64_t value) { state_ = (state_ ^ value) * 0x100000001b3; }

  std::uint64_t state_ = 0xcbf29ce484222325;
};

}  // namespace nelson::simulation
