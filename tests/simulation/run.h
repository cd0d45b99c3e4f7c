#pragma once

#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/loop/domains.h"
#include "controller/loop/engine.h"
#include "controller/loop/pace.h"
#include "tests/simulation/hands.h"
#include "tests/simulation/outside.h"
#include "tests/simulation/simulation.h"
#include "tests/simulation/trace.h"

namespace nelson::simulation {

inline constexpr Duration kPoll = std::chrono::seconds(30);

/// A folder for a store, in memory where there is such a place.
[[nodiscard]] std::string store_folder();

/// One run: its time, the lives of its controller, and what goes wrong. simulation.cc has the first two, moments.cc the third.
class Simulation final : Disk {
 public:
  Simulation(const Scenario& scenario, const MakeRig& make_rig, const Hooks& hooks)
      : scenario_(scenario),
        make_rig_(make_rig),
        hooks_(hooks),
        outside_(scenario),
        checker_({.owner = "ours", .full_pass = scenario.shape.full_pass}) {}
  ~Simulation() override {
    process_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  Outcome run() {
    start();
    auto event = scenario_.events.begin();
    for (int day = 0; day < scenario_.days && !checker_.violation(); ++day) {
      const Duration midnight = scenario_.day * (day + 1);
      const Duration calm = calm_at_ = midnight - scenario_.day + scenario_.trouble;
      for (; event != scenario_.events.end() && event->at < calm && !checker_.violation(); ++event) {
        go_on_until(event->at);
        told_ = scenario_.shape.guided ? event->b % 2 == 0
                                       : static_cast<std::size_t>(event - scenario_.events.begin()) != scenario_.unheard;
        if (event->after < 0)
          happen(*event);
        else
          waiting_.push_back(*event);
      }
      go_on_until(calm);
      be_calm(midnight);
    }
    finish();
    return std::move(outcome_);
  }

 private:
  struct Process;
  class PlayedWorker;
  /// At the door of the executor, before faults; and at the door of the world, behind them.
  class Outer final : public Listener {
   public:
    explicit Outer(Simulation& simulation) : simulation_(simulation) {}
    void asks(const std::string& domain, Part part) override { simulation_.asks(domain, part); }
    void answered(const std::string& domain, Part part, bool ok) override { simulation_.answered(domain, part, ok); }
    void writes(const std::string& domain, const Write& write) override { simulation_.tries(domain, write); }

   private:
    Simulation& simulation_;
  };
  class Inner final : public Listener {
   public:
    explicit Inner(Simulation& simulation) : simulation_(simulation) {}
    void writes(const std::string& domain, const Write& write) override { simulation_.writes(domain, write); }
    void wrote(const std::string& domain, const Write& write, const Status& status) override {
      simulation_.wrote(domain, write, status);
    }

   private:
    Simulation& simulation_;
  };
  // ---- time

  void go_on_until(Duration at) {
    while (outside_.now() < at && !checker_.violation()) {
      Duration next = std::min(at, process_ ? due_ : restart_at_);
      if (process_)
        if (const auto change = outside_.next_change()) next = std::min(next, *change + std::chrono::milliseconds(1));
      if (outside_.git().has_news()) next = std::min(next, (outside_.now() / kPoll + 1) * kPoll);
      next = std::max(next, outside_.now() + std::chrono::milliseconds(1));
      const auto change = outside_.next_change();
      try {
        advance_to(next);
      } catch (const ControllerDied&) {
        die();
      }
      if (change && *change <= outside_.now()) tell_news();
      if (outside_.git().has_news() && outside_.now() % kPoll == Duration(0)) poll();
      if (!process_ && restart_at_ <= outside_.now()) start();
      if (process_ && due_ <= outside_.now()) pass();
      for (const Event& event : std::exchange(ripe_, {})) happen(event);
    }
  }

  /// True time passes; batches that hang end when theirs has come.
  void advance_to(Duration at);

  void poll() {
    outside_.git().sync();
    wake();
    ripen(kAfterNews);
    for (const Event& event : std::exchange(ripe_, {})) happen(event);
  }
  /// What waits for this will happen after the pass.
  void ripen(int after) {
    const auto ripe =
        std::stable_partition(waiting_.begin(), waiting_.end(), [after](const Event& event) { return event.after != after; });
    ripe_.insert(ripe_.end(), ripe, waiting_.end());
    waiting_.erase(ripe, waiting_.end());
  }
  void wake() { due_ = std::min(due_, std::max(outside_.now(), last_pass_ + std::chrono::milliseconds(20))); }
  /// Something changed in a domain, and it says so.
  void tell_news() {
    ++outcome_.news;
    if (hooks_.on_news && hooks_.on_news(outcome_.news)) return;
    if (missed_news_ > 0) {
      --missed_news_;
      return;
    }
    wake();
  }

  // ---- the process

  void start();
  void pass();
  [[nodiscard]] std::optional<std::vector<std::string>> dry_run(const Desired& desired);
  void compare(const std::vector<std::string>& foreseen, const PassReport& report);
  void die() {
    say("controller dies");
    process_.reset();
    checker_.controller_ends();
    current_ = nullptr;
    meet_from_now(Meeting::kRestart);
    restart_at_ = outside_.now() + std::chrono::seconds(2);
  }

  // ---- what happens

  /// With NELSON_TRACE set everything that is done is told.
  void say(const std::string& what) const {
    static const bool kTold = std::getenv("NELSON_TRACE") != nullptr;
    if (kTold) std::cout << format_instant(Instant(outside_.now())).substr(8) << ' ' << what << '\n';
  }
  void happen(const Event& event);
  void be_calm(Duration midnight);
  void finish();

  void meet_from_now(Meeting meeting, Duration length = std::chrono::minutes(10)) {
    Duration& until = meeting_until_[meeting];
    until = std::max(until, outside_.now() + length);
  }

  // ---- calls

  void asks(const std::string& domain, Part part) {
    ++outcome_.reads;
    current_ = nullptr;
    asked_ = {domain, part};
    if (auto& [reads, versions] = stale_reads_[asked_]; reads > 0) {
      --reads;
      make_stale(domain, part, versions);
    }
    if (!hooks_.on_read) return;
    const int versions = hooks_.on_read(outcome_.reads);
    if (versions > 0) make_stale(domain, part, versions);
  }
  void make_stale(const std::string& domain, Part part, int versions) {
    outside_.world(domain).answer_from_past(static_cast<FakePart>(part), versions);
    stale_.insert({domain, part});
  }
  void answered(const std::string& domain, Part part, bool ok) {
    const bool stale = ok && stale_.erase({domain, part}) > 0;
    if (stale && hooks_.on_read) catches_up_ = true;
    checker_.answered(domain, part, ok, stale, outside_.now());
    auto& seen = seen_[domain];
    seen.resize(kParts);
    seen[static_cast<std::size_t>(part)] = {ok, stale};
    trace_.add(domain, static_cast<std::uint64_t>(part), ok, stale);
  }
  void tries(const std::string& domain, const Write& write) {
    current_ = &write;
    current_domain_ = domain;
  }
  void writes(const std::string& domain, const Write& write) {
    checker_.before(domain, write, outside_.truths().at(domain), outside_.now());
  }
  void wrote(const std::string& domain, const Write& write, const Status& status) {
    const auto* stop = std::get_if<Stop>(&write);
    say("  " + domain + ' ' + describe(write) + (status ? "" : " refused: " + status.error().message));
    if (stop != nullptr && status) outcome_.stops.push_back(domain + ' ' + stop->stack + ' ' + std::to_string(stop->incarnation));
    const auto* record = std::get_if<StackRecord>(&write);
    if (record != nullptr && record->retiring && status) ripen(kAfterRetiring);
    if (record != nullptr && record->kept_no_longer_since && !record->retiring && status) ripen(kAfterUnkept);
    outside_.touched();
    ++outcome_.writes;
    checker_.after(domain, write, status.ok());
    trace_.add(describe(write), static_cast<std::uint64_t>(outside_.now().count()), status.ok());
  }
  Fault choose(const std::string& call);
  Fault choose_for_write();
  [[nodiscard]] std::size_t current_action() const {
    const Intent* intent = checker_.intents().find(current_domain_, *current_);
    return intent == nullptr ? kActions.size() : action_index(intent->effect);
  }
  Duration take_hang(const std::string& domain);

  // ---- Disk

  CommitFault commits(CommitKind kind, const std::vector<JournalEntry>& entries) override;
  void committed(CommitKind kind, bool wrote) override;
  void intended(const std::vector<JournalEntry>& entries) override;
  void settled(const std::vector<std::uint64_t>& sequences, bool unknown) override;
  void meet_conditions(const JournalEntry& entry);

  const Scenario& scenario_;
  const MakeRig& make_rig_;
  const Hooks& hooks_;
  Outside outside_;
  Checker checker_;
  Outcome outcome_;
  Trace trace_;
  Outer outer_{*this};
  Inner inner_{*this};
  const std::string folder_ = store_folder();

  Duration wall_offset_{};  // how far the wall clock is ahead of the truth
  Duration offset_at_start_{};
  Duration due_{}, last_pass_{}, restart_at_{}, calm_at_{};
  std::shared_ptr<const Desired> desired_;
  std::vector<PlayedWorker*> workers_;
  std::unique_ptr<Process> process_;

  // Faults that wait, and what is wrong just now.
  std::vector<Event> armed_;
  std::vector<Event> waiting_, ripe_;  // for an action; it was begun
  std::map<std::pair<std::string, Part>, Duration> silent_until_;
  std::set<std::pair<std::string, Part>> stale_;
  std::map<std::pair<std::string, Part>, std::pair<int, int>> stale_reads_;  // how many more, and how old they are
  std::map<Meeting, Duration> meeting_until_;
  int missed_news_ = 0;
  bool calm_ = false;
  bool catches_up_ = false;         // what answered from the past will have news: whoever waits on an old index is answered at once
  bool told_ = true;                // whether a webhook tells of what happens
  std::vector<std::string> begun_;  // by this pass
  std::uint64_t hooked_writes_ = 0;

  std::pair<std::string, Part> asked_;
  const Write* current_ = nullptr;
  std::string current_domain_;
  std::map<std::string, std::vector<std::pair<bool, bool>>> seen_;  // of each part: answered, stale
  std::map<std::string, std::vector<std::size_t>> batch_;           // actions announced and not yet begun, by domain
};

/// Does a task at once, or, when it is to hang, when its time has come.
class Simulation::PlayedWorker final : public Worker {
 public:
  PlayedWorker(Simulation& simulation, std::string domain) : simulation_(simulation), domain_(std::move(domain)) {
    simulation_.workers_.push_back(this);
  }
  ~PlayedWorker() override { std::erase(simulation_.workers_, this); }
  PlayedWorker(const PlayedWorker&) = delete;
  PlayedWorker& operator=(const PlayedWorker&) = delete;

  [[nodiscard]] bool idle() const override { return !task_; }
  void start(std::function<void()> task, std::function<void()> ended) override {
    task_ = [task = std::move(task), ended = std::move(ended)] {
      task();
      ended();
    };
    const Duration hang = simulation_.take_hang(domain_);
    if (hang <= Duration(0)) return run();
    due_ = simulation_.outside_.now() + hang;
  }
  bool wait_until(SteadyTime deadline) const override {
    if (task_) simulation_.advance_to(std::min(due_, std::chrono::duration_cast<Duration>(deadline.time_since_epoch())));
    return idle();
  }

  [[nodiscard]] const std::string& domain() const { return domain_; }
  [[nodiscard]] Duration due() const { return task_ ? due_ : Duration::max(); }
  void run() { std::exchange(task_, nullptr)(); }

 private:
  Simulation& simulation_;
  std::string domain_;
  std::function<void()> task_;
  Duration due_{};
};

/// One life of the controller.
struct Simulation::Process {
  Rig rig;
  std::shared_ptr<Faults> faults = std::make_shared<Faults>();
  std::unique_ptr<Store> store;
  std::unique_ptr<Clock> clock;
  std::unique_ptr<Domains> domains;
  std::unique_ptr<Engine> engine;
  Pace pace{LoopOptions{}};
};

}  // namespace nelson::simulation
