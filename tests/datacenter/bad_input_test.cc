#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <iterator>

#include "tests/datacenter/world/small_disk.h"
#include "tests/datacenter/world/world.h"

// What people do wrong, and what breaks: one clear message each, with its place and the way out, on the page where it is seen first; and
// nobody else is harmed.

namespace nelson::datacenter {
namespace {

namespace fs = std::filesystem;

/// As much of a sentence as stands in one piece on a page, whatever is emphasised in it.
std::string beginning(const std::string& text) { return text.substr(0, std::min<std::size_t>(text.find_first_of("`\"'<>&"), 30)); }

/// That the page shows unit, cause, since when and the way out in its first 1280x800, without script. What `current` tells may change while
/// the browser looks; then it looks again.
void expect_on_page(const World& world, const std::function<Trouble()>& current) {
  static bool missed = false;
  const auto texts = [&current] {
    const Trouble trouble = current();
    return std::vector{trouble.what, beginning(trouble.cause), beginning(trouble.way_out), std::string("since")};
  };
  Ran look;
  for (int tries = 0; tries < 5; ++tries) {
    const std::vector<std::string> sought = texts();
    std::vector<std::string> argv = {"/usr/bin/python3", NELSON_SOURCE "/tests/datacenter/look.py",
                                     "http://127.0.0.1:" + std::to_string(world.page_port()) + "/"};
    std::copy_if(sought.begin(), sought.end(), std::back_inserter(argv), [](const std::string& text) { return !text.empty(); });
    look = run(argv, "/", Seconds(90));
    if (look.status == 3) {
      if (!std::exchange(missed, true)) std::printf("the page was not looked at: no chromium on this machine\n");
      return;
    }
    if (look.status == 0 || texts() == sought) break;
  }
  EXPECT_EQ(look.status, 0) << "the page does not show it in its first 1280x800:\n" << look.out << look.err;
}

/// One world for all, with a bystander that must never notice. Each test has a repository and a unit of its own, and leaves it well.
class BadInput : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = new World();
    if (!world_->broken().empty()) return;
    world_->add_repository("bystander");
    Unit unit;
    unit.name = "bystander";
    world_->push_unit("bystander", unit);
    if (!world_->start() || !world_->wait_live("bystander", "1.0.0")) return;
    bystander_ = world_->status().find("bystander", "1.0.0")->name;
    processes_ = world_->witnessed(bystander_);
  }
  static void TearDownTestSuite() {
    delete world_;
    world_ = nullptr;
  }

  void SetUp() override {
    ASSERT_EQ(world_->broken(), "");
    ASSERT_EQ(processes_.size(), 2u) << world_->why();
    if (!world_->controller().running()) ASSERT_TRUE(world_->start()) << world_->log();
    ASSERT_TRUE(world_->wait_well()) << "an earlier test left trouble" << world_->why();
  }
  void TearDown() override {
    if (HasFatalFailure() || IsSkipped()) return;
    EXPECT_EQ(world_->witnessed(bystander_), processes_) << "the bystander was harmed";
    const auto bystander = world_->status().find(bystander_);
    EXPECT_TRUE(bystander && bystander->arrived && bystander->healthy == 2) << world_->why();
  }

  /// The repository leaves the control repository, and everything it said with it.
  void leave(const std::string& repository) {
    world_->control_file("repositories/" + repository + ".yml", std::nullopt);
    EXPECT_TRUE(world_->wait_well()) << world_->why();
  }

  /// That one thing is said about `word`, complete, with `words` in it, and that the page shows it at once. It may be said at so many places.
  void expect_told(const std::string& word, const std::vector<std::string>& words, std::size_t places = 1) {
    const std::optional<Trouble> first = world_->wait_trouble(word);
    ASSERT_TRUE(first) << "nothing was said of " << word << world_->why();
    // What is said changes while more becomes known ("starting", then "exit status 7"): the last word counts.
    const auto all_said = [&] {
      const std::vector<Trouble> told = world_->status().about(word);
      if (told.empty() || told.size() > places) return false;
      if (!std::all_of(told.begin(), told.end(), [&](const Trouble& one) { return one.cause == told[0].cause; })) return false;
      const std::string text = told[0].what + "\n" + told[0].place + "\n" + told[0].cause + "\n" + told[0].way_out;
      return std::all_of(words.begin(), words.end(), [&](const std::string& one) { return text.find(one) != std::string::npos; });
    };
    EXPECT_TRUE(wait_until(Seconds(30), all_said))
        << "not one message with everything in it: " << testing::PrintToString(words) << said(word);
    const std::vector<Trouble> told = world_->status().about(word);
    ASSERT_FALSE(told.empty());
    EXPECT_NE(told[0].what, "") << said(word);
    EXPECT_NE(told[0].place, "") << said(word);
    EXPECT_NE(told[0].cause, "") << said(word);
    EXPECT_NE(told[0].way_out, "") << said(word);
    EXPECT_NE(told[0].since, "") << said(word);
    const Ran status = world_->nelson({"status"});
    EXPECT_EQ(status.status, 1) << status.out << status.err;
    expect_on_page(*world_, [&] {
      const std::vector<Trouble> now = world_->status().about(word);
      return now.empty() ? told[0] : now[0];
    });
  }

  static std::string said(const std::string& word) {
    std::string out = "\nsaid of it:";
    for (const Trouble& one : world_->status().about(word))
      out +=
          "\n  " + one.level + " | " + one.what + " | " + one.place + " | " + one.cause + " | " + one.way_out + " | " + one.since;
    return out + world_->why();
  }

  static inline World* world_ = nullptr;
  static inline std::string bystander_;
  static inline std::vector<Process> processes_;
};

TEST_F(BadInput, AManifestThatDoesNotParse) {
  world_->add_repository("typo");
  world_->push_file("typo", ".nelson.yml", "units:\n  - name: typo\n    ports: [default->80\nplans: x\n");
  expect_told("typo", {".nelson.yml:", "typo"});
  leave("typo");
}

TEST_F(BadInput, AManifestThatNoLongerParsesKeepsWhatRuns) {
  world_->add_repository("latter");
  Unit unit;
  unit.name = "latter";
  world_->push_unit("latter", unit);
  ASSERT_TRUE(world_->wait_live("latter", "1.0.0")) << world_->why();
  const std::string stack = world_->status().find("latter", "1.0.0")->name;
  const std::vector<Process> before = world_->witnessed(stack);
  const std::string commit = world_->push_file("latter", ".nelson.yml", "units: {\n");
  expect_told("latter", {".nelson.yml:", "latter"});
  EXPECT_EQ(world_->witnessed(stack), before);
  EXPECT_EQ(world_->nelson({"wait", "--commit", commit, "--timeout", "20s"}).status, 1) << "nelson wait must say that it failed";
  world_->push_unit("latter", unit);
  EXPECT_TRUE(world_->wait_well()) << world_->why();
  EXPECT_EQ(world_->witnessed(stack), before);
  leave("latter");
}

TEST_F(BadInput, ACyclicAlias) {
  world_->add_repository("cyclic");
  world_->push_file("cyclic", ".nelson.yml", "units: &all\n  - *all\n");
  expect_told("cyclic", {".nelson.yml:2", "alias"});
  leave("cyclic");
}

TEST_F(BadInput, ThreeHundredKibibytesOfYaml) {
  world_->add_repository("huge");
  std::string text = "units: []\nnamespaces: []\n";
  while (text.size() < 300 * 1024) text += "# " + std::string(77, 'x') + "\n";
  world_->push_file("huge", ".nelson.yml", text);
  expect_told("huge", {".nelson.yml", "256 KiB"});
  leave("huge");
}

TEST_F(BadInput, AUnitThatExitsAtOnce) {
  world_->add_repository("quitter");
  Unit unit;
  unit.name = "quitter";
  unit.mode = "exit";
  const std::string commit = world_->push_unit("quitter", unit);
  expect_told("quitter", {"exit status 7", "quitter"});
  EXPECT_EQ(world_->nelson({"wait", "--commit", commit, "--timeout", "30s"}).status, 1) << "nelson wait must say that it failed";
  EXPECT_NE(world_->nelson({"logs", "quitter"}).out.find("I give up at once"), std::string::npos);
  leave("quitter");
}

TEST_F(BadInput, ACommandThatDoesNotExist) {
  world_->add_repository("absent");
  Unit unit;
  unit.name = "absent";
  unit.command = "[./no-such-program]";
  world_->push_unit("absent", unit);
  expect_told("absent", {"no-such-program"});
  leave("absent");
}

/// Sockets on every port of a range, closed with the object.
class Squatter {
 public:
  Squatter(std::uint16_t first, int many) {
    for (int i = 0; i < many; ++i) {
      const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(static_cast<std::uint16_t>(first + i));
      address.sin_addr.s_addr = htonl(INADDR_ANY);
      const int yes = 1;  // connections that ended lately must not keep us out
      ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
      ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);  // one that is taken already is taken
      ::listen(fd, 1);
      fds_.push_back(fd);
    }
  }
  ~Squatter() {
    for (const int fd : fds_) ::close(fd);
  }
  Squatter(const Squatter&) = delete;
  Squatter& operator=(const Squatter&) = delete;

 private:
  std::vector<int> fds_;
};

TEST_F(BadInput, EveryPortAlreadyTaken) {
  world_->add_repository("crowded");
  Unit unit;
  unit.name = "crowded";
  {
    const Squatter squatter(world_->instance_port(), 50);
    world_->push_unit("crowded", unit);
    expect_told("crowded", {"port"});
  }
  EXPECT_TRUE(world_->wait_live("crowded", "1.0.0")) << "it does not recover when the ports are free again" << world_->why();
  leave("crowded");
}

TEST_F(BadInput, ThePortOfThePageAlreadyTaken) {
  const std::uint16_t taken = free_port();
  const Squatter squatter(taken, 1);
  write_text(world_->path("other/nelson.yml"),
             "control: " + world_->path("site/control") + "\nstore: store\nlisten: 127.0.0.1:" + std::to_string(taken) + "\n");
  const Ran ran = run({NELSON_BINARY, "run", "--config", world_->path("other/nelson.yml")}, "/", Seconds(20));
  EXPECT_EQ(ran.status, 2) << ran.err;
  EXPECT_NE((ran.out + ran.err).find(std::to_string(taken)), std::string::npos) << ran.out << ran.err;
}

/// lint says beforehand what the controller says after the push, in the same words.
TEST_F(BadInput, LintSaysBeforehandWhatTheWorldRefuses) {
  world_->add_repository("limited");
  const std::string file = world_->path("site/control/repositories/limited.yml");
  world_->control_file("repositories/limited.yml", read_text(file) + "may:\n  units: [other-*]\n");
  Unit unit;
  unit.name = "limited";
  world_->push_unit("limited", unit);
  expect_told("limited", {"repositories/limited.yml:", "may.units"});
  const std::string cause = world_->status().about("limited").at(0).cause;
  const Ran ran = world_->nelson({"lint", world_->path("limited/.nelson.yml")});
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_NE(ran.out.find("limited/.nelson.yml:"), std::string::npos) << ran.out << ran.err;
  EXPECT_NE(ran.out.find("warning: " + cause), std::string::npos) << cause << "\n" << ran.out << ran.err;
  EXPECT_NE(ran.out.find("[ClaimRefused]"), std::string::npos) << ran.out << ran.err;
  leave("limited");
}

/// It is mended within a second or two; who looks afterwards still finds what happened.
TEST_F(BadInput, AnInstanceKilledByHandIsStartedAgainAndTold) {
  world_->add_repository("victim");
  Unit unit;
  unit.name = "victim";
  world_->push_unit("victim", unit);
  ASSERT_TRUE(world_->wait_live("victim", "1.0.0")) << world_->why();
  const std::string stack = world_->status().find("victim", "1.0.0")->name;
  const std::vector<Process> before = world_->witnessed(stack);
  ASSERT_EQ(before.size(), 2u);
  ::kill(before[0].pid, SIGKILL);
  std::optional<Trouble> told;
  const auto mended = [&] {
    for (const Trouble& one : world_->status().about("mended"))
      if (one.unit == "victim") told = one;
    return told.has_value();
  };
  ASSERT_TRUE(wait_until(Seconds(45), mended)) << world_->why();
  EXPECT_NE(told->cause.find("started again"), std::string::npos) << told->cause;
  EXPECT_TRUE(wait_until(Seconds(30), [&] { return world_->witnessed(stack).size() == 2; })) << world_->why();
  EXPECT_TRUE(world_->wait_well()) << world_->why();
  ASSERT_TRUE(mended()) << world_->why();
  expect_on_page(*world_, [&] { return mended() ? *told : Trouble{}; });
  leave("victim");
}

TEST_F(BadInput, AnHaproxyKilledByHandIsStartedAgainAndTold) {
  std::vector<Process> before;
  const auto runs = [&] { return !(before = world_->balancers()).empty(); };
  if (run({"haproxy", "-v"}).status != 0) GTEST_SKIP() << "no haproxy on this machine";
  ASSERT_TRUE(wait_until(Seconds(20), runs)) << world_->why();
  for (const Process& balancer : before) ::kill(balancer.pid, SIGKILL);
  const auto served_again = [&] {
    const std::vector<Trouble> told = world_->status().about("balancer did not serve");
    return !told.empty() && told[0].what.find("bystander") != std::string::npos;
  };
  ASSERT_TRUE(wait_until(Seconds(45), served_again)) << world_->why();
  EXPECT_TRUE(world_->wait_well()) << world_->why();
  EXPECT_NE(world_->balancers(), before);
  EXPECT_FALSE(world_->balancers().empty());
  expect_on_page(*world_, [&] { return world_->wait_trouble("balancer did not serve").value_or(Trouble{}); });
}

TEST_F(BadInput, ARepositoryThatVanishes) {
  world_->add_repository("fleeting");
  Unit unit;
  unit.name = "fleeting";
  world_->push_unit("fleeting", unit);
  ASSERT_TRUE(world_->wait_live("fleeting", "1.0.0")) << world_->why();
  const std::string stack = world_->status().find("fleeting", "1.0.0")->name;
  const std::vector<Process> before = world_->witnessed(stack);
  fs::rename(world_->path("remotes/fleeting.git"), world_->path("remotes/gone.git"));
  expect_told("fleeting", {"fleeting"});
  EXPECT_EQ(world_->witnessed(stack), before) << "what a repository last said stays in force";
  fs::rename(world_->path("remotes/gone.git"), world_->path("remotes/fleeting.git"));
  EXPECT_TRUE(world_->wait_well()) << world_->why();
  EXPECT_EQ(world_->witnessed(stack), before);
  leave("fleeting");
}

TEST_F(BadInput, TwoRepositoriesThatClaimOneUnit) {
  Unit unit;
  unit.name = "contested";
  world_->kill_controller();  // so that neither is there first
  world_->add_repository("here");
  world_->add_repository("there");
  world_->push_unit("here", unit);
  world_->push_unit("there", unit);
  ASSERT_TRUE(world_->start()) << world_->log();
  expect_told("contested", {"here", "there"}, 2);  // the same words for each of the two lines that claim it
  EXPECT_FALSE(world_->status().find("contested", "1.0.0").value_or(Stack{}).arrived);
  world_->control_file("repositories/there.yml", std::nullopt);
  EXPECT_TRUE(world_->wait_live("contested", "1.0.0")) << world_->why();
  leave("here");
}

TEST_F(BadInput, ABrokenFileOfTheControlRepositoryKeepsItsLastGoodRevision) {
  const std::string before = read_text(world_->path("site/control/domains/local.yml"));
  world_->control_file("domains/local.yml", before + "lifetime: {initial: 1 s}\n");
  expect_told("local.yml", {"domains/local.yml:", "lifetime", "lifetimes"});
  world_->control_file("domains/local.yml", before);
  EXPECT_TRUE(world_->wait_well()) << world_->why();
}

TEST_F(BadInput, ASecondControllerIsRefusedAndTheHolderNamed) {
  const Ran second = run({NELSON_BINARY, "run", "--config", world_->config()}, "/", Seconds(30));
  EXPECT_EQ(second.status, 75) << second.out << second.err;
  EXPECT_NE((second.out + second.err).find(std::to_string(world_->controller().pid())), std::string::npos)
      << second.out << second.err;
  world_->push_file("bystander", "README", "so that there is a pass; at rest the next one comes within a minute\n");
  const auto told = [] { return world_->status().about("another controller"); };
  ASSERT_TRUE(wait_until(Seconds(30), [&] { return !told().empty(); })) << world_->why();
  expect_on_page(*world_, [&] { return told()[0]; });
}

/// Another store does not help: the domain has a lock too.
TEST_F(BadInput, ASecondControllerWithAStoreOfItsOwnIsRefusedAsWell) {
  write_text(world_->path("second/nelson.yml"), "control: " + world_->path("site/control") + "\nstore: store\nlisten: 127.0.0.1:" +
                                                    std::to_string(free_port()) + "\npoll: 300 ms\n");
  const Ran second = run({NELSON_BINARY, "run", "--config", world_->path("second/nelson.yml")}, "/", Seconds(40));
  EXPECT_EQ(second.status, 75) << second.out << second.err;
  EXPECT_NE((second.out + second.err).find(std::to_string(world_->controller().pid())), std::string::npos)
      << second.out << second.err;
}

TEST_F(BadInput, AnUnreadableStoreIsRefusedWithItsPlace) {
  write_text(world_->path("broken/store/database"), "not a folder");
  write_text(world_->path("broken/nelson.yml"), "control: " + world_->path("site/control") +
                                                    "\nstore: store\nlisten: 127.0.0.1:" + std::to_string(free_port()) + "\n");
  fs::permissions(world_->path("broken/store"), fs::perms::owner_all);
  const Ran ran = run({NELSON_BINARY, "run", "--config", world_->path("broken/nelson.yml")}, "/", Seconds(20));
  EXPECT_TRUE(ran.status == 2 || ran.status == 70) << ran.status << ran.out << ran.err;
  EXPECT_NE((ran.out + ran.err).find("broken/store/database"), std::string::npos) << ran.out << ran.err;
}

/// Somebody's file is not ours to write over; when it is out of the way, everything is found as it was.
TEST_F(BadInput, AStoreThatIsSomebodysOtherFileIsRefusedAndLeftAlone) {
  world_->kill_controller();
  const std::string database = world_->store_folder() + "/database";
  int spoilt = 0;
  for (const auto& entry : fs::directory_iterator(database)) {
    if (!entry.is_regular_file() || entry.path().filename().string().find("lock") != std::string::npos) continue;
    write_text(entry.path().string(), std::string(65536, 'x'));
    ++spoilt;
  }
  ASSERT_GT(spoilt, 0);
  const Ran refused = world_->nelson({"run"}, Seconds(20));
  EXPECT_TRUE(refused.status == 2 || refused.status == 70) << refused.status;
  EXPECT_NE(refused.err.find(database), std::string::npos) << refused.err;
  EXPECT_EQ(world_->witnessed(bystander_), processes_);
  fs::rename(database, world_->path("somebodys"));
  ASSERT_TRUE(world_->start()) << world_->log();
  ASSERT_TRUE(world_->wait_live("bystander", "1.0.0")) << world_->why();
  EXPECT_NE(world_->status().store_notice, "") << world_->why();
}

TEST_F(BadInput, AConfigurationThatDoesNotReadSaysWhere) {
  write_text(world_->path("wrong/nelson.yml"), "control: control\nstore: store\npol: 3 seconds\n");
  const Ran ran = run({NELSON_BINARY, "run", "--config", world_->path("wrong/nelson.yml")}, "/", Seconds(20));
  EXPECT_EQ(ran.status, 2);
  EXPECT_NE(ran.err.find("nelson.yml:3:"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("poll"), std::string::npos) << ran.err;
}

// ------------------------------------------------------------------------------------------------------------------- full disk

TEST(FullDisk, OfTheStoreIsToldBeforeItHurtsAndClearsByItself) {
  World world;
  ASSERT_EQ(world.broken(), "");
  const SmallDisk disk(world.store_folder(), 192);
  if (!disk.mounted()) GTEST_SKIP() << "no file system may be mounted here";
  fs::permissions(world.store_folder(), fs::perms::owner_all);
  world.add_repository("shop");
  world.push_unit("shop", {});
  ASSERT_TRUE(world.start()) << world.log();
  ASSERT_TRUE(world.wait_live("basket", "1.0.0")) << world.why();
  const std::string stack = world.status().find("basket", "1.0.0")->name;
  const std::vector<Process> before = world.witnessed(stack);
  disk.fill();
  Unit next;
  next.version = "1.1.0";
  world.push_unit("shop", next);
  const std::optional<Trouble> told = world.wait_trouble("space");
  ASSERT_TRUE(told) << "nothing was said of the space that is missing" << world.why();
  EXPECT_NE(told->way_out, "");
  EXPECT_NE((told->cause + told->place).find(world.store_folder()), std::string::npos) << told->cause << told->place;
  expect_on_page(world, [&] { return world.wait_trouble(told->code).value_or(*told); });
  EXPECT_EQ(world.witnessed(stack), before);
  disk.free();
  if (!world.controller().running()) ASSERT_TRUE(world.start()) << world.log();
  EXPECT_TRUE(world.wait_live("basket", "1.1.0", Seconds(90))) << world.why();
}

TEST(FullDisk, OfTheDomainIsToldAndClearsByItself) {
  World world;
  ASSERT_EQ(world.broken(), "");
  const SmallDisk disk(world.domain_folder(), 8);
  if (!disk.mounted()) GTEST_SKIP() << "no file system may be mounted here";
  world.add_repository("shop");
  world.push_unit("shop", {});
  ASSERT_TRUE(world.start()) << world.log();
  ASSERT_TRUE(world.wait_live("basket", "1.0.0")) << world.why();
  const std::string stack = world.status().find("basket", "1.0.0")->name;
  const std::vector<Process> before = world.witnessed(stack);
  disk.fill();
  Unit next;
  next.version = "1.1.0";
  world.push_unit("shop", next);
  const std::optional<Trouble> told = world.wait_trouble("pace");
  ASSERT_TRUE(told) << "nothing was said of the space that is missing" << world.why();
  EXPECT_NE(told->way_out, "");
  EXPECT_NE((told->cause + told->place).find(world.domain_folder()), std::string::npos) << told->cause << told->place;
  expect_on_page(world, [&] { return world.wait_trouble(told->code).value_or(*told); });
  EXPECT_EQ(world.witnessed(stack), before);
  disk.free();
  EXPECT_TRUE(world.wait_live("basket", "1.1.0", Seconds(90))) << world.why();
}

}  // namespace
}  // namespace nelson::datacenter
