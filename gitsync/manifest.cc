#include "gitsync/manifest.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "gitsync/characters.h"
#include "gitsync/manifest_parts.h"
#include "state/model/names.h"

namespace nelson {
namespace {

// ---------------------------------------------------------------------------------------------------------------- load balancers

constexpr auto kRouteFields = std::to_array<Field<ManifestRoute>>({
    {"name", When::kOptional, kText<&ManifestRoute::name>, [] { return shape::text(); }},
    {"destination", When::kRequired,
     [](Reading& in, const Node& node, ManifestRoute& route) {
       std::string text;
       if (!in.text(node, text)) return;
       const auto destination = parse_destination(text);
       if (!destination) {
         in.report(node.place, "LoadError", {"route destination " + in_quotes(text) + " is not of the form unit->port"},
                   "write it like `basket-api->default`");
         return;
       }
       route.unit = destination->unit;
       route.port = destination->port;
     },
     [] { return shape::text("^\\s*(?!.*--)[A-Za-z0-9][A-Za-z0-9-]{0,39}[A-Za-z0-9]\\s*->\\s*[A-Za-z_][A-Za-z0-9_]{0,63}\\s*$"); }},
    {"expose", When::kRequired,
     [](Reading& in, const Node& node, ManifestRoute& route) {
       std::string text;
       if (!in.text(node, text)) return;
       const auto port = parse_port(text);
       if (port)
         route.expose = *port;
       else
         in.report(node.place, "LoadError", {"exposed port " + port.error().message}, "write it like `default->443/https`");
     },
     [] { return shape::port(); }},
});

constexpr auto kLoadbalancerFields = std::to_array<Field<ManifestLoadbalancer>>({
    {"name", When::kRequired,
     [](Reading& in, const Node& node, ManifestLoadbalancer& lb) {
       if (read_simple_name(in, node, "loadbalancer.name", lb.name) && lb.name.size() > 12)
         in.report(node.place, "InvalidLoadbalancerNameLength", {lb.name, "12"});
     },
     [] { return shape::text("^[A-Za-z0-9-]{1,12}$"); }},
    {"routes", When::kOptional,
     [](Reading& in, const Node& node, ManifestLoadbalancer& lb) {
       read_list(in, node, [&](const Node& item) {
         ManifestRoute route;
         route.place = item.place;
         if (read_object(in, item, "loadbalancer.routes", kRouteFields, route)) lb.routes.push_back(std::move(route));
       });
     },
     [] { return shape::list(shape_of(kRouteFields)); }},
});

void read_loadbalancers(Reading& in, const Node& node, Manifest& manifest) {
  read_list(in, node, [&](const Node& item) {
    ManifestLoadbalancer lb;
    lb.place = name_place(item);
    const std::size_t errors_before = in.errors();
    read_object(in, item, "loadbalancer", kLoadbalancerFields, lb);
    std::set<std::string> units;
    for (const ManifestRoute& route : lb.routes) units.insert(route.unit);
    if (in.errors() == errors_before && units.size() != 1)
      in.report(item.place, "InvalidRouteDefinition", {lb.name, std::to_string(units.size())});
    std::set<std::uint16_t> exposed;
    for (const ManifestRoute& route : lb.routes)
      if (!exposed.insert(route.expose.number).second)
        in.report(route.place, "DuplicateExposedPort", {std::to_string(route.expose.number), lb.name});
    manifest.loadbalancers.push_back(std::move(lb));
  });
  check_duplicates(in, "load balancer", manifest.loadbalancers);
}

// ---------------------------------------------------------------------------------------------------------------- namespaces

struct UnitReferenceDraft {
  std::string unit;
  std::vector<std::string> plans;
  std::vector<Place> plan_places;
  Place place;
};

void read_plan_names(Reading& in, const Node& node, std::vector<std::string>& names, std::vector<Place>& places) {
  read_list(in, node, [&](const Node& item) {
    std::string name;
    if (!in.text(item, name)) return;
    names.push_back(std::move(name));
    places.push_back(item.place);
  });
}

constexpr auto kUnitReferenceFields = std::to_array<Field<UnitReferenceDraft>>({
    {"ref", When::kRequired,
     [](Reading& in, const Node& node, UnitReferenceDraft& draft) {
       in.text(node, draft.unit);
       draft.place = node.place;
     },
     [] { return shape::text(); }},
    {"plans", When::kOptional,
     [](Reading& in, const Node& node, UnitReferenceDraft& draft) { read_plan_names(in, node, draft.plans, draft.plan_places); },
     [] { return shape::list(shape::text()); }},
});

struct LoadbalancerReferenceDraft {
  std::string name;
  std::optional<std::string> plan;
  Place place, plan_place;
};

constexpr auto kLoadbalancerReferenceFields = std::to_array<Field<LoadbalancerReferenceDraft>>({
    {"ref", When::kRequired,
     [](Reading& in, const Node& node, LoadbalancerReferenceDraft& draft) {
       in.text(node, draft.name);
       draft.place = node.place;
     },
     [] { return shape::text(); }},
    {"plan", When::kOptional,
     [](Reading& in, const Node& node, LoadbalancerReferenceDraft& draft) {
       std::string plan;
       if (!in.text(node, plan)) return;
       draft.plan = std::move(plan);
       draft.plan_place = node.place;
     },
     [] { return shape::text(); }},
});

struct NamespaceDraft {
  std::string name;
  std::vector<UnitReferenceDraft> units;
  std::vector<LoadbalancerReferenceDraft> loadbalancers;
  std::vector<std::string> plans;  // for the units that name none (spec/manifest 21.7)
  std::vector<Place> plan_places;
  Place place;
};

std::string reason_against(std::string_view name) {
  const auto fits = [](char c) { return is_lower(c) || c == '-' || c == '/'; };
  if (name.size() < 2) return "it has less than 2 characters";
  if (name.size() > kLongestName) return "it has more than " + std::to_string(kLongestName) + " characters";
  if (const auto* const bad = std::find_if_not(name.begin(), name.end(), fits); bad != name.end())
    return "it holds " + in_quotes(name.substr(static_cast<std::size_t>(bad - name.begin()), 1));
  return name.find("//") != std::string_view::npos ? "a part of it is empty" : "it does not begin and end with a letter";
}

constexpr auto kNamespaceFields = std::to_array<Field<NamespaceDraft>>({
    {"name", When::kRequired,
     [](Reading& in, const Node& node, NamespaceDraft& draft) {
       if (!in.text(node, draft.name)) return;
       if (!valid_namespace(draft.name) || draft.name.size() > kLongestName)
         in.report(node.place, "InvalidNamespace", {draft.name, reason_against(draft.name)});
     },
     [] { return shape::text("^(?!.*//)[a-z][a-z/-]*[a-z]$", kLongestName); }},
    {"units", When::kRequired,
     [](Reading& in, const Node& node, NamespaceDraft& draft) {
       read_list(in, node, [&](const Node& item) {
         UnitReferenceDraft reference;
         if (read_object(in, item, "namespace.units", kUnitReferenceFields, reference)) draft.units.push_back(std::move(reference));
       });
     },
     [] { return shape::list(shape_of(kUnitReferenceFields)); }},
    {"loadbalancers", When::kOptional,
     [](Reading& in, const Node& node, NamespaceDraft& draft) {
       read_list(in, node, [&](const Node& item) {
         LoadbalancerReferenceDraft reference;
         if (read_object(in, item, "namespace.loadbalancers", kLoadbalancerReferenceFields, reference))
           draft.loadbalancers.push_back(std::move(reference));
       });
     },
     [] { return shape::list(shape_of(kLoadbalancerReferenceFields)); }},
    {"plans", When::kOptional,
     [](Reading& in, const Node& node, NamespaceDraft& draft) { read_plan_names(in, node, draft.plans, draft.plan_places); },
     [] { return shape::list(shape::text()); }},
});

struct TargetsDraft {
  std::vector<std::string> only, except;
};
constexpr auto kTargetFields = std::to_array<Field<TargetsDraft>>({
    {"only", When::kOptional, kTexts<&TargetsDraft::only>, [] { return shape::list(shape::text()); }},
    {"except", When::kOptional, kTexts<&TargetsDraft::except>, [] { return shape::list(shape::text()); }},
});

constexpr auto kEmailFields = std::to_array<Field<Manifest>>({
    {"recipients", When::kOptional,
     [](Reading& in, const Node& node, Manifest& manifest) {
       read_list(in, node, [&](const Node& item) {
         std::string address;
         if (!in.text(item, address)) return;
         if (is_email(address))
           manifest.email_recipients.push_back(std::move(address));
         else
           in.report(item.place, "InvalidEmail", {address});
       });
     },
     [] { return shape::list(shape::text("^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,4}$")); }},
});
constexpr auto kSlackFields = std::to_array<Field<Manifest>>(
    {{"channels", When::kOptional, kTexts<&Manifest::slack_channels>, [] { return shape::list(shape::text()); }}});
constexpr auto kNotificationFields = std::to_array<Field<Manifest>>({
    {"email", When::kOptional,
     [](Reading& in, const Node& node, Manifest& m) { read_object(in, node, "notifications.email", kEmailFields, m); },
     [] { return shape_of(kEmailFields); }},
    {"slack", When::kOptional,
     [](Reading& in, const Node& node, Manifest& m) { read_object(in, node, "notifications.slack", kSlackFields, m); },
     [] { return shape_of(kSlackFields); }},
});

// ---------------------------------------------------------------------------------------------------------------- the whole file

/// The file as read, before what its parts say of each other is checked.
struct Draft {
  Manifest manifest;
  std::vector<NamespaceDraft> namespaces;
  const Node* domains = nullptr;
  const Node* datacenters = nullptr;
};

constexpr auto kManifestFields = std::to_array<Field<Draft>>({
    {"units", When::kRequired, [](Reading& in, const Node& node, Draft& draft) { read_units(in, node, draft.manifest.units); },
     [] { return shape::list(units_shape(), kMaximumUnits); }},
    {"plans", When::kOptional, [](Reading& in, const Node& node, Draft& draft) { read_plans(in, node, draft.manifest.plans); },
     [] { return shape::list(plans_shape(), kMaximumPlans); }},
    {"namespaces", When::kRequired,
     [](Reading& in, const Node& node, Draft& draft) {
       check_count(in, node, "namespaces", kMaximumNamespaces);
       read_list(in, node, [&](const Node& item) {
         NamespaceDraft space;
         space.place = name_place(item);
         read_object(in, item, "namespace", kNamespaceFields, space);
         draft.namespaces.push_back(std::move(space));
       });
       check_duplicates(in, "namespace", draft.namespaces);
     },
     [] { return shape::list(shape_of(kNamespaceFields), kMaximumNamespaces); }},
    {"loadbalancers", When::kOptional,
     [](Reading& in, const Node& node, Draft& draft) { read_loadbalancers(in, node, draft.manifest); },
     [] { return shape::list(shape_of(kLoadbalancerFields)); }},
    {"domains", When::kOptional, [](Reading&, const Node& node, Draft& draft) { draft.domains = &node; },
     [] { return shape_of(kTargetFields); }},
    {"datacenters", When::kOptional, [](Reading&, const Node& node, Draft& draft) { draft.datacenters = &node; },
     [] { return shape_of(kTargetFields); }},
    {"notifications", When::kOptional,
     [](Reading& in, const Node& node, Draft& draft) {
       read_object(in, node, "notifications", kNotificationFields, draft.manifest);
     },
     [] { return shape_of(kNotificationFields); }},
});

ManifestTargets read_targets(Reading& in, const Node& node, std::string_view label) {
  TargetsDraft draft;
  read_object(in, node, label, kTargetFields, draft);
  if (!draft.only.empty() && !draft.except.empty()) {
    in.report(node.place, "IgnoredTargets", {});
    return {};
  }
  if (!draft.only.empty()) return {ManifestTargets::Kind::kOnly, std::move(draft.only)};
  if (!draft.except.empty()) return {ManifestTargets::Kind::kExcept, std::move(draft.except)};
  return {};
}

void resolve_targets(Reading& in, Draft& draft) {
  if (draft.domains != nullptr) draft.manifest.targets = read_targets(in, *draft.domains, "domains");
  if (draft.datacenters == nullptr) return;
  ManifestTargets targets = read_targets(in, *draft.datacenters, "datacenters");
  if (draft.domains == nullptr) {
    draft.manifest.targets = std::move(targets);
  } else if (targets.kind != draft.manifest.targets.kind || targets.names != draft.manifest.targets.names) {
    in.report(draft.datacenters->key_place, "AmbiguousTargets", {});
  }
}

template <class T>
std::vector<std::string> names_of(const std::vector<T>& objects) {
  std::vector<std::string> names;
  for (const T& object : objects) names.push_back(object.name);
  return names;
}

/// Past the limit nothing is shown, and gathering names for each would be quadratic.
template <class T>
std::string suggestion(Reading& in, std::string_view word, const std::vector<T>& objects) {
  return in.full() ? std::string() : in.suggestion(word, names_of(objects));
}

bool known_plan(Reading& in, const Manifest& manifest, std::string_view name, Place place) {
  if (manifest.plan(name) != nullptr) return true;
  in.report(place, "UnknownPlanRef", {std::string(name)}, suggestion(in, name, manifest.plans));
  return false;
}

/// The plans a reference means, each once, in the order of the declarations.
std::vector<std::string> plans_in_order(const Manifest& manifest, const std::set<std::string>& meant) {
  std::vector<std::string> out;
  for (const ManifestPlan& plan : manifest.plans)
    if (meant.count(plan.name) > 0) out.push_back(plan.name);
  const std::string built_in(kDefaultPlan);
  if (meant.count(built_in) > 0 && std::find(out.begin(), out.end(), built_in) == out.end()) out.push_back(built_in);
  return out;
}

/// What a unit and one of its plans demand of each other. `at` is where the two are put together.
void check_pair(Reading& in, const ManifestUnit& unit, const ManifestPlan& plan, Place at) {
  if (in.full()) return;
  in.unit = unit.name;
  for (const std::string& opt_out : plan.alert_opt_outs) {
    const bool known =
        std::any_of(unit.alerts.begin(), unit.alerts.end(), [&](const ManifestRule& alert) { return alert.name == opt_out; });
    if (!known) in.report(at, "UnknownAlertOptOutRef", {unit.name, opt_out, plan.name}, suggestion(in, opt_out, unit.alerts));
  }
  for (std::size_t i = 0; i < plan.health_checks.size(); ++i) {
    const HealthCheck& check = plan.health_checks[i];
    if (check.protocol != Protocol::kTcp && check.path.empty())
      in.report(plan.check_places[i], "MissingHealthCheckPath", {std::string(name_of(check.protocol)), check.name});
    const bool known = std::any_of(unit.ports.begin(), unit.ports.end(), [&](const Port& port) { return port.name == check.port; });
    if (!known)
      in.report(at, "UnknownPortRef", {check.port, unit.name, check.name, plan.name}, suggestion(in, check.port, unit.ports));
  }
  for (const ManifestResource& resource : unit.resources) {
    const bool linked =
        std::any_of(plan.resources.begin(), plan.resources.end(), [&](const auto& link) { return link.first == resource.name; });
    if (!linked) in.report(at, "MissingResourceReference", {resource.name, plan.name, unit.name});
  }
  const bool periodic = !plan.schedule.empty() || !unit.schedule.empty();
  if (periodic && plan.traffic_shift)
    in.report(at, "PeriodicUnitWithTrafficShift", {unit.name, plan.name});
  else if (plan.traffic_shift && unit.ports.empty())
    in.report(at, "ShiftWithoutTraffic", {unit.name, plan.name});
  in.unit.clear();
}

/// Resolves one namespace's references; each unit gets one entry, and each pair of unit and plan is checked once per file.
class NamespaceResolver {
 public:
  NamespaceResolver(Reading& in, const Manifest& manifest) : in_(in), manifest_(manifest) {}

  ManifestNamespace resolve(const NamespaceDraft& draft) {
    ManifestNamespace out{draft.name, {}, {}, draft.place};
    for (std::size_t i = 0; i < draft.plans.size(); ++i) known_plan(in_, manifest_, draft.plans[i], draft.plan_places[i]);
    std::map<std::string, std::set<std::string>> meant;
    for (const UnitReferenceDraft& reference : draft.units) {
      if (!known_unit(reference)) continue;
      add_plans(reference, draft, meant[reference.unit]);
      if (std::none_of(out.units.begin(), out.units.end(), [&](const auto& known) { return known.unit == reference.unit; }))
        out.units.push_back({reference.unit, {}, reference.place});
    }
    for (ManifestUnitReference& reference : out.units) {
      reference.plans = plans_in_order(manifest_, meant[reference.unit]);
      for (const std::string& plan : reference.plans) check(reference, plan);
    }
    for (const LoadbalancerReferenceDraft& reference : draft.loadbalancers) add_loadbalancer(reference, out);
    return out;
  }

 private:
  bool known_unit(const UnitReferenceDraft& reference) {
    if (manifest_.unit(reference.unit) != nullptr) return true;
    in_.report(reference.place, "UnknownUnitRef", {reference.unit}, suggestion(in_, reference.unit, manifest_.units));
    return false;
  }

  void add_plans(const UnitReferenceDraft& reference, const NamespaceDraft& draft, std::set<std::string>& meant) {
    for (std::size_t i = 0; i < reference.plans.size(); ++i)
      if (known_plan(in_, manifest_, reference.plans[i], reference.plan_places[i])) meant.insert(reference.plans[i]);
    if (!reference.plans.empty()) return;
    for (const std::string& plan : draft.plans)
      if (manifest_.plan(plan) != nullptr) meant.insert(plan);
    if (draft.plans.empty()) meant.insert(std::string(kDefaultPlan));
  }

  void check(const ManifestUnitReference& reference, const std::string& plan) {
    if (checked_.emplace(reference.unit, plan).second)
      check_pair(in_, *manifest_.unit(reference.unit), *manifest_.plan(plan), reference.place);
  }

  void add_loadbalancer(const LoadbalancerReferenceDraft& reference, ManifestNamespace& out) {
    if (std::none_of(manifest_.loadbalancers.begin(), manifest_.loadbalancers.end(),
                     [&](const ManifestLoadbalancer& balancer) { return balancer.name == reference.name; })) {
      in_.report(reference.place, "UnknownLoadbalancerRef", {reference.name},
                 suggestion(in_, reference.name, manifest_.loadbalancers));
      return;
    }
    if (reference.plan && !known_plan(in_, manifest_, *reference.plan, reference.plan_place)) return;
    out.loadbalancers.emplace_back(reference.name, reference.plan);
  }

  Reading& in_;
  const Manifest& manifest_;
  std::set<std::pair<std::string, std::string>> checked_;
};

void check_routes(Reading& in, const Manifest& manifest) {
  for (const ManifestLoadbalancer& lb : manifest.loadbalancers)
    for (const ManifestRoute& route : lb.routes) {
      const ManifestUnit* unit = manifest.unit(route.unit);
      const bool known = unit != nullptr && std::any_of(unit->ports.begin(), unit->ports.end(),
                                                        [&](const Port& port) { return port.name == route.port; });
      if (known) continue;
      in.report(route.place, "UnknownBackendDestination", {route.unit + "->" + route.port},
                unit == nullptr ? suggestion(in, route.unit, manifest.units) : suggestion(in, route.port, unit->ports));
    }
}

void check_amplification(Reading& in, const Manifest& manifest, Place place) {
  const std::size_t stacks = stacks_per_domain(manifest);
  if (stacks > kMaximumStacks)
    in.report(place, "TooManyStacks", {std::to_string(stacks), "in each domain", std::to_string(kMaximumStacks)});
}

void resolve_references(Reading& in, Draft& draft, const Node& root) {
  Manifest& manifest = draft.manifest;
  NamespaceResolver resolver(in, manifest);
  for (const NamespaceDraft& space : draft.namespaces) manifest.namespaces.push_back(resolver.resolve(space));
  check_routes(in, manifest);
  check_amplification(in, manifest, root.place);
  // Advice is for files that work; beside errors it would only hide them.
  if (in.errors() == 0) advise(in, manifest, root);
}

/// What else is asked of a scheduler, in the order that spec.h gives.
std::vector<Demand> demands_of(const ManifestUnit& unit, const ManifestPlan& plan) {
  std::vector<Demand> demands;
  std::map<std::string, std::string> resources;  // those that the unit declares
  for (const ManifestResource& resource : unit.resources)
    for (const auto& [name, uri] : plan.resources)
      if (name == resource.name) resources[name] = uri;
  for (const auto& [name, uri] : resources) demands.push_back({"resource", {name, uri}});
  for (const ManifestVolume& volume : plan.volumes)
    demands.push_back({"volume", {volume.name, volume.mount_path, std::to_string(volume.size_mb)}});
  for (const ManifestConstraint& constraint : plan.constraints)
    demands.push_back({"constraint", {constraint.kind, constraint.field, constraint.parameter}});
  const std::set<std::string> tags(unit.meta.begin(), unit.meta.end());
  for (const std::string& tag : tags) demands.push_back({"tag", {tag}});
  const std::optional<Workflow>& workflow = plan.workflow ? plan.workflow : unit.workflow;
  if (!workflow) return demands;
  demands.push_back({"workflow", {std::string(name_of(workflow->kind))}});
  if (workflow->blueprint.empty()) return demands;
  demands.push_back({"blueprint", {workflow->blueprint}});
  if (workflow->revision) demands.back().words.push_back(std::to_string(*workflow->revision));
  return demands;
}

std::int64_t rounded_up_to_one(double value) { return std::max<std::int64_t>(1, std::llround(value)); }

}  // namespace

bool ManifestTargets::includes(std::string_view domain) const {
  switch (kind) {
    case Kind::kAll:
      return true;
    case Kind::kOnly:
      return std::find(names.begin(), names.end(), domain) != names.end();
    case Kind::kExcept:
      break;
  }
  return std::none_of(names.begin(), names.end(),
                      [&](const std::string& name) { return lower_case(trimmed(name)) == lower_case(trimmed(domain)); });
}

const ManifestUnit* Manifest::unit(std::string_view name) const {
  const auto found = std::find_if(units.begin(), units.end(), [&](const ManifestUnit& unit) { return unit.name == name; });
  return found == units.end() ? nullptr : &*found;
}

const ManifestPlan* Manifest::plan(std::string_view name) const {
  static const ManifestPlan kBuiltIn = [] {
    ManifestPlan plan;
    plan.name = kDefaultPlan;
    return plan;
  }();
  const auto found = std::find_if(plans.begin(), plans.end(), [&](const ManifestPlan& plan) { return plan.name == name; });
  if (found != plans.end()) return &*found;
  return name == kDefaultPlan ? &kBuiltIn : nullptr;
}

const ManifestNamespace* Manifest::name_space(std::string_view name) const {
  const auto found =
      std::find_if(namespaces.begin(), namespaces.end(), [&](const ManifestNamespace& space) { return space.name == name; });
  return found == namespaces.end() ? nullptr : &*found;
}

Shape manifest_shape() { return shape_of(kManifestFields); }

ManifestReading read_manifest(std::string_view bytes) {
  DocumentReading document = read_document(bytes, DuplicateKeys::kLastWins);
  ManifestReading reading;
  reading.problems = std::move(document.problems);
  if (!document.root) {
    attach_sources(bytes, reading.problems);
    return reading;
  }
  Reading in(UnknownKeys::kWarn);
  Draft draft;
  const Node& root = *document.root;
  if (root.kind == NodeKind::kNull)
    in.report(root.place, "LoadError", {"the file is empty"}, "declare `units` and `namespaces`");
  else if (root.kind != NodeKind::kMapping)
    in.report(root.place, "LoadError", {"the file must be a mapping"}, "begin with `units:`");
  else
    read_object(in, root, "manifest", kManifestFields, draft);
  resolve_targets(in, draft);
  if (root.kind == NodeKind::kMapping) resolve_references(in, draft, root);
  const bool valid = in.errors() == 0;
  for (Problem& problem : in.take()) reading.problems.push_back(std::move(problem));
  std::stable_sort(reading.problems.begin(), reading.problems.end());
  attach_sources(bytes, reading.problems);
  if (valid) reading.manifest = std::move(draft.manifest);
  return reading;
}

Spec normalized_spec(const ManifestUnit& unit, const ManifestPlan& plan) {
  Spec spec;
  spec.ports = unit.ports;
  std::stable_partition(spec.ports.begin(), spec.ports.end(), [](const Port& port) { return port.name == "default"; });
  spec.dependencies = unit.dependencies;
  std::sort(spec.dependencies.begin(), spec.dependencies.end(),
            [](const Dependency& a, const Dependency& b) { return a.unit < b.unit; });
  spec.environment = plan.environment;
  spec.health_checks = plan.health_checks;
  const auto millis = [](const std::optional<double>& cores) { return cores ? rounded_up_to_one(*cores * 1000) : 0; };
  const auto kib = [](const std::optional<double>& megabytes) { return megabytes ? rounded_up_to_one(*megabytes * 1024) : 0; };
  spec.cpu_millis = millis(plan.cpu);
  spec.cpu_request_millis = millis(plan.cpu_request);
  spec.memory_kib = kib(plan.memory);
  spec.memory_request_kib = kib(plan.memory_request);
  spec.retries = plan.retries.value_or(0);
  spec.schedule = plan.schedule.empty() ? unit.schedule : plan.schedule;
  // A zone means something only to what is repeated, and may not rename what is not.
  if (!spec.schedule.empty() && spec.schedule != "once") spec.timezone = plan.timezone.empty() ? unit.timezone : plan.timezone;
  spec.demands = demands_of(unit, plan);
  return spec;
}

Settings settings_of(const ManifestUnit& unit, const ManifestPlan& plan, const DomainSettings& domain) {
  const bool periodic = !plan.schedule.empty() || !unit.schedule.empty();
  Settings settings;
  settings.instances = plan.instances.value_or(1);
  settings.expiration_policy = plan.expiration_policy   ? *plan.expiration_policy
                               : unit.expiration_policy ? *unit.expiration_policy
                               : periodic               ? domain.default_periodic_policy
                                                        : domain.default_policy;
  settings.traffic_shift = plan.traffic_shift.value_or(domain.traffic_shift);
  return settings;
}

std::size_t stacks_per_domain(const Manifest& manifest) {
  std::size_t stacks = 0;
  for (const ManifestNamespace& space : manifest.namespaces)
    for (const ManifestUnitReference& reference : space.units) stacks += reference.plans.size();
  return stacks;
}

}  // namespace nelson
