#include "controller/cli/client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "tests/controller/cli/ran.h"

namespace nelson::cli {
namespace {

/// Answers each connection with the next of some texts (the last one for ever), as a status server or a stranger would.
class Answers {
 public:
  explicit Answers(std::vector<std::string> texts) : texts_(std::move(texts)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 8) != 0) abort();
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Answers() {
    ending_ = true;
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string asked() {
    const std::lock_guard guard(mutex_);
    return asked_;
  }

 private:
  void serve() {
    for (std::size_t i = 0; !ending_; ++i) {
      const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) return;
      std::string request;
      char block[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t got = recv(client, block, sizeof block, 0);
        if (got <= 0) break;
        request.append(block, static_cast<std::size_t>(got));
      }
      {
        const std::lock_guard guard(mutex_);
        asked_ = request.substr(0, request.find("\r\n"));
      }
      const std::string& text = texts_[std::min(i, texts_.size() - 1)];
      send(client, text.data(), text.size(), MSG_NOSIGNAL);
      close(client);
    }
  }

  std::vector<std::string> texts_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> ending_{false};
  std::mutex mutex_;
  std::string asked_;
  std::thread thread_;
};

std::string http(int status, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) +
         " x\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + body;
}

Ran run(std::vector<std::string> words, const Answers& server, bool colour = false) {
  words.insert(words.end(), {"--address", server.address()});
  return ran(words, colour);
}

constexpr char kStatus[] =
    R"({"trouble":[{"level":"error","what":"till","place":"shop/.nelson.yml:3","cause":"bad port","way_out":"mend it","since":"2026-11-21T11:00:00Z","unit":"till"},
  {"level":"notice","what":"local","cause":"no haproxy"}],
 "services":[{"domain":"local","namespace":"dev","unit":"basket","stacks":[
  {"stack":"basket--1-0-0--00000000","version":"1.0.0","status":"ready","percent":40,"instances":{"wanted":2,"healthy":2},"why":"has callers","goes":"-"},
  {"stack":"basket--1-1-0--00000001","version":"1.1.0","status":"warming","percent":60,"instances":{"wanted":3,"healthy":1},"why":"wanted","goes":"stays"}]}]})";

TEST(StatusCommand, PrintsServicesAndWhatIsWrong) {
  Answers server({http(200, kStatus)});
  const Ran ran = run({"status"}, server);
  EXPECT_EQ(ran.code, 1) << ran.err;
  EXPECT_EQ(ran.out,
            "NAMESPACE  UNIT    VERSION  STATUS   HEALTHY  TRAFFIC  ADDRESS  DOMAIN  WHY IT LIVES  WHEN IT GOES\n"
            "dev        basket  1.0.0    ready    2/2      40%      -        local   has callers   -\n"
            "dev        basket  1.1.0    warming  1/3      60%      -        local   wanted        stays\n"
            "\nwrong: till, shop/.nelson.yml:3 since 2026-11-21T11:00:00Z\n  bad port\n  mend it\n"
            "\nnotice: local\n  no haproxy\n");
  EXPECT_EQ(server.asked(), "GET /v1/status HTTP/1.1");
  const Ran of_basket = run({"status", "basket"}, server);
  EXPECT_EQ(of_basket.code, 0) << "what is wrong with another unit is not this one's";
  EXPECT_EQ(of_basket.out.find("wrong:"), std::string::npos);
  EXPECT_NE(run({"status", "nothing"}, server).out.find("Nothing is deployed under that name."), std::string::npos);
  const auto parsed = json::Json::parse(run({"status", "-o", "json"}, server).out);
  EXPECT_EQ(parsed, json::Json::parse(kStatus));
}

TEST(StatusCommand, OfAUnitTellsWhatStandsInItsWayInBothForms) {
  auto status = json::Json::parse(kStatus);
  const auto about_basket = [&](const json::Json& trouble) {
    status["trouble"] = json::Json::array({trouble});
    Answers server({http(200, status.dump())});
    const Ran as_text = run({"status", "basket"}, server);
    const Ran as_json = run({"status", "basket", "-o", "json"}, server);
    EXPECT_EQ(as_text.code, as_json.code);
    EXPECT_EQ(json::Json::parse(as_json.out)["trouble"].size(), static_cast<std::size_t>(as_text.code)) << as_json.out;
    return as_text.code;
  };
  status["services"][0]["stacks"][0]["repository"] = "shop";
  EXPECT_EQ(about_basket({{"level", "error"}, {"units", {"basket", "till"}}}), 1);
  EXPECT_EQ(about_basket({{"level", "error"}, {"units", {"cart", "till"}}}), 0);
  EXPECT_EQ(about_basket({{"level", "error"}, {"domain", "local"}}), 1) << "its domain's trouble is its own";
  EXPECT_EQ(about_basket({{"level", "error"}, {"domain", "elsewhere"}}), 0);
  EXPECT_EQ(about_basket({{"level", "error"}, {"repository", "shop"}}), 1);
  EXPECT_EQ(about_basket({{"level", "error"}, {"repository", "stock"}}), 0);
  EXPECT_EQ(about_basket({{"level", "error"}, {"repository", "control"}}), 1);
  EXPECT_EQ(about_basket({{"level", "error"}, {"unit", "basket"}, {"subject", "basket--1-1-0--00000001"}}), 1);
  EXPECT_EQ(about_basket({{"level", "error"}, {"unit", "till"}}), 0);
}

TEST(StatusCommand, ColoursOnlyATerminalAndShowsEscapes) {
  const std::string hostile = R"({"services":[{"unit":"a\u001b[2Jb","stacks":[{"version":"1.0.0","status":"ready"}]}]})";
  Answers server({http(200, hostile)});
  const Ran plain = run({"status"}, server);
  EXPECT_EQ(plain.out.find('\x1b'), std::string::npos);
  EXPECT_NE(plain.out.find("a\\x1b[2Jb"), std::string::npos) << plain.out;
  const Ran coloured = run({"status"}, server, true);
  EXPECT_NE(coloured.out.find("\x1b[32m"), std::string::npos);
  EXPECT_EQ(coloured.out.find("\x1b[2J"), std::string::npos);
  EXPECT_EQ(run({"status", "-o", "json"}, server).out.find('\x1b'), std::string::npos);
}

struct StrangeCase {
  std::string name, answer;
  int code;
};

TEST(Client, AStrangersAnswerHarmsNobody) {
  const std::vector<StrangeCase> cases = {
      {"not HTTP", "SSH-2.0-OpenSSH\r\n", 2},
      {"nothing", "", 2},
      {"not JSON", http(200, "<html>"), 2},
      {"an error", http(503, R"({"message":"starting"})"), 2},
      {"an error without words", http(500, ""), 2},
      {"a list", http(200, "[1,2]"), 0},
      {"a number", http(200, "7"), 0},
      {"services of the wrong kind", http(200, R"({"services":{"a":1},"trouble":"x"})"), 0},
      {"stacks of the wrong kind", http(200, R"({"services":[1,{"stacks":[2,{"version":[],"instances":3,"percent":"x"}]}]})"), 0},
      {"a body cut short", "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"a\":", 2},
  };
  for (const StrangeCase& c : cases) {
    Answers server({c.answer});
    const Ran ran = run({"status"}, server);
    EXPECT_EQ(ran.code, c.code) << c.name << "\n" << ran.out << ran.err;
  }
}

TEST(HistoryCommand, AsksForOneStackAndPrintsItsEffects) {
  Answers server({http(
      200,
      R"([{"intended":"2026-11-21T11:00:00Z","effect":"launch","outcome":"failed","domain":"local","stack":"s","reason":"wanted","error":"disk full"}])")});
  const Ran ran = run({"history", "a b", "-n", "5"}, server);
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(server.asked(), "GET /v1/history?limit=5&stack=a%20b HTTP/1.1");
  EXPECT_NE(ran.out.find("launch  failed   local   s      wanted (disk full)"), std::string::npos) << ran.out;
}

TEST(StatusCommand, SaysWhereAServiceIsReachedAndCountsNoInstancesOfAJob) {
  Answers server({http(200, R"({"services":[
      {"domain":"local","namespace":"dev","unit":"till","stacks":[
        {"stack":"till--1","version":"1.0.0","status":"ready","percent":100,"instances":{"wanted":2,"healthy":2},"job":false,
         "addresses":[{"port":"default","host":"127.0.0.1","number":25007}]}]},
      {"domain":"local","namespace":"dev","unit":"report","stacks":[
        {"stack":"report--1","version":"1.0.0","status":"ready","percent":null,"instances":{"wanted":1,"healthy":0},"job":true,
         "addresses":[]}]}]})")});
  const Ran ran = run({"status"}, server);
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("ready   2/2      100%     127.0.0.1:25007  local"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("ready   -        -        -                local"), std::string::npos) << ran.out;
}

struct WaitCase {
  std::string name;
  std::vector<std::string> states;
  int code;
  std::string says;
};

TEST(WaitCommand, EndsAsTheCommitDoes) {
  const auto answer = [](const std::string& state) {
    return http(200, R"({"state":")" + state + R"(","units":[{"unit":"till","namespace":"dev","domain":"local","state":")" + state +
                         R"(","reason":"exit status 1"}]})");
  };
  const std::vector<WaitCase> cases = {
      {"live at once", {answer("live")}, 0, "live"},
      {"live in the end", {answer("unknown"), answer("progressing"), answer("live")}, 0, "progressing"},
      {"failed", {answer("progressing"), answer("failed")}, 1, "dev/till in local: failed, exit status 1"},
      {"failed for a moment only", {answer("failed"), answer("progressing"), answer("live")}, 0, "live"},
      {"superseded", {answer("superseded")}, 2, "a newer commit took the place"},
      {"never seen", {answer("unknown")}, 2, "the controller has not seen this commit"},
      {"never done", {answer("progressing")}, 2, "not live within 2 seconds"},
      {"away for a moment", {http(503, ""), answer("live")}, 0, "live"},
      {"never there", {http(503, "")}, 2, "not live within"},
  };
  for (const WaitCase& c : cases) {
    Answers server(c.states);
    const Ran ran = run({"wait", "--commit", "abcdef0", "--timeout", "2s"}, server);
    EXPECT_EQ(ran.code, c.code) << c.name << "\n" << ran.out << ran.err;
    EXPECT_NE((ran.out + ran.err).find(c.says), std::string::npos) << c.name << "\n" << ran.out << ran.err;
    EXPECT_EQ(server.asked(), "GET /v1/commits/abcdef0 HTTP/1.1");
  }
}

TEST(WaitCommand, AStepOfAShiftIsNoNews) {
  const auto at = [](int percent) {
    return http(200, R"({"state":"progressing","units":[{"unit":"till","namespace":"dev","domain":"local","state":"progressing",)"
                     R"("reason":"takes )" +
                         std::to_string(percent) + R"(% of the traffic"}]})");
  };
  Answers server({at(5), at(40), http(200, R"({"state":"live","units":[]})")});
  const Ran ran = run({"wait", "--commit", "abcdef0", "--timeout", "20s"}, server);
  EXPECT_EQ(ran.code, 0);
  EXPECT_NE(ran.out.find("takes 5%"), std::string::npos) << ran.out;
  EXPECT_EQ(ran.out.find("takes 40%"), std::string::npos) << ran.out;
}

}  // namespace
}  // namespace nelson::cli
