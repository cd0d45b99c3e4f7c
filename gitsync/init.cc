#include "gitsync/init.h"

#include <git2.h>

#include <filesystem>
#include <fstream>

#include "gitsync/handles.h"

namespace nelson {

namespace {

namespace fs = std::filesystem;

bool inside(const fs::path& path) {
  if (path.empty() || path.is_absolute()) return false;
  for (const fs::path& part : path)
    if (part == ".." || part == "." || part == ".git" || part.empty()) return false;
  return true;
}

Error failed(const std::string& folder, const std::string& what) {
  const std::string reason = git::last_error();
  return invalid(folder + ": " + what + (reason.empty() ? "" : ": " + reason));
}

Status write_files(const fs::path& folder, const std::vector<std::pair<std::string, std::string>>& files) {
  for (const auto& [path, content] : files) {
    std::error_code error;
    fs::create_directories((folder / path).parent_path(), error);
    std::ofstream out(folder / path, std::ios::binary);
    out << content;
    out.close();
    if (!out) return invalid((folder / path).string() + " cannot be written");
  }
  return {};
}

Status commit_files(git_repository* repository, const std::string& folder,
                    const std::vector<std::pair<std::string, std::string>>& files, const std::string& message) {
  git::Handle<git_index> index;
  if (git_repository_index(index.out(), repository) != 0) return failed(folder, "the index cannot be opened");
  for (const auto& [path, content] : files)
    if (git_index_add_bypath(index.get(), path.c_str()) != 0) return failed(folder, path + " cannot be added");
  git_oid tree_id, commit_id;
  git::Handle<git_tree> tree;
  git::Handle<git_signature> author;
  if (git_index_write(index.get()) != 0 || git_index_write_tree(&tree_id, index.get()) != 0 ||
      git_tree_lookup(tree.out(), repository, &tree_id) != 0)
    return failed(folder, "the files cannot be stored");
  if (git_signature_now(author.out(), "nelson init", "nelson@localhost") != 0 ||
      git_commit_create(&commit_id, repository, "HEAD", author.get(), author.get(), nullptr, message.c_str(), tree.get(), 0,
                        nullptr) != 0)
    return failed(folder, "the first commit cannot be made");
  return {};
}

}  // namespace

Status create_control_repository(const std::string& folder, const std::vector<std::pair<std::string, std::string>>& files,
                                 const std::string& message) {
  if (const Status started = git::start_library(); !started) return started;
  std::error_code error;
  if (fs::exists(folder, error) && !(fs::is_directory(folder, error) && fs::is_empty(folder, error)))
    return invalid(folder + " is there and is not an empty folder; name a new one");
  for (const auto& [path, content] : files)
    if (!inside(path)) return invalid("`" + path + "` is not a path inside " + folder);
  git_repository_init_options options;
  git_repository_init_options_init(&options, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
  options.flags = GIT_REPOSITORY_INIT_MKDIR | GIT_REPOSITORY_INIT_MKPATH;
  options.initial_head = "main";
  git::Handle<git_repository> repository;
  if (git_repository_init_ext(repository.out(), folder.c_str(), &options) != 0)
    return failed(folder, "cannot be made a Git repository");
  if (const Status written = write_files(folder, files); !written) return written;
  return commit_files(repository.get(), folder, files, message);
}

}  // namespace nelson
