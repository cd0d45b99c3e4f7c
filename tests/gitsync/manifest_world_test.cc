#include "gitsync/manifest_world.h"

#include <gtest/gtest.h>

namespace nelson {
namespace {

constexpr const char* kManifest = R"(
domains: {only: [local, lokal]}
units:
  - {name: basket, description: d, ports: [default->80/http], dependencies: [{ref: catalog@2.1}]}
  - {name: mailer, description: d}
namespaces:
  - {name: dev, units: [{ref: basket}]}
  - {name: other, units: [{ref: mailer}]}
)";

DesiredStack catalog(Version version) {
  DesiredStack stack;
  stack.name_space = "dev";
  stack.version = version;
  return stack;
}

std::vector<std::string> codes(const Desired& desired) {
  const ManifestReading reading = read_manifest(kManifest);
  std::vector<std::string> out;
  for (const Problem& problem : ManifestWorld(desired).problems_of(*reading.manifest)) {
    EXPECT_TRUE(problem.warning) << "the world never invalidates a file";
    out.push_back(problem.code);
  }
  return out;
}

using Codes = std::vector<std::string>;

TEST(ManifestWorld, SaysWhatTheOthersHaveToSay) {
  Desired desired;
  desired.domains["local"].name = "local";
  EXPECT_EQ(codes(desired),
            (Codes{"UnknownDomain", "MissingDependency", "NobodyCalls", "MissingIndividualDefaultNamespaceReference"}));

  desired.cells[{"local", "catalog"}].stacks = {catalog({2, 0, 9})};
  EXPECT_EQ(codes(desired)[1], "MissingDependency") << "a minor below";
  desired.cells[{"local", "catalog"}].stacks = {catalog({3, 1, 0})};
  EXPECT_EQ(codes(desired)[1], "MissingDependency") << "another major";
  desired.cells[{"local", "catalog"}].stacks = {catalog({2, 7, 0})};
  EXPECT_EQ(codes(desired), (Codes{"UnknownDomain", "NobodyCalls", "MissingIndividualDefaultNamespaceReference"}));

  DesiredStack caller = catalog({1, 0, 0});
  caller.spec.dependencies = {{"basket", {1, 0}}};
  desired.cells[{"local", "shop"}].stacks = {caller};
  EXPECT_EQ(codes(desired), (Codes{"UnknownDomain", "MissingIndividualDefaultNamespaceReference"}));
}

TEST(ManifestWorld, ADomainThatIsNotMeantIsNotAsked) {
  Desired desired;
  desired.domains["elsewhere"].name = "elsewhere";
  EXPECT_EQ(codes(desired), (Codes{"UnknownDomain", "UnknownDomain"}));
}

}  // namespace
}  // namespace nelson
