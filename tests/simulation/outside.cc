#include "tests/simulation/outside.h"

#include <algorithm>
#include <utility>

namespace nelson::simulation {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Instant kBeginning{hours(24 * 365 * 56)};

std::size_t modulo(int value, std::size_t size) { return static_cast<std::size_t>(std::abs(value)) % size; }

ControlText first_control(const Shape& shape) {
  ControlText text;
  for (int domain = 0; domain < shape.domains; ++domain) {
    const DomainSettings settings = domain_settings(shape, domain);
    text.domains[settings.name] = settings;
  }
  return text;
}

/// Another owner's stack of the same unit, beside ours.
void settle_neighbour(FakeWorld& world, const DomainSettings& settings) {
  Domain theirs = world.open(settings, "theirs");
  Launch launch;
  launch.identity.owner = "theirs";
  launch.identity.domain = settings.name;
  launch.identity.name_space = "dev";
  launch.identity.unit = unit_name(0);
  launch.identity.plan = "default";
  launch.identity.version = {1, 0, 0};
  launch.stack = stack_name(launch.identity);
  launch.settings.instances = 1;
  const auto document = theirs.scheduler->render(launch, guid_of(digest_of(launch.identity), 1));
  static_cast<void>(theirs.scheduler->ensure_present({launch.stack, 1, *document, 1}).ok());
  static_cast<void>(theirs.discovery->publish(launch.stack, "{}").ok());
  StackRecord record;
  record.stack = launch.stack;
  record.identity = launch.identity;
  record.document = *document;
  record.incarnation = 1;
  record.launched = world.now();
  world.write_by_another(record);
}

}  // namespace

Outside::Outside(const Scenario& scenario)
    : scenario_(scenario),
      git_(first_control(scenario.shape), scenario.shape.tags),
      variants_(static_cast<std::size_t>(scenario.shape.units), -1),
      instances_(variants_.size(), 0),
      disputed_(variants_.size(), false) {
  const bool stale =
      std::any_of(scenario.events.begin(), scenario.events.end(), [](const Event& event) { return event.kind == Kind::kStale; });
  for (const auto& [name, settings] : git_.control().domains) {
    FakeWorld& world = worlds_.emplace(name, FakeWorld(kBeginning)).first->second;
    if (stale || !scenario.shape.guided) world.remember_views();
    if (scenario.shape.seed % 3 == 0) settle_neighbour(world, settings);
  }
  for (int unit = 0; unit < scenario.shape.units; ++unit) behave(unit, {});
}

void Outside::advance_to(Duration at) {
  if (at <= now_) return;
  if (std::exchange(unsettled_, false)) truths_.clear();
  for (auto& [name, world] : worlds_) {
    const auto next = world.next_change();
    if (next && *next <= kBeginning + at) truths_.clear();
    world.advance(kBeginning + at - world.now());
  }
  now_ = at;
}

std::optional<Duration> Outside::next_change() const {
  std::optional<Duration> out;
  for (const auto& [name, world] : worlds_)
    if (const auto next = world.next_change()) out = std::min(out.value_or(Duration::max()), *next - kBeginning);
  return out;
}

const std::map<std::string, FakeTruth>& Outside::truths() {
  if (truths_.empty())
    for (const auto& [name, world] : worlds_) truths_[name] = world.truth();
  return truths_;
}

std::string Outside::repository_name(int index) const {
  return "repo-" + std::to_string(modulo(index, static_cast<std::size_t>(scenario_.shape.repositories)));
}
std::string Outside::repository_of(int unit) const { return repository_name(unit); }

std::string Outside::domain_name(int index) const {
  return std::next(worlds_.begin(), static_cast<std::ptrdiff_t>(modulo(index, worlds_.size())))->first;
}

std::string Outside::running_stack(const std::string& domain, int index) {
  std::vector<std::string> ours;
  for (const auto& [stack, owner] : truths().at(domain).owners)
    if (owner == "ours") ours.push_back(stack);
  return ours.empty() ? "" : ours[modulo(index, ours.size())];
}

void Outside::write_manifests(const std::string& repository) {
  std::map<std::string, UnitText> units;
  for (int unit = 0; unit < scenario_.shape.units; ++unit) {
    const auto at = static_cast<std::size_t>(unit);
    if (variants_[at] < 0) continue;
    const bool second_claim = disputed_[at] && repository_name(unit + 1) == repository;
    if (repository_of(unit) != repository && !second_claim) continue;
    UnitText text = unit_text(scenario_.shape, unit, variants_[at]);
    if (instances_[at] > 0 && text.spec.schedule.empty()) text.settings.instances = instances_[at];
    units[unit_name(unit)] = std::move(text);
  }
  git_.push(repository, std::move(units));
}

void Outside::behave(int unit, FakeBehaviour behaviour) {
  behaviour.job_every = minutes(10);
  for (auto& [name, world] : worlds_) world.behave(unit_name(unit), behaviour);
  unsettled_ = true;
}

bool Outside::happen(const Event& event) { return happen_in_git(event) || happen_to_operators(event) || happen_in_worlds(event); }

bool Outside::happen_in_git(const Event& event) {
  const std::size_t unit = modulo(event.a, variants_.size());
  const std::string repository = repository_of(static_cast<int>(unit));
  switch (event.kind) {
    case Kind::kPush:
      last_pushed_ = unit;
      variant_before_ = variants_[unit];
      variants_[unit] = static_cast<int>(modulo(event.b, kVariants));
      instances_[unit] = 0;
      write_manifests(repository);
      return true;
    case Kind::kRevert:
      if (variant_before_ < 0) return true;
      std::swap(variants_[last_pushed_], variant_before_);
      write_manifests(repository_of(static_cast<int>(last_pushed_)));
      return true;
    case Kind::kLeave:
      variants_[unit] = -1;
      write_manifests(repository);
      return true;
    case Kind::kScale:
      instances_[unit] = 1 + static_cast<int>(modulo(event.b, 4));
      write_manifests(repository);
      return true;
    case Kind::kDispute:
      if (scenario_.shape.repositories < 2) return true;
      disputed_[unit] = !disputed_[unit];
      write_manifests(repository_name(static_cast<int>(unit) + 1));
      return true;
    case Kind::kBreak:
      git_.push_broken(repository_name(event.a));
      return true;
    case Kind::kMend:
      write_manifests(repository_name(event.a));
      return true;
    case Kind::kForceBack:
      git_.force_back(repository_name(event.a), modulo(event.b, 4));
      return true;
    case Kind::kHostDown:
    case Kind::kHostUp:
      git_.set_host(repository_name(event.a), event.kind == Kind::kHostUp);
      return true;
    case Kind::kLoseMirror:
      git_.lose_mirror(repository_name(event.a));
      return true;
    default:
      return false;
  }
}

bool Outside::happen_to_operators(const Event& event) {
  ControlText text = git_.control();
  switch (event.kind) {
    case Kind::kControlPush: {
      DomainSettings& settings = text.domains.begin()->second;
      if (event.a % 3 == 0) settings.stop_grace += seconds(1);
      if (event.a % 3 == 1) settings.brake_percent = settings.brake_percent == 20 ? 30 : 20;
      git_.push_control(std::move(text));
      return true;
    }
    case Kind::kControlBack:
      git_.control_back(1 + modulo(event.a, 3));
      return true;
    case Kind::kAcknowledge:
      acknowledge(true);
      return true;
    case Kind::kLeaveDomain: {
      bool& leaving = text.domains.at(domain_name(event.a)).leaving;
      leaving = !leaving;
      git_.push_control(std::move(text));
      return true;
    }
    default:
      return false;
  }
}

namespace {

/// Requests come through the balancer only, and so to nothing that it does not name.
bool routed(const FakeTruth& truth, const std::string& stack) {
  for (const auto& [key, route] : truth.routes)
    for (const Backend& backend : route.backends)
      if (backend.stack == stack && backend.percent > 0)
        for (const Backend::Server& server : backend.servers)
          if (server.index == 0) return true;
  return false;
}

}  // namespace

bool Outside::happen_in_worlds(const Event& event) {
  const std::string domain = domain_name(event.a);
  FakeWorld& world = worlds_.at(domain);
  const int unit = static_cast<int>(modulo(event.a, variants_.size()));
  const std::string stack = running_stack(domain, event.b);
  truths_.clear();
  switch (event.kind) {
    case Kind::kSick:
      behave(unit, {.sick = true});
      return true;
    case Kind::kCrashing:
      behave(unit, {.start = seconds(30), .crashes = true});
      return true;
    case Kind::kWell:
      behave(unit, {});
      return true;
    case Kind::kKillInstance:
      world.kill_instance(stack, 0);
      return true;
    case Kind::kLoseStack:
      world.lose(stack);
      return true;
    case Kind::kReboot:
      world.reboot();
      return true;
    case Kind::kConnect:
      if (routed(truths().at(domain), stack) && world.living(stack) > 0) world.connect(stack, 0, 3, seconds(1 + event.c));
      truths_.clear();
      return true;
    case Kind::kForeign:
      world.add_foreign("alien-" + std::to_string(event.at.count()));
      return true;
    case Kind::kAnotherHand: {
      const auto& records = truths().at(domain).records;
      if (const auto found = records.find(stack); found != records.end()) world.write_by_another(found->second);
      truths_.clear();
      return true;
    }
    default:
      return false;
  }
}

void Outside::mend() {
  for (int repository = 0; repository < scenario_.shape.repositories; ++repository)
    git_.set_host(repository_name(repository), true);
  disputed_.assign(disputed_.size(), false);
  for (int repository = 0; repository < scenario_.shape.repositories; ++repository) write_manifests(repository_name(repository));
  for (int unit = 0; unit < scenario_.shape.units; ++unit) behave(unit, {});
  ControlText text = git_.control();
  for (auto& [name, settings] : text.domains) settings.leaving = false;
  git_.push_control(std::move(text));
}

void Outside::acknowledge(bool yes) {
  ControlText text = git_.control();
  text.acknowledged.clear();
  if (yes)
    for (const auto& [domain, truth] : truths())
      for (const auto& [stack, record] : truth.records)
        if (record.identity.owner == "ours" && record.launched) text.acknowledged.push_back(stack);
  if (text.acknowledged != git_.control().acknowledged) git_.push_control(std::move(text));
}

std::string Outside::dump(bool remains) {
  std::string out;
  const auto line = [&out](const std::string& what, const std::string& of, const std::string& detail) {
    out += what + ' ' + of + ' ' + detail + '\n';
  };
  for (const auto& [domain, truth] : truths()) {
    for (const auto& [stack, running] : truth.running)
      line("runs", domain + ' ' + stack,
           (remains ? std::to_string(running.incarnation) : "") + " x" + std::to_string(running.instances.size()) +
               (running.stopping ? " stopping" : ""));
    for (const auto& [stack, record] : truth.records) {
      if (record.removed && !remains) continue;
      line("record", domain + ' ' + stack,
           (remains ? std::to_string(record.incarnation) : "") + (record.removed ? " removed" : "") +
               (record.ready ? " ready" : "") + (record.retiring ? " retiring" : "") +
               (record.kept_no_longer_since ? " unkept" : "") + (record.tombstone ? " tombstone" : "") + ' ' +
               std::string(name_of(record.job_result)) + ' ' + std::to_string(record.settings.instances));
    }
    for (const auto& [key, traffic] : truth.traffic) {
      std::string weights;
      for (const Weight& weight : traffic.weights)
        if (weight.percent > 0 || remains) weights += weight.stack + '=' + std::to_string(weight.percent) + ' ';
      line("traffic", domain + ' ' + key.name_space + '/' + key.unit + ' ' + std::to_string(key.major), weights);
    }
    for (const auto& [stack, payload] : truth.published) line("published", domain + ' ' + stack, payload);
    for (const auto& [key, route] : truth.routes) {
      std::string backends;
      for (const Backend& backend : route.backends)
        if (backend.percent > 0 || remains)
          backends += backend.stack + '=' + std::to_string(backend.percent) + " on " + std::to_string(backend.servers.size()) + ' ';
      line("route", domain + ' ' + key.name_space + '/' + key.unit + ' ' + std::to_string(key.major), backends);
    }
  }
  return out;
}

}  // namespace nelson::simulation
