#include "tests/bench/fleet.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "reconcilers/forecast.h"
#include "reconcilers/plan.h"
#include "reconcilers/replanner.h"

namespace nelson::bench {
namespace {

constexpr const char* kDomain = "local";

std::string unit_name(std::size_t number) {
  std::string digits = std::to_string(number);
  return "unit-" + std::string(6 - std::min<std::size_t>(6, digits.size()), '0') + digits;
}

DesiredStack service(std::size_t number) {
  DesiredStack stack;
  stack.name_space = "dev";
  stack.plan = "default";
  stack.repository = "repository-" + std::to_string(number % 100);
  stack.commit = std::string(40, 'a');
  stack.version = {1, static_cast<std::uint32_t>(number % 20), 0};
  stack.artifact.command = {"./serve", "--listen"};
  stack.artifact.tree = std::string(40, 'b');
  stack.spec.ports = {{"default", 8080, Protocol::kHttp}};
  stack.spec.environment = {{"LEVEL", "info"}, {"REGION", "here"}};
  stack.spec.health_checks = {{"ping", "default", Protocol::kHttp, "/health", std::chrono::seconds(10), std::chrono::seconds(2)}};
  if (number % 10 == 9) stack.spec.dependencies = {{unit_name(number - 1), {1, 0}}};
  stack.settings.instances = 2;
  stack.settings.traffic_shift = {ShiftPolicy::kAtomic, Duration(0)};
  stack.fresh = true;
  return stack;
}

}  // namespace

Fleet make_fleet(std::size_t stacks, Instant now) {
  Fleet fleet;
  fleet.desired.owner = "0123456789ab";
  fleet.desired.control_url = "file:///control";
  fleet.desired.control_commit = std::string(40, 'c');
  fleet.desired.domains[kDomain].name = kDomain;
  for (std::size_t i = 0; i < stacks; ++i) {
    const DesiredStack stack = service(i);
    fleet.desired.repositories[stack.repository].state = RepositoryState::kCurrent;
    fleet.desired.cells[{kDomain, unit_name(i)}].stacks = {stack};
  }
  ObservedDomain& domain = fleet.observed.domains[kDomain];
  for (Source* source : {&domain.scheduler, &domain.memory, &domain.discovery, &domain.balancer}) source->complete = true;
  Replanner replanner;
  Instant at = now - std::chrono::hours(2);
  for (int passes = 0;; ++passes) {
    const Plan& plan = replanner.plan(fleet.desired, fleet.observed, at);
    if (plan.actions.empty() && !plan.wake_at) break;
    if (passes > 50) die("the fleet does not come to rest");
    if (plan.actions.empty()) at = *plan.wake_at;
    fleet.observed = apply(plan, fleet.observed, at);
  }
  if (at > now) die("the fleet comes to rest in the future");
  fleet.observed.domains[kDomain].claim = Claim{fleet.desired.owner, fleet.desired.control_url, fleet.desired.control_commit};
  return fleet;
}

/// Each part answers with what the world has at hand.
class StillParts {
 public:
  struct Runs : Scheduler {
    explicit Runs(StillDomain& world) : world(world) {}
    Result<std::string> render(const Launch&, std::string_view) const override { return refused(); }
    Result<SchedulerView> observe() override { return ++world.looks, world.scheduler_; }
    Status ensure_present(const Submission&) override { return refused(); }
    Status ensure_absent(const std::string&, std::uint32_t) override { return refused(); }
    StillDomain& world;
  };
  struct Remembers : Memory {
    explicit Remembers(StillDomain& world) : world(world) {}
    Result<MemoryView> observe() override { return ++world.looks, world.memory_; }
    Status put(const StackRecord&) override { return refused(); }
    Status put(const TrafficRecord&) override { return refused(); }
    Status put(const Claim&) override { return refused(); }
    Status drop(const TrafficKey&) override { return refused(); }
    Status lock(std::string_view) override { return {}; }
    bool holds_lock() const override { return true; }
    StillDomain& world;
  };
  struct Tells : Discovery {
    explicit Tells(StillDomain& world) : world(world) {}
    Result<DiscoveryView> observe() override { return ++world.looks, world.discovery_; }
    Status publish(const std::string&, const std::string&) override { return refused(); }
    Status unpublish(const std::string&) override { return refused(); }
    StillDomain& world;
  };
  struct Balances : Balancer {
    explicit Balances(StillDomain& world) : world(world) {}
    Result<BalancerView> observe() override { return ++world.looks, world.balancer_; }
    Status serve(const Route&) override { return refused(); }
    Status unserve(const TrafficKey&) override { return refused(); }
    StillDomain& world;
  };

 private:
  static Error refused() { return internal("there was nothing to do here"); }
};

StillDomain::StillDomain(const Fleet& fleet, const std::string& domain) {
  for (const auto& [key, cell] : fleet.observed.cells) {
    for (const ObservedStack& stack : cell.stacks) {
      names_.push_back(stack.name);
      if (stack.record) memory_.stacks[stack.name] = *stack.record;
      if (stack.running) scheduler_.stacks[stack.name] = *stack.running;
      if (stack.published) discovery_.published[stack.name] = *stack.published;
    }
    for (const TrafficRecord& record : cell.traffic) memory_.traffic[record.key] = record;
    for (const Route& route : cell.routes) balancer_.routes[route.key] = route;
  }
  memory_.claim = fleet.observed.domains.at(domain).claim;
}

Domain StillDomain::open(const DomainSettings& settings) {
  Domain domain;
  domain.settings = settings;
  domain.scheduler = std::make_unique<StillParts::Runs>(*this);
  domain.memory = std::make_unique<StillParts::Remembers>(*this);
  domain.discovery = std::make_unique<StillParts::Tells>(*this);
  domain.balancer = std::make_unique<StillParts::Balances>(*this);
  return domain;
}

void StillDomain::disturb() {
  next_ = (next_ + 7919) % names_.size();  // a prime: another stack each time, all over the fleet
  ++scheduler_.stacks[names_[next_]].instances.front().restarts;
}

Machine::Machine(const Fleet& fleet, const std::string& store_folder)
    : domain_(std::make_unique<StillDomain>(fleet, kDomain)), desired_(std::make_shared<const Desired>(fleet.desired)) {
  StoreOptions options;
  options.folder = store_folder;
  options.holder = "benchmark";
  options.max_bytes = std::size_t{4} << 30;
  auto store = Store::open(options);
  if (!store) die(store.error().message);
  store_ = *std::move(store);
  DomainsOptions domains;
  domains.open = [this](const DomainSettings& settings, const DomainContext&) -> Result<Domain> { return domain_->open(settings); };
  domains.holder = "benchmark";
  domains.patience = std::chrono::seconds(60);
  domains_ = std::make_unique<Domains>(std::move(domains));
  EngineParts parts;
  parts.store = store_.get();
  parts.clock = &clock_;
  parts.domains = domains_.get();
  parts.contains = [](const std::string&, const std::string&) -> Result<bool> { return true; };
  parts.planner.plan = [this, replanner = std::make_shared<Replanner>()](const Desired& desired, const Observed& observed,
                                                                         Instant now) {
    const Plan& plan = replanner->plan(desired, observed, now);
    if (planned) planned();
    return plan;
  };
  parts.planner.digest = [](const Plan& plan) { return digest_of(plan); };
  engine_ = std::make_unique<Engine>(std::move(parts));
}

Machine::~Machine() {
  engine_.reset();
  domains_.reset();
}

const PassReport& Machine::pass() {
  const auto report = engine_->pass(desired_);
  if (!report) die(report.error().message);
  if (!(*report)->plan.actions.empty() || (*report)->incomplete) die("a pass with nothing to do found something");
  return **report;
}

double timed(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

Line::~Line() { std::cout << '{' << text_ << '}' << std::endl; }

Line& Line::add(const std::string& name, double value) {
  char number[64];
  std::snprintf(number, sizeof number, "%.6f", value);
  text_ += (text_.empty() ? "\"" : ", \"") + name + "\": " + number;
  return *this;
}

Line& Line::add(const std::string& name, const std::vector<double>& values) {
  text_ += (text_.empty() ? "\"" : ", \"") + name + "\": [";
  for (std::size_t i = 0; i < values.size(); ++i) text_ += (i > 0 ? ", " : "") + std::to_string(values[i]);
  text_ += ']';
  return *this;
}

double memory_of_process(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name + ":")) return std::atof(line.c_str() + name.size() + 1);
  die("/proc/self/status has no " + name);
}

void die(const std::string& why) {
  std::cerr << "benchmark: " << why << std::endl;
  std::exit(2);
}

}  // namespace nelson::bench
