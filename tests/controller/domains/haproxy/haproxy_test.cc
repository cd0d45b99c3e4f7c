#include "controller/domains/haproxy/haproxy.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "controller/domains/haproxy/process.h"
#include "tests/controller/domains/haproxy/fixture.h"

namespace nelson::haproxy_test {
namespace {

TEST_F(Changes, ALongAnswerArrivesWholeFromAStackThatWentToZeroAndLeft) {
  ASSERT_NO_FATAL_FAILURE(serve(at(0)));
  auto slow = ask_slowly();
  ASSERT_NO_FATAL_FAILURE(serve(at(100)));
  EXPECT_EQ(sessions_of(kOld), 1);
  ASSERT_NO_FATAL_FAILURE(serve(route({{kNew, {&new_}, 100}})));
  EXPECT_EQ(values_in(look().routes), std::vector{route({{kNew, {&new_}, 100}})});
  EXPECT_EQ(sessions_of(kOld), 1) << "a session on a stack that left its route is not seen";
  EXPECT_EQ(ask(10)[kNew], 10);
  const auto answer = slow.get();
  ASSERT_TRUE(answer.has_value()) << "the answer in flight was cut off";
  EXPECT_EQ(*answer, kOld);
  EXPECT_TRUE(eventually([&] { return sessions_of(kOld) == 0; }));
}

TEST_F(Changes, ALongAnswerEndsAtTheDrainLimitAtTheLatest) {
  drain_limit_ = 500ms;
  open();
  ASSERT_NO_FATAL_FAILURE(serve(at(0)));
  auto slow = ask_slowly();
  ASSERT_NO_FATAL_FAILURE(serve(route({{kNew, {&new_}, 100}})));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(eventually([&] { return sessions_of(kOld) == 0; }));
  EXPECT_FALSE(slow.get().has_value()) << "it ended by itself after " << (std::chrono::steady_clock::now() - begin) / 1ms << " ms";
}

TEST_F(Changes, OfWeightsNeedNoNewWorker) {
  ASSERT_NO_FATAL_FAILURE(serve(at(10)));
  const pid_t worker = processes().worker;
  for (const int percent : {20, 30, 100, 0, 55}) {
    ASSERT_NO_FATAL_FAILURE(serve(at(percent)));
    EXPECT_EQ(values_in(look().routes), std::vector{at(percent)});
  }
  EXPECT_EQ(processes().worker, worker);
  EXPECT_EQ(ask(100)[kNew], 55);
}

TEST_F(Changes, AServedRouteServedAgainChangesNothing) {
  ASSERT_NO_FATAL_FAILURE(serve(at(40)));
  const auto before = processes();
  const auto written = std::filesystem::last_write_time(folder_.path() + "/haproxy/haproxy.cfg");
  for (int i = 0; i < 5; ++i) ASSERT_NO_FATAL_FAILURE(serve(at(40)));
  EXPECT_EQ(processes().worker, before.worker);
  EXPECT_EQ(std::filesystem::last_write_time(folder_.path() + "/haproxy/haproxy.cfg"), written);
}

TEST_F(Changes, AreMadeByASecondBalancerOnTheSameHaproxy) {
  ASSERT_NO_FATAL_FAILURE(serve(at(30)));
  ASSERT_NO_FATAL_FAILURE(serve(at(35)));
  const auto before = processes();
  open();
  EXPECT_EQ(values_in(look().routes), std::vector{at(35)});
  ASSERT_NO_FATAL_FAILURE(serve(at(45)));
  EXPECT_EQ(values_in(look().routes), std::vector{at(45)});
  EXPECT_EQ(processes().master, before.master);
  EXPECT_EQ(processes().worker, before.worker);
}

TEST_F(Changes, ANewBalancerServesAllRoutesOfAnHaproxyThatDiedMeanwhile) {
  ASSERT_NO_FATAL_FAILURE(serve(at(30)));
  Route other = route({{kNewer, {&new_}, 100}}, true, "search");
  ASSERT_NO_FATAL_FAILURE(serve(other));
  ASSERT_EQ(look().routes.size(), 2u);
  balancer_.reset();
  ASSERT_NO_FATAL_FAILURE(kill_haproxy());
  open();
  EXPECT_TRUE(look().routes.empty());
  ASSERT_NO_FATAL_FAILURE(serve(other));
  EXPECT_EQ(values_in(look().routes), (std::vector{at(30), other}));
}

TEST_F(Changes, LoseNoRequestOfAnyClient) {
  Instance second(kOld), third(kNew);
  ASSERT_NO_FATAL_FAILURE(serve(at(50)));
  std::atomic<bool> ending = false;
  std::atomic<int> asked = 0;
  std::vector<std::future<std::string>> clients;
  for (int i = 0; i < 4; ++i)
    clients.push_back(std::async(std::launch::async, [&, stays = i % 2 == 0]() -> std::string {
      Client client(address_);
      while (!ending) {
        if (!client.get("/")) return client.trouble();
        if (!stays) client.hang_up();
        ++asked;
      }
      return "";
    }));
  const pid_t worker = processes().worker;
  for (int round = 0; round < 6; ++round) {
    ASSERT_NO_FATAL_FAILURE(serve(route({{kOld, {&old_, &second}, 70}, {kNew, {&new_}, 30}})));
    look();
    ASSERT_NO_FATAL_FAILURE(serve(route({{kOld, {&old_}, 20}, {kNew, {&new_, &third}, 80}})));
    look();
    ASSERT_NO_FATAL_FAILURE(serve(route({{kNew, {&new_, &third}, 100}})));
    look();
    ASSERT_NO_FATAL_FAILURE(serve(at(50)));
    look();
    const int before = asked;
    if (!eventually([&] { return asked > before + 20; })) break;  // the clients tell why
  }
  ending = true;
  for (auto& client : clients) EXPECT_EQ(client.get(), "");
  EXPECT_NE(processes().worker, worker) << "nothing was reloaded, so that nothing was shown";
}

TEST_F(Changes, ManyInARowAreGatheredIntoFewReloads) {
  for (int i = 0; i < 30; ++i) {
    const std::string hash = std::to_string(10000000 + i);
    ASSERT_NO_FATAL_FAILURE(serve(route({{"search--1-0-0--" + hash, {&new_}, 100}}, true, "search-" + std::to_string(i))));
  }
  EXPECT_EQ(look().routes.size(), 30u);
  const auto said = haproxy::Control(folder_.path() + "/haproxy").ask("show proc");
  ASSERT_TRUE(said.ok() && said->has_value());
  EXPECT_LT(haproxy::reloads(**said), 8) << **said;
}

TEST_F(Changes, ThatArriveLateAreMadeWithoutAnotherCall) {
  ASSERT_NO_FATAL_FAILURE(serve(at(0)));
  ASSERT_NO_FATAL_FAILURE(serve(route({{kNew, {&new_}, 100}})));
  EXPECT_TRUE(eventually([&] { return Client(address_).get("/") == kNew; }));
}

struct HandChange {
  const char* name;
  std::vector<std::string> commands;  // to the worker
};

class HandChanges : public Changes, public ::testing::WithParamInterface<HandChange> {};

TEST_P(HandChanges, AreSeenAndUndoneByServingAgain) {
  ASSERT_NO_FATAL_FAILURE(serve(at(50)));
  for (const std::string& command : GetParam().commands) worker_says(command);
  EXPECT_NE(values_in(look().routes), std::vector{at(50)});
  ASSERT_NO_FATAL_FAILURE(serve(at(50)));
  EXPECT_EQ(values_in(look().routes), std::vector{at(50)});
  EXPECT_EQ(ask(100)[kNew], 50);
}

INSTANTIATE_TEST_SUITE_P(
    Hands, HandChanges,
    ::testing::Values(HandChange{"AWeightInTheMap", {"set map maps/dev:checkout:1.map 0:49 checkout--1-1-0--0000bbbb"}},
                      HandChange{"AMapThatIsEmpty", {"clear map maps/dev:checkout:1.map"}},
                      HandChange{"AServerSwitchedOff", {"disable server stack:checkout--1-1-0--0000bbbb:default/0"}},
                      HandChange{"AServerWeighed", {"set server stack:checkout--1-1-0--0000bbbb:default/0 weight 10"}},
                      HandChange{"AServerDrained", {"set server stack:checkout--1-1-0--0000bbbb:default/0 state drain"}},
                      HandChange{"AFrontendSwitchedOff", {"disable frontend service:dev:checkout:1:default"}}),
    [](const auto& info) { return info.param.name; });

TEST_F(Changes, AKilledInstanceCostsNoRequest) {
  auto doomed = std::make_unique<Instance>(kOld);
  ASSERT_NO_FATAL_FAILURE(serve(route({{kOld, {&old_, doomed.get()}, 100}}, false)));
  EXPECT_EQ(ask(20)[kOld], 20);
  doomed.reset();
  EXPECT_EQ(ask(50)[kOld], 50);
}

TEST_F(Changes, AStackWithoutAHealthyInstanceLeavesItsShareToTheOthers) {
  Instance unweighed(kNewer);
  ASSERT_NO_FATAL_FAILURE(serve(route({{kOld, {&old_}, 60}, {kNew, {&new_}, 40}, {kNewer, {&unweighed}, 0}})));
  new_.set_sick(true);
  ASSERT_TRUE(eventually([&] { return ask(20)[kNew] == 0; }));
  EXPECT_EQ(ask(200)[kOld], 200) << "a stack at 0 got requests";
}

TEST_F(Changes, ATakenPortIsNamedAndHarmsNoOtherRoute) {
  ASSERT_NO_FATAL_FAILURE(serve(at(20)));
  Instance stranger("stranger");
  addresses_["devsearchdefault"] = stranger.port();
  const Status served = balancer_->serve(route({{kNewer, {&new_}, 100}}, true, "search"));
  ASSERT_FALSE(served.ok());
  EXPECT_EQ(served.error().kind, ErrorKind::kUnavailable);
  EXPECT_NE(served.error().message.find("port " + std::to_string(stranger.port()) + " of 127.0.0.1 is taken"), std::string::npos)
      << served.error().message;
  EXPECT_EQ(values_in(look().routes), std::vector{at(20)});
  EXPECT_EQ(ask(100)[kNew], 20);
}

TEST_F(Changes, APortTakenWhileHaproxyWasDeadKeepsNoOtherRouteFromBeingServed) {
  const Route other = route({{kNewer, {&new_}, 100}}, true, "search");
  ASSERT_NO_FATAL_FAILURE(serve(at(20)));
  ASSERT_NO_FATAL_FAILURE(serve(other));
  look();
  ASSERT_NO_FATAL_FAILURE(kill_haproxy());
  const std::uint16_t port = addresses_["devsearchdefault"];
  ASSERT_TRUE(eventually([&] { return haproxy::is_free_port("127.0.0.1", port); })) << "the worker did not follow its master";
  Instance stranger("stranger", port);
  ASSERT_NO_FATAL_FAILURE(serve(at(20)));
  EXPECT_FALSE(balancer_->serve(other).ok());
  EXPECT_EQ(values_in(look().routes), std::vector{at(20)});
}

TEST_F(Changes, AConfigurationThatHaproxyRefusesLeavesTheEarlierOneInForce) {
  ASSERT_NO_FATAL_FAILURE(serve(at(20)));
  const Route wrong = route({{kNew, {&new_}, 100}}, true, "search");  // one stack cannot stand behind two services
  // The first time it may only be gathered with others to come.
  Status served;
  EXPECT_TRUE(eventually([&] { return !(served = balancer_->serve(wrong)).ok(); }));
  const Route fine = route({{kNewer, {&new_}, 100}}, true, "fine");
  ASSERT_FALSE(served.ok());
  EXPECT_EQ(served.error().kind, ErrorKind::kInvalid);
  EXPECT_NE(served.error().message.find("HAProxy refuses this configuration, the earlier one stays in force"), std::string::npos)
      << served.error().message;
  EXPECT_LT(served.error().message.size(), 2000u);
  // Asked for together with it, another is served all the same.
  for (int i = 0; i < 3; ++i) {
    const bool told = !balancer_->serve(wrong).ok();
    EXPECT_TRUE(balancer_->serve(fine).ok());
    EXPECT_EQ(values_in(look().routes), (std::vector{at(20), fine})) << told;
  }
  EXPECT_TRUE(balancer_->unserve(fine.key).ok());
  EXPECT_EQ(values_in(look().routes), std::vector{at(20)});
  EXPECT_EQ(ask(100)[kNew], 20);
  ASSERT_NO_FATAL_FAILURE(serve(at(70)));
  EXPECT_EQ(ask(100)[kNew], 70);
}

TEST_F(Changes, GatheredWithOneThatIsRefusedAreAllMade) {
  ASSERT_NO_FATAL_FAILURE(serve(at(20)));
  const Route first = route({{kNewer, {&new_}, 100}}, true, "basket");
  const Route wrong = route({{kNew, {&new_}, 100}}, true, "search");
  const Route last = route({{"checkout--1-3-0--0000dddd", {&new_}, 100}}, true, "wishes");
  for (const Route& each : {wrong, first, last}) static_cast<void>(balancer_->serve(each).ok());
  EXPECT_EQ(values_in(look().routes), (std::vector{first, at(20), last}));
}

TEST_F(HaproxyTest, ACheckThatWasKilledSaysNothingOfTheConfiguration) {
  HaproxyOptions dying = options();
  dying.program = folder_.path() + "/dies";
  std::ofstream(dying.program) << "#!/bin/sh\nkill -9 $$\n";
  std::filesystem::permissions(dying.program, std::filesystem::perms::owner_all);
  auto opened = open_haproxy(dying);
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  Instance instance(kOld);
  const Status served = (*opened)->serve(route({{kOld, {&instance}, 100}}));
  ASSERT_FALSE(served.ok());
  EXPECT_EQ(served.error().kind, ErrorKind::kUnavailable) << served.error().message;
}

TEST_F(Changes, AreMadeMoreSlowlyWhileAnOldWorkerHasSeenMany) {
  ASSERT_NO_FATAL_FAILURE(serve(at(20)));
  Client idle(address_);
  ASSERT_TRUE(idle.get("/").has_value());
  const auto reload = [this](int i) {
    std::vector<Instance*> instances(static_cast<std::size_t>(i % 2 + 1), &old_);
    return serve(route({{kOld, instances, 100}}));
  };
  for (int i = 0; processes().most_reloads < 12 && i < 30; ++i) {
    ASSERT_NO_FATAL_FAILURE(reload(i));
    look();
  }
  ASSERT_LT(processes().most_reloads, 30) << "each look was a reload";
  ASSERT_TRUE(eventually([&] { return balancer_->observe() && changes_ > 0; })) << "what was waiting is told when it is done";
  ASSERT_TRUE(idle.get("/").has_value()) << "its worker lives";
}

/// A start that returns before its process is the program is taken for failed by who looks for that at once; it happened on a busy machine.
TEST(Relatives, AreThereOnceStarted) {
  for (int i = 0; i < 50; ++i) {
    const std::string mark = std::to_string(200'000 + ::getpid()) + "." + std::to_string(i);
    ASSERT_TRUE(haproxy::start_detached({"/bin/sleep", mark}, "/dev/null", {}).ok());
    EXPECT_EQ(haproxy::Relatives("sleep", mark).signal(SIGKILL), 1u) << "start " << i;
  }
}

TEST(Relatives, AreOfThisUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be another";
  const std::string mark = std::to_string(100'000 + ::getpid());
  ASSERT_TRUE(haproxy::start_detached({"/bin/sleep", mark}, "/dev/null", {}).ok());
  const haproxy::Relatives relatives("sleep", mark);
  EXPECT_TRUE(eventually([&] { return relatives.count() == 1; }));
  ASSERT_EQ(::seteuid(65534), 0);
  const std::size_t seen = relatives.count();
  ASSERT_EQ(::seteuid(0), 0);
  EXPECT_EQ(seen, 0u);
  relatives.signal(SIGKILL);
  EXPECT_TRUE(relatives.gone_within(10s));
}

TEST_F(Changes, ThatLeaveNoRouteStillLetTheLastAnswerArrive) {
  ASSERT_NO_FATAL_FAILURE(serve(at(0)));
  auto slow = ask_slowly();
  ASSERT_TRUE(balancer_->unserve(at(0).key).ok());
  EXPECT_TRUE(look().routes.empty());
  EXPECT_EQ(sessions_of(kOld), 1);
  EXPECT_FALSE(Client(address_).get("/").has_value()) << "it is still served";
  EXPECT_EQ(slow.get(), kOld);
  EXPECT_TRUE(eventually([&] { return !haproxy::Control(folder_.path() + "/haproxy").listens(); }));
}

TEST_F(Changes, AreNotMissedForWantOfADescriptor) {
  ASSERT_NO_FATAL_FAILURE(serve(at(0)));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const bool listens = haproxy::Control(folder_.path() + "/haproxy").listens();
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(listens) << "an HAProxy that could not be asked was taken for dead";
}

TEST_F(Changes, ThatComeBackWhileTheLastAnswerIsUnderWayAreServed) {
  ASSERT_NO_FATAL_FAILURE(serve(at(0)));
  auto slow = ask_slowly();
  ASSERT_TRUE(balancer_->unserve(at(0).key).ok());
  EXPECT_TRUE(look().routes.empty());
  ASSERT_NO_FATAL_FAILURE(serve(at(30)));
  EXPECT_EQ(values_in(look().routes), std::vector{at(30)});
  EXPECT_EQ(ask(100)[kNew], 30);
  EXPECT_EQ(slow.get(), kOld);
}

TEST_F(Changes, AreMadeWhileOtherStacksHaveNoHealthyInstance) {
  new_.set_sick(true);
  Route hopeless = route({{kNewer, {&new_}, 100}}, true, "search");
  ASSERT_NO_FATAL_FAILURE(serve(hopeless));
  ASSERT_TRUE(eventually([&] { return worker_says("show stat").find("DOWN") != std::string::npos; }));
  // Workers complain of the sick one at any time, also while a reload is under way.
  for (const int instances : {1, 2, 1, 2}) {
    Route fine = route({{kOld, std::vector<Instance*>(static_cast<std::size_t>(instances), &old_), 100}});
    ASSERT_NO_FATAL_FAILURE(serve(fine));
    EXPECT_EQ(values_in(look().routes), (std::vector{fine, hopeless}));
    ASSERT_EQ(::kill(processes().worker, 0), 0);
  }
}

TEST_F(Changes, AnHaproxyWithoutRoutesEnds) {
  ASSERT_NO_FATAL_FAILURE(serve(at(20)));
  EXPECT_TRUE(balancer_->unserve(at(20).key).ok());
  EXPECT_TRUE(balancer_->unserve(at(20).key).ok()) << "a second time";
  EXPECT_TRUE(look().routes.empty());
  EXPECT_TRUE(eventually([&] { return !haproxy::Control(folder_.path() + "/haproxy").listens(); }));
  ASSERT_NO_FATAL_FAILURE(serve(at(20)));
  EXPECT_EQ(values_in(look().routes), std::vector{at(20)});
}

TEST_F(Changes, TheDeathOfHaproxyIsTold) {
  ASSERT_NO_FATAL_FAILURE(serve(at(20)));
  EXPECT_EQ(changes_, 0);
  ASSERT_NO_FATAL_FAILURE(kill_haproxy());
  EXPECT_TRUE(eventually([&] { return changes_ == 1; }));
}

TEST_F(Changes, AKilledWorkerIsReplaced) {
  ASSERT_NO_FATAL_FAILURE(serve(at(20)));
  ASSERT_EQ(::kill(processes().worker, SIGKILL), 0);
  // The master ends too; until it has, it can only be told that nothing is known.
  ASSERT_TRUE(eventually([&] {
    const auto view = balancer_->observe();
    return view && view->routes.empty();
  }));
  ASSERT_TRUE(eventually([&] { return balancer_->serve(at(20)).ok(); }));
  EXPECT_EQ(values_in(look().routes), std::vector{at(20)});
  EXPECT_EQ(ask(100)[kNew], 20);
}

TEST_F(Changes, AnHaproxyThatDoesNotAnswerIsNoEmptyBalancer) {
  ASSERT_NO_FATAL_FAILURE(serve(at(20)));
  const pid_t master = processes().master;
  ASSERT_EQ(::kill(master, SIGSTOP), 0);
  const auto view = balancer_->observe();
  ASSERT_EQ(::kill(master, SIGCONT), 0);
  ASSERT_FALSE(view.ok());
  EXPECT_EQ(view.error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(values_in(look().routes), std::vector{at(20)});
}

TEST_F(Changes, AServiceMovesWithItsAddress) {
  ASSERT_NO_FATAL_FAILURE(serve(at(20)));
  address_ = free_port();
  ASSERT_NO_FATAL_FAILURE(serve(at(20)));
  look();
  EXPECT_EQ(ask(100)[kNew], 20);
}

TEST_F(Changes, AnHaproxyWhoseSocketWasRemovedIsReplaced) {
  ASSERT_NO_FATAL_FAILURE(serve(at(20)));
  const pid_t lost = processes().master;
  std::filesystem::remove(folder_.path() + "/haproxy/master.sock");
  EXPECT_TRUE(look().routes.empty());
  ASSERT_NO_FATAL_FAILURE(serve(at(20)));
  EXPECT_EQ(values_in(look().routes), std::vector{at(20)});
  EXPECT_NE(processes().master, lost);
  EXPECT_TRUE(eventually([&] { return ::kill(lost, 0) != 0; }));
}

TEST_F(Changes, APortThatIsNotHttpIsCarriedAsBytes) {
  Route bytes = route({{kOld, {&old_}, 75}, {kNew, {&new_}, 25}});
  bytes.ports[0].protocol = Protocol::kTcp;
  bytes.backends[0].checks = {{"open", "default", Protocol::kTcp, "", 200ms, 1s}};
  ASSERT_NO_FATAL_FAILURE(serve(bytes));
  std::map<std::string, int> answers;
  for (int i = 0; i < 200; ++i) ++answers[Client(address_).get("/").value_or("none")];  // one connection each
  EXPECT_EQ(answers[kOld], 150);
  EXPECT_EQ(answers[kNew], 50);
}

TEST_F(Changes, SeveralPortsOfOneServiceHaveTheSameWeights) {
  Route two = at(25);
  two.ports.push_back({"admin", 8081, Protocol::kHttp});
  for (Backend& backend : two.backends)
    for (Backend::Server& server : backend.servers) server.endpoints.push_back({"admin", "127.0.0.1", server.endpoints[0].number});
  ASSERT_NO_FATAL_FAILURE(serve(two));
  EXPECT_EQ(values_in(look().routes), std::vector{two});
  EXPECT_EQ(ask(100)[kNew], 25);
  address_ = addresses_.at("devcheckoutadmin");
  EXPECT_EQ(ask(100)[kNew], 25);
}

TEST_F(HaproxyTest, AFolderWithALongPathWillDo) {
  const std::string below = folder_.path() + "/" + std::string(60, 'a') + " b/" + std::string(60, 'c');
  std::filesystem::create_directories(below);
  HaproxyOptions far = options();
  far.folder = below;
  Instance instance(kOld);
  {
    auto opened = open_haproxy(far);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    const Status served = (*opened)->serve(route({{kOld, {&instance}, 100}}));
    EXPECT_TRUE(served.ok()) << served.error().message;
    EXPECT_EQ(ask(10)[kOld], 10);
  }
  EXPECT_TRUE(stop_haproxy(below).ok());
}

TEST_F(HaproxyTest, OpenedToReadOnlyMakesNothing) {
  HaproxyOptions reading = options();
  reading.read_only = true;
  auto opened = open_haproxy(reading);
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  auto view = (*opened)->observe();
  ASSERT_TRUE(view.ok()) << view.error().message;
  EXPECT_TRUE(view->routes.empty());
  Instance instance(kOld);
  EXPECT_FALSE((*opened)->serve(route({{kOld, {&instance}, 100}})).ok());
  EXPECT_FALSE((*opened)->unserve(route({}).key).ok());
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

}  // namespace
}  // namespace nelson::haproxy_test
