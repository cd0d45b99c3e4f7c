#include <gtest/gtest.h>
#include <time.h>

#include "gitsync/manifest.h"
#include "tests/gitsync/sanitized.h"

// Texts nobody meant: each is refused with a place and a way out, or read, and costs what its size allows. Time is the processor's, of this
// thread, so that a busy machine changes little.

namespace nelson {
namespace {

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

std::string numbered(const std::string& before, const std::string& after, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += before + std::to_string(i) + after;
  return out;
}

std::string unit_with(const std::string& keys) {
  return "units:\n  - {name: basket, description: d" + keys + "}\nnamespaces: [{name: dev, units: [{ref: basket}]}]\n";
}

std::string plan_with(const std::string& keys) {
  return "units: [{name: basket, description: d, ports: [default->80/http]}]\nplans:\n  - {name: small" + keys +
         "}\nnamespaces: [{name: dev, units: [{ref: basket, plans: [small]}]}]\n";
}

double seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

struct Bad {
  const char* says;
  std::string text;
  const char* code;  // of the first error
};

TEST(ManifestBadInput, IsRefusedWithAPlaceAndCheaply) {
  const std::vector<Bad> cases = {
      {"1 MiB of brackets", repeated("[", 1024 * 1024), "LoadError"},
      {"a million units", "units:\n" + repeated("  - {name: aa, description: d}\n", 1'000'000), "LoadError"},
      {"as many units as nodes allow", "units:\n" + numbered("  - {name: unit", ", description: d}\n", 1'900) + "namespaces: []\n",
       "TooMany"},
      {"a name of 10,000 characters", "units: [{name: " + std::string(10'000, 'a') + ", description: d}]\nnamespaces: []\n",
       "InvalidUnitNameLength"},
      {"a plan's name of 10,000 characters", plan_with("").replace(plan_with("").find("small"), 5, std::string(10'000, 'a')),
       "NameTooLong"},
      {"Latin-1", "units: [{name: caf\xE9, description: d}]\n", "LoadError"},
      {"a NUL byte", std::string("units: []\nnamespaces: [\0]\n", 25), "LoadError"},
      {"a tab", "units:\n\t- {name: aa, description: d}\n", "LoadError"},
      {"9,000 ports", unit_with(", ports: [default->80/http, " + numbered("p", "->81/http, ", 9'000) + "]"),
       "InvalidPortSpecification"},
      {"9,000 variables", plan_with(", environment: [" + numbered("A", "=b, ", 9'000) + "]"), "InvalidEnvironment"},
      {"9,000 opt-outs of no alert", plan_with(", alert_opt_outs: [" + numbered("alert_", ", ", 9'000) + "]"),
       "UnknownAlertOptOutRef"},
      {"opt-outs nearly like a thousand alerts",
       "units:\n  - name: basket\n    description: d\n    alerting: {prometheus: {alerts: [" +
           numbered("{alert: a_name_that_is_long_enough_to_make_comparing_it_with_others_dear_", ", expr: a}, ", 1'000) +
           "]}}\nplans:\n  - name: small\n    alert_opt_outs: [" +
           numbered("a_name_that_is_long_enough_to_make_comparing_it_with_others_deer_", ", ", 1'500) +
           "]\nnamespaces: [{name: dev, units: [{ref: basket, plans: [small]}]}]\n",
       "UnknownAlertOptOutRef"},
      {"one bad plan for every unit",
       "units:\n" + numbered("  - {name: unit", ", description: d}\n", 90) + "plans: [{name: small, alert_opt_outs: [" +
           numbered("alert_", ", ", 5'000) + "]}]\nnamespaces:\n  - name: dev\n    units:\n" +
           numbered("      - {ref: unit", ", plans: [small]}\n", 90),
       "UnknownAlertOptOutRef"},
      {"references to nothing",
       "units: []\nnamespaces:\n  - name: dev\n    units: [" + numbered("{ref: unit", "}, ", 3'000) + "]\n", "UnknownUnitRef"},
      {"a number beyond all", plan_with(", cpu: 1e999"), "LoadError"},
      {"infinity", plan_with(", memory: .inf"), "InvalidMemory"},
      {"a port of twenty digits", unit_with(", ports: [default->99999999999999999999/http]"), "InvalidPortSpecification"},
      {"a version beyond 32 bits", unit_with(", dependencies: [{ref: catalog@2147483648.0}]"), "InvalidFeatureVersion"},
      {"a whole number beyond 32 bits", plan_with(", retries: 2147483648"), "LoadError"},
      {"a pattern of brackets", plan_with(", constraints: [{like: [{fieldName: a, param: '" + repeated("(", 60'000) + "'}]}]"),
       "InvalidConstraint"},
      {"an alert of brackets",
       unit_with(", alerting: {prometheus: {alerts: [{alert: a, expression: 'IF " + repeated("(", 60'000) + "'}]}}"),
       "InvalidPrometheusRules"},
      {"an alert of keywords",
       unit_with(", alerting: {prometheus: {alerts: [{alert: a, expression: '" + repeated("IF ", 20'000) + "'}]}}"),
       "InvalidPrometheusRules"},
      {"a line of colons", plan_with(", environment: ['" + repeated("A:=", 20'000) + "']"), "InvalidEnvironment"},
  };
  for (const Bad& c : cases) {
    SCOPED_TRACE(c.says);
    const double before = seconds();
    const ManifestReading reading = read_manifest(c.text);
    const double took = seconds() - before;
    EXPECT_FALSE(reading.manifest);
    const auto first = std::find_if(reading.problems.begin(), reading.problems.end(),
                                    [](const Problem& problem) { return !problem.warning && problem.line > 0; });
    ASSERT_NE(first, reading.problems.end());
    EXPECT_EQ(first->code, c.code) << to_string(*first);
    for (const Problem& problem : reading.problems) EXPECT_LT(to_string(problem).size(), 700U) << problem.code;
    EXPECT_LE(reading.problems.size(), 202U);
    if (!kSanitized) EXPECT_LT(took, 0.6) << "0.15 s where nothing else runs; what is looked for is a cost that is not linear";
  }
}

TEST(ManifestBadInput, WhatIsAtTheEdgeIsRead) {
  for (const std::string& text :
       {unit_with(", ports: [default->65535/http]"), unit_with(", dependencies: [{ref: catalog@2147483647.0}]"),
        plan_with(", cpu: 99.999"), plan_with(", memory: 49999.9"), plan_with(", instances: {desired: 4999}"),
        plan_with(", retries: 2147483647"), plan_with(", traffic_shift: {policy: linear, duration: 60001 ms}"),
        plan_with(", environment: [" + numbered("A", "=b, ", 200) + "]"), "\xEF\xBB\xBF" + plan_with("")}) {
    const ManifestReading reading = read_manifest(text);
    EXPECT_TRUE(reading.manifest) << text.substr(0, 200) << to_string(reading.problems.at(0));
  }
  std::string windows;
  for (const char c : plan_with("")) windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
  EXPECT_TRUE(read_manifest(windows).manifest);
}

}  // namespace
}  // namespace nelson
