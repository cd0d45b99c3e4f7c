#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "controller/status/server.h"
#include "tests/controller/status/client.h"
#include "tests/controller/status/situations.h"

namespace nelson::status_test {
namespace {

using Json = nlohmann::json;
using std::chrono::minutes;
using std::chrono::seconds;

class Api : public testing::Test {
 protected:
  void SetUp() override { start({}); }

  void start(StatusOptions options) {
    server_.reset();
    options.listen = "127.0.0.1:0";
    Result<std::unique_ptr<StatusServer>> server = StatusServer::open(std::move(options));
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }

  std::string answer(const std::string& target) { return ask(server_->address(), get(target)); }
  int status(const std::string& target) { return status_of_answer(answer(target)); }
  std::string body(const std::string& target) { return body_of(answer(target)); }
  Json json(const std::string& target) {
    const std::string text = answer(target);
    EXPECT_EQ(status_of_answer(text), 200) << target << "\n" << text;
    EXPECT_EQ(field_of(text, "Content-Type"), "application/json");
    return Json::parse(body_of(text));
  }
  std::vector<Json> services() { return json("/v1/status").at("services"); }
  std::vector<std::string> names(const std::string& target) {
    std::vector<std::string> out;
    for (const Json& item : json(target)) out.push_back(item.at("stack_name"));
    return out;
  }

  std::unique_ptr<StatusServer> server_;
};

Situation in_mid_shift() {
  Situation situation;
  situation.release("checkout", {1, 5, 0}, kCommit2);
  situation.advance(minutes(7));
  return situation;
}

TEST_F(Api, SaysThatItIsStartingUntilTheFirstPass) {
  EXPECT_EQ(body("/healthz"), "ok\n");
  EXPECT_EQ(status("/readyz"), 503);
  EXPECT_NE(body("/readyz").find("the control repository was not read yet"), std::string::npos);
  EXPECT_EQ(status("/"), 200);
  EXPECT_NE(body("/").find("Starting"), std::string::npos);
  EXPECT_EQ(json("/v1/deployments?ns=*"), Json::array());
  EXPECT_EQ(json("/v1/status").at("converged"), false);
  EXPECT_EQ(json("/v1/commits/1111111").at("state"), "unknown");
}

TEST_F(Api, IsReadyWhileItsDomainsAnswerAndPassesEnd) {
  Situation situation;
  server_->publish(situation.view());
  EXPECT_EQ(body("/readyz"), "ready\n");

  start({});
  situation.observed.domains.at("local").scheduler = {false, "connection refused; start it"};
  server_->publish(situation.view());
  EXPECT_EQ(status("/readyz"), 503);
  EXPECT_NE(body("/readyz").find("the scheduler of domain local does not answer: connection refused"), std::string::npos);

  start({});
  ViewInput input = Situation().input();
  input.interval = std::chrono::milliseconds(1);
  server_->publish(build_view(std::move(input)));
  const auto end = std::chrono::steady_clock::now() + seconds(20);
  while (status("/readyz") == 200 && std::chrono::steady_clock::now() < end) {
  }
  EXPECT_NE(body("/readyz").find("the last pass ended"), std::string::npos);
  EXPECT_NE(body("/").find("no pass has ended for"), std::string::npos);

  start({});
  input = Situation().input();
  input.pass = 0;
  server_->publish(build_view(std::move(input)));
  EXPECT_NE(body("/readyz").find("the first pass has not ended yet"), std::string::npos);
}

TEST_F(Api, ListsDeploymentsInTheShapeThatClientsKnow) {
  Situation situation = in_mid_shift();
  server_->publish(situation.view());
  const Json list = json("/v1/deployments?ns=dev&unit=checkout");
  ASSERT_EQ(list.size(), 2U);
  const Json& item = list[1];
  EXPECT_EQ(item.at("stack_name"), situation.name("checkout", {1, 5, 0}));
  EXPECT_EQ(item.at("deployed_at"), situation.stack("checkout", {1, 5, 0}).record->launched->time_since_epoch().count());
  EXPECT_EQ(item.at("workflow"), "local");
  EXPECT_EQ(item.at("guid").get<std::string>().size(), 12U);
  EXPECT_EQ(item.at("unit"), "checkout");
  EXPECT_EQ(item.at("plan"), "default");
  EXPECT_EQ(item.at("resources"), Json::array());
  EXPECT_EQ(item.at("datacenter"), "local");
  EXPECT_EQ(item.at("namespace"), "dev");
  EXPECT_EQ(item.at("status"), "ready");
  EXPECT_EQ(item.at("commit"), kCommit2);
  EXPECT_EQ(item.at("version"), "1.5.0");
  EXPECT_EQ(item.at("weight"), 35);
  EXPECT_EQ(list[0].at("weight"), 65);
  EXPECT_EQ(item.at("instances"), Json({{"wanted", 2}, {"healthy", 2}, {"restarts", 0}}));
}

TEST_F(Api, FiltersAndPagesTheList) {
  server_->publish(build_view(large_fleet(40)));
  const std::vector<std::string> all = names("/v1/deployments?ns=*");
  ASSERT_EQ(all.size(), 40U);
  EXPECT_EQ(names("/v1/deployments?ns=dev").size(), 30U);
  EXPECT_EQ(names("/v1/deployments?namespace=prod").size(), 10U);
  EXPECT_EQ(names("/v1/deployments?ns=dev,%20prod"), all);
  EXPECT_EQ(names("/v1/deployments?ns=prod,dev&status=ALL&dc=Local"), all);
  EXPECT_EQ(names("/v1/deployments?ns=*&status=ready,pending"), all);
  EXPECT_EQ(names("/v1/deployments?ns=*&status=garbage").size(), 0U);
  EXPECT_EQ(names("/v1/deployments?ns=*&status=Active"), names("/v1/deployments?ns=*&status=ready"));
  EXPECT_EQ(names("/v1/deployments?ns=*&status=manual").size(), 0U);
  EXPECT_EQ(names("/v1/deployments?ns=*&status=nothing").size(), 0U) << "a word nobody knows means unknown";
  EXPECT_EQ(names("/v1/deployments?ns=*&dc=elsewhere").size(), 0U);
  EXPECT_EQ(names("/v1/deployments?ns=*&unit=unit7").size(), 1U);
  EXPECT_EQ(names("/v1/deployments?ns=prod&unit=unit7").size(), 0U);

  std::vector<std::string> paged;
  for (int offset = 0; offset < 50; offset += 7)
    for (const std::string& name : names("/v1/deployments?ns=*&limit=7&offset=" + std::to_string(offset))) paged.push_back(name);
  EXPECT_EQ(paged, all);
  paged.clear();
  for (int offset = 0; offset < 50; offset += 7)
    for (const std::string& name :
         names("/v1/deployments?ns=prod,dev&status=all&dc=local&limit=7&offset=" + std::to_string(offset)))
      paged.push_back(name);
  EXPECT_EQ(paged, all) << "merged from several buckets, in the same order";
  EXPECT_EQ(field_of(answer("/v1/deployments?ns=dev&limit=7"), "X-Total-Count"), "30");
  EXPECT_EQ(names("/v1/deployments?ns=*&limit=0").size(), 0U);
}

TEST_F(Api, RefusesAListItDoesNotUnderstand) {
  EXPECT_EQ(status("/v1/deployments"), 400);
  EXPECT_EQ(body("/v1/deployments?ns="), "This endpoint requires a non-empty 'ns' parameter.\n");
  EXPECT_EQ(status("/v1/deployments?ns=DEV!"), 400);
  EXPECT_NE(body("/v1/deployments?ns=dev,DEV!").find("name 2 of 'ns' is not a namespace"), std::string::npos);
  EXPECT_EQ(status("/v1/deployments?ns=dev&limit=-1"), 400);
  EXPECT_EQ(status("/v1/deployments?ns=dev&offset=many"), 400);
  EXPECT_EQ(body("/v1/deployments?ns=%1b%5b31m").find('\x1b'), std::string::npos);
}

TEST_F(Api, ShowsOneDeploymentWithItsReasons) {
  Situation situation = in_mid_shift();
  server_->publish(situation.view());
  const std::string name = situation.name("checkout", {1, 4, 2});
  const Json item = json("/v1/deployments/" + name);
  EXPECT_EQ(item, json("/v1/deployments/" + item.at("guid").get<std::string>()));
  EXPECT_EQ(item.at("stack_name"), name);
  EXPECT_EQ(item.at("namespace"), "dev");
  EXPECT_EQ(item.at("expiration"), (situation.now + minutes(30)).time_since_epoch().count()) << "kept: from now on";
  EXPECT_EQ(item.at("statuses").at(0).at("status"), "ready");
  EXPECT_EQ(item.at("statuses").back().at("status"), "pending");
  ASSERT_EQ(item.at("dependencies").at("outbound").size(), 1U);
  EXPECT_EQ(item.at("dependencies").at("outbound").at(0).at("stack_name"), situation.name("stock", {3, 0, 2}));
  EXPECT_EQ(item.at("dependencies").at("outbound").at(0).at("weight"), 100);
  EXPECT_NE(item.at("reasons").at("lives").get<std::string>().find("serves until"), std::string::npos);
  EXPECT_NE(item.at("reasons").at("goes").get<std::string>().find("13 minutes"), std::string::npos);
  EXPECT_EQ(item.at("runs").size(), 2U);
  EXPECT_FALSE(item.at("history").empty());

  const Json called = json("/v1/deployments/" + situation.name("stock", {3, 0, 2}));
  EXPECT_EQ(called.at("dependencies").at("inbound").size(), 2U);
  EXPECT_EQ(status("/v1/deployments/nothing"), 404);
}

TEST_F(Api, WhatNothingKeepsShowsWhenItGoes) {
  Situation situation = in_mid_shift();
  situation.advance(minutes(20));
  ASSERT_TRUE(situation.stack("checkout", {1, 4, 2}).record->kept_no_longer_since);
  server_->publish(situation.view());
  const Json item = json("/v1/deployments/" + situation.name("checkout", {1, 4, 2}));
  const Instant expires = *situation.stack("checkout", {1, 4, 2}).record->kept_no_longer_since + minutes(30);
  EXPECT_EQ(item.at("expiration"), expires.time_since_epoch().count());
  EXPECT_EQ(item.at("reasons").at("lives"), "no rule keeps it");
  EXPECT_NE(item.at("reasons").at("goes").get<std::string>().find("in 2"), std::string::npos) << item.at("reasons").at("goes");
}

TEST_F(Api, StatusTellsTheWholeSituation) {
  Situation situation = in_mid_shift();
  situation.instances("stock", {3, 0, 2}, InstanceState::kBackoff, Health::kFailing, "exit status 1");
  server_->publish(situation.view());
  const Json status = json("/v1/status");
  EXPECT_EQ(status.at("pass"), 42);
  EXPECT_EQ(status.at("settled"), false);
  EXPECT_EQ(status.at("control").at("commit"), kControl);
  EXPECT_EQ(status.at("domains").at(0).at("sources").at("balancer").at("complete"), true);
  EXPECT_EQ(status.at("repositories").at(1).at("name"), "shop");
  EXPECT_EQ(status.at("repositories").at(1).at("state"), "current");
  ASSERT_EQ(status.at("services").size(), 4U);
  const Json& checkout = status.at("services").at(1);
  EXPECT_EQ(checkout.at("unit"), "checkout");
  EXPECT_EQ(checkout.at("moving"), true);
  ASSERT_EQ(checkout.at("stacks").size(), 2U);
  EXPECT_EQ(checkout.at("stacks").at(0).at("percent"), 65);
  EXPECT_EQ(checkout.at("stacks").at(1).at("wanted"), true);
  ASSERT_FALSE(status.at("trouble").empty());
  const Json& trouble = status.at("trouble").at(0);
  EXPECT_EQ(trouble.at("unit"), "stock");
  EXPECT_EQ(trouble.at("code"), "unhealthy");
  EXPECT_NE(trouble.at("cause").get<std::string>().find("exit status 1"), std::string::npos);
  EXPECT_NE(trouble.at("way_out").get<std::string>().find("nelson logs"), std::string::npos);
  EXPECT_EQ(trouble.at("since"), format_instant(situation.now - minutes(4)));
}

/// A job that runs once, was launched, and has failed for good.
Situation with_failed_job() {
  Situation situation;
  auto& report = situation.desired.cells.at({"local", "report"}).stacks.front();
  report.spec.schedule = "once";
  report.version = {1, 1, 0};
  situation.settle();
  situation.stack("report", {1, 1, 0}).record->job_result = JobResult::kFailed;
  situation.settle();
  return situation;
}

TEST_F(Api, AJobThatFailedForGoodIsTroubleAndNoCommitIsLiveWithIt) {
  Situation situation = with_failed_job();
  server_->publish(situation.view());
  const Json status = json("/v1/status");
  ASSERT_EQ(status.at("trouble").size(), 1U) << status.at("trouble");
  EXPECT_EQ(status.at("trouble").at(0).at("code"), "job-failed");
  EXPECT_EQ(status.at("trouble").at(0).at("unit"), "report");
  for (const Json& service : status.at("services")) EXPECT_EQ(service.at("moving"), false) << service;
  const Json commit = json("/v1/commits/" + kCommit1);
  EXPECT_EQ(commit.at("state"), "failed") << commit;
}

TEST_F(Api, WhatRetiredIdleIsNotOnItsWay) {
  Situation situation;
  situation.desired.domains.at("local").retire_idle = true;
  situation.settle();
  situation.advance(std::chrono::hours(12));
  ASSERT_TRUE(situation.stack("cart", {0, 9, 1}).record->tombstone) << "nobody calls it";
  server_->publish(situation.view());
  for (const Json& service : services()) EXPECT_EQ(service.at("moving"), false) << service;
  EXPECT_EQ(json("/v1/commits/" + kCommit1).at("state"), "live") << body("/v1/commits/" + kCommit1);
}

TEST_F(Api, AJobThatRanAndComesBackWithARevertIsLiveWithoutRunningAgain) {
  Situation situation = with_failed_job();
  situation.stack("report", {1, 1, 0}).record->job_result = JobResult::kSucceeded;
  auto& report = situation.desired.cells.at({"local", "report"}).stacks.front();
  report.version = {1, 2, 0};
  situation.settle();
  situation.advance(std::chrono::hours(2));
  ASSERT_TRUE(situation.stack("report", {1, 1, 0}).record->removed);
  report.version = {1, 1, 0};
  situation.settle();
  situation.advance(std::chrono::hours(2));
  ASSERT_TRUE(situation.stack("report", {1, 1, 0}).record->removed) << "it does not run again";
  server_->publish(situation.view());
  for (const Json& service : services()) EXPECT_EQ(service.at("moving"), false) << service;
  EXPECT_EQ(json("/v1/commits/" + kCommit1).at("state"), "live") << body("/v1/commits/" + kCommit1);
}

TEST_F(Api, NothingIsCalledConvergedOnAPartialOrOldView) {
  Situation situation;
  server_->publish(situation.view());
  EXPECT_EQ(json("/v1/status").at("converged"), true);
  EXPECT_NE(body("/metrics").find("nelson_converged 1\n"), std::string::npos);

  situation.observed.domains.at("local").memory = {false, "no answer"};
  server_->publish(situation.view());
  EXPECT_EQ(json("/v1/status").at("converged"), false);
  EXPECT_NE(body("/metrics").find("nelson_converged 0\n"), std::string::npos);

  ViewInput input = Situation().input();
  input.interval = std::chrono::milliseconds(1);
  server_->publish(build_view(std::move(input)));
  const auto end = std::chrono::steady_clock::now() + seconds(20);
  Json status = json("/v1/status");
  while (status.at("converged") == true && std::chrono::steady_clock::now() < end) status = json("/v1/status");
  EXPECT_EQ(status.at("converged"), false);
  ASSERT_FALSE(status.at("trouble").empty());
  EXPECT_EQ(status.at("trouble").at(0).at("code"), "stale");
}

TEST_F(Api, TroubleOfSeveralUnitsNamesThemAll) {
  Situation situation;
  ViewInput input = situation.input();
  for (const char* unit : {"cart", "stock"}) {
    Hold hold;
    hold.cell = {"local", unit};
    hold.subject = unit;
    hold.code = "domain-gone";
    hold.reason = "no file names the domain";
    hold.clears_when = "it is restored";
    hold.trouble = true;
    input.plan.held.push_back(hold);
  }
  server_->publish(build_view(std::move(input)));
  const Json status = json("/v1/status");
  ASSERT_EQ(status.at("trouble").size(), 1U);
  const Json& trouble = status.at("trouble").at(0);
  EXPECT_EQ(trouble.at("unit"), "");
  EXPECT_EQ(trouble.at("subject"), "");
  EXPECT_EQ(trouble.at("units"), (Json{"cart", "stock"}));
}

TEST_F(Api, AProblemOfAFileComesWithItsParameters) {
  Situation situation = in_mid_shift();
  Problem problem;
  problem.repository = "shop";
  problem.code = "UnknownKey";
  problem.parameters = {{"key", "instnaces"}, {"object", "plan"}};
  situation.desired.problems = {problem};
  server_->publish(situation.view());
  const Json told = json("/v1/status").at("repositories").at(1).at("problems").at(0);
  EXPECT_EQ(told.at("code"), "UnknownKey");
  EXPECT_EQ(told.at("parameters"), (Json{{"key", "instnaces"}, {"object", "plan"}}));
}

struct CommitCase {
  std::string name;
  std::function<void(Situation&)> change;
  std::string commit, state;
};

void PrintTo(const CommitCase& c, std::ostream* out) { *out << c.name; }

class OfCommit : public Api, public testing::WithParamInterface<CommitCase> {};

TEST_P(OfCommit, TheStateIsToldToWhoWaits) {
  Situation situation;
  GetParam().change(situation);
  server_->publish(situation.view());
  EXPECT_EQ(json("/v1/commits/" + GetParam().commit).at("state"), GetParam().state) << body("/v1/commits/" + GetParam().commit);
}

const std::string kBroken = "9999999999999999999999999999999999999999";

INSTANTIATE_TEST_SUITE_P(
    Commits, OfCommit,
    testing::Values(CommitCase{"live_when_all_is_ready", [](Situation&) {}, kCommit1, "live"},
                    CommitCase{"a_prefix_is_enough", [](Situation&) {}, "1111111", "live"},
                    CommitCase{"capital_digits_are_understood", [](Situation&) {}, "CCCCCCCC", "live"},
                    CommitCase{"the_control_repositorys_own", [](Situation&) {}, kControl, "live"},
                    CommitCase{"nobody_knows_it", [](Situation&) {}, "abcdef1", "unknown"},
                    CommitCase{"not_live_before_the_traffic_has_come",
                               [](Situation& s) {
                                 s.release("checkout", {1, 5, 0}, kCommit2);
                                 s.advance(minutes(7));
                               },
                               kCommit2, "progressing"},
                    CommitCase{"live_when_the_traffic_has_come",
                               [](Situation& s) {
                                 s.release("checkout", {1, 5, 0}, kCommit2);
                                 s.advance(minutes(25));
                               },
                               kCommit2, "live"},
                    CommitCase{"progressing_before_anything_was_launched",
                               [](Situation& s) {
                                 s.desired.cells.at({"local", "cart"}).stacks.front().version = {0, 9, 2};
                                 s.desired.cells.at({"local", "cart"}).stacks.front().commit = kCommit2;
                                 s.desired.repositories.at("shop").head = kCommit2;
                               },
                               kCommit2, "progressing"},
                    CommitCase{"failed_when_its_instances_keep_exiting",
                               [](Situation& s) {
                                 s.release("cart", {0, 9, 2}, kCommit2);
                                 s.instances("cart", {0, 9, 2}, InstanceState::kBackoff, Health::kFailing, "exit status 1");
                                 s.stack("cart", {0, 9, 2}).record->ready.reset();
                               },
                               kCommit2, "failed"},
                    CommitCase{"failed_when_its_manifest_does_not_read",
                               [](Situation& s) {
                                 Problem problem;
                                 problem.repository = "shop";
                                 problem.commit = kBroken;
                                 problem.message = "unknown key";
                                 s.desired.problems = {problem};
                                 s.desired.repositories.at("shop") = {RepositoryState::kLastGood, kBroken, ""};
                               },
                               kBroken, "failed"},
                    CommitCase{"a_warning_is_no_failure",
                               [](Situation& s) {
                                 Problem problem;
                                 problem.repository = "shop";
                                 problem.commit = kCommit1;
                                 problem.warning = true;
                                 s.desired.problems = {problem};
                               },
                               kCommit1, "live"},
                    CommitCase{"failed_when_two_repositories_claim_the_unit",
                               [](Situation& s) {
                                 DesiredCell& cell = s.desired.cells.at({"local", "cart"});
                                 cell.stacks.push_back(cell.stacks.front());
                                 cell.stacks.back().repository = "stock";
                                 cell.claimants = {"shop", "stock"};
                                 s.observed.cells.at({"local", "cart"}) = {};
                                 s.desired.repositories.at("stock").head = kCommit2;
                               },
                               kCommit2, "failed"},
                    CommitCase{"a_sick_old_version_does_not_fail_the_new_one",
                               [](Situation& s) {
                                 s.release("checkout", {1, 5, 0}, kCommit2);
                                 s.advance(minutes(25));
                                 s.instances("checkout", {1, 4, 2}, InstanceState::kBackoff, Health::kFailing, "exit status 1");
                               },
                               kCommit2, "live"},
                    CommitCase{"live_when_it_is_a_patch_that_nothing_needs",
                               [](Situation& s) {
                                 DesiredCell& cell = s.desired.cells.at({"local", "cart"});
                                 cell.stacks.push_back(cell.stacks.front());
                                 cell.stacks.front().version = {5, 0, 0};
                                 cell.stacks.back().version.major = 7;
                                 cell.stacks.front().commit = kBroken;
                                 cell.stacks.front().patch = true;
                               },
                               kBroken, "live"},
                    CommitCase{"superseded_when_Git_has_gone_on_from_it",
                               [](Situation& s) {
                                 for (const char* name : {"shop", "stock", "reports"})
                                   s.desired.repositories.at(name).head = kBroken;
                                 const auto cells = s.desired.cells;
                                 for (const auto& [key, cell] : cells)
                                   for (DesiredStack& stack : s.desired.cells[key].stacks) stack.commit = kBroken;
                               },
                               kCommit1, "superseded"}),
    [](const auto& info) { return info.param.name; });

TEST_F(Api, ACommitIsSupersededByANewerRelease) {
  Situation situation;
  situation.desired.cells.at({"local", "checkout"}).stacks.front().commit = "3333333333333333333333333333333333333333";
  situation.settle();
  situation.stack("checkout", {1, 4, 2}).record->commit = "3333333333333333333333333333333333333333";
  situation.release("checkout", {1, 5, 0}, kCommit2);
  server_->publish(situation.view());
  EXPECT_EQ(json("/v1/commits/3333333").at("state"), "superseded");
  EXPECT_EQ(status("/v1/commits/xyz"), 400);
  EXPECT_EQ(status("/v1/commits/123456"), 400);
}

TEST_F(Api, HistoryIsNewestFirstAndPaged) {
  Situation situation = in_mid_shift();
  server_->publish(situation.view());
  const Json all = json("/v1/history?limit=1000");
  ASSERT_GT(all.size(), 10U);
  EXPECT_GT(all.at(0).at("sequence"), all.at(1).at("sequence"));
  const Json older = json("/v1/history?limit=3&before=" + std::to_string(all.at(4).at("sequence").get<int>()));
  ASSERT_EQ(older.size(), 3U);
  EXPECT_EQ(older.at(0), all.at(5));
  const std::string name = situation.name("checkout", {1, 5, 0});
  for (const Json& entry : json("/v1/history?stack=" + name)) EXPECT_EQ(entry.at("stack"), name);

  StatusOptions options;
  options.history = [](const std::string& stack, std::uint64_t before, std::size_t limit) -> Result<std::vector<JournalEntry>> {
    JournalEntry entry;
    entry.stack = stack;
    entry.sequence = before + limit;
    return std::vector<JournalEntry>{entry};
  };
  start(options);
  EXPECT_EQ(json("/v1/history?stack=a&before=5&limit=7").at(0).at("sequence"), 12);
  options.history = [](const std::string&, std::uint64_t, std::size_t) -> Result<std::vector<JournalEntry>> {
    return unavailable("the disk with the secret name");
  };
  start(options);
  EXPECT_EQ(status("/v1/history"), 500);
  EXPECT_EQ(body("/v1/history").find("secret"), std::string::npos);
}

TEST_F(Api, MetricsAreInPrometheusFormat) {
  server_->publish(in_mid_shift().view());
  const std::string text = body("/metrics");
  for (const char* line :
       {"nelson_passes_total 42\n", "nelson_git_fetches_total 7\n", "nelson_actions_total{effect=\"launch\"} 5\n",
        "deploy_success_count{env=\"dev\"} 4\n", "nelson_stacks{domain=\"local\",status=\"ready\"} 5\n",
        "nelson_held{code=\"shifting\"} 1\n", "nelson_store_bytes 1048576\n", "# TYPE nelson_stacks gauge\n", "nelson_ready 1\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  std::set<std::string> families;
  std::string::size_type at = 0;
  while (at < text.size()) {
    const std::string line = text.substr(at, text.find('\n', at) - at);
    at += line.size() + 1;
    if (line.starts_with("# TYPE ")) {
      EXPECT_TRUE(families.insert(line.substr(7, line.find(' ', 7) - 7)).second) << "twice: " << line;
    } else {
      EXPECT_EQ(families.count(line.substr(0, line.find_first_of("{ "))), 1U) << line;
    }
  }
}

TEST_F(Api, HeadHasTheFieldsOfGetAndNoBody) {
  server_->publish(in_mid_shift().view());
  for (const char* target : {"/", "/v1/status", "/v1/deployments?ns=dev", "/healthz", "/nothing"}) {
    const std::string whole = answer(target);
    Client client(server_->address());
    client.send("HEAD " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n\r\n");
    const std::string head = client.read_answer(true);
    EXPECT_EQ(status_of_answer(head), status_of_answer(whole));
    EXPECT_EQ(field_of(head, "Content-Length"), field_of(whole, "Content-Length")) << target;
    client.send(get("/healthz"));
    EXPECT_EQ(body_of(client.read_answer()), "ok\n") << "nothing was left over after HEAD " << target;
  }
}

TEST_F(Api, EveryAnswerForbidsWhatItDoesNotNeed) {
  server_->publish(in_mid_shift().view());
  for (const char* target :
       {"/", "/v1/status", "/v1/deployments?ns=dev", "/v1/deployments", "/healthz", "/readyz", "/metrics", "/nothing"}) {
    const std::string text = answer(target);
    EXPECT_EQ(field_of(text, "X-Content-Type-Options"), "nosniff") << target;
    EXPECT_EQ(field_of(text, "Cache-Control"), "no-store") << target;
    EXPECT_TRUE(field_of(text, "Content-Security-Policy").starts_with("default-src 'none'")) << target;
    EXPECT_FALSE(field_of(text, "Content-Type").empty()) << target;
  }
  const std::string refused = ask(server_->address(), "POST / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(field_of(refused, "X-Content-Type-Options"), "nosniff");
}

TEST_F(Api, ReadersSeeOneViewOrTheNextNeverAMixture) {
  const auto a = build_view(large_fleet(10));
  const auto b = build_view(large_fleet(60));
  server_->publish(a);
  std::atomic<bool> stop{false};
  std::thread publisher([&] {
    while (!stop) {
      server_->publish(b);
      server_->publish(a);
    }
  });
  Client client(server_->address());
  for (int i = 0; i < 100; ++i) {
    client.send(get("/v1/deployments?ns=*"));
    const std::size_t count = Json::parse(body_of(client.read_answer())).size();
    EXPECT_TRUE(count == 10 || count == 60) << count;
  }
  stop = true;
  publisher.join();
}

TEST_F(Api, APageOfAHundredCostsTheSameInALargeFleet) {
  const auto time_of = [&](std::size_t stacks) {
    server_->publish(build_view(large_fleet(stacks)));
    Client client(server_->address());
    auto best = std::chrono::steady_clock::duration::max();
    for (int i = 0; i < 50; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      client.send(get("/v1/deployments?ns=dev,prod&status=ready&offset=" + std::to_string(stacks / 2) + "&limit=100"));
      EXPECT_EQ(status_of_answer(client.read_answer()), 200);
      best = std::min(best, std::chrono::steady_clock::now() - begin);
    }
    return std::chrono::duration_cast<std::chrono::microseconds>(best);
  };
  const auto small = time_of(kSanitized ? 60 : 500);
  const auto large = time_of(kSanitized ? 600 : 5000);
  std::printf("a page of 100: %lld us of a small fleet, %lld us of one ten times as large\n", static_cast<long long>(small.count()),
              static_cast<long long>(large.count()));
  if (!kSanitized) {
    EXPECT_LT(large, std::chrono::milliseconds(50)) << "under 5 ms in the default build";
  }
}

struct ListenCase {
  std::string name, listen, says;
};

class Listen : public testing::TestWithParam<ListenCase> {};

TEST_P(Listen, RefusesWithAWayOut) {
  StatusOptions options;
  options.listen = GetParam().listen;
  const auto server = StatusServer::open(options);
  ASSERT_FALSE(server);
  EXPECT_NE(server.error().message.find(GetParam().says), std::string::npos) << server.error().message;
}

INSTANTIATE_TEST_SUITE_P(Addresses, Listen,
                         testing::Values(ListenCase{"without_port", "127.0.0.1", "write for example 127.0.0.1:9000"},
                                         ListenCase{"with_a_name", "example.org:80", "write for example"},
                                         ListenCase{"with_a_port_too_large", "127.0.0.1:70000", "write for example"},
                                         ListenCase{"with_half_a_bracket", "[::1:80", "write for example"},
                                         ListenCase{"of_another_machine", "192.0.2.1:0", "this machine has no such address"}),
                         [](const auto& info) { return info.param.name; });

TEST(ListenOn, ATakenPortIsSaidWithAWayOut) {
  StatusOptions options;
  options.listen = "127.0.0.1:0";
  const auto first = StatusServer::open(options);
  ASSERT_TRUE(first);
  options.listen = (*first)->address();
  const auto second = StatusServer::open(options);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::kUnavailable);
  EXPECT_NE(second.error().message.find("something else listens there"), std::string::npos) << second.error().message;
}

TEST(ListenOn, IPv6IsServedToo) {
  StatusOptions options;
  options.listen = "[::1]:0";
  const auto server = StatusServer::open(options);
  if (!server && server.error().message.find("address family") != std::string::npos) GTEST_SKIP() << "this machine has no IPv6";
  if (!server && server.error().message.find("no such address") != std::string::npos) GTEST_SKIP() << "this machine has no ::1";
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_TRUE((*server)->address().starts_with("[::1]:"));
  EXPECT_EQ(body_of(ask((*server)->address(), get("/healthz"))), "ok\n");
}

}  // namespace
}  // namespace nelson::status_test
