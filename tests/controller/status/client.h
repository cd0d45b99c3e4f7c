#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace nelson::status_test {

/// A plain TCP connection that a test may misuse. Everything is bounded in time.
class Client {
 public:
  /// `address` as StatusServer::address gives it.
  explicit Client(const std::string& address);
  Client(Client&& other) noexcept;
  Client& operator=(Client&& other) noexcept;
  ~Client();

  [[nodiscard]] bool connected() const { return fd_ >= 0; }
  /// Sends what it can until the other side closes; returns how many bytes it took.
  std::size_t send(std::string_view bytes);
  /// Sends `chunk` again and again, `total` bytes in all, until refused. Returns how many went out.
  std::size_t flood(std::string_view chunk, std::size_t total);
  void end_sending() const;
  /// Reads one whole answer (by its Content-Length; none for `head`); what arrived when the other side closes or time is up.
  std::string read_answer(bool head = false, std::chrono::milliseconds limit = std::chrono::seconds(20));
  /// Reads until the other side closes; false when it does not in time.
  bool closed(std::chrono::milliseconds limit = std::chrono::seconds(20));
  void close();

 private:
  bool wait(short what, std::chrono::steady_clock::time_point end) const;
  bool read_some(std::chrono::steady_clock::time_point end);

  int fd_ = -1;
  std::string buffer_;
  bool ended_ = false;
};

/// "GET `target` HTTP/1.1" with a Host and no more.
[[nodiscard]] std::string get(std::string_view target);
/// Sends `request` on a connection of its own and returns the answer.
std::string ask(const std::string& address, std::string_view request);

[[nodiscard]] int status_of_answer(std::string_view answer);  // 0: none came
[[nodiscard]] std::string body_of(std::string_view answer);
/// The value of the field `name` (as the server spells it); "" when absent.
[[nodiscard]] std::string field_of(std::string_view answer, std::string_view name);

/// Whether a sanitizer is at work: it keeps freed memory and is slow, so memory and time are not judged then.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

/// Resident memory of this process, in bytes.
[[nodiscard]] std::size_t resident();

}  // namespace nelson::status_test
