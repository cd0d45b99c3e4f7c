#include "tests/simulation/workloads.h"

namespace nelson::simulation {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

Shape small_shape(std::uint64_t seed, int units) {
  Shape shape;
  shape.seed = seed;
  shape.units = units;
  shape.repositories = 2;
  shape.domains = 1;
  shape.initial = seconds(40);
  shape.extended = seconds(30);
  shape.shifts = {{ShiftPolicy::kLinear, seconds(3)}};
  shape.full_pass = minutes(1);
  shape.guided = false;
  shape.calls = 0;
  return shape;
}

Workload story(std::string name, Shape shape, std::vector<Event> events) {
  Scenario scenario;
  scenario.shape = std::move(shape);
  scenario.events = std::move(events);
  scenario.trouble = minutes(10);
  scenario.day = minutes(30);
  return {std::move(name), std::move(scenario)};
}

std::vector<Workload> make_workloads() {
  const auto at = [](int second, Kind kind, int a = 0, int b = 0, int c = 0) { return Event{seconds(second), kind, a, b, c}; };
  Shape idle = small_shape(1, 2);
  idle.idle = true;
  Shape atomic = small_shape(2, 2);
  atomic.shifts = {{ShiftPolicy::kAtomic, seconds(5)}};
  Shape two_domains = small_shape(4, 2);
  two_domains.domains = 2;
  Shape calling = small_shape(15, 4);
  calling.calls = 60;
  Shape unbalanced = small_shape(5, 2);
  unbalanced.balancer = false;
  return {
      story("first release", small_shape(7, 1), {at(1, Kind::kPush, 0, 0)}),
      story("next release and the old one's end", small_shape(7, 1), {at(1, Kind::kPush, 0, 0), at(60, Kind::kPush, 0, 1)}),
      story("revert in mid-shift", small_shape(8, 1),
            {at(1, Kind::kPush, 0, 0), at(60, Kind::kPush, 0, 2), at(66, Kind::kPush, 0, 0), at(300, Kind::kPush, 0, 2)}),
      story("a unit leaves and comes back", small_shape(10, 2),
            {at(1, Kind::kPush, 0, 1), at(40, Kind::kLeave, 0), at(240, Kind::kPush, 0, 1)}),
      story("another major version", atomic, {at(1, Kind::kPush, 0, 2), at(60, Kind::kPush, 0, 4), at(300, Kind::kLeave, 0)}),
      story("scaled in place", small_shape(11, 1),
            {at(1, Kind::kPush, 0, 0), at(40, Kind::kScale, 0, 3), at(60, Kind::kScale, 0, 0), at(80, Kind::kConnect, 0, 0, 30),
             at(90, Kind::kScale, 0, 1)}),
      story("callers keep what they call", calling,
            {at(1, Kind::kPush, 0, 0), at(2, Kind::kPush, 1, 0), at(3, Kind::kPush, 2, 0), at(4, Kind::kPush, 3, 0),
             at(90, Kind::kPush, 0, 4), at(200, Kind::kLeave, 3), at(300, Kind::kLeave, 2)}),
      story("reboot and lost stacks", small_shape(12, 2),
            {at(1, Kind::kPush, 0, 0), at(2, Kind::kPush, 1, 1), at(60, Kind::kReboot), at(90, Kind::kLoseStack, 0, 1),
             at(120, Kind::kKillInstance, 0, 0)}),
      story("jobs", small_shape(13, 6),
            {at(1, Kind::kPush, 4, 0), at(60, Kind::kPush, 4, 1), at(120, Kind::kPush, 4, 3), at(200, Kind::kPush, 5, 0)}),
      story("idle stacks retire", idle, {at(1, Kind::kPush, 0, 0), at(2, Kind::kPush, 1, 0), at(200, Kind::kPush, 0, 1)}),
      story("operators change things", two_domains,
            {at(1, Kind::kPush, 0, 0), at(2, Kind::kPush, 1, 1), at(40, Kind::kControlPush, 0), at(60, Kind::kControlPush, 1),
             at(100, Kind::kLeaveDomain, 0), at(300, Kind::kLeaveDomain, 0)}),
      story("without a balancer", unbalanced, {at(1, Kind::kPush, 0, 0), at(60, Kind::kPush, 0, 2), at(200, Kind::kLeave, 0)}),
  };
}

}  // namespace

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> kWorkloads = make_workloads();
  return kWorkloads;
}

}  // namespace nelson::simulation
