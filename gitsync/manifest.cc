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
    {"name", When::kOptional, kText<&ManifestRoute::name>},
    {"destination", When::kRequired,
     [](Reading& in, const Node& node, ManifestRoute& route) {
       std::string text;
       if (!in.text(node, text)) return;
       const auto destination = parse_destination(text);
       if (!destination) {
         in.error(node.place, "LoadError", "route destination " + in_quotes(text) + " is not of the form unit->port",
                  "write it like `basket-api->default`");
         return;
       }
       route.unit = destination->unit;
       route.port = destination->port;
     }},
    {"expose", When::kRequired,
     [](Reading& in, const Node& node, ManifestRoute& route) {
       std::string text;
       if (!in.text(node, text)) return;
       const auto port = parse_port(text);
       if (port)
         route.expose = *port;
       else
         in.error(node.place, "LoadError", "exposed port " + port.error().message, "write it like `default->443/https`");
     }},
});

constexpr auto kLoadbalancerFields = std::to_array<Field<ManifestLoadbalancer>>({
    {"name", When::kRequired,
     [](Reading& in, const Node& node, ManifestLoadbalancer& lb) {
       if (read_simple_name(in, node, "loadbalancer.name", lb.name) && lb.name.size() > 12)
         in.error(node.place, "InvalidLoadbalancerNameLength",
                  "load balancer name " + in_quotes(lb.name) + " has " + std::to_string(lb.name.size()) + " characters",
                  "use at most 12");
     }},
    {"routes", When::kOptional,
     [](Reading& in, const Node& node, ManifestLoadbalancer& lb) {
       read_list(in, node, [&](const Node& item) {
         ManifestRoute route;
         route.place = item.place;
         if (read_object(in, item, "loadbalancer.routes", kRouteFields, route)) lb.routes.push_back(std::move(route));
       });
     }},
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
      in.error(item.place, "InvalidRouteDefinition",
               "the routes of load balancer " + in_quotes(lb.name) + " lead to " + std::to_string(units.size()) + " units",
               "let all its routes lead to one unit");
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
     }},
    {"plans", When::kOptional,
     [](Reading& in, const Node& node, UnitReferenceDraft& draft) { read_plan_names(in, node, draft.plans, draft.plan_places); }},
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
     }},
    {"plan", When::kOptional,
     [](Reading& in, const Node& node, LoadbalancerReferenceDraft& draft) {
       std::string plan;
       if (!in.text(node, plan)) return;
       draft.plan = std::move(plan);
       draft.plan_place = node.place;
     }},
});

struct NamespaceDraft {
  std::string name;
  std::vector<UnitReferenceDraft> units;
  std::vector<LoadbalancerReferenceDraft> loadbalancers;
  std::vector<std::string> plans;  // for the units that name none (spec/manifest 21.7)
  std::vector<Place> plan_places;
  Place place;
};

constexpr auto kNamespaceFields = std::to_array<Field<NamespaceDraft>>({
    {"name", When::kRequired,
     [](Reading& in, const Node& node, NamespaceDraft& draft) {
       if (!in.text(node, draft.name)) return;
       if (!valid_namespace(draft.name) || draft.name.size() > kLongestName)
         in.error(node.place, "InvalidNamespace", in_quotes(draft.name) + " is not a namespace",
                  "use lower-case letters and hyphens, `/` between parts, a letter at both ends, at most " +
                      std::to_string(kLongestName) + " characters");
     }},
    {"units", When::kRequired,
     [](Reading& in, const Node& node, NamespaceDraft& draft) {
       read_list(in, node, [&](const Node& item) {
         UnitReferenceDraft reference;
         if (read_object(in, item, "namespace.units", kUnitReferenceFields, reference)) draft.units.push_back(std::move(reference));
       });
     }},
    {"loadbalancers", When::kOptional,
     [](Reading& in, const Node& node, NamespaceDraft& draft) {
       read_list(in, node, [&](const Node& item) {
         LoadbalancerReferenceDraft reference;
         if (read_object(in, item, "namespace.loadbalancers", kLoadbalancerReferenceFields, reference))
           draft.loadbalancers.push_back(std::move(reference));
       });
     }},
    {"plans", When::kOptional,
     [](Reading& in, const Node& node, NamespaceDraft& draft) { read_plan_names(in, node, draft.plans, draft.plan_places); }},
});

struct TargetsDraft {
  std::vector<std::string> only, except;
};
constexpr auto kTargetFields = std::to_array<Field<TargetsDraft>>({
    {"only", When::kOptional, kTexts<&TargetsDraft::only>},
    {"except", When::kOptional, kTexts<&TargetsDraft::except>},
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
           in.error(item.place, "InvalidEmail", in_quotes(address) + " is not an e-mail address",
                    "write it like `ops@example.org`");
       });
     }},
});
constexpr auto kSlackFields = std::to_array<Field<Manifest>>({{"channels", When::kOptional, kTexts<&Manifest::slack_channels>}});
constexpr auto kNotificationFields = std::to_array<Field<Manifest>>({
    {"email", When::kOptional,
     [](Reading& in, const Node& node, Manifest& m) { read_object(in, node, "notifications.email", kEmailFields, m); }},
    {"slack", When::kOptional,
     [](Reading& in, const Node& node, Manifest& m) { read_object(in, node, "notifications.slack", kSlackFields, m); }},
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
    {"units", When::kRequired, [](Reading& in, const Node& node, Draft& draft) { read_units(in, node, draft.manifest.units); }},
    {"plans", When::kOptional, [](Reading& in, const Node& node, Draft& draft) { read_plans(in, node, draft.manifest.plans); }},
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
     }},
    {"loadbalancers", When::kOptional,
     [](Reading& in, const Node& node, Draft& draft) { read_loadbalancers(in, node, draft.manifest); }},
    {"domains", When::kOptional, [](Reading&, const Node& node, Draft& draft) { draft.domains = &node; }},
    {"datacenters", When::kOptional, [](Reading&, const Node& node, Draft& draft) { draft.datacenters = &node; }},
    {"notifications", When::kOptional,
     [](Reading& in, const Node& node, Draft& draft) {
       read_object(in, node, "notifications", kNotificationFields, draft.manifest);
     }},
});

ManifestTargets read_targets(Reading& in, const Node& node, std::string_view label) {
  TargetsDraft draft;
  read_object(in, node, label, kTargetFields, draft);
  if (!draft.only.empty() && !draft.except.empty()) {
    in.warning(node.place, "IgnoredTargets", "both `only` and `except` are given, so that neither counts: all domains are meant",
               "keep one of them");
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
    in.error(draft.datacenters->key_place, "AmbiguousTargets",
             "`domains` and `datacenters` are two words for one thing and say different things", "keep `domains`");
  }
}

template <class T>
std::vector<std::string> names_of(const std::vector<T>& objects) {
  std::vector<std::string> names;
  for (const T& object : objects) names.push_back(object.name);
  return names;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& names, std::string_view otherwise) {
  const auto near = nearest(word, names);
  return near ? "did you mean `" + *near + "`?" : std::string(otherwise);
}

bool known_plan(Reading& in, const Manifest& manifest, std::string_view name, Place place) {
  if (manifest.plan(name) != nullptr) return true;
  in.error(place, "UnknownPlanRef", in_quotes(name) + " is not declared under `plans`",
           suggestion(name, names_of(manifest.plans), "declare it under `plans`"));
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
  in.unit = unit.name;
  for (const std::string& opt_out : plan.alert_opt_outs) {
    const bool known =
        std::any_of(unit.alerts.begin(), unit.alerts.end(), [&](const ManifestRule& alert) { return alert.name == opt_out; });
    if (!known)
      in.error(at, "UnknownAlertOptOutRef",
               "plan " + in_quotes(plan.name) + " opts out of " + in_quotes(opt_out) + ", which is no alert of unit " +
                   in_quotes(unit.name),
               suggestion(opt_out, names_of(unit.alerts), "name an alert of the unit in snake case"));
  }
  for (const HealthCheck& check : plan.health_checks) {
    const bool known = std::any_of(unit.ports.begin(), unit.ports.end(), [&](const Port& port) { return port.name == check.port; });
    if (!known)
      in.error(at, "UnknownPortRef",
               "health check " + in_quotes(check.name) + " of plan " + in_quotes(plan.name) + " names port " +
                   in_quotes(check.port) + ", which unit " + in_quotes(unit.name) + " does not have",
               suggestion(check.port, names_of(unit.ports), "declare the port, or remove the check"));
  }
  for (const ManifestResource& resource : unit.resources) {
    const bool linked =
        std::any_of(plan.resources.begin(), plan.resources.end(), [&](const auto& link) { return link.first == resource.name; });
    if (!linked)
      in.error(at, "MissingResourceReference",
               "plan " + in_quotes(plan.name) + " says nothing of resource " + in_quotes(resource.name) + " of unit " +
                   in_quotes(unit.name),
               "add `{ref: " + resource.name + ", uri: ...}` to the plan's resources");
  }
  const bool periodic = !plan.schedule.empty() || !unit.schedule.empty();
  if (periodic && plan.traffic_shift)
    in.error(at, "PeriodicUnitWithTrafficShift",
             "unit " + in_quotes(unit.name) + " with plan " + in_quotes(plan.name) + " has both a schedule and a traffic shift",
             "remove one of them");
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

  [[nodiscard]] const std::set<std::string>& used_plans() const { return used_plans_; }

 private:
  bool known_unit(const UnitReferenceDraft& reference) {
    if (manifest_.unit(reference.unit) != nullptr) return true;
    in_.error(reference.place, "UnknownUnitRef", in_quotes(reference.unit) + " is not declared under `units`",
              suggestion(reference.unit, names_of(manifest_.units), "declare it under `units`"));
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
    used_plans_.insert(plan);
    if (checked_.emplace(reference.unit, plan).second)
      check_pair(in_, *manifest_.unit(reference.unit), *manifest_.plan(plan), reference.place);
  }

  void add_loadbalancer(const LoadbalancerReferenceDraft& reference, ManifestNamespace& out) {
    const std::vector<std::string> names = names_of(manifest_.loadbalancers);
    if (std::find(names.begin(), names.end(), reference.name) == names.end()) {
      in_.error(reference.place, "UnknownLoadbalancerRef", in_quotes(reference.name) + " is not declared under `loadbalancers`",
                suggestion(reference.name, names, "declare it under `loadbalancers`"));
      return;
    }
    if (reference.plan) {
      if (!known_plan(in_, manifest_, *reference.plan, reference.plan_place)) return;
      used_plans_.insert(*reference.plan);
    }
    out.loadbalancers.emplace_back(reference.name, reference.plan);
  }

  Reading& in_;
  const Manifest& manifest_;
  std::set<std::pair<std::string, std::string>> checked_;
  std::set<std::string> used_plans_;
};

void check_routes(Reading& in, const Manifest& manifest) {
  for (const ManifestLoadbalancer& lb : manifest.loadbalancers)
    for (const ManifestRoute& route : lb.routes) {
      const ManifestUnit* unit = manifest.unit(route.unit);
      const bool known = unit != nullptr && std::any_of(unit->ports.begin(), unit->ports.end(),
                                                        [&](const Port& port) { return port.name == route.port; });
      if (known) continue;
      in.error(route.place, "UnknownBackendDestination",
               in_quotes(route.unit + "->" + route.port) + " is no port of a unit of this manifest",
               unit == nullptr ? suggestion(route.unit, names_of(manifest.units), "name a unit of this manifest")
                               : suggestion(route.port, names_of(unit->ports), "name a port of the unit"));
    }
}

/// Honest about what is read but changes nothing yet.
void warn_of_the_unused(Reading& in, const Manifest& manifest, const Node& root) {
  const auto warn = [&](bool present, std::string_view what, Place place) {
    if (present)
      in.warning(place, "WithoutEffect", std::string(what) + " is checked, but has no effect in this version", "nothing to do");
  };
  const auto key_place = [&](std::string_view key) { return root.find(key) == nullptr ? root.place : root.find(key)->key_place; };
  warn(!manifest.loadbalancers.empty(), "`loadbalancers`", key_place("loadbalancers"));
  warn(!manifest.email_recipients.empty() || !manifest.slack_channels.empty(), "`notifications`", key_place("notifications"));
  for (const ManifestUnit& unit : manifest.units) {
    in.unit = unit.name;
    warn(!unit.alerts.empty() || !unit.rules.empty(), "`alerting`", unit.place);
    warn(!unit.resources.empty(), "`resources`", unit.place);
    warn(unit.workflow.has_value(), "`workflow`", unit.place);
    in.unit.clear();
  }
  for (const ManifestPlan& plan : manifest.plans) {
    warn(!plan.volumes.empty(), "`volumes`", plan.place);
    warn(!plan.constraints.empty(), "`constraints`", plan.place);
    warn(plan.workflow.has_value(), "`workflow`", plan.place);
  }
}

void check_amplification(Reading& in, const Manifest& manifest, Place place) {
  const std::size_t stacks = stacks_per_domain(manifest);
  if (stacks > kMaximumStacks)
    in.error(place, "TooManyStacks",
             "expands to " + std::to_string(stacks) + " stacks in each domain, limit " + std::to_string(kMaximumStacks),
             "name fewer plans per unit, or split the manifest");
}

void resolve_references(Reading& in, Draft& draft, const Node& root) {
  Manifest& manifest = draft.manifest;
  NamespaceResolver resolver(in, manifest);
  for (const NamespaceDraft& space : draft.namespaces) manifest.namespaces.push_back(resolver.resolve(space));
  check_routes(in, manifest);
  check_amplification(in, manifest, root.place);
  // Advice is for files that work; beside errors it would only hide them.
  if (in.errors() > 0) return;
  for (const ManifestPlan& plan : manifest.plans)
    if (resolver.used_plans().count(plan.name) == 0 && !plan.name.empty())
      in.warning(plan.place, "UnusedPlan", "no namespace uses plan " + in_quotes(plan.name),
                 "remove it, or name it in a namespace");
  warn_of_the_unused(in, manifest, root);
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

ManifestReading read_manifest(std::string_view bytes) {
  DocumentReading document = read_document(bytes, DuplicateKeys::kLastWins);
  ManifestReading reading;
  reading.problems = std::move(document.problems);
  if (!document.root) return reading;
  Reading in(UnknownKeys::kWarn);
  Draft draft;
  const Node& root = *document.root;
  if (root.kind == NodeKind::kNull)
    in.error(root.place, "LoadError", "the file is empty", "declare `units` and `namespaces`");
  else if (root.kind != NodeKind::kMapping)
    in.error(root.place, "LoadError", "the file must be a mapping", "begin with `units:`");
  else
    read_object(in, root, "manifest", kManifestFields, draft);
  resolve_targets(in, draft);
  if (root.kind == NodeKind::kMapping) resolve_references(in, draft, root);
  const bool valid = in.errors() == 0;
  for (Problem& problem : in.take()) reading.problems.push_back(std::move(problem));
  std::stable_sort(reading.problems.begin(), reading.problems.end());
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
