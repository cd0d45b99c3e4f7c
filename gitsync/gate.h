#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace nelson::git {

/// Every TCP connection that libgit2 opens for https while a gate stands goes through sockets of ours: only to the one host and port, or
/// to the proxy that the environment names, so that a redirect can reach no other server, not even another port of the same host; and
/// only a bounded number of bytes may come while refs are listed. One at a time, in one thread.
class Gate {
 public:
  Gate(std::string host, std::uint16_t port);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  /// From now on the bytes received are no longer counted.
  void listed() { counting_ = false; }

  /// "host:port" that was refused, "" when none was.
  [[nodiscard]] const std::string& refused() const { return refused_; }
  /// Whether more came than any list of refs that we take.
  [[nodiscard]] bool overflowed() const { return overflowed_; }

  // For the sockets.
  [[nodiscard]] bool allows(const std::string& host, const std::string& port);
  [[nodiscard]] bool allows_tunnel(const std::string& host_and_port);
  [[nodiscard]] bool allows_bytes(std::uint64_t count);

 private:
  std::vector<std::pair<std::string, std::string>> allowed_;  // (host, port); the first is the host itself
  bool counting_ = true, overflowed_ = false;
  std::uint64_t received_ = 0;
  std::string refused_;
};

}  // namespace nelson::git
