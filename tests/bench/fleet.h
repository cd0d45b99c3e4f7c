#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "controller/domains/domain.h"
#include "controller/loop/engine.h"

namespace nelson::bench {

/// Units with a service of two checked instances each, all of which have come to rest. One in ten calls the one before it.
struct Fleet {
  Desired desired;
  Observed observed;
};
[[nodiscard]] Fleet make_fleet(std::size_t stacks, Instant now);

/// A datacenter that knows what changed in it: its parts answer with views that share what is the same with those of before, as a client does
/// that follows an upstream's index. What it is asked to do is an error: nothing here is to be done.
class StillDomain {
 public:
  StillDomain(const Fleet& fleet, const std::string& domain);

  [[nodiscard]] Domain open(const DomainSettings& settings);
  /// One instance of some stack starts again.
  void disturb();

  std::uint64_t looks = 0;  // at any part

 private:
  friend class StillParts;
  MemoryView memory_;
  SchedulerView scheduler_;
  DiscoveryView discovery_;
  BalancerView balancer_;
  std::vector<std::string> names_;
  std::size_t next_ = 0;
};

/// A controller without Git: the real engine, planner and LMDB store on a StillDomain.
class Machine {
 public:
  Machine(const Fleet& fleet, const std::string& store_folder);
  ~Machine();

  /// One pass; ends the process, aloud, when it fails or does anything.
  const PassReport& pass();
  StillDomain& domain() { return *domain_; }
  Store& store() { return *store_; }
  Engine& engine() { return *engine_; }
  const Clock& clock() { return clock_; }
  const std::shared_ptr<const Desired>& desired() { return desired_; }

  std::function<void()> planned;  // called when a plan is there, if set

 private:
  Clock clock_;
  std::unique_ptr<StillDomain> domain_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Domains> domains_;
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<const Desired> desired_;
};

/// Milliseconds that `work` takes.
double timed(const std::function<void()>& work);

/// An object of JSON on one line of standard output: numbers and lists of them.
class Line {
 public:
  ~Line();
  Line& add(const std::string& name, double value);
  Line& add(const std::string& name, const std::vector<double>& values);

 private:
  std::string text_;
};

/// Of this process, in KiB: "VmRSS", "VmHWM".
[[nodiscard]] double memory_of_process(const std::string& name);

[[noreturn]] void die(const std::string& why);

}  // namespace nelson::bench
