#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gitsync/document.h"
#include "gitsync/gitsync.h"
#include "state/model/desired.h"
#include "state/model/problem.h"
#include "state/model/reflect.h"
#include "state/model/result.h"
#include "state/model/version.h"

namespace nelson {

// The control repository: one file per object, each read on its own, so that a broken one harms only itself. README.md has an example of
// every file.

/// `owner.yml`, written once by `nelson init`.
struct OwnerFile {
  std::string id;
  std::vector<std::string> moved_from;  // former urls of this control repository
};

enum class ReleaseBy { kTags, kBranch };
template <>
inline constexpr auto kNames<ReleaseBy> = std::to_array<std::string_view>({"tags", "branch"});

/// What a repository may claim. An absent list is the default said with it.
struct Claims {
  std::optional<std::vector<std::string>> units;       // patterns; default: all that nobody else claims
  std::optional<std::vector<std::string>> namespaces;  // patterns; default: the domain's default namespace
  std::optional<std::vector<std::string>> domains;     // patterns; default: all
  std::optional<std::int32_t> instances;               // of one stack; default: no limit but the manifest's
  std::vector<std::uint16_t> exposed;                  // ports load balancers may expose; default: none
  // Read and kept, decided on by later versions.
  std::vector<std::string> registries, secrets, users;
  std::optional<double> cpu, memory;
  // Where each of the limits stands, for refusals.
  Place place, units_place, namespaces_place, domains_place, instances_place, exposed_place;
};

/// `repositories/<name>.yml`
struct RepositoryFile {
  std::string name;
  std::string url;
  ReleaseBy release = ReleaseBy::kBranch;
  std::string branch = "main";  // default branch; with `release: tags` the one that says which units still exist
  std::string tag_pattern;      // "" is `{version}` and `{unit}/{version}`
  std::string image;            // template for units without a deployable; "" is none
  CredentialReferences credentials;
  std::vector<std::string> units;  // patterns that decide when several repositories claim one unit
  Claims may;
  Place units_place;
};

/// `namespaces/<root>.yml`
struct NamespaceFile {
  std::string root;
  std::optional<std::vector<std::string>> domains;  // nothing: all
  std::vector<std::string> namespaces;              // full paths, with the root and every ancestor, sorted
};

/// `acknowledgements/<any>.yml`
struct AcknowledgementFile {
  std::vector<std::string> stacks;  // that the brake shall let go
  std::optional<WentBack> went_back;
  std::string why;
};

/// One file that reads well. A domain's is DomainSettings itself.
using ControlObject = std::variant<OwnerFile, RepositoryFile, DomainSettings, NamespaceFile, AcknowledgementFile>;

/// `object` is there exactly when no problem is an error. Problems have their place and file; the caller fills repository and commit.
struct ControlReading {
  std::optional<ControlObject> object;
  std::vector<Problem> problems;
};

/// Whether `path` (from the repository's root) is a file that read_control_file understands.
[[nodiscard]] bool is_control_file(std::string_view path);

/// Reads one file of the control repository; only when is_control_file(path). Never throws. Thread-safe.
[[nodiscard]] ControlReading read_control_file(std::string_view path, std::string_view bytes);

/// The warning or problem for a path that is not a control file: a folder this version does not understand, a name with the wrong letters
/// or suffix. Nothing for what may lie there unread (README.md, dotfiles, files of the root).
[[nodiscard]] std::optional<Problem> unread_path_problem(std::string_view path);

/// All files in force: of each the newest revision that reads.
struct ControlFiles {
  std::optional<OwnerFile> owner;
  std::map<std::string, RepositoryFile> repositories;  // by name
  std::map<std::string, DomainSettings> domains;
  std::map<std::string, NamespaceFile> namespaces;  // by root
  std::map<std::string, AcknowledgementFile> acknowledgements;
  std::map<std::string, std::string> files;  // path of each file above -> full id of the commit it was read at
  std::set<std::string> unread;              // names of repositories whose file is there and reads at no revision

  /// Puts what read_control_file gave for `path` at `commit` in its place.
  void put(std::string_view path, std::string_view commit, ControlObject object);
  /// Remembers that `path` is there and reads at no revision. Only a repository's absence would be taken for an intent: what lies in a
  /// domain or namespace that nothing names is left alone anyway.
  void put_unread(std::string_view path);
};

/// Whether `name` is one that a `*` pattern means ("basket-*", "*"); a `*` stands for any run of characters.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view name);
[[nodiscard]] bool matches_any(const std::vector<std::string>& patterns, std::string_view name);

/// What a tag releases: one unit, or with unit "" every unit of the repository.
struct TagRelease {
  std::string unit;
  Version version;

  bool operator==(const TagRelease&) const = default;
};

/// Reads a tag's short name ("1.4.2", "basket/1.4.2") by RepositoryFile::tag_pattern. Nothing when it does not match.
[[nodiscard]] std::optional<TagRelease> match_tag(std::string_view pattern, std::string_view tag);

/// Fills RepositoryFile::image, which is not empty: {repository}, {unit}, {version}, {commit}. kInvalid when the result is no image's name
/// (a unit with capital letters, say).
[[nodiscard]] Result<std::string> image_of(const RepositoryFile& repository, std::string_view unit, const Version& version,
                                           std::string_view commit);

/// The url as it may be printed: without password and query, and without the user unless it is ssh's.
[[nodiscard]] std::string printable_url(std::string_view url);

}  // namespace nelson
