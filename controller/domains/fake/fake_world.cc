#include <algorithm>

#include "controller/domains/fake/fake.h"
#include "state/model/names.h"

namespace nelson {

const FakeBehaviour& FakeWorld::behaviour_of(const std::string& stack) const {
  static const FakeBehaviour kUsual;
  if (const auto found = behaviours_.find(stack); found != behaviours_.end()) return found->second;
  if (const auto name = parse_stack_name(stack))
    if (const auto found = behaviours_.find(name->unit); found != behaviours_.end()) return found->second;
  return kUsual;
}

void FakeWorld::behave(const std::string& stack_or_unit, const FakeBehaviour& behaviour) { behaviours_[stack_or_unit] = behaviour; }

std::optional<Error> FakeWorld::broken(FakePart part) const {
  const auto found = broken_.find(part);
  return found == broken_.end() ? std::nullopt : std::optional(found->second);
}

void FakeWorld::break_part(FakePart part, std::optional<Error> error) {
  if (error)
    broken_.insert_or_assign(part, *error);
  else
    broken_.erase(part);
}

int FakeWorld::count(const std::string& word) const {
  const auto found = counts_.find(word);
  return found == counts_.end() ? 0 : found->second;
}

Running FakeWorld::as_seen(const FakeStack& stack) {
  Running running = stack.running;
  for (const auto& [index, instance] : stack.instances) running.instances.push_back(instance.instance);
  return running;
}

std::vector<Sessions> FakeWorld::open_sessions() const {
  std::map<std::pair<std::string, std::int32_t>, std::int32_t> counts;
  for (const Connections& open : connections_) counts[{open.sessions.stack, open.sessions.index}] += open.sessions.count;
  std::vector<Sessions> sessions;
  for (const auto& [place, count] : counts) sessions.push_back({place.first, place.second, count});
  return sessions;
}

FakeTruth FakeWorld::truth() const {
  FakeTruth truth;
  for (const auto& [name, stack] : stacks_) {
    truth.running[name] = as_seen(stack);
    truth.owners[name] = stack.owner;
  }
  truth.foreign = foreign_;
  for (const auto& [name, kept] : records_) truth.records[name] = kept.record;
  for (const auto& [key, kept] : traffic_) truth.traffic[key] = kept.record;
  if (claim_) truth.claim = claim_->record;
  truth.published = published_;
  truth.routes = routes_;
  truth.sessions = open_sessions();
  return truth;
}

std::size_t FakeWorld::living(const std::string& stack) const {
  const auto found = stacks_.find(stack);
  return found == stacks_.end() ? 0 : found->second.instances.size();
}

void FakeWorld::advance(Duration length) {
  // From one event to the next, so that what follows from what happens meanwhile happens meanwhile too. The first step is short, because
  // another behaviour may have been said since the last.
  constexpr Duration kFirst = std::chrono::milliseconds(250);
  constexpr Duration kLeast = std::chrono::milliseconds(1);
  const Instant end = now_ + length;
  for (Instant next = now_ + kFirst; now_ < end; next = next_change().value_or(end)) {
    now_ = std::min(end, std::max(next, now_ + kLeast));
    settle();
  }
}

std::optional<Instant> FakeWorld::next_change() const {
  std::optional<Instant> next;
  const auto at = [&next](Instant instant) { next = std::min(next.value_or(instant), instant); };
  for (const auto& [name, stack] : stacks_) {
    if (stack.running.stopping) {
      at(stack.stopped_at);
    } else if (stack.schedule.empty()) {
      for (const auto& [index, instance] : stack.instances)
        if (instance.instance.state != InstanceState::kRunning ||
            (stack.has_checks && instance.instance.health == Health::kUnknown))
          at(instance.next);
    } else if (stack.running.child_running) {
      at(stack.run_ends);
    } else if (stack.schedule != "once" && behaviour_of(name).job_every > Duration(0)) {
      at(stack.next_run);
    }
  }
  for (const Connections& open : connections_) at(open.ends);
  return next;
}

void FakeWorld::settle() {
  for (auto& [name, stack] : stacks_) {
    if (!stack.schedule.empty()) settle_job(name, stack);
    for (auto& [index, instance] : stack.instances) settle_instance(name, stack, instance);
  }
  for (auto it = stacks_.begin(); it != stacks_.end();) {
    const bool gone = it->second.running.stopping && it->second.stopped_at <= now_;
    if (gone) counts_["stop"] += static_cast<int>(it->second.instances.size());
    it = gone ? stacks_.erase(it) : std::next(it);
  }
  std::erase_if(connections_,
                [this](const Connections& open) { return open.ends <= now_ || !stacks_.contains(open.sessions.stack); });
}

void FakeWorld::settle_instance(const std::string& stack, FakeStack& running, FakeInstance& instance) {
  Instance& one = instance.instance;
  const FakeBehaviour& behaviour = behaviour_of(stack);
  const auto become = [&](InstanceState state) {
    one.state = state;
    one.since = now_;
    one.health = Health::kUnknown;
  };
  if (running.running.stopping) {
    if (one.state != InstanceState::kStopping) become(InstanceState::kStopping);
    return;
  }
  if (!running.schedule.empty()) return;
  if (one.state != InstanceState::kRunning && instance.next <= now_) {
    if (behaviour.crashes && one.state == InstanceState::kStarting) {
      become(InstanceState::kBackoff);
      one.detail = "exit status 1";
      instance.next = now_ + behaviour.start;
    } else if (one.state == InstanceState::kBackoff) {
      become(InstanceState::kStarting);
      ++one.restarts;
      ++counts_["start"];
      instance.next = now_ + behaviour.start;
    } else {
      become(InstanceState::kRunning);
      instance.next = now_ + behaviour.healthy;
    }
    return;
  }
  if (one.state != InstanceState::kRunning || !running.has_checks || instance.next > now_) return;
  one.health = behaviour.sick ? Health::kFailing : Health::kPassing;
  one.detail = behaviour.sick ? "http 503 at /health" : "";
}

void FakeWorld::start_run(const std::string& stack, FakeStack& running) {
  if (running.instances.empty()) start_instance(stack, running, 0);
  Instance& one = running.instances.begin()->second.instance;
  one.state = InstanceState::kRunning;
  one.since = now_;
  running.running.child_running = true;
  running.run_ends = now_ + behaviour_of(stack).job;
}

void FakeWorld::settle_job(const std::string& stack, FakeStack& running) {
  const FakeBehaviour& behaviour = behaviour_of(stack);
  if (running.running.child_running && running.run_ends <= now_) {
    running.running.child_running = false;
    running.running.last_run = behaviour.job_fails ? JobResult::kFailed : JobResult::kSucceeded;
    for (auto& [index, instance] : running.instances) {
      instance.instance.state = InstanceState::kExited;
      instance.instance.since = now_;
      instance.instance.detail = behaviour.job_fails ? "exit status 1" : "exit status 0";
    }
    if (behaviour.job_every > Duration(0)) running.next_run = now_ + behaviour.job_every;
  }
  const bool due = running.schedule == "once" ? running.running.last_run == JobResult::kNone
                                              : behaviour.job_every > Duration(0) && running.next_run <= now_;
  if (!running.running.stopping && !running.running.child_running && due) start_run(stack, running);
}

void FakeWorld::start_instance(const std::string& stack, FakeStack& running, std::int32_t index) {
  FakeInstance instance;
  instance.instance.index = index;
  instance.instance.since = now_;
  instance.next = now_ + behaviour_of(stack).start;
  for (const Port& port : running.ports) instance.instance.endpoints.push_back({port.name, "127.0.0.1", next_port_++});
  running.instances.insert_or_assign(index, instance);
  ++counts_["start"];
}

void FakeWorld::kill_instance(const std::string& stack, std::int32_t index) {
  const auto found = stacks_.find(stack);
  if (found == stacks_.end() || !found->second.instances.contains(index)) return;
  FakeInstance& instance = found->second.instances.at(index);
  instance.instance.state = InstanceState::kBackoff;
  instance.instance.since = now_;
  instance.instance.health = Health::kUnknown;
  instance.instance.detail = "killed by signal 9";
  instance.next = now_ + behaviour_of(stack).start;
  std::erase_if(connections_,
                [&](const Connections& open) { return open.sessions.stack == stack && open.sessions.index == index; });
}

void FakeWorld::reboot() {
  stacks_.clear();
  routes_.clear();
  connections_.clear();
  break_lock();
}

void FakeWorld::lose(const std::string& stack) { stacks_.erase(stack); }

void FakeWorld::connect(const std::string& stack, std::int32_t index, std::int32_t count, Duration length) {
  connections_.push_back({{stack, index, count}, now_ + length, false});
}

void FakeWorld::write_by_another(const StackRecord& record) { records_[record.stack] = {record, ++revision_}; }
void FakeWorld::write_by_another(const TrafficRecord& record) { traffic_[record.key] = {record, ++revision_}; }
void FakeWorld::write_by_another(const Claim& claim) { claim_ = FakeKept<Claim>{claim, ++revision_}; }

/// What leaves a route keeps its connections, until the drain limit at the latest.
void FakeWorld::leave(const Route& before, const Route* after, Duration drain_limit) {
  const auto serves = [](const Route* route, const std::string& stack, std::int32_t index) {
    if (route == nullptr) return false;
    for (const Backend& backend : route->backends)
      if (backend.stack == stack)
        for (const Backend::Server& server : backend.servers)
          if (server.index == index) return true;
    return false;
  };
  for (Connections& open : connections_) {
    const Sessions& sessions = open.sessions;
    if (!serves(&before, sessions.stack, sessions.index) || serves(after, sessions.stack, sessions.index)) continue;
    open.leaving = true;
    open.ends = std::min(open.ends, now_ + drain_limit);
  }
}

}  // namespace nelson
