#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controller/domains/faulty.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/git.h"

namespace nelson::simulation {

/// What happens from outside. The numbers of an event are read modulo what there is, so that any of them may be left out.
enum class Kind {
  // authors and hosts
  kPush,         // a: unit, b: variant
  kRevert,       // the last push is taken back; once more does it again
  kLeave,        // a: unit
  kScale,        // a: unit, b: instances
  kBreak,        // a: repository
  kMend,         // a: repository
  kForceBack,    // a: repository, b: commits
  kDispute,      // a: unit; a second repository claims it; once more ends it
  kHostDown,     // a: repository
  kHostUp,       // a: repository
  kLoseMirror,   // a: repository
  kControlPush,  // a: which setting
  kControlBack,  // a: commits
  kAcknowledge,
  kLeaveDomain,  // a: domain; once more takes it back
  // the world
  kSick,          // a: unit
  kCrashing,      // a: unit
  kWell,          // a: unit
  kKillInstance,  // a: domain, b: stack
  kLoseStack,     // a: domain, b: stack
  kReboot,        // a: domain
  kConnect,       // a: domain, b: stack, c: seconds
  kForeign,       // a: domain
  kAnotherHand,   // a: domain, b: stack
  // clocks
  kWallJump,  // a: minutes, may be negative
  kSuspend,   // a: minutes
  // the process
  kKill,
  kCutOff,  // the machine starts again without a network
  kLoseStore,
  kBreakLock,  // a: domain
  // faults that wait for their moment
  kCall,    // a: Fault, b: action
  kCommit,  // a: CommitKind, b: CommitFault, c: action
  kPart,    // a: domain, b: part, c: seconds without an answer
  kStale,   // a: domain, b: part, c: versions
  kHang,    // a: domain, b: action whose batch hangs, or their number for an observation, c: seconds
  kMissedNews,
};
inline constexpr int kKinds = static_cast<int>(Kind::kMissedNews) + 1;
[[nodiscard]] std::string name_of_kind(Kind kind);

struct Event {
  Duration at{};
  Kind kind = Kind::kPush;
  int a = 0, b = 0, c = 0;
  int after =
      -1;  // from `at` on it waits for an action of this kind to be begun, and happens after that pass; or for one of these:
};
inline constexpr int kAfterNews = 1000;      // Git says something new
inline constexpr int kAfterRetiring = 1001;  // a removal was begun
inline constexpr int kAfterUnkept = 1003;    // nothing keeps a stack any more
inline constexpr int kAfterScale = 1002;     // somebody wants more or fewer instances

/// What stays the same through a run.
struct Shape {
  std::uint64_t seed = 0;
  int units = 6, repositories = 3, domains = 1;
  Duration initial{}, extended{};
  std::vector<TrafficShift> shifts;
  int calls = 35;  // percent of the earlier units that a unit depends on
  bool idle = false;
  bool balancer = true;
  std::uint32_t brake = 5;
  Duration full_pass{};
  bool tags = false;   // repositories release by tags: lower majors have patches
  bool guided = true;  // the calm of each day mends what is broken and acknowledges what the brake holds
};

/// One run: equal scenarios give equal runs.
struct Scenario {
  Shape shape;
  int days = 1;
  std::vector<Event> events;                  // by time
  Duration trouble = std::chrono::hours(22);  // lasts so long each day; then all is calm until midnight
  Duration day = std::chrono::hours(24);
  std::size_t unheard =
      ~std::size_t{0};  // the place of an event of which no webhook tells: the poll after the next event brings both
};

inline constexpr int kVariants = 6;

/// The scenario of a seed: a shape, the kinds of events and faults that this run has at all, and when they happen.
[[nodiscard]] Scenario draw(std::uint64_t seed, int days);
[[nodiscard]] std::string print(const Scenario& scenario);

[[nodiscard]] std::string unit_name(int unit);
/// What unit `unit` is in its `variant`: one of a few, so that releases come back.
[[nodiscard]] UnitText unit_text(const Shape& shape, int unit, int variant);
[[nodiscard]] DomainSettings domain_settings(const Shape& shape, int domain);

/// Numbers from a seed that no library changes.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  /// From `from` to `to`, both possible.
  int pick(int from, int to) { return from + static_cast<int>(next() % static_cast<std::uint64_t>(to - from + 1)); }
  bool chance(int percent) { return pick(1, 100) <= percent; }

 private:
  std::uint64_t state_;
};

}  // namespace nelson::simulation
