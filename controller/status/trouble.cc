#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "controller/status/snapshot.h"
#include "controller/status/text.h"

namespace nelson {
namespace status {
namespace {

using Level = Trouble::Level;

// What is told first: what stops everything, then a domain, then somebody's file, then one unit.
enum Rank { kMachine = 0, kDomain = 1, kFile = 2, kUnit = 3, kInstance = 4, kWarning = 5, kRemark = 6 };

struct Part {
  std::string_view name;
  Source ObservedDomain::*source;
  std::string_view means;
};
constexpr auto kParts = std::to_array<Part>({
    {"scheduler", &ObservedDomain::scheduler, "what runs there is unknown, so nothing there is changed"},
    {"memory", &ObservedDomain::memory, "the records of its stacks cannot be read, so nothing there is changed"},
    {"discovery", &ObservedDomain::discovery, "stacks find each other as before; nothing is retired"},
    {"balancer", &ObservedDomain::balancer, "traffic stays where it is; nothing is retired"},
});

std::string part_subject(std::string_view domain, std::string_view part) {
  return "part|" + std::string(domain) + "|" + std::string(part);
}
std::string held_subject(std::string_view domain, std::string_view what) {
  return "held|" + std::string(domain) + "|" + std::string(what);
}

std::string units_text(const std::set<std::string>& units) {
  return some_of(std::vector<std::string>(units.begin(), units.end()), 5);
}

/// The whole list of what is wrong, in the making.
class Finder {
 public:
  Finder(const ViewInput& input, const std::map<std::string, Instant>& since, const Index& index)
      : input_(input), since_(since), index_(index) {}

  std::vector<Trouble> find() {
    for (const Problem& problem : input_.process_problems) add_problem(problem, true);
    for (const auto& [name, domain] : input_.observed.domains) add_domain(name, domain);
    if (input_.desired)
      for (const Problem& problem : input_.desired->problems) add_problem(problem, false);
    add_silent_repositories();
    for (const Hold& hold : input_.plan.held)
      if (hold.trouble && !belongs_to_domain(hold) && !told_as_problem(hold)) add_hold(hold);
    add_instances();
    add_failed_jobs();
    add_mended();
    if (!input_.store_notice.empty()) add_store_notice();
    if (input_.refused_start && input_.now < input_.refused_start->at + kMendedShown) add_refused_start(*input_.refused_start);
    std::stable_sort(found_.begin(), found_.end(), [](const Trouble& a, const Trouble& b) {
      return std::tuple(a.rank, a.since.value_or(Instant::max())) < std::tuple(b.rank, b.since.value_or(Instant::max()));
    });
    return std::move(found_);
  }

 private:
  [[nodiscard]] Instant since(const std::string& subject) const {
    const auto at = since_.find(subject);
    return at == since_.end() ? input_.now : at->second;
  }

  /// "a, b and 3 more" of the units that have a living row which `of` takes; "" when there are none.
  template <class Of>
  [[nodiscard]] std::string units_of(Of of) const {
    std::set<std::string> units;
    for (const auto& [key, block] : index_.blocks)
      if (std::any_of(block->rows.begin(), block->rows.end(),
                      [&](const Row& row) { return row.status != StackStatus::kTerminated && of(row); }))
        units.insert(key.unit);
    return units_text(units);
  }

  void add_problem(const Problem& problem, bool of_machine) {
    Trouble trouble;
    trouble.level = problem.warning ? Level::kWarning : Level::kError;
    trouble.rank = problem.warning ? kWarning : of_machine || problem.repository == "control" ? kMachine : kFile;
    if (!problem.unit.empty()) {
      trouble.what = problem.unit;
    } else if (problem.repository.empty() || problem.repository == "control") {
      const std::string units = units_of([](const Row&) { return true; });
      trouble.what = units.empty() ? "everything" : "everything: " + units;
    } else {
      const std::string units = units_of([&](const Row& row) { return row.repository == problem.repository; });
      trouble.what = units.empty() ? "repository " + problem.repository : units;
    }
    trouble.place = problem.repository.empty()        ? "this machine"
                    : problem.repository == "control" ? "control repository"
                                                      : "repository " + problem.repository;
    if (!problem.file.empty()) {
      trouble.place += ": " + problem.file;
      if (problem.line > 0) trouble.place += ":" + std::to_string(problem.line);
      if (problem.line > 0 && problem.column > 0) trouble.place += ":" + std::to_string(problem.column);
    }
    if (!problem.commit.empty()) trouble.place += " at " + problem.commit.substr(0, 8);
    trouble.cause = problem.message;
    trouble.underlined = underlined(problem);
    trouble.way_out = problem.way_out;
    if (trouble.way_out.empty() && !problem.file.empty()) trouble.way_out = "correct " + problem.file + " and push";
    trouble.code = problem.code;
    trouble.repository = problem.repository;
    trouble.commit = problem.commit;
    trouble.unit = problem.unit;
    trouble.subject = subject_of(problem);
    trouble.since = since(trouble.subject);
    told_repositories_.insert(problem.repository);
    found_.push_back(std::move(trouble));
  }

  void add_domain(const std::string& name, const ObservedDomain& domain) {
    const auto add = [&](std::string place, std::string cause, std::string way_out, std::string code, const std::string& subject) {
      Trouble trouble;
      trouble.rank = kDomain;
      const bool services = subject == part_subject(name, "balancer");
      const std::string concerned = units_of([&](const Row& row) { return row.domain == name && (row.serves || !services); });
      trouble.what = concerned.empty() ? "domain " + name : concerned;
      trouble.place = std::move(place);
      trouble.cause = std::move(cause);
      trouble.way_out = std::move(way_out);
      trouble.code = std::move(code);
      trouble.domain = name;
      trouble.subject = subject;
      trouble.since = since(subject);
      found_.push_back(std::move(trouble));
    };
    for (const Part& part : kParts) {
      const Source& source = domain.*part.source;
      if (source.complete || (part.name == "balancer" && !domain.balances)) continue;
      // Its error ends with the way out; what follows from it is ours to say.
      const auto [cause, way_out] = split(source.error.empty() ? "it did not answer" : source.error);
      add("domain " + name + ": " + std::string(part.name), cause + "; " + std::string(part.means),
          way_out.empty() ? "bring it back; nelson goes on by itself" : way_out, std::string(part.name) + "-unobserved",
          part_subject(name, part.name));
    }
    if (!domain.changes_held.empty()) {
      const auto [cause, way_out] = split(domain.changes_held);
      add("domain " + name, cause, way_out.empty() ? "say yes in the control repository: acknowledgements/" : way_out,
          "changes-held", held_subject(name, "changes"));
    }
    if (!domain.removals_held.empty()) {
      const auto [cause, way_out] = split(domain.removals_held);
      add("domain " + name, "nothing is removed: " + cause, way_out.empty() ? "it ends by itself" : way_out, "removals-held",
          held_subject(name, "removals"));
      found_.back().rank = kWarning;
      found_.back().level = Level::kWarning;
    }
    if (!domain.balances && !domain.balancer.error.empty()) {
      const auto [cause, way_out] = split(domain.balancer.error);
      add("domain " + name + ": balancer", cause + "; weights are only reported", way_out, "no-balancer",
          part_subject(name, "balancer"));
      found_.back().rank = kWarning;
      found_.back().level = Level::kWarning;
    }
    if (!domain.foreign.empty()) {
      add("domain " + name, "not ours, and left alone: " + some_of(domain.foreign, 3), "nothing, unless one of them is in the way",
          "foreign", held_subject(name, "foreign"));
      found_.back().rank = kRemark;
      found_.back().level = Level::kNotice;
      found_.back().what = "domain " + name;
    }
  }

  /// "cause; way out": messages are written so (result.h).
  static std::pair<std::string, std::string> split(const std::string& text) {
    const std::size_t at = text.rfind("; ");
    if (at == std::string::npos) return {text, ""};
    return {text.substr(0, at), text.substr(at + 2)};
  }

  [[nodiscard]] bool belongs_to_domain(const Hold& hold) const {
    const auto domain = input_.observed.domains.find(hold.cell.domain);
    if (domain == input_.observed.domains.end()) return false;
    if (hold.code == "unobserved") return !domain->second.scheduler.complete || !domain->second.memory.complete;
    if (hold.code == "balancer-unobserved") return !domain->second.balancer.complete && domain->second.balances;
    return hold.code == "changes-held" && !domain->second.changes_held.empty();
  }

  /// Two repositories that claim a unit: the problems name the very lines, so the hold has nothing to add.
  [[nodiscard]] bool told_as_problem(const Hold& hold) const {
    if (hold.code != "two-claims" || !input_.desired) return false;
    return std::any_of(input_.desired->problems.begin(), input_.desired->problems.end(), [&hold](const Problem& problem) {
      return problem.code == "DisputedUnit" && problem.unit == hold.cell.unit;
    });
  }

  void add_silent_repositories() {
    if (!input_.desired) return;
    for (const auto& [name, repository] : input_.desired->repositories) {
      if (repository.state == RepositoryState::kCurrent || told_repositories_.count(name) > 0) continue;
      const bool never = repository.state == RepositoryState::kUnknown;
      Problem problem;
      problem.repository = name;
      problem.commit = repository.head;
      problem.code = never ? "repository-unread" : "repository-last-good";
      problem.message = never ? "it was never read: its units are neither launched nor retired"
                              : "it cannot be read whole: what it said before stays in force";
      problem.way_out = "check `url` and `credentials` in repositories/" + name + ".yml of the control repository, and its host";
      add_problem(problem, false);
    }
  }

  void add_hold(const Hold& hold) {
    // The same trouble of many units is one thing to mend, so it is told once.
    const auto key = std::tuple(hold.cell.domain, hold.code, hold.reason, hold.clears_when);
    if (const auto same = holds_.find(key); same != holds_.end()) {
      Trouble& trouble = found_[same->second.index];
      same->second.units.insert(hold.cell.unit);
      trouble.what = units_text(same->second.units);
      if (same->second.units.size() > 1) {
        trouble.units = same->second.units;
        trouble.unit.clear();
      }
      trouble.subject.clear();
      ++trouble.times;
      trouble.since = std::min(*trouble.since, since(subject_of(hold)));
      return;
    }
    Trouble trouble;
    trouble.rank = kUnit;
    trouble.what = hold.cell.unit;
    trouble.place = hold.subject == hold.cell.unit ? "" : hold.subject;
    const std::string where = hold.name_space.empty() ? "domain " + hold.cell.domain : hold.name_space + ", " + hold.cell.domain;
    trouble.place += trouble.place.empty() ? where : " (" + where + ")";
    trouble.cause = hold.reason;
    trouble.way_out = hold.clears_when;
    trouble.code = hold.code;
    trouble.repository = hold.repository;
    trouble.domain = hold.cell.domain;
    trouble.name_space = hold.name_space;
    trouble.unit = hold.cell.unit;
    trouble.subject = hold.subject;
    trouble.since = since(subject_of(hold));
    told_stacks_.insert(hold.subject);
    holds_[key] = {found_.size(), {hold.cell.unit}};
    found_.push_back(std::move(trouble));
  }

  [[nodiscard]] std::vector<const Row*> rows_with(Ailment ailment) const {
    std::vector<const Row*> out;
    for (const CellKey& key : index_.ailing)
      for (const Row& row : index_.blocks.at(key)->rows)
        if (ailment_of(row) == ailment) out.push_back(&row);
    std::stable_sort(out.begin(), out.end(), [](const Row* a, const Row* b) { return a->name_space < b->name_space; });
    return out;
  }

  [[nodiscard]] Trouble trouble_of(const Row& row) const {
    Trouble trouble;
    trouble.what = row.unit;
    trouble.place = row.name + " (" + row.name_space + ", " + row.domain + ")";
    trouble.repository = row.repository;
    trouble.domain = row.domain;
    trouble.name_space = row.name_space;
    trouble.unit = row.unit;
    trouble.subject = row.name;
    return trouble;
  }

  void add_failed_jobs() {
    for (const Row* row : rows_with(Ailment::kFailed)) {
      Trouble trouble = trouble_of(*row);
      trouble.rank = kUnit;
      trouble.cause = "the job failed for good" + (row->detail.empty() ? "" : ": " + row->detail);
      trouble.way_out = "`nelson logs " + row->name + "` shows its last words; push a release that mends it";
      trouble.code = "job-failed";
      trouble.since = row->sick_since;
      found_.push_back(std::move(trouble));
    }
  }

  /// Instances that fail while their stack as a whole is well enough not to be held.
  void add_instances() {
    for (const Row* at : rows_with(Ailment::kSick)) {
      const Row& row = *at;
      if (told_stacks_.count(row.name) > 0) continue;
      Trouble trouble = trouble_of(row);
      trouble.rank = kInstance;
      trouble.cause = std::to_string(row.sick) + " of " + std::to_string(row.running) +
                      " instances: " + (row.detail.empty() ? "not healthy" : row.detail);
      trouble.way_out = "it is started again by itself; `nelson logs " + row.name + "` shows its last words";
      trouble.code = "instance";
      trouble.since = std::min(row.sick_since.value_or(input_.now), input_.now);
      found_.push_back(std::move(trouble));
    }
  }

  /// What was mended lately: it works again, and whoever looks for what happened finds it here.
  void add_mended() {
    std::map<std::pair<std::string, std::string>, Mended> lost;  // by (domain, reason)
    for (const JournalEntry& entry : input_.history) {
      if (!puts_right(entry.effect, entry.reason) || fought_over(entry) || entry.outcome != JournalEntry::Outcome::kDone ||
          entry.intended + kMendedShown <= input_.now)
        continue;
      Mended& mended = lost[{entry.domain, entry.reason}];
      mended.units.insert(entry.unit);
      mended.since = std::min(mended.since.value_or(entry.intended), entry.intended);
      ++mended.times;
    }
    for (const auto& [key, mended] : lost)
      add_mended(key.first, mended,
                 (key.second == kRouteLost ? "the balancer did not serve it, having ended perhaps, and does again: "
                                           : "started again, because " + key.second + ": ") +
                     std::to_string(mended.times) + (mended.times == 1 ? " repair" : " repairs") + " in ten minutes",
                 "see `nelson history`");
    for (const Row* restarted : rows_with(Ailment::kMended))
      add_mended(
          restarted->domain, {{restarted->unit}, restarted->restarted_at, 1},
          "an instance ended" + (restarted->last_end.empty() ? "" : " (" + restarted->last_end + ")") + " and was started again",
          "`nelson logs " + restarted->name + "` shows its last words");
  }

  struct Mended {
    std::set<std::string> units;
    std::optional<Instant> since;
    std::size_t times = 0;
  };

  /// What is told as a fight is not told as mended, too.
  [[nodiscard]] bool fought_over(const JournalEntry& entry) const {
    return std::any_of(input_.plan.held.begin(), input_.plan.held.end(), [&entry](const Hold& hold) {
      return hold.code == kFight && hold.cell == CellKey{entry.domain, entry.unit} &&
             hold.subject == (entry.stack.empty() ? entry.unit : entry.stack);
    });
  }

  void add_mended(const std::string& domain, const Mended& mended, std::string cause, const std::string& look) {
    Trouble trouble;
    trouble.level = Level::kNotice;
    trouble.rank = kRemark;
    trouble.what = units_text(mended.units);
    trouble.place = "domain " + domain;
    trouble.cause = std::move(cause);
    trouble.way_out = "nothing, if somebody ended it by hand; else " + look;
    trouble.code = "mended";
    trouble.domain = domain;
    if (mended.units.size() == 1) trouble.unit = *mended.units.begin();
    trouble.since = mended.since;
    trouble.times = mended.times;
    found_.push_back(std::move(trouble));
  }

  void add_remark(std::string what, std::string cause, std::string way_out, std::string code, Instant since) {
    Trouble trouble;
    trouble.level = Level::kNotice;
    trouble.rank = kRemark;
    trouble.what = std::move(what);
    trouble.place = "store";
    trouble.cause = std::move(cause);
    trouble.way_out = std::move(way_out);
    trouble.code = std::move(code);
    trouble.since = since;
    found_.push_back(std::move(trouble));
  }

  void add_store_notice() {
    add_remark("history", input_.store_notice,
               "nothing: if nelson ran here before, what runs was taken over as it was, and only history is lost", "store-rebuilt",
               input_.started);
  }

  /// Whoever started a second controller looks here for why nothing comes of it.
  void add_refused_start(const RefusedStart& refused) {
    add_remark("another controller", "another controller was started on the store of this one and refused: " + refused.who,
               "stop what starts it; to replace this controller, stop this one first", "start-refused", refused.at);
  }

  struct Folded {
    std::size_t index = 0;
    std::set<std::string> units;
  };

  const ViewInput& input_;
  const std::map<std::string, Instant>& since_;
  const Index& index_;
  std::set<std::string> told_repositories_, told_stacks_;
  std::map<std::tuple<std::string, std::string, std::string, std::string>, Folded> holds_;
  std::vector<Trouble> found_;
};

}  // namespace

std::optional<Trouble> staleness(const View& view, Duration age) {
  if (view.input.pass == 0 || age <= 2 * view.input.interval) return std::nullopt;
  Trouble old;
  old.what = "everything";
  old.place = "this controller";
  old.cause = "no pass has ended for " + about(age) + ": what you see is as old as that";
  old.way_out = "see the log of `nelson run`; what was deployed keeps running meanwhile";
  old.code = "stale";
  old.since = view.input.now;
  return old;
}

std::vector<Trouble> find_trouble(const ViewInput& input, const std::map<std::string, Instant>& since, const Index& index) {
  return Finder(input, since, index).find();
}

}  // namespace status

std::string subject_of(const Problem& problem) {
  return "problem|" + problem.repository + "|" + problem.file + "|" + problem.unit + "|" + problem.code;
}

std::string subject_of(const Hold& hold) {
  return "hold|" + hold.cell.domain + "|" + hold.cell.unit + "|" + hold.name_space + "|" + hold.subject + "|" + hold.code;
}

std::vector<std::string> subjects_of(const ViewInput& input) {
  std::set<std::string> subjects;
  for (const Problem& problem : input.process_problems) subjects.insert(subject_of(problem));
  if (input.desired) {
    for (const Problem& problem : input.desired->problems) subjects.insert(subject_of(problem));
    for (const auto& [name, repository] : input.desired->repositories) {
      Problem problem;
      problem.repository = name;
      problem.code = repository.state == RepositoryState::kUnknown ? "repository-unread" : "repository-last-good";
      if (repository.state != RepositoryState::kCurrent) subjects.insert(subject_of(problem));
    }
  }
  for (const Hold& hold : input.plan.held)
    if (hold.trouble) subjects.insert(subject_of(hold));
  for (const auto& [name, domain] : input.observed.domains) {
    for (const status::Part& part : status::kParts)
      if (!(domain.*part.source).complete) subjects.insert(status::part_subject(name, part.name));
    if (!domain.changes_held.empty()) subjects.insert(status::held_subject(name, "changes"));
    if (!domain.removals_held.empty()) subjects.insert(status::held_subject(name, "removals"));
    if (!domain.foreign.empty()) subjects.insert(status::held_subject(name, "foreign"));
  }
  return {subjects.begin(), subjects.end()};
}

}  // namespace nelson
