#include "gitsync/control_files.h"

#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <utility>

#include "gitsync/address.h"
#include "gitsync/characters.h"
#include "gitsync/control_parts.h"
#include "gitsync/deployable.h"
#include "gitsync/object_reader.h"
#include "state/model/names.h"

namespace nelson {
namespace {

constexpr std::string_view kSuffix = ".yml";
constexpr std::size_t kLongestName = 64;

bool is_object_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && (is_lower(name[0]) || is_digit(name[0])) &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
}

// ---------------------------------------------------------------------------------------------------------------- values

/// Patterns of names: `allowed` and `*`.
void read_patterns(Reading& in, const Node& node, std::string_view allowed, std::vector<std::string>& out) {
  std::vector<std::string> patterns;
  if (!in.texts(node, patterns)) return;
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    const std::string& pattern = patterns[i];
    const bool fits =
        !pattern.empty() && pattern.size() <= kLongestName && std::all_of(pattern.begin(), pattern.end(), [&](char c) {
          return is_alphanumeric(c) || c == '*' || allowed.find(c) != std::string_view::npos;
        });
    if (!fits)
      in.error(node.children[i].place, "InvalidPattern", "`" + in.path() + "`: " + in_quotes(pattern) + " can match no name",
               "write a name, or a pattern such as `basket-*`");
  }
  std::sort(patterns.begin(), patterns.end());
  patterns.erase(std::unique(patterns.begin(), patterns.end()), patterns.end());
  out = std::move(patterns);
}

// ---------------------------------------------------------------------------------------------------------------- owner.yml

constexpr auto kOwnerFields = std::to_array<Field<OwnerFile>>({
    {"id", When::kRequired,
     [](Reading& in, const Node& node, OwnerFile& owner) {
       if (!in.text(node, owner.id)) return;
       const bool fits = owner.id.size() >= 4 && owner.id.size() <= kLongestName &&
                         std::all_of(owner.id.begin(), owner.id.end(), [](char c) { return is_alphanumeric(c) || c == '-'; });
       if (!fits)
         in.error(node.place, "InvalidOwner", "`id`: " + in_quotes(owner.id) + " is not an owner's id",
                  "use 4 to 64 letters, digits and hyphens, as `nelson init` writes them");
     }},
    {"moved_from", When::kOptional, kTexts<&OwnerFile::moved_from>},
});

// ---------------------------------------------------------------------------------------------------------------- repositories/

/// A reference to a credential. Whatever else stands here may be the secret itself and is never repeated.
void read_reference(Reading& in, const Node& node, bool file_only, std::string& out) {
  std::string text;
  if (!in.text(node, text)) return;
  const std::string_view rest = text;
  const bool file = rest.starts_with("file:") && is_absolute_path(rest.substr(5));
  const std::string_view name = rest.starts_with("env:") ? rest.substr(4) : std::string_view();
  const bool environment = !name.empty() && !is_digit(name[0]) &&
                           std::all_of(name.begin(), name.end(), [](char c) { return is_alphanumeric(c) || c == '_'; });
  if (file || (environment && !file_only)) {
    out = std::move(text);
    return;
  }
  if (rest.starts_with("vault:"))
    in.error(node.place, "NotUnderstood", "`" + in.path() + "`: references to Vault are not understood by this version",
             "write `file:/absolute/path`");
  else
    in.error(node.place, "InvalidReference", "`" + in.path() + "` must say where the credential is, not what it is",
             file_only ? "write `file:/absolute/path`"
                       : "write `env:NAME` or `file:/absolute/path`, and change the credential if it was written here");
}
template <auto member, bool file_only>
constexpr auto kReference =
    [](Reading& in, const Node& node, auto& object) { read_reference(in, node, file_only, object.*member); };

constexpr auto kCredentialFields = std::to_array<Field<CredentialReferences>>({
    {"token", When::kNotNull, kReference<&CredentialReferences::token, false>},
    {"user", When::kNotNull,
     [](Reading& in, const Node& node, CredentialReferences& credentials) {
       if (!in.text(node, credentials.user)) return;
       const bool fits = !credentials.user.empty() && credentials.user.size() <= kLongestName &&
                         std::all_of(credentials.user.begin(), credentials.user.end(), [](char c) {
                           return is_alphanumeric(c) || std::string_view("._@+-").find(c) != std::string_view::npos;
                         });
       if (!fits)
         in.error(node.place, "InvalidValue", "`" + in.path() + "` is not a user's name", "use letters, digits and . _ @ + -");
     }},
    {"ssh_key", When::kNotNull, kReference<&CredentialReferences::ssh_key, true>},
    {"known_hosts", When::kNotNull, kReference<&CredentialReferences::known_hosts, true>},
    {"ca", When::kNotNull, kReference<&CredentialReferences::ca, true>},
});

template <auto member, auto place>
constexpr auto kUnitPatterns = [](Reading& in, const Node& node, auto& object) {
  (object.*member).emplace();
  object.*place = node.key_place;
  read_patterns(in, node, "-", *(object.*member));
};

constexpr auto kClaimFields = std::to_array<Field<Claims>>({
    {"units", When::kNotNull, kUnitPatterns<&Claims::units, &Claims::units_place>},
    {"namespaces", When::kNotNull,
     [](Reading& in, const Node& node, Claims& claims) {
       claims.namespaces_place = node.key_place;
       read_patterns(in, node, "-/", claims.namespaces.emplace());
     }},
    {"domains", When::kNotNull, kUnitPatterns<&Claims::domains, &Claims::domains_place>},
    {"instances", When::kNotNull,
     [](Reading& in, const Node& node, Claims& claims) {
       std::int64_t most = 0;
       if (in.integer_within(node, 0, 5000, most)) claims.instances = static_cast<std::int32_t>(most);
       claims.instances_place = node.key_place;
     }},
    {"exposed", When::kNotNull,
     [](Reading& in, const Node& node, Claims& claims) {
       claims.exposed_place = node.key_place;
       read_list(in, node, [&](const Node& item) {
         std::int64_t port = 0;
         if (in.integer_within(item, 1, 65535, port)) claims.exposed.push_back(static_cast<std::uint16_t>(port));
       });
     }},
    {"registries", When::kNotNull, kTexts<&Claims::registries>},
    {"secrets", When::kNotNull, kTexts<&Claims::secrets>},
    {"users", When::kNotNull, kTexts<&Claims::users>},
    {"cpu", When::kNotNull, kReal<&Claims::cpu>},
    {"memory", When::kNotNull, kReal<&Claims::memory>},
});

void warn_of_unenforced(Reading& in, const Node& node) {
  for (const std::string_view key : {"registries", "secrets", "users", "cpu", "memory"})
    if (const Node* entry = node.find(key); entry != nullptr)
      in.warning(entry->key_place, "NotUnderstood", "`may." + std::string(key) + "` is read, but not enforced by this version",
                 "do not rely on it yet");
}

constexpr std::string_view kVersionMark = "{version}";
constexpr std::string_view kUnitMark = "{unit}";

std::size_t occurrences(std::string_view text, std::string_view word) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + word.size())) ++count;
  return count;
}

std::string replaced(std::string text, std::string_view word, std::string_view by) {
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + by.size()))
    text.replace(at, word.size(), by);
  return text;
}

void read_tag_pattern(Reading& in, const Node& node, std::string& out) {
  std::string pattern;
  if (!in.text(node, pattern)) return;
  const std::string literal = replaced(replaced(pattern, kVersionMark, ""), kUnitMark, "");
  const bool fits = occurrences(pattern, kVersionMark) == 1 && occurrences(pattern, kUnitMark) <= 1 && pattern.size() <= 200 &&
                    std::all_of(literal.begin(), literal.end(), [](char c) {
                      return is_alphanumeric(c) || std::string_view("/._+-").find(c) != std::string_view::npos;
                    });
  if (fits)
    out = std::move(pattern);
  else
    in.error(node.place, "InvalidTagPattern", "`tag_pattern`: " + in_quotes(pattern) + " is not a pattern of tags",
             "write `{version}` once and `{unit}` at most once, such as `release/{unit}-{version}`");
}

std::string filled(std::string text, std::string_view repository, std::string_view unit, const Version& version,
                   std::string_view commit) {
  text = replaced(std::move(text), "{repository}", repository);
  text = replaced(std::move(text), kUnitMark, unit);
  text = replaced(std::move(text), kVersionMark, to_string(version));
  return replaced(std::move(text), "{commit}", commit);
}

void read_image_template(Reading& in, const Node& node, std::string& out) {
  std::string text;
  if (!in.text(node, text)) return;
  const Status syntax = check_image(filled(text, "repository", "unit", {1, 2, 3}, std::string(40, 'a')));
  if (syntax)
    out = std::move(text);
  else
    in.error(node.place, "InvalidImage", "`image`: " + syntax.error().message,
             "write it like `registry.example.org/{unit}:{version}`; {repository} and {commit} are known too");
}

void read_url(Reading& in, const Node& node, std::string& out) {
  std::string url;
  if (!in.text(node, url)) return;
  const auto address = git::parse_address(url);
  if (address)
    out = std::move(url);
  else
    in.error(node.place, "InvalidUrl", "`url`: " + address.failure().message, address.failure().way_out);
}

void read_branch(Reading& in, const Node& node, std::string& out) {
  std::string branch;
  if (!in.text(node, branch)) return;
  const bool fits = !branch.empty() && branch.size() <= 200 && is_alphanumeric(branch[0]) &&
                    branch.find("..") == std::string::npos && branch.find("//") == std::string::npos &&
                    is_alphanumeric(branch.back()) && std::all_of(branch.begin(), branch.end(), [](char c) {
                      return is_alphanumeric(c) || std::string_view("/._+-").find(c) != std::string_view::npos;
                    });
  if (fits)
    out = std::move(branch);
  else
    in.error(node.place, "InvalidBranch", "`branch`: " + in_quotes(branch) + " is not a branch's name",
             "write it without `refs/heads/`, such as `main`");
}

constexpr auto kRepositoryFields = std::to_array<Field<RepositoryFile>>({
    {"url", When::kRequired, [](Reading& in, const Node& node, RepositoryFile& file) { read_url(in, node, file.url); }},
    {"release", When::kRequired,
     [](Reading& in, const Node& node, RepositoryFile& file) { in.name_of_enum(node, "InvalidRelease", file.release); }},
    {"branch", When::kNotNull, [](Reading& in, const Node& node, RepositoryFile& file) { read_branch(in, node, file.branch); }},
    {"tag_pattern", When::kNotNull,
     [](Reading& in, const Node& node, RepositoryFile& file) { read_tag_pattern(in, node, file.tag_pattern); }},
    {"image", When::kNotNull,
     [](Reading& in, const Node& node, RepositoryFile& file) { read_image_template(in, node, file.image); }},
    {"credentials", When::kOptional,
     [](Reading& in, const Node& node, RepositoryFile& file) {
       read_object(in, node, "credentials", kCredentialFields, file.credentials);
     }},
    {"units", When::kNotNull,
     [](Reading& in, const Node& node, RepositoryFile& file) {
       file.units_place = node.key_place;
       read_patterns(in, node, "-", file.units);
     }},
    {"may", When::kOptional,
     [](Reading& in, const Node& node, RepositoryFile& file) {
       file.may.place = node.key_place;
       read_object(in, node, "may", kClaimFields, file.may);
       warn_of_unenforced(in, node);
     }},
});

void read_repository(Reading& in, const Node& root, RepositoryFile& file) {
  const std::size_t errors_before = in.errors();
  if (file.name == "control")
    in.error(root.place, "InvalidFileName", "`control` is what the control repository itself is called",
             "give the file another name");
  read_object(in, root, "repository", kRepositoryFields, file);
  if (in.errors() != errors_before) return;
  if (file.release == ReleaseBy::kBranch && !file.tag_pattern.empty())
    in.error(root.find("tag_pattern")->key_place, "InvalidRelease", "`tag_pattern` goes with `release: tags` only",
             "remove it, or release by tags");
  const auto address = git::parse_address(file.url);
  if (address && address->transport == git::Transport::kSsh && file.credentials.known_hosts.empty())
    in.error(root.find("url")->place, "MissingKnownHosts", "an ssh repository needs the keys its host may have",
             "add `credentials: {known_hosts: file:/path}`, made with ssh-keyscan and checked");
}

// ---------------------------------------------------------------------------------------------------------------- namespaces/, acknowledgements/

constexpr auto kNamespaceFields = std::to_array<Field<NamespaceFile>>({
    {"domains", When::kNotNull,
     [](Reading& in, const Node& node, NamespaceFile& file) {
       std::vector<std::string> names;
       if (!in.texts(node, names)) return;
       for (std::size_t i = 0; i < names.size(); ++i)
         if (!is_object_name(names[i]))
           in.error(node.children[i].place, "InvalidDomain", in_quotes(names[i]) + " is not a domain's name",
                    "name a file of domains/ without its .yml");
       file.domains = std::move(names);
     }},
    {"namespaces", When::kNotNull,
     [](Reading& in, const Node& node, NamespaceFile& file) {
       read_list(in, node, [&](const Node& item) {
         std::string name;
         if (!in.text(item, name)) return;
         if (!valid_namespace(name) || (name != file.root && !is_below(name, file.root)))
           in.error(item.place, "InvalidNamespace", in_quotes(name) + " is not a namespace under " + in_quotes(file.root),
                    "write its whole path, such as `" + file.root + "/sandbox`");
         else
           file.namespaces.push_back(std::move(name));
       });
     }},
});

void read_namespaces(Reading& in, const Node& root, NamespaceFile& file) {
  if (!valid_namespace(file.root)) {
    in.error(root.place, "InvalidFileName", in_quotes(file.root) + " is not a namespace",
             "name the file after the root namespace: lower-case letters and hyphens");
    return;
  }
  read_object(in, root, "namespaces", kNamespaceFields, file);
  std::set<std::string> all = {file.root};
  for (const std::string& name : file.namespaces)
    for (std::optional<std::string_view> at = name; at; at = parent_of(*at)) all.emplace(*at);
  file.namespaces.assign(all.begin(), all.end());
}

template <std::string WentBack::*member>
void read_commit(Reading& in, const Node& node, AcknowledgementFile& file) {
  std::string id;
  if (!in.text(node, id)) return;
  if (id.size() == 40 && id.find_first_not_of("0123456789abcdef") == std::string::npos)
    (*file.went_back).*member = std::move(id);
  else
    in.error(node.place, "InvalidCommit", in_quotes(id) + " is not the full id of a commit",
             "copy the ids that `nelson status` prints");
}

constexpr auto kWentBackFields = std::to_array<Field<AcknowledgementFile>>({
    {"from", When::kRequired, read_commit<&WentBack::from>},
    {"to", When::kRequired, read_commit<&WentBack::to>},
});

constexpr auto kAcknowledgementFields = std::to_array<Field<AcknowledgementFile>>({
    {"went_back", When::kNotNull,
     [](Reading& in, const Node& node, AcknowledgementFile& file) {
       file.went_back.emplace();
       read_object(in, node, "went_back", kWentBackFields, file);
     }},
    {"stacks", When::kNotNull,
     [](Reading& in, const Node& node, AcknowledgementFile& file) {
       read_list(in, node, [&](const Node& item) {
         std::string name;
         if (!in.text(item, name)) return;
         if (!parse_stack_name(name))
           in.error(item.place, "InvalidStackName", in_quotes(name) + " is not a stack's name",
                    "copy the names that `nelson status` prints");
         else
           file.stacks.push_back(std::move(name));
       });
     }},
    {"why", When::kRequired, kText<&AcknowledgementFile::why>},
});

// ---------------------------------------------------------------------------------------------------------------- files and folders

/// "folder/stem.yml"; an empty folder for files of the root.
struct PathParts {
  std::string_view folder, stem, suffix;
};

PathParts parts_of(std::string_view path) {
  PathParts parts;
  const std::size_t slash = path.rfind('/');
  if (slash != std::string_view::npos) {
    parts.folder = path.substr(0, slash);
    path.remove_prefix(slash + 1);
  }
  const std::size_t dot = path.rfind('.');
  parts.stem = path.substr(0, dot);
  if (dot != std::string_view::npos) parts.suffix = path.substr(dot);
  return parts;
}

const std::vector<std::string>& understood_folders() {
  static const std::vector<std::string> kFolders = {"repositories", "domains", "namespaces", "acknowledgements"};
  return kFolders;
}

const std::vector<std::string>& later_folders() {
  static const std::vector<std::string> kFolders = {"promotions", "deprecations",  "redeploys",  "reversals", "holds",
                                                    "pauses",     "loadbalancers", "blueprints", "roles",     "notifications"};
  return kFolders;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Names the object after its file and reads it.
ControlObject read_object_of(Reading& in, const PathParts& parts, const Node& root) {
  const std::string name(parts.stem);
  if (parts.folder == "repositories") {
    RepositoryFile file;
    file.name = name;
    read_repository(in, root, file);
    return file;
  }
  if (parts.folder == "domains") {
    DomainSettings domain;
    domain.name = name;
    read_domain(in, root, domain);
    return domain;
  }
  if (parts.folder == "namespaces") {
    NamespaceFile file;
    file.root = name;
    read_namespaces(in, root, file);
    return file;
  }
  if (parts.folder == "acknowledgements") {
    AcknowledgementFile file;
    if (read_object(in, root, "acknowledgement", kAcknowledgementFields, file) && file.stacks.empty() && !file.went_back)
      in.error(root.place, "MissingProperty", "an acknowledgement needs `stacks` or `went_back`",
               "copy what `nelson status` prints");
    std::sort(file.stacks.begin(), file.stacks.end());
    return file;
  }
  OwnerFile owner;
  read_object(in, root, "owner", kOwnerFields, owner);
  return owner;
}

Problem path_problem(std::string_view path, std::string_view code, std::string message, std::string way_out, bool warning) {
  Problem problem = problem_at({}, code, std::move(message), std::move(way_out));
  problem.file = path;
  problem.warning = warning;
  return problem;
}

}  // namespace

bool is_control_file(std::string_view path) {
  if (path == "owner.yml") return true;
  const PathParts parts = parts_of(path);
  return contains(understood_folders(), parts.folder) && parts.suffix == kSuffix && is_object_name(parts.stem);
}

ControlReading read_control_file(std::string_view path, std::string_view bytes) {
  ControlReading reading;
  DocumentReading document = read_document(bytes, DuplicateKeys::kRefuse);
  reading.problems = std::move(document.problems);
  if (document.root) {
    // A file with nothing in it says nothing, and its defaults stand.
    if (document.root->kind == NodeKind::kNull) document.root->kind = NodeKind::kMapping;
    Reading in(UnknownKeys::kRefuse);
    ControlObject object = read_object_of(in, parts_of(path), *document.root);
    if (in.errors() == 0) reading.object = std::move(object);
    for (Problem& problem : in.take()) reading.problems.push_back(std::move(problem));
  }
  for (Problem& problem : reading.problems) problem.file = path;
  return reading;
}

std::optional<Problem> unread_path_problem(std::string_view path) {
  const PathParts parts = parts_of(path);
  const std::string_view top = parts.folder.substr(0, parts.folder.find('/'));
  const bool yaml = parts.suffix == kSuffix || parts.suffix == ".yaml";
  if (path.starts_with('.') || parts.stem.empty() || !yaml || is_control_file(path)) return std::nullopt;
  if (contains(later_folders(), top))
    return path_problem(path, "NotUnderstood",
                        "files of " + std::string(top) + "/ are not understood by this version, this one changes nothing",
                        "remove it until a version understands it", true);
  if (!contains(understood_folders(), top)) {
    const std::vector<std::string>& known = understood_folders();
    const auto near = nearest(top.empty() ? parts.stem : top, top.empty() ? std::vector<std::string>{"owner"} : known);
    return path_problem(path, "UnknownFile", "nothing is read from here",
                        near ? "did you mean `" + *near + (top.empty() ? ".yml`?" : "/`?")
                             : "known folders: repositories, domains, namespaces, acknowledgements",
                        true);
  }
  if (parts.folder != top)
    return path_problem(path, "InvalidFileName", "a file in a folder below " + std::string(top) + "/ is not read", "move it up",
                        false);
  return path_problem(
      path, "InvalidFileName",
      in_quotes(std::string(parts.stem) + std::string(parts.suffix)) + " is not the name of a file here, and it is not read",
      "use lower-case letters, digits and hyphens, at most 64, and the suffix .yml", false);
}

void ControlFiles::put(std::string_view path, std::string_view commit, ControlObject object) {
  const std::string name(parts_of(path).stem);
  files[std::string(path)] = commit;
  if (auto* owner_file = std::get_if<OwnerFile>(&object)) owner = std::move(*owner_file);
  if (auto* repository = std::get_if<RepositoryFile>(&object)) repositories[name] = std::move(*repository);
  if (auto* domain = std::get_if<DomainSettings>(&object)) domains[name] = std::move(*domain);
  if (auto* space = std::get_if<NamespaceFile>(&object)) namespaces[name] = std::move(*space);
  if (auto* acknowledgement = std::get_if<AcknowledgementFile>(&object)) acknowledgements[name] = std::move(*acknowledgement);
}

void ControlFiles::put_unread(std::string_view path) {
  const PathParts parts = parts_of(path);
  if (parts.folder == "repositories") unread.emplace(parts.stem);
}

bool matches(std::string_view pattern, std::string_view name) {
  // The last star takes one character more whenever the rest does not fit: linear in practice, and never worse than the product.
  std::size_t p = 0, n = 0, star = std::string_view::npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool matches_any(const std::vector<std::string>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) { return matches(pattern, name); });
}

namespace {

/// Matches the rest of a pattern; a unit is tried at every length, and there are two marks at most.
bool match_rest(std::string_view pattern, std::string_view tag, TagRelease& out) {
  if (pattern.starts_with(kVersionMark)) {
    for (std::size_t length = tag.size(); length > 0; --length) {
      const auto version = parse_version(tag.substr(0, length));
      if (!version || !match_rest(pattern.substr(kVersionMark.size()), tag.substr(length), out)) continue;
      out.version = *version;
      return true;
    }
    return false;
  }
  if (pattern.starts_with(kUnitMark)) {
    for (std::size_t length = std::min<std::size_t>(tag.size(), 41); length > 0; --length) {
      if (!valid_unit_name(tag.substr(0, length)) || !match_rest(pattern.substr(kUnitMark.size()), tag.substr(length), out))
        continue;
      out.unit = tag.substr(0, length);
      return true;
    }
    return false;
  }
  if (pattern.empty()) return tag.empty();
  return !tag.empty() && pattern[0] == tag[0] && match_rest(pattern.substr(1), tag.substr(1), out);
}

}  // namespace

std::optional<TagRelease> match_tag(std::string_view pattern, std::string_view tag) {
  constexpr std::size_t kLongestTag = 255;
  if (tag.size() > kLongestTag) return std::nullopt;
  if (pattern.empty()) {
    if (auto plain = match_tag(kVersionMark, tag)) return plain;
    return match_tag("{unit}/{version}", tag);
  }
  TagRelease release;
  if (!match_rest(pattern, tag, release)) return std::nullopt;
  return release;
}

Result<std::string> image_of(const RepositoryFile& repository, std::string_view unit, const Version& version,
                             std::string_view commit) {
  std::string image = filled(repository.image, repository.name, unit, version, commit);
  if (const Status syntax = check_image(image); !syntax) return syntax.error();
  return image;
}

std::string printable_url(std::string_view url) {
  std::string out(url.substr(0, url.find_first_of("?#")));
  const std::size_t scheme = out.find("://");
  if (scheme == std::string::npos) return out;
  const std::size_t start = scheme + 3;
  const std::size_t end = std::min(out.find('/', start), out.size());
  const std::size_t at = out.rfind('@', end);
  if (at == std::string::npos || at < start) return out;
  // The user of an ssh url is part of the address; that of any other may be a token.
  const bool keeps_user = out.find("ssh") < scheme;
  const std::size_t colon = out.find(':', start);
  const std::string user = keeps_user ? out.substr(start, std::min(colon, at) - start) + "@" : std::string();
  return out.substr(0, start) + user + out.substr(at + 1);
}

}  // namespace nelson
