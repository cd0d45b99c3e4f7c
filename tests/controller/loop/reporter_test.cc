#include "controller/loop/reporter.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "controller/base/log.h"
#include "tests/controller/loop/world.h"

namespace nelson {
namespace {

using namespace test;
using std::chrono::minutes;
using std::chrono::seconds;

class ReporterTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "nelson-reporter-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    LogOptions options;
    options.file = folder_ + "/log";
    ASSERT_TRUE(open_log(options));
    report_.desired = std::make_shared<const Desired>();
    report_.now = Instant{std::chrono::hours(500'000)};
  }
  void TearDown() override {
    ASSERT_TRUE(open_log({}));
    std::filesystem::remove_all(folder_);
  }

  /// What the pass made the log say, without times.
  std::vector<std::string> tell() {
    reporter_.tell(report_);
    std::ifstream file(folder_ + "/log");
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line.substr(line.find(' ') + 1));
    lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(said_));
    said_ += lines.size();
    return lines;
  }

  std::string folder_;
  Reporter reporter_;
  PassReport report_;
  std::size_t said_ = 0;
};

Hold hold(bool trouble) {
  Hold out;
  out.cell = {"local", "basket"};
  out.name_space = "dev";
  out.repository = "shop";
  out.subject = "basket--1-0-0--00000000";
  out.code = trouble ? "unhealthy" : "shifting";
  out.reason = "exit status 1";
  out.clears_when = "a fix is pushed";
  out.trouble = trouble;
  return out;
}

TEST_F(ReporterTest, TroubleIsSaidWhenItComesAndWhenItGoes) {
  report_.plan.held = {hold(true)};
  EXPECT_EQ(tell(), std::vector<std::string>{"warning hold unhealthy repository=shop unit=basket stack=basket--1-0-0--00000000 "
                                             "namespace=dev domain=local reason=\"exit status 1\" clears=\"a fix is pushed\""});
  EXPECT_TRUE(tell().empty());
  report_.plan.held.clear();
  EXPECT_EQ(tell(), std::vector<std::string>{"info no longer: hold unhealthy basket--1-0-0--00000000"});
  EXPECT_TRUE(tell().empty());
}

TEST_F(ReporterTest, WhatTakesItsTimeIsSaidOnceInAWhile) {
  for (int step = 0; step < 10; ++step) {
    report_.plan.held = {hold(false)};
    EXPECT_EQ(tell().size(), step == 0 ? 1u : 0u);
    report_.plan.held.clear();
    EXPECT_TRUE(tell().empty());
    report_.now += minutes(1);
  }
  report_.now += minutes(5);
  tell();
  report_.plan.held = {hold(false)};
  EXPECT_EQ(tell().size(), 1u);
}

TEST_F(ReporterTest, ProblemsDomainsAndTheMachineAreNamed) {
  Desired desired;
  Problem problem;
  problem.repository = "shop";
  problem.file = ".nelson.yml";
  problem.line = 7;
  problem.unit = "basket";
  problem.code = "InvalidCPU";
  problem.message = "cpu is -1";
  desired.problems = {problem};
  report_.desired = std::make_shared<const Desired>(desired);
  ObservedDomain& domain = report_.observed.domains["local"];
  domain.scheduler.complete = domain.memory.complete = domain.discovery.complete = domain.balancer.complete = true;
  domain.memory = {false, "a record is damaged"};
  domain.foreign = {"stranger"};
  problem = {};
  problem.code = "StoreFull";
  problem.message = "the disk is nearly full";
  report_.machine_problems = {problem};
  std::string all;
  for (const std::string& line : tell()) all += line + '\n';
  for (const std::string part :
       {"warning problem InvalidCPU repository=shop unit=basket reason=\"shop .nelson.yml:7: cpu is -1\"",
        "warning records do not answer domain=local reason=\"a record is damaged\"", "info not ours: stranger domain=local",
        "warning problem StoreFull reason=\"the disk is nearly full\""})
    EXPECT_NE(all.find(part), std::string::npos) << part << "\n" << all;
}

}  // namespace
}  // namespace nelson
