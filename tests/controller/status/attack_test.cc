#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "controller/status/server.h"
#include "tests/controller/status/client.h"
#include "tests/controller/status/situations.h"

// The attacks that killed, starved or confused other servers (hardening.md 6.1), and inputs H01 to H19, against the running server.

namespace nelson::status_test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMiB = 1024 * 1024;

class Attack : public testing::Test {
 protected:
  void SetUp() override { start({}); }

  void start(StatusOptions options) {
    server_.reset();
    options.listen = "127.0.0.1:0";
    options.test_throw = "password=canary-4711";
    options.log = [this](std::string_view line) {
      const std::lock_guard lock(mutex_);
      log_ += line;
    };
    Result<std::unique_ptr<StatusServer>> server = StatusServer::open(std::move(options));
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    server_->publish(Situation().view());
  }

  /// The server is alive and answers somebody else at once.
  void expect_well() {
    const auto begin = Clock::now();
    EXPECT_EQ(status_of_answer(ask(server_->address(), get("/healthz"))), 200);
    EXPECT_LT(Clock::now() - begin, seconds(10)) << "on an idle machine this takes less than a millisecond";
  }

  std::string answer_to(std::string_view bytes) { return ask(server_->address(), bytes); }

  std::string log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }

  std::mutex mutex_;
  std::string log_;
  std::unique_ptr<StatusServer> server_;
};

struct SizeAttack {
  std::string name;
  std::string begin;  // sent once
  std::string again;  // then this, again and again
  std::size_t total;  // as often as makes so many bytes
  std::vector<int> statuses;
};

void PrintTo(const SizeAttack& attack, std::ostream* out) { *out << attack.name; }

class OfSize : public Attack, public testing::WithParamInterface<SizeAttack> {};

TEST_P(OfSize, IsRefusedEarlyAndCostsNoMemory) {
  const SizeAttack& attack = GetParam();
  answer_to(get("/"));
  const std::size_t before = resident();
  Client client(server_->address());
  client.send(attack.begin);
  const std::size_t sent = attack.again.empty() ? 0 : client.flood(attack.again, attack.total);
  const int status = status_of_answer(client.read_answer());
  EXPECT_NE(std::find(attack.statuses.begin(), attack.statuses.end(), status), attack.statuses.end()) << "answered " << status;
  EXPECT_TRUE(client.closed());
  EXPECT_LT(sent, std::max<std::size_t>(attack.total, 1)) << "everything was swallowed";
  if (!kSanitized) {
    EXPECT_LT(resident(), before + 8 * kMiB);
  }
  expect_well();
}

std::string chunk(std::size_t size) { return std::string(size, 'a'); }

const std::string kPost = "POST /v1/status HTTP/1.1\r\nHost: a\r\n";
const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n";

// 0 stands for a connection that was closed without an answer: what a client that never stops sending may find.
INSTANTIATE_TEST_SUITE_P(
    H01ToH09, OfSize,
    testing::Values(
        SizeAttack{"chunked_body_over_the_limit",
                   kPost + "Transfer-Encoding: chunked\r\n\r\n",
                   "10000\r\n" + chunk(65536) + "\r\n",
                   1000 * kMiB,
                   {400, 0}},
        SizeAttack{"post_without_length", kPost + "\r\n", chunk(65536), 1000 * kMiB, {405, 411, 0}},
        SizeAttack{"three_million_header_lines", kGet, "X-A: b\r\n", 24 * kMiB, {431, 0}},
        SizeAttack{"header_line_of_1_5_GiB", kGet + "X: ", chunk(65536), 1536 * kMiB, {431, 0}},
        SizeAttack{"request_line_of_1_5_GiB", "GET /", chunk(65536), 1536 * kMiB, {414, 0}},
        SizeAttack{
            "chunk_extension_of_1_5_GiB", kPost + "Transfer-Encoding: chunked\r\n\r\n5;a=", chunk(65536), 1536 * kMiB, {400, 0}},
        SizeAttack{"negative_chunk_size", kPost + "Transfer-Encoding: chunked\r\n\r\n-2\r\n", chunk(65536), 2048 * kMiB, {400, 0}},
        SizeAttack{"a_bomb_of_gzip", kPost + "Content-Encoding: gzip\r\nContent-Length: 900000\r\n\r\n", "", 0, {405}}),
    [](const auto& info) { return info.param.name; });

TEST_F(Attack, ManyOverlappingRangesAreIgnored) {
  std::string ranges = "Range: bytes=";
  for (int i = 0; i < 1500; ++i) ranges += (i > 0 ? "," : "") + std::string("0-9");
  const std::string answer = answer_to("GET /v1/deployments?ns=dev HTTP/1.1\r\nHost: a\r\n" + ranges + "\r\n\r\n");
  EXPECT_EQ(status_of_answer(answer), 200);
  EXPECT_EQ(answer, answer_to(get("/v1/deployments?ns=dev")));
  expect_well();
}

struct FrameAttack {
  std::string name, bytes;
  int status;
};

class OfFraming : public Attack, public testing::WithParamInterface<FrameAttack> {};

TEST_P(OfFraming, GetsOneAnswerAndTheDoor) {
  Client client(server_->address());
  client.send(GetParam().bytes);
  EXPECT_EQ(status_of_answer(client.read_answer()), GetParam().status);
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(client.read_answer(), "") << "what followed was taken for a request";
  expect_well();
}

const std::string kHidden = "GET /v1/status HTTP/1.1\r\nHost: a\r\n\r\n";

INSTANTIATE_TEST_SUITE_P(
    Attacks, OfFraming,
    testing::Values(
        FrameAttack{"length_and_chunked_together",
                    kPost + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + kHidden, 400},
        FrameAttack{"two_lengths", kPost + "Content-Length: 4\r\nContent-Length: 0\r\n\r\n" + kHidden, 400},
        FrameAttack{"a_length_of_ten_to_the_23rd", kPost + "Content-Length: 100000000000000000000000\r\n\r\n", 413},
        FrameAttack{"a_length_of_minus_one", kPost + "Content-Length: -1\r\n\r\n", 400},
        FrameAttack{"H11_a_body_on_GET", kGet + "Content-Length: 36\r\n\r\n" + kHidden, 400},
        FrameAttack{"H11_a_body_on_HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\n" + kHidden, 400},
        FrameAttack{"H11_a_body_on_DELETE", "DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\n" + kHidden, 400},
        FrameAttack{"no_host", "GET / HTTP/1.1\r\n\r\n" + kHidden, 400},
        FrameAttack{"two_hosts", kGet + "Host: b\r\n\r\n" + kHidden, 400},
        FrameAttack{"a_space_before_the_colon", kGet + "Content-Length : 36\r\n\r\n" + kHidden, 400},
        FrameAttack{"a_folded_field", kGet + "X: a\r\n b\r\n\r\n" + kHidden, 400},
        FrameAttack{"an_encoded_line_end_in_a_value", kGet + "X-Name: a%0d%0aX-Other: b\r\n\r\n", 400},
        FrameAttack{"expect", kPost + "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n", 417},
        FrameAttack{"H19_TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
        FrameAttack{"H19_CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 405},
        FrameAttack{"H19_OPTIONS_of_everything", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 405},
        FrameAttack{"H19_a_method_nobody_knows", "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", 501},
        FrameAttack{"POST", kPost + "Content-Length: 2\r\n\r\n{}", 405},
        FrameAttack{"PUT", "PUT / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
        FrameAttack{"H17_a_path_of_8000_characters", "GET /" + std::string(8000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 404}),
    [](const auto& info) { return info.param.name; });

TEST_F(Attack, MethodsThatAreNotAllowedAreToldWhichAre) {
  const std::string answer = answer_to("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(status_of_answer(answer), 405);
  EXPECT_EQ(field_of(answer, "Allow"), "GET, HEAD");
}

TEST_F(Attack, H17PathsThatWouldLeaveAFolderFindNothing) {
  for (const char* path : {"/../../etc/passwd", "/%2e%2e%2f%2e%2e%2fetc/passwd", "//", "//etc/passwd", "/%00", "/stacks/%00",
                           "/stacks/..%2f..%2fetc%2fpasswd", "/v1/deployments/%ff", "/stacks/a/b", "/index.html", "/%", "/%zz",
                           "/v1/deployments/", "/healthz/"}) {
    const std::string answer = answer_to(get(path));
    EXPECT_EQ(status_of_answer(answer), 404) << path;
    EXPECT_EQ(body_of(answer).find("root:"), std::string::npos) << path;
  }
  expect_well();
}

TEST_F(Attack, H15AHandlerThatThrowsGivesAFixedTextAndANumber) {
  Client client(server_->address());
  for (int i = 0; i < 3; ++i) {
    client.send(get("/test/throw"));
    const std::string answer = client.read_answer();
    EXPECT_EQ(status_of_answer(answer), 500);
    EXPECT_EQ(body_of(answer), "{\"message\":\"An internal error occurred\",\"request\":\"r" + std::to_string(i + 1) + "\"}\n");
    EXPECT_EQ(answer.find("canary"), std::string::npos);
  }
  EXPECT_NE(log().find("request r3 failed"), std::string::npos);
  EXPECT_EQ(log().find("canary"), std::string::npos) << log();
  expect_well();
}

TEST_F(Attack, NobodyCanPretendToComeFromElsewhere) {
  const std::string plain = answer_to(get("/v1/deployments?ns=dev"));
  const std::string spoofed =
      answer_to("GET /v1/deployments?ns=dev HTTP/1.1\r\nHost: a\r\nREMOTE_ADDR: 10.0.0.1\r\nREMOTE_PORT: 1\r\n\r\n");
  EXPECT_EQ(plain, spoofed);
}

TEST_F(Attack, PipelinedRequestsAreAnsweredInOrder) {
  Client client(server_->address());
  std::string requests;
  for (int i = 0; i < 200; ++i) requests += get(i % 2 == 0 ? "/healthz" : "/nothing-there");
  client.send(requests);
  for (int i = 0; i < 200; ++i) ASSERT_EQ(status_of_answer(client.read_answer()), i % 2 == 0 ? 200 : 404) << i;
  client.send("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + kHidden);
  EXPECT_EQ(body_of(client.read_answer()), "ok\n");
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(client.read_answer(), "");
}

TEST_F(Attack, ARequestMayArriveByteByByte) {
  Client client(server_->address());
  for (const char c : get("/healthz")) client.send(std::string_view(&c, 1));
  EXPECT_EQ(body_of(client.read_answer()), "ok\n");
}

TEST_F(Attack, AClientThatStopsSendingStillGetsItsAnswer) {
  Client client(server_->address());
  client.send(get("/healthz"));
  client.end_sending();
  EXPECT_EQ(body_of(client.read_answer()), "ok\n");
  EXPECT_TRUE(client.closed());
}

TEST_F(Attack, AClientThatLeavesBeforeItsAnswerHurtsNobody) {
  for (int i = 0; i < 300; ++i) {
    Client client(server_->address());
    client.send(get("/v1/status"));
  }
  expect_well();
  const auto end = Clock::now() + seconds(20);
  while (server_->counters().open > 1 && Clock::now() < end) ask(server_->address(), get("/healthz"));
  EXPECT_LE(server_->counters().open, 1U);
}

TEST_F(Attack, ARequestThatNeverEndsIsEnded) {
  StatusOptions options;
  options.request_time = milliseconds(300);
  start(options);
  Client client(server_->address());
  client.send("GET / HTTP/1.1\r\nHost");
  EXPECT_EQ(status_of_answer(client.read_answer()), 408);
  EXPECT_TRUE(client.closed());
}

TEST_F(Attack, SlowBytesDoNotExtendARequestsTime) {
  StatusOptions options;
  options.request_time = milliseconds(300);
  start(options);
  Client client(server_->address());
  client.send("GET / HTTP/1.1\r\nX: ");
  const auto begin = Clock::now();
  while (client.read_answer(false, milliseconds(20)).empty() && Clock::now() - begin < seconds(20)) client.send("a");
  EXPECT_GE(Clock::now() - begin, milliseconds(250));
  EXPECT_TRUE(client.closed());
}

TEST_F(Attack, AnIdleConnectionIsClosedInTheEnd) {
  StatusOptions options;
  options.idle_time = milliseconds(300);
  start(options);
  Client client(server_->address());
  client.send(get("/healthz"));
  EXPECT_EQ(status_of_answer(client.read_answer()), 200);
  EXPECT_TRUE(client.closed());
  Client silent(server_->address());
  EXPECT_TRUE(silent.closed());
  EXPECT_GE(server_->counters().expired, 2U);
}

TEST_F(Attack, AReaderThatReadsNothingIsClosedInTheEnd) {
  StatusOptions options;
  options.write_time = milliseconds(300);
  start(options);
  server_->publish(build_view(large_fleet(kSanitized ? 600 : 3000)));
  Client client(server_->address());
  std::string requests;
  for (int i = 0; i < 60; ++i) requests += get("/v1/deployments?ns=*");
  client.send(requests);
  const auto end = Clock::now() + seconds(20);
  while (server_->counters().expired == 0 && Clock::now() < end) expect_well();
  EXPECT_GE(server_->counters().expired, 1U);
}

TEST_F(Attack, TheOldestIdleConnectionMakesRoom) {
  StatusOptions options;
  options.max_connections = 20;
  start(options);
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back(server_->address());
    clients.back().send(get("/healthz"));
    ASSERT_EQ(status_of_answer(clients.back().read_answer()), 200);
  }
  expect_well();
  EXPECT_TRUE(clients.front().closed());
  clients.back().send(get("/healthz"));
  EXPECT_EQ(status_of_answer(clients.back().read_answer()), 200) << "a younger one stays";
  EXPECT_GE(server_->counters().shed, 1U);
  EXPECT_LE(server_->counters().open, 20U);
}

TEST_F(Attack, EndsAtOnceWhoeverIsConnected) {
  std::vector<Client> clients;
  for (int i = 0; i < 200; ++i) {
    clients.emplace_back(server_->address());
    clients.back().send(i % 2 == 0 ? "GET / HT" : get("/v1/status"));
  }
  const auto begin = Clock::now();
  server_.reset();
  EXPECT_LT(Clock::now() - begin, seconds(5)) << "on an idle machine: a few ms";
}

/// As many descriptors as this process may have; how many connections then fit (each has two ends here).
std::size_t connections_that_fit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const std::size_t most = limit.rlim_cur == RLIM_INFINITY ? 1000000 : limit.rlim_cur;
  return std::min<std::size_t>(kSanitized ? 500 : 5000, (most - std::min<std::size_t>(most, 200)) / 2);
}

milliseconds percentile_99(std::vector<Clock::duration> times) {
  std::sort(times.begin(), times.end());
  return std::chrono::duration_cast<milliseconds>(times[times.size() * 99 / 100]);
}

milliseconds measure(const std::string& address, const std::string& what, std::size_t connections) {
  std::vector<Clock::duration> times;
  for (int i = 0; i < 300; ++i) {
    const auto begin = Clock::now();
    EXPECT_EQ(status_of_answer(ask(address, get("/healthz"))), 200);
    times.push_back(Clock::now() - begin);
  }
  std::sort(times.begin(), times.end());
  const auto micros = [&](std::size_t percent) {
    return static_cast<long long>(
        std::chrono::duration_cast<std::chrono::microseconds>(times[times.size() * percent / 100]).count());
  };
  std::printf("%zu %s connections, the next 300 clients: p50 %lld us, p99 %lld us\n", connections, what.c_str(), micros(50),
              micros(99));
  return percentile_99(times);
}

TEST_F(Attack, H13ThousandsOfIdleAndSlowConnectionsDelayNobody) {
  const std::size_t count = connections_that_fit();
  if (count < 5000)
    std::printf("only %zu connections: more do not fit into this process's descriptor limit, or a sanitizer is at work\n", count);
  ASSERT_GE(count, 50U);
  StatusOptions options;
  options.request_time = seconds(60);  // so that the slow ones stay for the whole measurement
  start(options);
  answer_to(get("/"));
  const std::size_t before = resident();
  std::vector<Client> clients;
  for (std::size_t i = 0; i < count; ++i) {
    clients.emplace_back(server_->address());
    ASSERT_TRUE(clients.back().connected()) << i;
  }
  EXPECT_LT(measure(server_->address(), "idle", count), seconds(2)) << "0.2 ms on an idle machine";

  std::atomic<bool> stop{false};
  std::thread slow([&] {
    for (Client& client : clients) client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    while (!stop)
      for (Client& client : clients)
        if (!stop) client.send("a");
  });
  EXPECT_LT(measure(server_->address(), "slow", count), seconds(2)) << "a few ms on an idle machine";
  stop = true;
  slow.join();
  const std::size_t after = std::max(resident(), before);
  std::printf("memory for %zu connections, both ends: %zu KiB\n", count, (after - before) / 1024);
  if (!kSanitized) {
    EXPECT_LT(after, before + 32 * kMiB);
  }
}

}  // namespace
}  // namespace nelson::status_test
