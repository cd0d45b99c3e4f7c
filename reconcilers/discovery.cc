#include "reconcilers/discovery.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

namespace nelson {
namespace {

/// Names of units, namespaces and stacks hold no character that JSON escapes; a domain's might.
std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out + '"';
}

struct Listed {
  std::string stack;
  Port port;
  std::int32_t percent;
};

std::string print_target(const Listed& target) {
  return "{\"stack\":" + json_string(target.stack) + ",\"port\":" + std::to_string(target.port.number) +
         ",\"protocol\":" + json_string(name_of(target.port.protocol)) + ",\"weight\":" + std::to_string(target.percent) + '}';
}

template <class Container, class Print>
std::string joined(const Container& items, Print print_item) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : ",") + print_item(item);
  return out;
}

}  // namespace

std::string lighthouse_payload(const Cell& cell, const Case& c) {
  const Identity& identity = c.identity();
  using Route = std::pair<std::string, std::string>;  // service, port name
  std::map<std::string, std::map<Route, std::vector<Listed>>> namespaces;
  for (const Dependency& dependency : identity.spec.dependencies)
    for (const Target& target : visible(cell.providers.at(dependency.unit).targets, identity.name_space, dependency.version.major))
      for (const Port& port : target.record->identity.spec.ports)
        namespaces[target.name_space][{dependency.unit, port.name}].push_back({target.stack, port, target.percent});
  return "{\"defaultNamespace\":" + json_string(identity.name_space) + ",\"domain\":" + json_string(cell.key.domain) +
         ",\"namespaces\":[" +
         joined(namespaces,
                [](const auto& entry) {
                  return "{\"name\":" + json_string(entry.first) + ",\"routes\":[" +
                         joined(entry.second,
                                [](const auto& route) {
                                  return "{\"service\":" + json_string(route.first.first) +
                                         ",\"port\":" + json_string(route.first.second) + ",\"targets\":[" +
                                         joined(route.second, print_target) + "]}";
                                }) +
                         "]}";
                }) +
         "]}";
}

void plan_discovery(const Cell& cell, CellPlan& out) {
  if (!cell.world->discovery.complete) return;
  for (const Case& c : cell.cases) {
    if (!c.live) continue;
    const std::vector<Dependency>& dependencies = c.identity().spec.dependencies;
    const bool partial = std::any_of(dependencies.begin(), dependencies.end(),
                                     [&](const Dependency& dependency) { return cell.providers.at(dependency.unit).partial; });
    if (partial && c.observed->published) continue;  // what is not known now must not vanish for its callers
    const std::string payload = lighthouse_payload(cell, c);
    if (!c.observed->published)
      out.act(cell, c.identity(), Publish{c.name, payload}, "nothing is published for it yet");
    else if (*c.observed->published != payload)
      out.act(cell, c.identity(), Publish{c.name, payload}, "what it calls has moved");
  }
}

}  // namespace nelson
