#include "gitsync/manifest_world.h"

#include <algorithm>

#include "gitsync/problem_codes.h"
#include "state/model/names.h"

namespace nelson {
namespace {

class Asking {
 public:
  Asking(const Desired& desired, const std::set<CellKey>& called, const Manifest& manifest)
      : desired_(desired), called_(called), manifest_(manifest) {}

  std::vector<Problem> ask() {
    if (manifest_.targets.kind == ManifestTargets::Kind::kOnly) ask_for_domains();
    for (const auto& [name, domain] : desired_.domains)
      if (manifest_.targets.includes(name)) ask_in(domain);
    std::sort(out_.begin(), out_.end());
    out_.erase(std::unique(out_.begin(), out_.end()), out_.end());
    return std::move(out_);
  }

 private:
  void say(Place place, CodeName code, std::vector<std::string> parameters, const std::string& unit = {},
           std::string way_out = {}) {
    out_.push_back(problem_of(place, code, std::move(parameters), std::move(way_out)));
    out_.back().unit = unit;
  }

  void ask_for_domains() {
    std::vector<std::string> known;
    for (const auto& [name, domain] : desired_.domains) known.push_back(name);
    for (const std::string& name : manifest_.targets.names) {
      if (desired_.domains.contains(name)) continue;
      const auto near = nearest(name, known);
      say({}, "UnknownDomain", {name}, {}, near ? "did you mean `" + *near + "`?" : "");
    }
  }

  void ask_in(const DomainSettings& domain) {
    const ManifestNamespace* const space = manifest_.name_space(domain.default_namespace);
    if (space == nullptr) say({}, "MissingDefaultNamespaceReference", {domain.default_namespace, domain.name});
    for (const ManifestUnit& unit : manifest_.units) {
      const bool there = space != nullptr && std::any_of(space->units.begin(), space->units.end(),
                                                         [&](const auto& reference) { return reference.unit == unit.name; });
      if (space != nullptr && !there)
        say(unit.place, "MissingIndividualDefaultNamespaceReference", {domain.default_namespace, domain.name, unit.name},
            unit.name);
      if (!there) continue;
      for (const Dependency& dependency : unit.dependencies) ask_for(dependency, unit, domain);
      if (!unit.ports.empty() && !is_called(unit, domain))
        say(unit.place, "NobodyCalls",
            {unit.name, domain.name,
             domain.retire_idle ? "with `idle: retire` it is retired once it is idle" : "only what Git wants keeps it"},
            unit.name);
    }
  }

  /// A dependency may be another unit of the same manifest, which is then launched first (spec/manifest 21.3).
  void ask_for(const Dependency& dependency, const ManifestUnit& unit, const DomainSettings& domain) {
    if (manifest_.unit(dependency.unit) != nullptr) return;
    const auto cell = desired_.cells.find({domain.name, dependency.unit});
    const auto satisfies = [&](const DesiredStack& stack) {
      const bool here = stack.name_space == domain.default_namespace || is_below(domain.default_namespace, stack.name_space);
      return here && !stack.patch && stack.version.major == dependency.version.major &&
             stack.version.minor >= dependency.version.minor;
    };
    if (cell != desired_.cells.end() && std::any_of(cell->second.stacks.begin(), cell->second.stacks.end(), satisfies)) return;
    say(unit.place, "MissingDependency",
        {unit.name, domain.name, domain.default_namespace,
         dependency.unit + "@" + std::to_string(dependency.version.major) + "." + std::to_string(dependency.version.minor)},
        unit.name);
  }

  [[nodiscard]] bool is_called(const ManifestUnit& unit, const DomainSettings& domain) const {
    if (called_.contains({domain.name, unit.name})) return true;
    const auto calls = [&](const ManifestUnit& other) {
      return std::any_of(other.dependencies.begin(), other.dependencies.end(),
                         [&](const Dependency& dependency) { return dependency.unit == unit.name; });
    };
    const auto leads_to = [&](const ManifestLoadbalancer& balancer) {
      return std::any_of(balancer.routes.begin(), balancer.routes.end(),
                         [&](const ManifestRoute& route) { return route.unit == unit.name; });
    };
    return std::any_of(manifest_.units.begin(), manifest_.units.end(), calls) ||
           std::any_of(manifest_.loadbalancers.begin(), manifest_.loadbalancers.end(), leads_to);
  }

  const Desired& desired_;
  const std::set<CellKey>& called_;
  const Manifest& manifest_;
  std::vector<Problem> out_;
};

}  // namespace

ManifestWorld::ManifestWorld(const Desired& desired) : desired_(desired) {
  for (const auto& [key, cell] : desired.cells)
    for (const DesiredStack& stack : cell.stacks)
      for (const Dependency& dependency : stack.spec.dependencies) called_.insert({key.domain, dependency.unit});
}

std::vector<Problem> ManifestWorld::problems_of(const Manifest& manifest) const {
  return Asking(desired_, called_, manifest).ask();
}

}  // namespace nelson
