#include "controller/domains/faulty.h"

#include <optional>
#include <utility>

namespace nelson {

Fault Faults::next(const std::string& call) {
  calls_.push_back(call);
  const int number = static_cast<int>(calls_.size());
  const int n = ++counts_[call];
  if (const auto found = numbered_.find(number); found != numbered_.end()) return found->second;
  if (const auto named = named_.find(call); named != named_.end())
    if (const auto found = named->second.find(n); found != named->second.end()) return found->second;
  return choose_ ? choose_(number, call) : Fault::kNone;
}

namespace {

Error scripted(Fault fault, const std::string& call) {
  return fault == Fault::kConflict ? conflict(call + ": the world moved (scripted)") : unavailable(call + ": no answer (scripted)");
}

/// Performs one call with this fault.
template <class Answer, class Perform>
Answer with(Fault fault, const Faults& faults, const std::string& call, Perform&& perform) {
  switch (fault) {
    case Fault::kNone:
    case Fault::kStale:
      return perform();
    case Fault::kFails:
    case Fault::kConflict:
      return scripted(fault, call);
    case Fault::kLate:
      faults.late();
      return perform();
    case Fault::kAnswerLost:
      static_cast<void>(perform().ok());
      return scripted(fault, call);
    case Fault::kDiesBefore:
      throw ControllerDied{call};
    case Fault::kDiesAfter:
      static_cast<void>(perform().ok());
      throw ControllerDied{call};
  }
  return perform();
}

/// Performs one call as the script wants it.
template <class Answer, class Perform>
Answer through(Faults& faults, const std::string& call, Perform&& perform) {
  return with<Answer>(faults.next(call), faults, call, std::forward<Perform>(perform));
}

/// The same of an observation, which can also be the last one again.
template <class View>
class Sight {
 public:
  template <class Perform>
  Result<View> look(Faults& faults, const std::string& call, Perform&& perform) {
    const Fault fault = faults.next(call);
    if (fault == Fault::kStale && last_) return *last_;
    Result<View> seen = with<Result<View>>(fault, faults, call, std::forward<Perform>(perform));
    if (seen) last_ = *seen;
    return seen;
  }

 private:
  std::optional<View> last_;
};

class FaultyScheduler final : public Scheduler {
 public:
  FaultyScheduler(std::unique_ptr<Scheduler> inner, std::shared_ptr<Faults> faults)
      : inner_(std::move(inner)), faults_(std::move(faults)) {}

  Result<std::string> render(const Launch& launch, std::string_view guid) const override { return inner_->render(launch, guid); }
  Result<SchedulerView> observe() override {
    return sight_.look(*faults_, "scheduler.observe", [&] { return inner_->observe(); });
  }
  Status ensure_present(const Submission& submission) override {
    return through<Status>(*faults_, "scheduler.ensure_present", [&] { return inner_->ensure_present(submission); });
  }
  Status ensure_absent(const std::string& stack, std::uint32_t incarnation) override {
    return through<Status>(*faults_, "scheduler.ensure_absent", [&] { return inner_->ensure_absent(stack, incarnation); });
  }

 private:
  std::unique_ptr<Scheduler> inner_;
  std::shared_ptr<Faults> faults_;
  Sight<SchedulerView> sight_;
};

class FaultyMemory final : public Memory {
 public:
  FaultyMemory(std::unique_ptr<Memory> inner, std::shared_ptr<Faults> faults)
      : inner_(std::move(inner)), faults_(std::move(faults)) {}

  Result<MemoryView> observe() override {
    return sight_.look(*faults_, "memory.observe", [&] { return inner_->observe(); });
  }
  Status put(const StackRecord& record) override { return put_any(record); }
  Status put(const TrafficRecord& record) override { return put_any(record); }
  Status put(const Claim& claim) override { return put_any(claim); }
  Status drop(const TrafficKey& key) override {
    return through<Status>(*faults_, "memory.drop", [&] { return inner_->drop(key); });
  }
  Status lock(std::string_view holder) override {
    return through<Status>(*faults_, "memory.lock", [&] { return inner_->lock(holder); });
  }
  bool holds_lock() const override { return inner_->holds_lock(); }

 private:
  template <class Record>
  Status put_any(const Record& record) {
    return through<Status>(*faults_, "memory.put", [&] { return inner_->put(record); });
  }

  std::unique_ptr<Memory> inner_;
  std::shared_ptr<Faults> faults_;
  Sight<MemoryView> sight_;
};

class FaultyDiscovery final : public Discovery {
 public:
  FaultyDiscovery(std::unique_ptr<Discovery> inner, std::shared_ptr<Faults> faults)
      : inner_(std::move(inner)), faults_(std::move(faults)) {}

  Result<DiscoveryView> observe() override {
    return sight_.look(*faults_, "discovery.observe", [&] { return inner_->observe(); });
  }
  Status publish(const std::string& stack, const std::string& payload) override {
    return through<Status>(*faults_, "discovery.publish", [&] { return inner_->publish(stack, payload); });
  }
  Status unpublish(const std::string& stack) override {
    return through<Status>(*faults_, "discovery.unpublish", [&] { return inner_->unpublish(stack); });
  }

 private:
  std::unique_ptr<Discovery> inner_;
  std::shared_ptr<Faults> faults_;
  Sight<DiscoveryView> sight_;
};

class FaultyBalancer final : public Balancer {
 public:
  FaultyBalancer(std::unique_ptr<Balancer> inner, std::shared_ptr<Faults> faults)
      : inner_(std::move(inner)), faults_(std::move(faults)) {}

  Result<BalancerView> observe() override {
    return sight_.look(*faults_, "balancer.observe", [&] { return inner_->observe(); });
  }
  Status serve(const Route& route) override {
    return through<Status>(*faults_, "balancer.serve", [&] { return inner_->serve(route); });
  }
  Status unserve(const TrafficKey& key) override {
    return through<Status>(*faults_, "balancer.unserve", [&] { return inner_->unserve(key); });
  }

 private:
  std::unique_ptr<Balancer> inner_;
  std::shared_ptr<Faults> faults_;
  Sight<BalancerView> sight_;
};

}  // namespace

Domain with_faults(Domain domain, std::shared_ptr<Faults> faults) {
  domain.scheduler = std::make_unique<FaultyScheduler>(std::move(domain.scheduler), faults);
  domain.memory = std::make_unique<FaultyMemory>(std::move(domain.memory), faults);
  domain.discovery = std::make_unique<FaultyDiscovery>(std::move(domain.discovery), faults);
  if (domain.balancer) domain.balancer = std::make_unique<FaultyBalancer>(std::move(domain.balancer), faults);
  return domain;
}

}  // namespace nelson
