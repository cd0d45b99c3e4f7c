#include "tests/checks/layering.h"

#include <gtest/gtest.h>

namespace nelson::checks {
namespace {

TEST(Layering, EveryIncludeFollowsThePicture) {
  std::size_t read = 0;
  for (const Source& source : read_sources()) {
    if (source.extension() != "h" && source.extension() != "cc") continue;
    ++read;
    const std::vector<std::string> findings = layering_findings(source);
    EXPECT_TRUE(findings.empty()) << joined(findings);
  }
  EXPECT_GT(read, 20u) << "the sources were not found in " NELSON_SOURCE;
}

struct Case {
  const char* name;
  const char* path;
  const char* text;
  bool forbidden;
};

class LayeringCases : public testing::TestWithParam<Case> {};

TEST_P(LayeringCases, AreJudged) {
  const Case& c = GetParam();
  const std::vector<std::string> findings = layering_findings({c.path, c.text});
  EXPECT_EQ(!findings.empty(), c.forbidden) << c.name << joined(findings);
}

constexpr Case kCases[] = {
    {"the model knows nobody", "state/model/a.cc", "#include \"state/store.h\"\n", true},
    {"the model knows itself", "state/model/a.cc", "#include \"state/model/time.h\"\n#include <vector>\n", false},
    {"the model takes only the standard library", "state/model/a.cc", "#include <unistd.h>\n", true},
    {"the digest may use openssl", "state/model/digest.cc", "#include <openssl/evp.h>\n", false},
    {"nothing else of the model may", "state/model/names.cc", "#include <openssl/evp.h>\n", true},
    {"decisions do not know git", "reconcilers/plan.cc", "#include \"gitsync/gitsync.h\"\n", true},
    {"decisions do not know the store", "reconcilers/plan.cc", "#include \"state/store.h\"\n", true},
    {"decisions do not know effects", "reconcilers/plan.cc", "  #  include \"controller/base/log.h\"\n", true},
    {"decisions read no clock", "reconcilers/plan.cc", "auto now = std::chrono::system_clock::now();\n", true},
    {"a clock in a comment is no clock", "reconcilers/plan.cc", "// no system_clock here\n", false},
    {"a clock in a text is no clock", "reconcilers/plan.cc", "const char* kText = \"system_clock\";\n", false},
    {"a clock after a text is one", "reconcilers/plan.cc", "f(\"a \\\" b\", std::chrono::steady_clock::now());\n", true},
    {"decisions read no environment", "reconcilers/plan.cc", "std::getenv(\"HOME\");\n", true},
    {"decisions read no file", "reconcilers/plan.cc", "#include <fstream>\n", true},
    {"decisions print nothing", "reconcilers/plan.cc", "#include <iostream>\n", true},
    {"decisions do not gamble", "reconcilers/plan.cc", "#include <random>\n", true},
    {"the store uses lmdb", "state/lmdb_store.cc", "#include <lmdb.h>\n#include <sys/stat.h>\n", false},
    {"the model does not use lmdb", "state/model/a.cc", "#include <lmdb.h>\n", true},
    {"git does not use lmdb", "gitsync/a.cc", "#include <lmdb.h>\n", true},
    {"git uses libgit2", "gitsync/a.cc", "#include <git2.h>\n#include <git2/sys/odb_backend.h>\n", false},
    {"the controller does not use libgit2", "controller/loop/a.cc", "#include <git2.h>\n", true},
    {"the controller does not read yaml", "controller/cli/a.cc", "#include <yaml-cpp/yaml.h>\n", true},
    {"quotes hide no library", "gitsync/a.cc", "#include \"nlohmann/json.hpp\"\n", true},
    {"git does not log", "gitsync/a.cc", "#include <spdlog/spdlog.h>\n", true},
    {"git does not know the controller", "gitsync/a.cc", "#include \"controller/base/log.h\"\n", true},
    {"git does not know decisions", "gitsync/a.cc", "#include \"reconcilers/plan.h\"\n", true},
    {"a domain does not know the loop", "controller/domains/local/a.cc", "#include \"controller/loop/loop.h\"\n", true},
    {"a domain does not know the store", "controller/domains/local/a.cc", "#include \"state/store.h\"\n", true},
    {"the page does not know the domains", "controller/status/a.cc", "#include \"controller/domains/domain.h\"\n", true},
    {"the loop knows all below it", "controller/loop/a.cc", "#include \"gitsync/gitsync.h\"\n#include \"state/store.h\"\n", false},
    {"the loop does not know the command line", "controller/loop/a.cc", "#include \"controller/cli/cli.h\"\n", true},
    {"main knows the command line", "controller/main.cc", "#include \"controller/cli/cli.h\"\n", false},
    {"no product source knows a test", "controller/cli/a.cc", "#include \"tests/checks/sources.h\"\n", true},
    {"no product source knows gtest", "controller/cli/a.cc", "#include <gtest/gtest.h>\n", true},
    {"an unknown library is told", "controller/cli/a.cc", "#include <boost/asio.hpp>\n", true},
    {"a name that only begins alike is not the folder", "state/modelling.cc", "#include \"statement/a.h\"\n", true},
};
INSTANTIATE_TEST_SUITE_P(Table, LayeringCases, testing::ValuesIn(kCases));

}  // namespace
}  // namespace nelson::checks
