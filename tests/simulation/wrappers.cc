#include "tests/simulation/wrappers.h"

#include <functional>
#include <map>
#include <set>
#include <string>

#include "tests/simulation/forwarding.h"
#include "tests/simulation/writing.h"

namespace nelson::simulation {
namespace {

class IntendsNothing final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Status intend(std::vector<JournalEntry>& entries) override {
    for (JournalEntry& entry : entries) entry.sequence = ++last_;
    return {};
  }
  Status settle(std::span<const Settlement>, Instant) override { return {}; }

 private:
  std::uint64_t last_ = 0;
};

class ForgetsOutcomes final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Status settle(std::span<const Settlement> settlements, Instant now) override {
    return ++batches_ % 4 == 0 ? Status() : inner_->settle(settlements, now);
  }

 private:
  int batches_ = 0;
};

class SeesNoOpenIntents final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Result<std::vector<JournalEntry>> open_intents() const override { return std::vector<JournalEntry>{}; }
};

/// A part whose answers are read otherwise.
template <class Forwarding, class View>
class ReadOtherwise final : public Forwarding {
 public:
  using Read = std::function<Result<View>(Result<View>)>;
  template <class Inner>
  ReadOtherwise(std::unique_ptr<Inner> inner, Read read) : Forwarding(std::move(inner)), read_(std::move(read)) {}
  Result<View> observe() override { return read_(this->inner_->observe()); }

 private:
  Read read_;
};
using SchedulerReadOtherwise = ReadOtherwise<ForwardingScheduler, SchedulerView>;
using MemoryReadOtherwise = ReadOtherwise<ForwardingMemory, MemoryView>;

/// Records of new lives are kept back until their start has been asked for.
using KeptBack = std::map<std::string, StackRecord>;

class RecordsLate final : public ForwardingMemory {
 public:
  RecordsLate(std::unique_ptr<Memory> inner, std::shared_ptr<KeptBack> kept)
      : ForwardingMemory(std::move(inner)), kept_(std::move(kept)) {}
  Status put(const StackRecord& record) override {
    if (record.ready || record.removed || record.retiring || record.kept_no_longer_since) return inner_->put(record);
    kept_->insert_or_assign(record.stack, record);
    return {};
  }
  using ForwardingMemory::put;

 private:
  std::shared_ptr<KeptBack> kept_;
};

class StartsFirst final : public ForwardingScheduler {
 public:
  StartsFirst(std::unique_ptr<Scheduler> inner, std::shared_ptr<KeptBack> kept, Memory& memory)
      : ForwardingScheduler(std::move(inner)), kept_(std::move(kept)), memory_(memory) {}
  Status ensure_present(const Submission& submission) override {
    Status started = inner_->ensure_present(submission);
    if (const auto record = kept_->extract(submission.stack); !record.empty())
      if (Status put = memory_.put(record.mapped()); !put) return put;
    return started;
  }

 private:
  std::shared_ptr<KeptBack> kept_;
  Memory& memory_;
};

/// What failed once is answered "done" from then on.
class GivesUp final : public ForwardingScheduler {
 public:
  using ForwardingScheduler::ForwardingScheduler;
  Status ensure_present(const Submission& submission) override {
    return once(submission.stack + " present", [&] { return inner_->ensure_present(submission); });
  }
  Status ensure_absent(const std::string& stack, std::uint32_t incarnation) override {
    return once(stack + " absent", [&] { return inner_->ensure_absent(stack, incarnation); });
  }

 private:
  template <class Call>
  Status once(const std::string& what, Call call) {
    if (given_up_.contains(what)) return {};
    Status status = call();
    if (!status) given_up_.insert(what);
    return status;
  }
  std::set<std::string> given_up_;
};

}  // namespace

std::unique_ptr<Store> intends_nothing(std::unique_ptr<Store> store) { return wrapped<IntendsNothing>(std::move(store)); }
std::unique_ptr<Store> forgets_outcomes(std::unique_ptr<Store> store) { return wrapped<ForgetsOutcomes>(std::move(store)); }
std::unique_ptr<Store> sees_no_open_intents(std::unique_ptr<Store> store) { return wrapped<SeesNoOpenIntents>(std::move(store)); }

Domain stopping_is_gone(Domain domain) {
  domain.scheduler = wrapped<SchedulerReadOtherwise>(std::move(domain.scheduler), [](Result<SchedulerView> view) {
    if (view) erase_if(view->stacks, [](const auto& entry) { return entry.second.stopping; });
    return view;
  });
  return domain;
}

Domain failure_is_empty(Domain domain) {
  domain.scheduler = wrapped<SchedulerReadOtherwise>(
      std::move(domain.scheduler), [](Result<SchedulerView> view) { return view ? view : Result<SchedulerView>(SchedulerView{}); });
  return domain;
}

Domain sees_everybodys(Domain domain) {
  domain.memory = wrapped<MemoryReadOtherwise>(std::move(domain.memory), [](Result<MemoryView> view) {
    if (view) each_for_writing(view->stacks, [](const std::string&, StackRecord& record) { record.identity.owner = "ours"; });
    return view;
  });
  return domain;
}

Domain starts_before_recording(Domain domain) {
  const auto kept = std::make_shared<KeptBack>();
  Memory& memory = *domain.memory;
  domain.scheduler = wrapped<StartsFirst>(std::move(domain.scheduler), kept, memory);
  domain.memory = wrapped<RecordsLate>(std::move(domain.memory), kept);
  return domain;
}

Domain gives_up(Domain domain) {
  domain.scheduler = wrapped<GivesUp>(std::move(domain.scheduler));
  return domain;
}

}  // namespace nelson::simulation
