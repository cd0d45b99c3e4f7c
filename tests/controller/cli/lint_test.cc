#include "controller/cli/lint.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "controller/base/json.h"
#include "tests/controller/cli/ran.h"

namespace nelson::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGood = "units:\n  - {name: basket, description: d}\nnamespaces:\n  - {name: dev, units: [{ref: basket}]}\n";
constexpr const char* kBad =
    "units:\n  - {name: basket, description: d}\nplans:\n  - name: small\n    cpu: lots\nnamespaces:\n  - {name: dev, units: "
    "[{ref: "
    "baskte}]}\n";
constexpr const char* kWarned =
    "units:\n  - {name: basket, description: d, mame: x}\nnamespaces:\n  - {name: dev, units: [{ref: basket}]}\n";

class Lint : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "nelson-lint-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }

  int lint(std::vector<std::string> words) {
    words.insert(words.begin(), "lint");
    return run(words);
  }

  int run(const std::vector<std::string>& words) {
    const Ran done = ran(words);
    out_ = done.out;
    err_ = done.err;
    return done.code;
  }

  json::Json json() { return json::Json::parse(out_); }

  fs::path folder_;
  std::string out_, err_;
};

TEST_F(Lint, SaysWhereAndWhatAndTheWayOutAndShowsTheLine) {
  const std::string path = write(".nelson.yml", kBad);
  EXPECT_EQ(lint({path}), 1);
  EXPECT_EQ(out_, path + ":5:10: error: `plan.cpu` must be a number, not `lots`; write a number such as 0.5 [LoadError]\n" +
                      "     5 |     cpu: lots\n       |          ^^^^\n" + path +
                      ":7:31: error: `baskte` is not declared under `units`; did you mean `basket`? [UnknownUnitRef]\n" +
                      "     7 |   - {name: dev, units: [{ref: baskte}]}\n       |                               ^^^^^^\n");
}

TEST_F(Lint, ExitsAsPromised) {
  const std::string good = write("good/.nelson.yml", kGood), bad = write("bad/.nelson.yml", kBad),
                    warned = write("warned/.nelson.yml", kWarned);
  EXPECT_EQ(lint({good}), 0);
  EXPECT_EQ(out_, "1 file, nothing to mend.\n");
  EXPECT_EQ(lint({bad}), 1);
  EXPECT_EQ(lint({warned}), 0);
  EXPECT_NE(out_.find("warning: unknown key `mame`"), std::string::npos) << out_;
  EXPECT_EQ(lint({"--strict", warned}), 1);
  EXPECT_EQ(lint({folder_.string() + "/nowhere"}), 2);
  EXPECT_EQ(lint({bad, folder_.string() + "/nowhere"}), 2) << "what could not be read weighs more";
  EXPECT_EQ(lint({write("empty/readme.txt", "x").substr(0, folder_.string().size() + 6)}), 2);
}

TEST_F(Lint, AFolderIsEveryManifestBelowIt) {
  write(".nelson.yml", kGood);
  write("shop/.nelson.yml", kWarned);
  write("shop/basket.deployable.yml", "name: basket\nversion: 1.2\noutput: {kind: command, command: [./serve]}\n");
  write("shop/notes.yml", "neither: [");
  write("other/team.nelson.yml", kGood);
  write("misnamed/.nelson.yaml", kGood);
  write(".git/.nelson.yml", "neither: [");
  fs::create_symlink("/etc/passwd", folder_ / "other/.nelson.yml");
  EXPECT_EQ(lint({folder_.string(), "-o", "json"}), 1);
  const json::Json report = json();
  EXPECT_EQ(report["files"], 5);
  std::vector<std::string> codes;
  for (const auto& problem : report["problems"]) codes.push_back(problem["code"]);
  EXPECT_EQ(codes, (std::vector<std::string>{"MisnamedManifest", "NotRegular", "UnknownKey", "ProblematicDeployable"})) << out_;
}

TEST_F(Lint, AFolderWithoutManifestsByNameIsItsOwnYamlFiles) {
  write("a.yml", kGood);
  write("b.yml", kBad);
  EXPECT_EQ(lint({folder_.string()}), 1);
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), 2) << "of several files one line a problem\n" << out_;
}

TEST_F(Lint, AUnitThatABuildReleasesMustBeThere) {
  const std::string good = write(".nelson.yml", kGood);
  EXPECT_EQ(lint({good, "--unit", "basket"}), 0);
  EXPECT_EQ(lint({good, "--unit", "baskets"}), 1);
  EXPECT_NE(out_.find("did you mean `basket`? [ManifestUnitKindMismatch]"), std::string::npos) << out_;
}

TEST_F(Lint, TellsProgramsWhatItTellsPeople) {
  const std::string bad = write(".nelson.yml", kBad);
  EXPECT_EQ(lint({bad, "-o", "json"}), 1);
  const json::Json problem = json()["problems"][1];
  EXPECT_EQ(problem["line"], 7);
  EXPECT_EQ(problem["column"], 31);
  EXPECT_EQ(problem["length"], 6);
  EXPECT_EQ(problem["code"], "UnknownUnitRef");
  EXPECT_EQ(problem["parameters"]["ref"], "baskte");
  EXPECT_EQ(problem["way_out"], "did you mean `basket`?");

  EXPECT_EQ(lint({bad, "-o", "sarif"}), 1);
  const json::Json run = json()["runs"][0];
  EXPECT_EQ(json()["version"], "2.1.0");
  EXPECT_EQ(run["results"].size(), 2U);
  EXPECT_EQ(run["results"][1]["locations"][0]["physicalLocation"]["region"]["startLine"], 7);
  EXPECT_EQ(run["results"][1]["ruleId"], "UnknownUnitRef");

  EXPECT_EQ(lint({bad, "-o", "github"}), 1);
  EXPECT_NE(out_.find("line=7,col=31,title=UnknownUnitRef::`baskte` is not declared"), std::string::npos) << out_;
}

TEST_F(Lint, ExplainsEveryCode) {
  EXPECT_EQ(lint({"--explain", "InvalidCPU"}), 0);
  EXPECT_NE(out_.find("cpu: 500"), std::string::npos) << out_;
  EXPECT_EQ(lint({"--explain", "InvalidLoadbalancerPort"}), 0) << "a code of the reference";
  EXPECT_EQ(lint({"--explain", "InvalidCPUs"}), 64);
  EXPECT_NE(err_.find("InvalidCPU"), std::string::npos) << err_;
}

TEST_F(Lint, AFileThatIsTooLongSaysSo) {
  EXPECT_EQ(lint({write(".nelson.yml", std::string(1024 * 1024, '['))}), 1);
  EXPECT_NE(out_.find("[LoadError]"), std::string::npos) << out_;
}

TEST_F(Lint, AThousandManifestsAreOneSortedLineAProblem) {
  for (int i = 0; i < 1000; ++i) write("team" + std::to_string(i) + "/.nelson.yml", i % 10 == 0 ? kBad : kGood);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(lint({folder_.string()}), 1);
  // Half a second on an idle machine; what is looked for is a cost that is not linear.
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10));
  std::vector<std::string> lines;
  std::istringstream stream(out_);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  EXPECT_EQ(lines.size(), 200U);
  EXPECT_TRUE(std::is_sorted(lines.begin(), lines.end(), [](const std::string& a, const std::string& b) {
    return a.substr(0, a.find(':')) < b.substr(0, b.find(':'));
  }));
}

std::string alerts(const std::string& expression) {
  return "units:\n  - name: basket\n    description: d\n    alerting:\n      prometheus:\n        alerts:\n          - alert: "
         "BasketDown\n"
         "            expression: " +
         expression +
         "\n        rules:\n          - {rule: load, expr: \"rate(x[5m])\"}\n"
         "namespaces:\n  - {name: dev, units: [{ref: basket}]}\n";
}

bool has_promtool() { return std::system("promtool --version >/dev/null 2>&1") == 0; }

TEST_F(Lint, AlertsAreShownToPromtool) {
  if (!has_promtool()) GTEST_SKIP() << "promtool is not installed";
  EXPECT_EQ(lint({write("a.nelson.yml", alerts("IF up == 0 FOR 5m ANNOTATIONS { summary = \"down\" }"))}), 0) << out_;
  EXPECT_EQ(out_.find("RulesNotChecked"), std::string::npos) << out_;
  EXPECT_EQ(lint({write("b.nelson.yml", alerts("IF up == FOR 5m ANNOTATIONS { summary = \"down\" }"))}), 1);
  EXPECT_NE(out_.find(":7:13: error: promtool: group \"basket\", rule 2, \"basket_down\": could not parse expression"),
            std::string::npos)
      << out_;
}

TEST_F(Lint, WithoutPromtoolAWarningSaysSo) {
  const std::string path = std::getenv("PATH");
  ASSERT_EQ(setenv("PATH", folder_.c_str(), 1), 0);
  EXPECT_EQ(lint({write(".nelson.yml", alerts("IF up == 0 ANNOTATIONS { summary = \"down\" }"))}), 0);
  setenv("PATH", path.c_str(), 1);
  EXPECT_NE(out_.find("promtool is not installed"), std::string::npos) << out_;
}

TEST_F(Lint, TheSchemaAgreesWithItOnEveryGoldenManifest) {
  if (std::system("python3 -c 'import jsonschema, yaml' 2>/dev/null") != 0) GTEST_SKIP() << "python3-jsonschema is not installed";
  ASSERT_EQ(run({"schema"}), 0);
  const std::string schema = write("schema.json", out_);
  std::vector<std::string> words;
  std::string arguments;
  for (const auto& entry : fs::directory_iterator(std::string(NELSON_SOURCE) + "/tests/golden/manifests")) {
    const std::string path = entry.path().string();
    if (!path.ends_with(".yml") || path.ends_with(".deployable.yml")) continue;
    words.push_back(path);
    arguments += " '" + path + "'";
  }
  words.insert(words.end(), {"-o", "json"});
  EXPECT_EQ(lint(words), 1);
  const std::string report = write("lint.json", out_);
  const std::string here = std::string(NELSON_SOURCE) + "/tests/controller/cli/";
  const std::string output = (folder_ / "output.txt").string();
  const int status = std::system(("python3 -W ignore " + here + "schema_agrees.py " + schema + " " + report + " " + here +
                                  "schema_cannot_say.txt" + arguments + " >" + output + " 2>&1")
                                     .c_str());
  std::ostringstream said;
  said << std::ifstream(output).rdbuf();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << said.str();
}

}  // namespace
}  // namespace nelson::cli
