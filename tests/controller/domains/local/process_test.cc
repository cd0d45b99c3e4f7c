#include "controller/domains/local/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "controller/base/durable.h"
#include "controller/domains/local/check.h"
#include "controller/domains/local/process_group.h"
#include "controller/domains/local/process_spawn.h"
#include "controller/domains/local/process_sweep.h"
#include "tests/controller/domains/local/local_world.h"

namespace nelson {
namespace {

using test::eventually;

/// A child that sleeps, with one variable in its environment; ended with the object.
class Child {
 public:
  explicit Child(const std::string& variable) {
    pid_ = ::fork();
    if (pid_ == 0) {
      char* const arguments[] = {const_cast<char*>("sleep"), const_cast<char*>("300"), nullptr};
      char* const environment[] = {const_cast<char*>("PATH=/usr/bin:/bin"), const_cast<char*>(variable.c_str()), nullptr};
      ::execvpe("sleep", arguments, environment);
      ::_exit(127);
    }
    eventually([&] { return environment_has(pid_, variable); });
  }
  ~Child() {
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

TEST(Process, IsKnownByWhatItsEnvironmentHoldsWhole) {
  const Child child("NELSON_MARK=abcdef");
  EXPECT_TRUE(environment_has(child.pid(), "NELSON_MARK=abcdef"));
  EXPECT_FALSE(environment_has(child.pid(), "NELSON_MARK=abcde"));
  EXPECT_FALSE(environment_has(child.pid(), "MARK=abcdef"));
  EXPECT_FALSE(environment_has(child.pid(), "NELSON_MARK=abcdef0"));
  EXPECT_FALSE(environment_has(1 << 22, "NELSON_MARK=abcdef"));
}

TEST(Process, OnlyWhatIsOursIsSignalled) {
  const Child child("A=b");
  EXPECT_FALSE(signal_if(child.pid(), SIGKILL, [](pid_t) { return false; }));
  EXPECT_TRUE(child.lives());
  EXPECT_TRUE(signal_if(child.pid(), SIGKILL, [](pid_t) { return true; }));
  EXPECT_TRUE(eventually([&] { return !child.lives(); }));
  EXPECT_FALSE(signal_if(1 << 22, SIGKILL, [](pid_t) { return true; })) << "nobody has this number";
}

TEST(Process, SweepingTakesTheMarkedAndNobodyElse) {
  const std::string mark = random_hex(16);
  const Child ours("NELSON_MARK=" + mark);
  const Child other("NELSON_MARK=" + random_hex(16));
  const Child plain("NELSON_MARKED=" + mark);
  const StackGroups none;
  EXPECT_TRUE(has_remains(mark, none));
  EXPECT_EQ(end_remains(mark, none), 1U);
  EXPECT_TRUE(eventually([&] { return end_remains(mark, none) == 0; }));
  EXPECT_TRUE(eventually([&] { return !ours.lives(); })) << "what is about to end has no environment any more";
  EXPECT_TRUE(other.lives());
  EXPECT_TRUE(plain.lives());
  EXPECT_EQ(end_remains("", none), 0U) << "a damaged mark is nobody's";
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit no_look{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &no_look), 0);
  const bool remains = has_remains(mark, none);
  const std::size_t ended = end_remains(mark, none);
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(remains);
  EXPECT_EQ(ended, 1U);
}

/// One that ran without its lock and its socket could never be reached, and would hold the stack's folder for ever.
TEST(Process, ASupervisorThatCannotBeGivenItsDescriptorsIsNotStarted) {
  int lock[2], listener[2];
  ASSERT_EQ(::pipe2(lock, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(listener, O_CLOEXEC), 0);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{10, before.rlim_max};  // its descriptors are moved to 10 and above for a moment
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const Status spawned = spawn_supervisor("/bin/sleep", {"sleep", "300"}, lock[1], listener[1], -1, {});
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(spawned) << "its first step is made; what fails is seen when nobody listens";
  ::close(lock[1]);
  ::close(listener[1]);
  pollfd ended{lock[0], POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 20'000), 1) << "something holds the lock and lives on";
  ::close(lock[0]);
  ::close(listener[0]);
}

TEST(Process, FilesAreReplacedWhole) {
  std::string folder = (std::filesystem::temp_directory_path() / "nelson-process-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  ASSERT_TRUE(replace_file(folder + "/file", "one", 0600, true));
  ASSERT_TRUE(replace_file(folder + "/file", "two", 0640, false));
  EXPECT_EQ(read_text(folder + "/file"), "two");
  EXPECT_EQ(read_text(folder + "/file", 2), "tw");
  const Status refused = replace_file(folder + "/nowhere/file", "x", 0600, false);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("/nowhere/.file.tmp"), std::string::npos);
  const Status in_the_way = make_folder(folder + "/file/below", 0700);
  EXPECT_FALSE(in_the_way);
  ASSERT_TRUE(make_folder(folder + "/a/b", 0700));
  ::chmod((folder + "/a/b").c_str(), 0555);
  remove_tree(folder);
  EXPECT_FALSE(std::filesystem::exists(folder));
}

constexpr const char* kVersion1Mounts =
    "30 29 0:26 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "31 29 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "32 29 0:28 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
    "33 29 0:29 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
    "34 29 0:30 / /proc rw - proc proc rw\n";

TEST(ProcessGroups, HierarchiesAreChosen) {
  using H = GroupHierarchy;
  struct Case {
    const char* name;
    std::string mounts;
    std::string own;
    std::vector<H> expected;
  };
  const H cpu{"/sys/fs/cgroup/cpu", false, false, false, true, false};
  const H memory{"/sys/fs/cgroup/memory", false, false, false, false, true};
  const H pids{"/sys/fs/cgroup/pids", false, true, false, false, false};
  const H pids_left{"/sys/fs/cgroup/pids", false, true, true, false, false};
  const H systemd_left{"/sys/fs/cgroup/systemd", false, false, true, false, false};
  const H systemd{"/sys/fs/cgroup/systemd", false, false, false, false, false};
  const H memory_left_alone{"/sys/fs/cgroup/memory", false, false, false, false, false};
  const std::string top = "4:cpu,cpuacct:/\n3:memory:/\n2:pids:/\n1:name=systemd:/\n";
  const std::vector<Case> cases{
      {"at the top of version 1: limits, tracks by pids", kVersion1Mounts, top, {cpu, memory, pids, systemd}},
      {"in a service's groups: leaves what only counts, never a limit that somebody set",
       kVersion1Mounts,
       "4:cpu,cpuacct:/\n3:memory:/limited\n2:pids:/service\n1:name=systemd:/service\n",
       {cpu, memory_left_alone, pids_left, systemd_left}},
      {"no groups at all", "34 29 0:30 / /proc rw - proc proc rw\n", "", {}},
      {"version 2 tracks",
       "30 29 0:26 / /nowhere/cgroup rw - cgroup2 cgroup2 rw\n",
       "0::/\n",
       {H{"/nowhere/cgroup", true, true, false, false, false}}},
      {"version 2 is left",
       "30 29 0:26 / /nowhere/cgroup rw - cgroup2 cgroup2 rw\n",
       "0::/system.slice/nelson.service\n",
       {H{"/nowhere/cgroup", true, true, true, false, false}}},
      {"nonsense", "x\n - \n1 2 3 - cgroup\n", "::\n:\n", {}},
  };
  for (const Case& each : cases) EXPECT_EQ(group_hierarchies(each.mounts, each.own), each.expected) << each.name;
}

TEST(ProcessGroups, AGroupHoldsItsLimitAndItsMembers) {
  StackGroups groups(group_hierarchies(), "test-owner", "groups-" + random_hex(4));
  std::string missed;
  const auto doors = groups.make("i0", {.cpu_millis = 250}, missed);
  if (doors.empty() || !groups.tracks("i0")) {
    groups.leave_and_remove();
    GTEST_SKIP() << "no control group can be made here";
  }
  const pid_t child = ::fork();
  if (child == 0) {
    for (const Descriptor& door : doors)
      if (::write(door.get(), "0", 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  EXPECT_TRUE(eventually([&] { return groups.members("i0") == std::vector<pid_t>{child}; }));
  EXPECT_TRUE(groups.contains(child, "i0"));
  EXPECT_FALSE(groups.contains(child, "i1"));
  EXPECT_TRUE(groups.contains_as_instance(child));
  EXPECT_FALSE(groups.contains(::getpid(), ""));
  if (missed.empty()) {
    const std::string own = read_text("/proc/" + std::to_string(child) + "/cgroup").value_or("");
    bool limited = false;
    for (const GroupHierarchy& each : group_hierarchies()) {
      if (!each.cpu) continue;
      for (const auto& entry : std::filesystem::recursive_directory_iterator(each.mount + "/nelson/test-owner")) {
        const std::string name = entry.path().filename();
        if (name == "cpu.cfs_quota_us") limited = limited || read_text(entry.path()).value_or("") == "25000\n";
        if (name == "cpu.max") limited = limited || read_text(entry.path()).value_or("") == "25000 100000\n";
      }
    }
    EXPECT_TRUE(limited) << own;
  }
  const std::string mark = random_hex(16);
  EXPECT_TRUE(has_remains(mark, groups)) << "known by its group alone";
  EXPECT_EQ(end_remains(mark, groups), 1U);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(has_remains(mark, groups));
  groups.leave_and_remove();
  EXPECT_FALSE(groups.tracks("i0"));
}

TEST(Check, AnswersAreRead) {
  EXPECT_EQ(status_of_answer("HTTP/1.1 200 OK\r\n"), 200);
  EXPECT_EQ(status_of_answer("HTTP/1.0 503\r\n"), 503);
  EXPECT_EQ(status_of_answer("HTTP/1.1 2"), std::nullopt) << "more is to come";
  EXPECT_EQ(status_of_answer("HT"), std::nullopt);
  EXPECT_EQ(status_of_answer("SSH-2.0-OpenSSH"), 0);
  EXPECT_EQ(status_of_answer("HTTP/1.1 2x0 OK\r\n"), 0);
  EXPECT_EQ(status_of_answer("HTTP/1.1\r\n"), 0);
  EXPECT_EQ(status_of_answer("HTTP/2 200 OK\r\n"), 0);
}

}  // namespace
}  // namespace nelson
