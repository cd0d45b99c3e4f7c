#include <gtest/gtest.h>

#include <set>

#include "gitsync/manifest.h"
#include "gitsync/manifest_effects.h"
#include "gitsync/shape.h"
#include "state/model/canonical.h"
#include "tests/gitsync/shape_keys.h"

// Semantics 3: what of a manifest is in the digest, and in which form. Pinned for ever: a change of any expected text here moves every
// user's fleet, and is a breaking change.

namespace nelson {
namespace {

struct Vector {
  const char* says;
  const char* unit;  // keys of the unit, in flow style
  const char* plan;  // likewise of the plan
  const char* text;  // the canonical text of the spec
};

Spec spec_of(const std::string& unit, const std::string& plan) {
  const ManifestReading reading = read_manifest("units: [{name: basket, description: d" + unit + "}]\nplans: [{name: small" + plan +
                                                "}]\nnamespaces: [{name: dev, units: [{ref: basket, plans: [small]}]}]\n");
  for (const Problem& problem : reading.problems) EXPECT_TRUE(problem.warning) << to_string(problem);
  if (!reading.manifest) return {};
  return normalized_spec(reading.manifest->units[0], *reading.manifest->plan("small"));
}

const std::vector<Vector>& vectors() {
  static const std::vector<Vector> kVectors = {
      {"nothing said is nothing", "", "", ""},
      {"ports, default first", ", ports: [a->1/tcp, default->80/http]", "",
       "5:ports,80:31:4:name,7:default,6:number,2:80,,41:4:name,1:a,6:number,1:1,8:protocol,3:tcp,,,"},
      {"dependencies by name", ", dependencies: [{ref: bb@1.0}, {ref: aa@2.3}]", "",
       "12:dependencies,96:50:4:unit,2:aa,7:version,24:5:major,1:2,5:minor,1:3,,,38:4:unit,2:bb,7:version,12:5:major,1:1,,,,"},
      {"environment as declared", "", ", environment: [B=1, A=]", "11:environment,42:23:4:name,1:B,5:value,1:1,,11:4:name,1:A,,,"},
      {"a health check with its defaults", ", ports: [default->80/http]",
       ", health_checks: [{name: ping, port_reference: default, protocol: http, path: ping}]",
       "5:ports,35:31:4:name,7:default,6:number,2:80,,,13:health_checks,86:82:4:name,4:ping,4:port,7:default,4:path,5:/"
       "ping,8:interval,5:10000,7:timeout,4:2000,,,"},
      {"thousandths of a core", "", ", cpu: 0.5", "10:cpu_millis,3:500,"},
      {"a request", "", ", cpu: 1, cpu_request: 0.25", "10:cpu_millis,4:1000,18:cpu_request_millis,3:250,"},
      {"KiB", "", ", memory: 512", "10:memory_kib,6:524288,"},
      {"a memory request", "", ", memory: 2, memory_request: 1", "10:memory_kib,4:2048,18:memory_request_kib,4:1024,"},
      {"retries", "", ", retries: 3", "7:retries,1:3,"},
      {"a schedule in its one form", "", ", schedule: Hourly", "8:schedule,9:0 * * * *,"},
      {"a time zone beside it", "", ", schedule: daily, timezone: Europe/Berlin",
       "8:schedule,9:0 0 * * *,8:timezone,13:Europe/Berlin,"},
      {"resources that the unit declares, by name", ", resources: [{name: b}, {name: a}]",
       ", resources: [{ref: b, uri: 'x:1'}, {ref: c, uri: 'x:2'}, {ref: a, uri: 'x:3'}]",
       "7:demands,88:40:4:kind,8:resource,5:words,10:1:a,3:x:3,,,40:4:kind,8:resource,5:words,10:1:b,3:x:1,,,,"},
      {"a volume", "", ", volumes: [{name: v, mountPath: /s, size: 10}]",
       "7:demands,46:42:4:kind,6:volume,5:words,14:1:v,2:/s,2:10,,,,"},
      {"a constraint", "", ", constraints: [{unique: [host]}]",
       "7:demands,56:52:4:kind,10:constraint,5:words,19:6:unique,4:host,0:,,,,"},
      {"tags, sorted", ", meta: [b, a, b]", "", "7:demands,64:28:4:kind,3:tag,5:words,4:1:a,,,28:4:kind,3:tag,5:words,4:1:b,,,,"},
      {"a workflow", "", ", workflow: {kind: pulsar, blueprint: web@3}",
       "7:demands,87:38:4:kind,8:workflow,5:words,9:6:pulsar,,,41:4:kind,9:blueprint,5:words,10:3:web,1:3,,,,"},
      {"the unit speaks for the plan", ", schedule: once, workflow: canopus", "",
       "8:schedule,4:once,7:demands,44:40:4:kind,8:workflow,5:words,10:7:canopus,,,,"},
  };
  return kVectors;
}

TEST(NormalizedSpec, IsPinnedForEveryField) {
  for (const Vector& vector : vectors()) {
    SCOPED_TRACE(vector.says);
    EXPECT_EQ(canonical(spec_of(vector.unit, vector.plan)), vector.text);
  }
}

TEST(NormalizedSpec, EveryFieldOfASpecHasAVector) {
  std::set<std::string> named;
  for (const Vector& vector : vectors()) {
    const Spec spec = spec_of(vector.unit, vector.plan);
    Spec::visit(spec, [&](std::string_view name, const auto& member) {
      if (member != std::remove_cvref_t<decltype(member)>{}) named.emplace(name);
    });
  }
  const Spec none;
  Spec::visit(none, [&](std::string_view name, const auto&) { EXPECT_TRUE(named.contains(std::string(name))) << name; });
}

/// The row that speaks for a key: its own, or that of what it is below.
const ManifestEffect* effect_of(std::string_view key) {
  const ManifestEffect* best = nullptr;
  for (const ManifestEffect& row : kManifestEffects) {
    const bool above = key == row.key || (key.starts_with(row.key) && (key[row.key.size()] == '.' || key[row.key.size()] == '['));
    if (above && (best == nullptr || row.key.size() > best->key.size())) best = &row;
  }
  return best;
}

TEST(ManifestEffects, EveryKeyThatIsReadHasARow) {
  std::set<std::string> keys;
  add_keys_of(manifest_shape(), "", keys);
  for (const std::string& key : keys)
    if (key != "units" && key != "plans") EXPECT_NE(effect_of(key), nullptr) << key;
  for (const ManifestEffect& row : kManifestEffects) EXPECT_TRUE(keys.contains(std::string(row.key))) << row.key;
}

struct Changed {
  const char* key;
  const char* unit;
  const char* plan;
};

/// Each row once: the key said, against the key not said.
TEST(ManifestEffects, ARowIsWhatAChangeOfItsKeyDoes) {
  const std::vector<Changed> changes = {
      {"units[].ports", ", ports: [default->80/http]", ""},
      {"units[].dependencies", ", dependencies: [{ref: aa@1.0}]", ""},
      {"units[].meta", ", meta: [a]", ""},
      {"units[].alerting", ", alerting: {prometheus: {rules: [{rule: a, expr: b}]}}", ""},
      {"units[].workflow", ", workflow: canopus", ""},
      {"units[].schedule", ", schedule: daily", ""},
      {"units[].expiration_policy", ", expiration_policy: retain-latest", ""},
      {"plans[].cpu", "", ", cpu: 1"},
      {"plans[].memory", "", ", memory: 1"},
      {"plans[].instances", "", ", instances: {desired: 7}"},
      {"plans[].retries", "", ", retries: 1"},
      {"plans[].constraints", "", ", constraints: [{unique: [a]}]"},
      {"plans[].environment", "", ", environment: [A=b]"},
      {"plans[].schedule", "", ", schedule: daily"},
      {"plans[].expiration_policy", "", ", expiration_policy: retain-latest"},
      {"plans[].traffic_shift", "", ", traffic_shift: {policy: atomic, duration: 5 minutes}"},
      {"plans[].volumes", "", ", volumes: [{name: v, mountPath: /s, size: 1}]"},
      {"plans[].workflow", "", ", workflow: canopus"},
  };
  for (const Changed& change : changes)
    EXPECT_EQ(spec_of(change.unit, change.plan) != Spec{}, effect_of(change.key)->effect == Effect::kStack) << change.key;
}

}  // namespace
}  // namespace nelson
