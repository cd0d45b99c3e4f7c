#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace nelson::status_test {

/// How a served status server differs from an ordinary one.
struct ServedOptions {
  std::size_t fleet = 0;  // so many stacks; 0 is the small fleet of situations.h
  std::chrono::milliseconds request_time = std::chrono::seconds(5);
  std::chrono::milliseconds idle_time = std::chrono::seconds(60);
  std::chrono::milliseconds write_time = std::chrono::seconds(10);
  std::size_t max_connections = 8192;
};

/// A status server in a process of its own, so that what is done to it is measured from outside. Its secret is kSecret.
class Served {
 public:
  /// Starts it and waits for its address; "" when it does not come up.
  explicit Served(const ServedOptions& options = {});
  ~Served();
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] bool alive() const;

  /// From /proc: bytes, and what it used of the processors since it started.
  [[nodiscard]] std::size_t resident() const;
  [[nodiscard]] std::size_t peak() const;  // since forget_peak()
  void forget_peak() const;
  [[nodiscard]] std::chrono::milliseconds processor() const;
  [[nodiscard]] std::size_t descriptors() const;

  /// A counter of its /metrics, "nelson_http_open_connections".
  [[nodiscard]] std::uint64_t metric(const std::string& name) const;
  /// What it has logged, once `word` is in it or twenty seconds have passed.
  std::string log_with(const std::string& word);

 private:
  pid_t pid_ = -1;
  int life_ = -1;  // it ends when this is closed
  int said_ = -1;  // its address and its log
  std::string address_, log_;
};

inline constexpr std::int64_t kMiB = 1024 * 1024;
inline constexpr const char* kSecret = "password=canary-4711";

/// What one attack came to, for the table at the end.
struct Cost {
  std::string attack, outcome;
  std::chrono::milliseconds took{}, processor{};
  std::int64_t grown = 0, peak = 0;  // bytes
};

/// Takes the time and the server's memory from its making until end().
class Measure {
 public:
  explicit Measure(const Served& served);
  /// The cost, which also goes into the table that is printed after the last test.
  Cost end(std::string attack, std::string outcome);

 private:
  const Served& served_;
  std::chrono::steady_clock::time_point began_;
  std::chrono::milliseconds processor_;
  std::size_t resident_;
};

void print_costs();

/// The other end of Served: what main() does when the program was started for it. Ends with standard input.
int serve(const std::vector<std::string>& arguments);

}  // namespace nelson::status_test
