#include "tests/simulation/disk.h"

#include <algorithm>
#include <optional>

#include "controller/domains/faulty.h"
#include "tests/simulation/forwarding.h"

namespace nelson::simulation {
namespace {

class FaultyStore final : public ForwardingStore {
 public:
  FaultyStore(std::unique_ptr<Store> inner, Disk& disk) : ForwardingStore(std::move(inner)), disk_(disk) {}

  Status intend(std::vector<JournalEntry>& entries) override {
    return commit(CommitKind::kIntent, entries, [&] {
      Status status = inner_->intend(entries);
      if (status) {
        disk_.intended(entries);
        open_.insert(open_.end(), entries.begin(), entries.end());
      }
      return status;
    });
  }
  Status settle(std::span<const Settlement> settlements, Instant now) override {
    std::vector<std::uint64_t> sequences;
    for (const Settlement& settlement : settlements) sequences.push_back(settlement.sequence);
    return finish(CommitKind::kOutcome, sequences, [&] { return inner_->settle(settlements, now); });
  }
  Status settle_unknown(std::span<const std::uint64_t> sequences, Instant now) override {
    return finish(CommitKind::kUnknown, {sequences.begin(), sequences.end()},
                  [&] { return inner_->settle_unknown(sequences, now); });
  }
  Status record_pass(const Desired& desired, const Observed& observed, Instant now, const std::string& plan_digest) override {
    return commit(CommitKind::kPass, {}, [&] { return inner_->record_pass(desired, observed, now, plan_digest); });
  }
  Result<std::map<std::string, Instant>> first_seen(const std::vector<std::string>& subjects, Instant now) override {
    std::optional<Result<std::map<std::string, Instant>>> answer;
    if (Status written = commit(CommitKind::kSeen, {},
                                [&]() -> Status {
                                  answer = inner_->first_seen(subjects, now);
                                  return *answer ? Status() : Status(answer->error());
                                });
        !written)
      return written.error();
    return *answer;
  }

 private:
  template <class Perform>
  Status commit(CommitKind kind, const std::vector<JournalEntry>& entries, Perform attempt) {
    const auto perform = [&] {
      const std::uint64_t before = inner_->counters().commits;
      Status status = attempt();
      disk_.committed(kind, inner_->counters().commits != before);
      return status;
    };
    switch (disk_.commits(kind, entries)) {
      case CommitFault::kNone:
        return perform();
      case CommitFault::kFull:
        return unavailable("the disk is nearly full (scripted)");
      case CommitFault::kFails:
        return internal("the disk failed (scripted)");
      case CommitFault::kDiesBefore:
        throw ControllerDied{"commit"};
      case CommitFault::kDiesAfter:
        static_cast<void>(perform().ok());
        throw ControllerDied{"commit"};
      case CommitFault::kAnswerLost:
        static_cast<void>(perform().ok());
        return internal("the sync failed after the write (scripted)");
    }
    return perform();
  }

  template <class Perform>
  Status finish(CommitKind kind, std::vector<std::uint64_t> sequences, Perform perform) {
    std::vector<JournalEntry> entries;
    for (const JournalEntry& entry : open_)
      if (std::find(sequences.begin(), sequences.end(), entry.sequence) != sequences.end()) entries.push_back(entry);
    return commit(kind, entries, [&] {
      Status status = perform();
      if (status) {
        disk_.settled(sequences, kind == CommitKind::kUnknown);
        std::erase_if(open_, [&](const JournalEntry& entry) {
          return std::find(sequences.begin(), sequences.end(), entry.sequence) != sequences.end();
        });
      }
      return status;
    });
  }

  Disk& disk_;
  std::vector<JournalEntry> open_;
};

}  // namespace

std::unique_ptr<Store> on_disk(std::unique_ptr<Store> store, Disk& disk) {
  return std::make_unique<FaultyStore>(std::move(store), disk);
}

}  // namespace nelson::simulation
