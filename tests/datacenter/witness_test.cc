#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <random>

#include "tests/datacenter/world/watch.h"

// The witness stands outside nelson: each instance writes who it is into a file of its own. Whatever is killed, there are as many as Git
// wants and never more.

namespace nelson::datacenter {
namespace {

constexpr std::size_t kInstances = 2;

class Witness : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(world_.broken(), "");
    world_.add_repository("shop");
    world_.push_unit("shop", {});
    ASSERT_TRUE(world_.start()) << world_.log();
    ASSERT_TRUE(world_.wait_live("basket", "1.0.0")) << world_.why();
    stack_ = world_.status().find("basket", "1.0.0")->name;
    first_ = world_.witnessed(stack_);
    ASSERT_EQ(first_.size(), kInstances) << world_.why();
    watch_.emplace(world_);
    watch_->allow(stack_, kInstances);
  }

  /// What the watch saw, and that the world is well again with the same stack and `same` of the first processes.
  void expect_well(std::size_t same) {
    EXPECT_TRUE(world_.wait_live("basket", "1.0.0")) << world_.why();
    EXPECT_TRUE(wait_until(Seconds(20), [&] { return world_.witnessed(stack_).size() == kInstances; })) << world_.why();
    EXPECT_TRUE(wait_until(Seconds(20), [&] { return world_.supervisors().size() == 1; }))
        << world_.supervisors().size() << " supervisors";
    EXPECT_EQ(static_cast<std::size_t>(std::count_if(first_.begin(), first_.end(), alive)), same) << world_.why();
    for (const std::string& finding : watch_->findings()) ADD_FAILURE() << finding;
  }

  World world_;
  std::string stack_;
  std::vector<Process> first_;
  std::optional<Watch> watch_;
};

TEST_F(Witness, KillingTheControllerTouchesNoInstance) {
  world_.kill_controller();
  EXPECT_EQ(world_.witnessed(stack_), first_);
  ASSERT_TRUE(world_.start());
  expect_well(kInstances);
}

/// Instances die with their supervisor, so that none can live on unseen beside its successor.
TEST_F(Witness, AKilledSupervisorIsReplacedWithAllItsInstances) {
  const std::vector<Process> supervisors = world_.supervisors();
  ASSERT_EQ(supervisors.size(), 1u);
  ::kill(supervisors[0].pid, SIGKILL);
  EXPECT_TRUE(wait_until(Seconds(30),
                         [&] {
                           const std::vector<Process> now = world_.supervisors();
                           return now.size() == 1 && now[0].pid != supervisors[0].pid;
                         }))
      << "no new supervisor took over" << world_.why();
  expect_well(0);
}

TEST_F(Witness, ASupervisorKilledForTheThirdTimeIsToldAsAFight) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(world_.status().about("undone each time").empty()) << "after " << i << world_.why();
    const std::vector<Process> supervisors = world_.supervisors();
    ASSERT_EQ(supervisors.size(), 1u);
    ::kill(supervisors[0].pid, SIGKILL);
    ASSERT_TRUE(wait_until(Seconds(30), [&] {
      const std::vector<Process> now = world_.supervisors();
      return now.size() == 1 && now[0].pid != supervisors[0].pid && world_.witnessed(stack_).size() == kInstances;
    })) << world_.why();
  }
  const auto fight = world_.wait_trouble("undone each time");
  ASSERT_TRUE(fight) << world_.why();
  EXPECT_EQ(fight->code, "fight");
  EXPECT_EQ(fight->unit, "basket");
  EXPECT_TRUE(fight->cause.starts_with("repair was done 3 times within 10 minutes")) << fight->cause;
  EXPECT_NE(world_.page().find("undone each time"), std::string::npos);
  expect_well(0);
}

TEST_F(Witness, ControllerAndSupervisorKilledTogetherComeBackAsTheyWere) {
  const std::vector<Process> supervisors = world_.supervisors();
  ASSERT_EQ(supervisors.size(), 1u);
  world_.kill_controller();
  ::kill(supervisors[0].pid, SIGKILL);
  EXPECT_TRUE(wait_until(Seconds(10), [&] { return world_.witnessed(stack_).empty(); }));
  ASSERT_TRUE(world_.start());
  expect_well(0);
}

TEST_F(Witness, AnEndedControllerLeavesWorkloadsRunning) {
  world_.controller().signal(SIGTERM);
  EXPECT_EQ(world_.controller().wait(Seconds(5)), 0) << world_.log();
  EXPECT_EQ(world_.witnessed(stack_), first_);
  ASSERT_TRUE(world_.start());
  expect_well(kInstances);
}

/// What a service manager does to a service that does not end: everything in its session and in its control group is killed.
TEST_F(Witness, KillingTheControllersWholeSessionAndGroupTouchesNoInstance) {
  const std::string session = std::to_string(world_.controller().pid());
  ASSERT_EQ(::getsid(world_.controller().pid()), world_.controller().pid());
  int killed = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (::getsid(std::stoi(name)) == world_.controller().pid() && ::kill(std::stoi(name), SIGKILL) == 0) ++killed;
  }
  EXPECT_GE(killed, 2) << "the controller and its Git child at least";
  world_.kill_controller();
  EXPECT_EQ(world_.witnessed(stack_), first_);
  ASSERT_TRUE(world_.start());
  expect_well(kInstances);
}

class InGroup {
 public:
  /// A group of version 2, or of the hierarchy that only names groups; "" when none may be made.
  InGroup() {
    for (const std::string top : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/pids"}) {
      const std::string group = top + "/nelson-test-" + std::to_string(::getpid());
      std::error_code error;
      if (!std::filesystem::exists(top + "/cgroup.procs") || !std::filesystem::create_directory(group, error)) continue;
      folders_.push_back(group);
    }
  }
  ~InGroup() {
    for (const std::string& folder : folders_)
      wait_until(Seconds(5), [&] { return ::rmdir(folder.c_str()) == 0 || errno == ENOENT; });
  }
  [[nodiscard]] bool possible() const { return !folders_.empty(); }
  void enter(pid_t pid) const {
    for (const std::string& folder : folders_) write_text(folder + "/cgroup.procs", std::to_string(pid));
  }
  [[nodiscard]] std::vector<pid_t> members() const {
    std::vector<pid_t> pids;
    for (const std::string& folder : folders_) {
      std::istringstream words(read_text(folder + "/cgroup.procs"));
      for (pid_t pid = 0; words >> pid;) pids.push_back(pid);
    }
    return pids;
  }

 private:
  std::vector<std::string> folders_;
};

TEST(WitnessOfAService, KillingTheControllersControlGroupTouchesNoInstance) {
  const InGroup group;
  if (!group.possible()) GTEST_SKIP() << "no control group may be made here";
  World world;
  ASSERT_EQ(world.broken(), "");
  world.add_repository("shop");
  ASSERT_TRUE(world.start());
  group.enter(world.controller().pid());  // as a service manager would have started it
  world.push_unit("shop", {});
  ASSERT_TRUE(world.wait_live("basket", "1.0.0")) << world.why();
  const std::string stack = world.status().find("basket", "1.0.0")->name;
  const std::vector<Process> first = world.witnessed(stack);
  ASSERT_EQ(first.size(), kInstances);
  for (const pid_t pid : group.members()) ::kill(pid, SIGKILL);
  world.kill_controller();
  for (const Process& process : first) EXPECT_TRUE(alive(process)) << "process " << process.pid << " was in the controller's group";
  EXPECT_EQ(world.supervisors().size(), 1u);
  ASSERT_TRUE(world.start());
  EXPECT_TRUE(world.wait_live("basket", "1.0.0")) << world.why();
  EXPECT_EQ(world.witnessed(stack), first);
}

/// Every number that could be one of a process, in every file the domain keeps, is made to name a stranger. No stranger is signalled.
TEST_F(Witness, ARecordThatNamesAStrangerHarmsNoStranger) {
  Background stranger({"sleep", "600"}, world_.path("stranger.log"));
  ASSERT_TRUE(stranger.running());
  const std::vector<Process> supervisors = world_.supervisors();
  ASSERT_EQ(supervisors.size(), 1u);
  world_.kill_controller();
  ::kill(supervisors[0].pid, SIGKILL);
  ASSERT_TRUE(wait_until(Seconds(10), [&] { return world_.supervisors().empty(); }));
  std::vector<pid_t> numbers = {supervisors[0].pid};
  for (const Process& process : first_) numbers.push_back(process.pid);
  int altered = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(world_.domain_folder())) {
    if (!entry.is_regular_file() || entry.path().string().find("/trees/") != std::string::npos) continue;
    const std::string before = read_text(entry.path().string());
    std::string after = before;
    for (const pid_t number : numbers) after = replaced_number(after, std::to_string(number), std::to_string(stranger.pid()));
    if (after == before || entry.path().extension() == ".log") continue;
    const int fd = ::open(entry.path().c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
    ASSERT_GE(fd, 0) << entry.path();
    ASSERT_EQ(::write(fd, after.data(), after.size()), static_cast<ssize_t>(after.size()));
    ::close(fd);
    ++altered;
  }
  EXPECT_GT(altered, 0) << "no file of the domain names a process: what did this test alter?";
  ASSERT_TRUE(world_.start());
  EXPECT_TRUE(world_.wait_live("basket", "1.0.0")) << world_.why();
  // Retiring goes by whatever the records say, too.
  Unit next;
  next.version = "1.1.0";
  world_.push_unit("shop", next);
  EXPECT_TRUE(world_.wait_live("basket", "1.1.0")) << world_.why();
  EXPECT_TRUE(wait_until(Seconds(60), [&] { return world_.witnessed(stack_).empty(); })) << world_.why();
  EXPECT_TRUE(stranger.running()) << "a stranger was ended";
  for (const std::string& finding : watch_->findings()) ADD_FAILURE() << finding;
}

TEST_F(Witness, AnInstanceKilledByHandIsStartedAgain) {
  ASSERT_EQ(::kill(first_[0].pid, SIGKILL), 0);
  EXPECT_TRUE(wait_until(Seconds(30), [&] {
    const std::vector<Process> now = world_.witnessed(stack_);
    return now.size() == kInstances && now != first_;
  })) << world_.why();
  expect_well(kInstances - 1);
  EXPECT_TRUE(world_.wait_well()) << world_.why();
}

TEST_F(Witness, ScalingDownAndUpKeepsTheOthers) {
  Unit unit;
  unit.instances = 4;
  watch_->allow(stack_, 4);
  world_.push_unit("shop", unit);
  ASSERT_TRUE(wait_until(Seconds(40), [&] { return world_.witnessed(stack_).size() == 4; })) << world_.why();
  for (const Process& process : first_) EXPECT_TRUE(alive(process));
  unit.instances = static_cast<int>(kInstances);
  world_.push_unit("shop", unit);
  ASSERT_TRUE(wait_until(Seconds(40), [&] { return world_.witnessed(stack_).size() == kInstances; })) << world_.why();
  expect_well(kInstances);
}

// ---------------------------------------------------------------------------------------------------------------- random kills

unsigned number_from(const char* variable, unsigned otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

/// NELSON_KILLS times (20 unless told otherwise), seeded by NELSON_SEED: releases follow each other, and the controller is killed at random
/// instants of it all.
TEST(WitnessOfKills, NothingIsLostAndNothingTwiceThroughRandomKills) {
  const unsigned kills = number_from("NELSON_KILLS", 20);
  const unsigned seed = number_from("NELSON_SEED", std::random_device{}());
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE("NELSON_KILLS=" + std::to_string(kills) + " NELSON_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  World world({"2 seconds", "1 second", "1 second", "3 seconds", "2 seconds"});
  ASSERT_EQ(world.broken(), "");
  world.add_repository("shop");
  Unit unit;
  world.push_unit("shop", unit);
  Watch watch(world);
  for (unsigned kill = 0; kill < kills; ++kill) {
    ASSERT_TRUE(world.start()) << "kill " << kill << ": " << world.log();
    if (kill % 4 == 3) {
      unit.version = "1.0." + std::to_string(kill);
      unit.instances = 1 + static_cast<int>(random() % 3);
      world.push_unit("shop", unit);
    }
    const auto instant = std::chrono::milliseconds(random() % 1500);
    wait_until(instant, [&] { return !world.controller().running(); });
    ASSERT_TRUE(world.controller().running()) << "it ended by itself: " << world.log();
    world.kill_controller();
  }
  ASSERT_TRUE(world.start());
  ASSERT_TRUE(world.wait_live("basket", unit.version)) << world.why();
  const std::string stack = world.status().find("basket", unit.version)->name;
  EXPECT_TRUE(wait_until(
      Seconds(60),
      [&] { return world.witnessed().size() == static_cast<std::size_t>(unit.instances) && world.supervisors().size() == 1; }))
      << "older stacks stay: " << world.why();
  EXPECT_EQ(world.witnessed(stack).size(), static_cast<std::size_t>(unit.instances));
  EXPECT_TRUE(wait_until(Seconds(20), [&] { return world.status().converged; })) << world.why();
  EXPECT_LE(world.balancers().size(), 1u);
  for (const std::string& finding : watch.findings()) ADD_FAILURE() << finding;
}

}  // namespace
}  // namespace nelson::datacenter
