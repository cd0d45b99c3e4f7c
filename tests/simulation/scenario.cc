#include "tests/simulation/scenario.h"

#include <algorithm>
#include <array>

#include "tests/simulation/effects.h"

namespace nelson::simulation {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

/// A kind of event: how often a day when a run has it, and what its numbers may be.
struct Frequency {
  Kind kind;
  const char* name;
  int percent;  // of runs that have it
  int a_day;    // at most
  std::array<int, 3> most;
  bool waits = false;  // half of them wait for some action
};

constexpr auto kFrequencies = std::to_array<Frequency>({
    {Kind::kPush, "push", 100, 12, {9, kVariants - 1, 0}},
    {Kind::kRevert, "revert", 70, 6, {0, 0, 0}, true},
    {Kind::kLeave, "leave", 90, 7, {9, 0, 0}},
    {Kind::kScale, "scale", 90, 18, {9, 3, 0}},
    {Kind::kBreak, "break", 60, 4, {9, 0, 0}, true},
    {Kind::kMend, "mend", 60, 4, {9, 0, 0}},
    {Kind::kForceBack, "force-back", 50, 4, {9, 3, 0}, true},
    {Kind::kDispute, "dispute", 20, 2, {9, 0, 0}},
    {Kind::kHostDown, "host-down", 60, 3, {9, 0, 0}, true},
    {Kind::kHostUp, "host-up", 60, 4, {9, 0, 0}},
    {Kind::kLoseMirror, "lose-mirror", 30, 1, {9, 0, 0}},
    {Kind::kControlPush, "control-push", 90, 10, {9, 0, 0}},
    {Kind::kControlBack, "control-back", 40, 4, {3, 0, 0}, true},
    {Kind::kAcknowledge, "acknowledge", 60, 3, {0, 0, 0}},
    {Kind::kLeaveDomain, "leave-domain", 15, 2, {1, 0, 0}},
    {Kind::kSick, "sick", 60, 4, {9, 0, 0}, true},
    {Kind::kCrashing, "crashing", 30, 1, {9, 0, 0}},
    {Kind::kWell, "well", 90, 5, {9, 0, 0}},
    {Kind::kKillInstance, "kill-instance", 70, 6, {1, 99, 0}, true},
    {Kind::kLoseStack, "lose-stack", 80, 8, {1, 99, 0}, true},
    {Kind::kReboot, "reboot", 60, 4, {1, 0, 0}, true},
    {Kind::kConnect, "connect", 60, 6, {1, 99, 90}},
    {Kind::kForeign, "foreign", 20, 1, {1, 0, 0}},
    {Kind::kAnotherHand, "another-hand", 50, 6, {1, 99, 0}, true},
    {Kind::kWallJump, "wall-jump", 60, 4, {6000, 0, 0}, true},
    {Kind::kSuspend, "suspend", 50, 4, {90, 0, 0}, true},
    {Kind::kKill, "kill", 60, 6, {0, 0, 0}, true},
    {Kind::kCutOff, "cut-off", 40, 2, {0, 0, 0}, true},
    {Kind::kLoseStore, "lose-store", 50, 4, {0, 0, 0}, true},
    {Kind::kBreakLock, "break-lock", 30, 1, {1, 0, 0}},
    {Kind::kCall, "call", 95, 56, {0, 0, 0}},
    {Kind::kCommit, "commit", 90, 80, {0, 0, 0}},
    {Kind::kPart, "part", 70, 22, {1, 3, 60}, true},
    {Kind::kStale, "stale", 80, 26, {1, 3, 6}, true},
    {Kind::kHang, "hang", 70, 8, {1, 0, 120}},
    {Kind::kMissedNews, "missed-news", 60, 6, {0, 0, 0}},
});
static_assert(kFrequencies.size() == kKinds);

constexpr auto kCallFaults = std::to_array<Fault>(
    {Fault::kFails, Fault::kAnswerLost, Fault::kConflict, Fault::kLate, Fault::kDiesBefore, Fault::kDiesAfter});

/// What can go wrong with which commit.
struct CommitTrouble {
  CommitKind kind;
  CommitFault fault;
};
constexpr auto kCommitTroubles = std::to_array<CommitTrouble>({
    {CommitKind::kIntent, CommitFault::kFull},
    {CommitKind::kIntent, CommitFault::kFails},
    {CommitKind::kIntent, CommitFault::kDiesBefore},
    {CommitKind::kIntent, CommitFault::kDiesAfter},
    {CommitKind::kIntent, CommitFault::kAnswerLost},
    {CommitKind::kOutcome, CommitFault::kFails},
    {CommitKind::kOutcome, CommitFault::kDiesBefore},
    {CommitKind::kOutcome, CommitFault::kDiesAfter},
    {CommitKind::kOutcome, CommitFault::kAnswerLost},
    {CommitKind::kPass, CommitFault::kFull},  // meets what the same pass begins, which is seldom what it waits for: so thrice
    {CommitKind::kPass, CommitFault::kFull},
    {CommitKind::kPass, CommitFault::kFull},
    {CommitKind::kPass, CommitFault::kFails},
    {CommitKind::kPass, CommitFault::kDiesAfter},
    {CommitKind::kSeen, CommitFault::kFull},
    {CommitKind::kSeen, CommitFault::kDiesBefore},
    {CommitKind::kUnknown, CommitFault::kDiesBefore},
    {CommitKind::kUnknown, CommitFault::kDiesAfter},
});

/// A course is the longest that a domain is in motion, and a fault in its midst the one that the most follows from.
const int kShift = static_cast<int>(action_index("shift"));

Event event_of(const Frequency& frequency, Dice& dice) {
  Event event;
  event.kind = frequency.kind;
  event.a = dice.pick(0, frequency.most[0]);
  event.b = dice.pick(0, frequency.most[1]);
  event.c = dice.pick(0, frequency.most[2]);
  const int action = dice.pick(0, static_cast<int>(kActions.size()) - 1);
  if (event.kind == Kind::kCall) {
    event.a = static_cast<int>(kCallFaults[static_cast<std::size_t>(dice.pick(0, static_cast<int>(kCallFaults.size()) - 1))]);
    event.b = action;
  } else if (event.kind == Kind::kCommit) {
    const CommitTrouble& trouble =
        kCommitTroubles[static_cast<std::size_t>(dice.pick(0, static_cast<int>(kCommitTroubles.size()) - 1))];
    event.a = static_cast<int>(trouble.kind);
    event.b = static_cast<int>(trouble.fault);
    event.c = action;
  } else if (event.kind == Kind::kHang) {
    event.b = dice.pick(0, static_cast<int>(kActions.size()));
  } else if (event.kind == Kind::kWallJump) {
    event.a = dice.chance(50) ? event.a : -event.a;
  } else if (event.kind == Kind::kPart && dice.chance(60)) {
    event.b =
        dice.pick(static_cast<int>(Part::kDiscovery), static_cast<int>(Part::kBalancer));  // others stop all that could be met
  } else if (event.kind == Kind::kStale && dice.chance(50)) {
    event.c = 0;  // the last version but one, in which most is as it is
  }
  // Of what is done without the scheduler there is only the claim, which waits for operators to commit something.
  if (event.kind == Kind::kPart && event.b == static_cast<int>(Part::kScheduler)) event.c += 60;
  // Most of what can go wrong is rare; so it waits for what is rare, too.
  if ((frequency.waits || (event.kind == Kind::kCommit && event.a == static_cast<int>(CommitKind::kPass))) && dice.chance(80))
    event.after = std::array{
        kAfterRetiring, kAfterScale, kAfterNews, kAfterUnkept, action, kShift}[static_cast<std::size_t>(dice.pick(0, 5))];
  return event;
}

Shape draw_shape(std::uint64_t seed, Dice& dice) {
  Shape shape;
  shape.seed = seed;
  shape.units = dice.pick(4, 7);
  shape.repositories = dice.pick(2, 3);
  shape.domains = dice.chance(35) ? 2 : 1;
  shape.initial = minutes(dice.pick(2, 10));
  shape.extended = minutes(dice.pick(2, 10));
  shape.shifts = {{ShiftPolicy::kLinear, seconds(5)}, {ShiftPolicy::kAtomic, seconds(20)}, {ShiftPolicy::kLinear, seconds(8)}};
  if (dice.chance(5)) shape.shifts.push_back({ShiftPolicy::kLinear, minutes(20)});
  if (dice.chance(20)) shape.shifts.push_back({ShiftPolicy::kLinear, Duration(0)});
  shape.idle = dice.chance(8);
  shape.balancer = !dice.chance(5);
  shape.brake = dice.chance(30) ? 1 : 5;
  shape.tags = seed % 3 == 0;  // no draw: other seeds stay as they are
  shape.full_pass = dice.chance(10) ? Duration(minutes(1)) : Duration(minutes(5));
  return shape;
}

}  // namespace

std::string name_of_kind(Kind kind) { return kFrequencies[static_cast<std::size_t>(kind)].name; }

std::uint64_t Dice::next() {  // splitmix64
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

std::string unit_name(int unit) { return std::string("unit-") + static_cast<char>('a' + unit); }

DomainSettings domain_settings(const Shape& shape, int domain) {
  DomainSettings settings;
  settings.name = domain == 0 ? "east" : "west";
  settings.folder = "/srv/" + settings.name;
  settings.initial_lifetime = shape.initial;
  settings.extended_lifetime = shape.extended;
  settings.retire_idle = shape.idle;
  settings.balancer = shape.balancer ? "haproxy" : "none";
  settings.brake_count = shape.brake;
  settings.drain_limit = seconds(30);
  return settings;
}

UnitText unit_text(const Shape& shape, int unit, int variant) {
  Dice dice(shape.seed * 1000003 + static_cast<std::uint64_t>(unit * kVariants + variant));
  UnitText text;
  text.version = {variant < 4 ? 1U : 2U, static_cast<std::uint32_t>(variant % 4 / 2), static_cast<std::uint32_t>(variant % 2)};
  text.command = "./" + unit_name(unit) + '-' + std::to_string(variant);
  text.settings.instances = dice.pick(1, 3);
  text.settings.expiration_policy =
      dice.chance(50) ? ExpirationPolicy::kRetainActive : static_cast<ExpirationPolicy>(dice.pick(0, 4));
  text.settings.traffic_shift = shape.shifts[static_cast<std::size_t>(dice.pick(0, static_cast<int>(shape.shifts.size()) - 1))];
  for (int domain = 0; domain < shape.domains; ++domain)
    if (shape.domains == 1 || domain == unit % 2 || dice.chance(50)) text.domains.push_back(domain_settings(shape, domain).name);
  if (dice.chance(12)) text.plans.push_back("second");
  if (dice.chance(12)) text.name_spaces.push_back("dev/sandbox");
  const int role = unit % 6;
  if (role == 4) {
    text.spec.schedule = variant % 3 == 0 ? "once" : "*/5 * * * *";
    text.settings.instances = 1;
  } else if (role != 5) {
    text.spec.ports = {{"default", 8080, Protocol::kHttp}};
    if (!dice.chance(20)) text.spec.health_checks = {{"ping", "default", Protocol::kHttp, "/health", seconds(10), seconds(2)}};
  }
  for (int other = 0; other < unit && other < 4; ++other)
    if (dice.chance(shape.calls)) text.spec.dependencies.push_back({unit_name(other), {dice.chance(70) ? 1U : 2U, 0}});
  return text;
}

Scenario draw(std::uint64_t seed, int days) {
  Dice dice(seed);
  Scenario scenario;
  scenario.shape = draw_shape(seed, dice);
  scenario.days = days;
  for (int unit = 0; unit < scenario.shape.units; ++unit)
    scenario.events.push_back({seconds(unit), Kind::kPush, unit, dice.pick(0, kVariants - 1), 0});
  for (const Frequency& frequency : kFrequencies) {
    if (!dice.chance(frequency.percent)) continue;
    for (int day = 0; day < days; ++day)
      for (int i = dice.pick(0, frequency.a_day); i > 0; --i) {
        Event event = event_of(frequency, dice);
        event.at = scenario.day * day + Duration(dice.next() % static_cast<std::uint64_t>(scenario.trouble.count()));
        scenario.events.push_back(event);
      }
  }
  std::stable_sort(scenario.events.begin(), scenario.events.end(), [](const Event& a, const Event& b) { return a.at < b.at; });
  return scenario;
}

std::string print(const Scenario& scenario) {
  std::string out = "seed " + std::to_string(scenario.shape.seed) + ", " + std::to_string(scenario.days) + " days, " +
                    std::to_string(scenario.events.size()) + " events\n";
  for (const Event& event : scenario.events)
    out +=
        "  " + format_instant(Instant(event.at)).substr(8) + ' ' + name_of_kind(event.kind) + ' ' + std::to_string(event.a) + ' ' +
        std::to_string(event.b) + ' ' + std::to_string(event.c) +
        (event.after < 0             ? ""
         : event.after >= kAfterNews ? " after " + std::to_string(event.after)
                                     : " after " + std::string(kActions[static_cast<std::size_t>(event.after) % kActions.size()])) +
        '\n';
  return out;
}

}  // namespace nelson::simulation
