#include "controller/cli/machine_file.h"

#include <array>
#include <cstdlib>

#include "controller/base/files.h"
#include "gitsync/object_reader.h"

namespace nelson {
namespace {

constexpr std::int64_t kMany = 1'000'000'000;

constexpr auto kCredentialFields = std::to_array<Field<CredentialReferences>>({
    {"token", When::kNotNull, kText<&CredentialReferences::token>},
    {"user", When::kNotNull, kText<&CredentialReferences::user>},
    {"ssh_key", When::kNotNull, kText<&CredentialReferences::ssh_key>},
    {"known_hosts", When::kNotNull, kText<&CredentialReferences::known_hosts>},
    {"ca", When::kNotNull, kText<&CredentialReferences::ca>},
});

/// A reference that is none must not come back in a message: it may well be the secret itself.
void check_reference(Reading& reading, const Node& node, std::string_view key, bool file_only) {
  const Node* value = node.find(key);
  if (value == nullptr || value->kind != NodeKind::kScalar) return;
  const bool file = value->text.starts_with("file:") && value->text.size() > 5;
  const bool variable = value->text.starts_with("env:") && value->text.size() > 4;
  if (file || (variable && !file_only)) return;
  reading.error(value->place, "InvalidCredential", "`control.credentials." + std::string(key) + "` is not a reference",
                file_only ? "write `file:/path`" : "write `env:NAME` or `file:/path`, never the secret itself");
}

void read_credentials(Reading& reading, const Node& node, MachineFile& machine) {
  if (!read_object(reading, node, "control.credentials", kCredentialFields, machine.control_credentials)) return;
  check_reference(reading, node, "token", false);
  for (const std::string_view key : {"ssh_key", "known_hosts", "ca"}) check_reference(reading, node, key, true);
}

constexpr auto kControlFields = std::to_array<Field<MachineFile>>({
    {"url", When::kRequired, kText<&MachineFile::control_url>},
    {"branch", When::kNotNull, kText<&MachineFile::control_branch>},
    {"credentials", When::kNotNull, read_credentials},
});

void read_control(Reading& reading, const Node& node, MachineFile& machine) {
  if (node.kind == NodeKind::kScalar)
    reading.text(node, machine.control_url);
  else
    read_object(reading, node, "control", kControlFields, machine);
}

constexpr auto kLogFields = std::to_array<Field<LogOptions>>({
    {"level", When::kNotNull,
     [](Reading& reading, const Node& node, LogOptions& log) { reading.name_of_enum(node, "InvalidLevel", log.level); }},
    {"format", When::kNotNull,
     [](Reading& reading, const Node& node, LogOptions& log) { reading.name_of_enum(node, "InvalidFormat", log.format); }},
    {"file", When::kNotNull, kText<&LogOptions::file>},
});

using Limits = MachineFile::Limits;
constexpr auto kLimitFields = std::to_array<Field<Limits>>({
    {"store_mib", When::kNotNull, kInteger<&Limits::store_mib, 16, 1'048'576>},
    {"journal_entries", When::kNotNull, kInteger<&Limits::journal_entries, 100, kMany>},
    {"replay_passes", When::kNotNull, kInteger<&Limits::replay_passes, 1, kMany>},
    {"git_deadline", When::kNotNull, kDuration<&Limits::git_deadline>},
    {"connections", When::kNotNull, kInteger<&Limits::connections, 16, 65'536>},
});

constexpr auto kFields = std::to_array<Field<MachineFile>>({
    {"control", When::kRequired, read_control},
    {"store", When::kRequired, kText<&MachineFile::store>},
    {"listen", When::kNotNull, kText<&MachineFile::listen>},
    {"poll", When::kNotNull, kDuration<&MachineFile::poll>},
    {"log", When::kNotNull,
     [](Reading& reading, const Node& node, MachineFile& machine) { read_object(reading, node, "log", kLogFields, machine.log); }},
    {"limits", When::kNotNull,
     [](Reading& reading, const Node& node, MachineFile& machine) {
       read_object(reading, node, "limits", kLimitFields, machine.limits);
     }},
});

void check_least(Reading& reading, const Node& root, std::string_view section, std::string_view key, Duration value,
                 Duration least) {
  if (value >= least) return;
  const Node* node = section.empty() ? &root : root.find(section);
  node = node == nullptr ? nullptr : node->find(key);
  if (node != nullptr)
    reading.error(node->place, "InvalidDuration", "`" + std::string(key) + "` is shorter than " + format_duration(least),
                  "write at least \"" + format_duration(least) + '"');
}

Error all_of(std::vector<Problem> problems, const std::string& path) {
  std::string lines;
  for (Problem& problem : problems) {
    if (problem.warning) continue;
    problem.file = path;
    lines += (lines.empty() ? "" : "\n") + to_string(problem);
  }
  return invalid(lines);
}

/// A URL that is a path means a repository of this machine, seen from the file like every path.
std::string resolve_url(const std::string& folder, const std::string& url) {
  const bool scp_like = url.find(':') != std::string::npos && url.find(':') < url.find('/');
  if (url.find("://") != std::string::npos || scp_like) return url;
  return "file://" + resolve_path(folder, url);
}

}  // namespace

Result<MachineFile> parse_machine_file(const std::string& path, const std::string& text) {
  DocumentReading document = read_document(text, DuplicateKeys::kRefuse);
  if (!document.root) return all_of(std::move(document.problems), path);
  MachineFile machine;
  machine.path = path;
  Reading reading(UnknownKeys::kRefuse);
  read_object(reading, *document.root, "", kFields, machine);
  check_least(reading, *document.root, "", "poll", machine.poll, std::chrono::milliseconds(100));
  check_least(reading, *document.root, "limits", "git_deadline", machine.limits.git_deadline, std::chrono::seconds(1));
  if (reading.errors() > 0) return all_of(reading.take(), path);
  const std::string folder = folder_of(path);
  machine.control_url = resolve_url(folder, machine.control_url);
  machine.store = resolve_path(folder, machine.store);
  if (!machine.log.file.empty()) machine.log.file = resolve_path(folder, machine.log.file);
  return machine;
}

Result<MachineFile> read_machine_file(const std::string& path) {
  const auto text = read_file(path, kDocumentLimits.bytes);
  if (!text)
    return invalid("configuration " + text.error().message +
                   "; name another with --config or NELSON_CONFIG, or make one with \"nelson init DIR\"");
  return parse_machine_file(path, *text);
}

std::string machine_file_path(const std::string& flag) {
  if (!flag.empty()) return flag;
  const char* variable = std::getenv("NELSON_CONFIG");
  return variable != nullptr && *variable != '\0' ? variable : "/etc/nelson/nelson.yml";
}

std::string database_folder(const MachineFile& machine) { return machine.store + "/database"; }
std::string mirrors_folder(const MachineFile& machine) { return machine.store + "/mirrors"; }

}  // namespace nelson
