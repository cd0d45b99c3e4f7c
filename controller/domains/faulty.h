#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/domains/domain.h"

namespace nelson {

/// What goes wrong with one call.
enum class Fault {
  kNone,
  kFails,       // nothing is done; kUnavailable
  kAnswerLost,  // it is done, and yet kUnavailable is the answer
  kConflict,    // nothing is done; kConflict
  kStale,       // observe() answers what it answered the time before; other calls are done
  kLate,        // it is done after Faults::late() was called, which may let time pass
  kDiesBefore,  // ControllerDied is thrown before it is done
  kDiesAfter,   // ControllerDied is thrown after it was done
};

/// Thrown by a wrapper where the script says that the controller is killed. Nothing but a test catches it.
struct ControllerDied {
  std::string call;
};

/// The script of a wrapped domain: its calls are numbered from 1 over all parts, and named "scheduler.observe", "memory.put", ... One
/// thread.
class Faults {
 public:
  /// The fault of call `number`, whatever it is.
  void at(int number, Fault fault) { numbered_[number] = fault; }
  /// The fault of the n-th call (from 1) of this name.
  void at(const std::string& call, int n, Fault fault) { named_[call][n] = fault; }
  /// The fault of every call for which nothing else is said.
  void always(std::function<Fault(int number, const std::string& call)> choose) { choose_ = std::move(choose); }
  /// What kLate does first.
  void when_late(std::function<void()> wait) { wait_ = std::move(wait); }

  /// Every call so far, in order.
  [[nodiscard]] const std::vector<std::string>& calls() const { return calls_; }

  /// Counts the call and says what goes wrong with it.
  Fault next(const std::string& call);
  void late() const {
    if (wait_) wait_();
  }

 private:
  std::vector<std::string> calls_;
  std::map<int, Fault> numbered_;
  std::map<std::string, std::map<int, Fault>> named_;
  std::map<std::string, int> counts_;
  std::function<Fault(int, const std::string&)> choose_;
  std::function<void()> wait_;
};

/// The same domain, whose parts call the given ones unless `faults` says otherwise. render() and holds_lock() ask nothing of the world,
/// and never fail.
[[nodiscard]] Domain with_faults(Domain domain, std::shared_ptr<Faults> faults);

}  // namespace nelson
