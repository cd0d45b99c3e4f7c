#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace nelson::haproxy_test {

/// A folder of its own under the system's temporary one, removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A port of 127.0.0.1 that nobody listened on a moment ago, outside the range that connections draw theirs from.
std::uint16_t free_port();

/// An instance of a stack: an HTTP server on 127.0.0.1 that answers every GET with its name, "/slow" after a wait, "/health" with 500 while
/// it is sick. Ends with the object.
class Instance {
 public:
  explicit Instance(std::string name, std::uint16_t port = free_port());
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] int requests() const { return requests_; }  // health checks not counted
  void set_sick(bool sick) { sick_ = sick; }
  static constexpr int kSlowMilliseconds = 4000;

 private:
  void accept_all();
  void converse(int connection);
  bool answer(int connection, const std::string& request);

  std::string name_;
  std::uint16_t port_;
  int listener_ = -1;
  std::atomic<bool> sick_ = false;
  std::atomic<bool> ending_ = false;
  std::atomic<int> requests_ = 0;
  std::atomic<int> open_ = 0;
  std::thread thread_;
};

/// A client with one connection that stays open between requests as long as the server lets it.
class Client {
 public:
  explicit Client(std::uint16_t port) : port_(port) {}
  ~Client() { hang_up(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// The body of a 200 answer; nothing, and `trouble()`, for anything else.
  std::optional<std::string> get(const std::string& path);
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  void hang_up();

 private:
  std::optional<std::string> fail(std::string why);
  bool connect();

  std::uint16_t port_;
  int socket_ = -1;
  std::string trouble_;
};

}  // namespace nelson::haproxy_test
