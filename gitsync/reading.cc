#include "gitsync/reading.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string_view>

namespace nelson::git {

namespace {

constexpr const char* kManifestName = ".nelson.yml";
constexpr std::size_t kTagsTried = 1'000;
constexpr std::size_t kFilesKept = 2'000;      // of tags
constexpr std::size_t kEntriesKept = 100'000;  // of all trees

std::string name_of_path(const std::string& path) { return path.substr(folder_prefix(path).size()); }

bool is_error(const Problem& problem) { return !problem.warning; }

/// Folder -> its manifest and deployables.
using Folders = std::map<std::string, std::vector<Entry>>;

Folders by_folder(const std::vector<Entry>& entries) {
  Folders out;
  for (const Entry& entry : entries) out[folder_prefix(entry.path)].push_back(entry);
  std::erase_if(out, [](const auto& folder) {
    return std::none_of(folder.second.begin(), folder.second.end(),
                        [](const Entry& e) { return name_of_path(e.path) == kManifestName; });
  });
  return out;
}

/// A tree's manifests: where they are, and who is declared by those that read.
struct Snapshot {
  Folders folders;
  std::multimap<std::string, std::string> declared;  // unit -> folder
  std::set<std::string> unread;                      // folders whose manifest does not read
  std::size_t entries = 0;
};

const Entry* find(const std::vector<Entry>& entries, const std::string& path) {
  for (const Entry& entry : entries)
    if (entry.path == path) return &entry;
  return nullptr;
}

/// One manifest file with the deployables beside it, at one revision.
struct FileReading {
  std::shared_ptr<const ManifestReading> manifest;  // null when it is not there or not a regular file
  std::vector<ReleaseReading> releases;
  std::vector<std::string> without_artifact;  // units that have neither deployable nor image here
  std::vector<Problem> problems;
  bool present = false;

  [[nodiscard]] bool well() const { return present && std::none_of(problems.begin(), problems.end(), is_error); }
  [[nodiscard]] const ReleaseReading* release(std::string_view unit) const {
    for (const ReleaseReading& release : releases)
      if (release.unit == unit) return &release;
    return nullptr;
  }
};

class Reader {
 public:
  Reader(Source& source, const RepositoryFile& file, Parsed& parsed) : source_(source), file_(file), parsed_(parsed) {}

  /// The version of a unit without a deployable, whose image comes from the repository's template; nothing where there is none.
  using VersionOf = std::function<std::optional<Version>(const std::string& unit)>;

  Reply<RepositoryReading> by_branch(const std::string& head) {
    RepositoryReading out = begin(head);
    Reply<Folders> folders = folders_of(head, out);
    if (!folders) return folders.failure();
    bool known = folders->empty(), well = true;
    for (const auto& [folder, entries] : *folders) {
      Reply<FileReading> now = read_file(folder, entries, head, head, no_version);
      if (!now) return now.failure();
      const Reply<bool> done = settle(folder, *now, head, out);
      if (!done) return done.failure();
      well = well && *done;
      known = known || *done;
    }
    finish(out, well, known);
    return out;
  }

  Reply<RepositoryReading> by_tags(const References& references) {
    RepositoryReading out = begin(references.head);
    Reply<Folders> folders = folders_of(references.head, out);
    if (!folders) return folders.failure();
    bool known = folders->empty(), well = true;
    std::vector<Wanting> units;
    for (const auto& [folder, entries] : *folders) {
      Reply<std::shared_ptr<const Manifest>> manifest = declared(folder, entries, references.head, out, well);
      if (!manifest) return manifest.failure();
      if (*manifest == nullptr) continue;
      known = true;
      for (const ManifestUnit& unit : (*manifest)->units) units.push_back({unit.name, folder});
    }
    const Reply<bool> highest = release_by_tags(std::move(units), candidates_of(references.tags), out);
    if (!highest) return highest.failure();
    finish(out, well && *highest, known);
    return out;
  }

  Reply<RepositoryReading> by_tree(const std::string& tree, const std::string& commit, const RepositoryReading& current) {
    RepositoryReading out = begin(commit);
    Reply<Folders> folders = folders_of(tree, out);
    if (!folders) return folders.failure();
    const auto current_of = [&current](const std::string& unit) -> const ReleaseReading* {
      for (const ReleaseReading& release : current.releases)
        if (release.unit == unit && !release.patch) return &release;
      return nullptr;
    };
    const VersionOf version = [&](const std::string& unit) -> std::optional<Version> {
      const ReleaseReading* known = file_.release == ReleaseBy::kTags ? current_of(unit) : nullptr;
      if (known == nullptr) return std::nullopt;
      return known->version;
    };
    // What a tag will make of a unit, its image's name says.
    const bool needs_deployable = file_.release == ReleaseBy::kBranch || file_.image.empty();
    bool well = true;
    for (const auto& [folder, entries] : *folders) {
      Reply<FileReading> now = read_file(folder, entries, tree, commit, version);
      if (!now) return now.failure();
      out.problems.insert(out.problems.end(), now->problems.begin(), now->problems.end());
      for (ReleaseReading& release : now->releases) {
        release.fresh = true;
        if (!now->well()) continue;
        const ReleaseReading* known = file_.release == ReleaseBy::kTags ? current_of(release.unit) : nullptr;
        release.patch = known != nullptr && release.version.major < known->version.major;  // so would its tag be
        if (release.patch) out.releases.push_back(*known);
        out.releases.push_back(std::move(release));
      }
      well = well && now->well();
      for (const std::string& unit : now->without_artifact)
        if (needs_deployable && current_of(unit) == nullptr) out.problems.push_back(no_deployable(folder, unit, commit, false));
      for (const ReleaseReading& release : current.releases) {
        if (release.patch) continue;
        const bool missing =
            std::find(now->without_artifact.begin(), now->without_artifact.end(), release.unit) != now->without_artifact.end();
        if (missing) out.problems.push_back(no_deployable(folder, release.unit, commit, true));
        if ((!now->well() && release.file == folder + kManifestName) || missing) out.releases.push_back(release);
      }
    }
    for (const ReleaseReading& release : current.releases)
      if (release.patch) add_patch(release, out.releases);
    finish(out, well, true);
    return out;
  }

 private:
  /// The higher one stands, where there is one of the same major.
  static void add_patch(const ReleaseReading& patch, std::vector<ReleaseReading>& releases) {
    const auto same = std::find_if(releases.begin(), releases.end(), [&](const ReleaseReading& release) {
      return release.patch && release.unit == patch.unit && release.version.major == patch.version.major;
    });
    if (same == releases.end())
      releases.push_back(patch);
    else if (same->version < patch.version)
      *same = patch;
  }

  static std::optional<Version> no_version(const std::string&) { return std::nullopt; }

  struct Candidate {
    TagRelease release;
    std::string tag, commit;
  };

  /// A unit whose tags are being looked for: that of its release, then the highest of each lower major.
  struct Wanting {
    std::string unit, folder;
    std::size_t tried = 0;
    bool highest = true;                      // no tag of what is looked for was there and did not read
    std::optional<std::uint32_t> released{};  // major of the last one found
    std::uint32_t tried_major = 0;

    /// Whether a tag of this major can be what is looked for; they come from the highest to the lowest.
    bool takes(std::uint32_t major) {
      if (released && major >= *released) return false;
      if (released && major != tried_major) highest = true;  // what did not read is of another major
      tried_major = major;
      return true;
    }
  };

  Reply<Folders> folders_of(const std::string& commit, RepositoryReading& out) {
    Reply<Folders> folders = list_folders(commit);
    if (!folders) return folders;
    std::vector<Entry> all;
    for (const auto& [folder, inside] : *folders) all.insert(all.end(), inside.begin(), inside.end());
    if (const Reply<bool> prepared = prepare(all); !prepared) return prepared.failure();
    if (folders->empty()) {
      Problem problem =
          problem_at({}, "NoManifest", "there is no .nelson.yml at this commit, so nothing of this repository is deployed",
                     "add one, or take repositories/" + file_.name + ".yml out of the control repository");
      problem.warning = true;
      out.problems.push_back(locate(std::move(problem), out.head, ""));
    }
    return folders;
  }

  RepositoryReading begin(const std::string& head) const {
    RepositoryReading out;
    out.name = file_.name;
    out.head = head;
    return out;
  }

  void finish(RepositoryReading& out, bool well, bool known) {
    if (truncated_)
      out.problems.push_back(locate(problem_at({}, "RepositoryTooBig",
                                               "the tree has more than 500,000 entries or 10,000 manifests and deployables; "
                                               "not all were read",
                                               "keep manifests in a smaller repository"),
                                    out.head, ""));
    if (!out.releases.empty()) known = true;
    out.state = well && !truncated_ ? RepositoryState::kCurrent : known ? RepositoryState::kLastGood : RepositoryState::kUnknown;
  }

  Problem locate(Problem problem, const std::string& commit, const std::string& path) const {
    problem.repository = file_.name;
    problem.commit = commit;
    problem.file = path;
    return problem;
  }

  Problem no_deployable(const std::string& folder, const std::string& unit, const std::string& commit, bool gone) const {
    const std::string path = deployable_path(folder + kManifestName, unit);
    Problem problem = problem_at({}, "MissingDeployable",
                                 gone ? "unit " + unit + " has no deployable any more: its last release stays in force"
                                      : "unit " + unit + " has no deployable, so nothing of it is released",
                                 gone ? "put " + path + " back, or take the unit out of the manifest" : "add " + path);
    problem.unit = unit;
    problem.warning = !gone;
    return locate(std::move(problem), commit, path);
  }

  /// Fetches and parses what is not known yet of these entries, a bounded amount at a time. What many others are parsed after may be
  /// forgotten again.
  Reply<bool> prepare(const std::vector<Entry>& entries) {
    std::vector<std::string> ids;
    std::map<std::string, std::pair<bool, bool>> uses;  // id -> (as manifest, as deployable)
    for (const Entry& entry : entries) {
      if (!entry.regular) continue;
      const bool manifest = name_of_path(entry.path) == kManifestName;
      if (manifest ? parsed_.manifests.find(entry.id) != nullptr : parsed_.deployables.find(entry.id) != nullptr) continue;
      auto [use, fresh] = uses.try_emplace(entry.id);
      if (fresh) ids.push_back(entry.id);
      (manifest ? use->second.first : use->second.second) = true;
    }
    while (!ids.empty()) {
      BlobsRequest request;
      request.ids.assign(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(ids.size(), 1'000)));
      Reply<Blobs> blobs = source_.ask(request);
      if (!blobs) return blobs.failure();
      if (blobs->blobs.empty() || blobs->blobs.size() > ids.size())
        return failure(ErrorKind::kUnavailable, "GitChild", "the Git child gave no blobs");
      for (const Blob& blob : blobs->blobs) parse(blob, uses[blob.id].first, uses[blob.id].second);
      ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(blobs->blobs.size()));
    }
    return true;
  }

  void parse(const Blob& blob, bool manifest, bool deployable) {
    if (manifest)
      (void)parsed_.manifests.get(blob.id, blob.bytes.size(), [&] {
        return blob.too_big ? ManifestReading{std::nullopt, {file_too_big()}} : read_manifest(blob.bytes);
      });
    if (deployable)
      (void)parsed_.deployables.get(blob.id, blob.bytes.size(), [&] {
        return blob.too_big ? DeployableReading{std::nullopt, {file_too_big()}} : read_deployable(blob.bytes);
      });
  }

  template <class T>
  Reply<std::shared_ptr<const T>> parsed_of(ParsedOnce<T>& known, const Entry& entry) {
    if (auto value = known.find(entry.id)) return value;
    if (const Reply<bool> prepared = prepare({entry}); !prepared) return prepared.failure();
    if (auto value = known.find(entry.id)) return value;
    return failure(ErrorKind::kUnavailable, "GitChild", entry.path + " was not parsed");
  }

  Reply<Folders> list_folders(const std::string& commit) {
    EntriesRequest request;
    request.commit = commit;
    ++parsed_.trees;
    Reply<Entries> entries = source_.ask(request);
    if (!entries) return entries.failure();
    truncated_ = truncated_ || entries->truncated;
    return by_folder(entries->entries);
  }

  /// The tree of a tag. The pointer is good until the next call.
  Reply<const Snapshot*> snapshot_at(const std::string& commit) {
    if (const auto known = snapshots_.find(commit); known != snapshots_.end()) return &known->second;
    Reply<Folders> folders = list_folders(commit);
    if (!folders) return folders.failure();
    Snapshot out;
    std::vector<Entry> manifests;
    for (const auto& [folder, inside] : *folders) {
      out.entries += inside.size();
      manifests.push_back(*find(inside, folder + kManifestName));
    }
    if (const Reply<bool> prepared = prepare(manifests); !prepared) return prepared.failure();
    for (const Entry& entry : manifests) {
      const std::string folder = folder_prefix(entry.path);
      if (!entry.regular) {
        out.unread.insert(folder);
        continue;
      }
      const auto reading = parsed_of(parsed_.manifests, entry);
      if (!reading) return reading.failure();
      if (!(*reading)->manifest) {
        out.unread.insert(folder);
        continue;
      }
      for (const ManifestUnit& unit : (*reading)->manifest->units) out.declared.emplace(unit.name, folder);
    }
    out.folders = std::move(*folders);
    if ((entries_kept_ += out.entries) > kEntriesKept) {
      snapshots_.clear();
      entries_kept_ = out.entries;
    }
    return &(snapshots_[commit] = std::move(out));
  }

  /// Reads the manifest of a folder and its deployables. `tree` is what trees are looked up in.
  Reply<FileReading> read_file(const std::string& folder, const std::vector<Entry>& entries, const std::string& tree,
                               const std::string& commit, const VersionOf& version_of) {
    FileReading out;
    const std::string path = folder + kManifestName;
    const Entry* entry = find(entries, path);
    if (entry == nullptr) return out;
    out.present = true;
    if (!entry->regular) {
      out.problems.push_back(locate(problem_at({}, "NotRegular", path + " is not a regular file",
                                               "put the manifest itself there: links and submodules are not followed"),
                                    commit, path));
      return out;
    }
    if (const Reply<bool> prepared = prepare(entries); !prepared) return prepared.failure();
    Reply<std::shared_ptr<const ManifestReading>> reading = parsed_of(parsed_.manifests, *entry);
    if (!reading) return reading.failure();
    out.manifest = std::move(*reading);
    for (const Problem& problem : out.manifest->problems) out.problems.push_back(locate(problem, commit, path));
    if (!out.manifest->manifest) return out;
    const std::shared_ptr<const Manifest> manifest(out.manifest, &*out.manifest->manifest);
    for (const ManifestUnit& unit : manifest->units) {
      const Reply<bool> done = read_unit(unit.name, entries, tree, commit, path, manifest, version_of, out);
      if (!done) return done.failure();
    }
    return out;
  }

  Reply<bool> read_unit(const std::string& unit, const std::vector<Entry>& entries, const std::string& tree,
                        const std::string& commit, const std::string& path, const std::shared_ptr<const Manifest>& manifest,
                        const VersionOf& version_of, FileReading& out) {
    const std::string beside = deployable_path(path, unit);
    const auto complain = [&](Problem problem) {
      problem.unit = unit;
      out.problems.push_back(locate(std::move(problem), commit, beside));
      return true;
    };
    ReleaseReading release;
    release.unit = unit;
    release.commit = commit;
    release.file = path;
    release.manifest = manifest;
    const Entry* entry = find(entries, beside);
    if (entry == nullptr) {
      const std::optional<Version> version = version_of(unit);
      if (!version || file_.image.empty()) {
        out.without_artifact.push_back(unit);
        return true;
      }
      Result<std::string> image = image_of(file_, unit, *version, commit);
      if (!image)
        return complain(problem_at({}, "ProblematicDeployable", image.error().message,
                                   "correct image: in the repository's file, or add " + beside));
      release.version = *version;
      release.artifact.kind = ArtifactKind::kImage;
      release.artifact.image = std::move(*image);
      out.releases.push_back(std::move(release));
      return true;
    }
    if (!entry->regular)
      return complain(problem_at({}, "NotRegular", beside + " is not a regular file",
                                 "put the deployable itself there: links are not followed"));
    const Reply<std::shared_ptr<const DeployableReading>> reading = parsed_of(parsed_.deployables, *entry);
    if (!reading) return reading.failure();
    for (const Problem& problem : (*reading)->problems) complain(problem);
    if (!(*reading)->deployable) return true;
    const Deployable& deployable = *(*reading)->deployable;
    if (!is_for(deployable, unit))
      return complain(problem_at({1, 1}, "ProblematicDeployable",
                                 "the deployable is for " + in_quotes(deployable.name) + ", not for " + unit,
                                 "write name: " + unit));
    std::string tree_id;
    if (deployable.tree) {
      TreesRequest request;
      request.commit = tree;
      request.paths = {tree_path(path, deployable)};
      Reply<Trees> trees = source_.ask(request);
      if (!trees) return trees.failure();
      if (trees->ids.size() == 1) tree_id = trees->ids.front();
      if (tree_id.empty())
        return complain(problem_at({1, 1}, "ProblematicDeployable",
                                   "the tree " + in_quotes(request.paths.front()) + " is not a folder of the repository",
                                   "name a folder relative to the deployable"));
    }
    release.version = deployable.version;
    release.artifact = artifact_of(deployable, tree_id);
    out.releases.push_back(std::move(release));
    return true;
  }

  /// Takes over what reads at the head and, for the rest, the newest revision that does. True when all of the file reads at the head.
  Reply<bool> settle(const std::string& folder, FileReading& now, const std::string& head, RepositoryReading& out) {
    out.problems.insert(out.problems.end(), now.problems.begin(), now.problems.end());
    const bool well = now.well();
    std::set<std::string> wanting(now.without_artifact.begin(), now.without_artifact.end());
    if (well)
      for (ReleaseReading& release : now.releases) {
        release.fresh = true;  // the ref names this very commit
        out.releases.push_back(std::move(release));
      }
    if (well && wanting.empty()) return true;

    HistoryRequest request;
    request.commit = head;
    request.path = folder + kManifestName;
    request.siblings = true;
    Reply<History> history = source_.ask(request);
    if (!history) return history.failure();
    bool whole = well, found = well;
    for (std::size_t i = 1; i < history->revisions.size() && (!found || !wanting.empty()); ++i) {
      const Revision& revision = history->revisions[i];
      const bool telling = !found || std::any_of(wanting.begin(), wanting.end(), [&](const std::string& unit) {
        return find(revision.entries, deployable_path(request.path, unit)) != nullptr;
      });
      if (!telling) continue;
      Reply<FileReading> before = read_file(folder, revision.entries, revision.commit, revision.commit, no_version);
      if (!before) return before.failure();
      if (!before->well()) continue;
      for (const ReleaseReading& release : before->releases) {
        const bool wanted = !found || wanting.contains(release.unit);
        if (!wanted) continue;
        if (wanting.erase(release.unit) > 0) {
          out.problems.push_back(no_deployable(folder, release.unit, head, true));
          whole = false;
        }
        out.releases.push_back(release);
      }
      found = true;
    }
    for (const std::string& unit : wanting) out.problems.push_back(no_deployable(folder, unit, head, false));
    // Beyond what was looked at there may be a release of theirs that runs.
    return whole && (wanting.empty() || !history->truncated);
  }

  /// The manifest of a folder that says which units exist, at the head or its last good revision; null where there is none.
  Reply<std::shared_ptr<const Manifest>> declared(const std::string& folder, const std::vector<Entry>& entries,
                                                  const std::string& head, RepositoryReading& out, bool& well) {
    const std::string path = folder + kManifestName;
    const auto manifest_in = [&](const std::vector<Entry>& at, const std::string& commit,
                                 bool report) -> Reply<std::shared_ptr<const Manifest>> {
      const Entry* entry = find(at, path);
      if (entry == nullptr) return std::shared_ptr<const Manifest>();
      if (!entry->regular) {
        if (report)
          out.problems.push_back(
              locate(problem_at({}, "NotRegular", path + " is not a regular file", "put the manifest itself there"), commit, path));
        return std::shared_ptr<const Manifest>();
      }
      const Reply<std::shared_ptr<const ManifestReading>> reading = parsed_of(parsed_.manifests, *entry);
      if (!reading) return reading.failure();
      if (report)
        for (const Problem& problem : (*reading)->problems) out.problems.push_back(locate(problem, commit, path));
      if (!(*reading)->manifest) return std::shared_ptr<const Manifest>();
      return std::shared_ptr<const Manifest>(*reading, &*(*reading)->manifest);
    };
    Reply<std::shared_ptr<const Manifest>> now = manifest_in(entries, head, true);
    if (!now || *now != nullptr) return now;
    well = false;
    HistoryRequest request;
    request.commit = head;
    request.path = path;
    Reply<History> history = source_.ask(request);
    if (!history) return history.failure();
    for (std::size_t i = 1; i < history->revisions.size(); ++i) {
      Reply<std::shared_ptr<const Manifest>> before =
          manifest_in(history->revisions[i].entries, history->revisions[i].commit, false);
      if (!before || *before != nullptr) return before;
    }
    return std::shared_ptr<const Manifest>();
  }

  /// Tags that release something, the highest version first; of one version the one for a single unit first.
  std::vector<Candidate> candidates_of(const std::vector<Tag>& tags) const {
    std::vector<Candidate> out;
    for (const Tag& tag : tags)
      if (std::optional<TagRelease> release = match_tag(file_.tag_pattern, tag.name))
        out.push_back({*release, tag.name, tag.commit});
    std::sort(out.begin(), out.end(), [](const Candidate& a, const Candidate& b) {
      if (a.release.version != b.release.version) return a.release.version > b.release.version;
      if (a.release.unit.empty() != b.release.unit.empty()) return b.release.unit.empty();
      return a.tag < b.tag;
    });
    return out;
  }

  /// Each unit's highest tag that reads, and that of each lower major. True when the first is its highest tag, or when it has none.
  Reply<bool> release_by_tags(std::vector<Wanting> units, const std::vector<Candidate>& candidates, RepositoryReading& out) {
    bool highest = true;
    for (const Candidate& candidate : candidates)
      for (Wanting& wanting : units) {
        const Reply<bool> released = release_by_tag(wanting, candidate, out);
        if (!released) return released.failure();
        if (*released && !out.releases.back().patch) highest = highest && wanting.highest;
      }
    for (const Wanting& wanting : units) {
      if (wanting.released) continue;
      highest = highest && wanting.highest;
      if (!wanting.highest) continue;
      Problem problem = problem_at({}, "NotReleased", "no tag releases unit " + wanting.unit,
                                   "tag a commit that declares it, " + wanting.unit + "/1.0.0 say");
      problem.unit = wanting.unit;
      problem.warning = true;
      out.problems.push_back(locate(std::move(problem), out.head, wanting.folder + kManifestName));
    }
    return highest;
  }

  /// Whether the tag gives the unit's release, or a patch.
  Reply<bool> release_by_tag(Wanting& wanting, const Candidate& candidate, RepositoryReading& out) {
    const std::uint32_t major = candidate.release.version.major;
    if (!candidate.release.unit.empty() && candidate.release.unit != wanting.unit) return false;
    if (wanting.tried == kTagsTried || !wanting.takes(major)) return false;
    ++wanting.tried;
    const bool patch = wanting.released.has_value();
    std::vector<Problem> problems;
    Reply<std::optional<ReleaseReading>> release =
        release_at(wanting.unit, wanting.folder, candidate, wanting.highest ? &problems : nullptr);
    if (!release) return release.failure();
    for (Problem& problem : problems) {
      problem.warning = problem.warning || patch;  // whether anybody needs it is not known here
      if (std::find(out.problems.begin(), out.problems.end(), problem) == out.problems.end())
        out.problems.push_back(std::move(problem));
    }
    if (!*release) {
      if (!absent_) wanting.highest = false;  // it is there, and does not read
      return false;
    }
    wanting.released = major;
    (*release)->fresh = wanting.highest;
    (*release)->patch = patch;
    out.releases.push_back(std::move(**release));
    return true;
  }

  /// Where a tag declares the unit, at `home` if it can, for it may have moved since; a home that does not read may declare it too.
  static const std::string* folder_of_unit(const Snapshot& snapshot, const std::string& unit, const std::string& home) {
    if (const auto unread = snapshot.unread.find(home); unread != snapshot.unread.end()) return &*unread;
    const auto [begin, end] = snapshot.declared.equal_range(unit);
    if (begin == end) return nullptr;
    const auto at_home = std::find_if(begin, end, [&home](const auto& entry) { return entry.second == home; });
    return at_home == end ? &begin->second : &at_home->second;
  }

  /// What the tag makes of the unit; nothing when it does not read, and, with absent_ set, when the unit is not declared there.
  Reply<std::optional<ReleaseReading>> release_at(const std::string& unit, const std::string& home, const Candidate& candidate,
                                                  std::vector<Problem>* problems) {
    if (source_.late())
      return failure(ErrorKind::kUnavailable, "GitTimeout", "the repository's tags could not be read in time",
                     "delete tags nobody needs, or keep manifests in a smaller repository");
    const Reply<const Snapshot*> snapshot = snapshot_at(candidate.commit);
    if (!snapshot) return snapshot.failure();
    const std::string* const folder = folder_of_unit(**snapshot, unit, home);
    absent_ = folder == nullptr;
    if (absent_) return std::optional<ReleaseReading>();
    const Reply<const FileReading*> file = file_at(*folder, (*snapshot)->folders.at(*folder), candidate);
    if (!file) return file.failure();
    if (problems != nullptr) report(**file, unit, candidate, *problems);
    if (!(*file)->well()) return std::optional<ReleaseReading>();
    if (const ReleaseReading* release = (*file)->release(unit)) return std::optional<ReleaseReading>(*release);
    if (problems != nullptr) problems->push_back(no_artifact(unit, *folder, candidate));
    return std::optional<ReleaseReading>();
  }

  /// The pointer is good until the next call.
  Reply<const FileReading*> file_at(const std::string& folder, const std::vector<Entry>& entries, const Candidate& candidate) {
    const std::string key = candidate.commit + " " + candidate.tag + " " + folder;
    if (const auto known = files_.find(key); known != files_.end()) return &known->second;
    const VersionOf version = [&candidate](const std::string&) { return std::optional<Version>(candidate.release.version); };
    Reply<FileReading> file = read_file(folder, entries, candidate.commit, candidate.commit, version);
    if (!file) return file.failure();
    if (files_.size() >= kFilesKept) files_.clear();
    return &(files_[key] = std::move(*file));
  }

  void report(const FileReading& file, const std::string& unit, const Candidate& candidate, std::vector<Problem>& problems) const {
    for (Problem problem : file.problems) {
      if (!problem.unit.empty() && problem.unit != unit) continue;
      problem.message += " (tag " + candidate.tag + ")";
      problems.push_back(std::move(problem));
    }
  }

  Problem no_artifact(const std::string& unit, const std::string& folder, const Candidate& candidate) const {
    const std::string path = deployable_path(folder + kManifestName, unit);
    Problem problem =
        problem_at({}, "MissingDeployable", "tag " + candidate.tag + " has neither a deployable nor an image for unit " + unit,
                   "add " + path + ", or image: to the repository's file in repositories/");
    problem.unit = unit;
    return locate(std::move(problem), candidate.commit, path);
  }

  Source& source_;
  const RepositoryFile& file_;
  Parsed& parsed_;
  std::map<std::string, Snapshot> snapshots_;  // of tags, by commit
  std::size_t entries_kept_ = 0;               // in snapshots_
  std::map<std::string, FileReading> files_;   // of tags
  bool truncated_ = false;
  bool absent_ = false;
};

}  // namespace

Problem file_too_big() { return problem_at({1, 1}, "LoadError", "the file is larger than 256 KiB", "split it, or shorten it"); }

Reply<RepositoryReading> read_repository(Source& source, const RepositoryFile& file, const References& references, Parsed& parsed) {
  Reader reader(source, file, parsed);
  return file.release == ReleaseBy::kTags ? reader.by_tags(references) : reader.by_branch(references.head);
}

Reply<RepositoryReading> read_tree(Source& source, const RepositoryFile& file, const std::string& tree, const std::string& commit,
                                   const RepositoryReading& current, Parsed& parsed) {
  return Reader(source, file, parsed).by_tree(tree, commit, current);
}

}  // namespace nelson::git
