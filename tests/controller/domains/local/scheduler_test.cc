#include "controller/domains/local/scheduler.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "controller/domains/local/logs.h"
#include "controller/domains/local/process.h"
#include "controller/domains/local/supervisor_document.h"
#include "tests/controller/domains/local/local_world.h"

namespace nelson {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::eventually;
using test::LocalWorld;

Port http_port() { return {"default", 8080, Protocol::kHttp}; }

HealthCheck http_check() { return {"alive", "default", Protocol::kHttp, "/health", milliseconds(200), milliseconds(500)}; }

Launch service(const LocalWorld& world, const std::string& unit) {
  Launch launch = world.launch(unit, {"serve"});
  launch.identity.spec.ports.push_back(http_port());
  launch.identity.spec.health_checks.push_back(http_check());
  launch.stack = stack_name(launch.identity);
  return launch;
}

/// The first instance's detail, or why there is none.
std::string detail_of(LocalWorld& world, const std::string& stack) {
  const auto running = world.running(stack);
  return running && !running->instances.empty() ? running->instances.front().detail : "(nothing runs)";
}

bool wait_detail(LocalWorld& world, const std::string& stack, const std::string& part) {
  return eventually([&] { return detail_of(world, stack).find(part) != std::string::npos; });
}

TEST(LocalScheduler, StartsScalesAndStops) {
  LocalWorld world;
  const Launch launch = world.launch("scales");
  ASSERT_TRUE(world.run(launch, 2));
  ASSERT_TRUE(world.wait_well(launch.stack, 2)) << world.log(launch.stack, -1);
  const auto first_two = world.alive(launch.stack);

  ASSERT_TRUE(world.run(launch, 3));
  ASSERT_TRUE(world.wait_well(launch.stack, 3));
  const auto three = world.alive(launch.stack);
  EXPECT_TRUE(std::includes(three.begin(), three.end(), first_two.begin(), first_two.end())) << "the two were left alone";

  ASSERT_TRUE(world.run(launch, 2));
  ASSERT_TRUE(world.wait_well(launch.stack, 2));
  EXPECT_EQ(world.alive(launch.stack), first_two) << "the highest index goes first";
  const auto running = world.running(launch.stack);
  ASSERT_TRUE(running);
  EXPECT_EQ(running->incarnation, 1U);
  EXPECT_EQ(running->count, 2);
  EXPECT_EQ(running->document_digest, to_hex(sha256(world.submission(launch).document)));

  const pid_t supervisor = world.supervisor(launch.stack);
  ASSERT_TRUE(world.scheduler().ensure_absent(launch.stack, 1));
  ASSERT_TRUE(world.wait_gone(launch.stack));
  EXPECT_TRUE(world.alive(launch.stack).empty());
  EXPECT_TRUE(eventually([&] { return !stat_of(supervisor); })) << "the supervisor ends too";
  EXPECT_EQ(world.ever(launch.stack), 3U) << "nothing was started twice";
  EXPECT_TRUE(world.scheduler().ensure_absent(launch.stack, 1)) << "may be repeated";
}

TEST(LocalScheduler, AnotherIncarnationIsAConflict) {
  LocalWorld world;
  Launch launch = world.launch("again");
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(world.wait_well(launch.stack, 1));
  launch.incarnation = 2;
  const Status refused = world.run(launch);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kConflict);
  const Status kept = world.scheduler().ensure_absent(launch.stack, 2);
  ASSERT_FALSE(kept);
  EXPECT_EQ(kept.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(world.alive(launch.stack).size(), 1U);
  ASSERT_TRUE(world.scheduler().ensure_absent(launch.stack, 1));
  ASSERT_TRUE(world.wait_gone(launch.stack));
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(world.wait_well(launch.stack, 1));
  EXPECT_EQ(world.running(launch.stack)->incarnation, 2U);
}

TEST(LocalScheduler, WhatIsBeingStoppedIsListedAndNotStartedAgain) {
  LocalWorld world;
  world.settings.stop_grace = seconds(3);
  const Launch launch = world.launch("stubborn", {"STUBBORN=1"});
  ASSERT_TRUE(world.run(launch, 2));
  ASSERT_TRUE(world.wait_well(launch.stack, 2));
  ASSERT_TRUE(world.scheduler().ensure_absent(launch.stack, 1));
  const auto running = world.running(launch.stack);
  ASSERT_TRUE(running);
  EXPECT_TRUE(running->stopping);
  ASSERT_EQ(running->instances.size(), 2U);
  EXPECT_EQ(running->instances[0].state, InstanceState::kStopping);
  const Status refused = world.run(launch, 2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kConflict);
  ASSERT_TRUE(world.wait_gone(launch.stack)) << "SIGKILL after the grace";
  EXPECT_TRUE(world.alive(launch.stack).empty());
}

TEST(LocalScheduler, StoppingTakesTheWholeFamily) {
  for (const char* leave : {"FORKS_LEAVE=", "FORKS_LEAVE=1"}) {
    LocalWorld world;
    world.settings.stop_grace = seconds(1);
    const Launch launch = world.launch("family", {"FORKS=3", "STUBBORN=1", leave});
    ASSERT_TRUE(world.run(launch));
    ASSERT_TRUE(eventually([&] { return world.alive(launch.stack).size() == 4; }));
    ASSERT_TRUE(world.scheduler().ensure_absent(launch.stack, 1));
    ASSERT_TRUE(world.wait_gone(launch.stack));
    EXPECT_TRUE(world.alive(launch.stack).empty()) << "children in sessions of their own: " << leave;
  }
}

TEST(LocalScheduler, ACrashedInstanceComesBackAfterGrowingPauses) {
  LocalWorld world;
  const Launch launch = world.launch("crashes", {"exit", "7"});
  const auto began = std::chrono::steady_clock::now();
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(wait_detail(world, launch.stack, "exit status 7"));
  ASSERT_TRUE(eventually([&] { return world.ever(launch.stack) >= 3; })) << "1 s, then 2 s later";
  EXPECT_GE(std::chrono::steady_clock::now() - began, seconds(3));
  ASSERT_TRUE(eventually([&] {
    const auto running = world.running(launch.stack);
    return running && running->instances[0].state == InstanceState::kBackoff && running->instances[0].restarts == 2;
  }));
}

TEST(LocalScheduler, AnInstanceKilledByHandIsNamedAndReplaced) {
  LocalWorld world;
  const Launch launch = world.launch("killed");
  ASSERT_TRUE(world.run(launch, 2));
  ASSERT_TRUE(world.wait_well(launch.stack, 2));
  const auto before = world.alive(launch.stack);
  const int changes = world.changes();
  ASSERT_EQ(::kill(before[0], SIGKILL), 0);
  ASSERT_TRUE(eventually([&] { return world.changes() > changes; })) << "the controller is woken";
  ASSERT_TRUE(world.wait_well(launch.stack, 2));
  const auto running = world.running(launch.stack);
  const auto hit =
      std::find_if(running->instances.begin(), running->instances.end(), [](const Instance& each) { return each.restarts > 0; });
  ASSERT_NE(hit, running->instances.end());
  EXPECT_EQ(hit->detail, "killed by SIGKILL");
  EXPECT_EQ(hit->restarts, 1);
}

TEST(LocalScheduler, ACommandThatDoesNotExistIsNamed) {
  struct Case {
    const char* name;
    std::vector<std::string> command;
    std::string detail;
  };
  const std::vector<Case> cases{
      {"missing in its tree", {"./no-such-program"}, "cannot start ./no-such-program: No such file or directory"},
      {"missing on the host", {"nelson-no-such-program"}, "cannot start nelson-no-such-program: No such file or directory"},
      {"killed by itself", {"./run", "segv"}, "killed by SIGSEGV"},
  };
  for (const Case& each : cases) {
    LocalWorld world;
    Launch launch = world.launch("missing");
    launch.identity.artifact.command = each.command;
    launch.stack = stack_name(launch.identity);
    ASSERT_TRUE(world.run(launch)) << each.name;
    EXPECT_TRUE(wait_detail(world, launch.stack, each.detail)) << each.name << ": " << detail_of(world, launch.stack);
    EXPECT_EQ(world.running(launch.stack)->instances[0].state, InstanceState::kBackoff);
    ASSERT_TRUE(world.scheduler().ensure_absent(launch.stack, 1));
    EXPECT_TRUE(world.wait_gone(launch.stack));
  }
}

TEST(LocalScheduler, AnInstanceHasItsPortsAndVariablesAndNothingElse) {
  LocalWorld world;
  ::setenv("NELSON_TEST_SECRET", "canary", 1);
  Launch launch = world.launch("variables", {"env", "NELSON_PLAN=mine", "COLOUR=blue"});
  launch.identity.spec.ports = {http_port(), {"admin-ui", 9000, Protocol::kHttp}};
  launch.bindings.push_back({"search-api", "dev", 2, {{"default", 80, Protocol::kHttp}}});
  launch.stack = stack_name(launch.identity);
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  const rlimit raised{files.rlim_max, files.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &raised), 0);
  const Status started = world.run(launch);
  ::setrlimit(RLIMIT_NOFILE, &files);
  ASSERT_TRUE(started);
  ASSERT_TRUE(eventually([&] { return world.log(launch.stack).find("ids=") != std::string::npos; })) << world.log(launch.stack);
  const std::string log = "\n" + world.log(launch.stack);
  const auto running = world.running(launch.stack);
  ASSERT_EQ(running->instances[0].endpoints.size(), 2U);
  const auto port = [&](std::size_t i) { return std::to_string(running->instances[0].endpoints[i].number); };
  for (const std::string& line :
       {std::string("COLOUR=blue"), "NELSON_STACKNAME=" + launch.stack, std::string("NELSON_DATACENTER=here"),
        std::string("NELSON_ENV=dev"), std::string("NELSON_NAMESPACE=dev/test"), std::string("NELSON_PLAN=default"),
        std::string("NELSON_UNITNAME=variables"), std::string("NELSON_DNS_ROOT=here"), std::string("NELSON_INSTANCE=0"),
        std::string("NELSON_VERSION=1.2.3"), "PORT=" + port(0), "NELSON_PORT_DEFAULT=" + port(0), "NELSON_PORT_ADMIN_UI=" + port(1),
        std::string("NELSON_SEARCH_API_DEFAULT_ADDR=127.0.0.1:25002"),
        "NELSON_LIGHTHOUSE=" + world.domain() + "/lighthouse/" + launch.stack + ".json"})
    EXPECT_NE(log.find("\n" + line + "\n"), std::string::npos) << line << " in " << log;
  EXPECT_EQ(log.find("canary"), std::string::npos) << "the controller's environment is not passed on";
  ::unsetenv("NELSON_TEST_SECRET");

  const pid_t pid = world.alive(launch.stack).at(0);
  const std::string status = read_text("/proc/" + std::to_string(pid) + "/status").value_or("");
  EXPECT_NE(status.find("NoNewPrivs:\t1"), std::string::npos);
  const std::string limits = read_text("/proc/" + std::to_string(pid) + "/limits").value_or("");
  EXPECT_NE(limits.find("Max open files            1024 "), std::string::npos)
      << "the controller's own is not passed on: " << limits;
  if (::geteuid() == 0) {
    EXPECT_EQ(log.find("ids=0 "), std::string::npos) << "never as root";
    EXPECT_NE(status.find("CapEff:\t0000000000000000"), std::string::npos);
    struct stat info {};
    ASSERT_EQ(::stat((world.domain() + "/stacks").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700U) << "no access to what is the controller's";
  }
}

/// A stranger who listens on a port of 127.0.0.1.
class PortTaker {
 public:
  explicit PortTaker(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listens_ = ::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 && ::listen(fd_.get(), 4) == 0;
  }
  [[nodiscard]] bool listens() const { return listens_; }

 private:
  Descriptor fd_;
  bool listens_ = false;
};

TEST(LocalScheduler, APortThatIsTakenIsNamedAndTakenOverOnceFree) {
  LocalWorld world;
  world.settings.instance_ports.last = world.settings.instance_ports.first;
  const std::uint16_t port = world.settings.instance_ports.first;
  auto stranger = std::make_unique<PortTaker>(port);
  ASSERT_TRUE(stranger->listens());
  const Launch launch = service(world, "port");
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(wait_detail(world, launch.stack, "port " + std::to_string(port) + " already taken"))
      << detail_of(world, launch.stack);
  EXPECT_EQ(world.ever(launch.stack), 0U) << "not started in vain";
  stranger.reset();
  ASSERT_TRUE(world.wait_well(launch.stack, 1));
  EXPECT_EQ(world.running(launch.stack)->instances[0].endpoints.at(0).number, port);
}

TEST(LocalScheduler, AnInstanceMovesAwayFromAPortThatAStrangerTook) {
  LocalWorld world;
  world.settings.instance_ports.last = static_cast<std::uint16_t>(world.settings.instance_ports.first + 9);
  const Launch launch = service(world, "moves");
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(world.wait_well(launch.stack, 1));
  const std::uint16_t before = world.running(launch.stack)->instances[0].endpoints.at(0).number;
  std::unique_ptr<PortTaker> stranger;
  ASSERT_EQ(::kill(world.alive(launch.stack).at(0), SIGKILL), 0);
  ASSERT_TRUE(eventually([&] {
    stranger = std::make_unique<PortTaker>(before);
    return stranger->listens();
  }));
  ASSERT_TRUE(eventually([&] {
    const auto running = world.running(launch.stack);
    return running && running->instances.at(0).health == Health::kPassing && !running->instances[0].endpoints.empty() &&
           running->instances[0].endpoints[0].number != before;
  }));
}

TEST(LocalScheduler, LogsAreBounded) {
  LocalWorld world;
  const Launch launch = world.launch("talks", {"print", "400", "20000"});
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(eventually([&] { return world.log(launch.stack).ends_with("x\nend\n"); }));
  const std::string path = world.domain() + "/logs/" + launch.stack + "/0.log";
  for (const std::string& part : {path, path + ".1"}) {
    struct stat info {};
    ASSERT_EQ(::stat(part.c_str(), &info), 0) << part;
    EXPECT_LE(static_cast<std::uint64_t>(info.st_size), kLogPartBytes);
  }
  ASSERT_TRUE(world.scheduler().ensure_absent(launch.stack, 1));
  ASSERT_TRUE(world.wait_gone(launch.stack));
  EXPECT_TRUE(world.log(launch.stack).ends_with("end\n")) << "the log of what ended can still be read";
}

TEST(LocalScheduler, HttpHealthFlipsBothWays) {
  LocalWorld world;
  const Launch launch = service(world, "health");
  ASSERT_TRUE(world.run(launch, 2));
  const auto all = [&](Health health) {
    const auto running = world.running(launch.stack);
    return running && running->instances.size() == 2 &&
           std::all_of(running->instances.begin(), running->instances.end(),
                       [&](const Instance& each) { return each.health == health; });
  };
  ASSERT_TRUE(eventually([&] { return all(Health::kPassing); })) << detail_of(world, launch.stack);
  int changes = world.changes();
  world.write("status", "503\n");
  ASSERT_TRUE(eventually([&] { return world.changes() > changes; }));
  ASSERT_TRUE(eventually([&] { return all(Health::kFailing); }));
  EXPECT_EQ(detail_of(world, launch.stack).find("http 503 at /health"), 0U) << detail_of(world, launch.stack);
  world.write("status", "302\n");
  ASSERT_TRUE(eventually([&] { return all(Health::kPassing); }));
  EXPECT_EQ(detail_of(world, launch.stack), "");
  world.write("status", "silent\n");
  ASSERT_TRUE(eventually([&] { return all(Health::kFailing); }));
  EXPECT_NE(detail_of(world, launch.stack).find("no answer within 500 milliseconds"), std::string::npos)
      << detail_of(world, launch.stack);
  EXPECT_EQ(world.ever(launch.stack), 2U) << "a failing check restarts nothing";
}

TEST(LocalScheduler, ChecksAreEagerUntilTheFirstThatPasses) {
  LocalWorld world;
  Launch launch = service(world, "slow-start");
  launch.identity.spec.health_checks[0].interval = seconds(60);
  launch.stack = stack_name(launch.identity);
  world.write("status", "503\n");
  ASSERT_TRUE(world.run(launch));
  const auto health = [&] { return world.running(launch.stack)->instances.at(0).health; };
  const auto asked = [&] {
    const std::string log = world.log(launch.stack);
    return std::count(log.begin(), log.end(), '\n');
  };
  ASSERT_TRUE(eventually([&] { return health() == Health::kFailing; }));
  const auto before = asked();
  EXPECT_TRUE(eventually([&] { return asked() >= before + 5; }, seconds(20))) << "failing is not the same as having passed";
  world.write("status", "200\n");
  EXPECT_TRUE(eventually([&] { return health() == Health::kPassing; }, seconds(20)));
}

/// How often a process went to sleep by itself; nothing when it is gone.
std::optional<int> sleeps_of(pid_t pid) {
  constexpr std::string_view kField = "\nvoluntary_ctxt_switches:";
  const std::string status = read_text("/proc/" + std::to_string(pid) + "/status").value_or("");
  const std::size_t at = status.find(kField);
  return at == std::string::npos ? std::nullopt : std::optional(std::atoi(status.c_str() + at + kField.size()));
}

TEST(LocalScheduler, WaitingForTheGraceToPassCostsLittle) {
  LocalWorld world;
  world.settings.stop_grace = seconds(2);
  const Launch launch = world.launch("waits", {"STUBBORN=1"});
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(world.wait_well(launch.stack, 1));
  const pid_t supervisor = world.supervisor(launch.stack);
  ASSERT_TRUE(world.scheduler().ensure_absent(launch.stack, 1));
  const auto before = sleeps_of(supervisor);
  ASSERT_TRUE(before);
  int last = *before;
  ASSERT_TRUE(eventually([&] {
    const auto now = sleeps_of(supervisor);
    last = now.value_or(last);
    return !now;
  }));
  EXPECT_LT(last - *before, 200);
}

TEST(LocalScheduler, TcpHealthNeedsAListener) {
  LocalWorld world;
  Launch launch = world.launch("tcp", {"wait"});
  launch.identity.spec.ports.push_back({"default", 1, Protocol::kTcp});
  launch.identity.spec.health_checks.push_back({"open", "default", Protocol::kTcp, "", milliseconds(200), milliseconds(500)});
  launch.stack = stack_name(launch.identity);
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(wait_detail(world, launch.stack, "Connection refused"));
  const std::uint16_t port = world.running(launch.stack)->instances[0].endpoints.at(0).number;
  const PortTaker listener(port);
  ASSERT_TRUE(listener.listens());
  EXPECT_TRUE(eventually([&] { return world.running(launch.stack)->instances[0].health == Health::kPassing; }));
}

TEST(LocalScheduler, LimitsAreEnforcedOrItSaysThatTheyAreNot) {
  LocalWorld world;
  Launch launch = world.launch("limits");
  launch.identity.spec.cpu_millis = 250;
  launch.identity.spec.memory_kib = 65536;
  launch.stack = stack_name(launch.identity);
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(world.wait_well(launch.stack, 1));
  const std::string detail = detail_of(world, launch.stack);
  const std::string groups = read_text("/proc/" + std::to_string(world.alive(launch.stack).at(0)) + "/cgroup").value_or("");
  if (detail.empty()) {
    EXPECT_NE(groups.find("/nelson/test-owner/"), std::string::npos) << groups;
  } else {
    EXPECT_EQ(detail.find("limits not enforced: "), 0U) << detail;
  }
}

TEST(LocalScheduler, AnImageIsRefusedWithTheWayOut) {
  LocalWorld world;
  Launch launch = world.launch("image");
  launch.identity.artifact = {ArtifactKind::kImage, "example/image:1", {}, ""};
  const auto document = world.scheduler().render(launch, "0123456789ab");
  ASSERT_FALSE(document);
  EXPECT_EQ(document.error().kind, ErrorKind::kInvalid);
  EXPECT_NE(document.error().message.find("example/image:1"), std::string::npos);
  EXPECT_NE(document.error().message.find("kind command"), std::string::npos);
}

TEST(LocalScheduler, RenderIsPure) {
  LocalWorld world;
  const Launch launch = service(world, "pure");
  const auto one = world.scheduler().render(launch, "0123456789ab");
  const auto two = world.scheduler().render(launch, "0123456789ab");
  ASSERT_TRUE(one);
  EXPECT_EQ(*one, *two);
  EXPECT_EQ(one->find(world.root() + "/domain"), std::string::npos) << "no path of this machine";
}

TEST(LocalScheduler, SettingsThatCannotBeMetAreNamed) {
  struct Case {
    const char* name;
    std::function<void(DomainSettings&)> change;
    const char* part;
  };
  const std::vector<Case> cases{
      {"a relative folder", [](DomainSettings& s) { s.folder = "here"; }, "folder"},
      {"a range upside down",
       [](DomainSettings& s) {
         s.instance_ports = {20, 10};
       },
       "instance_ports"},
      {"an unknown user", [](DomainSettings& s) { s.run_as = "no-such-user-here"; }, "run_as"},
      {"root", [](DomainSettings& s) { s.run_as = "root"; }, "root"},
  };
  for (const Case& each : cases) {
    LocalWorld world;
    auto options = world.options();
    each.change(options.settings);
    const auto opened = open_local_scheduler(options);
    ASSERT_FALSE(opened) << each.name;
    EXPECT_EQ(opened.error().kind, ErrorKind::kInvalid) << each.name;
    EXPECT_NE(opened.error().message.find(each.part), std::string::npos) << opened.error().message;
  }
}

TEST(LocalScheduler, AReadOnlyOneMakesAndEndsNothing) {
  LocalWorld world;
  auto options = world.options();
  options.read_only = true;
  {
    const auto empty = open_local_scheduler(options);
    ASSERT_TRUE(empty);
    const auto view = (*empty)->observe();
    ASSERT_TRUE(view);
    EXPECT_TRUE(view->stacks.empty());
    EXPECT_NE(::access(world.domain().c_str(), F_OK), 0) << "no folder was made";
  }
  const Launch launch = world.launch("looked-at");
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(world.wait_well(launch.stack, 1));
  const auto looker = open_local_scheduler(options);
  ASSERT_TRUE(looker);
  const auto view = (*looker)->observe();
  ASSERT_TRUE(view);
  ASSERT_EQ(view->stacks.size(), 1U);
  EXPECT_EQ(view->stacks.at(launch.stack).instances.size(), 1U);
  EXPECT_FALSE((*looker)->ensure_present(world.submission(launch)));
  EXPECT_FALSE((*looker)->ensure_absent(launch.stack, 1));
  EXPECT_EQ(world.alive(launch.stack).size(), 1U);
}

TEST(LocalScheduler, WhatAnotherOwnerMadeIsForeignAndLeftAlone) {
  LocalWorld world;
  const Launch launch = world.launch("theirs");
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(world.wait_well(launch.stack, 1));
  auto options = world.options();
  options.owner = "somebody-else";
  const auto other = open_local_scheduler(options);
  ASSERT_TRUE(other);
  const auto view = (*other)->observe();
  ASSERT_TRUE(view);
  EXPECT_TRUE(view->stacks.empty());
  EXPECT_EQ(view->foreign, std::vector<std::string>{launch.stack});
  EXPECT_EQ(world.alive(launch.stack).size(), 1U);
  EXPECT_EQ(::access((world.domain() + "/trees/" + launch.identity.artifact.tree).c_str(), F_OK), 0) << "its tree stays";
}

TEST(LocalScheduler, ATreeIsSharedReadOnlyAndGoesWithItsLastStack) {
  LocalWorld world;
  int exports = 0;
  auto options = world.options();
  options.export_tree = [&exports, write = options.export_tree](const std::string& repository, const std::string& tree,
                                                                const std::string& folder) {
    ++exports;
    return write(repository, tree, folder);
  };
  const auto scheduler = open_local_scheduler(options);
  ASSERT_TRUE(scheduler);
  const Launch one = world.launch("one");
  const Launch two = world.launch("two");
  ASSERT_TRUE((*scheduler)->ensure_present(world.submission(one)));
  ASSERT_TRUE((*scheduler)->ensure_present(world.submission(two)));
  EXPECT_EQ(exports, 1);
  const std::string tree = world.domain() + "/trees/" + one.identity.artifact.tree;
  struct stat info {};
  ASSERT_EQ(::stat((tree + "/run").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0555U);
  ASSERT_TRUE((*scheduler)->observe());
  ASSERT_TRUE((*scheduler)->ensure_absent(one.stack, 1));
  const auto listed = [&] { return (*scheduler)->observe()->stacks.size(); };
  ASSERT_TRUE(eventually([&] { return listed() == 1; }));
  EXPECT_EQ(::access(tree.c_str(), F_OK), 0);
  ASSERT_TRUE((*scheduler)->ensure_absent(two.stack, 1));
  ASSERT_TRUE(eventually([&] { return listed() == 0; }));
  EXPECT_NE(::access(tree.c_str(), F_OK), 0) << "nobody uses it any more";
}

TEST(LocalScheduler, NoTreeGoesWhileAFolderDoesNotTellWhichItUses) {
  LocalWorld world;
  const Launch launch = world.launch("newer");
  ASSERT_TRUE(world.run(launch));
  ASSERT_TRUE(world.wait_well(launch.stack, 1));
  const std::string path = world.domain() + "/stacks/" + launch.stack + kDocumentFile;
  const std::string document = read_text(path).value_or("");
  ASSERT_TRUE(document.starts_with('{'));
  std::ofstream(path) << "{\"of_a_later_version\": 1," << document.substr(1);
  world.forget();
  ASSERT_TRUE(world.running(launch.stack));
  EXPECT_EQ(::access((world.domain() + "/trees/" + launch.identity.artifact.tree).c_str(), F_OK), 0);
}

TEST(LocalScheduler, ATreeThatCannotBeWrittenStartsNothing) {
  LocalWorld world;
  auto options = world.options();
  options.export_tree = [](const std::string&, const std::string&, const std::string&) -> Status {
    return unavailable("no such object");
  };
  const auto scheduler = open_local_scheduler(options);
  ASSERT_TRUE(scheduler);
  const Launch launch = world.launch("treeless");
  const Status refused = (*scheduler)->ensure_present(world.submission(launch));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("no such object"), std::string::npos);
  EXPECT_TRUE((*scheduler)->observe()->stacks.empty());
}

}  // namespace
}  // namespace nelson
