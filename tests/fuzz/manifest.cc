#include "gitsync/manifest.h"

#include <string>

#include "state/model/canonical.h"
#include "state/model/names.h"
#include "tests/fuzz/agreement.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/tree.h"

namespace nelson::fuzz {
namespace {

constexpr std::size_t kLooked = 40;  // stacks of one manifest that are looked at

void check_spec(const Spec& spec) {
  if (spec.cpu_millis < 0 || spec.cpu_request_millis < 0 || spec.memory_kib < 0 || spec.memory_request_kib < 0)
    violated("an amount below zero");
  if (spec.cpu_millis > 1'000'000 || spec.memory_kib > (std::int64_t{1} << 40)) violated("an amount that no machine has");
  for (const Port& port : spec.ports)
    if (port.number == 0 || port.name.empty()) violated("a port without a number or name");
  for (const Dependency& dependency : spec.dependencies)
    if (!valid_unit_name(dependency.unit)) violated("a dependency on what is no unit: " + dependency.unit);
  for (const HealthCheck& check : spec.health_checks)
    if (check.interval <= Duration::zero() || check.timeout <= Duration::zero()) violated("a health check without time");
}

/// What a manifest comes to, as text, so that two can be compared: what every stack of it is.
std::string meaning_of(const Manifest& manifest) {
  const DomainSettings domain;
  std::string out = std::to_string(stacks_per_domain(manifest));
  std::size_t looked = 0;
  for (const ManifestNamespace& name_space : manifest.namespaces) {
    if (!valid_namespace(name_space.name)) violated("a namespace called " + name_space.name);
    for (const ManifestUnitReference& reference : name_space.units) {
      const ManifestUnit* const unit = manifest.unit(reference.unit);
      if (unit == nullptr || !valid_unit_name(unit->name)) violated("a unit called " + reference.unit);
      if (reference.plans.empty()) violated("a unit in a namespace without a plan");
      for (const std::string& name : reference.plans) {
        const ManifestPlan* const plan = manifest.plan(name);
        if (plan == nullptr) violated("a plan that is not there: " + name);
        if (++looked > kLooked) continue;
        const Spec spec = normalized_spec(*unit, *plan);
        check_spec(spec);
        const Settings settings = settings_of(*unit, *plan, domain);
        if (settings.instances < 0) violated("fewer than no instances");
        out += "\n" + name_space.name + " " + unit->name + " " + name + " " + canonical(spec) + canonical(settings);
      }
    }
  }
  return out;
}

bool run_manifest(std::string_view input) {
  const Checked document = read_and_check(input, DuplicateKeys::kLastWins);
  const ManifestReading reading = read_manifest(input);
  check_problems(input, reading.problems);
  if (document.reading.root) check_agreement(*document.reading.root, reading);
  if (reading.manifest.has_value() == has_error(reading.problems)) violated("neither a manifest nor an error, or both");
  const std::string meaning = reading.manifest ? meaning_of(*reading.manifest) : "";
  if (reading.manifest && stacks_per_domain(*reading.manifest) > kMaximumStacks) violated("more stacks than the limit");
  if (!document.printed) return reading.manifest.has_value();

  // What it means must not depend on how it is written.
  const std::string& text = *document.printed;
  const ManifestReading again = read_manifest(text);
  if (again.manifest.has_value() != reading.manifest.has_value())
    violated("a manifest is valid in one way of writing only:\n" + text);
  if (!same_codes(again.problems, reading.problems)) violated("a manifest has other problems when it is printed:\n" + text);
  if (again.manifest && meaning_of(*again.manifest) != meaning)
    violated("a manifest means something else when it is printed:\n" + text);
  return reading.manifest.has_value();
}

}  // namespace

Target manifest() { return {"manifest", run_manifest}; }

}  // namespace nelson::fuzz
