#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controller/domains/local/scheduler.h"

namespace nelson::test {

/// Waits until `holds` does, at most `within`; whether it did.
bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds within = std::chrono::seconds(30));

/// A folder of its own, a scheduler on it, and a witness outside nelson: each instance writes its pid and start time into a file. The stacks'
/// program is a script that does what the plan's variables say. Everything that was started is ended at the end, also on failure.
class LocalWorld {
 public:
  /// Uses the folder `root` of somebody else's world when it is given, and then ends nothing.
  explicit LocalWorld(std::string root = "");
  ~LocalWorld();
  LocalWorld(const LocalWorld&) = delete;
  LocalWorld& operator=(const LocalWorld&) = delete;

  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] std::string domain() const { return root_ + "/domain"; }
  [[nodiscard]] std::string witness() const { return root_ + "/witness"; }

  DomainSettings settings;
  [[nodiscard]] LocalSchedulerOptions options();
  /// Opened at the first use; forget() closes it, as a controller that ends.
  Scheduler& scheduler();
  void forget() { scheduler_.reset(); }

  /// A launch of unit `unit` with the script as its program; `words` are its arguments, `NAME=value` words its variables.
  [[nodiscard]] Launch launch(const std::string& unit, const std::vector<std::string>& words = {}) const;
  [[nodiscard]] Submission submission(const Launch& launch, std::int32_t count = 1);
  /// Renders and submits.
  Status run(const Launch& launch, std::int32_t count = 1);

  /// What runs under the name; nothing when it is not listed. Fails the test when nothing can be seen.
  [[nodiscard]] std::optional<Running> running(const std::string& stack);
  /// The number of instances that run, and pass their checks where there are any.
  [[nodiscard]] std::size_t well(const std::string& stack);
  bool wait_well(const std::string& stack, std::size_t count);
  bool wait_gone(const std::string& stack);

  /// Living processes of the stack by the witness; "" is all stacks.
  [[nodiscard]] std::vector<pid_t> alive(const std::string& stack = "") const;
  /// How many have ever been started, by the witness.
  [[nodiscard]] std::size_t ever(const std::string& stack = "") const;
  /// The living supervisor of the stack; 0 when there is none.
  [[nodiscard]] pid_t supervisor(const std::string& stack) const;
  /// Whether it was there to be signalled.
  bool signal_supervisor(const std::string& stack, int signal) const;
  [[nodiscard]] std::string log(const std::string& stack, int index = 0) const;
  void write(const std::string& name, const std::string& text) const;  // into the witness's folder

  int changes() const { return *changes_; }

 private:
  void end_all();

  std::string root_;
  bool owned_;
  std::shared_ptr<std::atomic<int>> changes_ = std::make_shared<std::atomic<int>>(0);
  std::unique_ptr<Scheduler> scheduler_;
};

/// What the test program does when it is started as `<program> act-as-controller <root> <unit> <count>`: makes a group of its own, runs the
/// stack, says so and waits to be killed.
int act_as_controller(int argc, char** argv);

}  // namespace nelson::test
