#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gitsync/manifest_parts.h"
#include "gitsync/schedule.h"

namespace nelson {
namespace {

// What is said of a manifest that is valid: slips that only show when something does not happen.

struct Uses {
  std::set<std::string_view> units, plans, loadbalancers;
};

Uses uses_of(const Manifest& manifest) {
  Uses uses;
  for (const ManifestNamespace& space : manifest.namespaces) {
    for (const ManifestUnitReference& reference : space.units) {
      uses.units.insert(reference.unit);
      uses.plans.insert(reference.plans.begin(), reference.plans.end());
    }
    for (const auto& [name, plan] : space.loadbalancers) {
      uses.loadbalancers.insert(name);
      if (plan) uses.plans.insert(*plan);
    }
  }
  return uses;
}

bool is_repeated(const std::string& schedule) { return !schedule.empty() && schedule != "once"; }

void advise_on_unused_plan(Reading& in, const Manifest& manifest, const ManifestPlan& plan) {
  in.report(plan.place, "UnusedPlan", {plan.name});
  const auto has_port = [](const std::string& port) {
    return [&port](const ManifestUnit& unit) {
      return std::any_of(unit.ports.begin(), unit.ports.end(), [&](const Port& p) { return p.name == port; });
    };
  };
  const auto has_alert = [](const std::string& alert) {
    return [&alert](const ManifestUnit& unit) {
      return std::any_of(unit.alerts.begin(), unit.alerts.end(), [&](const ManifestRule& a) { return a.name == alert; });
    };
  };
  for (const HealthCheck& check : plan.health_checks)
    if (std::none_of(manifest.units.begin(), manifest.units.end(), has_port(check.port)))
      in.report(plan.place, "UndeclaredCheckPort", {check.port, check.name, plan.name});
  for (const std::string& opt_out : plan.alert_opt_outs)
    if (std::none_of(manifest.units.begin(), manifest.units.end(), has_alert(opt_out)))
      in.report(plan.place, "UndeclaredOptOut", {opt_out, plan.name});
}

void advise_on_time_zones(Reading& in, const Manifest& manifest) {
  const bool unit_repeats = std::any_of(manifest.units.begin(), manifest.units.end(),
                                        [](const ManifestUnit& unit) { return is_repeated(unit.schedule); });
  const bool plan_repeats = std::any_of(manifest.plans.begin(), manifest.plans.end(),
                                        [](const ManifestPlan& plan) { return is_repeated(plan.schedule); });
  for (const ManifestPlan& plan : manifest.plans)
    if (!plan.timezone.empty() && !is_repeated(plan.schedule) && !unit_repeats)
      in.report(plan.place, "UnusedTimezone", {"plan.timezone"});
  for (const ManifestUnit& unit : manifest.units)
    if (!unit.timezone.empty() && !is_repeated(unit.schedule) && !plan_repeats)
      in.report(unit.place, "UnusedTimezone", {"unit.timezone"});
}

/// Honest about what is read but changes nothing yet.
void remark_on_what_has_no_effect(Reading& in, const Manifest& manifest, const Node& root) {
  const auto remark = [&](bool present, std::string_view what, Place place) {
    if (present) in.report(place, "WithoutEffect", {std::string(what)});
  };
  const auto key_place = [&](std::string_view key) { return root.find(key) == nullptr ? root.place : root.find(key)->key_place; };
  remark(!manifest.loadbalancers.empty(), "`loadbalancers`", key_place("loadbalancers"));
  remark(!manifest.email_recipients.empty() || !manifest.slack_channels.empty(), "`notifications`", key_place("notifications"));
  for (const ManifestUnit& unit : manifest.units) {
    in.unit = unit.name;
    remark(!unit.alerts.empty() || !unit.rules.empty(), "`alerting`", unit.place);
    remark(!unit.resources.empty(), "`resources`", unit.place);
    remark(!unit.meta.empty(), "`meta`", unit.place);
    remark(unit.workflow.has_value(), "`workflow`", unit.place);
    in.unit.clear();
  }
  for (const ManifestPlan& plan : manifest.plans) {
    remark(!plan.volumes.empty(), "`volumes`", plan.place);
    remark(!plan.constraints.empty(), "`constraints`", plan.place);
    remark(plan.workflow.has_value(), "`workflow`", plan.place);
  }
}

/// Dependencies of units of this file on each other that go in a circle, said once at the first unit of each.
class Circles {
 public:
  Circles(Reading& in, const Manifest& manifest) : in_(in), manifest_(manifest) {}

  void report() {
    for (const ManifestUnit& unit : manifest_.units) visit(unit);
  }

 private:
  void visit(const ManifestUnit& unit) {
    if (!done_.insert(unit.name).second) return;
    path_.push_back(&unit);
    for (const Dependency& dependency : unit.dependencies) {
      const auto begins =
          std::find_if(path_.begin(), path_.end(), [&](const ManifestUnit* on) { return on->name == dependency.unit; });
      if (begins != path_.end())
        say(begins);
      else if (const ManifestUnit* next = manifest_.unit(dependency.unit); next != nullptr)
        visit(*next);
    }
    path_.pop_back();
  }

  void say(std::vector<const ManifestUnit*>::const_iterator begins) {
    std::string circle;
    for (auto at = begins; at != path_.end(); ++at) circle += (*at)->name + " -> ";
    in_.unit = (*begins)->name;
    in_.report((*begins)->place, "CyclicDependency", {circle + (*begins)->name});
    in_.unit.clear();
  }

  Reading& in_;
  const Manifest& manifest_;
  std::set<std::string_view> done_;
  std::vector<const ManifestUnit*> path_;
};

}  // namespace

void advise(Reading& in, const Manifest& manifest, const Node& root) {
  const Uses uses = uses_of(manifest);
  for (const ManifestUnit& unit : manifest.units) {
    in.unit = unit.name;
    if (!uses.units.contains(unit.name)) in.report(unit.place, "UnusedUnit", {unit.name});
    for (const ManifestRule& alert : unit.alerts)
      if (alert.annotations.empty()) in.report(alert.place, "AlertWithoutAnnotation", {alert.name});
    in.unit.clear();
  }
  for (const ManifestPlan& plan : manifest.plans)
    if (!uses.plans.contains(plan.name)) advise_on_unused_plan(in, manifest, plan);
  for (const ManifestLoadbalancer& balancer : manifest.loadbalancers)
    if (!uses.loadbalancers.contains(balancer.name)) in.report(balancer.place, "UnusedLoadbalancer", {balancer.name});
  advise_on_time_zones(in, manifest);
  Circles(in, manifest).report();
  remark_on_what_has_no_effect(in, manifest, root);
}

}  // namespace nelson
