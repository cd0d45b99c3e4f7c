#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controller/status/server.h"
#include "tests/controller/status/client.h"
#include "tests/controller/status/situations.h"

namespace nelson::status_test {
namespace {

using std::chrono::minutes;

class Page : public testing::Test {
 protected:
  void SetUp() override {
    StatusOptions options;
    options.listen = "127.0.0.1:0";
    Result<std::unique_ptr<StatusServer>> server = StatusServer::open(std::move(options));
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }

  std::string page(const std::string& target = "/") { return body_of(ask(server_->address(), get(target))); }

  std::unique_ptr<StatusServer> server_;
};

/// Everything a case asks for stands before the services, so in the first screen.
std::string top_of(const std::string& page) {
  const std::size_t begin = page.find("<body>");
  return page.substr(begin, page.find("id=\"services\"") - begin);
}

struct TroubleCase {
  std::string name;
  std::function<void(Situation&)> change;
  std::vector<std::string> shown;  // unit, cause, way out; "since" is the same for all
};

void PrintTo(const TroubleCase& c, std::ostream* out) { *out << c.name; }

class OfTrouble : public Page, public testing::WithParamInterface<TroubleCase> {};

TEST_P(OfTrouble, UnitCauseSinceAndWayOutComeFirst) {
  Situation situation;
  GetParam().change(situation);
  server_->publish(situation.view());
  const std::string top = top_of(page());
  for (const std::string& text : GetParam().shown) EXPECT_NE(top.find(text), std::string::npos) << text << "\nin\n" << top;
  EXPECT_NE(top.find("<h1 class=\"error\">1 thing needs somebody</h1>"), std::string::npos) << top;
  EXPECT_NE(top.find("4 minutes"), std::string::npos) << top;
  EXPECT_NE(page().find("<title>(1) nelson</title>"), std::string::npos);
}

Problem problem_in(const std::string& repository, const std::string& code, const std::string& message, const std::string& way_out) {
  Problem problem;
  problem.repository = repository;
  problem.code = code;
  problem.message = message;
  problem.way_out = way_out;
  return problem;
}

INSTANTIATE_TEST_SUITE_P(
    Situations, OfTrouble,
    testing::Values(
        TroubleCase{"a_manifest_that_does_not_read",
                    [](Situation& s) {
                      Problem problem = problem_in("shop", "UnknownKey", "unknown key \"instnaces\"", "write \"instances\"");
                      problem.file = ".nelson.yml";
                      problem.line = 12;
                      problem.column = 3;
                      problem.commit = kCommit2;
                      problem.source = "  instnaces: <3>";
                      problem.length = 9;
                      s.desired.problems = {problem};
                      s.desired.repositories.at("shop").state = RepositoryState::kLastGood;
                    },
                    {"cart, checkout", "unknown key &quot;instnaces&quot;", "repository shop: .nelson.yml:12:3 at 22222222",
                     "<pre>    12 |   instnaces: &lt;3&gt;\n       |   ^^^^^^^^^\n</pre>", "write &quot;instances&quot;"}},
        TroubleCase{
            "a_unit_that_exits_at_once",
            [](Situation& s) {
              s.release("cart", {0, 9, 2}, kCommit2);
              s.instances("cart", {0, 9, 2}, InstanceState::kBackoff, Health::kFailing, "exit status 1");
              s.stack("cart", {0, 9, 2}).record->ready.reset();
            },
            {"cart", "0 of 1 instances are healthy: exit status 1", "<code>nelson logs cart--0-9-2--", "<code>git revert</code>"}},
        TroubleCase{"a_dead_HAProxy",
                    [](Situation& s) {
                      s.observed.domains.at("local").balancer = {false, "haproxy does not answer; install it"};
                    },
                    {"cart, checkout, stock", "haproxy does not answer", "domain local: balancer", "install it"}},
        TroubleCase{"two_claims",
                    [](Situation& s) {
                      DesiredCell& cell = s.desired.cells.at({"local", "cart"});
                      cell.stacks.push_back(cell.stacks.front());
                      cell.stacks.back().repository = "stock";
                      cell.claimants = {"shop", "stock"};
                      s.observed.cells.at({"local", "cart"}) = {};
                    },
                    {"cart", "repositories/shop.yml and repositories/stock.yml", "<code>units: [cart]</code>"}},
        TroubleCase{"a_repository_that_vanished",
                    [](Situation& s) {
                      s.desired.problems = {problem_in("stock", "unreachable", "the host says that it is not there",
                                                       "correct `url` in repositories/stock.yml")};
                      s.desired.repositories.at("stock").state = RepositoryState::kLastGood;
                    },
                    {"stock", "the host says that it is not there", "correct <code>url</code> in repositories/stock.yml"}},
        TroubleCase{"a_repository_that_is_silent_without_a_word",
                    [](Situation& s) { s.desired.repositories.at("stock").state = RepositoryState::kUnknown; },
                    {"stock", "it was never read", "repositories/stock.yml"}},
        TroubleCase{
            "a_full_disk",
            [](Situation& s) {
              s.process_problems = {problem_in("", "disk-full", "no space left on device", "free some space: `df /var`")};
            },
            {"everything: cart, checkout, report, stock", "no space left on device", "this machine", "<code>df /var</code>"}},
        TroubleCase{
            "a_broken_control_repository",
            [](Situation& s) {
              Problem problem = problem_in("control", "UnknownKey", "unknown key \"urll\"", "write \"url\"");
              problem.file = "repositories/shop.yml";
              s.desired.problems = {problem};
            },
            {"everything", "unknown key &quot;urll&quot;", "control repository: repositories/shop.yml", "write &quot;url&quot;"}},
        TroubleCase{"another_owners_domain",
                    [](Situation& s) {
                      s.observed.domains.at("local").changes_held = "another control repository claims it; write moved_from";
                    },
                    {"cart, checkout, report, stock", "another control repository claims it", "write moved_from"}},
        TroubleCase{"a_scheduler_that_does_not_answer",
                    [](Situation& s) {
                      s.observed.domains.at("local").scheduler = {false, "the folder cannot be read; mend its rights"};
                    },
                    {"cart, checkout, report, stock", "the folder cannot be read", "domain local: scheduler", "mend its rights"}}),
    [](const auto& info) { return info.param.name; });

TEST_F(Page, AnInstanceKilledByHandIsSeenWhileItsStackIsWell) {
  Situation situation;
  Instance& instance = situation.stack("stock", {3, 0, 2}).running->instances.front();
  instance.state = InstanceState::kBackoff;
  instance.detail = "killed by signal 9";
  instance.restarts = 1;
  instance.since = situation.now - minutes(4);
  situation.stack("stock", {3, 0, 2}).running->count = 2;
  situation.stack("stock", {3, 0, 2}).running->instances.push_back(situation.stack("stock", {3, 0, 2}).running->instances.back());
  server_->publish(situation.view());
  const std::string top = top_of(page());
  EXPECT_NE(top.find("killed by signal 9"), std::string::npos) << top;
  EXPECT_NE(top.find("stock"), std::string::npos);
  EXPECT_NE(top.find("nelson logs stock--3-0-2--"), std::string::npos) << top;
}

/// What the journal says of a route that the balancer had lost three minutes ago.
JournalEntry put_right(const Situation& situation) {
  JournalEntry entry;
  entry.domain = "local";
  entry.unit = "checkout";
  entry.effect = "serve";
  entry.reason = kRouteLost;
  entry.outcome = JournalEntry::Outcome::kDone;
  entry.intended = situation.now - minutes(3);
  return entry;
}

/// Within a second or two all is well again; whoever looks later wants to know what that was.
TEST_F(Page, WhatWasMendedLatelyIsStillToldForTenMinutes) {
  Situation situation;
  situation.history = {put_right(situation)};
  Instance& instance = situation.stack("cart", {0, 9, 1}).running->instances.at(0);
  instance.restarts = 1;
  instance.since = situation.now - minutes(9);
  instance.detail = "killed by signal 9";
  server_->publish(situation.view());
  const std::string told = top_of(page());
  for (const char* text : {"checkout", "the balancer did not serve it", "3 minutes", "cart", "killed by signal 9", "9 minutes"})
    EXPECT_NE(told.find(text), std::string::npos) << text << "\nin\n" << told;
  EXPECT_EQ(told.find("somebody</h1>"), std::string::npos) << "nobody has to do anything: " << told;
  situation.now += minutes(8);
  server_->publish(situation.view());
  const std::string later = page();
  EXPECT_EQ(later.find("killed by signal 9"), std::string::npos) << later;
  EXPECT_EQ(later.find("did not serve it"), std::string::npos) << later;
}

TEST_F(Page, WhatIsUndoneEachTimeIsAFightAndNotMended) {
  Situation situation;
  situation.history.assign(3, put_right(situation));
  ViewInput input = situation.input();
  Hold hold;
  hold.cell = {"local", "checkout"};
  hold.subject = "checkout";
  hold.code = kFight;
  hold.reason = "serve was done 3 times within 10 minutes, and undone each time";
  hold.clears_when = "find out who does";
  hold.trouble = true;
  input.plan.held.push_back(hold);
  server_->publish(build_view(std::move(input)));
  const std::string told = top_of(page());
  for (const char* text : {"checkout", "undone each time", "find out who does"})
    EXPECT_NE(told.find(text), std::string::npos) << text << "\nin\n" << told;
  EXPECT_EQ(page().find("and does again"), std::string::npos) << "it is told twice";
}

TEST_F(Page, TellsWhereAServiceIsReached) {
  Situation situation;
  ObservedCell& cell = situation.observed.cells.at({"local", "checkout"});
  ASSERT_FALSE(cell.routes.empty());
  cell.addresses = {{cell.routes[0].key, {{"default", "127.0.0.1", 25007}}}};
  server_->publish(situation.view());
  EXPECT_NE(page().find("127.0.0.1:25007"), std::string::npos);
}

TEST_F(Page, AnswersWhoHasWhichShareWhyAndUntilWhen) {
  Situation situation;
  situation.release("checkout", {1, 5, 0}, kCommit2);
  situation.advance(minutes(7));
  server_->publish(situation.view());
  const std::string text = page();
  EXPECT_NE(text.find("1 service is on the way to what Git wants"), std::string::npos);
  EXPECT_NE(text.find("aria-label=\"traffic: 1.5.0 35%, 1.4.2 65%\""), std::string::npos);
  EXPECT_NE(text.find("<span class=\"w35 c0\">1.5.0</span><span class=\"w65 c1\">1.4.2</span>"), std::string::npos);
  EXPECT_NE(text.find("serves until 1.5.0 is ready and has taken its traffic"), std::string::npos);
  EXPECT_NE(text.find("its traffic is gone in about 13 minutes; then 30 minutes after the last need"), std::string::npos);
  EXPECT_NE(text.find("traffic is moving to it: 35% after step 35 of 100"), std::string::npos);
}

TEST_F(Page, SaysCalmlyThatAllIsWell) {
  server_->publish(Situation().view());
  const std::string text = page();
  EXPECT_NE(text.find("<h1 class=\"calm\">Everything is as Git wants it</h1>"), std::string::npos);
  EXPECT_NE(text.find("<title>nelson</title>"), std::string::npos);
  EXPECT_EQ(text.find("id=\"trouble\""), std::string::npos);
}

TEST_F(Page, TellsANewcomerWhatToDo) {
  Situation situation;
  situation.desired.cells.clear();
  situation.desired.repositories.clear();
  situation.observed.cells.clear();
  situation.history.clear();
  server_->publish(situation.view());
  EXPECT_NE(page().find("Nothing is deployed yet"), std::string::npos);
  EXPECT_NE(page().find("<code>repositories/</code>"), std::string::npos);
}

TEST_F(Page, AControlRepositoryThatWasNeverReadIsTroubleBeforeTheFirstPass) {
  ViewInput input;
  input.now = Situation().now;
  input.process_problems = {
      problem_in("control", "ControlRepository", "the host does not answer", "see `control` in the machine's file")};
  server_->publish(build_view(std::move(input)));
  const std::string text = page();
  EXPECT_NE(text.find("1 thing needs somebody"), std::string::npos);
  EXPECT_NE(text.find("the host does not answer"), std::string::npos);
  EXPECT_NE(text.find("<code>control</code>"), std::string::npos);
}

TEST_F(Page, ALostStoreIsSaidAloud) {
  ViewInput input = Situation().input();
  input.store_notice = "the store was damaged: history begins now";
  server_->publish(build_view(std::move(input)));
  EXPECT_NE(top_of(page()).find("the store was damaged: history begins now"), std::string::npos);
}

TEST_F(Page, ASecondControllerIsToldForTenMinutes) {
  ViewInput input = Situation().input();
  input.refused_start = RefusedStart{"nelson run on bree (pid 7)", input.now - std::chrono::minutes(3)};
  server_->publish(build_view(input));
  EXPECT_NE(top_of(page()).find("refused: nelson run on bree (pid 7)"), std::string::npos);
  EXPECT_NE(top_of(page()).find("3 min"), std::string::npos);
  input.now += std::chrono::minutes(7);
  server_->publish(build_view(std::move(input)));
  EXPECT_EQ(page().find("bree"), std::string::npos);
}

TEST_F(Page, HasNeitherScriptNorAnythingFromElsewhere) {
  server_->publish(Situation().view());
  const std::string answer = ask(server_->address(), get("/"));
  const std::string text = body_of(answer);
  for (const char* word : {"<script", "javascript:", " onload", " onclick", "http://", "https://", "src=", "@import", "style="})
    EXPECT_EQ(text.find(word), std::string::npos) << word;
  EXPECT_NE(field_of(answer, "Content-Security-Policy").find("style-src 'sha256-"), std::string::npos);
  EXPECT_EQ(field_of(answer, "Content-Type"), "text/html; charset=utf-8");
}

TEST_F(Page, LoadsAgainUnlessAskedNotTo) {
  server_->publish(Situation().view());
  EXPECT_NE(page().find("http-equiv=\"refresh\""), std::string::npos);
  EXPECT_EQ(page("/?refresh=off").find("http-equiv=\"refresh\""), std::string::npos);
}

TEST_F(Page, ManyTroublesAreCountedAndTheFirstComeFirst) {
  Situation situation;
  for (int i = 0; i < 300; ++i) {
    Problem problem = problem_in("shop", "Code", "message " + std::to_string(i), "way out");
    problem.unit = "unit" + std::to_string(i);
    situation.desired.problems.push_back(problem);
  }
  server_->publish(situation.view());
  const std::string text = page();
  EXPECT_NE(text.find("300 things need somebody"), std::string::npos);
  EXPECT_NE(top_of(text).find("294 more below"), std::string::npos);
  EXPECT_NE(text.find("message 150"), std::string::npos);
  EXPECT_NE(text.find("100 more in <a href=\"/v1/status\">"), std::string::npos);
}

TEST_F(Page, TheSameTroubleOfManyUnitsIsToldOnce) {
  Situation situation;
  situation.observed.domains.at("local").balancer = {false, "gone; bring it back"};
  ViewInput input = situation.input();
  ASSERT_GT(std::count_if(input.plan.held.begin(), input.plan.held.end(), [](const Hold& hold) { return hold.trouble; }), 1);
  server_->publish(build_view(std::move(input)));
  EXPECT_NE(page().find("1 thing needs somebody"), std::string::npos);
}

TEST_F(Page, ALargeFleetIsShownInParts) {
  server_->publish(build_view(large_fleet(250)));
  const std::string first = page();
  EXPECT_NE(first.find("1 to 100 of 250"), std::string::npos);
  EXPECT_NE(page("/?from=200").find("201 to 250 of 250"), std::string::npos);
  EXPECT_NE(page("/?find=unit249").find("unit249"), std::string::npos);
  EXPECT_EQ(page("/?find=unit249").find("unit111"), std::string::npos);
  EXPECT_NE(page("/?find=%22%3E%3Cscript%3E").find("value=\"&quot;&gt;&lt;script&gt;\""), std::string::npos);
  EXPECT_NE(page("/?from=99999999999999999999").find("of 250"), std::string::npos);
  EXPECT_NE(page("/?from=-3").find("of 250"), std::string::npos);
}

TEST_F(Page, AStackHasAPageOfItsOwn) {
  Situation situation;
  situation.release("checkout", {1, 5, 0}, kCommit2);
  situation.advance(minutes(7));
  const std::string name = situation.name("checkout", {1, 5, 0});
  server_->publish(situation.view());
  const std::string text = page("/stacks/" + name);
  for (const std::string& word :
       {name, std::string("Why it lives"), std::string("When it goes"), std::string("35% of major version 1"),
        std::string("<code>nelson logs "), std::string("passing"), std::string("launch")})
    EXPECT_NE(text.find(word), std::string::npos) << word;
  EXPECT_EQ(status_of_answer(ask(server_->address(), get("/stacks/none"))), 404);
}

/// H33: names and words from elsewhere that would be markup, end a string, or drive a terminal.
TEST_F(Page, H33ForeignTextStaysText) {
  const std::string evil = "<script>alert(1)</script>\"'&\xe2\x80\xa8\xff\x1b[31m\r\nSet-Cookie: a=b";
  Situation situation;
  ObservedCell& cell = situation.observed.cells[{"local", evil}];
  ObservedStack stack = situation.stack("cart", {0, 9, 1});
  stack.name = evil;
  stack.record->stack = evil;
  stack.record->identity.unit = evil;
  stack.record->identity.name_space = evil;
  stack.record->identity.plan = evil;
  stack.record->identity.repository = evil;
  stack.record->commit = evil;
  stack.running->instances.front().detail = evil;
  stack.running->instances.front().state = InstanceState::kBackoff;
  stack.running->instances.front().endpoints = {{evil, evil, 1}};
  cell.stacks = {stack};
  cell.traffic = {{{"local", evil, evil, 0}, {{evil, 100}}, {{evil, 100}}, {evil}, {}, 0, std::nullopt}};
  Problem problem = problem_in(evil, evil, evil, evil);
  problem.file = problem.unit = problem.commit = evil;
  situation.desired.problems = {problem};
  situation.desired.control_url = situation.desired.control_commit = evil;
  situation.desired.repositories[evil] = {RepositoryState::kLastGood, evil, evil};
  situation.observed.domains.at("local").balancer = {false, evil};
  situation.observed.domains.at("local").foreign = {evil};
  situation.history.front().reason = situation.history.front().error = situation.history.front().stack = evil;
  ViewInput input = situation.input();
  input.store_notice = input.version = evil;
  input.counters["evil" + evil] = 1;
  server_->publish(build_view(std::move(input)));

  for (const char* target :
       {"/", "/v1/status", "/v1/deployments?ns=*", "/v1/history", "/metrics", "/readyz", "/?find=%3Cscript%3E"}) {
    const std::string answer = ask(server_->address(), get(target));
    const std::string text = body_of(answer);
    const bool is_metrics = target == std::string("/metrics");  // plain text for a program, never shown as markup
    if (!is_metrics) {
      EXPECT_EQ(text.find("<script"), std::string::npos) << target;
    }
    EXPECT_EQ(text.find('\x1b'), std::string::npos) << target;
    EXPECT_EQ(text.find('\xff'), std::string::npos) << target;
    EXPECT_EQ(text.find("\xe2\x80\xa8"), std::string::npos) << target;
    EXPECT_EQ(text.find('\r'), std::string::npos) << target;
    EXPECT_EQ(field_of(answer, "Set-Cookie"), "") << target;
    EXPECT_EQ(field_of(answer, "X-Content-Type-Options"), "nosniff") << target;
    EXPECT_NE(field_of(answer, "Content-Type").find(target[1] == 'v' ? "application/json" : "charset=utf-8"), std::string::npos)
        << target;
  }
}

}  // namespace
}  // namespace nelson::status_test
