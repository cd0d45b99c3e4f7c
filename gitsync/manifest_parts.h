#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gitsync/manifest.h"
#include "gitsync/object_reader.h"
#include "state/model/result.h"

namespace nelson {

// What the files that read a manifest share; read_manifest is the only way in from outside.

inline constexpr std::string_view kDefaultPlan = "default";
inline constexpr std::size_t kLongestName = 64;

// The scalar grammars of spec/manifest 3. Where they report, it is at the node, and they return false.

/// Letters, digits and hyphens; `label` is what the catalogue calls the field.
bool read_simple_name(Reading& in, const Node& node, std::string_view label, std::string& out);
[[nodiscard]] bool is_port_name(std::string_view name);
/// `name->number/protocol`; the error's message is the reason.
[[nodiscard]] Result<Port> parse_port(std::string_view text);
struct Destination {
  std::string unit, port;
};

/// `unit->port`
[[nodiscard]] std::optional<Destination> parse_destination(std::string_view text);
/// BasketDown -> basket_down, HTTPServerError5xx -> http_server_error5xx (spec/manifest 3.8).
[[nodiscard]] std::string snake_case(std::string_view text);
[[nodiscard]] bool is_email(std::string_view text);
/// What java.net.URI takes, as far as the specification lists it: no spaces, braces and the like, whole escapes, a body after a scheme.
[[nodiscard]] bool is_uri(std::string_view text);
bool read_schedule(Reading& in, const Node& node, std::string& out);
void read_timezone(Reading& in, const Node& node, std::string& out);
void read_policy(Reading& in, const Node& node, std::optional<ExpirationPolicy>& out);
/// A mapping of kind and blueprint, or the kind alone.
void read_workflow(Reading& in, const Node& node, std::optional<Workflow>& out);

// The parts.

void read_units(Reading& in, const Node& node, std::vector<ManifestUnit>& out);
void read_plans(Reading& in, const Node& node, std::vector<ManifestPlan>& out);

/// The warnings of a manifest without errors that take the whole of it.
void advise(Reading& in, const Manifest& manifest, const Node& root);

/// What a schema says of the parts.
[[nodiscard]] Shape units_shape();
[[nodiscard]] Shape plans_shape();
[[nodiscard]] Shape workflow_shape();

/// Where an object's name stands, else the object.
[[nodiscard]] Place name_place(const Node& object);
/// Reports more than `most` items.
void check_count(Reading& in, const Node& node, std::string_view what, std::size_t most);

/// Names are unique among the objects of one kind.
template <class T>
void check_duplicates(Reading& in, std::string_view kind, const std::vector<T>& objects) {
  std::map<std::string_view, Place> seen;
  for (const T& object : objects) {
    if (object.name.empty()) continue;
    const auto [first, fresh] = seen.emplace(object.name, object.place);
    if (!fresh) in.report(object.place, "DuplicateName", {std::string(kind), object.name, std::to_string(first->second.line)});
  }
}

}  // namespace nelson
