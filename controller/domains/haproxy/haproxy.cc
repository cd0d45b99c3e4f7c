#include "controller/domains/haproxy/haproxy.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "controller/base/durable.h"
#include "controller/base/files.h"
#include "controller/base/log.h"
#include "controller/domains/haproxy/draining.h"
#include "controller/domains/haproxy/kept.h"
#include "controller/domains/haproxy/layout.h"
#include "controller/domains/haproxy/process.h"
#include "controller/domains/haproxy/server.h"

namespace nelson {
namespace {

using namespace haproxy;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr Clock::duration kGather = 200ms;  // between two reloads at the least
constexpr auto kWatch = 500ms;

std::string printed(const TrafficKey& key) { return key.name_space + "/" + key.unit + ":" + std::to_string(key.major); }

/// Workers need no right of root's.
void set_user(Global& global) {
  if (::geteuid() != 0) return;
  for (const char* name : {"haproxy", "nobody"}) {
    const passwd* user = ::getpwnam(name);
    if (user == nullptr || user->pw_uid == 0) continue;
    const group* own = ::getgrgid(user->pw_gid);
    if (own == nullptr || own->gr_gid == 0) continue;
    global.user = name;
    global.group = own->gr_name;
    return;
  }
}

class Haproxy final : public Balancer {
 public:
  explicit Haproxy(HaproxyOptions options)
      : options_(std::move(options)),
        folder_(options_.folder + "/haproxy"),
        server_(folder_, options_.program, options_.doors),
        kept_(folder_),
        draining_(options_.drain_limit) {
    global_.hard_stop = std::max<Duration>(options_.drain_limit, 1h);
    global_.threads = std::clamp(std::thread::hardware_concurrency(), 1U, 4U);
    set_user(global_);
  }

  ~Haproxy() override {
    {
      const std::lock_guard guard(mutex_);
      ending_ = true;
    }
    wake_.notify_all();
    if (watcher_.joinable()) watcher_.join();
    const std::lock_guard guard(mutex_);
    if (dirty()) flush();
    if (!options_.read_only) end_idle();
  }

  Haproxy(const Haproxy&) = delete;
  Haproxy& operator=(const Haproxy&) = delete;

  Status open() {
    if (!options_.read_only) {
      if (Status made = make_folders(options_.folder, 0711); !made) return made;
      for (const char* name : {"", "/maps", "/routes"})
        if (Status made = ensure_folder(folder_ + name, 0700); !made) return made;
    }
    const auto live = server_.look();
    running_ = live && *live;
    std::string digest = running_ ? (*live)->digest : "";
    if (!running_) digest = server_.digest_in_place();
    in_force_ = kept_.load(digest);
    wanted_ = in_force_.table;
    if (!options_.read_only) watcher_ = std::thread([this] { watch(); });
    return {};
  }

  Result<BalancerView> observe() override {
    const std::lock_guard guard(mutex_);
    if (dirty() && (!paced_ || Clock::now() - last_flush_ >= gather_)) flush();
    return look();
  }

  Status serve(const Route& route) override {
    const std::lock_guard guard(mutex_);
    if (options_.read_only) return read_only();
    if (Status fit = check(route); !fit) return fit;
    if (Status late = take_failure(route.key); !late) return late;
    auto bound = place(route);
    if (!bound) return bound.error();
    const auto known = wanted_.find(route.key);
    if (known != wanted_.end() && same_structure(known->second.route, route) && known->second.addresses == bound->addresses)
      return weigh(known->second, route);
    if (Status free = can_listen(*bound); !free) return free;
    if (Status written = kept_.save_weights(route); !written) return written;
    wanted_[route.key] = std::move(*bound);
    return change(route.key);
  }

  Status unserve(const TrafficKey& key) override {
    const std::lock_guard guard(mutex_);
    if (options_.read_only) return read_only();
    if (Status late = take_failure(key); !late) return late;
    if (wanted_.erase(key) == 0) return {};
    return change(key);
  }

 private:
  [[nodiscard]] Status read_only() const { return internal(folder_ + ": was opened to be read only; nothing is changed"); }
  [[nodiscard]] bool dirty() const { return !changed_keys_.empty(); }

  // ---- changes

  /// Finds the addresses of a route's ports.
  [[nodiscard]] Result<Bound> place(const Route& route) const {
    Bound bound{route, {}};
    for (const Port& port : route.ports) {
      auto address = options_.address_of(route.key, port);
      if (!address) return address.error();
      bound.addresses.push_back(std::move(*address));
    }
    return bound;
  }

  /// Whether nobody but our HAProxy listens where the route is to be found.
  [[nodiscard]] Status can_listen(const Bound& bound) const {
    if (!running_) server_.end_lost([&] { return are_free(bound); });
    const Route& route = bound.route;
    for (std::size_t i = 0; i < bound.addresses.size(); ++i)
      if (!listens_at(route.key, route.ports[i], bound.addresses[i]) && !is_free(bound.addresses[i]))
        return taken(route.key, route.ports[i], bound.addresses[i]);
    return {};
  }

  static bool is_free(const Endpoint& address) { return is_free_port(address.host, address.number); }
  static bool are_free(const Bound& bound) { return std::all_of(bound.addresses.begin(), bound.addresses.end(), is_free); }

  static Error taken(const TrafficKey& key, const Port& port, const Endpoint& address) {
    return unavailable("port " + std::to_string(address.number) + " of " + address.host +
                       " is taken by another program; it is the stable address of " + printed(key) + " port " + port.name +
                       ": end that program (`ss -ltnp sport = :" + std::to_string(address.number) + "` names it)");
  }

  /// Whether our running HAProxy is the one that listens there.
  [[nodiscard]] bool listens_at(const TrafficKey& key, const Port& port, const Endpoint& address) const {
    const auto found = in_force_.table.find(key);
    if (!running_ || found == in_force_.table.end()) return false;
    const Bound& bound = found->second;
    for (std::size_t i = 0; i < bound.route.ports.size() && i < bound.addresses.size(); ++i)
      if (bound.route.ports[i].name == port.name && bound.addresses[i] == address) return true;
    return false;
  }

  /// The structure stands; only percents may differ.
  Status weigh(Bound& known, const Route& route) {
    if (known.route != route)
      if (Status written = kept_.save_weights(route); !written) return written;
    known.route = route;
    if (dirty()) return changed_keys_.contains(route.key) ? Status{} : push(route);
    const auto live = server_.look();
    if (!live) return live.error();
    running_ = live->has_value();
    if (!running_ || (*live)->digest != in_force_.digest || in_force_.digest.empty() || altered_.contains(route.key)) {
      forced_ = true;
      changed_keys_.insert(route.key);
      return flush_for(route.key);
    }
    return push(route);
  }

  /// Puts the percents into every running worker that knows the stacks.
  Status push(const Route& route) {
    auto processes = server_.control().processes();
    if (!processes) return processes.error();
    if (!*processes || (*processes)->worker == 0) return unavailable(folder_ + ": HAProxy ended while weights were being set");
    for (const pid_t old : (*processes)->old_workers)
      if (knows_stacks(old, route)) static_cast<void>(push_to(old, route).ok());
    Status pushed = push_to((*processes)->worker, route);
    if (!pushed) return pushed;
    const auto found = in_force_.table.find(route.key);
    if (found != in_force_.table.end()) found->second.route = route;
    return {};
  }

  /// An old worker whose configuration lacks a stack could only answer 503 for its share.
  bool knows_stacks(pid_t worker, const Route& route) {
    const auto stat = server_.control().ask_worker(worker, {"show stat"});
    if (!stat) return false;
    std::set<std::string> known;
    for (const StatLine& line : read_stat(*stat)) known.insert(stack_of_backend(line.proxy));
    return std::all_of(route.backends.begin(), route.backends.end(),
                       [&](const Backend& backend) { return backend.percent == 0 || known.contains(backend.stack); });
  }

  Status push_to(pid_t worker, const Route& route) {
    const std::string map = map_name(route.key);
    const auto prepared = server_.control().ask_worker(worker, {"prepare map " + map});
    if (!prepared) return prepared.error();
    const std::string version = field_of(*prepared, "New version created");
    if (version.empty()) return unavailable(folder_ + ": HAProxy does not know " + map + ": " + prepared->substr(0, 200));
    std::vector<std::string> commands;
    const std::string at = "@" + version.substr(0, version.find_first_not_of("0123456789")) + " " + map;
    for (const auto& [key, value] : weight_lines(route)) commands.push_back("add map " + at + " " + key + " " + value);
    commands.push_back("commit map " + at);
    const auto done = server_.control().ask_worker(worker, commands);
    if (!done) return done.error();
    if (done->find_first_not_of(" \n") != std::string::npos)
      return unavailable(folder_ + ": HAProxy refuses the weights of " + printed(route.key) + ": " + done->substr(0, 200));
    return {};
  }

  /// A route was added, removed or changed in more than its percents.
  Status change(const TrafficKey& key) {
    changed_keys_.insert(key);
    if (!running_ || Clock::now() - last_flush_ >= gather_) return flush_for(key);
    wake_.notify_all();
    return {};
  }

  Status flush_for(const TrafficKey& key) {
    flush();
    return take_failure(key);
  }

  Status take_failure(const TrafficKey& key) {
    auto failure = failed_.extract(key);
    return failure.empty() ? Status{} : Status(failure.mapped());
  }

  /// Brings wanted_ into force. What cannot be goes back to what it was, and why is kept for the next call about it. When HAProxy refuses the
  /// whole, each changed route is tried by itself, so that one cannot hold up the others.
  void flush() {
    const auto begin = Clock::now();
    flush_changed();
    last_flush_ = Clock::now();
    // With very many routes a reload takes its time; most of it is then left for other things.
    gather_ = std::max(kGather, 2 * (last_flush_ - begin));
    const Clock::duration pause = reload_pause(most_reloads_, options_.drain_limit);
    paced_ = pause > gather_;
    if (paced_) gather_ = pause;
  }

  void flush_changed() {
    const std::set<TrafficKey> changed = std::exchange(changed_keys_, {});
    const Table before = in_force_.table;
    const Status whole = apply(std::exchange(forced_, false));
    if (whole) return kept_.sweep(in_force_.digest, wanted_);
    if (changed.size() <= 1 || whole.error().kind != ErrorKind::kInvalid) {
      for (const TrafficKey& key : changed) give_up(key, before, whole.error());
      return;
    }
    const Table all = std::exchange(wanted_, before);
    bool any = false;
    for (const TrafficKey& key : changed) {
      const auto found = all.find(key);
      if (found == all.end())
        wanted_.erase(key);
      else
        wanted_[key] = found->second;
      const Status single = apply(false);
      if (!single) give_up(key, before, single.error());
      any = any || single.ok();
    }
    // Not before: until it was tried, a new route's weights belong to nothing that is wanted.
    if (any) kept_.sweep(in_force_.digest, wanted_);
  }

  /// Puts a route back to what it was before.
  void give_up(const TrafficKey& key, const Table& before, const Error& why) {
    log_warning("the balancer could not make a change", {{"service", printed(key)}, {"reason", why.message}});
    failed_[key] = why;
    wanted_.erase(key);
    const auto found = before.find(key);
    if (found == before.end()) return;
    wanted_[key] = found->second;
    static_cast<void>(kept_.save_weights(found->second.route).ok());
  }

  Status apply(bool forced) {
    const auto live = server_.look();
    if (!live) return live.error();
    running_ = live->has_value();
    if (!running_) leave_out_taken_ports();
    const Configuration wanted = configuration(wanted_, global_);
    const bool in_force = running_ ? !forced && (*live)->digest == wanted.digest : wanted_.empty();
    if (!in_force) {
      if (Status saved = kept_.save({wanted_, wanted.digest}); !saved) return saved;
      most_reloads_ = running_ ? (*live)->processes.most_reloads : 0;
      if (Status applied = server_.apply(wanted); !applied) return applied;
      draining_.note(in_force_.table, wanted_, Clock::now());
      running_ = true;
      altered_.clear();
    }
    in_force_ = {wanted_, wanted.digest};
    return {};
  }

  /// After a time without HAProxy a stranger may have taken a port; that must not keep the other routes from being served.
  void leave_out_taken_ports() {
    server_.end_lost(
        [&] { return std::all_of(wanted_.begin(), wanted_.end(), [](const auto& item) { return are_free(item.second); }); });
    std::erase_if(wanted_, [this](const auto& item) {
      const Bound& bound = item.second;
      for (std::size_t i = 0; i < bound.addresses.size(); ++i) {
        if (is_free(bound.addresses[i])) continue;
        failed_[item.first] = taken(item.first, bound.route.ports[i], bound.addresses[i]);
        return true;
      }
      return false;
    });
  }

  // ---- looking

  Result<BalancerView> look() {
    const auto live = server_.look();
    if (!live) return live.error();
    running_ = live->has_value();
    BalancerView view;
    if (!running_) return view;
    std::map<std::pair<std::string, std::int32_t>, std::int32_t> sessions;
    if (Status read = read_worker((*live)->processes.worker, (*live)->digest, view, sessions); !read) return read.error();
    for (const pid_t old : (*live)->processes.old_workers) {
      const auto stat = server_.control().ask_worker(old, {"show stat"});
      if (!stat) continue;  // it ended since it was listed
      for (const StatLine& line : read_stat(*stat)) count_sessions(line, sessions, true);
    }
    for (const auto& [place, count] : sessions) view.sessions.push_back({place.first, place.second, count});
    return view;
  }

  using SessionCounts = std::map<std::pair<std::string, std::int32_t>, std::int32_t>;

  Status read_worker(pid_t worker, const std::string& digest, BalancerView& view, SessionCounts& sessions) {
    if (worker == 0) return {};
    if (digest != in_force_.digest) in_force_ = kept_.load(digest);
    const auto stat = server_.control().ask_worker(worker, {"show stat"});
    if (!stat) return stat.error();
    const std::vector<StatLine> lines = read_stat(*stat);
    for (const StatLine& line : lines) count_sessions(line, sessions, false);
    if (Status read = read_routes(worker, lines, view); !read) return read;
    keep_health(worker, lines);
    return {};
  }

  void count_sessions(const StatLine& line, SessionCounts& sessions, bool old) {
    const std::string stack = stack_of_backend(line.proxy);
    if (stack.empty() || line.sessions <= 0 || line.server == "BACKEND" || line.server == "FRONTEND") return;
    sessions[{stack, std::atoi(line.server.c_str())}] += line.sessions;
    if (old) draining_.note(line, in_force_.table, Clock::now());
  }

  /// The routes as the worker has them: what somebody switched off or weighed by hand is not in force as it was asked for.
  Status read_routes(pid_t worker, const std::vector<StatLine>& lines, BalancerView& view) {
    std::vector<std::string> commands;
    for (const auto& [key, bound] : in_force_.table) commands.push_back("show map " + map_name(key));
    std::map<std::string, Weighed> weighed;
    if (!commands.empty()) {
      const auto answer = server_.control().ask_worker(worker, commands);
      if (!answer) return answer.error();
      for (const MapLines& map : read_maps(*answer)) {
        Weighed one = read_weights(map);
        const std::string name = one.map;
        weighed.emplace(name, std::move(one));
      }
    }
    std::set<std::string> closed;
    std::set<Place> off;
    for (const StatLine& line : lines) {
      if (line.server == "FRONTEND" && line.status != "OPEN") closed.insert(line.proxy);
      if (!stack_of_backend(line.proxy).empty() && line.server != "BACKEND" &&
          (line.weight != 100 || line.status.starts_with("MAINT") || line.status.starts_with("DRAIN")))
        off.insert({line.proxy, line.server});
    }
    altered_.clear();
    for (const auto& [key, bound] : in_force_.table) {
      Route route = bound.route;
      if (is_closed(bound, closed)) {
        altered_.insert(key);
        continue;
      }
      set_percents(route, weighed[map_name(key)]);
      if (leave_out(route, off)) altered_.insert(key);
      view.routes[key] = std::move(route);
      view.addresses[key] = {key, bound.addresses};
    }
    return {};
  }

  static bool is_closed(const Bound& bound, const std::set<std::string>& closed) {
    return std::any_of(bound.route.ports.begin(), bound.route.ports.end(),
                       [&](const Port& port) { return closed.contains(frontend_name(bound.route.key, port.name)); });
  }

  static bool leave_out(Route& route, const std::set<Place>& off) {
    std::size_t left_out = 0;
    for (Backend& backend : route.backends)
      left_out += std::erase_if(backend.servers, [&](const Backend::Server& server) {
        return std::any_of(server.endpoints.begin(), server.endpoints.end(), [&](const Endpoint& endpoint) {
          return off.contains({backend_name(backend.stack, endpoint.port), std::to_string(server.index)});
        });
      });
    return left_out > 0;
  }

  /// Writes down which instances are sick whenever that changes, for an HAProxy that has to be started anew.
  void keep_health(pid_t worker, const std::vector<StatLine>& lines) {
    std::set<Place> sick;
    for (const StatLine& line : lines)
      if (line.proxy.starts_with("check:") && line.server == "check" && line.status.starts_with("DOWN"))
        sick.insert({line.proxy, line.server});
    if (options_.read_only || sick == sick_) return;
    sick_ = std::move(sick);
    server_.remember_health(worker);
  }

  // ---- the watcher

  void watch() {
    std::unique_lock lock(mutex_);
    while (!ending_) {
      wake_.wait_until(lock, dirty() ? last_flush_ + gather_ : Clock::now() + kWatch);
      if (ending_) return;
      if (dirty() && Clock::now() >= last_flush_ + gather_) flush_late();
      if (!running_) continue;
      end_overdue();
      server_.bound_log();
      end_idle();
      notice_death();
    }
  }

  void end_overdue() {
    const std::set<Place> overdue = draining_.take_overdue(Clock::now());
    if (overdue.empty()) return;
    const auto processes = server_.control().processes();
    if (!processes || !*processes) return;
    for (const pid_t old : (*processes)->old_workers) {
      const auto said = server_.control().ask_worker(old, {"show sess"});
      const auto commands = shutdown_commands(said ? read_sessions(*said) : std::vector<SessionLine>(), overdue);
      if (!commands.empty()) static_cast<void>(server_.control().ask_worker(old, commands).ok());
    }
  }

  /// No route is left, and no connection of one: an HAProxy without work is not kept.
  void end_idle() {
    if (!running_ || dirty() || !wanted_.empty() || !in_force_.table.empty()) return;
    const auto processes = server_.control().processes();
    if (!processes || !*processes || !(*processes)->old_workers.empty()) return;
    if (Status ended = server_.kill(); !ended)
      return log_warning("an idle HAProxy does not end", {{"reason", ended.error().message}});
    running_ = false;
  }

  void flush_late() {
    const bool seen_late = paced_;
    flush();
    if ((seen_late || !failed_.empty()) && options_.changed) options_.changed();
  }

  void notice_death() {
    if (!running_ || server_.control().listens()) return;
    running_ = false;
    log_warning("HAProxy ended; its routes are served anew", {{"path", folder_}});
    if (options_.changed) options_.changed();
  }

  HaproxyOptions options_;
  std::string folder_;
  Global global_;

  std::mutex mutex_;  // all that follows
  Server server_;
  Kept kept_;
  Draining draining_;
  Table wanted_;
  InForce in_force_;
  std::set<TrafficKey> changed_keys_;   // of wanted_ and not in force yet
  bool forced_ = false;                 // reload although the configuration is the same: what runs was changed by hand
  std::map<TrafficKey, Error> failed_;  // changes that could not be made, and nobody was told yet
  std::set<TrafficKey> altered_;        // routes that were seen changed by hand
  std::set<Place> sick_;
  bool running_ = false;
  bool ending_ = false;
  Clock::time_point last_flush_{};
  Clock::duration gather_ = kGather;
  bool paced_ = false;             // gather_ is for the sake of old workers, so that no look may cut it short
  std::int32_t most_reloads_ = 0;  // that an old worker had lived through at the last reload
  std::condition_variable wake_;
  std::thread watcher_;
};

}  // namespace

Result<std::unique_ptr<Balancer>> open_haproxy(HaproxyOptions options) {
  if (options.folder.empty() || options.folder.front() != '/')
    return invalid("the folder of a domain is an absolute path, not \"" + options.folder + '"');
  if (options.program.empty()) return invalid("haproxy is not installed: apt-get install haproxy");
  auto balancer = std::make_unique<Haproxy>(std::move(options));
  if (Status opened = balancer->open(); !opened) return opened.error();
  return std::unique_ptr<Balancer>(std::move(balancer));
}

std::optional<std::string> find_haproxy() {
  for (const char* path : {"/usr/sbin/haproxy", "/usr/local/sbin/haproxy", "/usr/bin/haproxy", "/usr/local/bin/haproxy"})
    if (::access(path, X_OK) == 0) return path;
  return std::nullopt;
}

Status stop_haproxy(const std::string& folder) {
  return Server(folder + "/haproxy", find_haproxy().value_or("haproxy"), nullptr).kill();
}

}  // namespace nelson
