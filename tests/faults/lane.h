#pragma once

#include <set>
#include <string>
#include <vector>

#include "tests/datacenter/world/watch.h"
#include "tests/datacenter/world/world.h"
#include "tests/faults/faults.h"

namespace nelson::faults {

using datacenter::Seconds;

/// A world whose controller runs with the shim under it, with one unit of two instances in it, and an oracle that looks at it only from
/// outside: the witness, the files, the processes, what the status server says.
class Lane {
 public:
  explicit Lane(datacenter::Times times = {"1 second", "1 second", "1 second", "3 seconds", "2 seconds"});

  static constexpr std::size_t kInstances = 2;

  datacenter::World& world() { return world_; }
  Shim& shim() { return shim_; }
  [[nodiscard]] const std::string& version() const { return version_; }

  /// Ends the controller and everything it started.
  void end_all();
  /// Ends everything and removes the store's and the domain's folder, as if nelson had never run. What is pushed stays pushed.
  void begin_anew();
  /// Starts the controller, with the shim. False when it ended or did not answer in time.
  bool start();
  /// Pushes the next version.
  void push_next();

  /// Whether exactly the pushed version runs, whole and alone, and nothing is left to do.
  [[nodiscard]] bool settled();
  bool wait_settled(Seconds limit = Seconds(60));
  /// Starts the controller if it does not run, and waits.
  bool be_settled();

  /// What is not as it must be in a settled world: instances born twice or alive too often, processes, folders, ports and records that
  /// nobody wants, gaps or open ends in the journal, trouble on the status page. Begins a new account for the next look.
  std::vector<std::string> findings();

  /// The living instances, as the witness tells them.
  [[nodiscard]] std::vector<datacenter::Process> instances() const;
  /// The first thing that the status page says is wrong.
  [[nodiscard]] std::optional<datacenter::Trouble> trouble() const;
  /// The controller's calls in the domain's folder since the last clear_log() of the shim: its effects, once it has started.
  [[nodiscard]] std::vector<Call> effects() const;

  /// A supervisor was killed: its instances may have been born again, and when its stack goes its folder stays for ten minutes, as
  /// controller/domains/local/README.md says. Until the next findings().
  void allow_for_dead_supervisors() { supervisor_died_ = true; }

  /// What the controller said since the last begin_log().
  [[nodiscard]] std::string said() const { return world_.log().substr(log_begin_); }
  void begin_log() { log_begin_ = world_.log().size(); }

 private:
  void look_at_files(const std::string& stack, std::vector<std::string>& out);
  void look_at_journal(std::vector<std::string>& out) const;
  void look_at_processes(std::vector<std::string>& out) const;
  void look_at_births(const std::string& stack, std::vector<std::string>& out);

  datacenter::World world_;
  Shim shim_;
  std::unique_ptr<datacenter::Watch> watch_;
  std::string version_;
  int release_ = 0;
  std::size_t log_begin_ = 0;
  std::uint64_t sequence_ = 0;  // of the journal, when last looked at
  bool supervisor_died_ = false;
  std::set<std::string> left_;  // stacks' folders that go by themselves
};

}  // namespace nelson::faults
