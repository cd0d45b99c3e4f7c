// What the checker says of a world after a pass, and of one at rest. What each write may be is in checker.cc.
#include <algorithm>

#include "tests/simulation/checker.h"

namespace nelson::simulation {

using std::chrono::hours;

void Checker::note_needed(const std::string& domain, const FakeTruth& truth, Duration at) {
  for (const auto& [name, record] : truth.records)
    if (live(record) && (is_needed(domain, name) || !callers(truth, record).empty())) lives_[{domain, name}].needed = at;
}

/// By Git alone. Where idle stacks are retired only callers need them.
bool Checker::is_needed(const std::string& domain, const std::string& stack) const {
  const DomainSettings* settings = at_or_null(desired_->domains, domain);
  const Wanted* want = wanted(domain, stack);
  return want != nullptr && !want->contested && settings != nullptr && !settings->retire_idle;
}

void Checker::pass_ended(const PassSeen& pass, const std::map<std::string, FakeTruth>& truths) {
  at_ = pass.at;
  for (const auto& [sequence, intent] : intents_.open())
    check(pass.busy.contains(intent.domain), "I4",
          "journal entry " + std::to_string(sequence) + " (" + intent.effect + ' ' + intent.stack + ") of " + intent.domain +
              " has no outcome after the pass");
  if (wrote_)
    for (const auto& [domain, truth] : truths) note_needed(domain, truth, pass.at);
  else
    for (auto& [where, life] : lives_)
      if (is_needed(where.first, where.second)) life.needed = pass.at;
  wrote_ = false;
  passes_.push_back(pass.at);
  while (passes_.front() + hours(1) < pass.at) passes_.pop_front();
  check(passes_.size() <= options_.passes_an_hour, "I11", "more than " + std::to_string(passes_.size()) + " passes an hour");

  if (!pass.shows_converged) return;
  for (const auto& [domain, settings] : desired_->domains) {
    for (std::size_t part = 0; part < kParts; ++part) {
      const Evidence& evidence = evidence_[domain][part];
      check((evidence.ever && pass.at - evidence.good_at <= 2 * options_.full_pass) || evidence.stale ||
                (part == 3 && settings.balancer == "none"),
            "I14",
            "converged is shown and part " + std::to_string(part) + " of " + domain + " was last seen " +
                format_duration(pass.at - evidence.good_at) + " ago");
    }
    const auto& seen = evidence_[domain];
    if (std::any_of(seen.begin(), seen.end(), [](const Evidence& evidence) { return evidence.stale; })) continue;
    const FakeTruth& truth = truths.at(domain);
    for (const auto& [where, want] : wanted_) {
      if (where.first != domain || want.contested || settings.retire_idle || !want.stack->fresh) continue;
      const StackRecord* record = at_or_null(truth.records, where.second);
      const bool ran = record != nullptr && record->job_result != JobResult::kNone;
      check(ran || (record != nullptr && live(*record) && truth.running.contains(where.second)), "I14",
            "converged is shown and " + where.second + " is not there");
    }
  }
}

bool Checker::awaited(const std::string& domain, const Wanted& want, const FakeTruth& truth) const {
  const auto calls = [&](const std::string& name_space, const Spec& spec) {
    return (name_space == want.name_space || above(want.name_space, name_space)) &&
           std::any_of(spec.dependencies.begin(), spec.dependencies.end(), [&](const Dependency& dependency) {
             return dependency.unit == want.unit && dependency.version.major == want.version.major &&
                    dependency.version.minor <= want.version.minor;
           });
  };
  for (const auto& [name, record] : truth.records)
    if (live(record) && calls(record.identity.name_space, record.identity.spec)) return true;
  return std::any_of(wanted_.begin(), wanted_.end(), [&](const auto& entry) {
    const Wanted& other = entry.second;
    return entry.first.first == domain && !truth.records.contains(entry.first.second) &&
           calls(other.name_space, other.stack->spec) && can_be_launched(domain, other, 0);
  });
}

bool Checker::can_be_launched(const std::string& domain, const Wanted& want, int depth) const {
  if (want.contested || depth > 8) return false;
  for (const Dependency& dependency : want.stack->spec.dependencies) {
    const bool found = std::any_of(wanted_.begin(), wanted_.end(), [&](const auto& entry) {
      const Wanted& other = entry.second;
      return entry.first.first == domain && other.unit == dependency.unit && other.version.major == dependency.version.major &&
             other.version.minor >= dependency.version.minor && other.stack->spec.schedule.empty() &&
             !other.stack->spec.ports.empty() && other.name_space == want.name_space && can_be_launched(domain, other, depth + 1);
    });
    if (!found) return false;
  }
  return true;
}

bool Checker::needed_by_somebody(const std::string& domain, const StackRecord& record, const FakeTruth& truth) const {
  if (!callers(truth, record).empty()) return true;
  bool named = false;
  for (const auto& [where, want] : wanted_) {
    if (where.first != domain || want.unit != record.identity.unit || want.name_space != record.identity.name_space) continue;
    named = named || want.plan == record.identity.plan;
    if (!named || is_job(record) || record.identity.version > want.version) continue;
    const ExpirationPolicy policy = want.stack->settings.expiration_policy;
    if (policy == ExpirationPolicy::kRetainLatest ? record.identity.version == want.version
                                                  : policy != ExpirationPolicy::kRetainActive)
      return true;
  }
  return false;
}

bool Checker::may_stay(const std::string& domain, const StackRecord& record, const FakeTruth& truth) const {
  if (wanted(domain, record.stack) != nullptr || needed_by_somebody(domain, record, truth)) return true;
  // All plans of a patch stay while one stack of their major is needed.
  if (patches_.contains({domain, record.stack}))
    for (const auto& [name, other] : truth.records)
      if (live(other) && other.identity.unit == record.identity.unit && other.identity.name_space == record.identity.name_space &&
          other.identity.version.major == record.identity.version.major && needed_by_somebody(domain, other, truth))
        return true;
  // What waits for a successor that cannot be launched, or was retired idle, serves on.
  const bool idle = desired_->domains.at(domain).retire_idle;
  for (const auto& [where, want] : wanted_) {
    if (where.first != domain || want.unit != record.identity.unit || want.name_space != record.identity.name_space) continue;
    const StackRecord* successor = at_or_null(truth.records, where.second);
    if (!can_be_launched(domain, want, 0) || (idle && (successor == nullptr || !live(*successor)))) return true;
  }
  return false;
}

void Checker::rest_of_wanted(const std::string& domain, const std::string& name, const Wanted& want, const DomainSettings& settings,
                             const FakeTruth& truth) {
  const StackRecord* record = at_or_null(truth.records, name);
  if (!can_be_launched(domain, want, 0)) return;
  // What was retired idle stays away while nobody calls it, and a once-job that ran for good (semantics 9).
  if (record != nullptr && record->removed && record->job_result != JobResult::kNone) return;
  if (settings.retire_idle && record != nullptr && record->tombstone && !awaited(domain, want, truth)) return;
  check(record != nullptr && live(*record), "I2", name + " is wanted and not launched");
  if (record == nullptr) return;
  check(record->ready.has_value(), "I2", name + " is wanted and not ready");
  check(record->settings == want.stack->settings, "I2", name + ": its settings are not those of Git");
  check(truth.published.contains(name), "I2", name + ": nothing is published for it");
  const Running* running = at_or_null(truth.running, name);
  if (record->job_result == JobResult::kNone)
    check(running != nullptr && running->incarnation == record->incarnation, "I2", name + " does not run");
  if (running != nullptr && !is_job(*record))
    check(running->count == want.stack->settings.instances && running->instances.size() == static_cast<std::size_t>(running->count),
          "I2", name + " runs with " + std::to_string(running->instances.size()) + " instances");
  if (!serves(record->identity)) return;
  const TrafficRecord* traffic = at_or_null(truth.traffic, service_of(record->identity));
  int taken = 0;
  if (traffic != nullptr)
    for (const auto& [where, other] : wanted_)
      if (where.first == domain && other.unit == want.unit && other.name_space == want.name_space)
        taken += percent_of(*traffic, where.second);
  check(taken == 100, "I2", name + " is wanted and has " + std::to_string(taken) + "% of the traffic");
}

/// Whoever calls a stack of the patch's major calls the patch in the end.
void Checker::rest_of_patch(const std::string& domain, const std::string& name, const Wanted& patch, const FakeTruth& truth) {
  if (patch.contested || desired_->domains.at(domain).retire_idle || !can_be_launched(domain, patch, 0)) return;
  for (const auto& [other, record] : truth.records) {
    const Identity& called = record.identity;
    if (other == name || !live(record) || called.unit != patch.unit || called.name_space != patch.name_space ||
        called.plan != patch.plan || called.version.major != patch.version.major)
      continue;
    const std::vector<std::string> calling = callers(truth, record);
    check(calling.empty(), "I2",
          other + " is called by " + (calling.empty() ? "" : calling.front()) + " and not replaced by " + name);
  }
}

void Checker::rest_of_domain(const std::string& domain, const DomainSettings& settings, const FakeTruth& truth) {
  for (const auto& [name, running] : truth.running) {
    if (truth.owners.at(name) != options_.owner) continue;
    const StackRecord* record = at_or_null(truth.records, name);
    check(record != nullptr && live(*record), "I5", name + " runs and is not to run");
  }
  for (const auto& [name, payload] : truth.published) {
    const StackRecord* record = at_or_null(truth.records, name);
    check(record != nullptr && (live(*record) || record->identity.owner != options_.owner), "I5",
          "something is published for " + name + ", which does not live");
  }
  for (const auto& [name, record] : truth.records) {
    if (record.identity.owner != options_.owner || record.removed) continue;
    check(!record.retiring, "I2", name + " is being removed for ever");
    if (live(record)) check(may_stay(domain, record, truth), "I5", name + " lives on and nothing keeps it");
  }
  for (const auto& [key, traffic] : truth.traffic) {
    int sum = 0;
    for (const Weight& weight : traffic.weights) {
      sum += weight.percent;
      const StackRecord* record = at_or_null(truth.records, weight.stack);
      check(weight.percent == 0 || (record != nullptr && live(*record)), "I8", weight.stack + " has traffic and does not live");
    }
    check(sum == 100, "I8", key.unit + ": the weights sum to " + std::to_string(sum));
    const Route* route = at_or_null(truth.routes, key);
    if (settings.balancer != "none") check(route != nullptr, "I2", key.unit + " is not in the balancer");
    if (route == nullptr) continue;
    for (const Backend& backend : route->backends) {
      check(backend.percent == percent_of(traffic, backend.stack), "I2", backend.stack + " is balanced otherwise than recorded");
      const Running* running = at_or_null(truth.running, backend.stack);
      check(backend.percent == 0 || (running != nullptr && running->instances.size() == backend.servers.size()), "I2",
            backend.stack + ": the balancer does not name its instances");
    }
  }
  for (const auto& [key, route] : truth.routes)
    check(truth.traffic.contains(key), "I5", key.unit + " is routed and nobody wants it");
  for (const auto& [where, want] : wanted_)
    if (where.first == domain) rest_of_wanted(domain, where.second, want, settings, truth);
  for (const auto& [where, want] : patches_)
    if (where.first == domain) rest_of_patch(domain, where.second, want, truth);
}

void Checker::at_rest(const std::map<std::string, FakeTruth>& truths, Duration at) {
  at_ = at;
  check(intents_.open().empty(), "I4", "an intent is without outcome at rest");
  for (const auto& [domain, truth] : truths)
    if (const DomainSettings* settings = at_or_null(desired_->domains, domain)) rest_of_domain(domain, *settings, truth);
}

}  // namespace nelson::simulation
