#include "tests/simulation/checker.h"

#include <algorithm>

namespace nelson::simulation {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

/// Instants are stamped with the pass's time, and a pass takes some.
constexpr Duration kSlack = seconds(2);

bool listed(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

int share(const TrafficRecord& record, const std::vector<std::string>& stacks) {
  int sum = 0;
  for (const std::string& stack : stacks) sum += percent_of(record, stack);
  return sum;
}

/// Whether new requests may reach the stack: while a course is under way also what it leads to or from at 0 percent.
bool behind(const TrafficRecord& record, const std::string& stack) {
  const bool named = std::any_of(record.weights.begin(), record.weights.end(), [&](const Weight& w) { return w.stack == stack; });
  return named && (percent_of(record, stack) > 0 || share(record, record.target) != 100);
}

bool well(const Running* running, const StackRecord& record) {
  if (running == nullptr || running->stopping) return false;
  if (record.identity.spec.health_checks.empty()) return true;  // by time alone; the checker leaves that to the planner's own tests
  int good = 0;
  for (const Instance& instance : running->instances)
    good += instance.state == InstanceState::kRunning && instance.health == Health::kPassing ? 1 : 0;
  return 2 * good > std::max(running->count, 1);
}

Duration interval_of(const TrafficShift& shift) {
  return std::min(std::max(shift.duration / 100, Duration(seconds(1))), std::max(shift.duration, Duration(1)));
}

}  // namespace

void Checker::report(const std::string& invariant, const std::string& what, Duration at) {
  std::optional<Violation>& place = writing_ ? pending_ : violation_;
  if (!place) place = Violation{invariant, what, at};
}

void Checker::check(bool holds, const char* invariant, const std::string& what) {
  ++looks_[invariant];
  if (!holds) report(invariant, what, at_);
}

void Checker::desired_is(const std::shared_ptr<const Desired>& desired, Duration at) {
  if (desired_)
    for (const auto& [where, wanted] : wanted_)
      if (is_needed(where.first, where.second)) lives_[where].needed = at;
  desired_ = desired;
  desired_at_ = at;
  wanted_.clear();
  patches_.clear();
  for (const auto& [key, cell] : desired->cells) {
    const DomainSettings* settings = at_or_null(desired->domains, key.domain);
    if (settings == nullptr || settings->leaving) continue;
    for (const DesiredStack& stack : cell.stacks) {
      const Identity identity{desired->owner, key.domain,    stack.name_space, stack.repository, key.unit,
                              stack.plan,     stack.version, stack.artifact,   stack.generation, stack.spec};
      (stack.patch ? patches_ : wanted_)[{key.domain, stack_name(identity)}] = {
          key.unit, stack.name_space, stack.plan, stack.repository, stack.version, &stack, cell.claimants.size() > 1};
    }
  }
  wrote_ = true;
}

const Checker::Wanted* Checker::wanted(const std::string& domain, const std::string& stack) const {
  return at_or_null(wanted_, {domain, stack});
}

const Checker::Wanted* Checker::patch(const std::string& domain, const std::string& stack, const FakeTruth& truth) const {
  const Wanted* found = at_or_null(patches_, {domain, stack});
  if (found == nullptr) return nullptr;
  const bool lives = std::any_of(truth.records.begin(), truth.records.end(), [&](const auto& entry) {
    const Identity& other = entry.second.identity;
    return live(entry.second) && other.unit == found->unit && other.name_space == found->name_space &&
           other.version.major == found->version.major;
  });
  return lives || view_is_stale(domain, Part::kMemory) ? found : nullptr;
}

/// Whether Git has a patch in the place of a stack, of its major.
bool Checker::patched(const std::string& domain, const Identity& stack) const {
  return std::any_of(patches_.begin(), patches_.end(), [&](const auto& entry) {
    const Wanted& patch = entry.second;
    return entry.first.first == domain && patch.unit == stack.unit && patch.name_space == stack.name_space &&
           patch.plan == stack.plan && patch.version.major == stack.version.major;
  });
}

void Checker::controller_starts(Duration at) { started_ = at; }
void Checker::controller_ends() { intents_.end(); }

void Checker::store_replaced() {
  intents_ = {};
  sequence_ = 0;
}

void Checker::answered(const std::string& domain, Part part, bool ok, bool stale, Duration at) {
  Evidence& evidence = evidence_[domain][static_cast<std::size_t>(part)];
  evidence.ok = ok;
  evidence.stale = stale;
  if (ok && !stale) {
    evidence.good_at = at;
    evidence.ever = true;
  }
}

bool Checker::view_is_stale(const std::string& domain, Part part) const {
  const auto* found = at_or_null(evidence_, domain);
  return found != nullptr && (*found)[static_cast<std::size_t>(part)].stale;
}

void Checker::intended(std::vector<Intent> intents) {
  for (const Intent& intent : intents) {
    at_ = intent.at;
    check(sequence_ == 0 || intent.sequence == sequence_ + 1, "I4",
          "journal entry " + std::to_string(intent.sequence) + " follows " + std::to_string(sequence_));
    sequence_ = intent.sequence;
  }
  intents_.commit(std::move(intents));
}

void Checker::settled(const std::vector<std::uint64_t>& sequences) {
  for (const std::uint64_t sequence : sequences) {
    if (sequence <= sequence_)
      check(intents_.open().contains(sequence), "I4", "journal entry " + std::to_string(sequence) + " is settled and not open");
    intents_.settle(sequence);
  }
}

void Checker::before(const std::string& domain, const Write& write, const FakeTruth& truth, Duration at) {
  at_ = at;
  pending_.reset();
  writing_ = true;
  decided_ = at;
  const Intent* intent = intents_.carry_out(domain, write);
  check(intent != nullptr, "I4", domain + ": " + describe(write) + " without an intent committed before");
  if (intent == nullptr) return;
  at_ = decided_ = intent->at;  // stamps are the pass's own
  const std::string subject = subject_of(write);
  const std::string* owner = at_or_null(truth.owners, subject);
  const StackRecord* record = at_or_null(truth.records, subject);
  check(!truth.foreign.contains(subject) && (owner == nullptr || *owner == options_.owner) &&
            (record == nullptr || record->identity.owner == options_.owner),
        "I5", domain + ": " + describe(write) + " touches what is not ours");
  std::visit([&](const auto& what) { check_write(domain, what, truth, *intent); }, write);
  std::deque<Duration>& recent = writes_[domain];
  recent.push_back(at);
  while (recent.front() + hours(1) < at) recent.pop_front();
  check(recent.size() <= options_.writes_an_hour, "I11",
        domain + ": more than " + std::to_string(recent.size()) + " writes an hour");
}

void Checker::after(const std::string& domain, const Write& write, bool done) {
  at_ = decided_;
  wrote_ = true;
  writing_ = false;
  if (!done) return;
  if (pending_ && !violation_) violation_ = pending_;
  const auto* record = std::get_if<StackRecord>(&write);
  const auto* traffic = std::get_if<TrafficRecord>(&write);
  if (const auto* start = std::get_if<Start>(&write)) lives_[{domain, start->stack}].started = decided_;
  if (record != nullptr) {
    Life& life = lives_[{domain, record->stack}];
    if (live(*record) && life.incarnation != record->incarnation) {
      life.incarnation = record->incarnation;
      life.launched = life.unkept = life.needed = decided_;
    }
    if (record->removed) {
      life.ended.insert(record->incarnation);
      life.incarnation = 0;
    }
    if (record->retiring && life.retired < Duration(0)) life.retired = decided_;
    if (!record->retiring) life.retired = Duration(-1);
    if (!record->kept_no_longer_since) life.unkept = decided_;
  }
  if (traffic != nullptr) {
    Course& course = courses_[traffic->key];
    course.stepped = decided_;
    if (traffic->steps == 0) course.begun = decided_;
  }
}

// ---- what each write may be

void Checker::check_write(const std::string& domain, const StackRecord& record, const FakeTruth& truth, const Intent&) {
  check(record.identity.owner == options_.owner && record.identity.domain == domain, "I5",
        record.stack + " is recorded as another's");
  const StackRecord* old = at_or_null(truth.records, record.stack);
  if (old == nullptr || old->removed) {
    if (!record.removed) check_launch(domain, record, old, truth);
    return;
  }
  check(old->identity == record.identity && old->incarnation == record.incarnation, "I6",
        record.stack + ": its record turns into that of another life");
  if (record.removed) {
    const Running* running = at_or_null(truth.running, record.stack);
    if (!view_is_stale(domain, Part::kScheduler)) check(running == nullptr, "I6", record.stack + " is buried while it runs");
    check(old->retiring.has_value(), "I3", record.stack + " is buried without having been retired");
    if (!view_is_stale(domain, Part::kDiscovery))
      check(!truth.published.contains(record.stack), "I5", record.stack + " is buried and what was published for it stays");
    return;
  }
  check(old->launched == record.launched, "I9", record.stack + ": the instant of its launch moves");
  check(!old->retiring || record.retiring, "I9", record.stack + ": it was retiring and is not any more");
  check(old->job_result == JobResult::kNone || record.job_result == old->job_result, "I9", record.stack + ": its result changes");
  if (!old->retiring && record.retiring) check_retirement(domain, record, truth, record.tombstone.has_value());
}

void Checker::check_launch(const std::string& domain, const StackRecord& record, const StackRecord* old, const FakeTruth& truth) {
  if (decided_ < desired_at_) return;  // a batch that hung: Git has moved on since
  const Wanted* const current = wanted(domain, record.stack);
  const Wanted* const want = current != nullptr ? current : patch(domain, record.stack, truth);
  check(want != nullptr, "I7", record.stack + " is launched and Git does not want it");
  if (want == nullptr) return;
  check(old == nullptr || old->job_result == JobResult::kNone, "I9", record.stack + " is launched again and has run");
  const Running* running = at_or_null(truth.running, record.stack);
  // On old records it could not see what stands in its place.
  if (!want->stack->fresh && !view_is_stale(domain, Part::kMemory))
    for (const auto& [name, other] : truth.records)
      check(!live(other) || name == record.stack || other.identity.unit != want->unit ||
                other.identity.name_space != want->name_space || other.identity.plan != want->plan ||
                (current == nullptr && other.identity.version.major != want->version.major),
            "I7", record.stack + " is launched on an old memory of Git in place of " + name);
  if (old != nullptr && !view_is_stale(domain, Part::kScheduler) && !view_is_stale(domain, Part::kMemory)) {
    check(running == nullptr || running->incarnation == record.incarnation, "I6",
          record.stack + " is launched again while its former life runs");
    check(record.incarnation == old->incarnation + 1 || running != nullptr, "I6",
          record.stack + ": incarnation " + std::to_string(record.incarnation) + " after " + std::to_string(old->incarnation));
  }
}

std::string Checker::claimant(const std::string& domain, const std::string& unit, const FakeTruth& truth) const {
  std::set<std::string> alive;
  for (const auto& [name, record] : truth.records) {
    if (!live(record) || record.identity.unit != unit) continue;
    for (const auto& [where, want] : wanted_)
      if (where.first == domain && want.unit == unit && want.repository == record.identity.repository)
        alive.insert(want.repository);
  }
  return alive.size() == 1 ? *alive.begin() : "";
}

bool Checker::outvoted(const std::string& domain, const Wanted& want, const FakeTruth& truth) const {
  return want.contested && claimant(domain, want.unit, truth) != want.repository;
}

std::vector<std::string> Checker::callers(const FakeTruth& truth, const StackRecord& record) const {
  std::vector<std::string> out;
  const Identity& called = record.identity;
  const TrafficRecord* traffic = at_or_null(truth.traffic, service_of(called));
  if (traffic == nullptr || !behind(*traffic, record.stack)) return out;
  for (const auto& [name, other] : truth.records) {
    if (!live(other) || name == record.stack) continue;
    const Identity& caller = other.identity;
    const bool calls =
        std::any_of(caller.spec.dependencies.begin(), caller.spec.dependencies.end(), [&](const Dependency& dependency) {
          return dependency.unit == called.unit && dependency.version.major == called.version.major;
        });
    if (!calls) continue;
    if (called.name_space == caller.name_space || above(caller.name_space, called.name_space)) {
      out.push_back(name);
      continue;
    }
    if (!above(called.name_space, caller.name_space)) continue;
    // Found above: unless something nearer is.
    const bool nearer = std::any_of(truth.traffic.begin(), truth.traffic.end(), [&](const auto& entry) {
      const TrafficKey& key = entry.first;
      return key.unit == called.unit && key.major == called.version.major && above(called.name_space, key.name_space) &&
             (key.name_space == caller.name_space || above(key.name_space, caller.name_space));
    });
    if (!nearer) out.push_back(name);
  }
  return out;
}

std::size_t Checker::brake_count(const std::string& domain, const FakeTruth& truth, const std::string& stack,
                                 std::size_t& live_ones) const {
  std::size_t losing = 0;
  bool itself = false;
  live_ones = 0;
  // As it was when the batch was decided on: what it has retired already counts as alive.
  const auto alive = [&](const StackRecord& record) {
    const Life* life = at_or_null(lives_, {domain, record.stack});
    return live(record) || (life != nullptr && life->retired == decided_);
  };
  for (const auto& [name, record] : truth.records) {
    if (!alive(record)) continue;
    ++live_ones;
    if (listed(desired_->acknowledged, name)) continue;
    const DesiredRepository* repository = at_or_null(desired_->repositories, record.identity.repository);
    if (repository != nullptr && repository->state != RepositoryState::kCurrent) continue;
    bool named = patched(domain, record.identity);
    for (const auto& [where, want] : wanted_)
      named = named || (where.first == domain && want.unit == record.identity.unit &&
                        want.name_space == record.identity.name_space && want.plan == record.identity.plan);
    const bool succeeded =
        std::any_of(truth.records.begin(), truth.records.end(), [&, &name = name, &record = record](const auto& other) {
          return other.first != name && alive(other.second) && other.second.identity.unit == record.identity.unit &&
                 other.second.identity.name_space == record.identity.name_space &&
                 other.second.identity.plan == record.identity.plan && *other.second.launched >= *record.launched;
        });
    if (named || succeeded) continue;
    ++losing;
    itself = itself || name == stack;
  }
  return itself ? losing : 0;  // what has a successor is no loss
}

/// The beginning of a removal: what Git says, what was seen, what time and callers allow.
void Checker::check_retirement(const std::string& domain, const StackRecord& record, const FakeTruth& truth, bool idle) {
  const std::string& name = record.stack;
  const Identity& identity = record.identity;
  const DomainSettings* settings = at_or_null(desired_->domains, domain);
  check(settings != nullptr, "I3", name + " is retired in a domain that Git does not name");
  if (settings == nullptr || decided_ < desired_at_) return;

  for (std::size_t part = 0; part < kParts; ++part)
    check(evidence_[domain][part].ok || (part == 3 && settings->balancer == "none"), "I3",
          name + " is retired although part " + std::to_string(part) + " of " + domain + " did not answer");
  check(truth.claim && truth.claim->owner == options_.owner && truth.claim->control_commit <= desired_->control_commit, "I3",
        name + " is retired although the control repository went back");

  const Wanted* want = wanted(domain, name);
  check(want == nullptr || outvoted(domain, *want, truth) || (idle && settings->retire_idle && !is_job(record)), "I3",
        name + " is retired and Git wants it");
  bool named = patched(domain, identity), contested = false;
  for (const auto& [where, other] : wanted_) {
    if (where.first != domain || other.unit != identity.unit) continue;
    contested = contested || (other.contested && claimant(domain, other.unit, truth).empty());
    if (outvoted(domain, other, truth)) continue;
    named = named || (other.name_space == identity.name_space && other.plan == identity.plan);
  }
  check(!contested, "I3", name + " is retired while two repositories claim its unit");
  if (!named && !settings->leaving) {
    const DesiredRepository* repository = at_or_null(desired_->repositories, identity.repository);
    check(repository == nullptr || repository->state == RepositoryState::kCurrent, "I3",
          name + " is retired although its repository " + identity.repository + " was not read whole");
    std::size_t live_ones = 0;
    const std::size_t losing = brake_count(domain, truth, name, live_ones);
    const bool braked = losing > settings->brake_count && losing * 100 > settings->brake_percent * live_ones;
    check(!braked || listed(desired_->acknowledged, name) || view_is_stale(domain, Part::kMemory), "I3",
          name + " is retired with " + std::to_string(losing) + " others of " + std::to_string(live_ones) + " and nobody said yes");
  }
  const TrafficRecord* traffic = at_or_null(truth.traffic, service_of(identity));
  if (!idle && serves(identity) && traffic != nullptr && percent_of(*traffic, name) > 0 && !view_is_stale(domain, Part::kMemory))
    for (const auto& [where, other] : wanted_)
      check(where.first != domain || other.unit != identity.unit || other.name_space != identity.name_space ||
                other.version.major != identity.version.major || outvoted(domain, other, truth),
            "I3",
            name + " is retired while it serves " + std::to_string(percent_of(*traffic, name)) + "% of what " + where.second +
                " is to take");

  if (!view_is_stale(domain, Part::kMemory)) {
    const std::vector<std::string> calling = callers(truth, record);
    check(calling.empty(), "I9", name + " is retired while it is called by " + (calling.empty() ? "" : calling.front()));
  }
  if (is_job(record)) return;
  const Life& life = lives_[{domain, name}];
  const Duration initial = settings->initial_lifetime - kSlack, extended = settings->extended_lifetime - kSlack;
  check(at_ - life.launched >= initial || life.launched <= leapt_at_, "I9",
        name + " is retired " + format_duration(at_ - life.launched) + " after its launch");
  check(at_ - life.unkept >= extended || life.unkept <= leapt_at_, "I9",
        name + " is retired " + format_duration(at_ - life.unkept) + " after it was kept");
  check(at_ - life.needed >= extended || life.needed <= leapt_at_, "I9",
        name + " is retired " + format_duration(at_ - life.needed) + " after it was needed");
}

void Checker::check_write(const std::string& domain, const TrafficRecord& record, const FakeTruth& truth, const Intent&) {
  int sum = 0;
  for (const Weight& weight : record.weights) {
    check(weight.percent >= 0, "I8", record.key.unit + ": a weight below nothing");
    sum += weight.percent;
  }
  check(sum == 100, "I8", record.key.unit + ": the weights sum to " + std::to_string(sum));
  const TrafficRecord* old = at_or_null(truth.traffic, record.key);
  if (old != nullptr) check_course(domain, *old, record, truth);
}

void Checker::check_course(const std::string& domain, const TrafficRecord& old, const TrafficRecord& record,
                           const FakeTruth& truth) {
  for (const Weight& weight : old.weights) {
    const StackRecord* stack = at_or_null(truth.records, weight.stack);
    if (stack == nullptr || !live(*stack)) return;  // what dies leaves its share to the others, at once
  }
  const int moved = share(record, record.target) - share(old, record.target);
  if (moved <= 0) return;
  if (!view_is_stale(domain, Part::kScheduler))
    for (const std::string& name : record.target) {
      const StackRecord* stack = at_or_null(truth.records, name);
      // What was scaled up in the same pass was well with fewer instances.
      check(stack != nullptr && (well(at_or_null(truth.running, name), *stack) || lives_[{domain, name}].started == decided_), "I8",
            "traffic moves to " + name + ", which is not healthy");
    }
  const Course& course = courses_[record.key];
  const Duration interval = interval_of(record.shift), length = record.shift.duration;
  if (length <= Duration(1) || old.target != record.target) {
    check(old.target == record.target || record.steps == 0, "I8", record.key.unit + ": another course begins in its midst");
    check(old.target == record.target || length <= Duration(1), "I8", record.key.unit + ": a new course begins with a jump");
    return;
  }
  if (view_is_stale(domain, Part::kMemory)) return;
  check(at_ - course.stepped >= interval - kSlack / 2 || course.stepped <= leapt_at_, "I8",
        record.key.unit + ": two steps within " + format_duration(at_ - course.stepped));
  if (record.shift.policy == ShiftPolicy::kAtomic)
    check(at_ - course.begun >= length - kSlack || course.begun <= leapt_at_, "I8",
          record.key.unit + ": flips " + format_duration(at_ - course.begun) + " after its beginning");
  else
    check(moved <= static_cast<int>(100 * interval.count() / length.count()) + 2, "I8",
          record.key.unit + ": " + std::to_string(moved) + " percent at once");
}

void Checker::check_write(const std::string& domain, const Claim& claim, const FakeTruth& truth, const Intent&) {
  check(claim.owner == options_.owner && (!truth.claim || truth.claim->owner == options_.owner), "I5",
        domain + " is claimed from another owner");
  check(!truth.claim || truth.claim->control_commit <= claim.control_commit, "I7", domain + ": the claim goes back");
  check(decided_ < desired_at_ || claim.control_commit == desired_->control_commit, "I7",
        domain + ": what is claimed is not what Git says");
}

void Checker::check_write(const std::string& domain, const Drop& drop, const FakeTruth& truth, const Intent&) {
  const TrafficRecord* old = at_or_null(truth.traffic, drop.key);
  if (old == nullptr || view_is_stale(domain, Part::kMemory)) return;
  for (const Weight& weight : old->weights) {
    const StackRecord* stack = at_or_null(truth.records, weight.stack);
    check(weight.percent == 0 || stack == nullptr || !live(*stack), "I8",
          "the weights of " + drop.key.unit + " are dropped while " + weight.stack + " takes traffic");
  }
}

void Checker::check_write(const std::string& domain, const Start& start, const FakeTruth& truth, const Intent& intent) {
  const StackRecord* record = at_or_null(truth.records, start.stack);
  check((record != nullptr && !record->removed && record->incarnation == start.incarnation) || view_is_stale(domain, Part::kMemory),
        "I6", start.stack + " is started before it is recorded as incarnation " + std::to_string(start.incarnation));
  if (record == nullptr) return;
  const Running* running = at_or_null(truth.running, start.stack);
  const bool stale = view_is_stale(domain, Part::kScheduler) || view_is_stale(domain, Part::kMemory);
  if (running == nullptr) {
    check(!record->retiring || stale, "I6", start.stack + " is started while it is being removed");
    check(!lives_[{domain, start.stack}].ended.contains(start.incarnation) || stale, "I6",
          start.stack + ": incarnation " + std::to_string(start.incarnation) + " is started after its end");
    if (intent.effect == "launch")
      check(decided_ < desired_at_ || wanted(domain, start.stack) != nullptr || patch(domain, start.stack, truth) != nullptr, "I7",
            start.stack + " is started and Git does not want it");
    if (is_job(*record) && !stale)
      for (const auto& [name, other] : truth.running) {
        const StackRecord* rival = at_or_null(truth.records, name);
        check(rival == nullptr || name == start.stack || !is_job(*rival) || rival->identity.unit != record->identity.unit ||
                  rival->identity.name_space != record->identity.name_space || rival->identity.plan != record->identity.plan,
              "I6", start.stack + " is started while the schedule of " + name + " is in place");
      }
    return;
  }
  if (start.count < running->count && running->incarnation == start.incarnation && !stale)
    check_unrouted(domain, start.stack, start.count, truth);
}

void Checker::check_unrouted(const std::string& domain, const std::string& stack, std::int32_t from_index, const FakeTruth& truth) {
  if (view_is_stale(domain, Part::kBalancer)) return;
  for (const auto& [key, route] : truth.routes)
    for (const Backend& backend : route.backends)
      for (const Backend::Server& server : backend.servers)
        check(backend.stack != stack || server.index < from_index, "I8", stack + " is stopped while the balancer names it");
  for (const Sessions& sessions : truth.sessions)
    check(sessions.stack != stack || sessions.index < from_index, "I8",
          stack + " is stopped while " + std::to_string(sessions.count) + " answers are on their way");
}

void Checker::check_write(const std::string& domain, const Stop& stop, const FakeTruth& truth, const Intent&) {
  const Running* running = at_or_null(truth.running, stop.stack);
  if (running == nullptr || running->stopping || running->incarnation != stop.incarnation) return;
  const StackRecord* record = at_or_null(truth.records, stop.stack);
  check(record != nullptr && (record->retiring || record->removed), "I3",
        stop.stack + " is stopped without being recorded as retiring");
  check(record == nullptr || record->incarnation == stop.incarnation, "I3", stop.stack + ": another life of it is stopped");
  check_unrouted(domain, stop.stack, 0, truth);
}

void Checker::check_write(const std::string& domain, const Publication& publication, const FakeTruth& truth, const Intent&) {
  const StackRecord* record = at_or_null(truth.records, publication.stack);
  check(record != nullptr && (live(*record) || view_is_stale(domain, Part::kMemory)), "I5",
        "something is published for " + publication.stack + ", which does not live");
}

void Checker::check_write(const std::string& domain, const Unpublication& gone, const FakeTruth& truth, const Intent&) {
  const StackRecord* record = at_or_null(truth.records, gone.stack);
  check(record == nullptr || !live(*record) || view_is_stale(domain, Part::kMemory), "I3",
        "what is published for " + gone.stack + " goes while it lives");
}

void Checker::check_write(const std::string& domain, const Route& route, const FakeTruth& truth, const Intent&) {
  int sum = 0;
  const TrafficRecord* traffic = at_or_null(truth.traffic, route.key);
  const bool stale = view_is_stale(domain, Part::kMemory);
  for (const Backend& backend : route.backends) {
    sum += backend.percent;
    const StackRecord* record = at_or_null(truth.records, backend.stack);
    check(stale || (record != nullptr && live(*record)), "I8",
          "the balancer is to serve " + backend.stack + ", which does not live");
    check(stale || traffic == nullptr || percent_of(*traffic, backend.stack) == backend.percent, "I8",
          "the balancer is to serve " + backend.stack + " otherwise than its record says");
  }
  check(sum == 100, "I8", route.key.unit + ": the route's percents sum to " + std::to_string(sum));
}

void Checker::check_write(const std::string& domain, const Unroute& gone, const FakeTruth& truth, const Intent&) {
  const TrafficRecord* traffic = at_or_null(truth.traffic, gone.key);
  if (traffic == nullptr || view_is_stale(domain, Part::kMemory)) return;
  for (const Weight& weight : traffic->weights) {
    const StackRecord* record = at_or_null(truth.records, weight.stack);
    check(weight.percent == 0 || record == nullptr || !live(*record), "I8",
          gone.key.unit + " is taken from the balancer while " + weight.stack + " takes its traffic");
  }
}

}  // namespace nelson::simulation
