#include "reconcilers/forecast.h"

#include <algorithm>

#include "reconcilers/replanner.h"
#include "state/model/digest.h"

namespace nelson {
namespace {

/// Carries out effects on a copy of the world, in which everything that is started comes up healthy at once.
class Apply {
 public:
  Apply(Observed& world, Instant now) : world_(world), now_(now) {}

  void operator()(const CellKey& key, const Effect& effect) {
    cell_ = &world_.cells[key];
    std::visit([this](const auto& e) { perform(e); }, effect);
  }

 private:
  ObservedStack& stack(const std::string& name) {
    const auto at = std::lower_bound(cell_->stacks.begin(), cell_->stacks.end(), name,
                                     [](const ObservedStack& s, const std::string& wanted) { return s.name < wanted; });
    if (at != cell_->stacks.end() && at->name == name) return *at;
    return *cell_->stacks.insert(at, {.name = name, .record = std::nullopt, .running = std::nullopt, .published = std::nullopt});
  }

  /// Ports in a forecast are made up; they only have to be the same each time.
  [[nodiscard]] Instance instance(const Spec& spec, std::int32_t index) const {
    Instance instance{.index = index,
                      .state = InstanceState::kRunning,
                      .since = now_,
                      .health = spec.health_checks.empty() ? Health::kUnknown : Health::kPassing,
                      .endpoints = {},
                      .restarts = 0,
                      .detail = ""};
    for (const Port& port : spec.ports)
      instance.endpoints.push_back({port.name, "forecast", static_cast<std::uint16_t>(index + 1)});
    return instance;
  }

  void run(ObservedStack& stack, std::uint32_t incarnation, std::int32_t count) {
    const Spec& spec = stack.record->identity.spec;
    Running& running = stack.running ? *stack.running : stack.running.emplace();
    running.incarnation = incarnation;
    running.document_digest = to_hex(sha256(stack.record->document));
    running.count = count;
    std::erase_if(running.instances, [&](const Instance& i) { return i.index >= count; });
    if (spec.schedule == "once") running.last_run = JobResult::kSucceeded;
    if (!spec.schedule.empty()) return;
    for (std::int32_t index = static_cast<std::int32_t>(running.instances.size()); index < count; ++index)
      running.instances.push_back(instance(spec, index));
  }

  void perform(const Launch& launch) {
    ObservedStack& s = stack(launch.stack);
    s.record = StackRecord{.stack = launch.stack,
                           .identity = launch.identity,
                           .settings = launch.settings,
                           .commit = launch.commit,
                           .document = "forecast of " + launch.stack,
                           .incarnation = launch.incarnation,
                           .launched = now_,
                           .ready = std::nullopt,
                           .kept_no_longer_since = std::nullopt,
                           .retiring = std::nullopt,
                           .reversed = std::nullopt,
                           .tombstone = std::nullopt,
                           .job_result = JobResult::kNone,
                           .removed = false};
    run(s, launch.incarnation, launch.identity.spec.schedule.empty() ? launch.settings.instances : 1);
  }
  void perform(const Repair& repair) {
    ObservedStack& s = stack(repair.stack);
    s.running.reset();
    run(s, repair.incarnation, repair.count);
  }
  void perform(const Update& update) {
    StackRecord& record = *stack(update.stack).record;
    record.settings = update.settings;
    record.commit = update.commit;
  }
  void perform(const Scale& scale) { run(stack(scale.stack), scale.incarnation, scale.count); }
  void perform(const Note& note) { stamp(*stack(note.stack).record, note.fact, now_); }
  void perform(const Shift& shift) {
    TrafficRecord record = shift.record;
    record.stepped_at = now_;
    drop(record.key);
    const auto at = std::lower_bound(cell_->traffic.begin(), cell_->traffic.end(), record.key,
                                     [](const TrafficRecord& r, const TrafficKey& key) { return r.key < key; });
    cell_->traffic.insert(at, std::move(record));
  }
  void perform(const DropTraffic& gone) { drop(gone.key); }
  void perform(const Serve& serve) {
    perform(Unserve{serve.route.key});
    const auto at = std::lower_bound(cell_->routes.begin(), cell_->routes.end(), serve.route.key,
                                     [](const Route& r, const TrafficKey& key) { return r.key < key; });
    cell_->routes.insert(at, serve.route);
  }
  void perform(const Unserve& unserve) {
    std::erase_if(cell_->routes, [&](const Route& route) { return route.key == unserve.key; });
  }
  void perform(const Publish& publish) { stack(publish.stack).published = publish.payload; }
  void perform(const Unpublish& unpublish) { stack(unpublish.stack).published.reset(); }
  void perform(const Remove& remove) {
    stack(remove.stack).running.reset();
    std::erase_if(cell_->sessions, [&](const Sessions& sessions) { return sessions.stack == remove.stack; });
  }
  void perform(const Bury& bury) { nelson::bury(*stack(bury.stack).record); }

  void drop(const TrafficKey& key) {
    std::erase_if(cell_->traffic, [&](const TrafficRecord& record) { return record.key == key; });
  }

  Observed& world_;
  Instant now_;
  ObservedCell* cell_ = nullptr;
};

}  // namespace

Observed apply(const Plan& plan, const Observed& observed, Instant now) {
  Observed world = observed;
  Apply perform(world, now);
  for (const Action& action : plan.actions) perform(action.cell, action.effect);
  return world;
}

std::vector<ForecastStep> forecast(const Desired& desired, const Observed& observed, Instant now, std::size_t limit,
                                   bool* settled) {
  std::vector<ForecastStep> steps;
  Observed world = observed;
  Instant at = now;
  Replanner replanner;
  if (settled != nullptr) *settled = false;
  while (steps.size() < limit) {
    const Plan& next = replanner.plan(desired, world, at);
    for (const Action& action : next.actions) steps.push_back({at - now, action});
    if (!next.actions.empty()) {
      world = apply(next, world, at);
    } else if (next.wake_at) {
      at = *next.wake_at;
    } else {
      if (settled != nullptr) *settled = true;
      break;
    }
  }
  if (steps.size() > limit) steps.resize(limit);
  return steps;
}

}  // namespace nelson
