#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "controller/base/durable.h"
#include "controller/domains/local/process.h"
#include "controller/domains/local/process_group.h"
#include "controller/domains/local/supervisor_document.h"
#include "controller/domains/local/supervisor_protocol.h"
#include "tests/controller/domains/local/local_world.h"

namespace nelson {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::eventually;
using test::LocalWorld;

/// Counts the living instances of a stack over and over; the greatest number ever seen.
class Census {
 public:
  Census(const LocalWorld& world, std::string stack)
      : thread_([this, &world, stack = std::move(stack)] {
          while (!end_) {
            most_ = std::max(most_.load(), world.alive(stack).size());
            std::this_thread::sleep_for(milliseconds(2));
          }
        }) {}
  ~Census() {
    end_ = true;
    thread_.join();
  }
  [[nodiscard]] std::size_t most() const { return most_; }

 private:
  std::atomic<bool> end_ = false;
  std::atomic<std::size_t> most_ = 0;
  std::thread thread_;
};

/// A program of somebody else's that lives as long as the object.
class Stranger {
 public:
  Stranger() {
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execlp("sleep", "sleep", "300", nullptr);
      ::_exit(127);
    }
  }
  ~Stranger() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool lives() const {
    const auto stat = stat_of(pid_);
    return stat && stat->alive();
  }

 private:
  pid_t pid_;
};

std::string stack_folder(const LocalWorld& world, const std::string& stack) { return world.domain() + "/stacks/" + stack; }

TEST(Survival, AnotherControllerAdoptsTheSameProcesses) {
  LocalWorld world;
  const Launch launch = world.launch("adopted");
  ASSERT_TRUE(world.run(launch, 3));
  ASSERT_TRUE(world.wait_well(launch.stack, 3));
  const auto before = world.alive(launch.stack);
  const pid_t supervisor = world.supervisor(launch.stack);
  world.forget();

  ASSERT_TRUE(world.running(launch.stack)) << "the new one sees it";
  const int changes = world.changes();
  ASSERT_TRUE(world.run(launch, 3));
  EXPECT_EQ(world.alive(launch.stack), before);
  EXPECT_EQ(world.supervisor(launch.stack), supervisor);
  ASSERT_EQ(::kill(before[0], SIGKILL), 0);
  EXPECT_TRUE(eventually([&] { return world.changes() > changes; })) << "and hears of changes";
}

TEST(Survival, AKilledSupervisorIsReplacedAndNeverMoreThanNLive) {
  LocalWorld world;
  const Launch launch = world.launch("orphaned", {"FORKS=1", "FORKS_LEAVE=1"});
  ASSERT_TRUE(world.run(launch, 2));
  const auto all_there = [&] { return world.well(launch.stack) == 2 && world.alive(launch.stack).size() == 4; };
  ASSERT_TRUE(eventually(all_there));
  const Census census(world, launch.stack);
  for (int round = 0; round < 5; ++round) {
    const auto before = world.alive(launch.stack);
    const int changes = world.changes();
    ASSERT_TRUE(world.signal_supervisor(launch.stack, SIGKILL));
    ASSERT_TRUE(eventually([&] { return world.changes() > changes; })) << "its death wakes the controller";
    ASSERT_TRUE(eventually([&] { return !world.running(launch.stack); })) << "not running is what is seen";
    if (round % 2 == 0) world.forget();
    ASSERT_TRUE(world.run(launch, 2));
    ASSERT_TRUE(eventually(all_there)) << "round " << round;
    for (const pid_t pid : before) {
      const auto after = world.alive(launch.stack);
      EXPECT_EQ(std::count(after.begin(), after.end(), pid), 0)
          << "the old ones are gone, their children in sessions of their own too";
    }
  }
  EXPECT_LE(census.most(), 4U) << "two instances, with one child each";
}

TEST(Survival, RepairRightAfterTheKillWaitsForWhatIsLeft) {
  LocalWorld world;
  const Launch launch = world.launch("repaired", {"FORKS=2", "FORKS_LEAVE=1", "STUBBORN=1"});
  ASSERT_TRUE(world.run(launch, 1));
  ASSERT_TRUE(eventually([&] { return world.alive(launch.stack).size() == 3; }));
  const Census census(world, launch.stack);
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(world.signal_supervisor(launch.stack, SIGKILL));
    ASSERT_TRUE(eventually([&] { return world.run(launch, 1).ok(); }));
    ASSERT_TRUE(eventually([&] { return world.well(launch.stack) == 1 && world.alive(launch.stack).size() == 3; }))
        << "round " << round;
  }
  EXPECT_LE(census.most(), 3U);
}

TEST(Survival, WhatADeadSupervisorLeftIsEndedEvenWhenNobodyRepairs) {
  LocalWorld world;
  const Launch launch = world.launch("abandoned", {"FORKS=2", "FORKS_LEAVE=1", "STUBBORN=1"});
  ASSERT_TRUE(world.run(launch, 1));
  ASSERT_TRUE(eventually([&] { return world.alive(launch.stack).size() == 3; }));
  ASSERT_TRUE(world.signal_supervisor(launch.stack, SIGKILL));
  ASSERT_TRUE(world.wait_gone(launch.stack));
  EXPECT_TRUE(world.alive(launch.stack).empty()) << "what is not listed does not live";
  ASSERT_TRUE(world.scheduler().ensure_absent(launch.stack, 1));
  EXPECT_FALSE(std::filesystem::exists(stack_folder(world, launch.stack)));
}

TEST(Survival, AStopThatWasCutOffIsFinished) {
  LocalWorld world;
  const Launch launch = world.launch("cut-off", {"STUBBORN=1"});
  ASSERT_TRUE(world.run(launch, 2));
  ASSERT_TRUE(world.wait_well(launch.stack, 2));
  ASSERT_TRUE(world.scheduler().ensure_absent(launch.stack, 1));
  ASSERT_TRUE(eventually([&] {
    const auto state = read_state(stack_folder(world, launch.stack));
    return state && state->running.stopping;
  }));
  ASSERT_TRUE(world.signal_supervisor(launch.stack, SIGKILL));
  ASSERT_TRUE(world.wait_gone(launch.stack));
  EXPECT_TRUE(world.alive(launch.stack).empty());
  EXPECT_FALSE(std::filesystem::exists(stack_folder(world, launch.stack)));
}

TEST(Survival, AStateThatNamesAStrangerHarmsNoStranger) {
  LocalWorld world;
  const Launch launch = world.launch("altered");
  ASSERT_TRUE(world.run(launch, 2));
  ASSERT_TRUE(world.wait_well(launch.stack, 2));
  const Stranger stranger;
  const auto stat = stat_of(stranger.pid());
  ASSERT_TRUE(stat);
  for (const bool repaired : {true, false}) {
    ASSERT_TRUE(world.signal_supervisor(launch.stack, SIGKILL));
    ASSERT_TRUE(eventually([&] { return world.alive(launch.stack).empty(); }));
    const std::string folder = stack_folder(world, launch.stack);
    auto state = read_state(folder);
    ASSERT_TRUE(state);
    state->pid = stranger.pid();
    for (auto& process : state->processes) {
      process.pid = stranger.pid();
      process.start_time = stat->start_time;
    }
    ASSERT_TRUE(replace_file(folder + kStateFile, to_text(*state), 0600, false));
    if (repaired) {
      ASSERT_TRUE(world.run(launch, 2));
      ASSERT_TRUE(world.wait_well(launch.stack, 2));
    } else {
      ASSERT_TRUE(world.scheduler().ensure_absent(launch.stack, 1));
      ASSERT_TRUE(world.wait_gone(launch.stack));
    }
    EXPECT_TRUE(stranger.lives());
  }
}

TEST(Survival, AStateOfAnotherBootIsNotBelieved) {
  LocalWorld world;
  const Launch launch = world.launch("rebooted");
  ASSERT_TRUE(world.run(launch, 2));
  ASSERT_TRUE(world.wait_well(launch.stack, 2));
  const auto endpoints_before = world.running(launch.stack)->instances[0].endpoints;
  ASSERT_TRUE(world.signal_supervisor(launch.stack, SIGKILL));
  ASSERT_TRUE(eventually([&] { return world.alive(launch.stack).empty(); }));
  const Stranger stranger;  // has one of the numbers now
  auto state = read_state(stack_folder(world, launch.stack));
  ASSERT_TRUE(state);
  EXPECT_EQ(state->boot, boot_id());
  state->boot = "00000000-0000-0000-0000-000000000000";
  state->processes.at(0).pid = stranger.pid();
  ASSERT_TRUE(replace_file(stack_folder(world, launch.stack) + kStateFile, to_text(*state), 0600, false));
  world.forget();
  EXPECT_FALSE(world.running(launch.stack)) << "nothing runs";
  ASSERT_TRUE(world.run(launch, 2)) << "the record brings it back";
  ASSERT_TRUE(world.wait_well(launch.stack, 2));
  EXPECT_EQ(world.running(launch.stack)->instances[0].endpoints, endpoints_before);
  EXPECT_TRUE(stranger.lives());
}

TEST(Survival, DamagedFilesAreNamedAndStartNothingTwice) {
  LocalWorld world;
  const Launch launch = world.launch("damaged");
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(world.wait_well(launch.stack, 1));
  ASSERT_TRUE(replace_file(stack_folder(world, launch.stack) + kStateFile, "{ not json", 0600, false));
  EXPECT_EQ(world.well(launch.stack), 1U) << "the supervisor itself is asked";
  ASSERT_EQ(::kill(world.alive(launch.stack).at(0), SIGKILL), 0);
  ASSERT_TRUE(eventually([&] { return read_state(stack_folder(world, launch.stack)).has_value(); }))
      << "written anew at the next change";
  ASSERT_TRUE(world.wait_well(launch.stack, 1));
  ASSERT_TRUE(world.signal_supervisor(launch.stack, SIGKILL));
  ASSERT_TRUE(eventually([&] { return world.alive(launch.stack).empty(); }));
  const std::string submission = read_text(stack_folder(world, launch.stack) + kSubmissionFile).value_or("");
  ASSERT_TRUE(replace_file(stack_folder(world, launch.stack) + kSubmissionFile, "{ not json", 0600, false));
  const Status refused = world.run(launch);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("submission.json"), std::string::npos) << refused.error().message;
  ASSERT_TRUE(replace_file(stack_folder(world, launch.stack) + kSubmissionFile, submission, 0600, false));
}

TEST(Survival, ASilentSupervisorIsReportedAndHarmsNobodyElse) {
  LocalWorld world;
  const Launch silent = world.launch("silent");
  const Launch other = world.launch("other");
  ASSERT_TRUE(world.run(silent));
  ASSERT_TRUE(world.run(other));
  ASSERT_TRUE(world.wait_well(silent.stack, 1));
  ASSERT_TRUE(world.wait_well(other.stack, 1));
  ASSERT_TRUE(world.signal_supervisor(silent.stack, SIGSTOP));
  const auto running = world.running(silent.stack);
  ASSERT_TRUE(running) << "not taken for gone";
  EXPECT_NE(running->instances.at(0).detail.find("does not answer"), std::string::npos) << running->instances[0].detail;
  EXPECT_EQ(world.well(other.stack), 1U);
  const Status refused = world.run(silent, 2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(world.alive(silent.stack).size(), 1U);
  ASSERT_TRUE(world.signal_supervisor(silent.stack, SIGCONT));
  ASSERT_TRUE(eventually([&] { return world.run(silent, 2).ok(); }));
  EXPECT_TRUE(world.wait_well(silent.stack, 2));
}

TEST(Survival, AFolderThatCannotBeLookedIntoIsNotNobodys) {
  LocalWorld world;
  const Launch launch = world.launch("unseen");
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(world.wait_well(launch.stack, 1));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto client = SupervisorClient::open(stack_folder(world, launch.stack), seconds(5));
  const bool submitted = read_submission(stack_folder(world, launch.stack)).has_value();
  const int why = errno;
  const Status ended = world.scheduler().ensure_absent(launch.stack, 1);
  ::setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().kind, ErrorKind::kUnavailable);
  EXPECT_FALSE(submitted);
  EXPECT_EQ(why, EMFILE);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().kind, ErrorKind::kUnavailable) << ended.error().message;
  EXPECT_EQ(world.well(launch.stack), 1U);
  ASSERT_TRUE(replace_file(stack_folder(world, launch.stack) + kSubmissionFile, "{ not json", 0600, false));
  EXPECT_FALSE(read_submission(stack_folder(world, launch.stack)));
  EXPECT_EQ(errno, 0) << "this one is damaged";
}

TEST(Survival, AFolderIsForgottenSomeTimeAfterTheFirstLookThatFindsNobody) {
  LocalWorld world;
  const Launch launch = world.launch("quiet");
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(world.wait_well(launch.stack, 1));
  ASSERT_TRUE(world.signal_supervisor(launch.stack, SIGKILL));
  ASSERT_TRUE(eventually([&] { return world.alive(launch.stack).empty(); }));
  const std::string folder = stack_folder(world, launch.stack);
  const auto long_ago = std::filesystem::file_time_type::clock::now() - std::chrono::hours(5);
  for (const char* file : {kStateFile, kSubmissionFile}) std::filesystem::last_write_time(folder + file, long_ago);
  world.forget();
  EXPECT_FALSE(world.running(launch.stack));
  EXPECT_TRUE(std::filesystem::exists(folder)) << "nothing had changed for long; it may have died just now";
  EXPECT_TRUE(std::filesystem::exists(world.domain() + "/trees/" + launch.identity.artifact.tree));
  auto options = world.options();
  options.forget_after = seconds(-1);
  const auto later = open_local_scheduler(options);
  ASSERT_TRUE(later);
  ASSERT_TRUE((*later)->observe());
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST(Survival, TwoSupervisorsOfOneStackCannotBe) {
  LocalWorld world;
  const Launch launch = world.launch("exclusive");
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(world.wait_well(launch.stack, 1));
  const pid_t second = ::fork();
  if (second == 0) {
    const int nothing = ::open("/dev/null", O_WRONLY);
    ::dup2(nothing, 2);
    const std::string folder = stack_folder(world, launch.stack);
    ::execl("/proc/self/exe", "nelson", "supervise", folder.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(second, &status, 0), second);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 75);
  EXPECT_EQ(world.well(launch.stack), 1U);
}

TEST(Survival, ASupervisorThatIsAskedToLeaveKeepsItsFolder) {
  LocalWorld world;
  const Launch launch = world.launch("shutdown");
  ASSERT_TRUE(world.run(launch, 2));
  ASSERT_TRUE(world.wait_well(launch.stack, 2));
  ASSERT_TRUE(world.signal_supervisor(launch.stack, SIGTERM));
  ASSERT_TRUE(eventually([&] { return world.alive(launch.stack).empty(); }));
  ASSERT_TRUE(world.wait_gone(launch.stack));
  EXPECT_TRUE(std::filesystem::exists(stack_folder(world, launch.stack)));
  ASSERT_TRUE(world.run(launch, 2));
  EXPECT_TRUE(world.wait_well(launch.stack, 2));
}

TEST(Survival, AnOlderSupervisorIsUnderstood) {
  const auto hello =
      read_hello(R"({"nelson_supervisor":1,"stack":"a--1-2-3--00000000","incarnation":4,"document_digest":"ab","to_come":[1]})");
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->incarnation, 4U);
  const auto status = read_status(
      R"({"running":{"incarnation":4,"count":2,"new_field":{},"instances":[{"index":1,"state":"running","mood":"good"}]}})");
  ASSERT_TRUE(status) << status.error().message;
  ASSERT_EQ(status->instances.size(), 1U);
  EXPECT_EQ(status->instances[0].state, InstanceState::kRunning);
  EXPECT_FALSE(read_hello("{}"));
  EXPECT_FALSE(read_hello("nonsense"));
  EXPECT_FALSE(read_request(R"({"do":"dance"})"));
  EXPECT_FALSE(read_request(R"([1,2])"));
}

TEST(Survival, NonsenseOnTheSocketHarmsNothing) {
  LocalWorld world;
  const Launch launch = world.launch("nonsense");
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(world.wait_well(launch.stack, 1));
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    auto client = SupervisorClient::open(stack_folder(world, launch.stack), seconds(5));
    ASSERT_TRUE(client && *client);
    auto socket = (*client)->watch();
    ASSERT_TRUE(socket);
    std::string noise(static_cast<std::size_t>(random() % 20000), '\0');
    for (char& c : noise) c = static_cast<char>(random() % (round % 2 == 0 ? 256 : 128));
    [[maybe_unused]] const ssize_t n = ::write(socket->get(), noise.data(), noise.size());
  }
  EXPECT_EQ(world.well(launch.stack), 1U);
  EXPECT_EQ(world.ever(launch.stack), 1U);
}

/// A disk of half a MiB at `path`, gone with the object.
class SmallDisk {
 public:
  explicit SmallDisk(std::string path) : path_(std::move(path)) {
    ::mkdir(path_.c_str(), 0711);
    mounted_ = ::mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=512k,mode=0711") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  [[nodiscard]] bool mounted() const { return mounted_; }
  void fill() const {
    std::ofstream file(path_ + "/filler");
    const std::string block(4096, 'x');
    while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  void empty() const { ::unlink((path_ + "/filler").c_str()); }

 private:
  std::string path_;
  bool mounted_ = false;
};

TEST(Survival, AFullDiskIsNamedAndStopsNothingThatRuns) {
  LocalWorld world;
  const SmallDisk disk(world.domain());
  if (!disk.mounted()) GTEST_SKIP() << "no file system can be mounted here";
  const Launch launch = world.launch("full");
  ASSERT_TRUE(world.run(launch, 1));
  ASSERT_TRUE(world.wait_well(launch.stack, 1));
  disk.fill();
  const Status refused = world.run(world.launch("another"));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("no space left on its file system"), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find(world.domain()), std::string::npos) << refused.error().message;
  EXPECT_EQ(world.well(launch.stack), 1U);
  ASSERT_EQ(::kill(world.alive(launch.stack).at(0), SIGKILL), 0);
  ASSERT_TRUE(world.wait_well(launch.stack, 1)) << "what crashes is still restarted";
  ASSERT_TRUE(world.run(launch, 2));
  ASSERT_TRUE(eventually([&] {
    const auto running = world.running(launch.stack);
    return running && running->instances.size() == 2 &&
           running->instances[1].detail.find("cannot be saved: " + world.domain()) != std::string::npos;
  }));
  disk.empty();
  ASSERT_TRUE(eventually([&] {
    const auto running = world.running(launch.stack);
    return running && running->instances.size() == 2 && running->instances[1].detail.empty();
  })) << "and it is over when there is room again";
  ASSERT_TRUE(world.scheduler().ensure_absent(launch.stack, 1));
  ASSERT_TRUE(world.wait_gone(launch.stack));
}

/// A group of a test's own in each hierarchy where one can be made.
class TestGroups {
 public:
  TestGroups() {
    for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/freezer"}) {
      const std::string folder = std::string(mount) + "/nelson-test-" + std::to_string(::getpid());
      if (::access((std::string(mount) + "/cgroup.procs").c_str(), W_OK) == 0 && ::mkdir(folder.c_str(), 0755) == 0)
        folders_.push_back(folder);
    }
  }
  ~TestGroups() {
    for (const std::string& folder : folders_) eventually([&] { return ::rmdir(folder.c_str()) == 0 || errno == ENOENT; });
  }
  void take_in(pid_t pid) const {
    for (const std::string& folder : folders_) std::ofstream(folder + "/cgroup.procs") << pid << std::flush;
  }
  [[nodiscard]] std::vector<pid_t> members() const {
    std::vector<pid_t> pids;
    for (const std::string& folder : folders_) {
      std::ifstream file(folder + "/cgroup.procs");
      for (pid_t pid = 0; file >> pid;) pids.push_back(pid);
    }
    return pids;
  }

 private:
  std::vector<std::string> folders_;
};

TEST(Survival, InstancesOutliveTheControllersSessionAndGroup) {
  LocalWorld world;
  world.write("../ports",
              std::to_string(world.settings.instance_ports.first) + " " + std::to_string(world.settings.instance_ports.last));
  const Launch launch = world.launch("outlives");
  const TestGroups groups;
  int out[2];
  int go[2];
  ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(go, O_CLOEXEC), 0);
  const Descriptor from(out[0]);
  const Descriptor to(go[1]);
  const pid_t controller = ::fork();
  if (controller == 0) {
    char c = 0;
    [[maybe_unused]] const ssize_t n = ::read(go[0], &c, 1);  // until it is in its group
    ::dup2(out[1], 1);
    ::execl("/proc/self/exe", "nelson", "act-as-controller", world.root().c_str(), "outlives", "2", nullptr);
    ::_exit(127);
  }
  ::close(out[1]);
  ::close(go[0]);
  groups.take_in(controller);
  ASSERT_EQ(::write(to.get(), "x", 1), 1);
  pollfd said{from.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&said, 1, 30'000), 1);
  char text[6] = {};
  ASSERT_EQ(::read(from.get(), text, 5), 5) << "the controller did not start the stack";
  ASSERT_TRUE(eventually([&] { return world.alive(launch.stack).size() == 2; }));
  const auto before = world.alive(launch.stack);
  const pid_t supervisor = world.supervisor(launch.stack);

  // Everything in the controller's session, and everything in its groups.
  std::vector<pid_t> victims = groups.members();
  for (const pid_t pid : all_processes()) {
    const auto stat = stat_of(pid);
    if (stat && stat->session == controller) victims.push_back(pid);
  }
  ASSERT_NE(std::count(victims.begin(), victims.end(), controller), 0);
  for (const pid_t pid : victims) ::kill(pid, SIGKILL);
  ASSERT_EQ(::waitpid(controller, nullptr, 0), controller);

  EXPECT_EQ(std::count(victims.begin(), victims.end(), supervisor), 0);
  EXPECT_EQ(world.well(launch.stack), 2U) << "another controller finds them";
  EXPECT_EQ(world.alive(launch.stack), before);
  EXPECT_EQ(world.supervisor(launch.stack), supervisor);
}

TEST(Survival, ScalingStormsEndAtTheLastCountAndNeverAboveTheHighest) {
  LocalWorld world;
  world.settings.stop_grace = seconds(1);
  const Launch launch = world.launch("storm");
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  ASSERT_TRUE(world.run(launch, 1));
  const Census census(world, launch.stack);
  for (int round = 0; round < 40; ++round) {
    const int what = static_cast<int>(random() % 8);
    if (what == 0) world.forget();
    if (what == 1) world.signal_supervisor(launch.stack, SIGKILL);
    if (what == 2 && !world.alive(launch.stack).empty()) ::kill(world.alive(launch.stack).front(), SIGKILL);
    const auto count = static_cast<std::int32_t>(random() % 4);
    ASSERT_TRUE(eventually([&] { return world.run(launch, count).ok(); }));
  }
  ASSERT_TRUE(eventually([&] { return world.run(launch, 3).ok(); }));
  EXPECT_TRUE(eventually([&] { return world.alive(launch.stack).size() == 3 && world.well(launch.stack) == 3; }, seconds(90)));
  EXPECT_LE(census.most(), 4U) << "one may still be ending while its number is not asked for";
}

}  // namespace
}  // namespace nelson
