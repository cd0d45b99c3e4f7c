#include "tests/simulation/hands.h"

#include <utility>

namespace nelson::simulation {
namespace {

/// One part of a domain, and who is told.
template <class Inner>
class Door {
 public:
  Door(std::string domain, Part part, std::unique_ptr<Inner> inner, Listener& listener)
      : inner_(std::move(inner)), domain_(std::move(domain)), part_(part), listener_(listener) {}

 protected:
  auto ask() {
    listener_.asks(domain_, part_);
    auto view = inner_->observe();
    listener_.answered(domain_, part_, view.ok());
    return view;
  }
  template <class Perform>
  Status write(const Write& write, Perform perform) {
    listener_.writes(domain_, write);
    Status status = perform();
    listener_.wrote(domain_, write, status);
    return status;
  }

  std::unique_ptr<Inner> inner_;

 private:
  std::string domain_;
  Part part_;
  Listener& listener_;
};

class SchedulerDoor final : public Scheduler, Door<Scheduler> {
 public:
  using Door::Door;
  Result<std::string> render(const Launch& launch, std::string_view guid) const override { return inner_->render(launch, guid); }
  Result<SchedulerView> observe() override { return ask(); }
  Status ensure_present(const Submission& submission) override {
    return write(Start{submission.stack, submission.incarnation, submission.count, submission.document},
                 [&] { return inner_->ensure_present(submission); });
  }
  Status ensure_absent(const std::string& stack, std::uint32_t incarnation) override {
    return write(Stop{stack, incarnation}, [&] { return inner_->ensure_absent(stack, incarnation); });
  }
};

class MemoryDoor final : public Memory, Door<Memory> {
 public:
  using Door::Door;
  Result<MemoryView> observe() override { return ask(); }
  Status put(const StackRecord& record) override { return put_any(record); }
  Status put(const TrafficRecord& record) override { return put_any(record); }
  Status put(const Claim& claim) override { return put_any(claim); }
  Status drop(const TrafficKey& key) override {
    return write(Drop{key}, [&] { return inner_->drop(key); });
  }
  Status lock(std::string_view holder) override { return inner_->lock(holder); }
  bool holds_lock() const override { return inner_->holds_lock(); }

 private:
  template <class Record>
  Status put_any(const Record& record) {
    return write(record, [&] { return inner_->put(record); });
  }
};

class DiscoveryDoor final : public Discovery, Door<Discovery> {
 public:
  using Door::Door;
  Result<DiscoveryView> observe() override { return ask(); }
  Status publish(const std::string& stack, const std::string& payload) override {
    return write(Publication{stack, payload}, [&] { return inner_->publish(stack, payload); });
  }
  Status unpublish(const std::string& stack) override {
    return write(Unpublication{stack}, [&] { return inner_->unpublish(stack); });
  }
};

class BalancerDoor final : public Balancer, Door<Balancer> {
 public:
  using Door::Door;
  Result<BalancerView> observe() override { return ask(); }
  Status serve(const Route& route) override {
    return write(route, [&] { return inner_->serve(route); });
  }
  Status unserve(const TrafficKey& key) override {
    return write(Unroute{key}, [&] { return inner_->unserve(key); });
  }
};

}  // namespace

Domain listened(Domain domain, Listener& listener) {
  const std::string& name = domain.settings.name;
  domain.scheduler = std::make_unique<SchedulerDoor>(name, Part::kScheduler, std::move(domain.scheduler), listener);
  domain.memory = std::make_unique<MemoryDoor>(name, Part::kMemory, std::move(domain.memory), listener);
  domain.discovery = std::make_unique<DiscoveryDoor>(name, Part::kDiscovery, std::move(domain.discovery), listener);
  if (domain.balancer)
    domain.balancer = std::make_unique<BalancerDoor>(name, Part::kBalancer, std::move(domain.balancer), listener);
  return domain;
}

}  // namespace nelson::simulation
