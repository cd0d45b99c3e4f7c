#include "controller/domains/local/supervisor.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <memory>

#include "controller/base/durable.h"
#include "controller/domains/local/cron.h"
#include "controller/domains/local/job.h"
#include "controller/domains/local/process_sweep.h"
#include "controller/domains/local/supervisor_instance.h"
#include "controller/domains/local/supervisor_protocol.h"
#include "state/model/digest.h"

namespace nelson {
namespace {

using Clock = SupervisedInstance::Clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kUsage = 64;
constexpr int kOtherLives = 75;
constexpr auto kPatience = std::chrono::minutes(1);  // a run that is later was missed
constexpr std::int32_t kMostInstances = 1000;

struct Arguments {
  std::string folder;
  int lock = -1;
  int listener = -1;
};

std::optional<Arguments> read_arguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 2; i < argc; ++i) {
    const std::string_view word(argv[i]);
    int* number = word == "--lock-fd" ? &arguments.lock : word == "--listen-fd" ? &arguments.listener : nullptr;
    if (number != nullptr && i + 1 < argc) {
      const std::string_view text(argv[++i]);
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
      if (error != std::errc() || end != text.data() + text.size() || *number < 3) return std::nullopt;
    } else if (!word.starts_with('-') && arguments.folder.empty()) {
      arguments.folder = word;
    } else {
      return std::nullopt;
    }
  }
  if (!arguments.folder.starts_with('/') || arguments.folder.find("/stacks/") == std::string::npos) return std::nullopt;
  return arguments;
}

/// The lock of the stack's folder, held for this process's life. Nothing: another supervisor has it, or the folder is gone.
Descriptor take_lock(const std::string& folder, int given) {
  const std::string path = folder + kLockFile;
  Descriptor lock(given >= 0 ? given : ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  struct stat held {
  }, named{};
  const bool ours = lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0 && ::fstat(lock.get(), &held) == 0 &&
                    ::stat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino && held.st_dev == named.st_dev;
  if (!ours) return {};
  ::fcntl(lock.get(), F_SETFD, FD_CLOEXEC);
  return lock;
}

class Supervisor {
 public:
  Supervisor(std::string folder, Descriptor lock) : folder_(std::move(folder)), lock_(std::move(lock)) {}

  /// Reads what is to be run, and what a former supervisor left.
  Status prepare(int listener);
  int run();

 private:
  enum class Mode {
    kSweeping,  // a former supervisor's processes are ended first
    kRunning,
    kStopping,  // for good: the folder goes
    kLeaving,   // the machine shuts down: the folder stays
  };

  Status read_folder();
  Status listen(int listener);
  void watch_signals();
  void on_signals();
  void reap_orphans();

  std::string answer(const SupervisorRequest& request);
  Status set_count(std::int32_t count);
  void begin_stop(Mode mode);

  void tick(Clock::time_point now);
  void sweep(Clock::time_point now);
  void begin();
  void reconcile();
  SupervisedInstance& instance(std::int32_t index);
  void tick_schedule();
  [[nodiscard]] int schedule_rate() const { return std::max(stack_.document.rehearsal_rate.value_or(1), 1); }
  [[nodiscard]] Instant schedule_now() const;
  [[nodiscard]] bool all_gone() const;
  void end_stop(Clock::time_point now);
  [[nodiscard]] Clock::time_point deadline() const;

  [[nodiscard]] bool is_job() const { return !stack_.document.schedule.empty(); }
  [[nodiscard]] bool is_once() const { return stack_.document.schedule == "once"; }
  [[nodiscard]] Running view() const;
  void save();
  void remove_folder();

  std::string folder_;
  Descriptor lock_;
  SupervisedStack stack_;
  std::unique_ptr<LogWriter> log_;
  std::unique_ptr<ControlServer> server_;
  Descriptor signals_;
  Mode mode_ = Mode::kSweeping;
  bool done_ = false;
  bool dirty_ = true;
  std::int32_t count_ = 0;
  std::map<std::int32_t, std::unique_ptr<SupervisedInstance>> instances_;
  std::optional<SupervisorState> former_;
  Clock::time_point look_again_{};
  Clock::time_point save_again_ = SupervisedInstance::kNever;
  std::string save_problem_;

  JobState job_;
  JobResult saved_result_ = JobResult::kNone;
  std::optional<Cron> cron_;
  TimeZone zone_;
  std::optional<Timetable> timetable_;  // while periodic runs begin
  Instant schedule_base_{};
};

Status Supervisor::prepare(int listener) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  if (Status read = read_folder(); !read) return read;
  log_ = std::make_unique<LogWriter>(stack_.paths.logs(stack_.document.stack) + "/supervisor.log");
  stack_.say = [this](const std::string& text) {
    log_->write(format_instant(std::chrono::floor<Duration>(std::chrono::system_clock::now())) + " " + text + "\n");
  };
  stack_.changed = [this] { dirty_ = true; };
  watch_signals();
  return listen(listener);
}

Status Supervisor::read_folder() {
  const std::size_t stacks = folder_.rfind("/stacks/");
  stack_.paths.folder = folder_.substr(0, stacks);
  const auto submission = read_submission(folder_);
  if (!submission) return invalid(folder_ + kSubmissionFile + " cannot be read");
  stack_.submission = *submission;
  const auto text = read_text(folder_ + kDocumentFile);
  if (!text) return invalid(folder_ + kDocumentFile + " cannot be read");
  if (to_hex(sha256(*text)) != submission->document_digest) return invalid(folder_ + kDocumentFile + " is not what was submitted");
  auto document = read_document(*text);
  if (!document) return document.error();
  stack_.document = *std::move(document);
  if (stack_.document.stack != folder_.substr(stacks + 8)) return invalid(folder_ + kDocumentFile + " is of another stack");
  stack_.groups = StackGroups(group_hierarchies(), submission->owner, stack_.document.stack + "-" + submission->mark.substr(0, 8));
  count_ = submission->count;
  former_ = read_state(folder_);
  if (former_) {
    job_ = former_->job;
    saved_result_ = job_.last;
  }
  if (!is_job() || is_once()) return {};
  auto cron = parse_cron(stack_.document.schedule);
  if (!cron) return cron.error();
  cron_ = *cron;
  auto zone = TimeZone::open(stack_.document.timezone);
  if (!zone) return zone.error();
  zone_ = *std::move(zone);
  return {};
}

Status Supervisor::listen(int listener) {
  Descriptor socket(listener);
  if (!socket) {
    auto made = listen_in(folder_);
    if (!made) return made.error();
    socket = *std::move(made);
  }
  ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC);
  const SupervisorHello hello{kSupervisorProtocol, stack_.document.stack, stack_.submission.incarnation,
                              stack_.submission.document_digest};
  server_ = std::make_unique<ControlServer>(stack_.loop, std::move(socket), to_line(hello),
                                            [this](const SupervisorRequest& request) { return answer(request); });
  return {};
}

void Supervisor::watch_signals() {
  for (const int number : {SIGPIPE, SIGHUP, SIGINT}) ::signal(number, SIG_IGN);
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGCHLD);
  ::sigaddset(&set, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_.reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  stack_.loop.add(signals_.get(), EPOLLIN, [this](std::uint32_t) { on_signals(); });
}

void Supervisor::on_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGTERM && mode_ != Mode::kStopping) begin_stop(Mode::kLeaving);
  }
  reap_orphans();
}

void Supervisor::reap_orphans() {
  const auto is_main = [this](pid_t pid) {
    return std::any_of(instances_.begin(), instances_.end(), [pid](const auto& each) { return each.second->is_main(pid); });
  };
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    if (is_main(info.si_pid)) break;
    ::waitpid(info.si_pid, nullptr, WNOHANG);
  }
  // A main process that is kept as a zombie hides the others from waitid.
  for (const pid_t pid : all_processes()) {
    const auto stat = stat_of(pid);
    if (stat && stat->parent == ::getpid() && !stat->alive() && !is_main(pid)) ::waitpid(pid, nullptr, WNOHANG);
  }
}

std::string Supervisor::answer(const SupervisorRequest& request) {
  switch (request.verb) {
    case SupervisorRequest::Verb::kStatus:
      return status_line(view());
    case SupervisorRequest::Verb::kCount:
      return answer_line(set_count(request.count));
    case SupervisorRequest::Verb::kStop:
      begin_stop(Mode::kStopping);
      return answer_line({});
    case SupervisorRequest::Verb::kWatch:
      return answer_line({});
  }
  return answer_line(invalid("unknown request"));
}

Status Supervisor::set_count(std::int32_t count) {
  if (mode_ == Mode::kStopping || mode_ == Mode::kLeaving) return conflict(stack_.document.stack + " is being stopped");
  if (count < 0 || count > kMostInstances)
    return invalid("count: 0 to " + std::to_string(kMostInstances) + " instances can be run here");
  if (count == count_) return {};
  stack_.say("count " + std::to_string(count_) + " -> " + std::to_string(count));
  count_ = count;
  dirty_ = true;
  if (mode_ == Mode::kRunning) reconcile();
  return {};
}

void Supervisor::begin_stop(Mode mode) {
  if (mode_ == mode || mode_ == Mode::kStopping) return;
  stack_.say(mode == Mode::kStopping ? "stop" : "leave: SIGTERM");
  mode_ = mode;
  dirty_ = true;
  timetable_.reset();
  for (auto each = instances_.rbegin(); each != instances_.rend(); ++each) each->second->unwant();
}

SupervisedInstance& Supervisor::instance(std::int32_t index) {
  auto& slot = instances_[index];
  if (slot) return *slot;
  slot = std::make_unique<SupervisedInstance>(stack_, index, [this](const InstanceEnd& end) {
    if (!is_job()) return SupervisedInstance::Next::kRestart;
    dirty_ = true;
    if (after_attempt(job_, end.succeeded, stack_.document.retries) == JobNext::kRetry) return SupervisedInstance::Next::kRestart;
    stack_.say("run " + std::string(name_of(job_.last)));
    return SupervisedInstance::Next::kRest;
  });
  if (!former_) return *slot;
  for (const SupervisorState::Process& process : former_->processes) {
    const auto seen = std::find_if(former_->running.instances.begin(), former_->running.instances.end(),
                                   [index](const Instance& each) { return each.index == index; });
    if (process.index == index) slot->remember(process, seen == former_->running.instances.end() ? Instance{} : *seen);
  }
  return *slot;
}

void Supervisor::begin() {
  mode_ = Mode::kRunning;
  dirty_ = true;
  schedule_base_ = std::chrono::floor<Duration>(std::chrono::system_clock::now());
  stack_.say("supervises " + stack_.document.stack + ", incarnation " + std::to_string(stack_.submission.incarnation));
  if (is_job()) {
    SupervisedInstance& only = instance(0);
    if (resume(job_, is_once())) only.want();
    if (cron_) timetable_.emplace(*cron_, zone_, kPatience * schedule_rate(), schedule_now());
  }
  reconcile();
  former_.reset();
}

void Supervisor::reconcile() {
  if (is_job()) return;
  for (std::int32_t index = 0; index < count_; ++index) instance(index).want();
  for (auto each = instances_.rbegin(); each != instances_.rend(); ++each)
    if (each->first >= count_) each->second->unwant();
}

Instant Supervisor::schedule_now() const {
  const Instant now = std::chrono::floor<Duration>(std::chrono::system_clock::now());
  return schedule_base_ + (now - schedule_base_) * schedule_rate();
}

void Supervisor::tick_schedule() {
  if (!timetable_ || mode_ != Mode::kRunning) return;
  const auto due = timetable_->look(schedule_now());
  if (!due) return;
  const std::string run = "run of " + format_instant(due->at);
  if (due->missed) return stack_.say(run + " skipped: its time passed unseen");
  if (job_.in_run || !instance(0).gone()) return stack_.say(run + " skipped: the one before is still under way");
  begin_run(job_);
  dirty_ = true;
  stack_.say(run);
  instance(0).want();
}

void Supervisor::sweep(Clock::time_point now) {
  if (now < look_again_) return;
  // Whatever its state file says: what carries the stack's mark, or lives in its groups, and nothing else.
  if (!former_ || end_remains(stack_.submission.mark, stack_.groups) == 0) return begin();
  look_again_ = now + milliseconds(20);
}

bool Supervisor::all_gone() const {
  return std::all_of(instances_.begin(), instances_.end(), [](const auto& each) { return each.second->gone(); });
}

void Supervisor::end_stop(Clock::time_point now) {
  if (!all_gone() || now < look_again_) return;
  if (end_remains(stack_.submission.mark, stack_.groups) > 0) {
    look_again_ = now + milliseconds(20);
    return;
  }
  done_ = true;
}

void Supervisor::tick(Clock::time_point now) {
  if (mode_ == Mode::kSweeping) sweep(now);
  for (auto& [index, each] : instances_) each->tick(now);
  if (mode_ == Mode::kStopping || mode_ == Mode::kLeaving) return end_stop(now);
  if (mode_ == Mode::kRunning && !is_job()) {
    std::erase_if(instances_, [](const auto& each) {
      if (each.second->wanted() || !each.second->gone()) return false;
      each.second->release_ports();
      return true;
    });
  }
  tick_schedule();
}

Clock::time_point Supervisor::deadline() const {
  Clock::time_point first = save_again_;
  const bool sweeps = mode_ == Mode::kSweeping || (mode_ != Mode::kRunning && all_gone());
  if (sweeps) first = std::min(first, std::max(look_again_, Clock::now() + milliseconds(5)));
  for (const auto& [index, each] : instances_) first = std::min(first, each->deadline());
  if (timetable_ && timetable_->next()) {
    const auto left = (*timetable_->next() - schedule_now()) / schedule_rate() + milliseconds(1);
    // Looked at now and then, because the wall clock may be set.
    first = std::min(first, Clock::now() + std::clamp<Duration>(left, milliseconds(1), seconds(10)));
  }
  return first;
}

Running Supervisor::view() const {
  Running running;
  running.incarnation = stack_.submission.incarnation;
  running.document_digest = stack_.submission.document_digest;
  running.count = count_;
  for (const auto& [index, each] : instances_) running.instances.push_back(each->view());
  for (Instance& each : running.instances)
    if (each.detail.empty() && !save_problem_.empty()) each.detail = "its state cannot be saved: " + save_problem_;
  running.stopping = mode_ == Mode::kStopping;
  running.child_running = job_.in_run && !instances_.empty();
  running.last_run = job_.last;
  if (mode_ == Mode::kSweeping && former_) {
    running.instances = former_->running.instances;
    for (Instance& each : running.instances) {
      each.state = InstanceState::kStarting;
      each.health = Health::kUnknown;
      each.detail = "waits until what a former supervisor left has ended";
    }
  }
  return running;
}

void Supervisor::save() {
  SupervisorState state;
  state.boot = boot_id();
  state.pid = ::getpid();
  state.running = view();
  for (const auto& [index, each] : instances_) state.processes.push_back(each->process());
  state.job = job_;
  // A result must not be forgotten: the job would run again.
  const bool durable = job_.last != saved_result_;
  const Status saved = replace_file(folder_ + kStateFile, to_text(state), 0600, durable);
  const std::string problem = saved ? "" : saved.error().message;
  if (problem != save_problem_) dirty_ = true;
  if (problem != save_problem_) stack_.say(saved ? "state saved again" : "state not saved: " + problem);
  save_problem_ = problem;
  if (saved) saved_result_ = job_.last;
  save_again_ = saved ? SupervisedInstance::kNever : Clock::now() + seconds(1);
}

void Supervisor::remove_folder() {
  for (auto& [index, each] : instances_) each->release_ports();
  remove_stack_folder(stack_.paths, stack_.document.stack);
}

int Supervisor::run() {
  while (!done_) {
    const auto now = Clock::now();
    tick(now);
    server_->tick(now);
    if (dirty_ || now >= save_again_) {
      const bool news = dirty_;
      dirty_ = false;
      if (mode_ != Mode::kSweeping) save();
      if (news) server_->tell_watchers();
    }
    if (done_) break;
    const auto until = deadline();
    const auto most = server_->has_clients() ? seconds(30) : seconds(60);
    const auto wait =
        until == SupervisedInstance::kNever ? milliseconds(most) : std::chrono::ceil<milliseconds>(until - Clock::now());
    stack_.loop.run_once(std::clamp<milliseconds>(wait, milliseconds(0), most));
  }
  const bool for_good = mode_ == Mode::kStopping;
  stack_.say("ends");
  // The folder last: while it is there, a scheduler finishes what this process could not.
  stack_.groups.leave_and_remove();
  if (for_good) remove_folder();
  return 0;
}

}  // namespace

int supervisor_main(int argc, char** argv) {
  const auto arguments = read_arguments(argc, argv);
  if (!arguments) {
    std::fputs("usage: nelson supervise FOLDER/stacks/STACK [--lock-fd N] [--listen-fd N]\n", stderr);
    return kUsage;
  }
  Descriptor lock = take_lock(arguments->folder, arguments->lock);
  if (!lock) {
    std::fprintf(stderr, "%s: another supervisor has it, or it is gone\n", arguments->folder.c_str());
    return kOtherLives;
  }
  Supervisor supervisor(arguments->folder, std::move(lock));
  if (const Status ready = supervisor.prepare(arguments->listener); !ready) {
    std::fprintf(stderr, "%s\n", ready.error().message.c_str());
    return 1;
  }
  return supervisor.run();
}

}  // namespace nelson
