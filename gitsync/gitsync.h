#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "state/model/desired.h"
#include "state/model/result.h"

namespace nelson {

/// Where secrets are, never what they are: `env:NAME`, `file:/path` (mode checked when read).
struct CredentialReferences {
  std::string token;        // https: sent as the password of user "x-access-token" unless `user` says otherwise
  std::string user;         // a plain name, not a reference
  std::string ssh_key;      // file:/path only
  std::string known_hosts;  // file:/path only; required for ssh
  std::string ca;           // file:/path only; a private CA in addition to the system's
};

struct GitsyncOptions {
  std::string control_url;
  std::string control_branch = "main";
  CredentialReferences control_credentials;
  std::string folder;  // mirrors live in it; made when missing, mode 0700
  std::chrono::milliseconds poll = std::chrono::seconds(30);
  std::chrono::milliseconds deadline = std::chrono::seconds(60);  // per repository and request
  std::string program;   // the nelson binary, for `git-worker` children; "" is /proc/self/exe
  bool offline = false;  // `nelson diff`: only what the mirrors have; nothing is fetched or written
};

/// A repository's manifest taken from somewhere else than its ref, for `nelson diff`.
struct Overlay {
  std::string repository;  // its name in repositories/
  std::string path;        // a working copy: its manifest and deployables as they lie there ...
  std::string revision;    // ... or, when not "", the commit-ish `revision` in the repository at `path`
};

/// Git in, Desired out. Not thread-safe: one thread owns it, except where said otherwise.
class Gitsync {
 public:
  /// Prepares the folder and the children. kInvalid names the option that cannot be met.
  static Result<std::unique_ptr<Gitsync>> open(GitsyncOptions options);
  virtual ~Gitsync() = default;

  /// Lists refs of the control repository and of every repository whose poll is due (`all`: of every one), fetches those that
  /// changed, reads what is new and returns the result. The same pointer as last time when nothing changed. Never throws; bounded in
  /// time by one deadline for all repositories together, slow ones being finished by a later call. Trouble is in Desired::problems. An
  /// error only when the control repository was never readable: then nothing is desired and nothing may be done.
  virtual Result<std::shared_ptr<const Desired>> sync(bool all) = 0;

  /// When the next poll is due, for the loop's timer.
  [[nodiscard]] virtual std::chrono::steady_clock::time_point due() const = 0;

  /// What would be desired if `overlay` were pushed. Reads only.
  virtual Result<Desired> with_overlay(const Overlay& overlay) = 0;

  /// The repository in repositories/ whose url is that of a remote of the working copy at `path`, or, failing that, the only one that
  /// claims its units. For `nelson diff PATH`.
  virtual Result<std::string> repository_at(const std::string& path) = 0;

  /// Whether `ancestor` is reachable from `commit` in `repository` ("control" for the control repository). Thread-safe.
  virtual Result<bool> contains(const std::string& repository, const std::string& commit, const std::string& ancestor) = 0;

  /// Writes a tree of a mirror into the empty folder `folder`: regular files with their executable bit, read-only; at most 64 MiB and
  /// 10,000 files; done by a Git child. Thread-safe.
  virtual Status export_tree(const std::string& repository, const std::string& tree, const std::string& folder) = 0;

  /// What it has cost so far, for /metrics and tests.
  struct Counters {
    std::uint64_t ref_lists = 0, fetches = 0, blobs_parsed = 0, trees_read = 0, children_started = 0;
  };
  [[nodiscard]] virtual Counters counters() const = 0;
};

/// `nelson git-worker`: the child that does all network and object work. Speaks on descriptor 3. Returns the exit status.
int git_worker_main();

}  // namespace nelson
