#include "controller/domains/local/supervisor_document.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <exception>

#include "controller/base/json.h"
#include "controller/domains/local/process.h"

namespace nelson {
namespace {

template <class T>
std::string print(const T& value) {
  return json::to_json(value).dump(1, ' ', false, json::Json::error_handler_t::replace) + "\n";
}

template <class T>
std::optional<T> parse_file(const std::string& path) {
  const auto text = read_text(path);
  if (!text) return std::nullopt;
  try {
    return json::read<T>(json::parse(*text));
  } catch (const std::exception&) {
    errno = 0;
    return std::nullopt;
  }
}

}  // namespace

std::string render_document(const Launch& launch, const DomainSettings& settings, std::string_view guid) {
  const Identity& identity = launch.identity;
  const Spec& spec = identity.spec;
  LocalDocument document;
  document.stack = launch.stack;
  document.guid = std::string(guid);
  document.owner = identity.owner;
  document.domain = identity.domain;
  document.name_space = identity.name_space;
  document.unit = identity.unit;
  document.version = to_string(identity.version);
  document.plan = identity.plan;
  document.repository = identity.repository;
  document.command = identity.artifact.command;
  document.tree = identity.artifact.tree;
  document.environment = spec.environment;
  document.ports = spec.ports;
  document.checks = spec.health_checks;
  document.bindings = launch.bindings;
  document.schedule = spec.schedule;
  document.timezone = spec.timezone;
  document.retries = spec.retries;
  document.cpu_millis = spec.cpu_millis;
  document.memory_kib = spec.memory_kib;
  document.run_as = settings.run_as;
  document.stop_grace = settings.stop_grace;
  return print(document);
}

Result<LocalDocument> read_document(std::string_view text) {
  try {
    return json::read<LocalDocument>(json::parse(text));
  } catch (const std::exception& problem) {
    return invalid(std::string("the stack's document cannot be read: ") + problem.what());
  }
}

std::string to_text(const LocalSubmission& submission) { return print(submission); }
std::string to_text(const SupervisorState& state) { return print(state); }

std::optional<LocalSubmission> read_submission(const std::string& stack_folder) {
  return parse_file<LocalSubmission>(stack_folder + kSubmissionFile);
}

std::optional<SupervisorState> read_state(const std::string& stack_folder) {
  return parse_file<SupervisorState>(stack_folder + kStateFile);
}

std::string variable_part(std::string_view name) {
  std::string out;
  for (const char c : name)
    out += std::isalnum(static_cast<unsigned char>(c)) != 0 ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : '_';
  return out;
}

std::string address_variable(std::string_view unit, std::string_view port) {
  return "NELSON_" + variable_part(unit) + "_" + variable_part(port) + "_ADDR";
}

bool valid_tree(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string boot_id() {
  std::string id = read_text("/proc/sys/kernel/random/boot_id", 64).value_or("");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

}  // namespace nelson
