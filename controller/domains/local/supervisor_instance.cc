#include "controller/domains/local/supervisor_instance.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "controller/domains/local/process_spawn.h"
#include "controller/domains/local/supervisor_ports.h"

namespace nelson {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kSettled = seconds(60);  // having run so long, a crash is a first one again
constexpr auto kLongestPause = seconds(60);
constexpr auto kLookAgain = milliseconds(10);  // at what is being ended, and twice as long after each look
constexpr auto kLookAgainAtMost = milliseconds(160);
constexpr auto kUndecided = seconds(5);             // before a check that has not passed yet counts as failing
constexpr auto kEagerInterval = milliseconds(200);  // between checks until the first one passes,
constexpr auto kEagerFor = seconds(60);             // for so long
constexpr auto kShortestInterval = milliseconds(100);
constexpr std::size_t kOutputAtOnce = 64 << 10;

Instant wall_now() { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); }

std::string signal_name(int number) {
  const char* name = ::sigabbrev_np(number);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(number);
}

void set_variable(std::vector<std::string>& list, const std::string& name, const std::string& value) {
  const std::string start = name + "=";
  for (std::string& each : list) {
    if (!each.starts_with(start)) continue;
    each = start + value;
    return;
  }
  list.push_back(start + value);
}

}  // namespace

SupervisedInstance::SupervisedInstance(SupervisedStack& stack, std::int32_t index, OnEnd on_end)
    : stack_(stack),
      index_(index),
      on_end_(std::move(on_end)),
      log_(stack.paths.logs(stack.document.stack) + "/" + std::to_string(index) + ".log"),
      since_(wall_now()),
      ports_(stack.document.ports.size()) {}

SupervisedInstance::~SupervisedInstance() {
  end_probes();
  stack_.loop.remove(output_ticket_);
  stack_.loop.remove(report_ticket_);
}

void SupervisedInstance::remember(const SupervisorState::Process& process, const Instance& view) {
  for (std::size_t i = 0; i < ports_.size() && i < process.ports.size(); ++i)
    ports_[i] = static_cast<std::uint16_t>(process.ports[i]);
  restarts_ = view.restarts;
  attempted_ = true;
}

void SupervisedInstance::want() {
  wanted_ = true;
  if (phase_ == Phase::kNone && next_start_ == kNever) next_start_ = Clock::now();
}

void SupervisedInstance::unwant() {
  wanted_ = false;
  next_start_ = kNever;
  if (phase_ == Phase::kNone || phase_ == Phase::kStopping) return;
  enter(InstanceState::kStopping);
  health_ = Health::kUnknown;
  end_probes();
  if (phase_ == Phase::kClearing) return;
  phase_ = Phase::kStopping;
  const auto now = Clock::now();
  kill_at_ = now + stack_.document.stop_grace;
  look_again_ = now + kLookAgain;
  look_pause_ = kLookAgain;
  signal_all(SIGTERM);
}

void SupervisedInstance::enter(InstanceState state) {
  if (state_ == state) return;
  state_ = state;
  since_ = wall_now();
  stack_.changed();
}

void SupervisedInstance::set_detail(const std::string& text) {
  if (detail_ == text) return;
  detail_ = text;
  stack_.changed();
}

Status SupervisedInstance::claim_ports() {
  std::vector<std::uint16_t> mine;
  for (std::uint16_t& port : ports_) {
    const auto claimed = claim_port(stack_.paths, stack_.document.stack, index_, port, mine);
    if (!claimed) return claimed.error();
    if (port != 0 && port != *claimed) {
      release_port(stack_.paths, stack_.document.stack, index_, port);
      stack_.say("instance " + std::to_string(index_) + ": port " + std::to_string(port) + " already taken, moves to " +
                 std::to_string(*claimed));
    }
    port = *claimed;
    mine.push_back(port);
  }
  return {};
}

void SupervisedInstance::release_ports() {
  for (std::uint16_t& port : ports_) {
    if (port != 0) release_port(stack_.paths, stack_.document.stack, index_, port);
    port = 0;
  }
}

std::vector<std::string> SupervisedInstance::environment() const {
  const LocalDocument& document = stack_.document;
  std::vector<std::string> list{kPath};
  for (const EnvironmentVariable& each : document.environment) set_variable(list, each.name, each.value);
  for (const EnvironmentVariable& each : stack_.submission.addresses) set_variable(list, each.name, each.value);
  set_variable(list, "NELSON_STACKNAME", document.stack);
  set_variable(list, "NELSON_DATACENTER", document.domain);
  set_variable(list, "NELSON_DNS_ROOT", document.domain);
  set_variable(list, "NELSON_ENV", document.name_space.substr(0, document.name_space.find('/')));
  set_variable(list, "NELSON_NAMESPACE", document.name_space);
  set_variable(list, "NELSON_PLAN", document.plan);
  set_variable(list, "NELSON_UNITNAME", document.unit);
  set_variable(list, "NELSON_VERSION", document.version);
  set_variable(list, "NELSON_INSTANCE", std::to_string(index_));
  set_variable(list, "NELSON_GUID", document.guid);
  set_variable(list, "NELSON_MARK", stack_.submission.mark);
  set_variable(list, "NELSON_LIGHTHOUSE", stack_.paths.lighthouse(document.stack));
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    set_variable(list, "NELSON_PORT_" + variable_part(document.ports[i].name), std::to_string(ports_[i]));
    if (document.ports[i].name == "default" || ports_.size() == 1) set_variable(list, "PORT", std::to_string(ports_[i]));
  }
  return list;
}

bool SupervisedInstance::fork_program(std::string& problem) {
  const LocalDocument& document = stack_.document;
  InstancePlan plan;
  plan.command = document.command;
  plan.environment = environment();
  auto user = user_for(document.run_as);
  if (!user) return problem = user.error().message, false;
  plan.user = *std::move(user);
  Descriptor folder;
  if (!document.tree.empty()) {
    const std::string tree = stack_.paths.trees() + "/" + document.tree;
    folder.reset(::open(tree.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder) return problem = "cannot enter its folder " + tree + ": " + error_text(errno), false;
    plan.folder = folder.get();
  }
  const std::string leaf = "i" + std::to_string(index_);
  missed_.clear();
  const auto doors = stack_.groups.make(leaf, {document.cpu_millis, document.memory_kib}, missed_);
  for (const Descriptor& door : doors) plan.doors.push_back(door.get());
  int output[2];
  int report[2];
  if (::pipe2(output, O_CLOEXEC | O_NONBLOCK) != 0) return problem = "cannot make a pipe: " + error_text(errno), false;
  output_.reset(output[0]);
  const Descriptor output_end(output[1]);
  if (::pipe2(report, O_CLOEXEC | O_NONBLOCK) != 0) return problem = "cannot make a pipe: " + error_text(errno), false;
  report_.reset(report[0]);
  const Descriptor report_end(report[1]);
  // The program's own end of the pipe waits like any other: only ours does not.
  ::fcntl(output_end.get(), F_SETFL, ::fcntl(output_end.get(), F_GETFL) & ~O_NONBLOCK);
  plan.output = output_end.get();
  plan.report = report_end.get();
  pid_ = spawn_instance(plan);
  if (pid_ < 0) return pid_ = 0, problem = "cannot fork: " + error_text(errno), false;
  return true;
}

void SupervisedInstance::start(Clock::time_point now) {
  next_start_ = kNever;
  if (attempted_) ++restarts_;
  enter(InstanceState::kStarting);
  if (const Status ports = claim_ports(); !ports) return fail(now, ports.error().message);
  std::string problem;
  if (!fork_program(problem)) return fail(now, problem);
  attempted_ = true;
  const auto stat = stat_of(pid_);
  start_time_ = stat ? stat->start_time : 0;
  phase_ = Phase::kLive;
  started_at_ = now;
  main_ended_ = running_ = false;
  report_text_.clear();
  report_ticket_ = stack_.loop.add(report_.get(), EPOLLIN, [this](std::uint32_t) { read_report(); });
  output_ticket_ = stack_.loop.add(output_.get(), EPOLLIN, [this](std::uint32_t) { read_output(kOutputAtOnce); });
  stack_.changed();
}

void SupervisedInstance::fail(Clock::time_point now, const std::string& text) {
  output_.reset();
  report_.reset();
  end_ = {false, text};
  phase_ = Phase::kNone;
  finish(now);
}

void SupervisedInstance::read_report() {
  char buffer[64];
  const ssize_t n = ::read(report_.get(), buffer, sizeof buffer);
  if (n < 0) return;
  if (n > 0) {
    report_text_.append(buffer, static_cast<std::size_t>(n));
    return;
  }
  stack_.loop.remove(report_ticket_);
  report_ticket_ = 0;
  report_.reset();
  if (!report_text_.empty() || phase_ != Phase::kLive) return;
  running_ = true;
  enter(InstanceState::kRunning);
  begin_probes(Clock::now());
}

void SupervisedInstance::read_output(std::size_t limit) {
  char buffer[16384];
  for (std::size_t had = 0; had < limit && output_;) {
    const ssize_t n = ::read(output_.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      stack_.loop.remove(output_ticket_);
      output_ticket_ = 0;
      output_.reset();
      return;
    }
    log_.write({buffer, static_cast<std::size_t>(n)});
    had += static_cast<std::size_t>(n);
  }
}

void SupervisedInstance::look_for_end(Clock::time_point now) {
  if (pid_ == 0 || main_ended_) return;
  siginfo_t info{};
  // Looked at and left: while the zombie is there its number, group and session are nobody else's.
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
  main_ended_ = true;
  if (report_) read_report();
  const std::string failed =
      read_start_report(report_text_, stack_.document.command.empty() ? "" : stack_.document.command.front());
  const bool exited = info.si_code == CLD_EXITED;
  end_.succeeded = exited && info.si_status == 0 && failed.empty();
  end_.text = !failed.empty() ? failed
              : exited        ? "exit status " + std::to_string(info.si_status)
                              : "killed by " + signal_name(info.si_status);
  if (info.si_code == CLD_KILLED && info.si_status == SIGKILL && phase_ == Phase::kLive && stack_.document.memory_kib > 0 &&
      missed_.empty())
    end_.text += ", perhaps for going over its memory limit of " + std::to_string(stack_.document.memory_kib) + " KiB";
  end_probes();
  health_ = Health::kUnknown;
  if (phase_ == Phase::kLive) {
    phase_ = Phase::kClearing;
    signal_all(SIGKILL);
  }
  look_again_ = now;
  look_pause_ = kLookAgain;
}

bool SupervisedInstance::is_left_over(pid_t pid) const {
  if (pid == pid_ && main_ended_) return false;
  const auto stat = stat_of(pid);
  if (!stat || !stat->alive()) return false;
  if (stack_.groups.contains(pid, "i" + std::to_string(index_))) return true;
  if (pid_ != 0 && stat->session == pid_) return true;
  return environment_has(pid, stack_.mark_entry()) && environment_has(pid, "NELSON_INSTANCE=" + std::to_string(index_));
}

std::vector<pid_t> SupervisedInstance::left_overs() const {
  const std::string leaf = "i" + std::to_string(index_);
  std::vector<pid_t> pids = stack_.groups.tracks(leaf) ? stack_.groups.members(leaf) : all_processes();
  std::erase_if(pids, [this](pid_t pid) { return !is_left_over(pid); });
  return pids;
}

void SupervisedInstance::signal_all(int signal) {
  // A fork that has no session of its own yet is no group either. Not reaped, its number is nobody else's.
  if (pid_ != 0 && ::kill(-pid_, signal) != 0 && !main_ended_) ::kill(pid_, signal);
  for (const pid_t pid : left_overs())
    if (pid_ == 0 || ::getpgid(pid) != pid_ || signal == SIGKILL)
      signal_if(pid, signal, [this](pid_t each) { return is_left_over(each); });
}

void SupervisedInstance::clear(Clock::time_point now) {
  if (now < look_again_) return;
  if (left_overs().empty() && main_ended_) {
    ::waitpid(pid_, nullptr, 0);
    return finish(now);
  }
  if (phase_ == Phase::kStopping && now >= kill_at_) {
    stack_.say("instance " + std::to_string(index_) + ": not gone " + format_duration(stack_.document.stop_grace) +
               " after SIGTERM, SIGKILL");
    phase_ = Phase::kClearing;
  }
  if (phase_ == Phase::kClearing) signal_all(SIGKILL);
  look_again_ = now + look_pause_;
  look_pause_ = std::min<Clock::duration>(2 * look_pause_, kLookAgainAtMost);
}

void SupervisedInstance::finish(Clock::time_point now) {
  read_output(4 * kLogPartBytes);
  stack_.loop.remove(output_ticket_);
  stack_.loop.remove(report_ticket_);
  output_ticket_ = report_ticket_ = 0;
  output_.reset();
  report_.reset();
  const bool asked = phase_ == Phase::kStopping || state_ == InstanceState::kStopping;
  phase_ = Phase::kNone;
  pid_ = 0;
  start_time_ = 0;
  look_again_ = kill_at_ = kNever;
  stack_.groups.remove("i" + std::to_string(index_));
  stack_.say("instance " + std::to_string(index_) + ": " + end_.text + (asked ? ", as asked" : ""));
  stack_.changed();
  if (asked || !wanted_) {
    if (wanted_) {
      next_start_ = now;
    } else {
      enter(InstanceState::kExited);
    }
    return;
  }
  set_detail(end_.text);
  if (running_ && now - started_at_ >= kSettled) quick_failures_ = 0;
  running_ = false;
  if (on_end_(end_) == Next::kRest) {
    wanted_ = attempted_ = false;
    quick_failures_ = 0;
    return enter(InstanceState::kExited);
  }
  const auto pause = std::min<Clock::duration>(kLongestPause, seconds(1LL << std::min(quick_failures_, 6)));
  ++quick_failures_;
  rest_for(now, pause);
}

void SupervisedInstance::rest_for(Clock::time_point now, Clock::duration pause) {
  next_start_ = now + pause;
  enter(InstanceState::kBackoff);
}

void SupervisedInstance::begin_probes(Clock::time_point now) {
  end_probes();
  for (const HealthCheck& spec : stack_.document.checks) {
    for (std::size_t i = 0; i < ports_.size(); ++i)
      if (stack_.document.ports[i].name == spec.port) probes_.push_back({Check(spec, ports_[i]), 0, now, std::nullopt, false, ""});
  }
}

void SupervisedInstance::end_probes() {
  for (Probe& probe : probes_) stack_.loop.remove(probe.ticket);
  probes_.clear();
  health_detail_.clear();
}

void SupervisedInstance::tick_probe(Probe& probe, Clock::time_point now) {
  if (probe.check.under_way()) {
    if (now < probe.check.deadline()) return;
    stack_.loop.remove(probe.ticket);
    probe.ticket = 0;
    return take(probe, probe.check.on_deadline(), now);
  }
  if (now < probe.next) return;
  if (const auto outcome = probe.check.begin(now)) return take(probe, *outcome, now);
  probe.ticket = stack_.loop.add(probe.check.fd(), probe.check.events(), [this, &probe](std::uint32_t) {
    const auto outcome = probe.check.on_ready();
    if (!outcome) return stack_.loop.change(probe.ticket, probe.check.events());
    // The check closed its socket, which took it off the wait list.
    stack_.loop.remove(probe.ticket);
    probe.ticket = 0;
    take(probe, *outcome, Clock::now());
  });
}

void SupervisedInstance::take(Probe& probe, const Check::Outcome& outcome, Clock::time_point now) {
  probe.ever_passed = probe.ever_passed || outcome.passing;
  const Clock::duration interval = std::max<Clock::duration>(probe.check.spec().interval, kShortestInterval);
  const bool eager = !probe.ever_passed && now - started_at_ < kEagerFor;
  probe.next = now + (eager ? std::min<Clock::duration>(interval, kEagerInterval) : interval);
  // Not up yet is not the same as sick.
  if (outcome.passing || probe.passing.has_value() || now - started_at_ >= kUndecided) {
    if (probe.passing != outcome.passing) {
      probe.passing = outcome.passing;
      probe.detail = outcome.passing ? "" : outcome.detail + ", since " + format_instant(std::chrono::floor<seconds>(wall_now()));
    }
  } else {
    probe.detail = outcome.detail;
  }
  judge();
}

void SupervisedInstance::judge() {
  Health health = probes_.empty() ? Health::kUnknown : Health::kPassing;
  std::string detail;
  for (const Probe& probe : probes_) {
    if (!probe.passing.has_value() && health == Health::kPassing) health = Health::kUnknown;
    if (probe.passing == false) health = Health::kFailing;
    if (detail.empty()) detail = probe.detail;
  }
  if (health != health_ && health_ != Health::kUnknown)
    stack_.say("instance " + std::to_string(index_) + ": health " + std::string(name_of(health)) +
               (detail.empty() ? "" : ": " + detail));
  if (health == health_ && detail == health_detail_) return;
  health_ = health;
  health_detail_ = detail;
  stack_.changed();
}

void SupervisedInstance::tick(Clock::time_point now) {
  look_for_end(now);
  if (phase_ == Phase::kStopping || phase_ == Phase::kClearing) clear(now);
  if (phase_ == Phase::kLive && running_ && !detail_.empty() && now - started_at_ >= kSettled) set_detail("");
  if (phase_ == Phase::kNone && wanted_ && now >= next_start_) start(now);
  for (Probe& probe : probes_) tick_probe(probe, now);
}

SupervisedInstance::Clock::time_point SupervisedInstance::deadline() const {
  Clock::time_point first = kNever;
  if (phase_ == Phase::kNone) first = next_start_;
  if (phase_ == Phase::kStopping || phase_ == Phase::kClearing) first = look_again_;
  if (phase_ == Phase::kLive && running_ && !detail_.empty()) first = started_at_ + kSettled;
  for (const Probe& probe : probes_) first = std::min(first, probe.check.under_way() ? probe.check.deadline() : probe.next);
  return first;
}

Instance SupervisedInstance::view() const {
  Instance view;
  view.index = index_;
  view.state = state_;
  view.since = since_;
  view.health = health_;
  view.restarts = restarts_;
  view.detail = !health_detail_.empty() ? health_detail_ : !detail_.empty() ? detail_ : missed_;
  for (std::size_t i = 0; i < ports_.size(); ++i)
    if (ports_[i] != 0) view.endpoints.push_back({stack_.document.ports[i].name, "127.0.0.1", ports_[i]});
  return view;
}

SupervisorState::Process SupervisedInstance::process() const {
  SupervisorState::Process process{index_, pid_, start_time_, {}};
  for (const std::uint16_t port : ports_) process.ports.push_back(port);
  return process;
}

}  // namespace nelson
