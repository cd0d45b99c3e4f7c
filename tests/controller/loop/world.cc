#include "tests/controller/loop/world.h"

namespace nelson::test {
namespace {

class TestScheduler : public Scheduler {
 public:
  explicit TestScheduler(TestDomain& world) : world_(world) {}

  Result<std::string> render(const Launch& launch, std::string_view guid) const override {
    return "document of " + launch.stack + ' ' + std::string(guid);
  }
  Result<SchedulerView> observe() override {
    if (Status called = world_.call("observe scheduler"); !called) return called.error();
    SchedulerView view;
    for (const auto& [stack, running] : world_.running) view.stacks[stack] = running;
    view.foreign = world_.foreign;
    return view;
  }
  Status ensure_present(const Submission& submission) override {
    if (Status called = world_.call("present " + submission.stack); !called) return called;
    Running& running = world_.running[submission.stack];
    running.incarnation = submission.incarnation;
    running.count = submission.count;
    running.document_digest = to_hex(sha256(submission.document));
    return {};
  }
  Status ensure_absent(const std::string& stack, std::uint32_t) override {
    if (Status called = world_.call("absent " + stack); !called) return called;
    world_.running.erase(stack);
    return {};
  }

 private:
  TestDomain& world_;
};

class TestMemory : public Memory {
 public:
  explicit TestMemory(TestDomain& world) : world_(world) {}

  Result<MemoryView> observe() override {
    if (Status called = world_.call("observe memory"); !called) return called.error();
    MemoryView view;
    for (const auto& [stack, record] : world_.records) view.stacks[stack] = record;
    for (const auto& [key, record] : world_.traffic) view.traffic[key] = record;
    view.claim = world_.claim;
    view.damaged = world_.damaged;
    return view;
  }
  Status put(const StackRecord& record) override {
    if (Status called = world_.call("put " + record.stack); !called) return called;
    world_.records[record.stack] = record;
    return {};
  }
  Status put(const TrafficRecord& record) override {
    if (Status called = world_.call("put traffic " + record.key.unit); !called) return called;
    world_.traffic[record.key] = record;
    return {};
  }
  Status put(const Claim& claim) override {
    if (Status called = world_.call("put claim"); !called) return called;
    world_.claim = claim;
    return {};
  }
  Status drop(const TrafficKey& key) override {
    if (Status called = world_.call("drop traffic " + key.unit); !called) return called;
    world_.traffic.erase(key);
    return {};
  }
  Status lock(std::string_view) override {
    if (!world_.lock_holder.empty()) return conflict("held by " + world_.lock_holder);
    return {};
  }
  bool holds_lock() const override { return !world_.lock_lost; }

 private:
  TestDomain& world_;
};

class TestDiscovery : public Discovery {
 public:
  explicit TestDiscovery(TestDomain& world) : world_(world) {}

  Result<DiscoveryView> observe() override {
    if (Status called = world_.call("observe discovery"); !called) return called.error();
    DiscoveryView view;
    for (const auto& [stack, payload] : world_.published) view.published[stack] = payload;
    return view;
  }
  Status publish(const std::string& stack, const std::string& payload) override {
    if (Status called = world_.call("publish " + stack); !called) return called;
    world_.published[stack] = payload;
    return {};
  }
  Status unpublish(const std::string& stack) override {
    if (Status called = world_.call("unpublish " + stack); !called) return called;
    world_.published.erase(stack);
    return {};
  }

 private:
  TestDomain& world_;
};

class TestBalancer : public Balancer {
 public:
  explicit TestBalancer(TestDomain& world) : world_(world) {}

  Result<BalancerView> observe() override {
    if (Status called = world_.call("observe balancer"); !called) return called.error();
    BalancerView view;
    for (const auto& [key, route] : world_.routes) view.routes[key] = route;
    view.sessions = world_.sessions;
    return view;
  }
  Status serve(const Route& route) override {
    if (Status called = world_.call("serve " + route.key.unit); !called) return called;
    world_.routes[route.key] = route;
    return {};
  }
  Status unserve(const TrafficKey& key) override {
    if (Status called = world_.call("unserve " + key.unit); !called) return called;
    world_.routes.erase(key);
    return {};
  }

 private:
  TestDomain& world_;
};

}  // namespace

Result<Domain> TestDomain::open(const DomainSettings& settings, const DomainContext&) {
  ++opened;
  if (Status called = call("open"); !called) return called.error();
  Domain domain;
  domain.settings = settings;
  domain.scheduler = std::make_unique<TestScheduler>(*this);
  domain.memory = std::make_unique<TestMemory>(*this);
  domain.discovery = std::make_unique<TestDiscovery>(*this);
  if (has_balancer)
    domain.balancer = std::make_unique<TestBalancer>(*this);
  else
    domain.balancer_absent_reason = "haproxy is not installed; apt-get install haproxy";
  return domain;
}

void TestDomain::fail(const std::string& line, Error error) {
  const std::lock_guard guard(mutex_);
  failures_.insert_or_assign(line, std::move(error));
}

void TestDomain::mend() {
  const std::lock_guard guard(mutex_);
  failures_.clear();
}

void TestDomain::hang(const std::string& line) {
  const std::lock_guard guard(mutex_);
  hanging_.insert(line);
}

void TestDomain::release() {
  {
    const std::lock_guard guard(mutex_);
    hanging_.clear();
  }
  changed_.notify_all();
}

Status TestDomain::call(const std::string& line) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !hanging_.contains(line); });
  const auto failure = failures_.find(line);
  if (failure != failures_.end()) {
    story_.add(line + " fails");
    return failure->second;
  }
  if (!line.starts_with("observe") && line != "open") story_.add(line);
  return {};
}

Status TestStore::write(const std::string& line) {
  if (broken) return internal("the disk under the store is gone");
  if (full && !line.starts_with("settle")) return unavailable("the disk is nearly full");
  story_.add(line);
  return {};
}

Status TestStore::intend(std::vector<JournalEntry>& list) {
  std::string line = "intend";
  for (const JournalEntry& entry : list) line += ' ' + entry.effect;
  if (Status written = write(line); !written) return written;
  for (JournalEntry& entry : list) {
    entry.sequence = entries.size() + 1;
    entries.push_back(entry);
  }
  return {};
}

Status TestStore::settle(std::span<const Settlement> settlements, Instant now) {
  std::string line = "settle";
  for (const Settlement& one : settlements) line += ' ' + std::to_string(one.sequence) + (one.error.empty() ? " done" : " failed");
  if (Status written = write(line); !written) return written;
  for (const Settlement& one : settlements) {
    JournalEntry& entry = entries.at(one.sequence - 1);
    entry.outcome = one.error.empty() ? JournalEntry::Outcome::kDone : JournalEntry::Outcome::kFailed;
    entry.error = one.error;
    entry.finished = now;
  }
  return {};
}

Result<std::vector<JournalEntry>> TestStore::open_intents() const {
  std::vector<JournalEntry> out;
  for (const JournalEntry& entry : entries)
    if (entry.outcome == JournalEntry::Outcome::kOpen) out.push_back(entry);
  return out;
}

Status TestStore::settle_unknown(std::span<const std::uint64_t> sequences, Instant) {
  std::string line = "settle unknown";
  for (const std::uint64_t sequence : sequences) {
    line += ' ' + std::to_string(sequence);
    entries.at(sequence - 1).outcome = JournalEntry::Outcome::kUnknown;
  }
  return write(line);
}

Result<std::vector<JournalEntry>> TestStore::history(const std::string& stack, std::uint64_t before, std::size_t limit) const {
  std::vector<JournalEntry> out;
  for (auto it = entries.rbegin(); it != entries.rend() && out.size() < limit; ++it)
    if ((before == 0 || it->sequence < before) && (stack.empty() || it->stack == stack)) out.push_back(*it);
  return out;
}

Status TestStore::record_pass(const Desired&, const Observed& observed, Instant now, const std::string& plan_digest) {
  if (recorded_ == observed && !passes_.empty() && passes_.back().plan_digest == plan_digest) return {};
  if (Status written = write("record pass"); !written) return written;
  recorded_ = observed;
  passes_.push_back({passes_.size() + 1, now, plan_digest, false});
  return {};
}

Result<std::map<std::string, Instant>> TestStore::first_seen(const std::vector<std::string>& subjects, Instant now) {
  std::map<std::string, Instant> next;
  for (const std::string& subject : subjects) next[subject] = seen_.contains(subject) ? seen_[subject] : now;
  if (next != seen_)
    if (Status written = write("first seen"); !written) return written.error();
  seen_ = next;
  return next;
}

Identity identity_of(const std::string& unit, const std::string& domain) {
  Identity identity;
  identity.owner = "us";
  identity.domain = domain;
  identity.name_space = "dev";
  identity.repository = "shop";
  identity.unit = unit;
  identity.plan = "default";
  identity.version = {1, 0, 0};
  identity.artifact.command = {"./serve"};
  return identity;
}

StackRecord record_of(const Identity& identity) {
  StackRecord record;
  record.stack = stack_name(identity);
  record.identity = identity;
  record.document = "document";
  record.incarnation = 1;
  record.launched = Instant{std::chrono::hours(499'000)};
  return record;
}

Launch launch_of(const Identity& identity) {
  Launch launch;
  launch.stack = stack_name(identity);
  launch.identity = identity;
  launch.settings.instances = 2;
  launch.commit = "c0ffee";
  return launch;
}

Action action_on(const std::string& unit, Effect effect, const std::string& domain) {
  return {{domain, unit}, "dev", "shop", std::move(effect), "because"};
}

Desired desired_with(const std::vector<std::string>& domains) {
  Desired desired;
  desired.owner = "us";
  desired.control_url = "file:///control";
  desired.control_commit = "1111111111111111111111111111111111111111";
  for (const std::string& name : domains) desired.domains[name].name = name;
  return desired;
}

}  // namespace nelson::test
