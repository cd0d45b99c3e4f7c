#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "state/model/reflect.h"

namespace nelson::wire {

// What the controller and its Git children say to each other, as bytes: integers in eight bytes, texts and lists led by their length,
// described structs as their fields in order. Both ends are the same program, so there is nothing to version; the reader still trusts
// nothing, because a child has worked on strangers' bytes.

class Writer {
 public:
  template <class T>
  requires std::integral<T> || std::is_enum_v<T>
  void operator()(const T& value) {
    const auto wide = static_cast<std::uint64_t>(value);
    for (int shift = 0; shift < 64; shift += 8) bytes_ += static_cast<char>(wide >> shift);
  }
  void operator()(const std::string& value) {
    (*this)(value.size());
    bytes_ += value;
  }
  template <class T>
  void operator()(const std::vector<T>& values) {
    (*this)(values.size());
    for (const T& value : values) (*this)(value);
  }
  template <Described T>
  void operator()(const T& value) {
    T::visit(value, [this](std::string_view, const auto& member) { (*this)(member); });
  }

  [[nodiscard]] std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// Reads what Writer wrote. After the first thing that does not fit, ok() is false and every value read is a default one.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  requires std::integral<T> || std::is_enum_v<T>
  void operator()(T& value) {
    std::uint64_t wide = 0;
    const std::string_view text = take(8);
    for (std::size_t i = 0; i < text.size(); ++i)
      wide |= static_cast<std::uint64_t>(static_cast<unsigned char>(text[i])) << (8 * i);
    if constexpr (std::is_enum_v<T>) {
      if (wide >= kNames<T>.size()) return fail();
    }
    value = static_cast<T>(wide);
  }
  void operator()(std::string& value) { value = take(length(1)); }
  template <class T>
  void operator()(std::vector<T>& values) {
    const std::size_t count = length(1);  // every element takes at least a byte, so a lying count cannot make room without end
    for (std::size_t i = 0; i < count && ok_; ++i) (*this)(values.emplace_back());
  }
  template <Described T>
  void operator()(T& value) {
    T::visit(value, [this](std::string_view, auto& member) { (*this)(member); });
  }

  /// Whether everything fitted so far.
  [[nodiscard]] bool ok() const { return ok_; }
  /// Whether everything fitted and nothing is left.
  [[nodiscard]] bool complete() const { return ok_ && rest_.empty(); }

 private:
  std::size_t length(std::size_t least) {
    std::uint64_t count = 0;
    (*this)(count);
    if (count > rest_.size() / least) fail();
    return ok_ ? count : 0;
  }
  std::string_view take(std::size_t size) {
    if (size > rest_.size()) fail();
    if (!ok_) return {};
    const std::string_view out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }
  void fail() {
    ok_ = false;
    rest_ = {};
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace nelson::wire
