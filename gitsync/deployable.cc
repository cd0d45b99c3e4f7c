#include "gitsync/deployable.h"

#include <algorithm>
#include <array>
#include <utility>

#include "gitsync/characters.h"
#include "gitsync/object_reader.h"
#include "state/model/names.h"

namespace nelson {
namespace {

constexpr std::string_view kProblematic = "ProblematicDeployable";
constexpr std::size_t kLongestImage = 512;
constexpr std::size_t kMaximumWords = 256;
constexpr std::size_t kLongestCommand = 32 * 1024;
constexpr std::size_t kLongestPath = 1024;

bool is_lower_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || is_digit(c); }

template <class Predicate>
bool all_of(std::string_view text, Predicate predicate) {
  return !text.empty() && std::all_of(text.begin(), text.end(), predicate);
}

/// Splits at each `separator`; empty parts are kept.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool is_host(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  const std::string_view name = text.substr(0, colon);
  const bool port_fits = colon == std::string_view::npos || (text.size() - colon <= 6 && all_of(text.substr(colon + 1), is_digit));
  return port_fits && all_of(name, [](char c) { return is_alphanumeric(c) || c == '.' || c == '-'; }) &&
         is_alphanumeric(name.front()) && is_alphanumeric(name.back());
}

bool is_path_part(std::string_view part) {
  return all_of(part, [](char c) { return is_lower_alphanumeric(c) || c == '.' || c == '_' || c == '-'; }) &&
         is_lower_alphanumeric(part.front()) && is_lower_alphanumeric(part.back());
}

bool is_tag(std::string_view tag) {
  return tag.size() <= 128 && all_of(tag, [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; }) &&
         tag.front() != '.' && tag.front() != '-';
}

bool is_digest(std::string_view digest) {
  constexpr std::string_view kPrefix = "sha256:";
  return digest.starts_with(kPrefix) && digest.size() == kPrefix.size() + 64 &&
         all_of(digest.substr(kPrefix.size()), [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

/// The file as written; what belongs to which kind is checked afterwards.
struct OutputFile {
  std::string kind;
  std::string image;
  std::vector<std::string> command;
  std::optional<std::string> tree;
};

/// The parts of a relative path, or nothing when it leaves its folder.
std::optional<std::string> normalized_path(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.size() > kLongestPath) return std::nullopt;
  std::string out;
  for (const std::string_view part : split(path, '/')) {
    if (part == "..") return std::nullopt;
    if (part.empty() || part == ".") continue;
    out += (out.empty() ? "" : "/") + std::string(part);
  }
  return out;
}

void read_tree(Reading& in, const Node& node, OutputFile& output) {
  std::string path;
  if (!in.text(node, path)) return;
  auto normalized = normalized_path(path);
  const bool printable =
      std::none_of(path.begin(), path.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\\'; });
  if (!normalized || !printable) {
    in.report(node.place, "ProblematicDeployable",
              {"`output.tree`: " + in_quotes(path) + " is not a folder beside the manifest or below it"},
              "write a relative path without `..`, or `.` for the manifest's own folder");
    return;
  }
  output.tree = std::move(*normalized);
}

void read_command(Reading& in, const Node& node, std::vector<std::string>& out) {
  if (node.kind == NodeKind::kScalar) {
    in.report(node.place, "ProblematicDeployable", {"`output.command` must be a list of words; it is run without a shell"},
              "write it like `command: [./serve, --port, \"80\"]`");
    return;
  }
  std::vector<std::string> words;
  if (!in.texts(node, words)) return;
  std::size_t bytes = 0;
  for (const std::string& word : words) bytes += word.size() + 1;
  if (words.empty() || words[0].empty() || words[0].find_first_of("\n\r") != std::string::npos) {
    in.report(node.place, "ProblematicDeployable", {"`output.command` names no program"}, "let its first word be the program");
  } else if (words.size() > kMaximumWords || bytes > kLongestCommand) {
    in.report(node.place, "ProblematicDeployable",
              {"`output.command` has " + std::to_string(words.size()) + " words and " + std::to_string(bytes) + " bytes"},
              "use at most " + std::to_string(kMaximumWords) + " words and " + std::to_string(kLongestCommand) +
                  " bytes; put the rest into a file of the tree");
  } else {
    out = std::move(words);
  }
}

constexpr auto kOutputFields = std::to_array<Field<OutputFile>>({
    {"kind", When::kRequired,
     [](Reading& in, const Node& node, OutputFile& output) {
       // container and docker are what older producers of deployables wrote.
       static const std::vector<std::string> kKinds = {"command", "image", "container", "docker"};
       std::size_t index = 0;
       if (in.one_of(node, kProblematic, kKinds, index)) output.kind = index == 0 ? "command" : "image";
     }},
    {"image", When::kOptional,
     [](Reading& in, const Node& node, OutputFile& output) {
       std::string image;
       if (!in.text(node, image)) return;
       if (const Status syntax = check_image(image); !syntax)
         in.report(node.place, "ProblematicDeployable", {"`output.image`: " + syntax.error().message},
                   "write it like `registry.example.org:5000/team/unit:1.4.2`");
       else
         output.image = std::move(image);
     }},
    {"command", When::kOptional, [](Reading& in, const Node& node, OutputFile& output) { read_command(in, node, output.command); }},
    {"tree", When::kOptional, read_tree},
});

struct DeployableFile {
  Deployable deployable;
  const Node* output = nullptr;
};

constexpr auto kDeployableFields = std::to_array<Field<DeployableFile>>({
    {"name", When::kRequired,
     [](Reading& in, const Node& node, DeployableFile& file) {
       if (!in.text(node, file.deployable.name)) return;
       if (!valid_unit_name(trimmed(file.deployable.name)))
         in.report(node.place, "ProblematicDeployable", {"`name`: " + in_quotes(file.deployable.name) + " is not a unit's name"},
                   "write the name of a unit of the manifest");
     }},
    {"version", When::kRequired,
     [](Reading& in, const Node& node, DeployableFile& file) {
       std::string text;
       if (!in.text(node, text)) return;
       const auto version = parse_version(text);
       if (version)
         file.deployable.version = *version;
       else
         in.report(node.place, "ProblematicDeployable", {"`version`: " + in_quotes(text) + " is not a version"},
                   "write three numbers, such as `1.4.2`");
     }},
    {"output", When::kRequired, [](Reading&, const Node& node, DeployableFile& file) { file.output = &node; }},
});

void read_output(Reading& in, const Node& node, Deployable& deployable) {
  OutputFile output;
  const std::size_t errors_before = in.errors();
  read_object(in, node, "output", kOutputFields, output);
  if (in.errors() != errors_before) return;
  const bool is_image = output.kind == "image";
  const auto demand = [&](std::string_view key, bool wanted) {
    const Node* value = node.find(key);
    const bool given = value != nullptr && value->kind != NodeKind::kNull;
    if (wanted && !given)
      in.report(node.place, "ProblematicDeployable", {"an output of kind " + output.kind + " needs `" + std::string(key) + "`"},
                "add `" + std::string(key) + ":`");
    if (!wanted && given)
      in.report(value->key_place, "ProblematicDeployable",
                {"`output." + std::string(key) + "` does not go with kind " + output.kind}, "remove it, or change the kind");
  };
  demand("image", is_image);
  demand("command", !is_image);
  if (is_image) demand("tree", false);
  deployable.kind = is_image ? ArtifactKind::kImage : ArtifactKind::kCommand;
  deployable.image = std::move(output.image);
  deployable.command = std::move(output.command);
  deployable.tree = std::move(output.tree);
}

}  // namespace

std::string folder_prefix(std::string_view file) {
  const std::size_t slash = file.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(file.substr(0, slash + 1));
}

Status check_image(std::string_view image) {
  if (image.size() > kLongestImage)
    return invalid("an image's name of " + std::to_string(image.size()) + " bytes, at most " + std::to_string(kLongestImage));
  std::string_view rest = image;
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    if (!is_digest(rest.substr(at + 1)))
      return invalid(in_quotes(image) + ": what follows `@` must be sha256: and 64 hexadecimal digits");
    rest = rest.substr(0, at);
  }
  const std::size_t slash = rest.rfind('/');
  const std::size_t name = slash == std::string_view::npos ? 0 : slash + 1;
  if (const std::size_t colon = rest.find(':', name); colon != std::string_view::npos) {
    if (!is_tag(rest.substr(colon + 1)))
      return invalid(in_quotes(image) + ": the tag is at most 128 letters, digits, `_`, `.` and `-`");
    rest = rest.substr(0, colon);
  }
  std::vector<std::string_view> parts = split(rest, '/');
  const bool has_host = parts.size() > 1 && (parts[0].find_first_of(".:") != std::string_view::npos || parts[0] == "localhost");
  if (has_host) {
    if (!is_host(parts[0])) return invalid(in_quotes(image) + ": " + in_quotes(parts[0]) + " is not a registry's host");
    parts.erase(parts.begin());
  }
  if (!std::all_of(parts.begin(), parts.end(), is_path_part))
    return invalid(in_quotes(image) + ": the parts of its path are lower-case letters, digits, `.`, `_` and `-`");
  return {};
}

DeployableReading read_deployable(std::string_view bytes) {
  DocumentReading document = read_document(bytes, DuplicateKeys::kLastWins);
  DeployableReading reading;
  reading.problems = std::move(document.problems);
  if (!document.root) {
    attach_sources(bytes, reading.problems);
    return reading;
  }
  Reading in(UnknownKeys::kWarn);
  DeployableFile file;
  if (document.root->kind == NodeKind::kNull)
    in.report(document.root->place, "ProblematicDeployable", {"the file is empty"}, "give it `name`, `version` and `output`");
  else
    read_object(in, *document.root, "deployable", kDeployableFields, file);
  if (file.output != nullptr) read_output(in, *file.output, file.deployable);
  const bool valid = in.errors() == 0;
  for (Problem& problem : in.take()) reading.problems.push_back(std::move(problem));
  std::stable_sort(reading.problems.begin(), reading.problems.end());
  attach_sources(bytes, reading.problems);
  if (valid) reading.deployable = std::move(file.deployable);
  return reading;
}

bool is_for(const Deployable& deployable, std::string_view unit) {
  return lower_case(trimmed(deployable.name)) == lower_case(trimmed(unit));
}

std::string deployable_path(std::string_view manifest_file, std::string_view unit) {
  return folder_prefix(manifest_file) + std::string(unit) + ".deployable.yml";
}

std::string tree_path(std::string_view manifest_file, const Deployable& deployable) {
  std::string path = folder_prefix(manifest_file) + deployable.tree.value_or("");
  if (path.ends_with('/')) path.pop_back();
  return path;
}

Artifact artifact_of(const Deployable& deployable, std::string_view tree_id) {
  return {deployable.kind, deployable.image, deployable.command, std::string(tree_id)};
}

}  // namespace nelson
