#include "controller/domains/fake/fake.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "controller/base/json.h"
#include "state/model/digest.h"

namespace nelson {
namespace {

/// What a fake scheduler is submitted, as text.
struct FakeDocument {
  std::string guid;
  Launch launch;

  static void visit(auto& self, auto&& field) {
    field("guid", self.guid);
    field("launch", self.launch);
  }
};

Result<FakeDocument> read_document(const std::string& text) {
  try {
    return json::read<FakeDocument>(json::parse(text));
  } catch (const std::exception& error) {
    return invalid(std::string("a document that is none: ") + error.what());
  }
}

}  // namespace

class FakeScheduler final : public Scheduler {
 public:
  FakeScheduler(FakeWorld& world, std::string owner) : world_(world), owner_(std::move(owner)) {}

  Result<std::string> render(const Launch& launch, std::string_view guid) const override {
    // Settings and commit change in place, so that they are no part of what is submitted.
    FakeDocument document{std::string(guid), launch};
    document.launch.settings = {};
    document.launch.commit.clear();
    return json::to_json(document).dump();
  }

  Result<SchedulerView> observe() override {
    if (const auto error = world_.broken(FakePart::kScheduler)) return *error;
    SchedulerView view;
    for (const auto& [name, stack] : world_.stacks_) {
      if (stack.owner != owner_) {
        view.foreign.push_back(name);
        continue;
      }
      view.stacks[name] = FakeWorld::as_seen(stack);
    }
    view.foreign.insert(view.foreign.end(), world_.foreign_.begin(), world_.foreign_.end());
    std::sort(view.foreign.begin(), view.foreign.end());
    return world_.seen(FakePart::kScheduler, world_.past_scheduler_, std::move(view));
  }

  Status ensure_present(const Submission& submission) override {
    if (const auto error = world_.broken(FakePart::kScheduler)) return *error;
    const auto document = read_document(submission.document);
    if (!document) return document.error().with_context(submission.stack);
    if (submission.count < 1)
      return invalid(submission.stack + ": " + std::to_string(submission.count) + " instances were asked for");
    const auto found = world_.stacks_.find(submission.stack);
    if (found != world_.stacks_.end()) {
      const FakeWorld::FakeStack& there = found->second;
      if (there.owner != owner_) return conflict(submission.stack + " belongs to " + there.owner);
      if (there.running.stopping) return conflict(submission.stack + " is being stopped");
      if (there.running.incarnation != submission.incarnation)
        return conflict(submission.stack + ": incarnation " + std::to_string(there.running.incarnation) + " runs");
    } else {
      add(submission, *document);
    }
    scale(submission.stack, world_.stacks_.at(submission.stack), submission.count);
    return {};
  }

  Status ensure_absent(const std::string& stack, std::uint32_t incarnation) override {
    if (const auto error = world_.broken(FakePart::kScheduler)) return *error;
    const auto found = world_.stacks_.find(stack);
    if (found == world_.stacks_.end()) return {};
    FakeWorld::FakeStack& there = found->second;
    if (there.owner != owner_ || there.running.incarnation != incarnation)
      return conflict(stack + ": incarnation " + std::to_string(there.running.incarnation) + " of " + there.owner + " is there");
    if (there.running.stopping) return {};
    there.running.stopping = true;
    there.running.child_running = false;
    there.stopped_at = world_.now_ + world_.behaviour_of(stack).stop;
    world_.settle();
    return {};
  }

 private:
  void add(const Submission& submission, const FakeDocument& document) {
    FakeWorld::FakeStack& stack = world_.stacks_[submission.stack];
    const Spec& spec = document.launch.identity.spec;
    stack.owner = owner_;
    stack.running.incarnation = submission.incarnation;
    stack.running.document_digest = to_hex(sha256(submission.document));
    stack.has_checks = !spec.health_checks.empty();
    stack.schedule = spec.schedule;
    stack.ports = spec.ports;
    stack.next_run = world_.now_ + world_.behaviour_of(submission.stack).job_every;
  }

  /// A job has its one process while it runs.
  void scale(const std::string& name, FakeWorld::FakeStack& stack, std::int32_t count) {
    stack.running.count = count;
    if (!stack.schedule.empty()) return world_.settle();
    for (std::int32_t index = 0; index < count; ++index)
      if (!stack.instances.contains(index)) world_.start_instance(name, stack, index);
    const auto surplus = stack.instances.lower_bound(count);
    world_.counts_["stop"] += static_cast<int>(std::distance(surplus, stack.instances.end()));
    stack.instances.erase(surplus, stack.instances.end());
    world_.settle();
  }

  FakeWorld& world_;
  std::string owner_;
};

class FakeMemory final : public Memory {
 public:
  explicit FakeMemory(FakeWorld& world) : world_(world) {}
  ~FakeMemory() override {
    if (holds_lock()) world_.lock_holder_.clear();
  }
  FakeMemory(const FakeMemory&) = delete;
  FakeMemory& operator=(const FakeMemory&) = delete;

  Result<MemoryView> observe() override {
    if (const auto error = world_.broken(FakePart::kMemory)) return *error;
    if (!world_.as_of_ || world_.as_of_->first != world_.revision_) world_.as_of_ = {world_.revision_, all_records()};
    seen_ = world_.seen(FakePart::kMemory, world_.past_memory_, world_.as_of_->second);
    return std::exchange(seen_.view, {});
  }

  Status put(const StackRecord& record) override {
    if (world_.damaged_.contains(record.stack)) return conflict(record.stack + ": its record is damaged");
    return put_into(world_.records_, seen_.stacks, record.stack, record);
  }
  Status put(const TrafficRecord& record) override { return put_into(world_.traffic_, seen_.traffic, record.key, record); }

  Status put(const Claim& claim) override {
    if (const auto error = world_.broken(FakePart::kMemory)) return *error;
    if (claim_revision() != seen_.claim) return conflict("the claim: another controller wrote it");
    if (world_.claim_ && world_.claim_->record == claim) return {};
    seen_.claim = ++world_.revision_;
    world_.claim_ = FakeKept<Claim>{claim, seen_.claim};
    ++world_.counts_["put"];
    return {};
  }

  Status drop(const TrafficKey& key) override {
    if (const auto error = world_.broken(FakePart::kMemory)) return *error;
    const auto found = world_.traffic_.find(key);
    if (found == world_.traffic_.end()) {
      seen_.traffic.erase(key);
      return {};
    }
    if (!seen(seen_.traffic, key, found->second.revision)) return conflict(key.unit + ": another controller wrote this record");
    world_.traffic_.erase(found);
    ++world_.revision_;
    seen_.traffic.erase(key);
    ++world_.counts_["drop"];
    return {};
  }

  Status lock(std::string_view holder) override {
    if (const auto error = world_.broken(FakePart::kMemory)) return *error;
    if (holds_lock()) return {};
    if (!world_.lock_holder_.empty()) return conflict("locked by " + world_.lock_holder_);
    world_.lock_holder_ = holder;
    lock_round_ = ++world_.lock_round_;
    return {};
  }
  bool holds_lock() const override { return lock_round_ != 0 && lock_round_ == world_.lock_round_ && !world_.lock_holder_.empty(); }

 private:
  [[nodiscard]] FakeWorld::SeenRecords all_records() const {
    FakeWorld::SeenRecords now;
    for (const auto& [name, kept] : world_.records_) {
      now.stacks[name] = kept.revision;
      if (world_.damaged_.contains(name))
        now.view.damaged.push_back("stacks/" + name + ": damaged record");
      else
        now.view.stacks[name] = kept.record;
    }
    for (const auto& [key, kept] : world_.traffic_) {
      now.traffic[key] = kept.revision;
      now.view.traffic[key] = kept.record;
    }
    now.claim = claim_revision();
    if (world_.claim_) now.view.claim = world_.claim_->record;
    return now;
  }
  /// By a binding, because clang 14 fails to compile `claim_->revision` here.
  [[nodiscard]] std::uint64_t claim_revision() const {
    if (!world_.claim_) return 0;
    const auto& [claim, revision] = *world_.claim_;
    return revision;
  }

  template <class Key>
  static bool seen(const std::map<Key, std::uint64_t>& revisions, const Key& key, std::uint64_t revision) {
    const auto found = revisions.find(key);
    return found != revisions.end() && found->second == revision;
  }

  template <class Key, class Record>
  Status put_into(std::map<Key, FakeKept<Record>>& kept, std::map<Key, std::uint64_t>& revisions, const Key& key,
                  const Record& record) {
    if (const auto error = world_.broken(FakePart::kMemory)) return *error;
    const auto found = kept.find(key);
    const bool same = found == kept.end() ? !revisions.contains(key) : seen(revisions, key, found->second.revision);
    if (!same) return conflict("another controller wrote this record; look again");
    if (found != kept.end() && found->second.record == record) return {};
    kept[key] = {record, ++world_.revision_};
    revisions[key] = world_.revision_;
    ++world_.counts_["put"];
    return {};
  }

  FakeWorld& world_;
  FakeWorld::SeenRecords seen_;  // the revisions that this controller saw last, without the view
  std::uint64_t lock_round_ = 0;
};

class FakeDiscovery final : public Discovery {
 public:
  explicit FakeDiscovery(FakeWorld& world) : world_(world) {}

  Result<DiscoveryView> observe() override {
    if (const auto error = world_.broken(FakePart::kDiscovery)) return *error;
    DiscoveryView view;
    for (const auto& [stack, payload] : world_.published_) view.published[stack] = payload;
    return world_.seen(FakePart::kDiscovery, world_.past_discovery_, std::move(view));
  }
  Status publish(const std::string& stack, const std::string& payload) override {
    if (const auto error = world_.broken(FakePart::kDiscovery)) return *error;
    world_.published_[stack] = payload;
    ++world_.counts_["publish"];
    return {};
  }
  Status unpublish(const std::string& stack) override {
    if (const auto error = world_.broken(FakePart::kDiscovery)) return *error;
    world_.published_.erase(stack);
    ++world_.counts_["unpublish"];
    return {};
  }

 private:
  FakeWorld& world_;
};

class FakeBalancer final : public Balancer {
 public:
  FakeBalancer(FakeWorld& world, Duration drain_limit) : world_(world), drain_limit_(drain_limit) {}

  Result<BalancerView> observe() override {
    if (const auto error = world_.broken(FakePart::kBalancer)) return *error;
    BalancerView view;
    for (const auto& [key, route] : world_.routes_) {
      view.routes[key] = route;
      ServiceAddress address{key, {}};
      for (const Port& port : route.ports) address.endpoints.push_back({port.name, key.unit + ".fake", port.number});
      view.addresses[key] = std::move(address);
    }
    view.sessions = world_.open_sessions();
    return world_.seen(FakePart::kBalancer, world_.past_balancer_, std::move(view));
  }

  Status serve(const Route& route) override {
    if (const auto error = world_.broken(FakePart::kBalancer)) return *error;
    std::int32_t sum = 0;
    for (const Backend& backend : route.backends) sum += backend.percent;
    if (sum != 100) return invalid("route of " + route.key.unit + ": its percents sum to " + std::to_string(sum));
    const auto found = world_.routes_.find(route.key);
    if (found != world_.routes_.end()) world_.leave(found->second, &route, drain_limit_);
    world_.routes_[route.key] = route;
    ++world_.counts_["serve"];
    return {};
  }

  Status unserve(const TrafficKey& key) override {
    if (const auto error = world_.broken(FakePart::kBalancer)) return *error;
    const auto found = world_.routes_.find(key);
    if (found == world_.routes_.end()) return {};
    world_.leave(found->second, nullptr, drain_limit_);
    world_.routes_.erase(found);
    ++world_.counts_["unserve"];
    return {};
  }

 private:
  FakeWorld& world_;
  Duration drain_limit_;
};

Domain FakeWorld::open(const DomainSettings& settings, const std::string& owner) {
  Domain domain;
  domain.settings = settings;
  domain.scheduler = std::make_unique<FakeScheduler>(*this, owner);
  domain.memory = std::make_unique<FakeMemory>(*this);
  domain.discovery = std::make_unique<FakeDiscovery>(*this);
  if (settings.balancer == "none")
    domain.balancer_absent_reason = "`balancer: none`; weights are only reported";
  else
    domain.balancer = std::make_unique<FakeBalancer>(*this, settings.drain_limit);
  return domain;
}

}  // namespace nelson
