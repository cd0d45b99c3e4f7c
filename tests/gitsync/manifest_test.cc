#include "gitsync/manifest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <clocale>
#include <filesystem>
#include <fstream>
#include <locale>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "gitsync/deployable.h"
#include "gitsync/problem_codes.h"
#include "gitsync/schedule.h"

namespace nelson {
namespace {

const std::filesystem::path kGolden = std::filesystem::path(NELSON_SOURCE) / "tests/golden/manifests";

std::string content_of(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::vector<std::filesystem::path> golden_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(kGolden))
    if (entry.path().extension() == ".yml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// What a golden manifest says about itself: under a line, `#   ^ CODE` or `#   ^ warning CODE` marks a problem at the caret's column, and
/// `# < CODE` one at column 1.
std::multiset<std::string> expectations(const std::string& text) {
  static const std::regex kMark(R"(^ *#( +)(\^+|<) (warning )?([A-Z][A-Za-z]+)$)");
  std::multiset<std::string> out;
  std::istringstream lines(text);
  std::string line;
  int number = 0, marked = 0;
  while (std::getline(lines, line)) {
    ++number;
    std::smatch match;
    if (!std::regex_match(line, match, kMark)) {
      marked = number;
      continue;
    }
    const auto column = match[2] == "<" ? 1 : match.position(2) + 1;
    out.insert(std::to_string(marked) + ":" + std::to_string(column) + " " + match[3].str() + match[4].str());
  }
  return out;
}

std::multiset<std::string> found(const ManifestReading& reading) {
  std::multiset<std::string> out;
  for (const Problem& problem : reading.problems)
    out.insert(std::to_string(problem.line) + ":" + std::to_string(problem.column) + " " + (problem.warning ? "warning " : "") +
               problem.code);
  return out;
}

std::string listed(const std::multiset<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

/// A deployable says what is wrong with it in the same way.
ManifestReading read_golden_file(const std::filesystem::path& path) {
  const std::string text = content_of(path);
  if (!path.string().ends_with(".deployable.yml")) return read_manifest(text);
  ManifestReading reading;
  reading.problems = read_deployable(text).problems;
  return reading;
}

class GoldenManifest : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(GoldenManifest, HasExactlyTheMarkedProblems) {
  const std::string text = content_of(GetParam());
  const ManifestReading reading = read_golden_file(GetParam());
  EXPECT_EQ(listed(found(reading)), listed(expectations(text)));
  const bool valid =
      std::none_of(reading.problems.begin(), reading.problems.end(), [](const Problem& problem) { return !problem.warning; });
  EXPECT_EQ(reading.manifest.has_value(), valid);
  EXPECT_EQ(GetParam().stem().string().ends_with("_valid"), valid) << "a file named ..._valid has no errors";
  for (const Problem& problem : reading.problems) {
    EXPECT_FALSE(problem.message.empty()) << problem.code;
    EXPECT_FALSE(problem.way_out.empty()) << problem.code;
  }
}

INSTANTIATE_TEST_SUITE_P(Manifests, GoldenManifest, testing::ValuesIn(golden_files()),
                         [](const auto& info) { return std::regex_replace(info.param.stem().string(), std::regex("[.]"), "_"); });

TEST(Manifest, EveryCodeHasAGoldenManifest) {
  std::set<std::string> shown;
  for (const auto& file : golden_files())
    for (const std::string& line : expectations(content_of(file))) shown.insert(line.substr(line.rfind(' ') + 1));
  std::set<std::string> said;
  for (const ProblemCode& code : kProblemCodes)
    // A dependency's circle is seen in one file and asked of the world; the mark of too many problems has no place.
    if ((code.asked == Asked::kFile && code.name != "MoreProblems" && code.name != "MoreWarnings") ||
        code.name == "CyclicDependency")
      said.emplace(code.name);
  EXPECT_EQ(listed({shown.begin(), shown.end()}), listed({said.begin(), said.end()}));
}

TEST(Manifest, ASecondOfANameSaysWhereTheFirstIs) {
  const ManifestReading reading = read_manifest(
      "units:\n  - name: howdy\n    description: d\n    ports:\n      - default->80/http\n      - other->81/http\n      - "
      "other->82/http\n"
      "plans:\n  - name: small\n    health_checks:\n      - {name: ping, port_reference: default, protocol: tcp}\n"
      "      - {name: pong, port_reference: default, protocol: tcp}\n      - {name: pong, port_reference: default, protocol: tcp}\n"
      "namespaces: []\n");
  ASSERT_EQ(reading.problems.size(), 2U);
  EXPECT_EQ(reading.problems[0].line, 7U);
  EXPECT_EQ(reading.problems[0].parameters.at("line"), "6");
  EXPECT_EQ(reading.problems[1].line, 13U);
  EXPECT_EQ(reading.problems[1].parameters.at("line"), "12");
}

TEST(Manifest, WarnsWithTheNearestKnownKey) {
  const ManifestReading reading = read_manifest("units:\n  - {name: howdy, mame: x, description: d}\nnamespaces: []\n");
  ASSERT_EQ(reading.problems.size(), 2U);
  const Problem& problem = reading.problems[1];
  EXPECT_EQ(problem.way_out, "did you mean `name`?");
  EXPECT_EQ(problem.unit, "howdy");
  EXPECT_EQ(problem.parameters, (std::map<std::string, std::string>{{"key", "mame"}, {"object", "unit"}}));
  EXPECT_EQ(underlined(problem),
            "     2 |   - {name: howdy, mame: x, description: d}\n"
            "       |                   ^^^^\n");
}

// ------------------------------------------------------------------------------------------------ what a valid manifest says

Manifest read_valid(const std::string& text) {
  ManifestReading reading = read_manifest(text);
  for (const Problem& problem : reading.problems)
    if (!problem.warning) ADD_FAILURE() << to_string(problem);
  return reading.manifest.value_or(Manifest{});
}

Manifest read_golden(const std::string& name) { return read_valid(content_of(kGolden / (name + ".yml"))); }

TEST(Manifest, TheFullExampleMeansWhatItSays) {
  const Manifest manifest = read_golden("example_valid");
  ASSERT_EQ(manifest.units.size(), 1U);
  const ManifestUnit& unit = manifest.units[0];
  EXPECT_EQ(unit.name, "basket-api");
  EXPECT_EQ(unit.ports, (std::vector<Port>{{"default", 8080, Protocol::kHttp}, {"metrics", 9102, Protocol::kTcp}}));
  EXPECT_EQ(unit.dependencies, (std::vector<Dependency>{{"catalog", {2, 1}}}));
  EXPECT_EQ(unit.alerts.at(0).name, "basket_down");
  EXPECT_EQ(unit.rules.at(0).name, "basket:rate5m");
  const Spec spec = normalized_spec(unit, *manifest.plan("small"));
  EXPECT_EQ(spec.cpu_millis, 500);
  EXPECT_EQ(spec.cpu_request_millis, 250);
  EXPECT_EQ(spec.memory_kib, 512 * 1024);
  EXPECT_EQ(spec.memory_request_kib, 256 * 1024);
  EXPECT_EQ(spec.retries, 2);
  EXPECT_EQ(spec.environment, (std::vector<EnvironmentVariable>{{"LOG_LEVEL", "debug"}}));
  EXPECT_EQ(
      spec.health_checks,
      (std::vector<HealthCheck>{{"ping", "default", Protocol::kHttp, "/ping", std::chrono::seconds(10), std::chrono::seconds(2)}}));
  EXPECT_EQ(spec.schedule, "");
  const Settings settings = settings_of(unit, *manifest.plan("small"), DomainSettings{});
  EXPECT_EQ(settings.instances, 2);
  EXPECT_EQ(settings.expiration_policy, ExpirationPolicy::kRetainActive);
  EXPECT_EQ(settings.traffic_shift, (TrafficShift{ShiftPolicy::kLinear, std::chrono::minutes(20)}));
  EXPECT_EQ(manifest.namespaces.size(), 2U);
  EXPECT_TRUE(manifest.targets.includes("paris"));
  EXPECT_FALSE(manifest.targets.includes("Lisbon")) << "`except` compares without case";
  EXPECT_EQ(stacks_per_domain(manifest), 2U);
}

TEST(Manifest, AUnitWithoutPlansGetsTheBuiltInOne) {
  const Manifest manifest = read_golden("smallest_valid");
  EXPECT_EQ(manifest.namespaces.at(0).units.at(0).plans, (std::vector<std::string>{"default"}));
  DomainSettings domain;
  domain.default_policy = ExpirationPolicy::kRetainLatest;
  domain.traffic_shift = {ShiftPolicy::kAtomic, std::chrono::seconds(5)};
  EXPECT_EQ(normalized_spec(manifest.units[0], *manifest.plan("default")), Spec{});
  EXPECT_EQ(settings_of(manifest.units[0], *manifest.plan("default"), domain),
            (Settings{1, ExpirationPolicy::kRetainLatest, domain.traffic_shift}));
}

TEST(Manifest, MergedPlansKeepWhatIsWrittenInThePlan) {
  const Manifest manifest = read_golden("anchors_and_merges_valid");
  const ManifestPlan& plan = *manifest.plan("small");
  EXPECT_EQ(plan.cpu, 0.25);
  EXPECT_EQ(plan.memory, 64);
  EXPECT_EQ(plan.environment.size(), 1U);
}

TEST(Manifest, PlansOfANamespaceAreForUnitsThatNameNone) {
  const Manifest manifest = read_golden("namespace_plans_valid");
  const std::vector<ManifestUnitReference>& units = manifest.namespaces.at(0).units;
  EXPECT_EQ(units.at(0).plans, (std::vector<std::string>{"small"}));
  EXPECT_EQ(units.at(1).plans, (std::vector<std::string>{"nightly"}));
  EXPECT_EQ(normalized_spec(manifest.units[1], *manifest.plan("nightly")).schedule, "0 0 * * *");
}

TEST(Manifest, AUnitSpeaksForPlansThatSayNothing) {
  const Manifest manifest = read_golden("unit_fallbacks_valid");
  const Spec spec = normalized_spec(manifest.units[0], *manifest.plan("default"));
  EXPECT_EQ(spec.schedule, "30 4 * * 1-5");
  EXPECT_EQ(spec.timezone, "Europe/Berlin");
  EXPECT_EQ(settings_of(manifest.units[0], *manifest.plan("default"), DomainSettings{}).expiration_policy,
            ExpirationPolicy::kRetainUntilDeprecated)
      << "retain-always is another name of it";
}

TEST(Manifest, SeveralEntriesOfAUnitAreOne) {
  const Manifest manifest = read_valid(R"(
units: [{name: howdy, description: d}]
plans: [{name: b}, {name: a}]
namespaces:
  - name: dev
    units: [{ref: howdy, plans: [a]}, {ref: howdy, plans: [b, a]}, {ref: howdy}]
)");
  ASSERT_EQ(manifest.namespaces.at(0).units.size(), 1U);
  EXPECT_EQ(manifest.namespaces[0].units[0].plans, (std::vector<std::string>{"b", "a", "default"}))
      << "in the order of their declarations";
}

std::string with_plan(const std::string& lines) {
  return "units: [{name: howdy, description: d, ports: [default->80/http]}]\nplans:\n  - name: p\n" + lines +
         "namespaces: [{name: dev, units: [{ref: howdy, plans: [p]}]}]\n";
}

TEST(Manifest, NormalizingLeavesNothingToTheOrderOfTheFile) {
  const Manifest manifest = read_valid(R"(
units:
  - name: howdy
    description: d
    ports: [b->1/tcp, default->80/http, a->2/tcp]
    dependencies: [{ref: zeta@1.0}, {ref: alpha@2.3}]
namespaces: []
)");
  const Spec spec = normalized_spec(manifest.units[0], *manifest.plan("default"));
  EXPECT_EQ(spec.ports, (std::vector<Port>{{"default", 80, Protocol::kHttp}, {"b", 1, Protocol::kTcp}, {"a", 2, Protocol::kTcp}}));
  EXPECT_EQ(spec.dependencies, (std::vector<Dependency>{{"alpha", {2, 3}}, {"zeta", {1, 0}}}));
}

TEST(Manifest, EnvironmentEntriesAreKeptWhole) {
  const Manifest manifest = read_valid(with_plan("    environment: [A=b=c, B=, \"C= d \", D=yes, A=again]\n"));
  EXPECT_EQ(manifest.plans[0].environment,
            (std::vector<EnvironmentVariable>{{"A", "b=c"}, {"B", ""}, {"C", " d "}, {"D", "yes"}, {"A", "again"}}));
  const Manifest mapped = read_valid(with_plan("    environment: {A: 1, B: ~, C: yes}\n"));
  EXPECT_EQ(mapped.plans[0].environment, (std::vector<EnvironmentVariable>{{"A", "1"}, {"B", ""}, {"C", "yes"}}));
}

TEST(Manifest, NumbersAreThoseOfYaml11) {
  struct Case {
    const char* text;
    double value;
  };
  for (const Case& c : std::vector<Case>{{"12", 12},
                                         {"0x1F", 31},
                                         {"010", 8},
                                         {"1_000", 1000},
                                         {"1:30", 90},
                                         {"\"7\"", 7},
                                         {"0b11", 3},
                                         {"+4", 4},
                                         {"1.5", 1.5},
                                         {".5", 0.5},
                                         {"2e1", 20},
                                         {"2.5e-1", 0.25},
                                         {"1_0.5", 10.5}}) {
    SCOPED_TRACE(c.text);
    const Manifest manifest = read_valid(with_plan(std::string("    memory: ") + c.text + "\n"));
    EXPECT_EQ(manifest.plans.at(0).memory, c.value);
  }
  for (const char* text : {"1,5", "0x", "1:75", "five", "1.2.3", "--1", "''", "1 2", "0x1G", "[1]", "1e999"}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(read_manifest(with_plan(std::string("    memory: ") + text + "\n")).manifest);
  }
}

TEST(Manifest, WholeNumbersAreWhole) {
  const auto retries = [](const std::string& text) { return read_manifest(with_plan("    retries: " + text + "\n")); };
  EXPECT_EQ(retries("0x10").manifest.value().plans[0].retries, 16);
  for (const char* text : {"08", "2.0", "1e3", "2147483648", "-2147483649", "~", "true"})
    EXPECT_FALSE(retries(text).manifest) << text;
}

struct Comma : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

TEST(Manifest, ALocaleWithCommasChangesNothing) {
  // Both of C++ and, where one is installed, of C.
  const std::string before = std::setlocale(LC_ALL, nullptr);
  const std::locale cpp_before = std::locale::global(std::locale(std::locale::classic(), new Comma));
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE"})
    if (std::setlocale(LC_ALL, name) != nullptr) break;
  const ManifestReading reading = read_manifest(with_plan("    cpu: 0.1\n    memory: 1500.5\n    retries: 12345\n"));
  std::locale::global(cpp_before);
  std::setlocale(LC_ALL, before.c_str());
  ASSERT_TRUE(reading.manifest);
  const Spec spec = normalized_spec(reading.manifest->units[0], reading.manifest->plans[0]);
  EXPECT_EQ(spec.cpu_millis, 100);
  EXPECT_EQ(spec.memory_kib, 1'536'512);
  EXPECT_EQ(spec.retries, 12'345);
}

TEST(Manifest, OnlyComparesExactly) {
  const Manifest manifest = read_valid("datacenters: {only: [paris, rome]}\nunits: []\nnamespaces: []\n");
  EXPECT_TRUE(manifest.targets.includes("paris"));
  EXPECT_FALSE(manifest.targets.includes("Paris"));
  EXPECT_FALSE(manifest.targets.includes("lisbon"));
}

TEST(Manifest, BothWordsForTargetsMayAgree) {
  const Manifest manifest = read_valid("domains: {only: [paris]}\ndatacenters: {only: [paris]}\nunits: []\nnamespaces: []\n");
  EXPECT_TRUE(manifest.targets.includes("paris"));
}

TEST(Manifest, ATimeZoneWithoutARepeatedScheduleRenamesNothing) {
  const Manifest plain = read_valid(with_plan(""));
  const Manifest zoned = read_valid(with_plan("    timezone: Europe/Berlin\n"));
  const Manifest once = read_valid(with_plan("    timezone: Europe/Berlin\n    schedule: once\n"));
  EXPECT_EQ(normalized_spec(plain.units[0], plain.plans[0]), normalized_spec(zoned.units[0], zoned.plans[0]));
  EXPECT_EQ(normalized_spec(once.units[0], once.plans[0]).timezone, "");
}

TEST(Manifest, ListsOfThousandsOfFaultsStayReadable) {
  std::string text = "units:\n";
  for (int i = 0; i < 3'000; ++i) text += "  - {nam" + std::to_string(i) + ": x}\n";
  const auto before = std::chrono::steady_clock::now();
  const ManifestReading reading = read_manifest(text + "namespaces: []\n");
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
  EXPECT_LE(reading.problems.size(), 202U);
  EXPECT_FALSE(reading.manifest);
  EXPECT_TRUE(std::any_of(reading.problems.begin(), reading.problems.end(),
                          [](const Problem& problem) { return problem.code == "MoreProblems"; }));
}

// ------------------------------------------------------------------------------------------------ texts nobody meant

/// Whatever is read, it is read quickly, says why not, or is whole.
void expect_sane(const std::string& text) {
  const ManifestReading reading = read_manifest(text);
  const bool failed =
      std::any_of(reading.problems.begin(), reading.problems.end(), [](const Problem& problem) { return !problem.warning; });
  ASSERT_EQ(reading.manifest.has_value(), !failed) << text;
  if (!reading.manifest) return;
  for (const ManifestNamespace& space : reading.manifest->namespaces)
    for (const ManifestUnitReference& reference : space.units) {
      const ManifestUnit* unit = reading.manifest->unit(reference.unit);
      ASSERT_NE(unit, nullptr);
      ASSERT_FALSE(reference.plans.empty());
      for (const std::string& name : reference.plans) {
        const ManifestPlan* plan = reading.manifest->plan(name);
        ASSERT_NE(plan, nullptr) << name;
        (void)normalized_spec(*unit, *plan);
      }
    }
}

TEST(Manifest, EveryPrefixOfTheExampleIsReadOrRefused) {
  const std::string text = content_of(kGolden / "example_valid.yml");
  const auto before = std::chrono::steady_clock::now();
  for (std::size_t length = 0; length <= text.size(); ++length) expect_sane(text.substr(0, length));
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(120));
}

TEST(Manifest, TheExampleWithoutAnyOneByteIsReadOrRefused) {
  const std::string text = content_of(kGolden / "example_valid.yml");
  const auto before = std::chrono::steady_clock::now();
  for (std::size_t at = 0; at < text.size(); ++at) expect_sane(std::string(text).erase(at, 1));
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(120));
}

TEST(Manifest, TheExampleWithAnyOneByteChangedIsReadOrRefused) {
  const std::string text = content_of(kGolden / "example_valid.yml");
  for (const char c : std::string("\0:-[{*&!|>'\"%@`\t\n \xff", 19))
    for (std::size_t at = 0; at < text.size(); at += 7) {
      std::string changed = text;
      changed[at] = c;
      expect_sane(changed);
    }
}

// ------------------------------------------------------------------------------------------------ schedules

TEST(Schedule, IsNormalized) {
  struct Case {
    const char* text;
    const char* normalized;
  };
  for (const Case& c : std::vector<Case>{{"once", "once"},
                                         {"ONCE", "once"},
                                         {"monthly", "0 0 1 * *"},
                                         {"Daily", "0 0 * * *"},
                                         {"hourly", "0 * * * *"},
                                         {"quarter-hourly", "*/15 * * * *"},
                                         {" 5\t4  * * * ", "5 4 * * *"},
                                         {"0 0 ? * SUN", "0 0 * * 7"},
                                         {"0,30 8-18/2 1 jan-MAR fri-sun", "0,30 8-18/2 1 1-3 5-7"},
                                         {"/5 1/2 * * 0", "*/5 1/2 * * 0"},
                                         {"0 0 30 2 *", "0 0 30 2 *"},
                                         {"0 0 * * 7", "0 0 * * 7"},
                                         {"05 * * * *", "5 * * * *"}}) {
    SCOPED_TRACE(c.text);
    const auto schedule = normalized_schedule(c.text);
    ASSERT_TRUE(schedule) << schedule.error().message;
    EXPECT_EQ(*schedule, c.normalized);
    if (std::string(c.normalized) != "once")
      EXPECT_EQ(*normalized_schedule(*schedule), *schedule) << "what is normal stays as it is";
  }
}

TEST(Schedule, RefusesWhatIsNone) {
  for (const char* text : {"",
                           "weekly",
                           "@daily",
                           "@reboot",
                           "* * * *",
                           "* * * * * *",
                           "60 * * * *",
                           "* 24 * * *",
                           "* * 0 * *",
                           "* * 32 * *",
                           "* * * 13 *",
                           "* * * 0 *",
                           "* * * * 8",
                           "*/0 * * * *",
                           "*/60 * * * *",
                           "*/ * * * *",
                           "1/2/3 * * * *",
                           "5-1 * * * *",
                           "* * * * SUN-MON",
                           "* * * * sunday",
                           "* * * * 5#2",
                           "* * L * *",
                           "* * 15W * *",
                           "* * * * 5L",
                           "-1 * * * *",
                           "1.5 * * * *",
                           "1, * * * *",
                           ",1 * * * *",
                           "a * * * *",
                           "1-2-3 * * * *",
                           "?,1 * * * *",
                           "+1 * * * *",
                           "99999999999 * * * *",
                           "* * * jan-x *"}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(normalized_schedule(text));
  }
  std::string fields;
  for (int i = 0; i < 10'000; ++i) fields += "* ";
  EXPECT_FALSE(normalized_schedule(fields));
}

TEST(Schedule, KnowsTheFormOfATimeZone) {
  for (const char* zone : {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+3"})
    EXPECT_TRUE(valid_timezone(zone)) << zone;
  for (const char* zone : {"", "/etc/passwd", "../x", "Europe/", "Europe//Berlin", "Europe/Ber lin", ":UTC", "Europe/..", "1"})
    EXPECT_FALSE(valid_timezone(zone)) << zone;
}

}  // namespace
}  // namespace nelson
