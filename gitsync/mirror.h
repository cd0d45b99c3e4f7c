#pragma once

#include <map>
#include <string>

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

 private:
  std::map<std::string, Handle<git_repository>> open_;
  std::map<std::string, Handle<git_repository>> overlays_;  // hold objects that exist in this process only: never evicted
};

/// The refs that matter in the mirror: the branch, and every tag that points at a commit.
Reply<References> references_of(git_repository* repository, const std::string& branch);

}  // namespace nelson::git
