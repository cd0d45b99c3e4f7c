#include "gitsync/resolve.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "gitsync/problem_codes.h"
#include "state/model/names.h"

namespace nelson {
namespace {

std::string line_of(const RepositoryFile& file, Place place) {
  return "repositories/" + file.name + ".yml" + (place.line > 0 ? ":" + std::to_string(place.line) : std::string()) +
         " of the control repository";
}

std::string joined(const std::vector<std::string>& words, std::string_view last) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? std::string(last) : std::string(", ");
    out += words[i];
  }
  return out;
}

/// One repository's claim on a cell.
struct Claim {
  const RepositoryFile* file = nullptr;
  const ReleaseReading* release = nullptr;
  std::vector<DesiredStack> stacks;
};

/// What keeps something from being done here is an error. To lint, which only looks ahead, the same row may be a warning.
Problem refusal(Place place, CodeName code, std::vector<std::string> parameters, std::string way_out) {
  Problem problem = problem_of(place, code, std::move(parameters), std::move(way_out));
  problem.warning = false;
  return problem;
}

class Resolver {
 public:
  Resolver(const ControlFiles& control, Desired& desired) : control_(control), desired_(desired) {}

  void add(const RepositoryFile& file, const RepositoryReading& reading) {
    std::vector<const ReleaseReading*> releases, patches;
    for (const ReleaseReading& release : reading.releases) (release.patch ? patches : releases).push_back(&release);
    std::sort(releases.begin(), releases.end(), [](const ReleaseReading* a, const ReleaseReading* b) {
      return std::tie(a->unit, a->file, a->commit, a->version) < std::tie(b->unit, b->file, b->commit, b->version);
    });
    for (std::size_t i = 0; i < releases.size(); ++i) {
      const bool again = (i > 0 && releases[i - 1]->unit == releases[i]->unit) ||
                         (i + 1 < releases.size() && releases[i + 1]->unit == releases[i]->unit);
      if (again)
        refuse(file, *releases[i],
               problem_at(unit_place(*releases[i]), "DuplicateName",
                          "unit " + in_quotes(releases[i]->unit) + " is declared by more than one manifest of this repository",
                          "rename one of them"));
      else
        add_release(file, *releases[i]);
    }
    for (const ReleaseReading* patch : patches) add_release(file, *patch);
  }

  void settle() {
    for (auto& [key, claims] : claims_) settle_cell(key, claims);
  }

 private:
  static Place unit_place(const ReleaseReading& release) {
    const ManifestUnit* unit = release.manifest->unit(release.unit);
    return unit == nullptr ? Place{} : unit->place;
  }

  void report(const RepositoryFile& file, const ReleaseReading& release, Problem problem, bool of_unit) {
    problem.repository = file.name;
    problem.commit = release.commit;
    problem.file = release.file;
    problem.warning = problem.warning || release.patch;
    if (of_unit) problem.unit = release.unit;
    desired_.problems.push_back(std::move(problem));
  }

  /// What is refused is not launched, and its repository counts as last-good, so that nothing is taken away for it either. A patch takes
  /// nothing away: whether anybody needs it is not known here, so a refused one is only remarked on.
  void refuse(const RepositoryFile& file, const ReleaseReading& release, Problem problem, bool of_unit = true) {
    report(file, release, std::move(problem), of_unit);
    if (release.patch) return;
    RepositoryState& state = desired_.repositories[file.name].state;
    if (state == RepositoryState::kCurrent) state = RepositoryState::kLastGood;
  }

  void add_release(const RepositoryFile& file, const ReleaseReading& release) {
    const Manifest& manifest = *release.manifest;
    const ManifestUnit* unit = manifest.unit(release.unit);
    if (unit == nullptr) return;
    if (!check_manifest(file, release)) return;
    if (file.may.units && !matches_any(*file.may.units, release.unit)) {
      refuse(file, release,
             refusal(unit->place, "ClaimRefused",
                     {"this repository may not claim unit " + in_quotes(release.unit) + ": " + line_of(file, file.may.units_place) +
                      " does not name it"},
                     "add it to `may.units` there, or remove the unit here"));
      return;
    }
    for (const auto& [name, domain] : control_.domains)
      if (manifest.targets.includes(name)) add_to_domain(file, release, *unit, domain);
  }

  /// What is said once of a manifest, whichever units of it are released. False when none of them may be.
  bool check_manifest(const RepositoryFile& file, const ReleaseReading& release) {
    const Manifest& manifest = *release.manifest;
    const std::size_t domains = targets(manifest), stacks = stacks_per_domain(manifest) * domains;
    if (stacks > kMaximumStacks) {
      refuse(file, release,
             refusal({}, "TooManyStacks",
                     {std::to_string(stacks), "in " + std::to_string(domains) + " domains", std::to_string(kMaximumStacks)},
                     "name fewer plans or domains, or split the manifest"),
             false);
      return false;
    }
    if (manifest.targets.kind == ManifestTargets::Kind::kOnly)
      for (const std::string& name : manifest.targets.names) check_target(file, release, name);
    for (const ManifestLoadbalancer& balancer : manifest.loadbalancers)
      for (const ManifestRoute& route : balancer.routes) check_exposed(file, release, route);
    return true;
  }

  [[nodiscard]] std::size_t targets(const Manifest& manifest) const {
    return static_cast<std::size_t>(std::count_if(control_.domains.begin(), control_.domains.end(),
                                                  [&](const auto& domain) { return manifest.targets.includes(domain.first); }));
  }

  void check_target(const RepositoryFile& file, const ReleaseReading& release, const std::string& name) {
    if (control_.domains.count(name) > 0) return;
    std::vector<std::string> known;
    for (const auto& [domain, settings] : control_.domains) known.push_back(domain);
    const auto near = nearest(name, known);
    report(
        file, release,
        problem_of({}, "UnknownDomain", {name}, near ? "did you mean `" + *near + "`?" : "known domains: " + joined(known, ", ")),
        false);
  }

  void check_exposed(const RepositoryFile& file, const ReleaseReading& release, const ManifestRoute& route) {
    const std::vector<std::uint16_t>& allowed = file.may.exposed;
    if (std::find(allowed.begin(), allowed.end(), route.expose.number) != allowed.end()) return;
    report(file, release,
           refusal(route.place, "ExposedPortRefused",
                   {std::to_string(route.expose.number), line_of(file, file.may.exposed_place) + " does not name it"},
                   "add it to `may.exposed` there, or remove the route here"),
           false);
  }

  void add_to_domain(const RepositoryFile& file, const ReleaseReading& release, const ManifestUnit& unit,
                     const DomainSettings& domain) {
    if (file.may.domains && !matches_any(*file.may.domains, domain.name)) {
      refuse(file, release,
             refusal(unit.place, "ClaimRefused",
                     {"this repository may not use domain " + in_quotes(domain.name) + ": " +
                      line_of(file, file.may.domains_place) + " does not name it"},
                     "add it to `may.domains` there, or exclude the domain under `domains: except:` here"));
      return;
    }
    const ManifestUnitReference* reference = find_reference(file, release, unit, domain);
    if (reference == nullptr) return;
    Claim claim{&file, &release, {}};
    for (const std::string& name : reference->plans) {
      const ManifestPlan& plan = *release.manifest->plan(name);
      DesiredStack stack = stack_of(file, release, unit, plan, domain);
      if (file.may.instances && stack.settings.instances > *file.may.instances) {
        refuse(file, release,
               refusal(plan.instances_place.line > 0 ? plan.instances_place : unit.place, "ClaimRefused",
                       {"plan " + in_quotes(name) + " asks for " + std::to_string(stack.settings.instances) + " instances: " +
                        line_of(file, file.may.instances_place) + " allows " + std::to_string(*file.may.instances)},
                       "raise `may.instances` there, or ask for fewer here"));
        continue;
      }
      claim.stacks.push_back(std::move(stack));
    }
    if (claim.stacks.empty()) return;
    const CellKey key{domain.name, unit.name};
    if (!release.patch) {
      claims_[key].push_back(std::move(claim));
    } else if (const auto found = claims_.find(key);
               found != claims_.end()) {  // a patch goes with the current release, or not at all
      for (Claim& current : found->second)
        if (current.file == &file) current.stacks.insert(current.stacks.end(), claim.stacks.begin(), claim.stacks.end());
    }
  }

  /// Where the manifest puts the unit in the domain's default namespace; null and reported when it does not, or may not.
  const ManifestUnitReference* find_reference(const RepositoryFile& file, const ReleaseReading& release, const ManifestUnit& unit,
                                              const DomainSettings& domain) {
    const std::string& name = domain.default_namespace;
    const ManifestNamespace* space = release.manifest->name_space(name);
    if (space == nullptr) {
      refuse(file, release, refusal({}, "MissingDefaultNamespaceReference", {name, domain.name}, ""), false);
      return nullptr;
    }
    if (!exists(name, domain.name)) {
      const std::string root(root_of(name));
      refuse(file, release,
             refusal(space->place, "UnknownNamespace", {domain.name, name},
                     "add it to namespaces/" + root + ".yml of the control repository, or change `default_namespace` in domains/" +
                         domain.name + ".yml"),
             false);
      return nullptr;
    }
    if (file.may.namespaces && !matches_any(*file.may.namespaces, name)) {
      refuse(file, release,
             refusal(space->place, "ClaimRefused",
                     {"this repository may not use namespace " + in_quotes(name) + ": " + line_of(file, file.may.namespaces_place) +
                      " does not name it"},
                     "add it to `may.namespaces` there"));
      return nullptr;
    }
    const auto found = std::find_if(space->units.begin(), space->units.end(),
                                    [&](const ManifestUnitReference& reference) { return reference.unit == unit.name; });
    if (found != space->units.end()) return &*found;
    refuse(file, release,
           refusal(unit.place, "MissingIndividualDefaultNamespaceReference", {name, domain.name, unit.name},
                   "add `{ref: " + unit.name + "}` to its units"));
    return nullptr;
  }

  [[nodiscard]] bool exists(const std::string& name, const std::string& domain) const {
    const auto file = control_.namespaces.find(std::string(root_of(name)));
    if (file == control_.namespaces.end()) return false;
    const NamespaceFile& spaces = file->second;
    const bool here = !spaces.domains || std::find(spaces.domains->begin(), spaces.domains->end(), domain) != spaces.domains->end();
    return here && std::binary_search(spaces.namespaces.begin(), spaces.namespaces.end(), name);
  }

  static DesiredStack stack_of(const RepositoryFile& file, const ReleaseReading& release, const ManifestUnit& unit,
                               const ManifestPlan& plan, const DomainSettings& domain) {
    DesiredStack stack;
    stack.name_space = domain.default_namespace;
    stack.plan = plan.name;
    stack.repository = file.name;
    stack.commit = release.commit;
    stack.version = release.version;
    stack.artifact = release.artifact;
    stack.spec = normalized_spec(unit, plan);
    stack.settings = settings_of(unit, plan, domain);
    stack.fresh = release.fresh;
    stack.patch = release.patch;
    return stack;
  }

  /// The only claimant, or the one whose `units:` names the unit; else all, and the planner looks at what runs (semantics 4).
  void settle_cell(const CellKey& key, std::vector<Claim>& claims) {
    DesiredCell& cell = desired_.cells[key];
    std::vector<Claim*> candidates, others;
    for (Claim& claim : claims) (matches_any(claim.file->units, key.unit) ? candidates : others).push_back(&claim);
    if (candidates.empty()) candidates.swap(others);
    std::vector<std::string> names, files;
    for (const Claim* claim : candidates) {
      names.push_back(claim->file->name);
      files.push_back("repositories/" + claim->file->name + ".yml");
    }
    for (const Claim* claim : others)
      report(*claim->file, *claim->release,
             refusal(unit_place(*claim->release), "ClaimRefused",
                     {"unit " + in_quotes(key.unit) + " belongs to " + joined(names, " and ") + ": " +
                      line_of(*candidates[0]->file, candidates[0]->file->units_place) + " names it, repositories/" +
                      claim->file->name + ".yml does not"},
                     "rename the unit here, or change `units:` there"),
             true);
    if (candidates.size() > 1) {
      cell.claimants = names;
      for (const Claim* claim : candidates)
        report(*claim->file, *claim->release,
               refusal(unit_place(*claim->release), "DisputedUnit", {key.unit, joined(names, " and ")},
                       "name it under `units:` in one of " + joined(files, " and ") + " of the control repository"),
               true);
    }
    for (Claim* claim : candidates)
      for (DesiredStack& stack : claim->stacks) cell.stacks.push_back(std::move(stack));
    std::sort(cell.stacks.begin(), cell.stacks.end(), [](const DesiredStack& a, const DesiredStack& b) {
      return std::tie(a.name_space, a.plan, a.repository, a.version) < std::tie(b.name_space, b.plan, b.repository, b.version);
    });
  }

  const ControlFiles& control_;
  Desired& desired_;
  std::map<CellKey, std::vector<Claim>> claims_;  // the claims of a cell by repository
};

std::vector<std::string> acknowledged(const ControlFiles& control) {
  std::set<std::string> stacks;
  for (const auto& [name, file] : control.acknowledgements) stacks.insert(file.stacks.begin(), file.stacks.end());
  return {stacks.begin(), stacks.end()};
}

std::vector<WentBack> went_back(const ControlFiles& control) {
  std::set<WentBack> out;
  for (const auto& [name, file] : control.acknowledgements)
    if (file.went_back) out.insert(*file.went_back);
  return {out.begin(), out.end()};
}

/// Nothing can be ours without an owner's id, so nothing is launched or taken away.
void refuse_without_owner(Desired& desired) {
  Problem problem = problem_at({}, "MissingOwner", "the control repository has no owner.yml that reads",
                               "restore it from history, or write one with `nelson init`");
  problem.repository = "control";
  problem.commit = desired.control_commit;
  problem.file = "owner.yml";
  desired.problems.push_back(std::move(problem));
  const auto repositories = desired.repositories;
  for (const auto& [name, repository] : repositories) desired.repositories[name].state = RepositoryState::kUnknown;
}

void finish_problems(std::vector<Problem>& problems) {
  std::sort(problems.begin(), problems.end());
  problems.erase(std::unique(problems.begin(), problems.end()), problems.end());
}

}  // namespace

Desired resolve(const ControlFiles& control, const std::string& control_url, const std::string& control_commit,
                const std::vector<RepositoryReading>& repositories, std::vector<Problem> control_problems) {
  Desired desired;
  desired.control_url = printable_url(control_url);
  desired.control_commit = control_commit;
  desired.domains = control.domains;
  desired.acknowledged = acknowledged(control);
  desired.went_back = went_back(control);
  desired.problems = std::move(control_problems);
  for (Problem& problem : desired.problems)
    if (problem.repository.empty()) problem.repository = "control";
  std::map<std::string, const RepositoryReading*> readings;
  for (const RepositoryReading& reading : repositories)
    if (control.repositories.count(reading.name) > 0) readings.emplace(reading.name, &reading);
  for (const auto& [name, file] : control.repositories) desired.repositories[name] = {};
  for (const std::string& name : control.unread) desired.repositories[name] = {};
  for (const auto& [name, reading] : readings) {
    desired.repositories[name] = {reading->state, reading->head, reading->last_fetched};
    for (Problem problem : reading->problems) {
      problem.repository = name;
      desired.problems.push_back(std::move(problem));
    }
  }
  if (control.owner) {
    desired.owner = control.owner->id;
    desired.moved_from = control.owner->moved_from;
    Resolver resolver(control, desired);
    for (const auto& [name, reading] : readings) resolver.add(control.repositories.at(name), *reading);
    resolver.settle();
  } else {
    refuse_without_owner(desired);
  }
  finish_problems(desired.problems);
  return desired;
}

}  // namespace nelson
