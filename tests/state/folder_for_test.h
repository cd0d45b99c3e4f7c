#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "state/store.h"

namespace nelson::tests {

/// A folder of its own for one test, removed with all that is in it.
class TestFolder {
 public:
  TestFolder() {
    // In memory where that is possible: hundreds of commits a test, and none of them has to survive the machine.
    const std::filesystem::path base = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : std::filesystem::temp_directory_path();
    std::string name = (base / "nelson-state-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~TestFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string store() const { return path_ + "/store"; }
  [[nodiscard]] std::string data() const { return store() + "/data.mdb"; }

  [[nodiscard]] StoreOptions options() const {
    StoreOptions options;
    options.folder = store();
    options.max_bytes = std::size_t{64} << 20;
    options.holder = "nelson test";
    options.keep_free = 0;
    return options;
  }

 private:
  std::string path_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
}

/// The store at `options`, which must open.
inline std::unique_ptr<Store> opened(const StoreOptions& options) {
  Result<std::unique_ptr<Store>> store = Store::open(options);
  if (!store) {
    ADD_FAILURE() << store.error().message;
    return nullptr;
  }
  return std::move(store).value();
}

inline Instant at(std::int64_t milliseconds) { return Instant(Duration(milliseconds)); }

inline JournalEntry intent(const std::string& stack, const std::string& effect = "launch") {
  JournalEntry entry;
  entry.pass = 1;
  entry.intended = at(1000);
  entry.domain = "home";
  entry.unit = "web";
  entry.stack = stack;
  entry.effect = effect;
  entry.reason = "declared at 3f2c1aa";
  return entry;
}

}  // namespace nelson::tests
