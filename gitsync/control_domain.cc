#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <vector>

#include "gitsync/characters.h"
#include "gitsync/control_parts.h"
#include "state/model/names.h"

// domains/

namespace nelson {
namespace {

/// "20000-24999"
void read_port_range(Reading& in, const Node& node, PortRange& out) {
  std::string text;
  if (!in.text(node, text)) return;
  PortRange range;
  const char* const end = text.data() + text.size();
  const auto [dash, first_error] = std::from_chars(text.data(), end, range.first);
  const bool has_dash = first_error == std::errc() && dash != end && *dash == '-';
  const auto [last, last_error] =
      has_dash ? std::from_chars(dash + 1, end, range.last) : std::from_chars_result{end, std::errc::invalid_argument};
  if (!has_dash || last_error != std::errc() || last != end || range.first < 1024 || range.first > range.last) {
    in.error(node.place, "InvalidPortRange", "`" + in.path() + "`: " + in_quotes(text) + " is not a range of ports",
             "write it like `20000-24999`, from 1024 upwards");
    return;
  }
  out = range;
}

void read_positive_duration(Reading& in, const Node& node, Duration& out) {
  Duration length{};
  if (!in.duration(node, length)) return;
  if (length <= Duration::zero() || length > std::chrono::days(3650))
    in.error(node.place, "InvalidDuration", "`" + in.path() + "` must be above 0 and at most ten years",
             "write a length such as `30 minutes`");
  else
    out = length;
}
template <auto member>
constexpr auto kPositiveDuration =
    [](Reading& in, const Node& node, auto& object) { read_positive_duration(in, node, object.*member); };

/// `known` words, of which `later` ones belong to versions to come.
void read_part(Reading& in, const Node& node, const std::vector<std::string>& known, const std::vector<std::string>& later,
               std::string& out) {
  if (node.kind == NodeKind::kScalar && std::find(later.begin(), later.end(), node.text) != later.end()) {
    in.error(node.place, "NotUnderstood", "`" + in.path() + ": " + node.text + "` is not understood by this version",
             "use `" + known[0] + "`");
    return;
  }
  std::size_t index = 0;
  if (in.one_of(node, "InvalidValue", known, index)) out = known[index];
}

constexpr auto kDomainShiftFields = std::to_array<Field<TrafficShift>>({
    {"policy", When::kNotNull,
     [](Reading& in, const Node& node, TrafficShift& shift) { in.name_of_enum(node, "InvalidTrafficShift", shift.policy); }},
    {"duration", When::kNotNull, kPositiveDuration<&TrafficShift::duration>},
});
constexpr auto kExpirationFields = std::to_array<Field<DomainSettings>>({
    {"default", When::kNotNull,
     [](Reading& in, const Node& node, DomainSettings& d) {
       in.name_of_enum(node, "UnknownExpirationPolicyRef", d.default_policy);
     }},
    {"periodic", When::kNotNull,
     [](Reading& in, const Node& node, DomainSettings& d) {
       in.name_of_enum(node, "UnknownExpirationPolicyRef", d.default_periodic_policy);
     }},
});
constexpr auto kLifetimeFields = std::to_array<Field<DomainSettings>>({
    {"initial", When::kNotNull, kPositiveDuration<&DomainSettings::initial_lifetime>},
    {"extended", When::kNotNull, kPositiveDuration<&DomainSettings::extended_lifetime>},
});
constexpr auto kPortFields = std::to_array<Field<DomainSettings>>({
    {"instances", When::kNotNull,
     [](Reading& in, const Node& node, DomainSettings& d) { read_port_range(in, node, d.instance_ports); }},
    {"stable", When::kNotNull, [](Reading& in, const Node& node, DomainSettings& d) { read_port_range(in, node, d.stable_ports); }},
});
constexpr auto kBrakeFields = std::to_array<Field<DomainSettings>>({
    {"count", When::kNotNull, kInteger<&DomainSettings::brake_count, 0, 1'000'000>},
    {"percent", When::kNotNull, kInteger<&DomainSettings::brake_percent, 0, 100>},
});

void read_user(Reading& in, const Node& node, std::string& out) {
  std::string user;
  if (!in.text(node, user)) return;
  const bool fits =
      !user.empty() && user.size() <= 32 && (is_lower(user[0]) || user[0] == '_') &&
      std::all_of(user.begin(), user.end(), [](char c) { return is_lower(c) || is_digit(c) || c == '_' || c == '-'; });
  if (fits && user != "root")
    out = std::move(user);
  else
    in.error(node.place, "InvalidUser",
             "`run_as`: " + in_quotes(user) + (user == "root" ? " may not run units" : " is not a user's name"),
             "name a user of this machine with few rights, such as the one `nelson init` makes");
}

void read_folder(Reading& in, const Node& node, std::string& out) {
  std::string folder;
  if (!in.text(node, folder)) return;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  if (is_absolute_path(folder))
    out = std::move(folder);
  else
    in.error(node.place, "InvalidFolder", "`folder`: " + in_quotes(folder) + " is not an absolute path",
             "write it like `/var/lib/nelson/local`, without `..`");
}

constexpr auto kDomainFields = std::to_array<Field<DomainSettings>>({
    {"scheduler", When::kNotNull,
     [](Reading& in, const Node& node, DomainSettings& d) {
       read_part(in, node, {"local"}, {"nomad", "kubernetes"}, d.scheduler);
     }},
    {"discovery", When::kNotNull,
     [](Reading& in, const Node& node, DomainSettings& d) {
       read_part(in, node, {"local"}, {"consul", "kubernetes"}, d.discovery);
     }},
    {"balancer", When::kNotNull,
     [](Reading& in, const Node& node, DomainSettings& d) {
       read_part(in, node, {"haproxy", "none"}, {}, d.balancer);
     }},
    {"default_namespace", When::kNotNull,
     [](Reading& in, const Node& node, DomainSettings& d) {
       if (in.text(node, d.default_namespace) && !valid_namespace(d.default_namespace))
         in.error(node.place, "InvalidNamespace", in_quotes(d.default_namespace) + " is not a namespace",
                  "use lower-case letters and hyphens, `/` between parts");
     }},
    {"traffic_shift", When::kNotNull,
     [](Reading& in, const Node& node, DomainSettings& d) {
       read_object(in, node, "traffic_shift", kDomainShiftFields, d.traffic_shift);
     }},
    {"expiration", When::kNotNull,
     [](Reading& in, const Node& node, DomainSettings& d) { read_object(in, node, "expiration", kExpirationFields, d); }},
    {"lifetimes", When::kNotNull,
     [](Reading& in, const Node& node, DomainSettings& d) { read_object(in, node, "lifetimes", kLifetimeFields, d); }},
    {"ready_after", When::kNotNull, kPositiveDuration<&DomainSettings::ready_after>},
    {"idle", When::kNotNull,
     [](Reading& in, const Node& node, DomainSettings& d) {
       std::size_t index = 0;
       if (in.one_of(node, "InvalidValue", {"keep", "retire"}, index)) d.retire_idle = index == 1;
     }},
    {"leaving", When::kNotNull, kBoolean<&DomainSettings::leaving>},
    {"brake", When::kNotNull,
     [](Reading& in, const Node& node, DomainSettings& d) { read_object(in, node, "brake", kBrakeFields, d); }},
    {"folder", When::kRequired, [](Reading& in, const Node& node, DomainSettings& d) { read_folder(in, node, d.folder); }},
    {"run_as", When::kNotNull, [](Reading& in, const Node& node, DomainSettings& d) { read_user(in, node, d.run_as); }},
    {"ports", When::kNotNull,
     [](Reading& in, const Node& node, DomainSettings& d) { read_object(in, node, "ports", kPortFields, d); }},
    {"stop_grace", When::kNotNull, kPositiveDuration<&DomainSettings::stop_grace>},
    {"drain_limit", When::kNotNull, kPositiveDuration<&DomainSettings::drain_limit>},
});

}  // namespace

bool is_absolute_path(std::string_view path) {
  if (path.size() < 2 || path[0] != '/' || path.size() > 1024) return false;
  return std::none_of(path.begin(), path.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }) &&
         (std::string(path) + "/").find("/../") == std::string::npos;
}

void read_domain(Reading& in, const Node& root, DomainSettings& domain) {
  if (!read_object(in, root, "domain", kDomainFields, domain)) return;
  if (domain.instance_ports.first <= domain.stable_ports.last && domain.stable_ports.first <= domain.instance_ports.last) {
    const Node* ports = root.find("ports");
    in.error(ports == nullptr ? root.place : ports->key_place, "InvalidPortRange", "the ranges of `ports` overlap",
             "give instances and stable addresses ports of their own");
  }
}

}  // namespace nelson
