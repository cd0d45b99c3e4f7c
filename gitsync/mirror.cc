#include "gitsync/mirror.h"

#include <fcntl.h>
#include <git2.h>
#include <git2/sys/mempack.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>

#include "gitsync/characters.h"

namespace nelson::git {

namespace {

constexpr std::size_t kOpenRepositories = 32;
constexpr std::size_t kMaximumHistoryEntries = 100'000;  // of all revisions of one answer

Failure damaged(const std::string& what) {
  const std::string reason = last_error();
  return failure(ErrorKind::kUnavailable, kMirrorDamaged, what + (reason.empty() ? "" : ": " + reason),
                 "the mirror is fetched anew");
}

Failure unknown_commit(const std::string& id) {
  return failure(ErrorKind::kUnavailable, "CommitMissing", "there is no commit or tree " + id.substr(0, 40) + " in the mirror",
                 "push it again, or wait for the next fetch");
}

std::optional<git_oid> parse_id(const std::string& text) {
  git_oid id;
  if (text.size() != GIT_OID_HEXSZ || git_oid_fromstr(&id, text.c_str()) != 0) return std::nullopt;
  return id;
}

std::string to_text(const git_oid* id) {
  char text[GIT_OID_HEXSZ + 1];
  return git_oid_tostr(text, sizeof text, id);
}

/// The tree of a commit, or the tree itself.
Reply<bool> find_tree(git_repository* repository, const std::string& text, Handle<git_tree>& tree) {
  const std::optional<git_oid> id = parse_id(text);
  if (!id) return unknown_commit(text);
  Handle<git_object> object;
  const int found = git_object_lookup(object.out(), repository, &*id, GIT_OBJECT_ANY);
  if (found == GIT_ENOTFOUND) return unknown_commit(text);
  if (found != 0) return damaged("object " + text + " cannot be read");
  Handle<git_object> peeled;
  if (git_object_peel(peeled.out(), object.get(), GIT_OBJECT_TREE) != 0) return damaged("the tree of " + text + " cannot be read");
  tree.reset(reinterpret_cast<git_tree*>(peeled.release()));
  return true;
}

bool regular(const git_tree_entry* entry) {
  const git_filemode_t mode = git_tree_entry_filemode(entry);
  return mode == GIT_FILEMODE_BLOB || mode == GIT_FILEMODE_BLOB_EXECUTABLE;
}

bool folder(const git_tree_entry* entry) { return git_tree_entry_filemode(entry) == GIT_FILEMODE_TREE; }

bool is_deployable(std::string_view name) { return name.ends_with(".deployable.yml"); }

bool is_manifest(std::string_view name) { return name == ".nelson.yml"; }

/// Names with control characters or broken UTF-8 cannot be shown, pushed from every system, or asked for; they are not ours.
bool takeable(std::string_view name) {
  if (name.empty() || name.size() > 255 || name == "." || name == "..") return false;
  for (std::size_t i = 0; i < name.size();) {
    const auto c = static_cast<unsigned char>(name[i]);
    if (c < 0x20 || c == 0x7f || c == '/' || c == '\\') return false;
    const std::size_t length = utf8_length(name, i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

class TreeWalk {
 public:
  TreeWalk(git_repository* repository, EntryFilter filter) : repository_(repository), filter_(filter) {}

  /// False when an object cannot be read.
  bool walk(const git_tree* tree, const std::string& prefix, std::size_t depth) {
    const std::size_t count = git_tree_entrycount(tree);
    for (std::size_t i = 0; i < count; ++i) {
      if (++visited_ > kMaximumVisited) {
        out_.truncated = true;
        return true;
      }
      const git_tree_entry* entry = git_tree_entry_byindex(tree, i);
      const std::string_view name = git_tree_entry_name(entry);
      if (!takeable(name)) continue;
      const bool wanted = filter_ == EntryFilter::kAll || is_manifest(name) || is_deployable(name);
      if (folder(entry) && !(filter_ == EntryFilter::kManifests && wanted)) {
        if (!descend(entry, prefix + std::string(name) + "/", depth)) return false;
      } else if (wanted && !add(entry, prefix + std::string(name))) {
        return true;
      }
      if (out_.truncated) return true;
    }
    return true;
  }

  Entries take() {
    std::sort(out_.entries.begin(), out_.entries.end(), [](const Entry& a, const Entry& b) { return a.path < b.path; });
    return std::move(out_);
  }

 private:
  bool descend(const git_tree_entry* entry, const std::string& prefix, std::size_t depth) {
    if (depth + 1 > kMaximumDepth) return true;
    Handle<git_tree> tree;
    if (git_tree_lookup(tree.out(), repository_, git_tree_entry_id(entry)) != 0) return false;
    return walk(tree.get(), prefix, depth + 1);
  }
  bool add(const git_tree_entry* entry, std::string path) {
    if (out_.entries.size() >= kMaximumEntries) {
      out_.truncated = true;
      return false;
    }
    out_.entries.push_back({std::move(path), to_text(git_tree_entry_id(entry)), regular(entry)});
    return true;
  }

  git_repository* repository_;
  EntryFilter filter_;
  Entries out_;
  std::size_t visited_ = 0;
};

/// A ref's commit, through annotated tags (libgit2 bounds nothing here, so we do); "" when it names something else. What cannot be read
/// is no answer: a tag that is left out would make an older one the highest.
Reply<std::string> commit_of(git_repository* repository, const git_oid* target) {
  Handle<git_object> object;
  if (git_object_lookup(object.out(), repository, target, GIT_OBJECT_ANY) != 0)
    return damaged("object " + to_text(target) + " of a ref cannot be read");
  for (int depth = 0; depth < 8 && git_object_type(object.get()) == GIT_OBJECT_TAG; ++depth) {
    const git_oid* const tagged = git_tag_target_id(reinterpret_cast<git_tag*>(object.get()));
    Handle<git_object> next;
    if (git_object_lookup(next.out(), repository, tagged, GIT_OBJECT_ANY) != 0)
      return damaged("object " + to_text(tagged) + " of a tag cannot be read");
    object = std::move(next);
  }
  if (git_object_type(object.get()) != GIT_OBJECT_COMMIT) return std::string();
  return to_text(git_object_id(object.get()));
}

/// The folder at `path` ("a/b") below `root`; empty when there is none. Libgit2's own walk has one error for that and for lost objects.
Reply<Handle<git_tree>> folder_at(git_repository* repository, const git_tree* root, std::string_view path) {
  Handle<git_tree> tree;
  for (const git_tree* inside = root; !path.empty(); inside = tree.get()) {
    const std::string name(path.substr(0, path.find('/')));
    path.remove_prefix(std::min(path.size(), name.size() + 1));
    const git_tree_entry* entry = git_tree_entry_byname(inside, name.c_str());
    if (entry == nullptr || !folder(entry)) return Handle<git_tree>();
    Handle<git_tree> next;
    if (git_tree_lookup(next.out(), repository, git_tree_entry_id(entry)) != 0)
      return damaged("the folder " + name + " cannot be read");
    tree = std::move(next);
  }
  return tree;
}

/// The entries of one folder that a manifest's reading depends on: the file itself and, with `siblings`, the deployables beside it.
std::vector<Entry> entries_beside(const git_tree* tree, const std::string& directory, const std::string& name, bool siblings) {
  std::vector<Entry> out;
  const std::size_t count = git_tree_entrycount(tree);
  for (std::size_t i = 0; i < count && out.size() < kMaximumEntries; ++i) {
    const git_tree_entry* entry = git_tree_entry_byindex(tree, i);
    const std::string_view entry_name = git_tree_entry_name(entry);
    if (entry_name == name || (siblings && is_deployable(entry_name) && takeable(entry_name)))
      out.push_back({directory + std::string(entry_name), to_text(git_tree_entry_id(entry)), regular(entry)});
  }
  std::sort(out.begin(), out.end(), [](const Entry& a, const Entry& b) { return a.path < b.path; });
  return out;
}

/// Writes a tree into a folder, counting.
class Exporter {
 public:
  explicit Exporter(git_repository* repository) : repository_(repository) {}

  Reply<bool> write(const git_tree* tree, int directory, const std::string& shown, std::size_t depth) {
    if (depth > kMaximumDepth) return too_much("is more than 32 folders deep");
    const std::size_t count = git_tree_entrycount(tree);
    for (std::size_t i = 0; i < count; ++i) {
      const git_tree_entry* entry = git_tree_entry_byindex(tree, i);
      const std::string name = git_tree_entry_name(entry);
      if (!takeable(name) || name == ".git") continue;
      Reply<bool> done = folder(entry)    ? write_folder(entry, directory, name, shown + name + "/", depth)
                         : regular(entry) ? write_file(entry, directory, name, shown + name)
                                          : Reply<bool>(true);  // symbolic links and submodules have no place in a stack's folder
      if (!done) return done;
    }
    return true;
  }

 private:
  static Failure too_much(const std::string& how) {
    return failure(ErrorKind::kInvalid, "TreeTooBig", "the tree " + how, "name a smaller folder in the deployable's `tree`");
  }
  static Failure system(const std::string& shown) {
    const ErrorKind kind = errno == ENOSPC ? ErrorKind::kUnavailable : ErrorKind::kInternal;
    return failure(kind, "TreeNotWritten", shown + " cannot be written: " + std::strerror(errno),
                   "make room, or check the domain's folder");
  }

  Reply<bool> write_folder(const git_tree_entry* entry, int directory, const std::string& name, const std::string& shown,
                           std::size_t depth) {
    if (++files_ > kMaximumExportFiles) return too_much("has more than 10,000 files and folders");
    Handle<git_tree> tree;
    if (git_tree_lookup(tree.out(), repository_, git_tree_entry_id(entry)) != 0)
      return damaged("the tree " + shown + " cannot be read");
    if (::mkdirat(directory, name.c_str(), 0700) != 0) return system(shown);
    const int inner = ::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0) return system(shown);
    Reply<bool> done = write(tree.get(), inner, shown, depth + 1);
    if (done && ::fchmod(inner, 0555) != 0) done = system(shown);
    ::close(inner);
    return done;
  }

  Reply<bool> write_file(const git_tree_entry* entry, int directory, const std::string& name, const std::string& shown) {
    if (++files_ > kMaximumExportFiles) return too_much("has more than 10,000 files and folders");
    Handle<git_odb> objects;
    std::size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;
    if (git_repository_odb(objects.out(), repository_) != 0 ||
        git_odb_read_header(&size, &type, objects.get(), git_tree_entry_id(entry)) != 0 || type != GIT_OBJECT_BLOB)
      return damaged("the file " + shown + " cannot be read");
    if ((bytes_ += size) > kMaximumExport) return too_much("has more than 64 MiB");
    Handle<git_odb_object> blob;
    if (git_odb_read(blob.out(), objects.get(), git_tree_entry_id(entry)) != 0)
      return damaged("the file " + shown + " cannot be read");
    const int file = ::openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) return system(shown);
    std::string_view rest(static_cast<const char*>(git_odb_object_data(blob.get())), git_odb_object_size(blob.get()));
    bool well = true;
    while (!rest.empty() && well) {
      const ssize_t count = ::write(file, rest.data(), rest.size());
      if (count < 0 && errno == EINTR) continue;
      well = count > 0;
      if (well) rest.remove_prefix(static_cast<std::size_t>(count));
    }
    const bool executable = git_tree_entry_filemode(entry) == GIT_FILEMODE_BLOB_EXECUTABLE;
    well = well && ::fchmod(file, executable ? 0555 : 0444) == 0;
    const Failure trouble = well ? Failure() : system(shown);
    ::close(file);
    if (!well) return trouble;
    return true;
  }

  git_repository* repository_;
  std::size_t files_ = 0;
  std::uint64_t bytes_ = 0;
};

std::vector<std::string> remote_urls(git_repository* repository) {
  std::vector<std::string> out;
  git_strarray names{};
  if (git_remote_list(&names, repository) != 0) return out;
  for (std::size_t i = 0; i < names.count; ++i) {
    Handle<git_remote> remote;
    if (git_remote_lookup(remote.out(), repository, names.strings[i]) != 0) continue;
    if (const char* url = git_remote_url(remote.get())) out.emplace_back(url);
  }
  git_strarray_dispose(&names);
  return out;
}

/// From here on new objects of `repository` go to memory; what lies in its files stays readable.
Status keep_new_objects_in_memory(git_repository* repository) {
  Handle<git_odb> objects;
  if (git_repository_odb(objects.out(), repository) != 0) return unavailable(last_error());
  git_odb_backend* memory = nullptr;
  if (git_mempack_new(&memory) != 0) return internal(last_error());
  // Above the priorities of packed and loose files, so that writes reach it first.
  if (git_odb_add_backend(objects.get(), memory, 999) != 0) {
    memory->free(memory);
    return internal(last_error());
  }
  return {};
}

/// What a commit of everything would hold: all files that are not ignored, as they lie there.
Reply<std::string> tree_of_working_copy(git_repository* repository) {
  const auto failed = [] {
    return failure(ErrorKind::kUnavailable, "WorkingCopy", "the working copy cannot be read: " + last_error(),
                   "check the files git status names");
  };
  if (const Status memory = keep_new_objects_in_memory(repository); !memory)
    return failure(memory.error().kind, "WorkingCopy", memory.error().message);
  Handle<git_index> index;
  if (git_repository_index(index.out(), repository) != 0) return failed();
  char everything[] = "*";
  char* patterns[] = {everything};
  const git_strarray all{patterns, 1};
  if (git_index_add_all(index.get(), &all, GIT_INDEX_ADD_DEFAULT, nullptr, nullptr) != 0) return failed();
  if (git_index_update_all(index.get(), &all, nullptr, nullptr) != 0) return failed();
  git_oid tree;
  if (git_index_write_tree_to(&tree, index.get(), repository) != 0) return failed();
  return to_text(&tree);
}

/// HEAD is written when a mirror is made and never again.
Mirrors::Life life_of(const std::string& path) {
  struct stat about {};
  if (::stat((path + "/HEAD").c_str(), &about) != 0) return std::nullopt;
  return std::tuple(about.st_dev, about.st_ino, about.st_ctim.tv_sec, about.st_ctim.tv_nsec);
}

}  // namespace

Mirrors::Mirrors() = default;
Mirrors::~Mirrors() = default;

Reply<git_repository*> Mirrors::open(const std::string& path) {
  if (const auto found = overlays_.find(path); found != overlays_.end()) return found->second.get();
  // A mirror that was thrown away and made anew, perhaps by another child, must not be read through old descriptors.
  const Life life = life_of(path);
  if (const auto found = open_.find(path); found != open_.end()) {
    if (life && found->second.life == life) return found->second.repository.get();
    open_.erase(found);
  }
  if (open_.size() >= kOpenRepositories) open_.erase(open_.begin());
  Handle<git_repository> repository;
  const int error = git_repository_open_bare(repository.out(), path.c_str());
  if (error == GIT_ENOTFOUND && ::access(path.c_str(), F_OK) != 0)
    return failure(ErrorKind::kUnavailable, "MirrorMissing", "nothing has been fetched yet", "wait for the first fetch");
  if (error == GIT_EOWNER)
    return failure(ErrorKind::kInvalid, "MirrorOwner", "the mirror folder belongs to another user",
                   "run nelson as the user that owns its folder");
  if (error != 0) return damaged("the mirror cannot be opened");
  Handle<git_reference> head;
  if (git_reference_lookup(head.out(), repository.get(), "HEAD") != 0) return damaged("the mirror cannot be opened");
  git_repository* raw = repository.get();
  open_[path] = {std::move(repository), life};
  return raw;
}

void Mirrors::close(const std::string& path) { open_.erase(path); }

Reply<References> references_of(git_repository* repository, const std::string& branch) {
  References out;
  Handle<git_reference> head;
  const int found = git_reference_lookup(head.out(), repository, ("refs/heads/" + branch).c_str());
  if (found == 0 && git_reference_type(head.get()) == GIT_REFERENCE_DIRECT) {
    const Reply<std::string> commit = commit_of(repository, git_reference_target(head.get()));
    if (!commit) return commit.failure();
    if (commit->empty()) return damaged("the branch's commit cannot be read");
    out.head = *commit;
  } else if (found != GIT_ENOTFOUND && found != GIT_EINVALIDSPEC) {
    return damaged("the branch cannot be read");
  }
  Handle<git_reference_iterator> tags;
  if (git_reference_iterator_glob_new(tags.out(), repository, "refs/tags/*") != 0) return damaged("the tags cannot be read");
  git_reference* raw = nullptr;
  int error = 0;
  while ((error = git_reference_next(&raw, tags.get())) == 0) {
    const Handle<git_reference> tag(raw);
    if (git_reference_type(raw) != GIT_REFERENCE_DIRECT) continue;
    const Reply<std::string> commit = commit_of(repository, git_reference_target(raw));
    if (!commit) return commit.failure();
    if (!commit->empty()) out.tags.push_back({std::string(git_reference_name(raw)).substr(10), *commit});
  }
  if (error != GIT_ITEROVER) return damaged("the tags cannot be read");
  std::sort(out.tags.begin(), out.tags.end(), [](const Tag& a, const Tag& b) { return a.name < b.name; });
  return out;
}

Reply<References> Mirrors::answer(const ReferencesRequest& request) {
  Reply<git_repository*> repository = open(request.repository);
  if (!repository && repository.failure().code == "MirrorMissing") return References();
  if (!repository) return repository.failure();
  return references_of(*repository, request.branch);
}

Reply<Entries> Mirrors::answer(const EntriesRequest& request) {
  Reply<git_repository*> repository = open(request.repository);
  if (!repository) return repository.failure();
  Handle<git_tree> tree;
  if (Reply<bool> found = find_tree(*repository, request.commit, tree); !found) return found.failure();
  TreeWalk walk(*repository, request.filter);
  if (!walk.walk(tree.get(), "", 0)) return damaged("a tree of " + request.commit + " cannot be read");
  return walk.take();
}

Reply<Blobs> Mirrors::answer(const BlobsRequest& request) {
  Reply<git_repository*> repository = open(request.repository);
  if (!repository) return repository.failure();
  Handle<git_odb> objects;
  if (git_repository_odb(objects.out(), *repository) != 0) return damaged("the objects cannot be read");
  Blobs out;
  std::uint64_t total = 0;
  for (const std::string& text : request.ids) {
    const std::optional<git_oid> id = parse_id(text);
    if (!id) return unknown_commit(text);
    Blob blob;
    blob.id = text;
    // The header first: a small pack may hold a blob of gigabytes.
    std::size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;
    if (git_odb_read_header(&size, &type, objects.get(), &*id) != 0 || type != GIT_OBJECT_BLOB)
      return damaged("the blob " + text + " cannot be read");
    blob.too_big = size > kMaximumBlob;
    if (!blob.too_big) {
      if (total += size; total > kMaximumBlobs && !out.blobs.empty()) break;
      Handle<git_odb_object> object;
      if (git_odb_read(object.out(), objects.get(), &*id) != 0) return damaged("the blob " + text + " cannot be read");
      blob.bytes.assign(static_cast<const char*>(git_odb_object_data(object.get())), git_odb_object_size(object.get()));
    }
    out.blobs.push_back(std::move(blob));
  }
  return out;
}

Reply<Trees> Mirrors::answer(const TreesRequest& request) {
  Reply<git_repository*> repository = open(request.repository);
  if (!repository) return repository.failure();
  Handle<git_tree> root;
  if (Reply<bool> found = find_tree(*repository, request.commit, root); !found) return found.failure();
  Trees out;
  for (const std::string& path : request.paths) {
    if (path.empty()) {
      out.ids.push_back(to_text(git_tree_id(root.get())));
      continue;
    }
    const Reply<Handle<git_tree>> tree = folder_at(*repository, root.get(), path);
    if (!tree) return tree.failure();
    out.ids.push_back(*tree ? to_text(git_tree_id(tree->get())) : "");
  }
  return out;
}

Reply<History> Mirrors::answer(const HistoryRequest& request) {
  Reply<git_repository*> repository = open(request.repository);
  if (!repository) return repository.failure();
  const std::optional<git_oid> id = parse_id(request.commit);
  Handle<git_commit> commit;
  if (!id || git_commit_lookup(commit.out(), *repository, &*id) != 0) return unknown_commit(request.commit);
  const std::size_t slash = request.path.rfind('/');
  const std::string directory = slash == std::string::npos ? "" : request.path.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? request.path : request.path.substr(slash + 1);

  History out;
  std::size_t entries_taken = 0;
  std::string last_folder;  // id of the folder's tree at the child, to skip what did not change it
  for (std::uint32_t i = 0; true; ++i) {
    out.truncated = i == kHistoryLength || entries_taken > kMaximumHistoryEntries;
    if (out.truncated) break;
    Handle<git_tree> tree;
    if (git_commit_tree(tree.out(), commit.get()) != 0)
      return damaged("the tree of " + to_text(git_commit_id(commit.get())) + " cannot be read");
    if (!directory.empty()) {
      Reply<Handle<git_tree>> inner = folder_at(*repository, tree.get(), directory.substr(0, directory.size() - 1));
      if (!inner) return inner.failure();
      tree = std::move(*inner);
    }
    const std::string here = tree ? to_text(git_tree_id(tree.get())) : "none";
    if (here != last_folder) {
      std::vector<Entry> entries = tree ? entries_beside(tree.get(), directory, name, request.siblings) : std::vector<Entry>();
      if (out.revisions.empty() || out.revisions.back().entries != entries) {
        entries_taken += entries.size();
        out.revisions.push_back({to_text(git_commit_id(commit.get())), std::move(entries)});
      }
      last_folder = here;
    }
    if (git_commit_parentcount(commit.get()) == 0) break;
    Handle<git_commit> parent;
    if (git_commit_parent(parent.out(), commit.get(), 0) != 0)
      return damaged("the parent of " + to_text(git_commit_id(commit.get())) + " cannot be read");
    commit = std::move(parent);
  }
  return out;
}

Reply<Truth> Mirrors::answer(const ContainsRequest& request) {
  Reply<git_repository*> repository = open(request.repository);
  if (!repository) return repository.failure();
  const std::optional<git_oid> commit = parse_id(request.commit);
  const std::optional<git_oid> ancestor = parse_id(request.ancestor);
  if (!commit || !ancestor) return unknown_commit(commit ? request.ancestor : request.commit);
  Handle<git_commit> found;
  if (git_commit_lookup(found.out(), *repository, &*commit) != 0) return unknown_commit(request.commit);
  // An ancestor that the mirror has never seen is reachable from nothing in it.
  if (git_commit_lookup(found.out(), *repository, &*ancestor) != 0) return Truth{false};
  if (git_oid_equal(&*commit, &*ancestor) != 0) return Truth{true};
  const int answer = git_graph_descendant_of(*repository, &*commit, &*ancestor);
  if (answer < 0) return damaged("the history of " + request.commit + " cannot be read");
  return Truth{answer == 1};
}

Reply<Truth> Mirrors::answer(const ExportRequest& request) {
  Reply<git_repository*> repository = open(request.repository);
  if (!repository) return repository.failure();
  Handle<git_tree> tree;
  if (Reply<bool> found = find_tree(*repository, request.tree, tree); !found) return found.failure();
  const int directory = ::open(request.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0)
    return failure(ErrorKind::kInternal, "TreeNotWritten", request.folder + " cannot be opened: " + std::strerror(errno));
  std::error_code error;
  if (!std::filesystem::is_empty(request.folder, error) || error) {
    ::close(directory);
    return failure(ErrorKind::kInternal, "TreeNotWritten", request.folder + " is not an empty folder", "remove it");
  }
  Exporter exporter(*repository);
  const Reply<bool> done = exporter.write(tree.get(), directory, "", 0);
  ::close(directory);
  if (!done) return done.failure();
  return Truth{true};
}

Reply<OverlayAnswer> Mirrors::answer(const OverlayRequest& request) {
  Handle<git_repository> repository;
  const int error = git_repository_open_ext(repository.out(), request.path.c_str(), 0, nullptr);
  if (error == GIT_EOWNER)
    return failure(ErrorKind::kInvalid, "WorkingCopyOwner", request.path + " belongs to another user", "run nelson as its owner");
  if (error != 0)
    return failure(ErrorKind::kInvalid, "WorkingCopy", request.path + " is not in a working copy of a Git repository",
                   "name a folder of a clone");
  OverlayAnswer out;
  out.remotes = remote_urls(repository.get());
  if (request.remotes_only) return out;
  if (!request.revision.empty()) {
    Handle<git_object> object, commit;
    if (git_revparse_single(object.out(), repository.get(), request.revision.c_str()) != 0 ||
        git_object_peel(commit.out(), object.get(), GIT_OBJECT_COMMIT) != 0)
      return failure(ErrorKind::kInvalid, "Revision", "there is no commit " + request.revision + " in " + request.path,
                     "git log lists them");
    out.commit = to_text(git_object_id(commit.get()));
    out.tree = out.commit;
  } else {
    if (git_repository_workdir(repository.get()) == nullptr)
      return failure(ErrorKind::kInvalid, "WorkingCopy", request.path + " is a bare repository",
                     "name a revision of it, or a clone");
    Reply<std::string> tree = tree_of_working_copy(repository.get());
    if (!tree) return tree.failure();
    out.tree = *tree;
  }
  out.repository = git_repository_path(repository.get());
  overlays_[out.repository] = std::move(repository);
  return out;
}

}  // namespace nelson::git
