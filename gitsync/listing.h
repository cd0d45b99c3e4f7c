#pragma once

#include <git2/oid.h>

#include <cstdint>
#include <map>
#include <string>

#include "gitsync/handles.h"
#include "gitsync/protocol.h"

namespace nelson::git {

/// What the host lists of the refs that matter: name -> id.
struct Listing {
  std::map<std::string, git_oid> references;
  bool branch_missing = false, empty = false;
  std::uint64_t ignored = 0;
};

/// Takes from what the connected `remote` advertised the branch and, with `request.tags`, the tags of its pattern. A failure without a
/// message says that the library did not understand the host.
Reply<Listing> list_references(git_remote* remote, const PollRequest& request);

/// Equal for equal listings, whatever the host's order.
[[nodiscard]] std::string digest_of(const Listing& listing);

}  // namespace nelson::git
