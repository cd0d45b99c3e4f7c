#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "controller/domains/local/check.h"
#include "controller/domains/local/logs.h"
#include "controller/domains/local/process_group.h"
#include "controller/domains/local/supervisor_document.h"
#include "controller/domains/local/supervisor_loop.h"
#include "state/model/observed.h"

namespace nelson {

/// What the instances of one supervisor share. Outlives them.
struct SupervisedStack {
  LocalDocument document;
  LocalSubmission submission;
  LocalPaths paths;
  StackGroups groups;
  EventLoop loop;
  std::function<void()> changed;                // something that status shows is different
  std::function<void(const std::string&)> say;  // one line for the supervisor's log

  [[nodiscard]] std::string mark_entry() const { return "NELSON_MARK=" + submission.mark; }
};

/// How an attempt of an instance's program ended.
struct InstanceEnd {
  bool succeeded = false;  // exit status 0
  std::string text;        // "exit status 1", "killed by SIGSEGV", "cannot start ./x: No such file or directory"
};

/// One copy of a stack: its process, what that process leaves behind, its ports, log and checks. At most one attempt lives at any instant: the
/// next begins when nothing of the one before is left. One thread.
class SupervisedInstance {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr Clock::time_point kNever = Clock::time_point::max();  // when what is not due comes
  enum class Next { kRestart, kRest };
  /// Asked when an attempt that nobody asked to stop is over, and everything of it gone.
  using OnEnd = std::function<Next(const InstanceEnd&)>;

  SupervisedInstance(SupervisedStack& stack, std::int32_t index, OnEnd on_end);
  ~SupervisedInstance();
  SupervisedInstance(const SupervisedInstance&) = delete;
  SupervisedInstance& operator=(const SupervisedInstance&) = delete;

  /// What a former supervisor of the stack remembered of this instance.
  void remember(const SupervisorState::Process& process, const Instance& view);

  /// Wants it to run: starts an attempt now, or once the one that is being stopped is gone.
  void want();
  /// Wants it gone: SIGTERM, grace, SIGKILL. gone() tells when.
  void unwant();
  [[nodiscard]] bool wanted() const { return wanted_; }
  /// Nothing of it lives.
  [[nodiscard]] bool gone() const { return phase_ == Phase::kNone; }

  /// Looks after everything that time or the end of a process brings. Call after each wait and at deadline().
  void tick(Clock::time_point now);
  [[nodiscard]] Clock::time_point deadline() const;
  /// Whether `pid` is the process that was started and not yet reaped.
  [[nodiscard]] bool is_main(pid_t pid) const { return pid == pid_; }

  [[nodiscard]] Instance view() const;
  [[nodiscard]] SupervisorState::Process process() const;
  void release_ports();

 private:
  enum class Phase {
    kNone,      // no process
    kLive,      // started, perhaps not yet running its program
    kStopping,  // SIGTERM was sent
    kClearing,  // what is left is killed
  };
  struct Probe {
    Check check;
    EventLoop::Ticket ticket = 0;
    Clock::time_point next;
    std::optional<bool> passing;
    bool ever_passed = false;
    std::string detail;
  };

  void start(Clock::time_point now);
  Status claim_ports();
  [[nodiscard]] std::vector<std::string> environment() const;
  bool fork_program(std::string& problem);
  void fail(Clock::time_point now, const std::string& text);
  void enter(InstanceState state);
  void set_detail(const std::string& text);

  void read_report();
  void read_output(std::size_t limit);
  void look_for_end(Clock::time_point now);
  void clear(Clock::time_point now);
  void finish(Clock::time_point now);
  void rest_for(Clock::time_point now, Clock::duration pause);
  [[nodiscard]] bool is_left_over(pid_t pid) const;
  [[nodiscard]] std::vector<pid_t> left_overs() const;
  void signal_all(int signal);

  void begin_probes(Clock::time_point now);
  void tick_probe(Probe& probe, Clock::time_point now);
  void take(Probe& probe, const Check::Outcome& outcome, Clock::time_point now);
  void end_probes();
  void judge();

  SupervisedStack& stack_;
  const std::int32_t index_;
  OnEnd on_end_;
  LogWriter log_;
  bool wanted_ = false;

  Phase phase_ = Phase::kNone;
  pid_t pid_ = 0;
  std::uint64_t start_time_ = 0;
  bool main_ended_ = false;  // a zombie that is kept until nothing else is left, so that its number stays taken
  InstanceEnd end_;
  bool running_ = false;  // the program itself runs, no longer our fork
  Descriptor output_;
  Descriptor report_;
  EventLoop::Ticket output_ticket_ = 0;
  EventLoop::Ticket report_ticket_ = 0;
  std::string report_text_;

  Clock::time_point started_at_{};
  Clock::time_point next_start_ = Clock::time_point::max();
  Clock::time_point kill_at_ = Clock::time_point::max();
  Clock::time_point look_again_ = Clock::time_point::max();
  Clock::duration look_pause_{};
  int quick_failures_ = 0;  // in a row, each within a minute of its start

  InstanceState state_ = InstanceState::kStarting;
  Instant since_{};
  std::int32_t restarts_ = 0;
  bool attempted_ = false;
  std::string detail_;  // the last end
  std::string missed_;  // limits that are not enforced
  Health health_ = Health::kUnknown;
  std::string health_detail_;
  std::vector<std::uint16_t> ports_;  // as document.ports
  std::list<Probe> probes_;
};

}  // namespace nelson
