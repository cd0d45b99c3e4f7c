#pragma once

#include <string>
#include <utility>

#include "gitsync/protocol.h"

struct git_commit;
struct git_index;
struct git_object;
struct git_odb;
struct git_odb_object;
struct git_reference;
struct git_reference_iterator;
struct git_remote;
struct git_repository;
struct git_signature;
struct git_tree;
struct git_tree_entry;

namespace nelson::git {

/// Frees each of libgit2's handles in its own way.
struct Free {
  void operator()(git_commit* handle) const;
  void operator()(git_index* handle) const;
  void operator()(git_object* handle) const;
  void operator()(git_odb* handle) const;
  void operator()(git_odb_object* handle) const;
  void operator()(git_reference* handle) const;
  void operator()(git_reference_iterator* handle) const;
  void operator()(git_remote* handle) const;
  void operator()(git_repository* handle) const;
  void operator()(git_signature* handle) const;
  void operator()(git_tree* handle) const;
  void operator()(git_tree_entry* handle) const;
};
/// Owns one handle. `out()` lets a libgit2 function fill it: `git_tree_lookup(tree.out(), ...)`.
template <class T>
class Handle {
 public:
  Handle() = default;
  explicit Handle(T* raw) : raw_(raw) {}
  Handle(Handle&& other) noexcept : raw_(other.release()) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~Handle() { reset(); }

  void reset(T* raw = nullptr) {
    if (raw_ != nullptr) Free()(raw_);
    raw_ = raw;
  }
  [[nodiscard]] T** out() {
    reset();
    return &raw_;
  }
  [[nodiscard]] T* get() const { return raw_; }
  T* release() { return std::exchange(raw_, nullptr); }
  explicit operator bool() const { return raw_ != nullptr; }

 private:
  T* raw_ = nullptr;
};

/// The text of libgit2's last error on this thread, "" when there is none. Not scrubbed.
[[nodiscard]] std::string last_error();

/// Sets the options every use of the library in this program needs, once: no configuration of the user or the machine is read, caches and
/// memory maps are small enough for a child's limits, hashes are verified, received packs are bounded. Owner validation stays on.
[[nodiscard]] Status start_library();

}  // namespace nelson::git
