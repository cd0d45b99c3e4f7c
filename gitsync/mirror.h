#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "gitsync/handles.h"
#include "gitsync/protocol.h"

namespace nelson::git {

/// Open repositories of one child and the questions about their objects. Nothing here uses the network or checks anything out; only
/// export_tree writes, and only below its folder. One thread.
class Mirrors {
 public:
  Mirrors();
  ~Mirrors();

  /// The repository at `path`; opened once and kept, bounded. Null with a failure in the Reply where it cannot be opened.
  Reply<git_repository*> open(const std::string& path);
  /// Forgets an open repository, before its folder is replaced or after its objects changed.
  void close(const std::string& path);

  Reply<References> answer(const ReferencesRequest& request);
  Reply<Entries> answer(const EntriesRequest& request);
  Reply<Blobs> answer(const BlobsRequest& request);
  Reply<Trees> answer(const TreesRequest& request);
  Reply<History> answer(const HistoryRequest& request);
  Reply<Truth> answer(const ContainsRequest& request);
  Reply<Truth> answer(const ExportRequest& request);
  Reply<OverlayAnswer> answer(const OverlayRequest& request);

  /// Whether there are objects that would end with this process.
  [[nodiscard]] bool has_overlays() const { return !overlays_.empty(); }

  /// What differs between two mirrors of one path; nothing when there is none.
  using Life = std::optional<std::tuple<dev_t, ino_t, std::int64_t, std::int64_t>>;

 private:
  struct Opened {
    Handle<git_repository> repository;
    Life life;
  };
  std::map<std::string, Opened> open_;
  std::map<std::string, Handle<git_repository>> overlays_;  // hold objects that exist in this process only: never evicted
};

/// The refs that matter in the mirror: the branch, and every tag that points at a commit.
Reply<References> references_of(git_repository* repository, const std::string& branch);

}  // namespace nelson::git
