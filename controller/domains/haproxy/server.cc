#include "controller/domains/haproxy/server.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "controller/base/files.h"
#include "controller/domains/haproxy/kept.h"
#include "controller/domains/haproxy/process.h"

namespace nelson::haproxy {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::size_t kConfigurationBytes = std::size_t{64} << 20;
constexpr std::size_t kLogBytes = 256 << 10;
constexpr auto kStartLimit = 10s;
constexpr auto kSilence = 500ms;  // a master that loads anew, or is about to start, is unheard for some milliseconds

void wait_a_little() { std::this_thread::sleep_for(5ms); }

/// What HAProxy's output says is wrong with its configuration, without its process ids, as one line. Workers complain of sick instances in the
/// same voice; that is none of it.
std::string alert_lines(const std::string& output) {
  std::string found;
  std::size_t begin = 0;
  while (begin < output.size()) {
    std::size_t end = output.find('\n', begin);
    if (end == std::string::npos) end = output.size();
    const std::string line = output.substr(begin, end - begin);
    begin = end + 1;
    if (!line.starts_with("[ALERT]") || line.find("has no server available") != std::string::npos) continue;
    const std::size_t colon = line.find(" : ");
    found += (found.empty() ? "" : "; ") + (colon == std::string::npos ? line : line.substr(colon + 3));
    if (found.size() > 1000) break;
  }
  return found;
}

}  // namespace

Server::Server(std::string folder, std::string program, std::function<std::vector<int>()> doors)
    : folder_(std::move(folder)), program_(std::move(program)), doors_(std::move(doors)), control_(folder_) {}

Result<std::optional<Server::Live>> Server::look() const {
  auto processes = control_.processes();
  // While a reload replaces the master's program, for some milliseconds nobody answers.
  for (int again = 0; again < 3 && processes && !*processes && ::access(path("master.sock").c_str(), F_OK) == 0; ++again) {
    wait_a_little();
    processes = control_.processes();
  }
  if (!processes) return processes.error();
  if (!*processes) return std::optional<Live>();
  Live live{**processes, ""};
  if (live.processes.worker != 0) {
    auto info = control_.ask_worker(live.processes.worker, {"show info"});
    if (!info) return info.error();
    live.digest = digest_in(field_of(*info, "description"));
  }
  return std::optional<Live>(std::move(live));
}

std::string Server::digest_in_place() const {
  const auto text = read_file(path("haproxy.cfg"), kConfigurationBytes);
  return text ? digest_in(*text) : "";
}

std::vector<std::string> Server::command() const {
  // -C: everything in the configuration is named as seen from the folder, so that the folder's own path may be long and hold anything.
  return {program_, "-W", "-C", folder_, "-S", "unix@master.sock,mode,600", "-f", path("haproxy.cfg")};
}

Status Server::validate(const Configuration& configuration) const {
  if (Status written = write_file(path("haproxy.cfg.new"), configuration.text); !written) return written;
  const auto checked = run({program_, "-c", "-C", folder_, "-f", path("haproxy.cfg.new")}, 30s);
  if (!checked) return checked.error();
  if (checked->status == 0) return {};
  if (checked->status < 0)
    return unavailable(path("haproxy.cfg.new") + ": HAProxy was ended, or took longer than 30 seconds, while it checked this" +
                       " configuration; the earlier one stays in force");
  const std::string words = alert_lines(checked->output);
  return invalid(path("haproxy.cfg.new") + ": HAProxy refuses this configuration, the earlier one stays in force: " +
                 (words.empty() ? "exit status " + std::to_string(checked->status) : words));
}

Status Server::apply(const Configuration& configuration) {
  if (Status fit = validate(configuration); !fit) return fit;
  const auto live = look();
  if (!live) return live.error();
  const auto earlier = read_file(path("haproxy.cfg"), kConfigurationBytes);
  if (Status put = write_file(path("haproxy.cfg"), configuration.text); !put) return put;
  ::unlink(path("haproxy.cfg.new").c_str());
  if (!*live) {
    Status started = start(configuration.digest);
    if (!started && earlier) static_cast<void>(write_file(path("haproxy.cfg"), *earlier).ok());
    return started;
  }
  const pid_t replaced = (*live)->processes.worker;
  if (replaced != 0) remember_health(replaced);
  Status reloaded = reload(configuration.digest, replaced);
  if (reloaded || !earlier) return reloaded;
  if (Status put = write_file(path("haproxy.cfg"), *earlier); put)
    // After a load that failed the old worker serves on, but only a load that succeeds makes the master whole again.
    static_cast<void>(reload(digest_in(*earlier), 0).ok());
  return reloaded;
}

void Server::remember_health(pid_t worker) const {
  if (const auto state = control_.ask_worker(worker, {"show servers state"}))
    static_cast<void>(write_file(path("health.state"), sick_servers(*state)).ok());
}

std::size_t Server::begin_log() const {
  bound_log();
  struct stat about {};
  return ::stat(path("haproxy.log").c_str(), &about) == 0 ? static_cast<std::size_t>(about.st_size) : 0;
}

std::string Server::failure_since(std::size_t log_from) const {
  const auto text = read_file(path("haproxy.log"), 16 << 20);
  if (!text || text->size() <= log_from) return "";
  const std::string since = text->substr(log_from);
  // The first is said by a master that was reloaded, the second by one that is started.
  const bool failed = since.find("Loading failure!") != std::string::npos || since.find("[haproxy.main()]") != std::string::npos;
  return failed ? alert_lines(since) + "; see " + path("haproxy.log") : "";
}

void Server::bound_log() const {
  struct stat about {};
  const std::string log = path("haproxy.log");
  // HAProxy appends to it, so that it goes on at the new end.
  if (::stat(log.c_str(), &about) == 0 && static_cast<std::size_t>(about.st_size) > kLogBytes)
    static_cast<void>(::truncate(log.c_str(), 0) == 0);
}

Status Server::wait_until_in_force(const std::string& digest, pid_t replaced, std::size_t log_from) const {
  const Relatives relatives(program_, path("haproxy.cfg"));
  auto last_heard = Clock::now();
  for (const auto deadline = Clock::now() + kStartLimit; Clock::now() < deadline; wait_a_little()) {
    const auto live = look();
    if (!live || *live) last_heard = Clock::now();
    if (Clock::now() - last_heard > kSilence && relatives.count() == 0)
      return unavailable(folder_ + ": HAProxy ended while it took its configuration into force; look into " + path("haproxy.log"));
    if (live && *live && (*live)->processes.worker != 0 && (*live)->processes.worker != replaced && (*live)->digest == digest)
      return {};
    // While it loads, the master refuses or breaks off connections; only its own words tell that it failed.
    if (const std::string words = failure_since(log_from); !words.empty())
      return unavailable(folder_ + ": HAProxy cannot take its configuration into force: " + words);
  }
  return unavailable(folder_ + ": HAProxy had not taken its configuration into force after 10 seconds; look into " +
                     path("haproxy.log"));
}

void Server::end_lost(const std::function<bool()>& released) const {
  const Relatives relatives(program_, path("haproxy.cfg"));
  for (const int signal : {SIGUSR1, SIGTERM, SIGKILL}) {
    if (relatives.signal(signal) == 0) return;
    for (const auto deadline = Clock::now() + 1s; Clock::now() < deadline; wait_a_little())
      if (released() || relatives.count() == 0) return;
  }
}

Status Server::start(const std::string& digest) {
  if (::access(path("health.state").c_str(), F_OK) != 0)
    if (Status made = write_file(path("health.state"), "1\n"); !made) return made;
  const std::size_t log_from = begin_log();
  std::vector<int> doors;
  if (doors_) doors = doors_();
  Status started = start_detached(command(), path("haproxy.log"), doors);
  for (const int door : doors) ::close(door);
  if (started) started = wait_until_in_force(digest, 0, log_from);
  if (!started) static_cast<void>(kill().ok());
  return started;
}

Status Server::reload(const std::string& digest, pid_t replaced) {
  const std::size_t log_from = begin_log();
  // Its answer is broken off when the master loads itself anew; wait_until_in_force() hears how it went.
  static_cast<void>(control_.ask("reload").ok());
  return wait_until_in_force(digest, replaced, log_from);
}

Status Server::kill() {
  const Relatives relatives(program_, path("haproxy.cfg"));
  relatives.signal(SIGTERM);
  if (relatives.gone_within(2s)) return {};
  relatives.signal(SIGKILL);
  if (relatives.gone_within(3s)) return {};
  return unavailable(folder_ + ": HAProxy does not end; end it by hand");
}

}  // namespace nelson::haproxy
