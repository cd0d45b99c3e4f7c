// Manifests: read, validated and normalized, against the bare YAML parser on the same bytes.
//   read COUNT   so many different ones, five rounds, in turns
#include "gitsync/manifest.h"

#include "tests/bench/fleet.h"
#include "tests/gitsync/bare_yaml.h"

namespace nelson::bench {
namespace {

constexpr int kRounds = 5;

/// A service as teams write them: some 1.8 KiB, of which a number makes each one different.
std::string manifest(std::size_t number) {
  const std::string n = std::to_string(number);
  return "units:\n"
         "  - name: checkout-" +
         n +
         "\n"
         "    description: >\n      takes the basket to an order and tells everybody who waits for it\n"
         "    ports: [default->8080/http, admin->8081/http]\n"
         "    dependencies:\n      - ref: catalog@2.1\n      - ref: payments@1.14\n      - ref: stock-" +
         n +
         "@1.0\n"
         "    meta: [retail, web]\n"
         "  - name: orders-" +
         n +
         "\n"
         "    description: sends what was ordered, once a night\n"
         "plans:\n"
         "  - name: small\n    cpu: 0.5\n    memory: 512\n    instances:\n      desired: 2\n"
         "    health_checks:\n"
         "      - name: answers\n        port_reference: default\n        protocol: http\n        path: /health\n"
         "        interval: 10 seconds\n        timeout: 2 seconds\n"
         "      - name: admin\n        port_reference: admin\n        protocol: tcp\n"
         "    environment:\n      - LEVEL=info\n      - REGION=north\n      - GREETING=hello, number " +
         n +
         "\n"
         "    traffic_shift:\n      policy: linear\n      duration: 20 minutes\n    expiration_policy: retain-latest-two-feature\n"
         "  - name: large\n    cpu: 2\n    memory: 4096\n    instances:\n      desired: 12\n"
         "    health_checks:\n      - name: answers\n        port_reference: default\n        protocol: http\n        path: "
         "/health\n"
         "    environment:\n      - LEVEL=warn\n      - REGION=south\n"
         "    traffic_shift:\n      policy: atomic\n      duration: 5 minutes\n"
         "  - name: nightly\n    cpu: 1\n    memory: 1024\n    schedule: 15 3 * * *\n    timezone: Europe/Berlin\n"
         "namespaces:\n"
         "  - name: dev\n    units:\n      - ref: checkout-" +
         n +
         "\n        plans: [small]\n"
         "      - ref: orders-" +
         n +
         "\n        plans: [nightly]\n"
         "  - name: prod\n    units:\n      - ref: checkout-" +
         n +
         "\n        plans: [large]\n"
         "      - ref: orders-" +
         n + "\n        plans: [nightly]\n";
}

void read_whole(const std::string& text) {
  const ManifestReading reading = read_manifest(text);
  if (!reading.manifest) die("the manifest does not read: " + to_string(reading.problems.at(0)));
  std::size_t stacks = 0;
  for (const ManifestNamespace& space : reading.manifest->namespaces)
    for (const ManifestUnitReference& reference : space.units)
      for (const std::string& plan : reference.plans) {
        const Spec spec = normalized_spec(*reading.manifest->unit(reference.unit), *reading.manifest->plan(plan));
        stacks += spec.ports.size() < 100 ? 1 : 0;
      }
  if (stacks != 4) die("the manifest makes " + std::to_string(stacks) + " stacks, not 4");
}

}  // namespace
}  // namespace nelson::bench

int main(int argc, char** argv) {
  using namespace nelson::bench;
  const std::size_t count = argc > 2 ? static_cast<std::size_t>(std::atoll(argv[2])) : 0;
  if (count == 0 || std::string(argv[1]) != "read") die("usage: bench_manifest read COUNT");
  std::vector<std::string> texts;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < count; ++i) bytes += texts.emplace_back(manifest(i)).size();
  std::vector<double> ours, reference;
  for (int round = 0; round < kRounds; ++round) {
    ours.push_back(timed([&] {
      for (const std::string& text : texts) read_whole(text);
    }));
    reference.push_back(timed([&] {
      for (const std::string& text : texts) nelson::parse_bare_yaml(text);
    }));
  }
  Line().add("ours", ours).add("reference", reference).add("bytes", static_cast<double>(bytes));
}
