#include "controller/loop/observe.h"

#include <algorithm>
#include <map>
#include <set>

#include "state/model/names.h"

namespace nelson {
namespace {

std::string joined(const std::vector<std::string>& names, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < limit; ++i) out += (i > 0 ? ", " : "") + names[i];
  if (names.size() > limit) out += " and " + std::to_string(names.size() - limit) + " more";
  return out;
}

/// A path and the file:// of it are one place.
bool same_place(std::string_view a, std::string_view b) {
  constexpr std::string_view kFile = "file://";
  if (a.starts_with(kFile)) a.remove_prefix(kFile.size());
  if (b.starts_with(kFile)) b.remove_prefix(kFile.size());
  return a == b;
}

template <class View>
Source source_of(const Result<View>& answer) {
  if (answer) return {true, ""};
  return {false, answer.error().message};
}

/// What a part says now or, where it says nothing, said before.
template <class View>
const View* known(const Result<View>& now, const Result<View>& before) {
  if (now) return &*now;
  return before ? &*before : nullptr;
}

/// Collects the pieces of one domain by stack and unit.
class Assembly {
 public:
  Assembly(const std::string& domain, const std::string& owner) : domain_(domain), owner_(owner) {}

  void add(const MemoryView& view) {
    for (const StackRecord& record : view.stacks) {
      if (record.identity.owner != owner_) {
        foreign_.insert(record.stack);
        continue;
      }
      unit_of_[record.stack] = record.identity.unit;
      stacks_[record.stack].record = record;
    }
    for (const TrafficRecord& record : view.traffic)
      if (record.key.domain == domain_) cell(record.key.unit).traffic.push_back(record);
  }

  void add(const SchedulerView& view) {
    for (const auto& entry : view.stacks)
      if (ours(entry.stack)) stacks_[entry.stack].running = entry.running;
    foreign_.insert(view.foreign.begin(), view.foreign.end());
  }

  void add(const DiscoveryView& view) {
    for (const auto& entry : view.published)
      if (ours(entry.stack)) stacks_[entry.stack].published = entry.payload;
  }

  void add(const BalancerView& view) {
    for (const Route& route : view.routes) {
      if (route.key.domain != domain_) continue;
      cell(route.key.unit).routes.push_back(route);
      for (const Backend& backend : route.backends)
        for (const auto& server : backend.servers)
          if (backend.percent > 0) serving_.insert({backend.stack, server.index});
    }
    // Only connections to servers that get no new ones decide anything; the others come and go with every request, and a pass with
    // nothing to do must not look new because of them.
    for (const Sessions& sessions : view.sessions)
      if (sessions.count > 0 && !serving_.contains({sessions.stack, sessions.index}) && ours(sessions.stack))
        cell(unit_of_[sessions.stack]).sessions.push_back(sessions);
  }

  void finish(Observed& observed) {
    for (auto& [name, stack] : stacks_) {
      stack.name = name;
      cell(unit_of_[name]).stacks.push_back(std::move(stack));
    }
    for (auto& [unit, cell] : cells_) {
      std::sort(cell.traffic.begin(), cell.traffic.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
      std::sort(cell.routes.begin(), cell.routes.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
      std::sort(cell.sessions.begin(), cell.sessions.end());
      observed.cells[{domain_, unit}] = std::move(cell);
    }
    observed.domains[domain_].foreign.assign(foreign_.begin(), foreign_.end());
  }

 private:
  ObservedCell& cell(const std::string& unit) { return cells_[unit]; }

  /// Whether the thing under this name is ours; then its unit is known.
  bool ours(const std::string& stack) {
    if (unit_of_.contains(stack)) return true;
    const auto name = foreign_.contains(stack) ? std::nullopt : parse_stack_name(stack);
    if (!name) {
      foreign_.insert(stack);
      return false;
    }
    unit_of_[stack] = name->unit;
    return true;
  }

  const std::string& domain_;
  const std::string& owner_;
  std::map<std::string, std::string> unit_of_;
  std::map<std::string, ObservedStack> stacks_;
  std::map<std::string, ObservedCell> cells_;
  std::set<std::string> foreign_;
  std::set<std::pair<std::string, std::int32_t>> serving_;
};

}  // namespace

DomainAnswers no_answers(const Error& error) {
  DomainAnswers out;
  out.scheduler = error;
  out.memory = error;
  out.discovery = error;
  out.balancer = error;
  return out;
}

DomainAnswers ask(Domain& domain) {
  DomainAnswers out;
  // Records first: what is launched between two of these calls is then at worst seen running without its record, never the reverse, and
  // nobody but this controller launches.
  out.memory = domain.memory->observe();
  out.scheduler = domain.scheduler->observe();
  out.discovery = domain.discovery->observe();
  out.balances = domain.balancer != nullptr;
  out.balancer = out.balances ? domain.balancer->observe() : Result<BalancerView>(BalancerView{});
  // Who asked for none misses nothing.
  if (domain.settings.balancer != "none") out.balancer_absent_reason = domain.balancer_absent_reason;
  return out;
}

void assemble(const std::string& domain, const std::string& owner, const DomainAnswers& answers, const DomainAnswers& before,
              Observed& observed) {
  ObservedDomain& out = observed.domains[domain];
  out.scheduler = source_of(answers.scheduler);
  out.memory = source_of(answers.memory);
  out.discovery = source_of(answers.discovery);
  out.balancer = source_of(answers.balancer);
  out.balances = answers.balances;
  if (!answers.balances) out.balancer.error = answers.balancer_absent_reason;

  Assembly assembly(domain, owner);
  if (const MemoryView* view = known(answers.memory, before.memory)) {
    assembly.add(*view);
    out.claim = view->claim;
    if (answers.memory && !view->damaged.empty()) {
      out.memory.complete = false;
      out.memory.error = "records that cannot be read: " + joined(view->damaged, 5) +
                         ". What depends on them waits; put them back from a backup, or delete them to have them made anew";
    }
  }
  if (const SchedulerView* view = known(answers.scheduler, before.scheduler)) assembly.add(*view);
  if (const DiscoveryView* view = known(answers.discovery, before.discovery)) assembly.add(*view);
  if (const BalancerView* view = known(answers.balancer, before.balancer)) assembly.add(*view);
  assembly.finish(observed);
}

ClaimVerdict judge_claim(const Desired& desired, const std::string& domain, const ObservedDomain& observed,
                         const Contains& contains) {
  if (!observed.memory.complete) return {};
  const Claim ours{desired.owner, desired.control_url, desired.control_commit};
  if (!observed.claim) return {"", ours};
  const Claim& claim = *observed.claim;
  if (claim == ours) return {};
  if (claim.owner != desired.owner)
    return {"domain " + domain + " belongs to another control repository (" + claim.control_url + ", id " + claim.owner +
                "); give this one a domain of its own, or remove everything of the other first",
            {}};
  const bool allowed = same_place(claim.control_url, desired.control_url) ||
                       std::any_of(desired.moved_from.begin(), desired.moved_from.end(),
                                   [&](const std::string& former) { return same_place(former, claim.control_url); });
  if (!allowed)
    return {"domain " + domain + " was last governed from " + claim.control_url + ", not from " + desired.control_url +
                "; if the control repository moved, list the old address under moved_from in its owner.yml",
            {}};
  if (claim.control_commit == desired.control_commit || claim.control_commit.empty()) return {"", ours};
  const Result<bool> contained = contains(desired.control_commit, claim.control_commit);
  const std::string head = desired.control_commit.substr(0, 12);
  const std::string last = claim.control_commit.substr(0, 12);
  if (!contained)
    return {"cannot tell whether control commit " + head + " comes after " + last +
                ", which was last applied: " + contained.error().message,
            {}};
  if (!*contained)
    return {"control commit " + head + " does not contain " + last +
                ", which was last applied (a restored backup, or a forced push); push a head that contains it: git merge " + last,
            {}};
  return {"", ours};
}

}  // namespace nelson
