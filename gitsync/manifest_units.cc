#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>

#include "gitsync/alert_rules.h"
#include "gitsync/characters.h"
#include "gitsync/manifest_parts.h"
#include "state/model/names.h"

namespace nelson {
namespace {

constexpr std::size_t kMaximumPorts = 50;

constexpr auto kDependencyFields = std::to_array<Field<Dependency>>({
    {"ref", When::kRequired,
     [](Reading& in, const Node& node, Dependency& dependency) {
       std::string text;
       if (!in.text(node, text)) return;
       const std::size_t at = text.find('@');
       const std::string_view version = at == std::string::npos ? std::string_view() : std::string_view(text).substr(at + 1);
       const std::string_view unit = std::string_view(text).substr(0, at);
       if (version.empty() || version.find('@') != std::string_view::npos || !valid_unit_name(unit)) {
         in.report(node.place, "InvalidServiceName", {text});
         return;
       }
       const auto feature = parse_feature_version(version);
       if (!feature) {
         in.report(node.place, "InvalidFeatureVersion", {text, std::string(version)},
                   "write it like `" + std::string(unit) + "@2.1`");
         return;
       }
       dependency = {std::string(unit), *feature};
     },
     [] { return shape::text("^(?!.*--)[A-Za-z0-9][A-Za-z0-9-]{0,39}[A-Za-z0-9]@[0-9]{1,10}\\.[0-9]{1,10}$"); }},
});

void read_dependencies(Reading& in, const Node& node, std::vector<Dependency>& out) {
  read_list(in, node, [&](const Node& item) {
    Dependency dependency;
    if (!read_object(in, item, "unit.dependencies", kDependencyFields, dependency)) return;
    const auto same = std::find_if(out.begin(), out.end(), [&](const Dependency& d) { return d.unit == dependency.unit; });
    if (same == out.end()) {
      out.push_back(std::move(dependency));
      return;
    }
    in.report(item.place, "DuplicateDependency", {dependency.unit});
    *same = std::move(dependency);
  });
}

constexpr auto kUnitResourceFields = std::to_array<Field<ManifestResource>>({
    {"name", When::kNeeded,
     [](Reading& in, const Node& node, ManifestResource& r) { read_simple_name(in, node, "unit.resources.name", r.name); },
     [] { return shape::simple_name(); }},
    {"description", When::kOptional, kText<&ManifestResource::description>, [] { return shape::text(); }},
});

void read_unit_resources(Reading& in, const Node& node, std::vector<ManifestResource>& out) {
  read_list(in, node, [&](const Node& item) {
    ManifestResource resource;
    if (!read_object(in, item, "unit.resources", kUnitResourceFields, resource)) return;
    if (resource.name.empty()) {
      in.report(item.place, "MissingResourceName", {in.unit});
      return;
    }
    const bool known = std::any_of(out.begin(), out.end(), [&](const ManifestResource& r) {
      return r.name == resource.name && r.description == resource.description;
    });
    if (!known) out.push_back(std::move(resource));
  });
}

void read_meta(Reading& in, const Node& node, std::vector<std::string>& out) {
  constexpr std::size_t kLongestTag = 14;
  std::set<std::string> seen;
  read_list(in, node, [&](const Node& item) {
    std::string tag;
    const bool named = read_simple_name(in, item, "unit.meta", tag);
    if (!named && item.kind == NodeKind::kScalar) tag = item.text;
    if (tag.size() > kLongestTag)
      in.report(item.place, "InvalidMetaLength", {tag, std::to_string(tag.size())});
    else if (named && seen.insert(tag).second)
      out.push_back(std::move(tag));
  });
}

void read_pairs(Reading& in, const Node& node, std::vector<std::pair<std::string, std::string>>& out) {
  if (!in.is_mapping(node, in.path())) return;
  for (const Node& entry : node.children) {
    std::string value;
    if (entry.kind == NodeKind::kNull || in.text(entry, value)) out.emplace_back(entry.key, std::move(value));
  }
}

void read_expression(Reading& in, const Node& node, ManifestRule& rule) {
  if (!in.text(node, rule.expression)) return;
  if (const Status checked = check_expression(rule.expression); !checked)
    in.report(node.place, "InvalidPrometheusRules", {checked.error().message}, "close what is open");
}

/// Both dialects: the reference's `expression: IF ...` and the present `expr`, `for`, `labels`, `annotations`.
constexpr auto kAlertFields = std::to_array<Field<ManifestRule>>({
    {"alert", When::kRequired, kText<&ManifestRule::name>, [] { return shape::text(); }},
    {"expression", When::kOptional,
     [](Reading& in, const Node& node, ManifestRule& rule) {
       std::string text;
       if (!in.text(node, text)) return;
       if (const Status parsed = parse_alert_text(text, rule); !parsed)
         in.report(node.place, "InvalidPrometheusRules", {parsed.error().message});
     },
     [] { return shape::text(); }},
    {"expr", When::kOptional, read_expression, [] { return shape::text(); }},
    {"for", When::kOptional, kText<&ManifestRule::hold_for>, [] { return shape::text(); }},
    {"labels", When::kOptional, [](Reading& in, const Node& node, ManifestRule& rule) { read_pairs(in, node, rule.labels); },
     [] { return shape::map_of_texts(); }},
    {"annotations", When::kOptional,
     [](Reading& in, const Node& node, ManifestRule& rule) { read_pairs(in, node, rule.annotations); },
     [] { return shape::map_of_texts(); }},
});
constexpr auto kRuleFields = std::to_array<Field<ManifestRule>>({
    {"rule", When::kRequired, kText<&ManifestRule::name>, [] { return shape::text(); }},
    {"expression", When::kOptional, read_expression, [] { return shape::text(); }},
    {"expr", When::kOptional, read_expression, [] { return shape::text(); }},
});

template <std::size_t size>
void read_rules(Reading& in, const Node& node, std::string_view label, const std::array<Field<ManifestRule>, size>& fields,
                CodeName duplicate, std::vector<ManifestRule>& out) {
  std::set<std::string> seen;
  read_list(in, node, [&](const Node& item) {
    ManifestRule rule;
    rule.place = item.place;
    if (!read_object(in, item, label, fields, rule)) return;
    if (rule.name.empty())
      in.report(item.place, "MissingProperty", {std::string(label) + "." + std::string(fields[0].key)}, "give it a name");
    const std::string snake = snake_case(rule.name);
    const auto given = [&](std::string_view key) { return item.find(key) != nullptr && item.find(key)->kind != NodeKind::kNull; };
    if (!given("expression") && !given("expr"))
      in.report(item.place, "MissingProperty", {std::string(label) + ".expression"}, "add `expr:`");
    if (given("expression") && given("expr"))
      in.report(item.place, "InvalidPrometheusRules", {"both `expression` and `expr` are given"}, "keep one of them");
    if (!seen.insert(snake).second) in.report(name_place(item), duplicate, {snake, in.unit});
    if (label == "unit.alerting.prometheus.alerts") rule.name = snake;
    out.push_back(std::move(rule));
  });
}

constexpr auto kPrometheusFields = std::to_array<Field<ManifestUnit>>({
    {"alerts", When::kOptional,
     [](Reading& in, const Node& node, ManifestUnit& unit) {
       read_rules(in, node, "unit.alerting.prometheus.alerts", kAlertFields, "DuplicateAlertName", unit.alerts);
     },
     [] { return shape::list(shape_of(kAlertFields)); }},
    {"rules", When::kOptional,
     [](Reading& in, const Node& node, ManifestUnit& unit) {
       read_rules(in, node, "unit.alerting.prometheus.rules", kRuleFields, "DuplicateRuleName", unit.rules);
     },
     [] { return shape::list(shape_of(kRuleFields)); }},
});
constexpr auto kAlertingFields = std::to_array<Field<ManifestUnit>>({
    {"prometheus", When::kOptional,
     [](Reading& in, const Node& node, ManifestUnit& unit) {
       read_object(in, node, "unit.alerting.prometheus", kPrometheusFields, unit);
     },
     [] { return shape_of(kPrometheusFields); }},
});

void read_ports(Reading& in, const Node& node, std::vector<Port>& out) {
  const std::size_t errors_before = in.errors();
  std::size_t defaults = 0;
  std::vector<std::uint32_t> lines;  // of `out`
  read_list(in, node, [&](const Node& item) {
    std::string text;
    if (!in.text(item, text)) return;
    const auto port = parse_port(text);
    if (!port) {
      in.report(item.place, "InvalidPortSpecification", {"port " + port.error().message});
      return;
    }
    const auto namesake = std::find_if(out.begin(), out.end(), [&](const Port& p) { return p.name == port->name; });
    const bool known = namesake != out.end();
    if (port->name == "default") ++defaults;
    if (known && port->name != "default")
      in.report(item.place, "DuplicateName",
                {"port", port->name, std::to_string(lines[static_cast<std::size_t>(namesake - out.begin())])});
    if (out.size() > kMaximumPorts) return;  // and looking through many for each would be quadratic
    const auto same = std::find_if(out.begin(), out.end(), [&](const Port& p) { return p.number == port->number; });
    if (!known && same != out.end())
      in.report(item.place, "DuplicatePortNumber", {std::to_string(port->number), same->name, port->name});
    if (known) return;
    out.push_back(*port);
    lines.push_back(item.place.line);
  });
  if (in.errors() != errors_before || node.children.empty()) return;
  if (defaults != 1)
    in.report(node.place, "InvalidPortSpecification",
              {defaults == 0 ? "no port is named `default`" : "more than one port is named `default`"},
              "name exactly one of them `default`");
  if (out.size() > kMaximumPorts)
    in.report(node.place, "InvalidPortSpecification", {std::to_string(node.children.size()) + " ports"},
              "declare at most " + std::to_string(kMaximumPorts));
}

void read_unit_name(Reading& in, const Node& node, std::string& out) {
  std::string name;
  if (!in.text(node, name)) return;
  out = name;  // so that what follows can be said of the unit
  if (valid_unit_name(name)) return;
  if (name.size() > 41) {
    in.report(node.place, "InvalidUnitNameLength", {name, std::to_string(name.size())});
    return;
  }
  in.report(node.place, "InvalidUnitNameChars", {name});
}

constexpr auto kUnitFields = std::to_array<Field<ManifestUnit>>({
    {"name", When::kRequired, [](Reading& in, const Node& node, ManifestUnit& unit) { read_unit_name(in, node, unit.name); },
     [] { return shape::unit_name(); }},
    {"description", When::kRequired, kText<&ManifestUnit::description>, [] { return shape::text(); }},
    {"ports", When::kOptional, [](Reading& in, const Node& node, ManifestUnit& unit) { read_ports(in, node, unit.ports); },
     [] { return shape::list(shape::port(), kMaximumPorts); }},
    {"dependencies", When::kNotEmptyList,
     [](Reading& in, const Node& node, ManifestUnit& unit) { read_dependencies(in, node, unit.dependencies); },
     [] { return shape::list(shape_of(kDependencyFields)); }},
    {"resources", When::kNotEmptyList,
     [](Reading& in, const Node& node, ManifestUnit& unit) { read_unit_resources(in, node, unit.resources); },
     [] { return shape::list(shape_of(kUnitResourceFields)); }},
    {"meta", When::kNotEmptyList, [](Reading& in, const Node& node, ManifestUnit& unit) { read_meta(in, node, unit.meta); },
     [] { return shape::list(shape::text("^[A-Za-z0-9-]{1,14}$")); }},
    {"alerting", When::kOptional,
     [](Reading& in, const Node& node, ManifestUnit& unit) { read_object(in, node, "unit.alerting", kAlertingFields, unit); },
     [] { return shape_of(kAlertingFields); }},
    {"workflow", When::kOptional, [](Reading& in, const Node& node, ManifestUnit& unit) { read_workflow(in, node, unit.workflow); },
     [] { return workflow_shape(); }},
    {"schedule", When::kOptional, [](Reading& in, const Node& node, ManifestUnit& unit) { read_schedule(in, node, unit.schedule); },
     [] { return shape::schedule(); }},
    {"timezone", When::kOptional, [](Reading& in, const Node& node, ManifestUnit& unit) { read_timezone(in, node, unit.timezone); },
     [] { return shape::timezone(); }},
    {"expiration_policy", When::kOptional,
     [](Reading& in, const Node& node, ManifestUnit& unit) { read_policy(in, node, unit.expiration_policy); },
     [] { return shape::policy(); }},
});

}  // namespace

Shape units_shape() { return shape_of(kUnitFields); }

void read_units(Reading& in, const Node& node, std::vector<ManifestUnit>& out) {
  check_count(in, node, "units", kMaximumUnits);
  read_list(in, node, [&](const Node& item) {
    ManifestUnit unit;
    unit.place = name_place(item);
    if (const Node* name = item.find("name"); name != nullptr) in.unit = name->text;
    read_object(in, item, "unit", kUnitFields, unit);
    in.unit.clear();
    out.push_back(std::move(unit));
  });
  check_duplicates(in, "unit", out);
}

}  // namespace nelson
