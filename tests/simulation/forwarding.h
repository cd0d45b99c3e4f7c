#pragma once

#include <memory>
#include <utility>

#include "controller/domains/domain.h"
#include "state/store.h"

namespace nelson::simulation {

// What passes every call on: wrappers override the few that they change.

/// `inner` behind a Wrapper, which owns it.
template <class Wrapper, class Part, class... More>
std::unique_ptr<Part> wrapped(std::unique_ptr<Part> inner, More&&... more) {
  return std::make_unique<Wrapper>(std::move(inner), std::forward<More>(more)...);
}

class ForwardingStore : public Store {
 public:
  explicit ForwardingStore(std::unique_ptr<Store> inner) : inner_(std::move(inner)) {}

  std::string rebuilt() const override { return inner_->rebuilt(); }
  std::optional<RefusedStart> refused_start() const override { return inner_->refused_start(); }
  Status intend(std::vector<JournalEntry>& entries) override { return inner_->intend(entries); }
  Status settle(std::span<const Settlement> settlements, Instant now) override { return inner_->settle(settlements, now); }
  Result<std::vector<JournalEntry>> open_intents() const override { return inner_->open_intents(); }
  Status settle_unknown(std::span<const std::uint64_t> sequences, Instant now) override {
    return inner_->settle_unknown(sequences, now);
  }
  Result<std::vector<JournalEntry>> history(const std::string& stack, std::uint64_t before, std::size_t limit) const override {
    return inner_->history(stack, before, limit);
  }
  Status record_pass(const Desired& desired, const Observed& observed, Instant now, const std::string& plan_digest) override {
    return inner_->record_pass(desired, observed, now, plan_digest);
  }
  Result<ReplayedPass> replay(std::uint64_t pass) const override { return inner_->replay(pass); }
  Result<std::vector<PassRecord>> passes() const override { return inner_->passes(); }
  std::uint64_t last_pass() const override { return inner_->last_pass(); }
  Result<std::map<std::string, Instant>> first_seen(const std::vector<std::string>& subjects, Instant now) override {
    return inner_->first_seen(subjects, now);
  }
  std::optional<Instant> last_instant() const override { return inner_->last_instant(); }
  Counters counters() const override { return inner_->counters(); }
  std::vector<std::string> damages() const override { return inner_->damages(); }

 protected:
  std::unique_ptr<Store> inner_;
};

class ForwardingScheduler : public Scheduler {
 public:
  explicit ForwardingScheduler(std::unique_ptr<Scheduler> inner) : inner_(std::move(inner)) {}

  Result<std::string> render(const Launch& launch, std::string_view guid) const override { return inner_->render(launch, guid); }
  Result<SchedulerView> observe() override { return inner_->observe(); }
  Status ensure_present(const Submission& submission) override { return inner_->ensure_present(submission); }
  Status ensure_absent(const std::string& stack, std::uint32_t incarnation) override {
    return inner_->ensure_absent(stack, incarnation);
  }

 protected:
  std::unique_ptr<Scheduler> inner_;
};

class ForwardingMemory : public Memory {
 public:
  explicit ForwardingMemory(std::unique_ptr<Memory> inner) : inner_(std::move(inner)) {}

  Result<MemoryView> observe() override { return inner_->observe(); }
  Status put(const StackRecord& record) override { return inner_->put(record); }
  Status put(const TrafficRecord& record) override { return inner_->put(record); }
  Status put(const Claim& claim) override { return inner_->put(claim); }
  Status drop(const TrafficKey& key) override { return inner_->drop(key); }
  Status lock(std::string_view holder) override { return inner_->lock(holder); }
  bool holds_lock() const override { return inner_->holds_lock(); }

 protected:
  std::unique_ptr<Memory> inner_;
};

}  // namespace nelson::simulation
