#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "controller/domains/haproxy/control.h"
#include "controller/domains/haproxy/haproxy.h"
#include "controller/domains/haproxy/layout.h"
#include "tests/controller/domains/haproxy/servers.h"
#include "tests/controller/domains/values.h"

namespace nelson::haproxy_test {

using namespace std::chrono_literals;

constexpr const char* kOld = "checkout--1-0-0--0000aaaa";
constexpr const char* kNew = "checkout--1-1-0--0000bbbb";
constexpr const char* kNewer = "checkout--1-2-0--0000cccc";

inline bool eventually(const std::function<bool()>& holds, std::chrono::seconds limit = 20s) {
  for (const auto deadline = std::chrono::steady_clock::now() + limit; std::chrono::steady_clock::now() < deadline;) {
    if (holds()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return holds();
}

struct StackOf {
  std::string name;
  std::vector<Instance*> instances;
  int percent;
};

/// A domain's folder with an HAProxy in it, which ends with the test whatever happens.
class HaproxyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!find_haproxy()) GTEST_SKIP() << "haproxy is not installed: apt-get install haproxy";
    address_ = free_port();
  }

  void TearDown() override {
    balancer_.reset();
    if (find_haproxy()) {
      EXPECT_TRUE(stop_haproxy(folder_.path()).ok());
    }
  }

  HaproxyOptions options() {
    HaproxyOptions options;
    options.folder = folder_.path();
    options.program = *find_haproxy();
    options.drain_limit = drain_limit_;
    options.address_of = [this](const TrafficKey& key, const Port& port) -> Result<Endpoint> {
      if (key.name_space == "dev" && key.unit == "checkout" && port.name == "default")
        return Endpoint{port.name, "127.0.0.1", address_};
      const std::string name = key.name_space + key.unit + port.name;
      if (!addresses_.contains(name)) addresses_[name] = free_port();
      return Endpoint{port.name, "127.0.0.1", addresses_[name]};
    };
    options.changed = [this] { ++changes_; };
    return options;
  }

  void open() {
    balancer_.reset();
    auto opened = open_haproxy(options());
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    balancer_ = std::move(*opened);
  }

  static Route route(const std::vector<StackOf>& stacks, bool checked = true, const std::string& unit = "checkout") {
    Route route;
    route.key = {"local", "dev", unit, 1};
    route.ports = {{"default", 8080, Protocol::kHttp}};
    for (const StackOf& stack : stacks) {
      Backend backend{stack.name, stack.percent, {}, {}};
      for (std::size_t i = 0; i < stack.instances.size(); ++i)
        backend.servers.push_back({static_cast<std::int32_t>(i), {{"default", "127.0.0.1", stack.instances[i]->port()}}});
      if (checked) backend.checks = {{"health", "default", Protocol::kHttp, "/health", 200ms, 2s}};
      route.backends.push_back(backend);
    }
    return route;
  }

  void serve(const Route& route) {
    const Status served = balancer_->serve(route);
    ASSERT_TRUE(served.ok()) << served.error().message;
  }

  BalancerView look() {
    auto view = balancer_->observe();
    EXPECT_TRUE(view.ok()) << view.error().message;
    return view ? *view : BalancerView{};
  }

  /// How many of `count` requests each name answered, on one connection that stays; fails on any that is not answered.
  std::map<std::string, int> ask(int count) {
    std::map<std::string, int> answers;
    Client client(address_);
    for (int i = 0; i < count; ++i) {
      const auto answer = client.get("/");
      EXPECT_TRUE(answer.has_value()) << "request " << i << ": " << client.trouble();
      if (!answer) break;
      ++answers[*answer];
    }
    return answers;
  }

  haproxy::Processes processes() {
    const auto found = haproxy::Control(folder_.path() + "/haproxy").processes();
    return found && *found ? **found : haproxy::Processes{};
  }

  std::string worker_says(const std::string& command) {
    const auto said = haproxy::Control(folder_.path() + "/haproxy").ask_worker(processes().worker, {command});
    return said ? *said : said.error().message;
  }

  void kill_haproxy() {
    const pid_t master = processes().master;
    ASSERT_GT(master, 1);
    ASSERT_EQ(::kill(master, SIGKILL), 0);
    ASSERT_TRUE(eventually([&] { return !haproxy::Control(folder_.path() + "/haproxy").listens(); }));
  }

  /// 2,000 requests; the share of `kNew` within 4 points of `percent`, and nothing but `kOld` besides.
  void expect_share(int percent) {
    auto answers = ask(2000);
    EXPECT_EQ(answers[kOld] + answers[kNew], 2000);
    EXPECT_NEAR(answers[kNew] / 20.0, percent, 4.0);
  }

  TemporaryFolder folder_;
  std::uint16_t address_ = 0;
  Duration drain_limit_ = 60s;
  std::map<std::string, std::uint16_t> addresses_;
  std::atomic<int> changes_ = 0;
  std::unique_ptr<Balancer> balancer_;
};

/// One old and one new instance, without a sick one.
class Changes : public HaproxyTest {
 protected:
  void SetUp() override {
    HaproxyTest::SetUp();
    if (!IsSkipped()) open();
  }

  Route at(int percent) { return route({{kOld, {&old_}, 100 - percent}, {kNew, {&new_}, percent}}); }

  std::int32_t sessions_of(const std::string& stack) {
    for (const Sessions& sessions : look().sessions)
      if (sessions.stack == stack && sessions.index == 0) return sessions.count;
    return 0;
  }

  /// Asks for a slow answer and returns once it is under way on the old stack.
  std::future<std::optional<std::string>> ask_slowly() {
    auto answer = std::async(std::launch::async, [this] { return Client(address_).get("/slow"); });
    EXPECT_TRUE(eventually([&] { return sessions_of(kOld) == 1; }));
    return answer;
  }

  Instance old_{kOld}, new_{kNew};
};

}  // namespace nelson::haproxy_test
