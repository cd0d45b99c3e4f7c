#include <gtest/gtest.h>

#include "tests/reconcilers/world.h"

namespace nelson {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

DesiredStack& want_job(World& world, const std::string& unit, const std::string& version, const std::string& schedule) {
  DesiredStack& job = world.want(unit, version);
  job.spec.ports.clear();
  job.spec.health_checks.clear();
  job.spec.schedule = schedule;
  return job;
}

TEST(Jobs, OnceRunsOnceAndItsResultIsAFact) {
  World world;
  want_job(world, "report", "1.0.0", "once");
  world.settle();
  EXPECT_EQ(world.stack("report", "1.0.0")->record->job_result, JobResult::kSucceeded);
  world.stack("report", "1.0.0")->running.reset();
  EXPECT_EQ(lines_of(world.plan_now()), Lines{}) << "it is not run again";
}

TEST(Jobs, ANewScheduleStartsOnlyAfterTheOldOneHasEnded) {
  World world;
  want_job(world, "report", "1.0.0", "*/5 * * * *");
  world.settle();
  world.stack("report", "1.0.0")->running->child_running = true;
  want_job(world, "report", "1.1.0", "*/5 * * * *");
  world.let_pass(minutes(10));
  EXPECT_EQ(world.stack("report", "1.1.0"), nullptr);
  EXPECT_TRUE(has(codes_of(world.plan_now()), "last-run"));
  // A clock that was set back a day: the hour counts from now on.
  world.now -= hours(24);
  world.settle();
  EXPECT_LE(world.plan_now().wake_at, world.now + hours(1));
  world.stack("report", "1.0.0")->running->child_running = false;
  world.settle();
  EXPECT_TRUE(world.lives("report", "1.1.0"));
  EXPECT_FALSE(world.stack("report", "1.0.0")->running);
}

TEST(Jobs, AnIdleDomainKeepsThem) {
  World world;
  world.settings().retire_idle = true;
  for (const std::string schedule : {"once", "*/5 * * * *"}) {
    want_job(world, "report", schedule == "once" ? "1.0.0" : "1.1.0", schedule);
    world.let_pass(hours(8));
    EXPECT_TRUE(world.lives("report", schedule == "once" ? "1.0.0" : "1.1.0")) << schedule;
  }
}

TEST(Jobs, OneThatAnIdleDomainTookAwayComesBack) {
  World world;
  world.settings().retire_idle = true;
  want_job(world, "report", "1.0.0", "*/5 * * * *");
  world.settle();
  stamp(*world.stack("report", "1.0.0")->record, Fact::kRetiringIdle, world.now);
  world.settle();
  EXPECT_TRUE(world.lives("report", "1.0.0"));
  EXPECT_EQ(world.stack("report", "1.0.0")->record->incarnation, 2U);
}

TEST(Jobs, AScheduleStaysWhileWhatReplacesItMayNotBeLaunched) {
  World world;
  want_job(world, "report", "1.0.0", "*/5 * * * *");
  world.settle();
  want_job(world, "report", "1.1.0", "*/5 * * * *").spec.dependencies = {{"howdy", {1, 0}}};
  world.let_pass(hours(8));
  EXPECT_TRUE(world.lives("report", "1.0.0"));
  EXPECT_EQ(codes_of(world.plan_now()), Lines{"missing-dependency"});
  world.want("howdy", "1.0.0");
  world.let_pass(minutes(1));
  EXPECT_TRUE(world.lives("report", "1.1.0"));
  EXPECT_FALSE(world.lives("report", "1.0.0"));
}

struct Result {
  const char* name;
  JobResult result;
};

class OnceJobs : public ::testing::TestWithParam<Result> {};

TEST_P(OnceJobs, DoNotRunAgainAfterARevert) {
  World world;
  want_job(world, "migrate", "1.0.0", "once");
  world.settle();
  world.stack("migrate", "1.0.0")->record->job_result = GetParam().result;
  want_job(world, "migrate", "1.1.0", "once");
  world.settle();
  ASSERT_TRUE(world.stack("migrate", "1.0.0")->record->removed);
  world.stack("migrate", "1.1.0")->record->job_result = JobResult::kNone;
  world.stack("migrate", "1.1.0")->running->last_run = JobResult::kNone;

  want_job(world, "migrate", "1.0.0", "once");
  EXPECT_NE(world.settle(), -1);
  EXPECT_TRUE(world.stack("migrate", "1.0.0")->record->removed);
  EXPECT_FALSE(world.lives("migrate", "1.1.0")) << "Git does not want it, and it has a run before it";
  const Plan rest = world.plan_now();
  ASSERT_EQ(codes_of(rest), Lines{"ran-once"});
  EXPECT_EQ(rest.held[0].trouble, GetParam().result == JobResult::kFailed);
  world.stack("migrate", "1.0.0")->published = "{}";
  EXPECT_EQ(lines_of(world.pass()), Lines{"unpublish migrate 1.0.0"}) << "on an old view, it was published late";

  want_job(world, "migrate", "1.2.0", "once");
  world.settle();
  EXPECT_TRUE(world.lives("migrate", "1.2.0")) << "a new digest runs";
}

INSTANTIATE_TEST_SUITE_P(Results, OnceJobs,
                         ::testing::Values(Result{"Succeeded", JobResult::kSucceeded}, Result{"Failed", JobResult::kFailed}),
                         [](const auto& info) { return info.param.name; });

TEST(OnceJobs, CutOffWithoutAResultRunAgainAfterARevert) {
  World world;
  want_job(world, "migrate", "1.0.0", "once");
  world.pass();
  world.stack("migrate", "1.0.0")->running->last_run = JobResult::kNone;
  want_job(world, "migrate", "1.1.0", "once");
  world.settle();
  want_job(world, "migrate", "1.0.0", "once");
  world.settle();
  EXPECT_TRUE(world.lives("migrate", "1.0.0"));
}

TEST(OnceJobs, OneThatRanHoldsUpNoneOfItsUnit) {
  World world;
  const auto want_release = [&](const std::string& version) {
    DesiredStack worker = want_job(world, "howdy", version, "");
    DesiredStack migration = want_job(world, "howdy", version, "once");
    migration.plan = "migrate";
    world.desired.cells[{"local", "howdy"}].stacks = {worker, migration};
  };
  for (const std::string version : {"1.0.0", "1.1.0", "1.0.0"}) {
    want_release(version);
    world.let_pass(hours(4));
  }
  EXPECT_EQ(codes_of(world.plan_now()), Lines{"ran-once"});
  for (const ObservedStack& stack : world.cell("howdy").stacks)
    EXPECT_EQ(stack.record->removed,
              stack.record->identity.plan == "migrate" || to_string(stack.record->identity.version) == "1.1.0")
        << stack.name << ": the worker that Git wants is ready, so nothing keeps the other";
}

}  // namespace
}  // namespace nelson
