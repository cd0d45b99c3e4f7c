#pragma once

#include <functional>
#include <memory>
#include <string>

#include "controller/domains/domain.h"

namespace nelson::test {

/// One place in which domains can be opened: a folder of this machine, or a world of its own. Everything that runs there ends with it.
class Surroundings {
 public:
  virtual ~Surroundings() = default;

  /// The parts of the domain, as a controller of this owner opens them. Several may be open at once.
  virtual Domain open(const std::string& owner) = 0;
  /// A little time passes.
  virtual void wait() = 0;
  /// A unit's program that runs until it is asked to end, and then takes a while.
  [[nodiscard]] virtual Artifact service() const = 0;
  /// One that succeeds after a moment.
  [[nodiscard]] virtual Artifact job() const = 0;

  /// Whether `holds` comes to hold, within a time that is ample for it.
  bool eventually(const std::function<bool()>& holds);
};

std::unique_ptr<Surroundings> live_surroundings();
std::unique_ptr<Surroundings> fake_surroundings();
/// The same, through wrappers that inject no fault.
std::unique_ptr<Surroundings> wrapped(std::unique_ptr<Surroundings> inner);

// Values for tests.
[[nodiscard]] Launch sample_launch(const std::string& owner, const std::string& unit, const Artifact& artifact);
[[nodiscard]] Submission sample_submission(Scheduler& scheduler, const Launch& launch, std::int32_t count);
[[nodiscard]] StackRecord sample_record(const std::string& unit);
[[nodiscard]] TrafficRecord sample_traffic(const std::string& unit);
[[nodiscard]] Route sample_route(const std::string& unit, std::int32_t percent);

}  // namespace nelson::test
