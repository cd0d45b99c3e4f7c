#pragma once

#include <unistd.h>

#include <utility>

namespace nelson {

/// A file descriptor, closed with its owner. Negative: none.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~Descriptor() { reset(); }

  [[nodiscard]] int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

  /// Gives it away: nobody closes it any more.
  int release() { return std::exchange(number_, -1); }
  void reset(int number = -1) {
    if (number_ >= 0) ::close(number_);
    number_ = number;
  }
  /// Closes now, so that what close() has to say is heard.
  [[nodiscard]] bool close() { return ::close(release()) == 0; }

 private:
  int number_ = -1;
};

}  // namespace nelson
