#include "tests/datacenter/world/watch.h"

#include <algorithm>
#include <utility>

namespace nelson::datacenter {

Watch::Watch(const World& world) : world_(world) {
  thread_ = std::thread([this] {
    while (!ended_) {
      look();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
}

Watch::~Watch() { findings(); }

void Watch::allow(const std::string& stack, std::size_t instances) {
  const std::lock_guard guard(mutex_);
  allowed_[stack] = instances;
}

std::vector<std::string> Watch::findings() {
  ended_ = true;
  if (thread_.joinable()) thread_.join();
  return findings_;
}

void Watch::look() {
  std::map<std::string, std::vector<World::Sighting>> by_instance;
  std::map<std::string, std::vector<World::Sighting>> by_stack;
  for (const World::Sighting& sighting : world_.witnessed()) {
    by_instance[sighting.stack + " instance " + sighting.instance].push_back(sighting);
    by_stack[sighting.stack].push_back(sighting);
  }
  for (const auto& [name, sightings] : by_instance) judge(name, sightings, 1);
  const std::lock_guard guard(mutex_);
  for (const auto& [stack, most] : allowed_) judge(stack, by_stack[stack], most);
}

/// One life may end and the next begin while the files are read: only those that are all still there a moment later were there together.
void Watch::judge(const std::string& what, const std::vector<World::Sighting>& sightings, std::size_t most) {
  if (sightings.size() <= most) return;
  const auto living =
      std::count_if(sightings.begin(), sightings.end(), [](const World::Sighting& one) { return alive(one.process); });
  if (static_cast<std::size_t>(living) <= most) return;
  std::string finding = what + " lives " + std::to_string(living) + " times, allowed are " + std::to_string(most);
  if (std::find(findings_.begin(), findings_.end(), finding) == findings_.end()) findings_.push_back(std::move(finding));
}

Requests::Requests(std::uint16_t port) : port_(port) {
  thread_ = std::thread([this] {
    while (!ended_) {
      const auto begun = std::chrono::system_clock::now();
      const Answer answer = http_get(port_, "/");
      ++made_;
      if (answer.status != 200) {
        const auto in_milliseconds = [](auto span) {
          return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(span).count());
        };
        failures_ += "begun " + in_milliseconds(begun.time_since_epoch()) + " ms after 1970, took " +
                     in_milliseconds(std::chrono::system_clock::now() - begun) + " ms: status " + std::to_string(answer.status) +
                     ' ' + answer.body + answer.broken + '\n';
      }
      const std::lock_guard guard(mutex_);
      ++answers_[answer.status == 200 ? answer.body.substr(0, answer.body.find(' ')) : "status " + std::to_string(answer.status)];
    }
  });
}

Requests::~Requests() { failures(); }

std::map<std::string, int> Requests::take() {
  const std::lock_guard guard(mutex_);
  return std::exchange(answers_, {});
}

std::string Requests::failures() {
  ended_ = true;
  if (thread_.joinable()) thread_.join();
  return failures_;
}

}  // namespace nelson::datacenter
