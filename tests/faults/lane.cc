#include "tests/faults/lane.h"

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

namespace nelson::faults {
namespace {

namespace fs = std::filesystem;
using datacenter::Process;
using datacenter::Status;
using datacenter::wait_until;
using Json = nlohmann::json;

constexpr const char* kUnit = "basket";
constexpr const char* kStaysTold = "MirrorRebuilt";  // a warning that stands until the next push

std::set<std::string> names_in(const std::string& folder) {
  std::set<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) names.insert(entry.path().filename().string());
  return names;
}

std::string listed(const std::set<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += " " + name;
  return out.empty() ? " nothing" : out;
}

}  // namespace

Lane::Lane(datacenter::Times times)
    : world_(std::move(times)), shim_(world_.folder(), {world_.store_folder(), world_.domain_folder()}) {
  if (!world_.broken().empty()) return;
  world_.add_repository("shop");
  push_next();
}

void Lane::push_next() {
  version_ = "1.0." + std::to_string(++release_);
  datacenter::Unit unit;
  unit.name = kUnit;
  unit.version = version_;
  unit.instances = static_cast<int>(kInstances);
  world_.push_unit("shop", unit);
}

void Lane::end_all() {
  watch_.reset();
  world_.kill_controller();
  for (const std::string& folder : {world_.domain_folder(), world_.store_folder()}) datacenter::end_processes_touching(folder);
}

void Lane::begin_anew() {
  end_all();
  for (const std::string& folder : {world_.domain_folder(), world_.store_folder()}) fs::remove_all(folder);
  left_.clear();
  for (const std::string& name : names_in(world_.path("witness"))) fs::remove(world_.path("witness/" + name));
  sequence_ = 0;
}

bool Lane::start() {
  if (!watch_) watch_ = std::make_unique<datacenter::Watch>(world_);
  return world_.start(shim_.preload());
}

bool Lane::settled() {
  const Status status = world_.status();
  const auto stack = status.find(kUnit, version_);
  if (!status.answered || !status.converged || status.stacks.size() != 1 || !stack) return false;
  if (!stack->wanted || !stack->arrived || stack->healthy != static_cast<int>(kInstances)) return false;
  const auto seen = world_.witnessed();
  return seen.size() == kInstances &&
         std::all_of(seen.begin(), seen.end(), [&](const auto& one) { return one.stack == stack->name; });
}

bool Lane::wait_settled(Seconds limit) {
  return wait_until(limit, [this] { return settled(); });
}

bool Lane::be_settled() { return (world_.controller().running() || start()) && wait_settled(); }

std::vector<Process> Lane::instances() const {
  std::vector<Process> out;
  for (const auto& one : world_.witnessed()) out.push_back(one.process);
  std::sort(out.begin(), out.end(), [](const Process& a, const Process& b) { return a.pid < b.pid; });
  return out;
}

std::optional<datacenter::Trouble> Lane::trouble() const {
  for (const datacenter::Trouble& one : world_.status().trouble)
    if (one.level != "notice") return one;
  return std::nullopt;
}

std::vector<Call> Lane::effects() const {
  std::vector<Call> out;
  for (Call& call : shim_.log())
    if (call.role == "run" && call.path.starts_with(world_.domain_folder())) out.push_back(std::move(call));
  return out;
}

void Lane::look_at_files(const std::string& stack, std::vector<std::string>& out) {
  const std::string domain = world_.domain_folder();
  const auto expect = [&out](const std::string& what, const std::set<std::string>& is, const std::set<std::string>& wanted) {
    if (is != wanted) out.push_back(what + ":" + listed(is) + ", wanted:" + listed(wanted));
  };
  std::set<std::string> stacks = names_in(domain + "/stacks");
  if (supervisor_died_)
    for (const std::string& other : stacks)
      if (other != stack) left_.insert(other);
  std::erase_if(stacks, [this](const std::string& other) { return left_.contains(other); });
  expect("folders of stacks", stacks, {stack});
  std::set<std::string> live_records;
  for (const std::string& name : names_in(domain + "/records/stacks")) {
    if (name.front() == '.') continue;  // the remains of a write that was cut off
    const Json file = Json::parse(datacenter::read_text(domain + "/records/stacks/" + name), nullptr, false);
    const Json record = file.is_object() ? file.value("record", Json::object()) : Json::object();
    if (record.value("identity", Json::object()).value("owner", "") != world_.owner()) out.push_back("a foreign record: " + name);
    if (!record.value("removed", false)) live_records.insert(record.value("stack", ""));
  }
  expect("records of living stacks", live_records, {stack});
  expect("discovery entries", names_in(domain + "/lighthouse"), {stack + ".json"});
  const auto trees = names_in(domain + "/trees");
  if (trees.size() != 1) out.push_back("trees:" + listed(trees) + ", wanted: one");
  std::set<std::string> claims, wanted_claims;
  for (const std::string& name : names_in(domain + "/ports")) {
    std::error_code no_link;
    const std::string target = fs::read_symlink(domain + "/ports/" + name, no_link).string();
    if (no_link || left_.contains(target.substr(0, target.find('/')))) continue;
    if (!claims.insert(target).second) out.push_back("two ports are claimed by " + target);
  }
  for (std::size_t i = 0; i < kInstances; ++i) wanted_claims.insert(stack + "/" + std::to_string(i));
  expect("ports claimed", claims, wanted_claims);
}

/// Every number once, none open, and none of those known before gone.
void Lane::look_at_journal(std::vector<std::string>& out) const {
  const Json entries = Json::parse(datacenter::http_get(world_.page_port(), "/v1/history?limit=500").body, nullptr, false);
  if (!entries.is_array() || entries.empty()) return out.push_back("the journal cannot be read");
  std::uint64_t expected = entries.front().value("sequence", std::uint64_t{0});
  if (expected < sequence_)
    out.push_back("the journal ended at " + std::to_string(sequence_) + " before, now at " + std::to_string(expected));
  for (const Json& entry : entries) {
    if (entry.value("sequence", std::uint64_t{0}) != expected--) return out.push_back("the journal has a gap: " + entry.dump());
    if (entry.value("outcome", "open") == "open") out.push_back("an intent stays open: " + entry.dump());
  }
  if (entries.size() < 500 && expected != 0) out.push_back("the journal does not begin at 1");
}

/// Nothing runs in the domain's folder but what is known.
void Lane::look_at_processes(std::vector<std::string>& out) const {
  std::set<pid_t> known;
  for (const auto& sighting : world_.witnessed()) known.insert(sighting.process.pid);
  const std::vector<Process> supervisors = world_.supervisors();
  if (supervisors.size() != 1) out.push_back(std::to_string(supervisors.size()) + " supervisors");
  if (world_.balancers().size() > 1) out.push_back("more than one balancer");
  for (const Process& process : datacenter::processes_touching(world_.domain_folder())) {
    const bool ours = known.contains(process.pid) || process.command.find(" supervise ") != std::string::npos ||
                      process.command.find("haproxy") != std::string::npos;
    if (!ours && datacenter::alive(process)) out.push_back("an orphan: " + std::to_string(process.pid) + " " + process.command);
  }
}

/// Each instance writes a file when it is born, which stays when it dies.
void Lane::look_at_births(const std::string& stack, std::vector<std::string>& out) {
  std::map<std::string, int> births;
  for (const std::string& name : names_in(world_.path("witness"))) {
    std::istringstream words(datacenter::read_text(world_.path("witness/" + name)));
    std::string born_in, instance;
    words >> born_in >> instance;
    if (++births[born_in + " instance " + instance] == 2 && !supervisor_died_)
      out.push_back("born twice: " + born_in + " instance " + instance);
    const std::size_t dash = name.find('-');
    const bool lives = dash != std::string::npos && datacenter::alive({std::stoi(name), std::stoull(name.substr(dash + 1)), ""});
    if (!lives && (born_in != stack || supervisor_died_)) fs::remove(world_.path("witness/" + name));
  }
}

std::vector<std::string> Lane::findings() {
  std::vector<std::string> out;
  if (watch_) out = watch_->findings();
  watch_.reset();
  const auto stack = world_.status().find(kUnit, version_);
  if (!stack) return {"the stack is gone again" + world_.why()};
  // What goes beside the last effect: tidying up, a supervisor's last steps, news on the page.
  const auto looked = [&] {
    std::vector<std::string> found;
    look_at_files(stack->name, found);
    look_at_journal(found);
    look_at_processes(found);
    for (const auto& trouble : world_.status().trouble)
      if (trouble.level != "notice" && trouble.code != kStaysTold)
        found.push_back("still told as wrong: " + trouble.code + ": " + trouble.cause);
    return found;
  };
  wait_until(Seconds(15), [&] { return looked().empty(); });
  const std::vector<std::string> found = looked();
  out.insert(out.end(), found.begin(), found.end());
  look_at_births(stack->name, out);
  supervisor_died_ = false;
  const Json entries = Json::parse(datacenter::http_get(world_.page_port(), "/v1/history?limit=1").body, nullptr, false);
  if (entries.is_array() && !entries.empty()) sequence_ = entries.front().value("sequence", std::uint64_t{0});
  watch_ = std::make_unique<datacenter::Watch>(world_);
  return out;
}

}  // namespace nelson::faults
