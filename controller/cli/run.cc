#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <limits>
#include <mutex>
#include <optional>
#include <ostream>
#include <thread>

#include "controller/base/clock.h"
#include "controller/base/files.h"
#include "controller/base/log.h"
#include "controller/base/signals.h"
#include "controller/base/text.h"
#include "controller/cli/command.h"
#include "controller/cli/machine_file.h"
#include "controller/cli/offline.h"
#include "controller/cli/output.h"
#include "controller/cli/version.h"
#include "controller/loop/loop.h"
#include "controller/loop/reporter.h"
#include "controller/status/server.h"
#include "reconcilers/plan.h"
#include "reconcilers/replanner.h"
#include "state/model/names.h"

namespace nelson::cli {
namespace {

constexpr std::chrono::seconds kLongestEnding{4};  // after that the process ends as if killed, which it is built for

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "this machine";
}

/// Many idle connections are welcome, and each takes a descriptor.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 65'536);
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// At most half of what may be open, and all but 1,024 where that is more: clients must not take the descriptors that the work itself needs.
std::size_t descriptors_for_clients() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::numeric_limits<std::size_t>::max();
  return static_cast<std::size_t>(limit.rlim_cur - std::min<rlim_t>(limit.rlim_cur / 2, 1'024));
}

int exit_for(const Error& error) {
  switch (error.kind) {
    case ErrorKind::kConflict:
      return kExitHeld;
    case ErrorKind::kInternal:
      return kExitInternal;
    case ErrorKind::kInvalid:
    case ErrorKind::kUnavailable:
      break;
  }
  return kExitBad;
}

/// Once the end was asked for the process ends within kLongestEnding, whatever hangs: a host, a domain, a terminal that nobody reads.
class Ending {
 public:
  Ending() : watch_([this] { watch(); }) {}
  ~Ending() {
    {
      const std::lock_guard guard(mutex_);
      done_ = true;
    }
    changed_.notify_all();
    watch_.join();
  }
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;

  /// From any thread. A failure is not made up for by a signal that comes after it.
  void asked(int code) {
    {
      const std::lock_guard guard(mutex_);
      if (code_.value_or(kExitOk) == kExitOk) code_ = code;
    }
    changed_.notify_all();
  }

 private:
  void watch() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_ || code_; });
    if (changed_.wait_for(lock, kLongestEnding, [this] { return done_; })) return;
    // Not through the log, which may be what hangs.
    constexpr std::string_view kSaid = "nelson: ended while something did not answer; its outcome is settled at the next start\n";
    pollfd to{STDERR_FILENO, POLLOUT, 0};
    if (::poll(&to, 1, 0) == 1) [[maybe_unused]]
      const ssize_t written = ::write(STDERR_FILENO, kSaid.data(), kSaid.size());
    _exit(*code_);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::optional<int> code_;
  std::thread watch_;  // last: it reads the others
};

/// The whole controller: everything a pass needs, in the order in which it is made and let go.
class Controller {
 public:
  Controller(const MachineFile& machine, Terminal& terminal) : machine_(machine), terminal_(terminal), started_(clock_.now()) {}

  int run() {
    for (const auto step : {&Controller::open_store, &Controller::open_status, &Controller::open_git}) {
      if (const Status opened = (this->*step)(); !opened) return fail(terminal_, exit_for(opened.error()), opened.error().message);
    }
    make_loop();
    Ending ending;  // until everything was let go, and the last line written
    int code = kExitOk;
    {
      const auto signals = Signals::open([this, &ending](int number) { on_signal(number, ending); });
      if (!signals) return fail(terminal_, exit_for(signals.error()), signals.error().message);
      tell_where();
      code = run_loop(ending);
      let_go();
    }
    log_info("ended", {{"code", std::to_string(code)}});
    return code;
  }

 private:
  /// A hanging Git host or domain may keep this waiting, but not for ever (Ending).
  void let_go() {
    domains_.reset();
    std::unique_ptr<GitSource> git;
    {
      const std::lock_guard guard(mutex_);
      git = std::move(git_);
    }
    git.reset();
    server_.reset();
    store_.reset();
  }

  Status open_store() {
    if (const Status made = make_folders(machine_.store, 0700); !made) return made.error().with_context("store");
    StoreOptions options;
    options.folder = database_folder(machine_);
    options.max_bytes = machine_.limits.store_mib << 20;
    options.keep_entries = machine_.limits.journal_entries;
    options.keep_passes = machine_.limits.replay_passes;
    options.holder = holder_ = "nelson run on " + host_name() + ", pid " + std::to_string(getpid()) + ", since " +
                               format_instant(std::chrono::floor<std::chrono::seconds>(started_));
    auto opened = Store::open(std::move(options));
    if (!opened) return opened.error().with_context("store");
    store_ = *std::move(opened);
    if (!store_->rebuilt().empty()) log_warning("history starts now", {{"reason", store_->rebuilt()}});
    return {};
  }

  Status open_status() {
    StatusOptions options;
    options.listen = machine_.listen;
    options.max_connections = std::min<std::size_t>(machine_.limits.connections, descriptors_for_clients());
    options.history = [this](const std::string& stack, std::uint64_t before, std::size_t limit) {
      return store_->history(stack, before, limit);
    };
    options.log = [](std::string_view line) { log_warning("status server", {{"reason", line}}); };
    auto opened = StatusServer::open(std::move(options));
    if (!opened) return opened.error();
    server_ = *std::move(opened);
    publish(nullptr);
    return {};
  }

  Status open_git() {
    auto opened = Gitsync::open(gitsync_options(machine_));
    if (!opened) return opened.error().with_context("control repository");
    git_ = std::make_unique<GitSource>(*std::move(opened), [this] { wake(); });
    return {};
  }

  void make_loop() {
    DomainsOptions domains;
    domains.open = open_domain;
    domains.holder = holder_;
    domains.changed = [this] { wake(); };
    domains.export_tree = [this](const std::string& repository, const std::string& tree, const std::string& folder) {
      return git_->gitsync().export_tree(repository, tree, folder);
    };
    domains_ = std::make_unique<Domains>(std::move(domains));
    EngineParts parts;
    parts.store = store_.get();
    parts.clock = &clock_;
    parts.domains = domains_.get();
    parts.contains = [this](const std::string& commit, const std::string& ancestor) {
      return git_->gitsync().contains("control", commit, ancestor);
    };
    parts.planner.plan = [replanner = std::make_shared<Replanner>()](const Desired& desired, const Observed& observed,
                                                                     Instant now) {
      return replanner->plan(desired, observed, now);
    };
    parts.planner.digest = [](const Plan& of) { return digest_of(of); };
    engine_ = std::make_unique<Engine>(std::move(parts));
    auto loop = std::make_unique<Loop>(
        *engine_, clock_, [this] { return git_->latest().desired; }, [this](const PassReport* report) { publish(report); },
        options_);
    const std::lock_guard guard(mutex_);
    loop_ = std::move(loop);
  }

  int run_loop(Ending& ending) {
    const Status ended = loop_->run();
    if (ended) return kExitOk;
    ending.asked(exit_for(ended.error()));
    log_error("stopping: this cannot be gone on with", {{"reason", ended.error().message}});
    return fail(terminal_, exit_for(ended.error()),
                ended.error().message + (ended.error().kind == ErrorKind::kInternal
                                             ? "\nEverything deployed goes on running. Mend the cause and start nelson again."
                                             : ""));
  }

  void wake() {
    const std::lock_guard guard(mutex_);
    if (loop_) loop_->wake();
  }

  void on_signal(int number, Ending& ending) {
    if (number == SIGHUP) {
      log_info("SIGHUP: asking every repository for news");
      const std::lock_guard guard(mutex_);
      if (git_) git_->sync_all();
      return;
    }
    ending.asked(kExitOk);
    {
      const std::lock_guard guard(mutex_);
      if (loop_) loop_->stop();
    }
    log_info("ending; what is deployed goes on running", {{"signal", number == SIGTERM ? "SIGTERM" : "SIGINT"}});
  }

  void tell_where() {
    terminal_.out << "nelson " << kVersion << ": http://" << server_->address() << "/ shows what it does; control repository "
                  << without_credentials(machine_.control_url) << std::endl;
    log_info("started",
             {{"listen", server_->address()}, {"control", machine_.control_url}, {"store", machine_.store}, {"version", kVersion}});
  }

  void publish(const PassReport* report) {
    ViewInput view;
    view.now = clock_.now();
    view.interval = options_.full_pass;
    view.version = kVersion;
    view.started = started_;
    view.store_notice = store_->rebuilt();
    view.refused_start = store_->refused_start();
    if (report != nullptr) {
      reporter_.tell(*report);
      view.desired = report->desired;
      view.observed = report->observed;
      view.plan = report->plan;
      view.now = report->now;
      view.pass = report->pass;
      view.since = report->since;
      view.history = *report->history;
      view.process_problems = report->machine_problems;
      begun_ += report->begun;
      for (const Done& done : report->done) count(done);
    }
    add_git(view);
    add_numbers(view);
    view_ = build_view(std::move(view), view_);
    server_->publish(view_);
  }

  /// Each effect by its word, and launches and removals also under the names that dashboards of Nelson know.
  void count(const Done& done) {
    const auto* const action = std::get_if<Action>(&done.step.what);
    if (action == nullptr || !done.tried) return;
    const std::string outcome = done.status ? "success" : "failure";
    ++outcomes_["effects{effect=\"" + std::string(word_of(action->effect)) + "\",outcome=\"" + outcome + "\"}"];
    const std::string counted = outcome + "_count{env=\"" + std::string(root_of(action->name_space)) + "\"}";
    if (std::holds_alternative<Launch>(action->effect)) ++outcomes_["deploy_" + counted];
    if (std::holds_alternative<Remove>(action->effect)) ++outcomes_["destroy_" + counted];
  }

  void add_git(ViewInput& view) {
    if (!git_) return;
    const GitSource::Latest latest = git_->latest();
    const auto& git = latest.counters;
    view.counters = {{"git_ref_lists", git.ref_lists},
                     {"git_fetches", git.fetches},
                     {"git_blobs_parsed", git.blobs_parsed},
                     {"git_trees_read", git.trees_read},
                     {"git_children_started", git.children_started},
                     {"git_syncs", latest.syncs}};
    if (!latest.error) {
      git_error_.reset();
      return;
    }
    Problem problem;
    problem.repository = "control";
    problem.code = "ControlRepository";
    problem.message = latest.error->message;
    problem.way_out = view.desired ? "what was read before stays in force"
                                   : "nothing can be done before it was read once; see `control` in " + machine_.path;
    if (!git_error_ || git_error_->first != problem.message) {
      git_error_ = {problem.message, view.now};
      log_warning("the control repository cannot be read", {{"repository", "control"}, {"reason", problem.message}});
    }
    view.since[subject_of(problem)] = git_error_->second;
    view.process_problems.push_back(std::move(problem));
  }

  void add_numbers(ViewInput& view) const {
    const Store::Counters store = store_->counters();
    view.counters["store_commits"] = store.commits;
    view.counters["store_syncs"] = store.syncs;
    view.counters["store_records_written"] = store.records_written;
    view.counters["store_records_damaged"] = store.records_damaged;
    view.counters["effects_begun"] = begun_;
    view.counters.insert(outcomes_.begin(), outcomes_.end());
  }

  const MachineFile& machine_;
  Terminal& terminal_;
  LoopOptions options_;
  Clock clock_;
  Instant started_;
  std::string holder_;
  std::uint64_t begun_ = 0;
  std::map<std::string, std::uint64_t> outcomes_;  // as ViewInput::counters
  std::optional<std::pair<std::string, Instant>> git_error_;
  Reporter reporter_;
  std::shared_ptr<const View> view_;  // the last one shown: the next shares what did not change
  std::mutex mutex_;                  // of loop_ and git_ being there, for the signals' thread

  // In the order of making; let go in reverse.
  std::unique_ptr<Store> store_;
  std::unique_ptr<StatusServer> server_;
  std::unique_ptr<GitSource> git_;
  std::unique_ptr<Domains> domains_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Loop> loop_;
};

}  // namespace

int run_run(const Invocation& invocation, Terminal& terminal) {
  const auto machine = read_machine_file(machine_file_path(invocation.get("config")));
  if (!machine) return fail(terminal, kExitBad, machine.error().message);
  if (const Status opened = open_log(machine->log); !opened) return fail(terminal, kExitBad, opened.error().message);
  raise_descriptor_limit();
  return Controller(*machine, terminal).run();
}

}  // namespace nelson::cli
