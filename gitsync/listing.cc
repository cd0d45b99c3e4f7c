#include "gitsync/listing.h"

#include <git2.h>

#include <algorithm>
#include <string_view>

#include "gitsync/control_files.h"
#include "state/model/digest.h"

namespace nelson::git {

namespace {

constexpr std::size_t kMaximumReferenceName = 512;

}  // namespace

Reply<Listing> list_references(git_remote* remote, const PollRequest& request) {
  const git_remote_head** heads = nullptr;
  std::size_t count = 0;
  if (git_remote_ls(&heads, &count, remote) != 0) return failure(ErrorKind::kUnavailable, "GitTrouble", "");
  // An annotated tag is listed a second time, with what it points at.
  const auto peeled = std::count_if(heads, heads + count,
                                    [](const git_remote_head* head) { return std::string_view(head->name).ends_with("^{}"); });
  if (count - static_cast<std::size_t>(peeled) > kMaximumReferences)
    return failure(ErrorKind::kInvalid, "EndlessReferences", "the host lists more than 10,000 refs",
                   "delete branches and tags nobody needs");
  Listing out;
  const std::string branch = "refs/heads/" + request.branch;
  std::size_t seen = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view name = heads[i]->name;
    if (name.ends_with("^{}") || name == "HEAD") continue;
    if (name.size() > kMaximumReferenceName || git_reference_is_valid_name(heads[i]->name) != 1) {
      ++out.ignored;
      continue;
    }
    ++seen;
    const bool tag = request.tags && name.starts_with("refs/tags/") && match_tag(request.tag_pattern, name.substr(10)).has_value();
    if (tag || name == branch) out.references[std::string(name)] = heads[i]->oid;
  }
  out.branch_missing = !out.references.contains(branch);
  out.empty = seen == 0;
  return out;
}

std::string digest_of(const Listing& listing) {
  std::string text = listing.empty ? "empty" : listing.branch_missing ? "headless" : "";
  for (const auto& [name, id] : listing.references) {
    char hex[GIT_OID_HEXSZ + 1];
    text += "\n" + name + " " + git_oid_tostr(hex, sizeof hex, &id);
  }
  return to_hex(sha256(text));
}

}  // namespace nelson::git
