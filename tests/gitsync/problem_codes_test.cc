#include "gitsync/problem_codes.h"

#include <gtest/gtest.h>

#include <set>

#include "gitsync/deployable.h"
#include "gitsync/manifest.h"
#include "gitsync/secrets.h"

namespace nelson {
namespace {

std::vector<Problem> problems_in(Frame frame, std::string_view lines) {
  const std::string text = example_file(frame, lines);
  return frame == Frame::kDeployable ? read_deployable(text).problems : read_manifest(text).problems;
}

bool is_told(const std::vector<Problem>& problems, std::string_view code) {
  return std::any_of(problems.begin(), problems.end(), [&](const Problem& problem) { return problem.code == code; });
}

TEST(ProblemCodes, EveryExampleIsWhatItSays) {
  for (const ProblemCode& row : kProblemCodes) {
    if (row.frame == Frame::kNone) continue;
    SCOPED_TRACE(std::string(row.name));
    EXPECT_TRUE(is_told(problems_in(row.frame, row.wrong), row.name)) << example_file(row.frame, row.wrong);
    const std::vector<Problem> right = problems_in(row.frame, row.right);
    EXPECT_FALSE(is_told(right, row.name)) << example_file(row.frame, row.right);
    for (const Problem& problem : right)
      EXPECT_TRUE(problem.warning) << to_string(problem) << "\n" << example_file(row.frame, row.right);
  }
}

TEST(ProblemCodes, NamesAreUniqueAndRowsAreWhole) {
  std::set<std::string_view> names;
  for (const ProblemCode& row : kProblemCodes) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_FALSE(row.message.empty()) << row.name;
    EXPECT_FALSE(row.way_out.empty()) << row.name;
    EXPECT_FALSE(row.why.empty()) << row.name;
    EXPECT_EQ(find_problem_code(row.name), &row);
  }
  for (const FormerCode& former : kFormerCodes) EXPECT_FALSE(names.contains(former.name)) << former.name;
}

/// The reference's catalogue (spec/manifest 9.1), written down once more.
TEST(ProblemCodes, EveryCodeOfTheReferenceIsARowOrSaysWhatIsInstead) {
  for (const char* name : {"LoadError",
                           "MissingProperty",
                           "InvalidServiceName",
                           "InvalidFeatureVersion",
                           "EmptyList",
                           "MissingResourceName",
                           "InvalidAlphaNumHyphen",
                           "InvalidMetaLength",
                           "DuplicateAlertName",
                           "DuplicateRuleName",
                           "InvalidPortSpecification",
                           "InvalidCPU",
                           "MissingCPULimit",
                           "InvalidCPUBound",
                           "InvalidMemory",
                           "MissingMemoryLimit",
                           "InvalidMemoryBound",
                           "InvalidInstances",
                           "InvalidProtocol",
                           "InvalidDuration",
                           "InvalidURI",
                           "InvalidSchedule",
                           "UnknownExpirationPolicyRef",
                           "InvalidTrafficShift",
                           "InvalidTrafficShiftDuration",
                           "MissingVolumeName",
                           "InvalidMountPath",
                           "InvalidVolumeSize",
                           "InvalidWorkflow",
                           "InvalidBlueprintReference",
                           "UnknownUnitRef",
                           "UnknownPlanRef",
                           "UnknownLoadbalancerRef",
                           "UnknownAlertOptOutRef",
                           "InvalidNamespace",
                           "InvalidEmail",
                           "UnknownNamespace",
                           "MissingDependency",
                           "DeprecatedDependency",
                           "InvalidLoadbalancerNameLength",
                           "InvalidLoadbalancerPort",
                           "UnknownBackendDestination",
                           "InvalidRouteDefinition",
                           "InvalidPrometheusRules",
                           "UnknownPortRef",
                           "MissingHealthCheckPath",
                           "MissingResourceReference",
                           "PeriodicUnitWithTrafficShift",
                           "InvalidUnitNameLength",
                           "InvalidUnitNameChars",
                           "MissingDefaultNamespaceReference",
                           "MissingIndividualDefaultNamespaceReference",
                           "UnknownBlueprintReference",
                           "CyclicDependency",
                           "ManifestUnitKindMismatch",
                           "DeploymentCommitFailed",
                           "ProblematicDeployable",
                           "MissingDeploymentReference",
                           "ProblematicRepoManifest"}) {
    const bool former =
        std::any_of(kFormerCodes.begin(), kFormerCodes.end(), [&](const FormerCode& code) { return code.name == name; });
    EXPECT_NE(find_problem_code(name) != nullptr, former) << name;
  }
}

TEST(ProblemCodes, AParameterIsShownInOneShortLine) {
  EXPECT_EQ(filled("`{a}` and {b}, {{c}", named("a b", {"x\ny", std::string(100, 'z')})),
            "`x?y` and " + std::string(80, 'z') + "..., {c}");
}

TEST(Secrets, AreToldFromTheirWhereabouts) {
  struct Case {
    const char* name;
    const char* value;
    bool secret;
  };
  for (const Case& c : std::vector<Case>{{"DB_PASSWORD", "correct-horse", true},
                                         {"dbPassword", "correct-horse", true},
                                         {"API_KEY", "0123456789", true},
                                         {"GITHUB_TOKEN", "0123456789", true},
                                         {"ANYTHING", "AKIAIOSFODNN7EXAMPLE", true},
                                         {"DATABASE_URL", "postgres://u:correct-horse@db/x", true},
                                         {"DATABASE_URL", "postgres://u@db/x", false},
                                         {"DATABASE_URL", "postgres://u:$PASSWORD@db/x", false},
                                         {"DB_PASSWORD_FILE", "correct-horse", false},
                                         {"DB_PASSWORD", "/run/secrets/db", false},
                                         {"DB_PASSWORD", "${DB}", false},
                                         {"TOKEN_TTL", "3600", false},
                                         {"PARTITION_KEY", "customer", false},
                                         {"USE_TOKEN", "true", false},
                                         {"COMPASSWORDS", "correct-horse", false}})
    EXPECT_EQ(looks_secret(c.name, c.value), c.secret) << c.name << "=" << c.value;
}

TEST(Secrets, AreNotInTheLineThatIsShown) {
  EXPECT_EQ(without_secrets("  - A=b"), "  - A=b");
  EXPECT_EQ(without_secrets("      - DB_PASSWORD=correct-horse"), "      - DB_PASSWORD=*************");
  EXPECT_EQ(without_secrets("env: {TOKEN: \"abcdef\", B: c}"), "env: {TOKEN: ********, B: c}");
  EXPECT_EQ(without_secrets("[A=b, URL=http://u:secret@h/x]"), "[A=b, URL=*******************]");
  EXPECT_EQ(without_secrets("- DB_PASSWORD=Tr0ub,ador&3"), "- DB_PASSWORD=************");
  EXPECT_EQ(without_secrets("- DB_PASSWORD=correct horse"), "- DB_PASSWORD=*************");
  EXPECT_EQ(without_secrets("- DB_PASSWORD=abc defghi"), "- DB_PASSWORD=**********");
  EXPECT_EQ(without_secrets("- DB_PASSWORD=\"ab\" cd]ef}"), "- DB_PASSWORD=***********");
  EXPECT_EQ(without_secrets("password: 'it''s, me'  # x"), "password: ***********  # x");
  EXPECT_EQ(without_secrets("password: \"a\\\"bcde\", x: y"), "password: *********, x: y");
  EXPECT_EQ(without_secrets("password: 'begins here"), "password: ************");
  EXPECT_EQ(without_secrets("[\"DB_PASSWORD=ab, cd]\", A=b]"), "[\"DB_PASSWORD=*******\", A=b]");
  EXPECT_EQ(without_secrets("{DB_PASSWORD: correct horse, A: b}"), "{DB_PASSWORD: *************, A: b}");
  EXPECT_EQ(without_secrets("about [a, b: token: abcdef, ghi"), "about [a, b: token: ***********");
  EXPECT_EQ(without_secrets("- DB_PASSWORD=\"$DB\""), "- DB_PASSWORD=\"$DB\"");
  EXPECT_EQ(without_secrets("{\"password\": \"ab cd\", \"a\": 1}"), "{\"password\": *******, \"a\": 1}");
  EXPECT_EQ(without_secrets("use_token: true  # yes"), "use_token: true  # yes");
  EXPECT_EQ(without_secrets("credentials: {token: env:SHOP_TOKEN}"), "credentials: {token: **************}");
  for (const Problem& problem :
       read_manifest("units: []\nplans: [{name: a, environment: [DB_PASSWORD=correct-horse, LEVEL]}]\nnamespaces: []").problems) {
    EXPECT_EQ(problem.source.find("horse"), std::string::npos) << problem.source;
    EXPECT_EQ(to_string(problem).find("horse"), std::string::npos) << to_string(problem);
  }
}

}  // namespace
}  // namespace nelson
