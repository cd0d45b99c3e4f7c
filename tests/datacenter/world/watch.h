#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/datacenter/world/world.h"

namespace nelson::datacenter {

/// Looks at the witness's files all the time: no instance of a stack may ever live twice, and no stack may have more than it was allowed.
class Watch {
 public:
  explicit Watch(const World& world);
  ~Watch();

  /// At most so many living instances of `stack` from now on.
  void allow(const std::string& stack, std::size_t instances);
  /// Ends the watch and returns what was wrong, each thing once.
  std::vector<std::string> findings();

 private:
  void look();
  void judge(const std::string& what, const std::vector<World::Sighting>& sightings, std::size_t most);

  const World& world_;
  std::mutex mutex_;
  std::map<std::string, std::size_t> allowed_;
  std::vector<std::string> findings_;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

/// A steady stream of requests to one address from a thread of its own.
class Requests {
 public:
  explicit Requests(std::uint16_t port);
  ~Requests();

  /// Answers by the first word of their bodies (the stack) since the last call.
  std::map<std::string, int> take();
  /// Ends the stream and tells each request that got no good answer: when, how it ended and how long it took. Empty if there is none.
  std::string failures();
  [[nodiscard]] int made() const { return made_; }

 private:
  std::uint16_t port_;
  std::mutex mutex_;
  std::map<std::string, int> answers_;
  std::string failures_;  // of the thread until it has ended
  std::atomic<int> made_{0};
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

}  // namespace nelson::datacenter
