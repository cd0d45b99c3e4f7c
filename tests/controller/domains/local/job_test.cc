#include "controller/domains/local/job.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "controller/domains/local/process.h"
#include "tests/controller/domains/local/local_world.h"

namespace nelson {
namespace {

using std::chrono::seconds;
using test::eventually;
using test::LocalWorld;

Launch job(const LocalWorld& world, const std::string& unit, const std::vector<std::string>& words, const std::string& schedule,
           std::int32_t retries = 0) {
  Launch launch = world.launch(unit, words);
  launch.identity.spec.schedule = schedule;
  launch.identity.spec.retries = retries;
  launch.stack = stack_name(launch.identity);
  return launch;
}

JobResult last_run(LocalWorld& world, const std::string& stack) {
  const auto running = world.running(stack);
  return running ? running->last_run : JobResult::kNone;
}

TEST(Job, AttemptsAreCounted) {
  struct Case {
    const char* name;
    std::vector<bool> attempts;
    std::int32_t retries;
    JobResult result;
    bool in_run;
  };
  const std::vector<Case> cases{
      {"the first success is the end", {true}, 1, JobResult::kSucceeded, false},
      {"a retry may succeed", {false, true}, 1, JobResult::kSucceeded, false},
      {"as many retries as asked for, then it has failed", {false, false}, 1, JobResult::kFailed, false},
      {"three when nothing is said", {false, false, false}, 0, JobResult::kNone, true},
      {"and no more than three", {false, false, false, false}, 0, JobResult::kFailed, false},
  };
  for (const Case& each : cases) {
    JobState state;
    begin_run(state);
    for (std::size_t i = 0; i < each.attempts.size(); ++i) {
      const bool last = i + 1 == each.attempts.size();
      EXPECT_EQ(after_attempt(state, each.attempts[i], each.retries) == JobNext::kRest, last && !each.in_run) << each.name;
    }
    EXPECT_EQ(state.last, each.result) << each.name;
    EXPECT_EQ(state.in_run, each.in_run) << each.name;
  }
}

TEST(Job, ASuccessorGoesOnWhereTheFormerSupervisorWas) {
  struct Case {
    const char* name;
    JobState found;
    bool once;
    bool runs;
  };
  const std::vector<Case> cases{
      {"a new once-job runs", {}, true, true},
      {"a once-job that was cut off runs again", {true, 1, JobResult::kNone}, true, true},
      {"one that succeeded never does", {false, 0, JobResult::kSucceeded}, true, false},
      {"nor does one that failed for good", {false, 0, JobResult::kFailed}, true, false},
      {"a periodic one waits for its time", {}, false, false},
      {"also when it was cut off", {true, 0, JobResult::kSucceeded}, false, false},
  };
  for (const Case& each : cases) {
    JobState state = each.found;
    EXPECT_EQ(resume(state, each.once), each.runs) << each.name;
    EXPECT_EQ(state.in_run, each.runs) << each.name;
  }
}

TEST(Job, OnceSucceedsOnceAndForAll) {
  LocalWorld world;
  const Launch launch = job(world, "once", {"exit", "0"}, "once");
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(eventually([&] { return last_run(world, launch.stack) == JobResult::kSucceeded; }));
  EXPECT_FALSE(world.running(launch.stack)->child_running);
  EXPECT_EQ(world.ever(launch.stack), 1U);
  EXPECT_EQ(world.running(launch.stack)->instances.at(0).state, InstanceState::kExited);
  // Neither a repair nor a dead supervisor runs it again, and the result is not forgotten.
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(world.signal_supervisor(launch.stack, SIGKILL));
  world.forget();
  EXPECT_EQ(last_run(world, launch.stack), JobResult::kSucceeded);
  ASSERT_TRUE(eventually([&] { return world.run(launch).ok(); }));
  EXPECT_EQ(last_run(world, launch.stack), JobResult::kSucceeded);
  EXPECT_EQ(world.ever(launch.stack), 1U);
  ASSERT_TRUE(world.scheduler().ensure_absent(launch.stack, 1));
  EXPECT_TRUE(world.wait_gone(launch.stack));
}

TEST(Job, OnceFailsForGoodAfterItsRetries) {
  LocalWorld world;
  const Launch launch = job(world, "fails", {"exit", "3"}, "once", 1);
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(eventually([&] { return last_run(world, launch.stack) == JobResult::kFailed; }));
  EXPECT_EQ(world.ever(launch.stack), 2U);
  EXPECT_EQ(world.running(launch.stack)->instances.at(0).detail, "exit status 3");
}

TEST(Job, OnceThatWasCutOffRunsAgain) {
  LocalWorld world;
  const Launch launch = job(world, "cut", {"wait"}, "once");
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(eventually([&] { return world.alive(launch.stack).size() == 1; }));
  EXPECT_TRUE(world.running(launch.stack)->child_running);
  ASSERT_TRUE(world.signal_supervisor(launch.stack, SIGKILL));
  ASSERT_TRUE(eventually([&] { return world.run(launch).ok(); }));
  ASSERT_TRUE(eventually([&] { return world.alive(launch.stack).size() == 1 && world.ever(launch.stack) == 2; }));
}

/// The document with a clock that runs `rate` times faster.
Submission rehearsal(LocalWorld& world, const Launch& launch, int rate) {
  Submission submission = world.submission(launch);
  const std::size_t brace = submission.document.rfind('}');
  submission.document = submission.document.substr(0, brace) + ", \"rehearsal_rate\": " + std::to_string(rate) + "}";
  return submission;
}

TEST(Job, APeriodicOneRunsAgainAndAgain) {
  LocalWorld world;
  const Launch launch = job(world, "ticks", {"exit", "0"}, "* * * * *");
  ASSERT_TRUE(world.scheduler().ensure_present(rehearsal(world, launch, 60)));
  ASSERT_TRUE(eventually([&] { return world.ever(launch.stack) >= 3; })) << world.log(launch.stack, -1);
  ASSERT_TRUE(eventually([&] { return last_run(world, launch.stack) == JobResult::kSucceeded; }));
  EXPECT_EQ(world.running(launch.stack)->instances.at(0).restarts, 0) << "a new run is no restart";
}

TEST(Job, RunsDoNotOverlapAndMissedOnesAreSkipped) {
  LocalWorld world;
  const Launch launch = job(world, "long", {"wait"}, "* * * * *");
  ASSERT_TRUE(world.scheduler().ensure_present(rehearsal(world, launch, 120)));
  ASSERT_TRUE(eventually([&] { return world.log(launch.stack, -1).find("skipped") != std::string::npos; }));
  EXPECT_EQ(world.ever(launch.stack), 1U);
  EXPECT_TRUE(world.running(launch.stack)->child_running);
  // Stopping: the child ends and no new run begins.
  ASSERT_TRUE(world.scheduler().ensure_absent(launch.stack, 1));
  ASSERT_TRUE(world.wait_gone(launch.stack));
  EXPECT_TRUE(world.alive(launch.stack).empty());
  EXPECT_EQ(world.ever(launch.stack), 1U);
}

TEST(Job, AScheduleThatCannotBeReadIsRefused) {
  LocalWorld world;
  const Launch launch = job(world, "unreadable", {"exit", "0"}, "61 * * * *");
  const auto document = world.scheduler().render(launch, "0123456789ab");
  ASSERT_FALSE(document);
  EXPECT_EQ(document.error().kind, ErrorKind::kInvalid);
  Launch nowhere = job(world, "nowhere", {"exit", "0"}, "0 0 * * *");
  nowhere.identity.spec.timezone = "Middle/Earth";
  nowhere.stack = stack_name(nowhere.identity);
  const Status refused = world.run(nowhere);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
  EXPECT_NE(refused.error().message.find("Middle/Earth"), std::string::npos);
}

}  // namespace
}  // namespace nelson
