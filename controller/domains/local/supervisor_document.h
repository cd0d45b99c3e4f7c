#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/domains/domain.h"
#include "state/model/plan.h"

namespace nelson {

/// What a stack of a local domain is, as submitted: made by render(), kept in the stack's record, read by the stack's supervisor. Holds no
/// path of this machine. A field that is left out has its default, so that a newer nelson reads what an older one wrote.
struct LocalDocument {
  std::string stack;
  std::string guid;
  std::string owner;
  std::string domain;
  std::string name_space;
  std::string unit;
  std::string version;
  std::string plan;
  std::string repository;
  std::vector<std::string> command;
  std::string tree;
  std::vector<EnvironmentVariable> environment;
  std::vector<Port> ports;
  std::vector<HealthCheck> checks;
  std::vector<Binding> bindings;
  std::string schedule;
  std::string timezone;
  std::int32_t retries = 0;
  std::int64_t cpu_millis = 0;
  std::int64_t memory_kib = 0;
  std::string run_as;
  Duration stop_grace = std::chrono::seconds(10);
  std::optional<std::int32_t>
      rehearsal_rate;  // the schedule's clock runs so many times faster; for trying a schedule out, never rendered

  bool operator==(const LocalDocument&) const = default;
  static void visit(auto& self, auto&& field) {
    field("stack", self.stack);
    field("guid", self.guid);
    field("owner", self.owner);
    field("domain", self.domain);
    field("namespace", self.name_space);
    field("unit", self.unit);
    field("version", self.version);
    field("plan", self.plan);
    field("repository", self.repository);
    field("command", self.command);
    field("tree", self.tree);
    field("environment", self.environment);
    field("ports", self.ports);
    field("checks", self.checks);
    field("bindings", self.bindings);
    field("schedule", self.schedule);
    field("timezone", self.timezone);
    field("retries", self.retries);
    field("cpu_millis", self.cpu_millis);
    field("memory_kib", self.memory_kib);
    field("run_as", self.run_as);
    field("stop_grace", self.stop_grace);
    field("rehearsal_rate", self.rehearsal_rate);
  }
};

/// Beside the document in the stack's folder: how it was submitted here. `mark` is drawn anew for every folder and stands in the
/// environment of each process of the stack: it is how the stack's processes are known for ours.
struct LocalSubmission {
  std::int32_t format = 1;
  std::string owner;
  std::uint32_t incarnation = 0;
  std::string document_digest;
  std::string mark;
  std::int32_t count = 1;                      // when this supervisor was started
  std::vector<EnvironmentVariable> addresses;  // NELSON_<UNIT>_<PORT>_ADDR of each binding

  bool operator==(const LocalSubmission&) const = default;
  static void visit(auto& self, auto&& field) {
    field("format", self.format);
    field("owner", self.owner);
    field("incarnation", self.incarnation);
    field("document_digest", self.document_digest);
    field("mark", self.mark);
    field("count", self.count);
    field("addresses", self.addresses);
  }
};

/// How far a job is. A run is one start with the retries that follow it.
struct JobState {
  bool in_run = false;
  std::int32_t failures = 0;  // failed attempts of the run under way
  JobResult last = JobResult::kNone;

  bool operator==(const JobState&) const = default;
  static void visit(auto& self, auto&& field) {
    field("in_run", self.in_run);
    field("failures", self.failures);
    field("last", self.last);
  }
};

/// What the supervisor last knew, for its successor and for people. Process ids stand there to be read: nothing is ever signalled by them.
struct SupervisorState {
  struct Process {
    std::int32_t index = 0;
    std::int32_t pid = 0;
    std::uint64_t start_time = 0;
    std::vector<std::int32_t> ports;

    bool operator==(const Process&) const = default;
    static void visit(auto& self, auto&& field) {
      field("index", self.index);
      field("pid", self.pid);
      field("start_time", self.start_time);
      field("ports", self.ports);
    }
  };
  std::int32_t format = 1;
  std::string boot;  // /proc/sys/kernel/random/boot_id
  std::int32_t pid = 0;
  Running running;
  std::vector<Process> processes;
  JobState job;

  bool operator==(const SupervisorState&) const = default;
  static void visit(auto& self, auto&& field) {
    field("format", self.format);
    field("boot", self.boot);
    field("pid", self.pid);
    field("running", self.running);
    field("processes", self.processes);
    field("job", self.job);
  }
};

/// The paths of a local domain's folder.
struct LocalPaths {
  std::string folder;

  [[nodiscard]] std::string stacks() const { return folder + "/stacks"; }
  [[nodiscard]] std::string stack(std::string_view name) const { return stacks() + "/" + std::string(name); }
  [[nodiscard]] std::string trees() const { return folder + "/trees"; }
  [[nodiscard]] std::string ports() const { return folder + "/ports"; }
  [[nodiscard]] std::string logs() const { return folder + "/logs"; }
  [[nodiscard]] std::string logs(std::string_view name) const { return logs() + "/" + std::string(name); }
  [[nodiscard]] std::string lighthouse(std::string_view name) const {
    return folder + "/lighthouse/" + std::string(name) + ".json";
  }
};

// The files of a stack's folder.
inline constexpr const char* kLockFile = "/lock";
inline constexpr const char* kDocumentFile = "/document.json";
inline constexpr const char* kSubmissionFile = "/submission.json";
inline constexpr const char* kStateFile = "/state.json";
// In the folder of ports: the range in force, "first last". Not in the document, so that a widened range helps stacks that run already.
inline constexpr const char* kPortRangeFile = "/range";
inline constexpr const char* kSocketFile = "control.sock";

/// Equal arguments give equal bytes.
[[nodiscard]] std::string render_document(const Launch& launch, const DomainSettings& settings, std::string_view guid);

/// kInvalid says what cannot be read.
Result<LocalDocument> read_document(std::string_view text);

[[nodiscard]] std::string to_text(const LocalSubmission& submission);
[[nodiscard]] std::string to_text(const SupervisorState& state);

/// Nothing there, not to be read, or damaged: nothing; errno says why it could not be read, 0 that it is damaged.
[[nodiscard]] std::optional<LocalSubmission> read_submission(const std::string& stack_folder);
[[nodiscard]] std::optional<SupervisorState> read_state(const std::string& stack_folder);

/// "search-api", "default" -> "NELSON_SEARCH_API_DEFAULT_ADDR".
[[nodiscard]] std::string address_variable(std::string_view unit, std::string_view port);
/// "admin-http" -> "ADMIN_HTTP".
[[nodiscard]] std::string variable_part(std::string_view name);

/// Whether `text` names a tree: 40 or 64 lower-case hexadecimal digits.
[[nodiscard]] bool valid_tree(std::string_view text);

/// This boot of this machine.
[[nodiscard]] std::string boot_id();

}  // namespace nelson
