#include <algorithm>
#include <filesystem>

#include "tests/simulation/run.h"

namespace nelson::simulation {

using std::chrono::minutes;
using std::chrono::seconds;

// ---- what happens

void Simulation::happen(const Event& event) {
  say("event " + name_of_kind(event.kind) + ' ' + std::to_string(event.a) + ' ' + std::to_string(event.b) + ' ' +
      std::to_string(event.c));
  if (outside_.happen(event)) {
    if (event.kind == Kind::kScale) {
      ripen(kAfterScale);
      for (const Event& ripe : std::exchange(ripe_, {})) happen(ripe);
    }
    static const std::map<Kind, Meeting> kMeetings = {{Kind::kBreak, Meeting::kGitUnreadable},
                                                      {Kind::kHostDown, Meeting::kGitUnreadable},
                                                      {Kind::kForceBack, Meeting::kGitBack},
                                                      {Kind::kControlBack, Meeting::kControlBack},
                                                      {Kind::kSick, Meeting::kSick},
                                                      {Kind::kCrashing, Meeting::kSick},
                                                      {Kind::kKillInstance, Meeting::kLostInstance},
                                                      {Kind::kLoseStack, Meeting::kLostInstance},
                                                      {Kind::kReboot, Meeting::kReboot},
                                                      {Kind::kAnotherHand, Meeting::kAnotherHand}};
    if (const auto found = kMeetings.find(event.kind); found != kMeetings.end()) {
      meet_from_now(found->second, event.kind == Kind::kControlBack ? minutes(60) : minutes(10));
      ++outcome_.faults;
    }
    if (outside_.git().has_news() && told_) poll();  // a webhook; else the next poll brings it
    return wake();
  }
  ++outcome_.faults;
  const auto domain = [&] {
    const auto& domains = outside_.git().control().domains;
    return std::next(domains.begin(), event.a % static_cast<std::ptrdiff_t>(domains.size()))->first;
  };
  switch (event.kind) {
    case Kind::kWallJump:
      if (!process_) break;
      wall_offset_ += minutes(event.a);
      meet_from_now(Meeting::kWallJump, minutes(10));  // so long removals may be held
      break;
    case Kind::kSuspend:
      meet_from_now(Meeting::kSuspend, minutes(1 + event.a));
      try {
        advance_to(std::min(outside_.now() + minutes(event.a), calm_at_));
      } catch (const ControllerDied&) {
        die();
      }
      break;
    case Kind::kKill:
      if (process_) die();
      break;
    case Kind::kCutOff:
      for (int repository = 0; repository < scenario_.shape.repositories; ++repository)
        static_cast<void>(outside_.happen({outside_.now(), Kind::kHostDown, repository}));
      if (process_) die();
      break;
    case Kind::kLoseStore:
      if (process_) die();
      std::filesystem::remove_all(folder_);
      checker_.store_replaced();
      meet_from_now(Meeting::kStoreLost);
      break;
    case Kind::kBreakLock:
      outside_.world(domain()).break_lock();
      break;
    case Kind::kPart: {
      const auto part = static_cast<Part>(event.b % static_cast<int>(kParts));
      silent_until_[{domain(), part}] = outside_.now() + seconds(event.c);
      break;
    }
    case Kind::kStale:
      stale_reads_[{domain(), static_cast<Part>(event.b % static_cast<int>(kParts))}] = {5, 1 + event.c};
      wake();
      break;
    case Kind::kMissedNews:
      ++missed_news_;
      break;
    default:
      armed_.push_back(event);
  }
}

// ---- faults at their moments

Fault Simulation::choose(const std::string& call) {
  if (current_ == nullptr) {
    if (!call.ends_with(".observe")) return Fault::kNone;
    const auto silent = silent_until_.find(asked_);
    return silent != silent_until_.end() && outside_.now() < silent->second ? Fault::kFails : Fault::kNone;
  }
  const Fault fault = choose_for_write();
  current_ = nullptr;
  return fault;
}

Fault Simulation::choose_for_write() {
  ++hooked_writes_;
  if (hooks_.on_write)
    if (const Fault fault = hooks_.on_write(hooked_writes_); fault != Fault::kNone) return fault;
  const std::size_t action = current_action();
  const auto armed = std::find_if(armed_.begin(), armed_.end(), [&](const Event& event) {
    return event.kind == Kind::kCall && static_cast<std::size_t>(event.b) % kActions.size() == action;
  });
  if (armed == armed_.end()) return Fault::kNone;
  const auto fault = static_cast<Fault>(armed->a);
  armed_.erase(armed);
  static const std::map<Fault, Meeting> kMeetings = {
      {Fault::kFails, Meeting::kCallFails},           {Fault::kAnswerLost, Meeting::kCallAnswerLost},
      {Fault::kConflict, Meeting::kCallConflict},     {Fault::kLate, Meeting::kCallLate},
      {Fault::kDiesBefore, Meeting::kDiesBeforeCall}, {Fault::kDiesAfter, Meeting::kDiesAfterCall}};
  outcome_.matrix.hit(kMeetings.at(fault), kActions[action]);
  return fault;
}

Duration Simulation::take_hang(const std::string& domain) {
  const auto batch = batch_.extract(domain);
  const auto& domains = outside_.git().control().domains;
  const auto armed = std::find_if(armed_.begin(), armed_.end(), [&](const Event& event) {
    if (event.kind != Kind::kHang) return false;
    if (std::next(domains.begin(), event.a % static_cast<std::ptrdiff_t>(domains.size()))->first != domain) return false;
    const auto action = static_cast<std::size_t>(event.b) % (kActions.size() + 1);
    if (batch.empty()) return action == kActions.size();
    return std::find(batch.mapped().begin(), batch.mapped().end(), action) != batch.mapped().end();
  });
  if (armed == armed_.end()) return Duration(0);
  const Duration length = seconds(1 + armed->c);
  armed_.erase(armed);
  if (!batch.empty())
    for (const std::size_t action : batch.mapped()) outcome_.matrix.hit(Meeting::kHangs, kActions[action]);
  return length;
}

CommitFault Simulation::commits(CommitKind kind, const std::vector<JournalEntry>& entries) {
  if (hooks_.on_commit) return hooks_.on_commit(outcome_.commits + 1);
  const auto about = [&](int action) {
    if (kind != CommitKind::kIntent && kind != CommitKind::kOutcome) return true;
    return std::any_of(entries.begin(), entries.end(), [&](const JournalEntry& entry) {
      return action_index(entry.effect) == static_cast<std::size_t>(action) % kActions.size();
    });
  };
  const auto armed = std::find_if(armed_.begin(), armed_.end(), [&](const Event& event) {
    return event.kind == Kind::kCommit && event.a == static_cast<int>(kind) && about(event.c);
  });
  if (armed == armed_.end()) return CommitFault::kNone;
  const auto fault = static_cast<CommitFault>(armed->b);
  armed_.erase(armed);
  if (kind == CommitKind::kPass && fault == CommitFault::kFull) meet_from_now(Meeting::kPassFull, Duration(0));
  static const std::map<std::pair<CommitKind, CommitFault>, Meeting> kMeetings = {
      {{CommitKind::kIntent, CommitFault::kFull}, Meeting::kIntentFull},
      {{CommitKind::kIntent, CommitFault::kFails}, Meeting::kIntentFails},
      {{CommitKind::kIntent, CommitFault::kDiesBefore}, Meeting::kIntentDiesBefore},
      {{CommitKind::kIntent, CommitFault::kDiesAfter}, Meeting::kIntentDiesAfter},
      {{CommitKind::kIntent, CommitFault::kAnswerLost}, Meeting::kIntentAnswerLost},
      {{CommitKind::kOutcome, CommitFault::kFails}, Meeting::kOutcomeFails},
      {{CommitKind::kOutcome, CommitFault::kDiesBefore}, Meeting::kOutcomeDiesBefore},
      {{CommitKind::kOutcome, CommitFault::kDiesAfter}, Meeting::kOutcomeDiesAfter},
      {{CommitKind::kOutcome, CommitFault::kAnswerLost}, Meeting::kOutcomeAnswerLost}};
  if (const auto found = kMeetings.find({kind, fault}); found != kMeetings.end())
    for (const JournalEntry& entry : entries) outcome_.matrix.hit(found->second, entry.effect);
  return fault;
}

void Simulation::committed(CommitKind kind, bool wrote) {
  if (wrote) say("  commit " + std::to_string(static_cast<int>(kind)));
  if (wrote) ++outcome_.commits;
  trace_.add(static_cast<std::uint64_t>(kind), wrote);
}

void Simulation::intended(const std::vector<JournalEntry>& entries) {
  std::vector<Intent> intents;
  for (const JournalEntry& entry : entries) {
    intents.push_back({entry.sequence, entry.domain, entry.unit, entry.stack, entry.effect, last_pass_});
    batch_[entry.domain].push_back(action_index(entry.effect));
    meet_conditions(entry);
    if (entry.effect != "claim") begun_.push_back(entry.domain + ' ' + entry.effect + ' ' + entry.stack);
    ++outcome_.actions[entry.effect];
    ripen(static_cast<int>(action_index(entry.effect)));
    trace_.add(entry.effect, entry.stack, entry.sequence);
  }
  checker_.intended(std::move(intents));
}

/// What was wrong when this action was begun.
void Simulation::meet_conditions(const JournalEntry& entry) {
  Matrix& matrix = outcome_.matrix;
  static constexpr std::array kStale{Meeting::kStaleScheduler, Meeting::kStaleMemory, Meeting::kStaleDiscovery,
                                     Meeting::kStaleBalancer};
  static constexpr std::array kSilent{Meeting::kSilentScheduler, Meeting::kSilentScheduler, Meeting::kSilentDiscovery,
                                      Meeting::kSilentBalancer};
  const auto& seen = seen_[entry.domain];
  for (std::size_t part = 0; part < seen.size(); ++part) {
    if (seen[part].second) matrix.hit(kStale[part], entry.effect);
    if (!seen[part].first && part != static_cast<std::size_t>(Part::kMemory) && (part != 3 || scenario_.shape.balancer))
      matrix.hit(kSilent[part], entry.effect);
  }
  for (const auto& [meeting, until] : meeting_until_)
    if (outside_.now() <= until) matrix.hit(meeting, entry.effect);
}

void Simulation::settled(const std::vector<std::uint64_t>& sequences, bool unknown) {
  checker_.settled(sequences);
  for (const std::uint64_t sequence : sequences) trace_.add(sequence, unknown);
}

}  // namespace nelson::simulation
