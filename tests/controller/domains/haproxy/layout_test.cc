#include "controller/domains/haproxy/layout.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "controller/domains/haproxy/readings.h"

namespace nelson::haproxy {
namespace {

using namespace std::chrono_literals;

Route sample() {
  Route route;
  route.key = {"local", "dev/sandbox", "checkout", 1};
  route.ports = {{"default", 8080, Protocol::kHttp}, {"raw", 9000, Protocol::kTcp}};
  Backend old{"checkout--1-0-0--0000aaaa", 75, {{0, {{"default", "127.0.0.1", 20000}, {"raw", "127.0.0.1", 20001}}}}, {}};
  old.checks = {{"health", "default", Protocol::kHttp, "/health", 10s, 2s}};
  Backend next = old;
  next.stack = "checkout--1-1-0--0000bbbb";
  next.percent = 25;
  next.servers.push_back({1, {{"default", "127.0.0.1", 20002}, {"raw", "127.0.0.1", 20003}}});
  route.backends = {old, next};
  return route;
}

Table table_of(const Route& route) {
  return {{route.key, {route, {{"default", "127.0.0.1", 25000}, {"raw", "127.0.0.1", 25001}}}}};
}

TEST(Layout, EqualTablesGiveEqualConfigurationsAndPercentsDoNotMatter) {
  const Configuration one = configuration(table_of(sample()), {});
  Route shifted = sample();
  shifted.backends[0].percent = 10;
  shifted.backends[1].percent = 90;
  EXPECT_EQ(configuration(table_of(shifted), {}).text, one.text);
  EXPECT_TRUE(same_structure(sample(), shifted));
  shifted.backends[1].servers.pop_back();
  EXPECT_NE(configuration(table_of(shifted), {}).digest, one.digest);
  EXPECT_FALSE(same_structure(sample(), shifted));
  EXPECT_EQ(digest_in(one.text), one.digest);
  EXPECT_EQ(digest_in("nelson " + one.digest), one.digest);
  EXPECT_EQ(digest_in("somebody else's"), "");
  EXPECT_EQ(digest_in("nelson 12"), "");
}

TEST(Layout, ACheckIsPerformedOnceForAllPortsOfAnInstance) {
  const std::string text = configuration(table_of(sample()), {}).text;
  std::size_t checks = 0;
  for (std::size_t at = text.find("backend check:"); at != std::string::npos; at = text.find("backend check:", at + 1)) ++checks;
  EXPECT_EQ(checks, 3u);
  EXPECT_NE(text.find("server 1 127.0.0.1:20003 weight 100 track check:checkout--1-1-0--0000bbbb:1/check"), std::string::npos)
      << text;
}

struct Wrong {
  const char* name;
  std::function<void(Route&)> spoil;
  const char* says;
};

class WrongRoutes : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongRoutes, AreRefusedWithTheirPlace) {
  Route route = sample();
  ASSERT_TRUE(check(route).ok());
  GetParam().spoil(route);
  const Status checked = check(route);
  ASSERT_FALSE(checked.ok());
  EXPECT_EQ(checked.error().kind, ErrorKind::kInvalid);
  EXPECT_NE(checked.error().message.find(GetParam().says), std::string::npos) << checked.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Layout, WrongRoutes,
    ::testing::Values(
        Wrong{"PercentsThatDoNotSumTo100", [](Route& route) { route.backends[0].percent = 74; }, "sum to 99"},
        Wrong{"ANegativePercent",
              [](Route& route) {
                route.backends[0].percent = -1;
                route.backends[1].percent = 101;
              },
              "outside 0 to 100"},
        Wrong{"NoStacks", [](Route& route) { route.backends.clear(); }, "sum to 0"},
        Wrong{"NoPorts", [](Route& route) { route.ports.clear(); }, "no ports"},
        Wrong{"APortTwice", [](Route& route) { route.ports[1].name = "default"; }, "twice"},
        Wrong{"APortNameThatEndsTheLine", [](Route& route) { route.ports[0].name = "a\n  bind :80"; }, "no port has the name"},
        Wrong{"AnAddressThatEndsTheLine",
              [](Route& route) { route.backends[0].servers[0].endpoints[0].host = "127.0.0.1\nglobal"; }, "no address"},
        Wrong{"AHostName", [](Route& route) { route.backends[0].servers[0].endpoints[0].host = "localhost"; }, "no address"},
        Wrong{"PortZero", [](Route& route) { route.backends[0].servers[0].endpoints[0].number = 0; }, "no address"},
        Wrong{"AStackNameThatIsNone", [](Route& route) { route.backends[0].stack = "checkout }"; }, "no stack's name"},
        Wrong{"StacksNotSorted", [](Route& route) { std::swap(route.backends[0], route.backends[1]); }, "not sorted"},
        Wrong{"AServerTwice", [](Route& route) { route.backends[1].servers[1].index = 0; }, "order of their indexes"},
        Wrong{"ANamespaceThatLeadsElsewhere", [](Route& route) { route.key.name_space = "../dev"; }, "no namespace"},
        Wrong{"ACheckWithoutInterval", [](Route& route) { route.backends[0].checks[0].interval = 0ms; }, "no interval"},
        Wrong{"AnEndlessPath", [](Route& route) { route.backends[0].checks[0].path = std::string(3000, 'a'); }, "longer than"}),
    [](const auto& info) { return info.param.name; });

TEST(Layout, ThePathOfACheckCannotLeaveItsRequest) {
  Route route = sample();
  route.backends[0].checks[0].path = "/a b\r\nHost: other\r\n\r\n\" \\ # $(x)";
  ASSERT_TRUE(check(route).ok());
  const std::string text = configuration(table_of(route), {}).text;
  EXPECT_EQ(text.find("other"), std::string::npos);
  EXPECT_EQ(text.find('#', 1), std::string::npos);
  // "GET /a%20b%0D%0AHost:%20other"
  EXPECT_NE(text.find("474554202f6125323062253044253041486f73743a2532306f74686572"), std::string::npos) << text;
}

TEST(Layout, WeightsComeBackFromTheMapTheyAreWrittenAs) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    Route route = sample();
    route.backends.resize(1);
    route.backends[0].percent = 100;
    for (int more = static_cast<int>(random() % 4); more > 0; --more) {
      Backend& from = route.backends[random() % route.backends.size()];
      Backend backend = from;
      backend.stack = "checkout--2-0-" + std::to_string(more) + "--0000aaaa";
      backend.percent = static_cast<std::int32_t>(random() % static_cast<std::uint32_t>(from.percent + 1));
      from.percent -= backend.percent;
      route.backends.push_back(backend);
    }
    const Weighed read = read_weights(weight_lines(route));
    EXPECT_EQ(read.map, map_name(route.key));
    for (const Backend& backend : route.backends) {
      const auto found = read.percents.find(backend.stack);
      EXPECT_EQ(found == read.percents.end() ? 0 : found->second, backend.percent);
    }
  }
}

TEST(Readings, OfProcessesTellOldWorkersFromTheOneThatServes) {
  const Processes found = read_processes(
      "#<PID>          <type>          <reloads>       <uptime>        <version>      \n"
      "28664           master          2 [failed: 0]   0d00h11m09s     2.6.12\n"
      "# workers\n"
      "5136            worker          0               0d00h00m00s     2.6.12\n"
      "# old workers\n"
      "28667           worker          1               0d00h11m09s     2.6.12\n"
      "28668           worker          2               0d00h12m09s     2.6.12\n"
      "# programs\n\n");
  EXPECT_EQ(found.master, 28664);
  EXPECT_EQ(found.worker, 5136);
  EXPECT_EQ(found.old_workers, (std::vector<pid_t>{28667, 28668}));
  EXPECT_EQ(found.most_reloads, 2);
}

TEST(Readings, OfNonsenseAreEmpty) {
  for (const char* text :
       {"", "\n\n", "x", "Unknown command\n", "1,2\n", "0x", "# old workers\nx worker\n", ",,,,,,,,,,,,,,,,,,,,,,,,,,\n"}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(read_processes(text).worker, 0);
    EXPECT_LE(read_stat(text).size(), 1u);
    EXPECT_EQ(sick_servers(text), "");
    EXPECT_EQ(field_of(text, "description"), "");
    EXPECT_TRUE(read_weights({{text, text}}).percents.empty());
    EXPECT_EQ(read_maps(text).size(), 1u);
    EXPECT_LE(read_sessions(text).size(), 1u);
  }
}

TEST(Readings, KeepOnlyInstancesThatTheirOwnChecksFoundSick) {
  EXPECT_EQ(sick_servers("1\n# be_id be_name\n"
                         "3 check:a--1-0-0--0000aaaa:0 1 check 127.0.0.1 0 0 1 1 9\n"
                         "4 check:a--1-0-0--0000aaaa:1 1 check 127.0.0.1 2 0 1 1 9\n"
                         "5 check:a--1-0-0--0000aaaa:2 1 check 127.0.0.1 0 1 1 1 9\n"
                         "6 stack:a--1-0-0--0000aaaa:default 1 0 127.0.0.1 0 0 100 100 9\n"),
            "1\n# be_id be_name\n3 check:a--1-0-0--0000aaaa:0 1 check 127.0.0.1 0 0 1 1 9\n");
}

}  // namespace
}  // namespace nelson::haproxy
