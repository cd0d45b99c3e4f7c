#pragma once

#include <string>

#include "controller/base/log.h"
#include "gitsync/gitsync.h"
#include "state/model/result.h"

namespace nelson {

/// What belongs to this machine and to nobody else (design.md, "Two kinds of configuration"). What operators want is in the control
/// repository. Paths are absolute.
struct MachineFile {
  std::string path;
  std::string control_url;
  std::string control_branch = "main";
  CredentialReferences control_credentials;
  std::string store;  // the folder of everything that may be deleted: database and mirrors
  std::string listen = "127.0.0.1:9000";
  Duration poll = std::chrono::seconds(30);
  LogOptions log;
  struct Limits {
    std::uint64_t store_mib = 1024;                    // of the database
    std::uint64_t journal_entries = 100'000;           // kept; older ones go
    std::uint64_t replay_passes = 1'000;               // kept for replay
    Duration git_deadline = std::chrono::seconds(60);  // for one request to one repository
    std::uint32_t connections = 8192;                  // of the status server
  } limits;
};

/// Reads what is at `path`. kInvalid: every problem, one line each, as `file:line:column: what; way out`.
Result<MachineFile> read_machine_file(const std::string& path);
/// The same for text already read; `path` only says what paths are relative to and what messages call it.
Result<MachineFile> parse_machine_file(const std::string& path, const std::string& text);

/// --config, else $NELSON_CONFIG, else /etc/nelson/nelson.yml.
[[nodiscard]] std::string machine_file_path(const std::string& flag);

// Where things are below `store`.
[[nodiscard]] std::string database_folder(const MachineFile& machine);
[[nodiscard]] std::string mirrors_folder(const MachineFile& machine);

}  // namespace nelson
