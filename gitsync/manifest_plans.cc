#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <utility>

#include "gitsync/characters.h"
#include "gitsync/manifest_parts.h"
#include "gitsync/secrets.h"

namespace nelson {
namespace {

constexpr std::size_t kMaximumEnvironment = 200;
constexpr std::size_t kLongestVariable = 4096;
constexpr std::size_t kLongestPath = 2048;

/// One of the two resources: the limit below its bound, the request within the limit.
struct Amounts {
  std::string_view name;
  std::int64_t bound;
  CodeName invalid, missing_limit, invalid_bound;
};
constexpr Amounts kCpu{"cpu", 100, "InvalidCPU", "MissingCPULimit", "InvalidCPUBound"};
constexpr Amounts kMemory{"memory", 50'000, "InvalidMemory", "MissingMemoryLimit", "InvalidMemoryBound"};

/// A limit or a request: not above zero is unset.
void read_amount(Reading& in, const Node& node, std::optional<double>& out) {
  double value = 0;
  if (!in.real(node, value)) return;
  if (value > 0) {
    out = value;
    return;
  }
  in.report(node.place, "IgnoredValue", {in.path(), node.text});
}

constexpr auto kInstancesFields = std::to_array<Field<ManifestPlan>>({
    {"desired", When::kNotNull,
     [](Reading& in, const Node& node, ManifestPlan& plan) {
       std::int32_t desired = 0;
       if (!in.integer(node, desired)) return;
       plan.instances_place = node.place;
       plan.instances.reset();
       if (desired <= 0)
         in.report(node.place, "IgnoredValue", {in.path(), node.text});
       else if (desired >= 5000)
         in.report(node.place, "InvalidInstances", {std::to_string(desired)});
       else
         plan.instances = desired;
     },
     [] { return shape::whole(-2147483648, 4999); }},
});

void read_instances(Reading& in, const Node& node, ManifestPlan& plan) {
  if (node.kind != NodeKind::kMapping) {
    in.report(node.place, "LoadError", {"`plan.instances` must be a mapping"}, "write `instances: {desired: 2}`");
    return;
  }
  plan.instances = 1;
  plan.instances_place = node.place;
  read_object(in, node, "plan.instances", kInstancesFields, plan);
}

void add_variable(Reading& in, Place place, EnvironmentVariable variable, std::set<std::string>& names,
                  std::vector<EnvironmentVariable>& out) {
  if (variable.name.empty()) {
    in.report(place, "DiscardedEnvironment", {"=" + variable.value, "has no name"});
    return;
  }
  if (variable.name.size() + variable.value.size() > kLongestVariable) {
    in.report(
        place, "InvalidEnvironment",
        {"environment variable " + in_quotes(variable.name) + " is longer than " + std::to_string(kLongestVariable) + " bytes"});
    return;
  }
  if (looks_secret(variable.name, variable.value)) in.report(place, "SecretInEnvironment", {variable.name});
  if (variable.name.starts_with("NELSON_")) in.report(place, "ReservedEnvironment", {variable.name});
  if (!names.insert(variable.name).second) in.report(place, "DuplicateEnvironment", {variable.name});
  out.push_back(std::move(variable));
}

void read_environment(Reading& in, const Node& node, std::vector<EnvironmentVariable>& out) {
  std::set<std::string> names;
  if (node.kind == NodeKind::kMapping) {
    for (const Node& entry : node.children) {
      std::string value;
      if (entry.key.find('=') != std::string::npos)
        in.report(entry.key_place, "InvalidEnvironment", {"the name " + in_quotes(entry.key) + " contains `=`"}, "remove it");
      else if (entry.kind == NodeKind::kNull || in.text(entry, value))
        add_variable(in, entry.key_place, {entry.key, value}, names, out);
    }
  } else {
    read_list(in, node, [&](const Node& item) {
      std::string text;
      if (!in.text(item, text)) return;
      const std::size_t equals = text.find('=');
      if (equals == std::string::npos)
        in.report(item.place, "DiscardedEnvironment", {text, "has no `=`"});
      else
        add_variable(in, item.place, {text.substr(0, equals), text.substr(equals + 1)}, names, out);
    });
  }
  if (out.size() > kMaximumEnvironment)
    in.report(node.place, "InvalidEnvironment", {std::to_string(out.size()) + " environment variables"},
              "use at most " + std::to_string(kMaximumEnvironment));
}

/// A path of the unit itself: visible ASCII, no host before it.
void read_check_path(Reading& in, const Node& node, std::string& out) {
  std::string path;
  if (!in.text(node, path)) return;
  const bool visible = std::all_of(path.begin(), path.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  const bool has_host = path.starts_with("//") || path.substr(0, path.find('?')).find("://") != std::string::npos;
  if (path.empty() || !visible || has_host || path.size() > kLongestPath) {
    in.report(node.place, "InvalidHealthCheckPath", {path});
    return;
  }
  out = path[0] == '/' ? path : "/" + path;
}

void read_check_duration(Reading& in, const Node& node, Duration least, Duration& out) {
  Duration length{};
  if (!in.duration(node, length)) return;
  if (length < least || length > std::chrono::hours(24)) {
    in.report(node.place, "InvalidDuration", {in.path(), node.text, "is not between " + format_duration(least) + " and 1 day"},
              "choose a length between them");
    return;
  }
  out = length;
}

constexpr auto kHealthCheckFields = std::to_array<Field<HealthCheck>>({
    {"name", When::kRequired,
     [](Reading& in, const Node& node, HealthCheck& check) { read_simple_name(in, node, "health_check.name", check.name); },
     [] { return shape::simple_name(); }},
    {"port_reference", When::kRequired, kText<&HealthCheck::port>, [] { return shape::text(); }},
    {"protocol", When::kNeeded,
     [](Reading& in, const Node& node, HealthCheck& check) {
       static const std::vector<std::string> kProtocols = {"http", "https", "tcp"};
       std::size_t index = 0;
       if (in.one_of(node, "InvalidProtocol", kProtocols, index)) check.protocol = static_cast<Protocol>(index);
     },
     [] {
       return shape::one_of({"http", "https", "tcp"});
     }},
    {"path", When::kOptional, [](Reading& in, const Node& node, HealthCheck& check) { read_check_path(in, node, check.path); },
     [] { return shape::text("^(?!//)(?![^?]*://)[\\x21-\\x7e]+$", kLongestPath); }},
    {"interval", When::kOptional,
     [](Reading& in, const Node& node, HealthCheck& check) {
       read_check_duration(in, node, std::chrono::milliseconds(100), check.interval);
     },
     [] { return shape::duration(); }},
    {"timeout", When::kOptional,
     [](Reading& in, const Node& node, HealthCheck& check) {
       read_check_duration(in, node, std::chrono::milliseconds(1), check.timeout);
     },
     [] { return shape::duration(); }},
});

void read_health_checks(Reading& in, const Node& node, std::vector<HealthCheck>& out, std::vector<Place>& places) {
  read_list(in, node, [&](const Node& item) {
    HealthCheck check;
    check.interval = std::chrono::seconds(10);
    check.timeout = std::chrono::seconds(2);
    const bool read = read_object(in, item, "health_check", kHealthCheckFields, check);
    const Node* const protocol = item.find("protocol");
    if (item.kind == NodeKind::kMapping && (protocol == nullptr || protocol->kind == NodeKind::kNull)) {
      in.report(protocol == nullptr ? item.place : protocol->key_place, "InvalidProtocol",
                {"health_check.protocol", "", "http, https, tcp"}, "add `protocol:`");
      return;
    }
    if (!read) return;
    const auto same = std::find_if(out.begin(), out.end(), [&](const HealthCheck& c) { return c.name == check.name; });
    if (same != out.end()) {
      const Place first = places[static_cast<std::size_t>(same - out.begin())];
      in.report(item.place, "DuplicateName", {"health check", check.name, std::to_string(first.line)});
    }
    if (check.timeout > check.interval)
      in.report(item.place, "TimeoutAboveInterval", {check.name, format_duration(check.timeout), format_duration(check.interval)});
    out.push_back(std::move(check));
    places.push_back(item.place);
  });
}

using Link = std::pair<std::string, std::string>;
constexpr auto kPlanResourceFields = std::to_array<Field<Link>>({
    {"ref", When::kRequired, kText<&Link::first>, [] { return shape::text(); }},
    {"uri", When::kNeeded,
     [](Reading& in, const Node& node, Link& link) {
       if (!in.text(node, link.second) || is_uri(link.second)) return;
       in.report(node.place, "InvalidURI", {link.second, link.first, in_quotes(link.second) + " is none"});
     },
     [] { return shape::text("^([^\\x00-\\x20^{}|\\\\\"<>`%]|%[0-9A-Fa-f]{2})*$"); }},
});

void read_plan_resources(Reading& in, const Node& node, std::vector<Link>& out) {
  read_list(in, node, [&](const Node& item) {
    Link link;
    if (!read_object(in, item, "plan.resources", kPlanResourceFields, link)) return;
    const Node* uri = item.find("uri");
    if (uri == nullptr || uri->kind == NodeKind::kNull) {
      in.report(item.place, "InvalidURI", {"", link.first, "is missing"}, "add `uri:`");
      return;
    }
    const auto same = std::find_if(out.begin(), out.end(), [&](const Link& l) { return l.first == link.first; });
    if (same == out.end()) {
      out.push_back(std::move(link));
      return;
    }
    in.report(item.place, "DuplicateResource", {link.first});
    *same = std::move(link);
  });
}

constexpr auto kShiftFields = std::to_array<Field<TrafficShift>>({
    {"policy", When::kRequired,
     [](Reading& in, const Node& node, TrafficShift& s) { in.name_of_enum(node, "InvalidTrafficShift", s.policy); },
     [] { return shape::names_of(kNames<ShiftPolicy>); }},
    {"duration", When::kRequired,
     [](Reading& in, const Node& node, TrafficShift& shift) {
       if (!in.duration(node, shift.duration)) return;
       if (shift.duration <= std::chrono::minutes(1) || shift.duration >= std::chrono::days(5))
         in.report(node.place, "InvalidTrafficShiftDuration", {node.text});
     },
     [] { return shape::duration(); }},
});

constexpr auto kVolumeFields = std::to_array<Field<ManifestVolume>>({
    {"name", When::kNeeded, kText<&ManifestVolume::name>, [] { return shape::text(); }},
    {"mountPath", When::kNeeded, kText<&ManifestVolume::mount_path>, [] { return shape::text(); }},
    {"size", When::kNeeded,
     kInteger<&ManifestVolume::size_mb, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()>,
     [] { return shape::whole(1, 2147483647); }},
});

void read_volumes(Reading& in, const Node& node, std::vector<ManifestVolume>& out) {
  read_list(in, node, [&](const Node& item) {
    ManifestVolume volume;
    const std::size_t errors_before = in.errors();
    read_object(in, item, "plan.volumes", kVolumeFields, volume);
    if (in.errors() != errors_before) return;
    if (volume.name.empty()) in.report(item.place, "MissingVolumeName", {});
    if (item.find("mountPath") == nullptr || item.find("mountPath")->kind == NodeKind::kNull)
      in.report(item.place, "InvalidMountPath", {volume.mount_path, "is missing"}, "add `mountPath:`");
    if (volume.size_mb <= 0) in.report(item.place, "InvalidVolumeSize", {std::to_string(volume.size_mb), volume.name});
    out.push_back(std::move(volume));
  });
}

/// As far as the reference's dialect and others agree: brackets and groups are closed, and what repeats follows what is repeated.
bool is_regular_expression(std::string_view text) {
  int groups = 0;
  bool repeatable = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      if (++i == text.size()) return false;
    } else if (c == '[') {
      i = text.find(']', i + (text.substr(i).starts_with("[^") ? 3 : 2));
      if (i == std::string_view::npos) return false;
    } else if (c == '(') {
      ++groups;
      if (text.substr(i).starts_with("(?")) ++i;
      repeatable = false;
      continue;
    } else if (c == ')') {
      if (--groups < 0) return false;
    } else if (c == '*' || c == '+' || c == '?') {
      if (!repeatable) return false;
      repeatable = false;
      if (i + 1 < text.size() && (text[i + 1] == '+' || text[i + 1] == '?')) ++i;  // possessive, reluctant
      continue;
    }
    repeatable = c != '|';
  }
  return groups == 0;
}

constexpr auto kConstraintFields = std::to_array<Field<ManifestConstraint>>({
    {"fieldName", When::kRequired, kText<&ManifestConstraint::field>, [] { return shape::text(); }},
    {"param", When::kOptional, kText<&ManifestConstraint::parameter>, [] { return shape::text(); }},
});

const std::vector<std::string>& constraint_kinds() {
  static const std::vector<std::string> kKinds = {"unique", "cluster", "groupBy", "like", "unlike"};
  return kKinds;
}

Shape constraint_shape() {
  Shape out;
  out.kind = Shape::Kind::kObject;
  for (const std::string& kind : constraint_kinds()) {
    Shape value = shape::list(kind == "unique" ? shape::text() : shape_of(kConstraintFields));
    value.null = true;
    if (kind == "like" || kind == "unlike") {
      Shape::Entry& parameter = value.parts[0].entries[1];
      parameter.required = true;
      parameter.shape.null = false;
    }
    if (kind == "groupBy") {
      Shape& parameter = value.parts[0].entries[1].shape;
      parameter = shape::whole(std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max());
      parameter.null = true;
    }
    out.entries.push_back({kind, false, std::move(value)});
  }
  return out;
}

/// A constraint list's items are mappings of kind to entries: fields alone, or {fieldName, param}.
void read_constraint_entries(Reading& in, const Node& kind, std::vector<ManifestConstraint>& out) {
  const Reading::Key key(in, "plan.constraints", kind.key);
  const bool needs_parameter = kind.key == "like" || kind.key == "unlike";
  const bool needs_number = kind.key == "groupBy";
  if (kind.kind == NodeKind::kNull) return;
  read_list(in, kind, [&](const Node& entry) {
    ManifestConstraint constraint{kind.key, "", ""};
    if (kind.key == "unique") {
      if (in.text(entry, constraint.field)) out.push_back(std::move(constraint));
      return;
    }
    if (!read_object(in, entry, in.path(), kConstraintFields, constraint)) return;
    if (std::int32_t number = 0; needs_number && entry.find("param") != nullptr && entry.find("param")->kind != NodeKind::kNull)
      in.integer(*entry.find("param"), number);
    if (needs_parameter && constraint.parameter.empty())
      in.report(entry.place, "MissingProperty", {in.path() + ".param"}, "add `param:`");
    else if (needs_parameter && !is_regular_expression(constraint.parameter))
      in.report(entry.find("param")->place, "InvalidConstraint", {constraint.parameter, in.path() + ".param"});
    out.push_back(std::move(constraint));
  });
}

void read_constraints(Reading& in, const Node& node, std::vector<ManifestConstraint>& out) {
  read_list(in, node, [&](const Node& item) {
    if (!in.is_mapping(item, "plan.constraints")) return;
    for (const Node& kind : item.children) {
      if (std::find(constraint_kinds().begin(), constraint_kinds().end(), kind.key) == constraint_kinds().end())
        in.unknown_key(kind, "plan.constraints", constraint_kinds());
      else
        read_constraint_entries(in, kind, out);
    }
  });
}

constexpr auto kPlanFields = std::to_array<Field<ManifestPlan>>({
    {"name", When::kRequired,
     [](Reading& in, const Node& node, ManifestPlan& plan) { read_simple_name(in, node, "plan.name", plan.name); },
     [] { return shape::simple_name(); }},
    {"cpu", When::kNotNull, [](Reading& in, const Node& node, ManifestPlan& plan) { read_amount(in, node, plan.cpu); },
     [] { return shape::number(kCpu.bound); }},
    {"cpu_request", When::kNotNull,
     [](Reading& in, const Node& node, ManifestPlan& plan) { read_amount(in, node, plan.cpu_request); },
     [] { return shape::number(); }},
    {"memory", When::kNotNull, [](Reading& in, const Node& node, ManifestPlan& plan) { read_amount(in, node, plan.memory); },
     [] { return shape::number(kMemory.bound); }},
    {"memory_request", When::kNotNull,
     [](Reading& in, const Node& node, ManifestPlan& plan) { read_amount(in, node, plan.memory_request); },
     [] { return shape::number(); }},
    {"instances", When::kOptional, read_instances, [] { return shape_of(kInstancesFields); }},
    {"retries", When::kNotNull,
     [](Reading& in, const Node& node, ManifestPlan& plan) {
       std::int32_t retries = 0;
       if (!in.integer(node, retries)) return;
       if (retries > 0)
         plan.retries = retries;
       else
         in.report(node.place, "IgnoredValue", {in.path(), node.text});
     },
     [] { return shape::whole(-2147483648, 2147483647); }},
    {"constraints", When::kOptional,
     [](Reading& in, const Node& node, ManifestPlan& plan) { read_constraints(in, node, plan.constraints); },
     [] { return shape::list(constraint_shape()); }},
    {"environment", When::kOptional,
     [](Reading& in, const Node& node, ManifestPlan& plan) { read_environment(in, node, plan.environment); },
     [] {
       return shape::either({shape::list(shape::text(), kMaximumEnvironment), shape::map_of_texts()});
     }},
    {"alert_opt_outs", When::kOptional, kTexts<&ManifestPlan::alert_opt_outs>, [] { return shape::list(shape::text()); }},
    {"health_checks", When::kOptional,
     [](Reading& in, const Node& node, ManifestPlan& plan) { read_health_checks(in, node, plan.health_checks, plan.check_places); },
     [] { return shape::list(shape_of(kHealthCheckFields)); }},
    {"resources", When::kOptional,
     [](Reading& in, const Node& node, ManifestPlan& plan) { read_plan_resources(in, node, plan.resources); },
     [] { return shape::list(shape_of(kPlanResourceFields)); }},
    {"schedule", When::kOptional, [](Reading& in, const Node& node, ManifestPlan& plan) { read_schedule(in, node, plan.schedule); },
     [] { return shape::schedule(); }},
    {"timezone", When::kOptional, [](Reading& in, const Node& node, ManifestPlan& plan) { read_timezone(in, node, plan.timezone); },
     [] { return shape::timezone(); }},
    {"expiration_policy", When::kOptional,
     [](Reading& in, const Node& node, ManifestPlan& plan) { read_policy(in, node, plan.expiration_policy); },
     [] { return shape::policy(); }},
    {"traffic_shift", When::kOptional,
     [](Reading& in, const Node& node, ManifestPlan& plan) {
       TrafficShift shift;
       if (read_object(in, node, "traffic_shift", kShiftFields, shift)) plan.traffic_shift = shift;
     },
     [] { return shape_of(kShiftFields); }},
    {"volumes", When::kOptional, [](Reading& in, const Node& node, ManifestPlan& plan) { read_volumes(in, node, plan.volumes); },
     [] { return shape::list(shape_of(kVolumeFields)); }},
    {"workflow", When::kOptional, [](Reading& in, const Node& node, ManifestPlan& plan) { read_workflow(in, node, plan.workflow); },
     [] { return workflow_shape(); }},
});

void check_amounts(Reading& in, const Node& node, const Amounts& amounts, std::optional<double>& limit,
                   std::optional<double>& request) {
  const std::string name(amounts.name);
  const auto place = [&](const std::string& key) { return node.find(key) == nullptr ? node.place : node.find(key)->place; };
  if (limit && !(*limit < static_cast<double>(amounts.bound))) {
    in.report(place(name), amounts.invalid, {node.find(name)->text});
    return;  // a request is only judged against a limit that stands
  }
  if (!request) return;
  if (!limit)
    in.report(place(name + "_request"), amounts.missing_limit, {});
  else if (*request > *limit)
    in.report(place(name + "_request"), amounts.invalid_bound, {node.find(name + "_request")->text, node.find(name)->text});
}

}  // namespace

Shape plans_shape() { return shape_of(kPlanFields); }

void read_plans(Reading& in, const Node& node, std::vector<ManifestPlan>& out) {
  check_count(in, node, "plans", kMaximumPlans);
  read_list(in, node, [&](const Node& item) {
    ManifestPlan plan;
    plan.place = name_place(item);
    if (item.kind == NodeKind::kMapping && item.find("instances") == nullptr) plan.instances = 1;
    read_object(in, item, "plan", kPlanFields, plan);
    if (item.kind == NodeKind::kMapping) {
      check_amounts(in, item, kCpu, plan.cpu, plan.cpu_request);
      check_amounts(in, item, kMemory, plan.memory, plan.memory_request);
    }
    out.push_back(std::move(plan));
  });
  check_duplicates(in, "plan", out);
}

}  // namespace nelson
