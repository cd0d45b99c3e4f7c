#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "gitsync/child.h"
#include "gitsync/control_files.h"
#include "gitsync/deployable.h"
#include "gitsync/manifest.h"
#include "gitsync/parsed_once.h"
#include "gitsync/resolve.h"

namespace nelson::git {

/// What was parsed before, by blob id: an unchanged blob is parsed once in the life of a process. Thread-safe.
struct Parsed {
  ParsedOnce<ManifestReading> manifests;
  ParsedOnce<DeployableReading> deployables;
  ParsedOnce<ControlReading> control;  // by "path blob"
  std::atomic<std::uint64_t> trees{0};

  [[nodiscard]] std::uint64_t blobs() const { return manifests.made() + deployables.made() + control.made(); }
};

/// A repository's objects, as one child gives them until a deadline.
class Source {
 public:
  Source(Child& child, std::string repository, Deadline deadline)
      : child_(child), repository_(std::move(repository)), deadline_(deadline) {}

  template <class Request>
  Reply<typename Request::Answer> ask(Request request) {
    request.repository = repository_;
    return child_.ask(request, deadline_);
  }
  /// What needs no answer must not go on for ever either.
  [[nodiscard]] bool late() const { return std::chrono::steady_clock::now() >= deadline_; }

 private:
  Child& child_;
  std::string repository_;
  Deadline deadline_;
};

/// Reads the releases that the refs name (semantics 2), each manifest file that does not read at its last good revision. state, head,
/// releases and problems are filled in; a failure is one of the machine (a damaged mirror, a killed child), never of an author.
Reply<RepositoryReading> read_repository(Source& source, const RepositoryFile& file, const References& references, Parsed& parsed);

/// Reads manifests and deployables of one tree as if it were the head. `commit` is what the releases name. Files that do not read are
/// taken from `current`, and so are versions where the tree gives none.
Reply<RepositoryReading> read_tree(Source& source, const RepositoryFile& file, const std::string& tree, const std::string& commit,
                                   const RepositoryReading& current, Parsed& parsed);

/// The control repository at one commit: of every file the newest revision that reads.
struct ControlRepositoryReading {
  std::string commit;
  ControlFiles files;
  std::vector<Problem> problems;
};
Reply<ControlRepositoryReading> read_control(Source& source, const std::string& commit, Parsed& parsed);

/// What is said of a file whose bytes were never asked for.
[[nodiscard]] Problem file_too_big();

}  // namespace nelson::git
