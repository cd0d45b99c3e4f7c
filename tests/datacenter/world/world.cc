#include "tests/datacenter/world/world.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

namespace nelson::datacenter {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

bool flag_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

Stack read_stack(const Json& service, const Json& json) {
  Stack stack;
  stack.name = text_of(json, "stack");
  stack.unit = text_of(service, "unit");
  stack.version = text_of(json, "version");
  stack.status = text_of(json, "status");
  stack.commit = text_of(json, "commit");
  if (json.contains("percent") && json["percent"].is_number()) stack.percent = json["percent"].get<int>();
  if (json.contains("instances")) {
    stack.wanted_instances = json["instances"].value("wanted", 0);
    stack.healthy = json["instances"].value("healthy", 0);
  }
  stack.wanted = flag_of(json, "wanted");
  stack.arrived = flag_of(json, "arrived");
  return stack;
}

Trouble read_trouble(const Json& json) {
  return {text_of(json, "level"),      text_of(json, "what"),   text_of(json, "place"), text_of(json, "cause"),
          text_of(json, "way_out"),    text_of(json, "code"),   text_of(json, "since"), text_of(json, "unit"),
          text_of(json, "repository"), text_of(json, "subject")};
}

std::string manifest_of(const Unit& unit, const std::string& witness) {
  std::string text = "units:\n  - name: " + unit.name + "\n    description: a witness\n    ports: [default->8080/http]\n";
  text += "plans:\n  - name: plan\n    instances: {desired: " + std::to_string(unit.instances) + "}\n";
  text += "    environment: [\"WITNESS=" + witness + "\"" + (unit.mode.empty() ? "" : ", MODE=" + unit.mode) + "]\n";
  text +=
      "    health_checks:\n      - {name: health, port_reference: default, protocol: http, path: /health, interval: 1 second, "
      "timeout: 1 s}\n";
  text += unit.plan;
  text += "namespaces:\n  - name: dev\n    units: [{ref: " + unit.name + ", plans: [plan]}]\n";
  return text;
}

std::string deployable_of(const Unit& unit) {
  return "name: " + unit.name + "\nversion: " + unit.version + "\noutput:\n  kind: command\n  command: " + unit.command +
         "\n  tree: app\n";
}

}  // namespace

std::string read_text(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void write_text(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

std::string replaced_number(const std::string& text, const std::string& number, const std::string& replacement) {
  return std::regex_replace(text, std::regex("\\b" + number + "\\b"), replacement);
}

std::optional<Stack> Status::find(const std::string& unit, const std::string& version) const {
  for (const Stack& stack : stacks)
    if (stack.unit == unit && stack.version == version) return stack;
  return std::nullopt;
}

std::optional<Stack> Status::find(const std::string& stack) const {
  for (const Stack& one : stacks)
    if (one.name == stack) return one;
  return std::nullopt;
}

std::vector<Trouble> Status::about(const std::string& word) const {
  std::vector<Trouble> found;
  for (const Trouble& one : trouble) {
    const std::string all = one.code + "\n" + one.unit + "\n" + one.what + "\n" + one.place + "\n" + one.cause + "\n" + one.way_out;
    if (all.find(word) != std::string::npos) found.push_back(one);
  }
  return found;
}

World::World(Times times) {
  std::string name = fs::temp_directory_path().string() + "/nelson-world.XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    broken_ = "no temporary folder";
    return;
  }
  folder_ = name;
  ::chmod(folder_.c_str(), 0711);  // what is deployed runs as another user
  ::setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
  ::setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);  // the whole process has it, and outlives this world
  fs::create_directory(path("witness"));
  ::chmod(path("witness").c_str(), 01777);
  make_site(times);
}

void World::make_site(const Times& times) {
  const Ran made = run({NELSON_BINARY, "init", "--no-user", path("site")});
  if (made.status != 0) {
    broken_ = "nelson init: " + made.out + made.err;
    return;
  }
  if (page_port_ == 0) {
    broken_ = "no ports are free";
    return;
  }
  domain_folder_ = path("site/domain");
  store_folder_ = path("site/store");
  write_text(config(), "control: control\nstore: store\nlisten: 127.0.0.1:" + std::to_string(page_port_) + "\npoll: 300 ms\n");
  const std::string instances = std::to_string(page_port_ + 1) + "-" + std::to_string(page_port_ + 50);
  const std::string stable = std::to_string(page_port_ + 51) + "-" + std::to_string(page_port_ + 100);
  std::string domain = "folder: " + domain_folder_ + "\n";
  if (::geteuid() == 0) domain += "run_as: nobody\n";
  domain += "traffic_shift: {policy: linear, duration: " + times.shift + "}\n";
  domain += "lifetimes: {initial: " + times.initial + ", extended: " + times.extended + "}\n";
  domain += "ready_after: 1 second\nstop_grace: " + times.grace + "\ndrain_limit: " + times.drain + "\n";
  domain += "ports: {instances: " + instances + ", stable: " + stable + "}\n";
  control_file("domains/local.yml", domain);
  std::istringstream words(read_text(path("site/control/owner.yml")));
  for (std::string word; words >> word;)
    if (word == "id:") words >> owner_;
  if (owner_.empty()) broken_ = "nelson init wrote no id into owner.yml";
}

World::~World() {
  if (folder_.empty()) return;
  controller_.kill();
  end_processes_touching(folder_);
  sweep_groups();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

/// Control groups outlive the processes they limited.
void World::sweep_groups() const {
  if (owner_.empty()) return;
  const std::string found = run({"find", "/sys/fs/cgroup", "-depth", "-type", "d", "-path", "*/nelson/" + owner_ + "*"}).out;
  std::istringstream lines(found);
  for (std::string group; std::getline(lines, group);) ::rmdir(group.c_str());
}

std::string World::git(const std::vector<std::string>& words, const std::string& folder) {
  std::vector<std::string> argv = {
      "git", "-c", "user.name=A Test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"};
  argv.insert(argv.end(), words.begin(), words.end());
  const Ran ran = run(argv, folder);
  if (ran.status != 0 && broken_.empty()) broken_ = "git " + words.front() + ": " + ran.err;
  return ran.out.empty() || ran.out.back() != '\n' ? ran.out : ran.out.substr(0, ran.out.size() - 1);
}

void World::add_repository(const std::string& name) {
  const std::string remote = path("remotes/" + name + ".git");
  fs::create_directories(path("remotes"));
  git({"init", "-q", "--bare", remote}, folder_);
  git({"clone", "-q", remote, path(name)}, folder_);
  control_file("repositories/" + name + ".yml", "url: file://" + remote + "\nrelease: branch\n");
}

std::string World::commit_and_push(const std::string& repository, const std::string& message) {
  git({"add", "-A"}, path(repository));
  git({"commit", "-q", "--allow-empty", "-m", message}, path(repository));
  git({"push", "-q", "origin", "HEAD"}, path(repository));
  return git({"rev-parse", "HEAD"}, path(repository));
}

std::string World::push_unit(const std::string& repository, const Unit& unit) {
  const std::string to = path(repository);
  write_text(to + "/.nelson.yml", manifest_of(unit, path("witness")));
  write_text(to + "/" + unit.name + ".deployable.yml", deployable_of(unit));
  write_text(to + "/app/witness.py", read_text(NELSON_SOURCE "/tests/datacenter/world/witness.py"));
  return commit_and_push(repository, unit.name + " " + unit.version);
}

std::string World::push_file(const std::string& repository, const std::string& file, const std::string& text) {
  write_text(path(repository) + "/" + file, text);
  return commit_and_push(repository, file);
}

std::string World::control_file(const std::string& file, const std::optional<std::string>& text) {
  const std::string control = path("site/control");
  if (text)
    write_text(control + "/" + file, *text);
  else
    fs::remove(control + "/" + file);
  git({"add", "-A"}, control);
  git({"commit", "-q", "--allow-empty", "-m", file}, control);
  return git({"rev-parse", "HEAD"}, control);
}

bool World::start(const std::vector<std::string>& before) {
  std::vector<std::string> words = before;
  words.insert(words.end(), {NELSON_BINARY, "run", "--config", config()});
  controller_ = Background(words, path("controller.log"));
  return wait_until(Seconds(30),
                    [this] { return !controller_.running() || http_get(page_port_, "/healthz", Seconds(2)).status == 200; }) &&
         controller_.running();
}

Ran World::nelson(std::vector<std::string> words, Seconds limit) {
  words.insert(words.begin(), NELSON_BINARY);
  words.insert(words.end(), {"--config", config()});
  return run(words, folder_, limit);
}

std::string World::log() const { return read_text(path("controller.log")); }

Status World::status() const {
  Status status;
  const Answer answer = http_get(page_port_, "/v1/status");
  const Json json = Json::parse(answer.body, nullptr, false);
  if (answer.status != 200 || json.is_discarded()) return status;
  status.answered = true;
  status.converged = flag_of(json, "converged");
  status.control_commit = text_of(json.value("control", Json::object()), "commit");
  status.store_notice = text_of(json, "store_notice");
  for (const Json& one : json.value("trouble", Json::array())) status.trouble.push_back(read_trouble(one));
  for (const Json& service : json.value("services", Json::array()))
    for (const Json& stack : service.value("stacks", Json::array())) status.stacks.push_back(read_stack(service, stack));
  return status;
}

bool World::wait_live(const std::string& unit, const std::string& version, Seconds limit) {
  return wait_until(limit, [&] {
    const std::optional<Stack> stack = status().find(unit, version);
    return stack && stack->wanted && stack->arrived && stack->healthy == stack->wanted_instances;
  });
}

std::optional<Trouble> World::wait_trouble(const std::string& word, Seconds limit) {
  std::vector<Trouble> found;
  wait_until(limit, [&] {
    found = status().about(word);
    return !found.empty();
  });
  return found.empty() ? std::nullopt : std::optional(found.front());
}

bool World::wait_well(Seconds limit) {
  return wait_until(limit, [&] {
    const Status now = status();
    return now.answered &&
           std::all_of(now.trouble.begin(), now.trouble.end(), [](const Trouble& one) { return one.level == "notice"; });
  });
}

std::string World::why() const {
  const std::string said = log();
  return "\nbroken: " + broken_ + "\nstatus: " + http_get(page_port_, "/v1/status").body + "\nthe end of the log:\n" +
         said.substr(said.size() > 4000 ? said.size() - 4000 : 0);
}

std::optional<int> World::recorded_percent(const std::string& stack) const {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(domain_folder_ + "/records/traffic", error)) {
    const Json json = Json::parse(read_text(entry.path().string()), nullptr, false);
    if (json.is_discarded()) continue;
    const Json flat = json.flatten();
    for (const auto& item : flat.items()) {
      if (item.key().find("/weights/") == std::string::npos || item.value() != stack) continue;
      const std::string percent = item.key().substr(0, item.key().rfind('/')) + "/percent";
      if (flat.contains(percent)) return flat[percent].get<int>();
    }
  }
  return std::nullopt;
}

std::uint16_t World::stable_port(const std::string& unit) const {
  const Json json = Json::parse(read_text(domain_folder_ + "/ports.json"), nullptr, false);
  if (json.is_discarded()) return 0;
  for (const Json& line : json.value("ports", Json::array()))
    if (text_of(line, "unit") == unit)
      for (const auto& item : line.items())
        if (item.value().is_number() && item.value() > page_port_) return item.value().get<std::uint16_t>();
  return 0;
}

std::vector<Process> World::supervisors() const {
  std::vector<Process> found;
  for (const Process& process : processes_touching(folder_))
    if (process.command.find(" supervise ") != std::string::npos) found.push_back(process);
  return found;
}

std::vector<Process> World::balancers() const {
  std::vector<Process> masters;
  for (const Process& process : processes_touching(folder_)) {
    // "-W": one that only checks a configuration is none.
    if (process.command.find("haproxy") == std::string::npos || process.command.find(" -W ") == std::string::npos) continue;
    // By its parent's name and not by its being in the list: a master that loads anew has no command line for a moment.
    if (read_text("/proc/" + std::to_string(parent_of(process.pid)) + "/comm") != "haproxy\n") masters.push_back(process);
  }
  return masters;
}

std::vector<World::Sighting> World::witnessed() const {
  std::vector<Sighting> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path("witness"), error)) {
    const std::string name = entry.path().filename().string();
    const std::size_t dash = name.find('-');
    if (dash == std::string::npos || name.ends_with(".new")) continue;
    Sighting sighting;
    sighting.process = {std::stoi(name.substr(0, dash)), std::stoull(name.substr(dash + 1)), ""};
    if (!alive(sighting.process)) continue;
    std::istringstream words(read_text(entry.path().string()));
    words >> sighting.stack >> sighting.instance;
    found.push_back(sighting);
  }
  return found;
}

std::vector<Process> World::witnessed(const std::string& stack) const {
  std::vector<Process> found;
  for (const Sighting& sighting : witnessed())
    if (sighting.stack == stack) found.push_back(sighting.process);
  std::sort(found.begin(), found.end(), [](const Process& a, const Process& b) { return a.pid < b.pid; });
  return found;
}

}  // namespace nelson::datacenter
