#include "controller/loop/domains.h"

#include <algorithm>

#include "controller/base/log.h"
#include "controller/loop/backoff.h"

namespace nelson {

namespace {

constexpr std::chrono::seconds kLongestRetry{60};

/// The records that the steps may ask for.
Records records_for(const std::vector<Step>& steps, const DomainAnswers& answers, const std::string& owner) {
  Records records;
  if (!answers.memory) return records;
  for (const Step& step : steps) {
    const Action* const action = std::get_if<Action>(&step.what);
    if (action == nullptr) continue;
    const auto found = answers.memory->stacks.find(stack_of(action->effect));
    if (found != answers.memory->stacks.end() && found->second.identity.owner == owner) records.insert(*found);
  }
  return records;
}

}  // namespace

/// A domain and its worker. While the worker is busy everything but `settings`, `owner`, `task`, `since`, `late`, `waited_for`, `asked` and
/// `assembly` is its own.
struct Domains::Slot {
  enum class Task { kNone, kObserve, kPerform };

  std::string name;
  DomainSettings settings;
  std::string owner;
  Task task = Task::kNone;
  SteadyTime since{};
  std::atomic<bool> late{false};  // whoever waits is told when the task ends
  bool waited_for = true;         // it answered in time when last asked
  bool asked = false;             // an observation or an opening has ended

  std::optional<Domain> domain;
  std::optional<Error> open_error;
  int open_failures = 0;
  SteadyTime open_again{};
  std::shared_ptr<const DomainAnswers> answers;  // the newest
  std::chrono::steady_clock::duration took{};    // to give them
  bool unread = false;                           // they came too late for the pass that asked
  std::vector<Done> done;

  std::optional<Assembly> assembly;  // of what it answered; not the worker's

  std::unique_ptr<Worker> worker;  // last, so that it ends first
};

Domains::Domains(DomainsOptions options) : options_(std::move(options)) {}
Domains::~Domains() = default;

void Domains::align(const Desired& desired) {
  // What became of its steps has to be asked for first: finished() sets the task back.
  const auto done_with = [](const Slot& slot) { return slot.task != Slot::Task::kPerform && slot.worker->idle(); };
  std::erase_if(leaving_, [&](const auto& slot) { return done_with(*slot); });
  for (auto it = slots_.begin(); it != slots_.end();) {
    Slot& slot = *it->second;
    const auto wanted = desired.domains.find(it->first);
    if (wanted != desired.domains.end() && wanted->second == slot.settings && desired.owner == slot.owner) {
      ++it;
      continue;
    }
    if (wanted == desired.domains.end())
      log_warning("domain left the control repository; what runs there goes on running, untouched", {{"domain", it->first}});
    // A domain that only changed its settings is opened again once it is idle, so that two never act on it at once.
    if (!done_with(slot)) {
      if (wanted == desired.domains.end())
        leaving_.push_back(std::move(it->second));
      else {
        ++it;
        continue;
      }
    }
    forget(it->first);
    it = slots_.erase(it);
  }
  for (const auto& [name, settings] : desired.domains) {
    auto& slot = slots_[name];
    if (slot) continue;
    slot = std::make_unique<Slot>();
    slot->name = name;
    slot->settings = settings;
    slot->owner = desired.owner;
    slot->assembly.emplace(name, desired.owner);
    slot->worker = options_.worker(name);
  }
}

/// What is taken up again begins with nothing, as its assembly does.
void Domains::forget(const std::string& domain) {
  observed_.domains.erase(domain);
  erase_if(observed_.cells, [&](const auto& entry) { return entry.first.domain == domain; });
}

void Domains::open(Slot& slot) const {
  if (slot.domain || options_.steady_now() < slot.open_again) return;
  const DomainContext context{slot.owner, options_.export_tree, options_.changed, options_.read_only};
  slot.open_error.reset();
  Result<Domain> opened = options_.open(slot.settings, context);
  if (!opened) slot.open_error = opened.error().with_context("domain " + slot.name);
  if (opened && !options_.read_only)
    if (const Status locked = opened->memory->lock(options_.holder); !locked)
      slot.open_error = locked.error().with_context("domain " + slot.name);
  if (slot.open_error) {
    const auto pause = std::min(kLongestRetry, std::chrono::seconds(1 << std::min(slot.open_failures++, 6)));
    slot.open_again = options_.steady_now() + pause;
    return;
  }
  slot.open_failures = 0;
  slot.domain.emplace(*std::move(opened));
}

/// Whether it may be given something to do: what it did last has been taken, too.
bool Domains::is_free(const Slot& slot) { return slot.task != Slot::Task::kPerform && slot.worker->idle() && !slot.unread; }

/// Who is told must find the worker idle, else nobody comes again; and who marked it late while it was busy must be told.
std::function<void()> Domains::tell_if_late(Slot& slot) const {
  return [this, &slot] {
    if (slot.late && options_.changed) options_.changed();
  };
}

void Domains::start_observation(Slot& slot) {
  slot.task = Slot::Task::kObserve;
  slot.since = options_.steady_now();
  slot.late = false;
  slot.worker->start(
      [this, &slot] {
        auto answers = std::make_shared<DomainAnswers>();
        try {
          open(slot);
          *answers = slot.domain ? ask(*slot.domain) : no_answers(*slot.open_error);
        } catch (const std::exception& e) {
          *answers = no_answers(internal("domain " + slot.name + ": " + e.what()));
        }
        slot.answers = std::move(answers);
        slot.took = options_.steady_now() - slot.since;
        slot.unread = true;
      },
      tell_if_late(slot));
}

Observed Domains::observe() {
  for (auto& [name, slot] : slots_)
    if (is_free(*slot)) start_observation(*slot);
  const SteadyTime deadline = options_.steady_now() + options_.patience;
  for (auto& [name, slot] : slots_) {
    bool idle = slot->worker->wait_until(slot->waited_for ? deadline : options_.steady_now());
    if (!idle) {
      slot->late = true;
      idle = slot->worker->idle();  // it may have ended without seeing the mark
    }
    if (idle && slot->unread) {
      slot->unread = false;
      slot->asked = true;
      slot->waited_for = slot->took < options_.patience;
      slot->task = Slot::Task::kNone;
      slot->assembly->update(*slot->answers, observed_);
      continue;
    }
    slot->waited_for = false;
    const std::string length = format_duration(std::chrono::duration_cast<Duration>(options_.steady_now() - slot->since));
    const Error error = unavailable(
        "domain " + name + (slot->task == Slot::Task::kPerform ? " has been carrying out effects for " : " has not answered for ") +
        length + "; it is taken up again when it answers");
    slot->assembly->update(no_answers(error), observed_);
  }
  return observed_;
}

bool Domains::drains() const {
  return std::any_of(slots_.begin(), slots_.end(), [](const auto& entry) { return entry.second->assembly->drains(); });
}

bool Domains::all_answered() const {
  for (const auto& [name, slot] : slots_)
    if (!slot->asked) return false;
  return true;
}

std::optional<Error> Domains::held_by_another() const {
  for (const auto& [name, slot] : slots_)
    if (slot->worker->idle() && slot->open_error && slot->open_error->kind == ErrorKind::kConflict) return slot->open_error;
  return std::nullopt;
}

Status Domains::check_locks() const {
  for (const auto& [name, slot] : slots_)
    if (slot->worker->idle() && slot->domain && !slot->domain->memory->holds_lock())
      return internal("the lock of domain " + name + " was lost; another controller may act there now");
  return {};
}

bool Domains::ready(const std::string& domain) const {
  const auto found = slots_.find(domain);
  return found != slots_.end() && is_free(*found->second) && found->second->domain;
}

void Domains::perform(const std::string& domain, std::vector<Step> steps, Instant now) {
  Slot& slot = *slots_.at(domain);
  slot.task = Slot::Task::kPerform;
  slot.since = options_.steady_now();
  slot.late = false;
  slot.worker->start(
      [&slot, steps = std::move(steps), now]() mutable {
        Records records = records_for(steps, *slot.answers, slot.owner);
        std::map<FailureScope, std::string> failed;
        std::string stopped;  // why nothing more may be tried here
        for (Step& step : steps) {
          Done done{std::move(step), {}, true};
          const Action* action = std::get_if<Action>(&done.step.what);
          if (stopped.empty() && !slot.domain->memory->holds_lock())
            stopped = "the lock of domain " + slot.name + " was lost; another controller may act there now";
          std::string why_not = stopped;
          if (why_not.empty() && action != nullptr)
            for (const FailureScope& scope : scopes_over(*action))
              if (const auto before = failed.find(scope); before != failed.end()) why_not = before->second;
          if (!why_not.empty()) {
            done.tried = false;
            done.status = unavailable("not tried: " + why_not);
            slot.done.push_back(std::move(done));
            continue;
          }
          try {
            done.status = action == nullptr ? slot.domain->memory->put(std::get<Claim>(done.step.what))
                                            : nelson::perform(action->effect, *slot.domain, records, now);
          } catch (const std::exception& e) {
            done.status = internal(e.what());
          }
          if (!done.status && action == nullptr) stopped = "the claim on the domain could not be written";
          if (!done.status && action != nullptr)
            failed[failure_scope(*action)] = std::string(word_of(action->effect)) + " failed before it";
          slot.done.push_back(std::move(done));
        }
      },
      tell_if_late(slot));
}

std::vector<Done> Domains::finished(bool wait) {
  const SteadyTime deadline = options_.steady_now() + (wait ? options_.patience : std::chrono::milliseconds(0));
  std::vector<Done> out;
  const auto take = [&](Slot& slot) {
    if (slot.task != Slot::Task::kPerform) return;
    bool idle = slot.worker->wait_until(slot.waited_for ? deadline : options_.steady_now());
    if (!idle) {
      slot.late = true;
      slot.waited_for = false;
      idle = slot.worker->idle();
    }
    if (!idle) return;
    slot.task = Slot::Task::kNone;
    for (Done& done : slot.done) out.push_back(std::move(done));
    slot.done.clear();
  };
  for (auto& [name, slot] : slots_) take(*slot);
  for (auto& slot : leaving_) take(*slot);
  return out;
}

}  // namespace nelson
