#pragma once

#include <atomic>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace nelson::git {

/// Values by key, each made once however many threads ask. Bounded: when it is full, everything is forgotten and made again on demand.
template <class T>
class ParsedOnce {
 public:
  using Value = std::shared_ptr<const T>;

  [[nodiscard]] Value find(const std::string& key) const {
    std::shared_future<Value> found;
    {
      const std::lock_guard lock(mutex_);
      const auto at = values_.find(key);
      if (at == values_.end()) return nullptr;
      found = at->second;
    }
    return found.get();
  }

  /// The value of `key`; `make()` gives it unless it is there. `make` must not throw.
  template <class Make>
  Value get(const std::string& key, const Make& make) {
    std::promise<Value> promise;
    std::shared_future<Value> future;
    {
      const std::lock_guard lock(mutex_);
      if (const auto at = values_.find(key); at != values_.end()) {
        future = at->second;
      } else {
        if (values_.size() >= kMaximum) values_.clear();
        values_[key] = promise.get_future().share();
      }
    }
    if (future.valid()) return future.get();
    ++made_;
    Value value = std::make_shared<const T>(make());
    promise.set_value(value);
    return value;
  }

  [[nodiscard]] std::uint64_t made() const { return made_; }

 private:
  static constexpr std::size_t kMaximum = 50'000;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_future<Value>> values_;
  std::atomic<std::uint64_t> made_{0};
};

}  // namespace nelson::git
