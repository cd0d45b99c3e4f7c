#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>

#include "gitsync/characters.h"
#include "gitsync/manifest_parts.h"
#include "state/model/names.h"

namespace nelson {
namespace {

constexpr std::size_t kMaximumPorts = 50;
constexpr std::string_view kPortExample = "write it like `default->8080/http`";

constexpr auto kDependencyFields = std::to_array<Field<Dependency>>({
    {"ref", When::kRequired,
     [](Reading& in, const Node& node, Dependency& dependency) {
       std::string text;
       if (!in.text(node, text)) return;
       const std::size_t at = text.find('@');
       const std::string_view version = at == std::string::npos ? std::string_view() : std::string_view(text).substr(at + 1);
       const std::string_view unit = std::string_view(text).substr(0, at);
       if (version.empty() || version.find('@') != std::string_view::npos || !valid_unit_name(unit)) {
         in.error(node.place, "InvalidServiceName", in_quotes(text) + " does not name a unit and a version",
                  "write it like `catalog@2.1`");
         return;
       }
       const auto feature = parse_feature_version(version);
       if (!feature) {
         in.error(node.place, "InvalidFeatureVersion", in_quotes(text) + ": " + in_quotes(version) + " is not major.minor",
                  "write it like `" + std::string(unit) + "@2.1`");
         return;
       }
       dependency = {std::string(unit), *feature};
     }},
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
    in.warning(item.place, "DuplicateName", "dependency " + in_quotes(dependency.unit) + " is named twice; the last one counts",
               "keep one of them");
    *same = std::move(dependency);
  });
}

constexpr auto kUnitResourceFields = std::to_array<Field<ManifestResource>>({
    {"name", When::kOptional,
     [](Reading& in, const Node& node, ManifestResource& r) { read_simple_name(in, node, "unit.resources.name", r.name); }},
    {"description", When::kOptional, kText<&ManifestResource::description>},
});

void read_unit_resources(Reading& in, const Node& node, std::vector<ManifestResource>& out) {
  read_list(in, node, [&](const Node& item) {
    ManifestResource resource;
    if (!read_object(in, item, "unit.resources", kUnitResourceFields, resource)) return;
    if (resource.name.empty()) {
      in.error(item.place, "MissingResourceName", "a resource of unit " + in_quotes(in.unit) + " has no name", "add `name:`");
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
  read_list(in, node, [&](const Node& item) {
    std::string tag;
    if (!read_simple_name(in, item, "unit.meta", tag)) return;
    if (tag.size() > kLongestTag)
      in.error(item.place, "InvalidMetaLength", "meta tag " + in_quotes(tag) + " has " + std::to_string(tag.size()) + " characters",
               "use at most 14");
    else if (std::find(out.begin(), out.end(), tag) == out.end())
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

/// Both dialects: the reference's `expression: IF ...` and the present `expr`, `for`, `labels`, `annotations`.
constexpr auto kAlertFields = std::to_array<Field<ManifestRule>>({
    {"alert", When::kRequired, kText<&ManifestRule::name>},
    {"expression", When::kOptional,
     [](Reading& in, const Node& node, ManifestRule& rule) {
       if (!in.text(node, rule.expression)) return;
       const std::string_view body = trimmed(rule.expression);
       if (body.size() < 4 || lower_case(body.substr(0, 2)) != "if" || !is_space(body[2]))
         in.error(node.place, "InvalidPrometheusRules", "the expression of an alert must begin with `IF`",
                  "write `IF <expression>`, or use the keys expr, for, labels and annotations");
     }},
    {"expr", When::kOptional, kText<&ManifestRule::expression>},
    {"for", When::kOptional, kText<&ManifestRule::hold_for>},
    {"labels", When::kOptional, [](Reading& in, const Node& node, ManifestRule& rule) { read_pairs(in, node, rule.labels); }},
    {"annotations", When::kOptional,
     [](Reading& in, const Node& node, ManifestRule& rule) { read_pairs(in, node, rule.annotations); }},
});
constexpr auto kRuleFields = std::to_array<Field<ManifestRule>>({
    {"rule", When::kRequired, kText<&ManifestRule::name>},
    {"expression", When::kOptional, kText<&ManifestRule::expression>},
    {"expr", When::kOptional, kText<&ManifestRule::expression>},
});

template <std::size_t size>
void read_rules(Reading& in, const Node& node, std::string_view label, const std::array<Field<ManifestRule>, size>& fields,
                std::string_view duplicate, std::vector<ManifestRule>& out) {
  std::set<std::string> seen;
  read_list(in, node, [&](const Node& item) {
    ManifestRule rule;
    if (!read_object(in, item, label, fields, rule)) return;
    const std::string snake = snake_case(rule.name);
    if (rule.expression.empty())
      in.error(item.place, "MissingProperty", "`" + std::string(label) + ".expression` is missing", "add `expression:`");
    if (item.find("expression") != nullptr && item.find("expr") != nullptr)
      in.error(item.place, "InvalidPrometheusRules", "both `expression` and `expr` are given", "keep one of them");
    if (!seen.insert(snake).second)
      in.error(item.place, duplicate, in_quotes(snake) + " is already the name of another one of unit " + in_quotes(in.unit),
               "rename one of them");
    if (label == "unit.alerting.prometheus.alerts") rule.name = snake;
    out.push_back(std::move(rule));
  });
}

constexpr auto kPrometheusFields = std::to_array<Field<ManifestUnit>>({
    {"alerts", When::kOptional,
     [](Reading& in, const Node& node, ManifestUnit& unit) {
       read_rules(in, node, "unit.alerting.prometheus.alerts", kAlertFields, "DuplicateAlertName", unit.alerts);
     }},
    {"rules", When::kOptional,
     [](Reading& in, const Node& node, ManifestUnit& unit) {
       read_rules(in, node, "unit.alerting.prometheus.rules", kRuleFields, "DuplicateRuleName", unit.rules);
     }},
});
constexpr auto kAlertingFields = std::to_array<Field<ManifestUnit>>({
    {"prometheus", When::kOptional,
     [](Reading& in, const Node& node, ManifestUnit& unit) {
       read_object(in, node, "unit.alerting.prometheus", kPrometheusFields, unit);
     }},
});

void read_ports(Reading& in, const Node& node, std::vector<Port>& out) {
  const std::size_t errors_before = in.errors();
  std::size_t defaults = 0;
  read_list(in, node, [&](const Node& item) {
    std::string text;
    if (!in.text(item, text)) return;
    const auto port = parse_port(text);
    if (!port) {
      in.error(item.place, "InvalidPortSpecification", "port " + port.error().message, std::string(kPortExample));
      return;
    }
    const bool known = std::any_of(out.begin(), out.end(), [&](const Port& p) { return p.name == port->name; });
    if (port->name == "default") ++defaults;
    if (known && port->name != "default")
      in.error(item.place, "DuplicateName", "port " + in_quotes(port->name) + " is declared twice", "rename one of them");
    if (!known) out.push_back(*port);
  });
  if (in.errors() != errors_before || node.children.empty()) return;
  if (defaults != 1)
    in.error(node.place, "InvalidPortSpecification",
             defaults == 0 ? "no port is named `default`" : "more than one port is named `default`",
             "name exactly one of them `default`");
  if (out.size() > kMaximumPorts)
    in.error(node.place, "InvalidPortSpecification", std::to_string(out.size()) + " ports",
             "declare at most " + std::to_string(kMaximumPorts));
}

void read_unit_name(Reading& in, const Node& node, std::string& out) {
  std::string name;
  if (!in.text(node, name)) return;
  out = name;  // so that what follows can be said of the unit
  if (valid_unit_name(name)) return;
  if (name.size() > 41) {
    in.error(node.place, "InvalidUnitNameLength",
             "unit name " + in_quotes(name) + " has " + std::to_string(name.size()) + " characters", "use at most 41");
    return;
  }
  in.error(node.place, "InvalidUnitNameChars", in_quotes(name) + " is not a unit's name",
           "use 2 to 41 letters, digits and single hyphens, with a letter or digit at both ends");
}

constexpr auto kUnitFields = std::to_array<Field<ManifestUnit>>({
    {"name", When::kRequired, [](Reading& in, const Node& node, ManifestUnit& unit) { read_unit_name(in, node, unit.name); }},
    {"description", When::kRequired, kText<&ManifestUnit::description>},
    {"ports", When::kOptional, [](Reading& in, const Node& node, ManifestUnit& unit) { read_ports(in, node, unit.ports); }},
    {"dependencies", When::kNotEmptyList,
     [](Reading& in, const Node& node, ManifestUnit& unit) { read_dependencies(in, node, unit.dependencies); }},
    {"resources", When::kNotEmptyList,
     [](Reading& in, const Node& node, ManifestUnit& unit) { read_unit_resources(in, node, unit.resources); }},
    {"meta", When::kNotEmptyList, [](Reading& in, const Node& node, ManifestUnit& unit) { read_meta(in, node, unit.meta); }},
    {"alerting", When::kOptional,
     [](Reading& in, const Node& node, ManifestUnit& unit) { read_object(in, node, "unit.alerting", kAlertingFields, unit); }},
    {"workflow", When::kOptional,
     [](Reading& in, const Node& node, ManifestUnit& unit) { read_workflow(in, node, unit.workflow); }},
    {"schedule", When::kOptional,
     [](Reading& in, const Node& node, ManifestUnit& unit) { read_schedule(in, node, unit.schedule); }},
    {"timezone", When::kOptional,
     [](Reading& in, const Node& node, ManifestUnit& unit) { read_timezone(in, node, unit.timezone); }},
    {"expiration_policy", When::kOptional,
     [](Reading& in, const Node& node, ManifestUnit& unit) { read_policy(in, node, unit.expiration_policy); }},
});

}  // namespace

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
