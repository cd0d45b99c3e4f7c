#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "gitsync/characters.h"
#include "gitsync/manifest_parts.h"

namespace nelson {
namespace {

constexpr std::size_t kMaximumEnvironment = 200;
constexpr std::size_t kLongestVariable = 4096;
constexpr std::size_t kLongestPath = 2048;

/// A limit or a request: not above zero is unset.
void read_amount(Reading& in, const Node& node, std::optional<double>& out) {
  double value = 0;
  if (!in.real(node, value)) return;
  if (value > 0) {
    out = value;
    return;
  }
  in.warning(node.place, "IgnoredValue", "`" + in.path() + "` is not above 0 and so means nothing", "remove the key");
}

constexpr auto kInstancesFields = std::to_array<Field<ManifestPlan>>({
    {"desired", When::kNotNull,
     [](Reading& in, const Node& node, ManifestPlan& plan) {
       std::int32_t desired = 0;
       if (!in.integer(node, desired)) return;
       plan.instances_place = node.place;
       plan.instances.reset();
       if (desired <= 0)
         in.warning(node.place, "IgnoredValue", "`plan.instances.desired` is not above 0 and so means nothing", "remove the key");
       else if (desired >= 5000)
         in.error(node.place, "InvalidInstances", std::to_string(desired) + " instances", "ask for less than 5000");
       else
         plan.instances = desired;
     }},
});

void read_instances(Reading& in, const Node& node, ManifestPlan& plan) {
  if (node.kind != NodeKind::kMapping) {
    in.error(node.place, "LoadError", "`plan.instances` must be a mapping", "write `instances: {desired: 2}`");
    return;
  }
  plan.instances = 1;
  plan.instances_place = node.place;
  read_object(in, node, "plan.instances", kInstancesFields, plan);
}

void add_variable(Reading& in, Place place, EnvironmentVariable variable, std::vector<EnvironmentVariable>& out) {
  if (variable.name.empty()) {
    in.warning(place, "DiscardedEnvironment",
               "environment entry " + in_quotes(variable.name + "=" + variable.value) + " has no name and is left out",
               "write `NAME=value`");
    return;
  }
  if (variable.name.size() + variable.value.size() > kLongestVariable) {
    in.error(place, "InvalidEnvironment",
             "environment variable " + in_quotes(variable.name) + " is longer than " + std::to_string(kLongestVariable) + " bytes",
             "shorten it, or put it into a file of the tree");
    return;
  }
  out.push_back(std::move(variable));
}

void read_environment(Reading& in, const Node& node, std::vector<EnvironmentVariable>& out) {
  if (node.kind == NodeKind::kMapping) {
    for (const Node& entry : node.children) {
      std::string value;
      if (entry.key.find('=') != std::string::npos)
        in.error(entry.key_place, "InvalidEnvironment", "the name " + in_quotes(entry.key) + " contains `=`", "remove it");
      else if (entry.kind == NodeKind::kNull || in.text(entry, value))
        add_variable(in, entry.key_place, {entry.key, value}, out);
    }
  } else {
    read_list(in, node, [&](const Node& item) {
      std::string text;
      if (!in.text(item, text)) return;
      const std::size_t equals = text.find('=');
      if (equals == std::string::npos)
        in.warning(item.place, "DiscardedEnvironment", "environment entry " + in_quotes(text) + " has no `=` and is left out",
                   "write `NAME=value`");
      else
        add_variable(in, item.place, {text.substr(0, equals), text.substr(equals + 1)}, out);
    });
  }
  if (out.size() > kMaximumEnvironment)
    in.error(node.place, "InvalidEnvironment", std::to_string(out.size()) + " environment variables",
             "use at most " + std::to_string(kMaximumEnvironment));
}

/// A path of the unit itself: visible ASCII, no host before it.
void read_check_path(Reading& in, const Node& node, std::string& out) {
  std::string path;
  if (!in.text(node, path)) return;
  const bool visible = std::all_of(path.begin(), path.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  const bool has_host = path.starts_with("//") || path.substr(0, path.find('?')).find("://") != std::string::npos;
  if (path.empty() || !visible || has_host || path.size() > kLongestPath) {
    in.error(
        node.place, "InvalidHealthCheckPath", "`health_check.path`: " + in_quotes(path) + " is not the path of a request",
        "write a path such as `/health` without spaces, host or line breaks, at most " + std::to_string(kLongestPath) + " bytes");
    return;
  }
  out = path[0] == '/' ? path : "/" + path;
}

void read_check_duration(Reading& in, const Node& node, Duration least, Duration& out) {
  Duration length{};
  if (!in.duration(node, length)) return;
  if (length < least || length > std::chrono::hours(24)) {
    in.error(node.place, "InvalidDuration",
             "`" + in.path() + "`: " + in_quotes(node.text) + " is not between " + format_duration(least) + " and 1 day",
             "choose a length between them");
    return;
  }
  out = length;
}

constexpr auto kHealthCheckFields = std::to_array<Field<HealthCheck>>({
    {"name", When::kRequired,
     [](Reading& in, const Node& node, HealthCheck& check) { read_simple_name(in, node, "health_check.name", check.name); }},
    {"port_reference", When::kRequired, kText<&HealthCheck::port>},
    {"protocol", When::kRequired,
     [](Reading& in, const Node& node, HealthCheck& check) {
       std::size_t index = 0;
       if (in.one_of(node, "InvalidProtocol", {"http", "https", "tcp"}, index)) check.protocol = static_cast<Protocol>(index);
     }},
    {"path", When::kOptional, [](Reading& in, const Node& node, HealthCheck& check) { read_check_path(in, node, check.path); }},
    {"interval", When::kOptional,
     [](Reading& in, const Node& node, HealthCheck& check) {
       read_check_duration(in, node, std::chrono::milliseconds(100), check.interval);
     }},
    {"timeout", When::kOptional,
     [](Reading& in, const Node& node, HealthCheck& check) {
       read_check_duration(in, node, std::chrono::milliseconds(1), check.timeout);
     }},
});

void read_health_checks(Reading& in, const Node& node, std::vector<HealthCheck>& out) {
  read_list(in, node, [&](const Node& item) {
    HealthCheck check;
    check.interval = std::chrono::seconds(10);
    check.timeout = std::chrono::seconds(2);
    if (!read_object(in, item, "health_check", kHealthCheckFields, check)) return;
    if (check.protocol != Protocol::kTcp && check.path.empty())
      in.error(item.place, "MissingHealthCheckPath",
               "health check " + in_quotes(check.name) + " speaks " + std::string(name_of(check.protocol)) + " but has no path",
               "add `path: /...`");
    if (std::any_of(out.begin(), out.end(), [&](const HealthCheck& c) { return c.name == check.name; }))
      in.error(item.place, "DuplicateName", "health check " + in_quotes(check.name) + " is declared twice in one plan",
               "rename one of them");
    out.push_back(std::move(check));
  });
}

using ResourceLink = std::pair<std::string, std::string>;
constexpr auto kPlanResourceFields = std::to_array<Field<ResourceLink>>({
    {"ref", When::kRequired, kText<&ResourceLink::first>},
    {"uri", When::kOptional,
     [](Reading& in, const Node& node, ResourceLink& link) {
       if (!in.text(node, link.second) || is_uri(link.second)) return;
       in.error(node.place, "InvalidURI", in_quotes(link.second) + " is not a URI", "write it like `s3://bucket/path`");
     }},
});

void read_plan_resources(Reading& in, const Node& node, std::vector<ResourceLink>& out) {
  read_list(in, node, [&](const Node& item) {
    ResourceLink link;
    if (!read_object(in, item, "plan.resources", kPlanResourceFields, link)) return;
    const Node* uri = item.find("uri");
    if (uri == nullptr || uri->kind == NodeKind::kNull) {
      in.error(item.place, "InvalidURI", "resource " + in_quotes(link.first) + " has no uri", "add `uri:`");
      return;
    }
    const auto same = std::find_if(out.begin(), out.end(), [&](const ResourceLink& l) { return l.first == link.first; });
    if (same == out.end())
      out.push_back(std::move(link));
    else
      *same = std::move(link);
  });
}

constexpr auto kShiftFields = std::to_array<Field<TrafficShift>>({
    {"policy", When::kRequired,
     [](Reading& in, const Node& node, TrafficShift& s) { in.name_of_enum(node, "InvalidTrafficShift", s.policy); }},
    {"duration", When::kRequired,
     [](Reading& in, const Node& node, TrafficShift& shift) {
       if (!in.duration(node, shift.duration)) return;
       if (shift.duration <= std::chrono::minutes(1) || shift.duration >= std::chrono::days(5))
         in.error(node.place, "InvalidTrafficShiftDuration", "a shift of " + in_quotes(node.text),
                  "choose more than 1 minute and less than 5 days");
     }},
});

constexpr auto kVolumeFields = std::to_array<Field<ManifestVolume>>({
    {"name", When::kOptional, kText<&ManifestVolume::name>},
    {"mountPath", When::kOptional, kText<&ManifestVolume::mount_path>},
    {"size", When::kNotNull,
     kInteger<&ManifestVolume::size_mb, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()>},
});

void read_volumes(Reading& in, const Node& node, std::vector<ManifestVolume>& out) {
  read_list(in, node, [&](const Node& item) {
    ManifestVolume volume;
    const std::size_t errors_before = in.errors();
    read_object(in, item, "plan.volumes", kVolumeFields, volume);
    if (in.errors() != errors_before) return;
    if (volume.name.empty()) in.error(item.place, "MissingVolumeName", "a volume has no name", "add `name:`");
    if (item.find("mountPath") == nullptr || item.find("mountPath")->kind == NodeKind::kNull)
      in.error(item.place, "InvalidMountPath", "volume " + in_quotes(volume.name) + " has no mount path", "add `mountPath:`");
    if (volume.size_mb <= 0)
      in.error(item.place, "InvalidVolumeSize", "volume " + in_quotes(volume.name) + " has no size above 0",
               "add `size:` in megabytes");
    out.push_back(std::move(volume));
  });
}

/// A constraint list's items are mappings of kind to entries: fields alone, or {fieldName, param}.
void read_constraint_entries(Reading& in, const Node& kind, std::vector<ManifestConstraint>& out) {
  const Reading::Key key(in, "plan.constraints", kind.key);
  const bool needs_parameter = kind.key == "like" || kind.key == "unlike";
  if (kind.kind == NodeKind::kNull) return;
  read_list(in, kind, [&](const Node& entry) {
    ManifestConstraint constraint{kind.key, "", ""};
    if (kind.key == "unique") {
      if (in.text(entry, constraint.field)) out.push_back(std::move(constraint));
      return;
    }
    static constexpr auto kFields = std::to_array<Field<ManifestConstraint>>({
        {"fieldName", When::kRequired, kText<&ManifestConstraint::field>},
        {"param", When::kOptional, kText<&ManifestConstraint::parameter>},
    });
    if (!read_object(in, entry, in.path(), kFields, constraint)) return;
    if (needs_parameter && constraint.parameter.empty())
      in.error(entry.place, "MissingProperty", "`" + in.path() + ".param` is missing", "add `param:`");
    out.push_back(std::move(constraint));
  });
}

void read_constraints(Reading& in, const Node& node, std::vector<ManifestConstraint>& out) {
  static const std::vector<std::string> kKinds = {"unique", "cluster", "groupBy", "like", "unlike"};
  read_list(in, node, [&](const Node& item) {
    if (!in.is_mapping(item, "plan.constraints")) return;
    for (const Node& kind : item.children) {
      if (std::find(kKinds.begin(), kKinds.end(), kind.key) == kKinds.end())
        in.unknown_key(kind, "plan.constraints", kKinds);
      else
        read_constraint_entries(in, kind, out);
    }
  });
}

constexpr auto kPlanFields = std::to_array<Field<ManifestPlan>>({
    {"name", When::kRequired, [](Reading& in, const Node& node, ManifestPlan& plan) { read_simple_name(in, node, "plan.name", plan.name); }},
    {"cpu", When::kNotNull, [](Reading& in, const Node& node, ManifestPlan& plan) { read_amount(in, node, plan.cpu); }},
    {"cpu_request", When::kNotNull, [](Reading& in, const Node& node, ManifestPlan& plan) { read_amount(in, node, plan.cpu_request); }},
    {"memory", When::kNotNull, [](Reading& in, const Node& node, ManifestPlan& plan) { read_amount(in, node, plan.memory); }},
    {"memory_request", When::kNotNull, [](Reading& in, const Node& node, ManifestPlan& plan) { read_amount(in, node, plan.memory_request); }},
    {"instances", When::kOptional, read_instances},
    {"retries", When::kNotNull,
     [](Reading& in, const Node& node, ManifestPlan& plan) {
       std::int32_t retries = 0;
       if (!in.integer(node, retries)) return;
       if (retries > 0)
         plan.retries = retries;
       else
         in.warning(node.place, "IgnoredValue", "`plan.retries` is not above 0 and so means nothing", "remove the key");
     }},
    {"constraints", When::kOptional, [](Reading& in, const Node& node, ManifestPlan& plan) { read_constraints(in, node, plan.constraints); }},
    {"environment", When::kOptional, [](Reading& in, const Node& node, ManifestPlan& plan) { read_environment(in, node, plan.environment); }},
    {"alert_opt_outs", When::kOptional, kTexts<&ManifestPlan::alert_opt_outs>},
    {"health_checks", When::kOptional, [](Reading& in, const Node& node, ManifestPlan& plan) { read_health_checks(in, node, plan.health_checks); }},
    {"resources", When::kOptional, [](Reading& in, const Node& node, ManifestPlan& plan) { read_plan_resources(in, node, plan.resources); }},
    {"schedule", When::kOptional, [](Reading& in, const Node& node, ManifestPlan& plan) { read_schedule(in, node, plan.schedule); }},
    {"timezone", When::kOptional, [](Reading& in, const Node& node, ManifestPlan& plan) { read_timezone(in, node, plan.timezone); }},
    {"expiration_policy", When::kOptional,
     [](Reading& in, const Node& node, ManifestPlan& plan) { read_policy(in, node, plan.expiration_policy); }},
    {"traffic_shift", When::kOptional,
     [](Reading& in, const Node& node, ManifestPlan& plan) {
       TrafficShift shift;
       if (read_object(in, node, "traffic_shift", kShiftFields, shift)) plan.traffic_shift = shift;
     }},
    {"volumes", When::kOptional, [](Reading& in, const Node& node, ManifestPlan& plan) { read_volumes(in, node, plan.volumes); }},
    {"workflow", When::kOptional, [](Reading& in, const Node& node, ManifestPlan& plan) { read_workflow(in, node, plan.workflow); }},
});

/// One of the two resources: the limit below its bound, the request within the limit.
struct Amounts {
  std::string_view name;
  double bound;
  std::string_view invalid, missing_limit, invalid_bound;
};
constexpr Amounts kCpu{"cpu", 100, "InvalidCPU", "MissingCPULimit", "InvalidCPUBound"};
constexpr Amounts kMemory{"memory", 50'000, "InvalidMemory", "MissingMemoryLimit", "InvalidMemoryBound"};

void check_amounts(Reading& in, const Node& node, const Amounts& amounts, std::optional<double>& limit,
                   std::optional<double>& request) {
  const std::string name(amounts.name);
  const auto place = [&](const std::string& key) { return node.find(key) == nullptr ? node.place : node.find(key)->place; };
  if (limit && !(*limit < amounts.bound)) {
    in.error(place(name), amounts.invalid, "`plan." + name + "`: " + in_quotes(node.find(name)->text) + " is too much",
             "choose more than 0 and less than " + std::to_string(static_cast<int>(amounts.bound)));
    return;  // a request is only judged against a limit that stands
  }
  if (!request) return;
  if (!limit)
    in.error(place(name + "_request"), amounts.missing_limit, "`plan." + name + "_request` needs a limit", "add `" + name + ":`");
  else if (*request > *limit)
    in.error(place(name + "_request"), amounts.invalid_bound, "`plan." + name + "_request` is above `plan." + name + "`",
             "lower it, or raise the limit");
}

}  // namespace

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
