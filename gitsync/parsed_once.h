#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace nelson::git {

/// Values by key, each made once however many threads ask. Bounded by their number and by the bytes they were made of: of two halves the
/// one that nobody has asked for since the other began to fill goes, and is made again on demand.
template <class T>
class ParsedOnce {
 public:
  using Value = std::shared_ptr<const T>;

  /// `count` values of together `bytes` are kept at least, twice as many at most.
  explicit ParsedOnce(std::size_t count = 25'000, std::uint64_t bytes = 32ULL << 20) : count_(count), bytes_(bytes) {}

  /// Null when it is not there; what was prepared a while ago may have gone.
  [[nodiscard]] Value find(const std::string& key) {
    std::shared_future<Value> found;
    {
      const std::lock_guard lock(mutex_);
      found = lookup(key);
    }
    return found.valid() ? found.get() : nullptr;
  }

  /// The value of `key`; `make()` gives it out of `size` bytes unless it is there. `make` must not throw.
  template <class Make>
  Value get(const std::string& key, std::uint64_t size, const Make& make) {
    std::promise<Value> promise;
    std::shared_future<Value> future;
    {
      const std::lock_guard lock(mutex_);
      future = lookup(key);
      if (!future.valid()) put(key, {promise.get_future().share(), size});
    }
    if (future.valid()) return future.get();
    ++made_;
    Value value = std::make_shared<const T>(make());
    promise.set_value(value);
    return value;
  }

  [[nodiscard]] std::uint64_t made() const { return made_; }

 private:
  struct Made {
    std::shared_future<Value> value;
    std::uint64_t size = 0;
  };

  std::shared_future<Value> lookup(const std::string& key) {
    if (const auto at = young_.find(key); at != young_.end()) return at->second.value;
    const auto at = old_.find(key);
    if (at == old_.end()) return {};
    const Made made = at->second;
    old_.erase(at);
    put(key, made);
    return made.value;
  }

  void put(const std::string& key, const Made& made) {
    if (young_.size() >= count_ || young_bytes_ + made.size > bytes_) {
      old_ = std::exchange(young_, {});
      young_bytes_ = 0;
    }
    young_bytes_ += made.size;
    young_[key] = made;
  }

  const std::size_t count_;
  const std::uint64_t bytes_;
  std::mutex mutex_;
  std::map<std::string, Made> young_, old_;
  std::uint64_t young_bytes_ = 0;
  std::atomic<std::uint64_t> made_{0};
};

}  // namespace nelson::git
