#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace nelson::status_test {

/// How each of a crowd behaves.
struct Manners {
  std::string first;                     // sent as soon as it is connected
  std::string drip;                      // then these, a byte each `pace`, over and over; "" for none
  std::chrono::milliseconds pace{1000};  // of one connection
  bool reads = true;                     // false: what is answered stays where it is
  bool resets = false;                   // ends with a reset once `first` is sent, and comes again
  int receive_buffer = 0;                // bytes; 0 leaves it to the system
};

/// Many clients in one thread that waits for events. Whom the server sends away comes again, so that the crowd stays as large as it is.
/// Ends by itself after `most`.
class Crowd {
 public:
  Crowd(const std::string& address, std::size_t size, Manners manners, std::chrono::seconds most = std::chrono::seconds(60));
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  /// Waits until so many are connected at once and have sent their first words; false when they are not within thirty seconds.
  [[nodiscard]] bool gathered(std::size_t count) const;
  /// Waits until so many came in all.
  [[nodiscard]] bool came(std::uint64_t count) const;

  [[nodiscard]] std::size_t present() const { return present_; }
  [[nodiscard]] std::uint64_t arrivals() const { return arrivals_; }

 private:
  struct Member {
    int fd = -1;
    std::size_t sent = 0;  // of `first`
    std::size_t dripped = 0;
    bool present = false;
  };
  using Clock = std::chrono::steady_clock;

  void run();
  void arrive(std::size_t member);
  void leave(std::size_t member);
  void on_event(std::size_t member, std::uint32_t events);
  /// False when the connection is gone.
  bool send_first(std::size_t member);
  void drip_until(Clock::time_point now);
  [[nodiscard]] Clock::time_point next_drip() const;

  const std::string address_;
  const Manners manners_;
  const Clock::time_point end_;
  Clock::time_point began_;
  std::uint64_t turn_ = 0;  // member turn_ % size sends the next byte
  std::vector<Member> members_;
  std::vector<std::size_t> away_;
  int epoll_ = -1;
  std::atomic<std::size_t> present_{0};
  std::atomic<std::uint64_t> arrivals_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace nelson::status_test
