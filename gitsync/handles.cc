#include "gitsync/handles.h"

#include <git2.h>

#include <mutex>

namespace nelson::git {

void Free::operator()(git_commit* handle) const { git_commit_free(handle); }
void Free::operator()(git_index* handle) const { git_index_free(handle); }
void Free::operator()(git_object* handle) const { git_object_free(handle); }
void Free::operator()(git_odb* handle) const { git_odb_free(handle); }
void Free::operator()(git_odb_object* handle) const { git_odb_object_free(handle); }
void Free::operator()(git_reference* handle) const { git_reference_free(handle); }
void Free::operator()(git_reference_iterator* handle) const { git_reference_iterator_free(handle); }
void Free::operator()(git_remote* handle) const { git_remote_free(handle); }
void Free::operator()(git_repository* handle) const { git_repository_free(handle); }
void Free::operator()(git_signature* handle) const { git_signature_free(handle); }
void Free::operator()(git_tree* handle) const { git_tree_free(handle); }
void Free::operator()(git_tree_entry* handle) const { git_tree_entry_free(handle); }

std::string last_error() {
  const git_error* error = git_error_last();
  return error != nullptr && error->message != nullptr ? error->message : std::string();
}

Status start_library() {
  static std::once_flag once;
  static bool started = false;
  std::call_once(once, [] {
    if (git_libgit2_init() < 0) return;
    constexpr std::size_t kMebibyte = 1U << 20;
    bool well = true;
    for (const int level : {GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL})
      well = well && git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "") == 0;
    well = well && git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, 8 * kMebibyte) == 0;
    well = well && git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, 64 * kMebibyte) == 0;
    well = well && git_libgit2_opts(GIT_OPT_SET_MWINDOW_FILE_LIMIT, static_cast<std::size_t>(64)) == 0;
    well = well && git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, static_cast<ssize_t>(8 * kMebibyte)) == 0;
    well = well && git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECTS, static_cast<std::size_t>(kMaximumObjects)) == 0;
    well = well && git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECT_SIZE, static_cast<std::size_t>(128 * kMebibyte)) == 0;
    well = well && git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1) == 0;
    well = well && git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 1) == 0;
    well = well && git_libgit2_opts(GIT_OPT_SET_USER_AGENT, "nelson") == 0;
    started = well;
  });
  if (!started) return internal("libgit2 does not start: " + last_error());
  return {};
}

}  // namespace nelson::git
