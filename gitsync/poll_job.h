#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "gitsync/control_files.h"
#include "gitsync/lanes.h"
#include "gitsync/protocol.h"
#include "gitsync/reading.h"

namespace nelson::git {

/// The control repository's name, here and in problems.
inline constexpr const char* kControl = "control";

/// What a job needs to know of its repository; a copy, so that the job shares nothing with the owner.
struct Target {
  RepositoryFile file;
  std::string mirror, host;
  std::uint64_t generation = 0;
  bool first = false;  // nothing was read yet: begin with what the mirror has
  bool offline = false;
  std::string known;
  References references;  // of the reading in force
  std::chrono::milliseconds deadline{}, list_deadline{};
};

/// What a job found out. Several may come of one job; the last one ends it.
struct Finding {
  std::string name, mirror;
  std::uint64_t generation = 0;
  bool last = false;
  bool answered = false;  // the host did
  bool rebuilt = false, branch_missing = false, empty = false;
  std::uint64_t ignored = 0;
  std::string digest;
  std::optional<Failure> failure;
  std::optional<References> references;
  std::optional<RepositoryReading> reading;
  std::optional<ControlRepositoryReading> control;
  std::chrono::milliseconds took{};
};

/// Asks a repository's host and reads what is new. Thread-safe: lanes run many at a time.
class Poller {
 public:
  /// `lanes` hears which hosts answered; it outlives the last run().
  Poller(Parsed& parsed, Lanes& lanes) : parsed_(parsed), lanes_(lanes) {}

  /// One job. `post` gets every Finding; the last one has `last`.
  void run(Child& child, const Target& target, const std::function<void(Finding)>& post);

  [[nodiscard]] std::uint64_t ref_lists() const { return ref_lists_; }
  [[nodiscard]] std::uint64_t fetches() const { return fetches_; }

 private:
  std::optional<References> run_from_mirror(Child& child, const Target& target, const std::function<void(Finding)>& post);
  std::optional<Failure> read(Source& source, const Target& target, const References& references, Finding& finding);
  void ask_host(Child& child, const Target& target, const std::optional<References>& known, Finding& finding);
  std::optional<Failure> poll_once(Child& child, const Target& target, const std::optional<References>& known, bool rebuild,
                                   Finding& finding);

  Parsed& parsed_;
  Lanes& lanes_;
  std::atomic<std::uint64_t> ref_lists_{0}, fetches_{0};
};

/// What is said of a target that was skipped because its host does not answer.
[[nodiscard]] Failure silent_host(const Target& target);

}  // namespace nelson::git
