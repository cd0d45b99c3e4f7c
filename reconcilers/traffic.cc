#include "reconcilers/traffic.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>
#include <set>

namespace nelson {
namespace {

constexpr Duration kShortestStep = std::chrono::seconds(1);

std::int32_t sum_of(const std::vector<Weight>& weights) {
  return std::accumulate(weights.begin(), weights.end(), 0, [](std::int32_t sum, const Weight& w) { return sum + w.percent; });
}

/// A release of one service: every plan's wanted stack of that major.
struct Release {
  std::vector<const Case*> stacks;  // by name
  bool eligible = true;             // all ready, healthy and not reversed: weights may move towards it
  std::string unfit;                // why not, in words
};

Release release_of(const Cell& cell, const TrafficKey& key) {
  Release release;
  for (const Case& c : cell.cases) {
    if (!c.wanted() || !c.serves || c.identity().name_space != key.name_space || c.identity().version.major != key.major) continue;
    release.stacks.push_back(&c);
    std::string unfit;
    if (!c.ready())
      unfit = c.name + " is not ready yet";
    else if (c.record->reversed)
      unfit = c.name + " is reversed";
    else if (!c.healthy)
      unfit = c.name + " is not healthy";
    if (!unfit.empty()) {
      release.eligible = false;
      release.unfit += (release.unfit.empty() ? "" : ", ") + unfit;
    }
  }
  if (release.stacks.empty()) release.eligible = false;
  return release;
}

std::vector<Part> parts_of(const Release& release) {
  std::vector<Part> parts;
  for (const Case* c : release.stacks) parts.push_back({c->name, c->identity().plan, std::max(c->settings().instances, 1)});
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.plan < b.plan; });
  return parts;
}

std::vector<std::string> names_of(const Release& release) {
  std::vector<std::string> names;
  for (const Case* c : release.stacks) names.push_back(c->name);
  return names;
}

/// Stacks that are gone by other hands lose their share to the others, in proportion; with nobody left, to nobody.
std::vector<Weight> without_the_dead(const Cell& cell, const std::vector<Weight>& weights) {
  std::vector<Weight> living;
  for (const Weight& weight : weights)
    if (const Case* c = cell.find(weight.stack); c != nullptr && c->live) living.push_back(weight);
  if (living.size() == weights.size() || sum_of(living) == 100) return living;
  std::vector<std::int64_t> parts;
  for (const Weight& weight : living) parts.push_back(weight.percent);
  if (sum_of(living) == 0) return {};
  const std::vector<std::int32_t> shares = apportion(100, parts);
  for (std::size_t i = 0; i < living.size(); ++i) living[i].percent = shares[i];
  return living;
}

std::string describe(const std::vector<Weight>& weights) {
  std::string out;
  for (const Weight& weight : weights)
    if (weight.percent > 0) out += (out.empty() ? "" : ", ") + weight.stack + ' ' + std::to_string(weight.percent) + '%';
  return out;
}

/// What the balancer shows is the best memory of weights whose record is lost (law 4).
std::optional<TrafficRecord> remembered_by_balancer(const Cell& cell, const TrafficKey& key) {
  if (cell.seen == nullptr) return std::nullopt;
  for (const Route& route : cell.seen->routes) {
    if (route.key != key) continue;
    TrafficRecord record{
        .key = key, .weights = {}, .origin = {}, .target = {}, .shift = {}, .steps = 0, .stepped_at = std::nullopt};
    for (const Backend& backend : route.backends) record.weights.push_back({backend.stack, backend.percent});
    record.weights = without_the_dead(cell, record.weights);
    if (sum_of(record.weights) != 100) return std::nullopt;
    record.origin = record.weights;
    return record;
  }
  return std::nullopt;
}

bool is_unrecorded(const Cell& cell, const std::string& stack) {
  const Case* const c = cell.find(stack);
  return c != nullptr && c->unrecorded();
}

/// Whether a stack that takes traffic of the service runs and its record is lost. Until it is written again nothing is known of it, and so
/// nobody may take its share, nor the balancer forget it.
bool carried_by_unrecorded(const Cell& cell, const TrafficKey& key) {
  if (cell.seen == nullptr) return false;
  const auto unrecorded = [&](const auto& share) { return share.percent > 0 && is_unrecorded(cell, share.stack); };
  if (const TrafficRecord* const record = cell.traffic(key))
    return std::any_of(record->weights.begin(), record->weights.end(), unrecorded);
  return std::any_of(cell.seen->routes.begin(), cell.seen->routes.end(), [&](const Route& route) {
    return route.key == key && std::any_of(route.backends.begin(), route.backends.end(), unrecorded);
  });
}

class Course {
 public:
  Course(const Cell& cell, const TrafficKey& key, Instant now, CellPlan& out)
      : cell_(cell), key_(key), now_(now), out_(out), release_(release_of(cell, key)), recorded_(cell.traffic(key)) {}

  /// The record in force after this pass; nothing when the service has none.
  std::optional<TrafficRecord> decide() {
    if (recorded_ == nullptr) {
      if (auto remembered = remembered_by_balancer(cell_, key_))
        return write(*remembered, "its record was lost; these weights are in force");
      if (!release_.eligible) return std::nullopt;
      return begin({}, "first version of its major: takes all traffic");
    }
    TrafficRecord record = *recorded_;
    record.weights = without_the_dead(cell_, record.weights);
    if (record.weights.empty()) {
      if (release_.eligible) return begin({}, "nothing else is left to take its traffic");
      return std::nullopt;  // nothing lives behind it: plan_traffic drops it
    }
    if (record.weights != recorded_->weights && sum_of(record.weights) == 100 && sum_of(recorded_->weights) == 100 &&
        !same_shares(record.weights, recorded_->weights)) {
      record.origin = record.weights;
      record.steps = 0;
      record.target.clear();
      return write(record, "a stack with traffic is gone: the others take its share");
    }
    if (release_.stacks.empty()) return record;  // Git wants nothing here: weights stand
    if (!release_.eligible) {
      if (!arrived(record)) stand_still();
      return record;
    }
    if (record.target != names_of(release_)) {
      if (already_there(record)) {
        record.target = names_of(release_);
        record.origin = record.weights;
        record.steps = 0;
        return write(record, "the release that has all traffic is the wanted one");
      }
      return begin(record.weights, "ready: traffic moves to it from " + describe(record.weights));
    }
    return advance(record);
  }

 private:
  [[nodiscard]] static bool same_shares(const std::vector<Weight>& a, const std::vector<Weight>& b) {
    std::map<std::string, std::int32_t> left, right;
    for (const Weight& weight : a)
      if (weight.percent > 0) left[weight.stack] = weight.percent;
    for (const Weight& weight : b)
      if (weight.percent > 0) right[weight.stack] = weight.percent;
    return left == right;
  }

  [[nodiscard]] std::int32_t share_of_release(const std::vector<Weight>& weights) const {
    std::int32_t sum = 0;
    for (const Weight& weight : weights)
      for (const Case* c : release_.stacks)
        if (c->name == weight.stack) sum += weight.percent;
    return sum;
  }

  [[nodiscard]] bool arrived(const TrafficRecord& record) const { return share_of_release(record.weights) == 100; }

  /// All traffic is with a part of the release and every part of it takes its split: nothing has to move.
  [[nodiscard]] bool already_there(const TrafficRecord& record) const {
    return arrived(record) && same_shares(record.weights, weights_at({}, parts_of(release_), {}, 0));
  }

  TrafficRecord begin(std::vector<Weight> origin, const std::string& reason) {
    std::erase_if(origin, [](const Weight& weight) { return weight.percent == 0; });
    TrafficRecord record{.key = key_,
                         .weights = {},
                         .origin = std::move(origin),
                         .target = names_of(release_),
                         .shift = release_.stacks.front()->settings().traffic_shift,
                         .steps = 0,
                         .stepped_at = std::nullopt};
    record.weights = weights_at(record.origin, parts_of(release_), record.shift, 0);
    return write(record, reason);
  }

  TrafficRecord advance(TrafficRecord record) {
    const std::vector<Weight> due_now = weights_at(record.origin, parts_of(release_), record.shift, record.steps);
    if (arrived(record)) {
      if (same_shares(record.weights, due_now) ||
          !arrived({.key = key_, .weights = due_now, .origin = {}, .target = {}, .shift = {}, .stepped_at = {}}))
        return record;
      record.weights = due_now;
      return write(record, "its plans' instances changed: the split follows");
    }
    const Instant stepped_at = record.stepped_at.value_or(now_);
    const Instant due = stepped_at + step_interval(record.shift);
    const std::uint32_t last = step_count(record.shift);
    if (stepped_at > now_) {
      out_.wake(stepped_at);  // the act may be held
      return write(record, "its last step lies in the future: stamped again");
    }
    if (now_ < due) {
      out_.wake(due);
      progress(record);
      return record;
    }
    // One step, however long ago the last one was: time that passed unseen does not count (semantics 5).
    record.steps = std::min(record.steps + 1, last);
    record.weights = weights_at(record.origin, parts_of(release_), record.shift, record.steps);
    return write(record, "step " + std::to_string(record.steps) + " of " + std::to_string(last) + " (" +
                             std::string(name_of(record.shift.policy)) + ", " + format_duration(record.shift.duration) + ")");
  }

  TrafficRecord write(TrafficRecord record, const std::string& reason) {
    record.stepped_at = std::nullopt;  // the executor stamps it
    if (!release_.stacks.empty())
      out_.act(cell_, release_.stacks.front()->identity(), Shift{record}, reason);
    else if (const Case* c = cell_.find(record.weights.front().stack))
      out_.act(cell_, c->identity(), Shift{record}, reason);
    return record;
  }

  void stand_still() {
    const Case& first = *release_.stacks.front();
    // Before readiness the launch says what is missing; here only what stops a course that has begun is news.
    if (!first.ready()) return;
    out_.hold(cell_, first.identity(), first.name, "shift-stands", "traffic stands still: " + release_.unfit,
              "every stack of the release is healthy again; or `git revert` moves traffic back", true);
  }

  void progress(const TrafficRecord& record) {
    const std::uint32_t last = step_count(record.shift);
    const Case& first = *release_.stacks.front();
    out_.hold(cell_, first.identity(), first.name, "shifting",
              "traffic is moving to it: " + std::to_string(share_of_release(record.weights)) + "% after step " +
                  std::to_string(record.steps) + " of " + std::to_string(last),
              "a step each " + format_duration(step_interval(record.shift)), false);
  }

  const Cell& cell_;
  const TrafficKey& key_;
  Instant now_;
  CellPlan& out_;
  Release release_;
  const TrafficRecord* recorded_;
};

std::set<TrafficKey> services_of(const Cell& cell) {
  std::set<TrafficKey> keys;
  for (const Case& c : cell.cases)
    if (c.serves) keys.insert({cell.key.domain, c.identity().name_space, cell.key.unit, c.identity().version.major});
  if (cell.seen != nullptr) {
    for (const TrafficRecord& record : cell.seen->traffic) keys.insert(record.key);
    for (const Route& route : cell.seen->routes) keys.insert(route.key);
  }
  return keys;
}

Identity identity_for(const Cell& cell, const TrafficKey& key) {
  Identity identity;
  identity.name_space = key.name_space;
  for (const Case& c : cell.cases)
    if (c.serves && c.identity().name_space == key.name_space && c.identity().version.major == key.major) return c.identity();
  return identity;
}

std::vector<Backend::Server> servers_of(const Case& c) {
  std::vector<Backend::Server> servers;
  if (c.running == nullptr) return servers;
  for (const Instance& instance : c.running->instances)
    if (instance.index < c.settings().instances && !instance.endpoints.empty() && instance.state != InstanceState::kStopping)
      servers.push_back({instance.index, instance.endpoints});
  return servers;
}

}  // namespace

Duration step_interval(const TrafficShift& shift) {
  return std::min(std::max(shift.duration / 100, kShortestStep), std::max(shift.duration, Duration(1)));
}

std::uint32_t step_count(const TrafficShift& shift) {
  const Duration interval = step_interval(shift);
  return static_cast<std::uint32_t>((shift.duration + interval - Duration(1)) / interval);
}

std::vector<std::int32_t> apportion(std::int32_t total, const std::vector<std::int64_t>& parts) {
  const std::int64_t whole = std::accumulate(parts.begin(), parts.end(), std::int64_t{0});
  std::vector<std::int32_t> shares(parts.size(), 0);
  if (whole <= 0 || total <= 0) return shares;
  std::vector<std::pair<std::int64_t, std::size_t>> fractions;
  std::int32_t left = total;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    shares[i] = static_cast<std::int32_t>(total * parts[i] / whole);
    left -= shares[i];
    fractions.emplace_back(-(total * parts[i] % whole), i);
  }
  std::sort(fractions.begin(), fractions.end());
  for (std::size_t i = 0; left > 0; ++i, --left) ++shares[fractions[i].second];
  return shares;
}

std::vector<Weight> weights_at(const std::vector<Weight>& origin, const std::vector<Part>& target, const TrafficShift& shift,
                               std::uint32_t steps) {
  const auto in_target = [&](const std::string& stack) {
    return std::any_of(target.begin(), target.end(), [&](const Part& part) { return part.stack == stack; });
  };
  std::int32_t held = 0;
  std::vector<std::int64_t> others;
  for (const Weight& weight : origin) {
    if (in_target(weight.stack))
      held += weight.percent;
    else
      others.push_back(weight.percent);
  }
  const std::uint32_t last = step_count(shift);
  std::int32_t led = held;
  if (others.empty() || steps >= last) {
    led = 100;
  } else if (shift.policy == ShiftPolicy::kLinear) {
    const auto moved = static_cast<std::int32_t>(100 * steps * step_interval(shift).count() / shift.duration.count());
    led = std::min(100, held + moved);
  }

  std::map<std::string, std::int32_t> weights;
  std::vector<std::int64_t> instances;
  for (const Part& part : target) instances.push_back(part.instances);
  const std::vector<std::int32_t> split = apportion(led, instances);
  for (std::size_t i = 0; i < target.size(); ++i) weights[target[i].stack] = split[i];
  const std::vector<std::int32_t> rest = apportion(100 - led, others);
  std::size_t next = 0;
  for (const Weight& weight : origin)
    if (!in_target(weight.stack)) weights[weight.stack] = rest[next++];
  std::vector<Weight> out;
  for (const auto& [stack, percent] : weights) out.push_back({stack, percent});
  return out;
}

const Case* unsettled(const Cell& cell, const Case& of) {
  const std::string& name_space = of.identity().name_space;
  for (const Case& c : cell.cases) {
    if (!c.wanted() || c.ran() || c.identity().name_space != name_space) continue;
    if (c.patch && c.identity().version.major != of.identity().version.major) continue;
    if (!c.ready()) return &c;
    if (!c.serves) continue;
    std::int32_t share = 0;
    for (const Case& other : cell.cases)
      if (other.wanted() && other.serves && other.identity().name_space == name_space &&
          other.identity().version.major == c.identity().version.major)
        share += other.percent;
    if (share != 100) return &c;
  }
  return nullptr;
}

std::vector<Service> plan_traffic(const Cell& cell, Instant now, CellPlan& out) {
  std::vector<Service> services;
  for (const TrafficKey& key : services_of(cell)) {
    if (carried_by_unrecorded(cell, key))
      services.push_back({key, std::nullopt});
    else if (auto record = Course(cell, key, now, out).decide())
      services.push_back({key, std::move(*record)});
  }
  return services;
}

void plan_routes(const Cell& cell, const std::vector<Service>& services, CellPlan& out) {
  if (!cell.world->balances) return;
  if (!cell.world->balancer.complete) {
    if (!services.empty())
      out.hold(cell, identity_for(cell, services.front().key), cell.key.unit, "balancer-unobserved",
               "the balancer of domain " + cell.key.domain + " does not answer: " + cell.world->balancer.error, "it answers again",
               true);
    return;
  }
  std::map<TrafficKey, const Route*> in_force;
  if (cell.seen != nullptr)
    for (const Route& route : cell.seen->routes) in_force[route.key] = &route;
  for (const Service& service : services) {
    if (!service.record) {
      in_force.erase(service.key);
      continue;
    }
    Route route{.key = service.key, .ports = {}, .backends = {}};
    std::int32_t most = -1;
    for (const Weight& weight : service.record->weights) {
      const Case* c = cell.find(weight.stack);
      if (c == nullptr || !c->live) continue;
      route.backends.push_back({weight.stack, weight.percent, servers_of(*c), c->identity().spec.health_checks});
      if (weight.percent > most) {
        most = weight.percent;
        route.ports = c->identity().spec.ports;
      }
    }
    const auto found = in_force.find(service.key);
    const Route* const current = found == in_force.end() ? nullptr : found->second;
    if (current != nullptr) in_force.erase(found);
    if (route.backends.empty()) continue;
    if (current == nullptr)
      out.act(cell, identity_for(cell, service.key), Serve{route},
              cell.traffic(service.key) != nullptr ? std::string(kRouteLost) : "the balancer does not serve it yet");
    else if (*current != route)
      out.act(cell, identity_for(cell, service.key), Serve{route}, "the balancer follows: " + describe(service.record->weights));
  }
  for (const auto& [key, route] : in_force)
    out.act(cell, identity_for(cell, key), Unserve{key}, "nothing stands behind it any more");
}

}  // namespace nelson
