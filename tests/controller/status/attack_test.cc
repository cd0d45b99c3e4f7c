#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "tests/controller/status/client.h"
#include "tests/controller/status/served.h"

// What one client can do to the running server: the attacks that killed, starved or confused others (spec/hardening 6.1), inputs H01 to H19
// (8.3), and what somebody with the same intentions would try next. Each costs the server what the table at the end says.

namespace nelson::status_test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// One server for all of a suite; one that an attack has killed is told by that attack and made anew for the next.
class Attack : public testing::Test {
 protected:
  static void TearDownTestSuite() { shared().reset(); }
  static std::unique_ptr<Served>& shared() {
    static std::unique_ptr<Served> server;
    return server;
  }
  static Served& server() {
    if (!shared() || !shared()->alive()) {
      shared() = std::make_unique<Served>();
      answer_to(get("/"));  // what is made at the first request is nobody's cost
    }
    return *shared();
  }
  static std::string answer_to(std::string_view bytes) { return ask(shared()->address(), bytes); }

  void SetUp() override { ASSERT_NE(server().address(), ""); }

  /// It lives, and answers somebody else at once.
  static void expect_well() {
    ASSERT_TRUE(shared()->alive()) << "the server is dead";
    const auto begin = Clock::now();
    EXPECT_EQ(status_of_answer(answer_to(get("/healthz"))), 200);
    EXPECT_LT(Clock::now() - begin, seconds(5)) << "on an idle machine this takes less than a millisecond";
  }
};

/// As GoogleTest wants a test's name.
template <class T>
std::string name_of_case(const testing::TestParamInfo<T>& info) {
  return info.param.name;
}

const std::string kPost = "POST /v1/status HTTP/1.1\r\nHost: a\r\n";
const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n";
/// What must never be answered: it stands where a body or the rest of something refused is.
const std::string kHidden = "GET /v1/status HTTP/1.1\r\nHost: a\r\n\r\n";

std::string word_for(int status) { return status == 0 ? "closed" : std::to_string(status); }

// ------------------------------------------------------------------------------------------------------------------ size

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
  Measure measure(server());
  Client client(server().address());
  client.send(attack.begin);
  const std::size_t sent = attack.again.empty() ? 0 : client.flood(attack.again, attack.total);
  const int status = status_of_answer(client.read_answer());
  EXPECT_TRUE(client.closed());
  const Cost cost = measure.end(attack.name, word_for(status) + " after " + std::to_string(sent / 1024) + " KiB");
  EXPECT_NE(std::find(attack.statuses.begin(), attack.statuses.end(), status), attack.statuses.end()) << "answered " << status;
  if (attack.total > std::size_t{4 * kMiB}) {
    EXPECT_LT(sent, attack.total) << "everything was swallowed";
  }
  EXPECT_LE(cost.processor, seconds(1));
  if (!kSanitized) {
    EXPECT_LT(cost.peak, 8 * kMiB);
  }
  expect_well();
}

std::string of(std::size_t size) { return std::string(size, 'a'); }
const std::string kChunked = kPost + "Transfer-Encoding: chunked\r\n\r\n";

// 0 stands for a connection that was closed without an answer: what a client that never stops sending may find.
INSTANTIATE_TEST_SUITE_P(
    Attacks, OfSize,
    testing::Values(
        SizeAttack{"H01_chunked_body_over_the_limit", kChunked, "10000\r\n" + of(65536) + "\r\n", 1000 * kMiB, {400, 0}},
        SizeAttack{"H02_post_without_length", kPost + "\r\n", of(65536), 1000 * kMiB, {405, 411, 0}},
        SizeAttack{"H03_three_million_header_lines", kGet, "X-A: b\r\n", 24 * kMiB, {431, 0}},
        SizeAttack{"H04_header_line_of_1_5_GiB", kGet + "X: ", of(65536), 1536 * kMiB, {431, 0}},
        SizeAttack{"H05_request_line_of_1_5_GiB", "GET /", of(65536), 1536 * kMiB, {414, 0}},
        SizeAttack{"H06_chunk_extension_of_1_5_GiB", kChunked + "5;a=", of(65536), 1536 * kMiB, {400, 0}},
        SizeAttack{"H07_negative_chunk_size", kChunked + "-2\r\n", of(65536), 2048 * kMiB, {400, 0}},
        SizeAttack{
            "H08_a_bomb_of_gzip", kPost + "Content-Encoding: gzip\r\nContent-Length: 900000\r\n\r\n", of(4096), 900'000, {405, 0}},
        SizeAttack{"a_method_without_end", "", of(65536), 1536 * kMiB, {414, 0}},
        SizeAttack{"empty_lines_without_end", "", "\r\n", 64 * kMiB, {400, 0}},
        SizeAttack{"line_feeds_without_end", "", "\n", 16 * kMiB, {400, 0}},
        SizeAttack{"zero_bytes_without_end", "", std::string(65536, '\0'), 1536 * kMiB, {414, 0}},
        SizeAttack{"a_query_without_end", "GET /?find=", "%3C&a[]=", 64 * kMiB, {414, 0}},
        SizeAttack{"a_field_name_without_end", kGet, of(65536), 1536 * kMiB, {431, 0}},
        SizeAttack{"a_folded_field_without_end", kGet + "X: a\r\n", " b\r\n", 64 * kMiB, {400, 431, 0}},
        SizeAttack{"a_declared_body_of_1_MiB", kPost + "Content-Length: 1048576\r\n\r\n", of(65536), kMiB, {405, 0}}),
    name_of_case<SizeAttack>);

TEST_F(Attack, H09OverlappingRangesAreIgnored) {
  Measure measure(server());
  std::string ranges = "Range: bytes=";
  for (int i = 0; i < 1500; ++i) ranges += (i > 0 ? "," : "") + std::string("0-9");
  const std::string answer = answer_to("GET /v1/deployments?ns=dev HTTP/1.1\r\nHost: a\r\n" + ranges + "\r\n\r\n");
  const Cost cost = measure.end("H09_1500_overlapping_ranges", word_for(status_of_answer(answer)) + ", whole");
  EXPECT_EQ(status_of_answer(answer), 200);
  EXPECT_EQ(answer, answer_to(get("/v1/deployments?ns=dev")));
  if (!kSanitized) {
    EXPECT_LT(cost.peak, 8 * kMiB);
  }
  expect_well();
}

// --------------------------------------------------------------------------------------------------------------- framing

struct FrameAttack {
  std::string name, bytes;
  int status;
};

void PrintTo(const FrameAttack& attack, std::ostream* out) { *out << attack.name; }

class OfFraming : public Attack, public testing::WithParamInterface<FrameAttack> {};

TEST_P(OfFraming, GetsOneAnswerAndTheDoor) {
  Measure measure(server());
  Client client(server().address());
  client.send(GetParam().bytes);
  const int status = status_of_answer(client.read_answer());
  EXPECT_TRUE(client.closed());
  measure.end(GetParam().name, word_for(status));
  EXPECT_EQ(status, GetParam().status);
  EXPECT_EQ(client.read_answer(), "") << "what followed was taken for a request";
  expect_well();
}

/// With what a smuggler wants taken for a request of its own behind it.
std::string smuggled(const std::string& field) { return kGet + field + "\r\n\r\n" + kHidden; }
std::string zeros(std::size_t count) { return std::string(count, '\0'); }

INSTANTIATE_TEST_SUITE_P(
    Table61, OfFraming,
    testing::Values(FrameAttack{"length_and_chunked_together",
                                kPost + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + kHidden, 400},
                    FrameAttack{"two_different_lengths", kPost + "Content-Length: 4\r\nContent-Length: 0\r\n\r\n" + kHidden, 400},
                    FrameAttack{"a_length_of_ten_to_the_23rd", kPost + "Content-Length: 100000000000000000000000\r\n\r\n", 413},
                    FrameAttack{"a_length_of_minus_one", kPost + "Content-Length: -1\r\n\r\n", 400},
                    FrameAttack{"H11_a_body_on_GET", kGet + "Content-Length: 36\r\n\r\n" + kHidden, 400},
                    FrameAttack{"H11_a_body_on_HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\n" + kHidden, 400},
                    FrameAttack{"H11_a_body_on_DELETE", "DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\n" + kHidden,
                                400},
                    FrameAttack{"no_host", "GET / HTTP/1.1\r\n\r\n" + kHidden, 400},
                    FrameAttack{"two_hosts", smuggled("Host: b"), 400},
                    FrameAttack{"a_space_before_the_colon", smuggled("Content-Length : 36"), 400},
                    FrameAttack{"a_folded_field", smuggled("X: a\r\n b"), 400},
                    FrameAttack{"an_encoded_line_end_in_a_value", smuggled("X-Name: a%0d%0aX-Other: b"), 400},
                    FrameAttack{"expect", kPost + "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n", 417},
                    FrameAttack{"H17_a_path_of_8000_characters", "GET /" + of(8000) + " HTTP/1.1\r\nHost: a\r\n\r\n", 404},
                    FrameAttack{"H19_TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
                    FrameAttack{"H19_CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 405},
                    FrameAttack{"H19_OPTIONS_of_everything", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 405},
                    FrameAttack{"H19_a_method_nobody_knows", "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", 501},
                    FrameAttack{"H19_POST", kPost + "Content-Length: 2\r\n\r\n{}", 405},
                    FrameAttack{"H19_PUT", "PUT / HTTP/1.1\r\nHost: a\r\n\r\n", 405}),
    name_of_case<FrameAttack>);

INSTANTIATE_TEST_SUITE_P(
    Neighbours, OfFraming,
    testing::Values(
        // One proxy's field is another's rubbish: whatever might hide a body's length ends the connection.
        FrameAttack{"two_equal_lengths", kPost + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd" + kHidden, 400},
        FrameAttack{"lengths_in_a_list", smuggled("Content-Length: 0, 36"), 400},
        FrameAttack{"a_length_in_hexadecimal", smuggled("Content-Length: 0x24"), 400},
        FrameAttack{"a_length_with_a_plus", smuggled("Content-Length: +36"), 400},
        FrameAttack{"a_length_with_a_blank_inside", smuggled("Content-Length: 3 6"), 400},
        FrameAttack{"an_empty_length", smuggled("Content-Length:"), 400},
        FrameAttack{"a_length_with_a_fraction", smuggled("Content-Length: 36.0"), 400},
        FrameAttack{"a_length_with_many_zeros", smuggled("Content-Length: " + std::string(400, '0') + "36"), 400},
        FrameAttack{"chunked_with_a_tab", smuggled("Transfer-Encoding:\tchunked"), 400},
        FrameAttack{"chunked_with_a_space_before_the_colon", smuggled("Transfer-Encoding : chunked"), 400},
        FrameAttack{"chunked_in_capitals", smuggled("TRANSFER-ENCODING: CHUNKED"), 400},
        FrameAttack{"transfer_encoding_identity", smuggled("Transfer-Encoding: identity"), 400},
        FrameAttack{"transfer_encoding_unknown", smuggled("Transfer-Encoding: xchunked"), 400},
        FrameAttack{"chunked_behind_a_vertical_tab", smuggled("\x0bTransfer-Encoding: chunked"), 400},
        FrameAttack{"chunked_behind_a_bare_return", smuggled("X: a\rTransfer-Encoding: chunked"), 400},
        FrameAttack{"chunked_behind_a_bare_line_feed", smuggled("X: a\nTransfer-Encoding: chunked"), 400},
        FrameAttack{"a_first_field_that_is_folded", "GET / HTTP/1.1\r\n Host: a\r\n\r\n" + kHidden, 400},
        FrameAttack{"a_field_folded_with_a_tab", smuggled("X: a\r\n\tContent-Length: 36"), 400},
        FrameAttack{"a_zero_byte_in_a_name", kGet + "Content" + zeros(1) + "-Length: 36\r\n\r\n" + kHidden, 400},
        FrameAttack{"a_zero_byte_in_a_value", kGet + "X: a" + zeros(1) + "b\r\n\r\n" + kHidden, 400},
        FrameAttack{"a_zero_byte_in_the_target", "GET /" + zeros(1) + " HTTP/1.1\r\nHost: a\r\n\r\n" + kHidden, 400},
        FrameAttack{"a_field_without_a_colon", smuggled("nonsense"), 400},
        FrameAttack{"a_field_without_a_name", smuggled(": a"), 400}, FrameAttack{"a_bracket_in_a_name", smuggled("X(a): b"), 400},
        FrameAttack{"bytes_above_ASCII_in_a_value", smuggled("X: \xc3\xa4"), 400},
        FrameAttack{"an_escape_sequence_in_a_value", smuggled("User-Agent: \x1b[31m"), 400},
        FrameAttack{"an_empty_host", "GET / HTTP/1.1\r\nHost:\r\n\r\n" + kHidden, 400},
        FrameAttack{"a_percent_sign_in_a_host", "GET / HTTP/1.1\r\nHost: a%2eb\r\n\r\n" + kHidden, 400},
        FrameAttack{"65_fields",
                    [] {
                      std::string text = kGet;
                      for (int i = 0; i < 64; ++i) text += "X: a\r\n";
                      return text + "\r\n" + kHidden;
                    }(),
                    431},
        // Lines.
        FrameAttack{"lines_that_end_with_a_line_feed", "GET / HTTP/1.1\nHost: a\n\n" + kHidden, 400},
        FrameAttack{"a_line_feed_first", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        FrameAttack{"two_empty_lines_first", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" + kHidden, 400},
        FrameAttack{"two_blanks_in_the_request_line", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n" + kHidden, 400},
        FrameAttack{"a_blank_before_the_method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n" + kHidden, 400},
        FrameAttack{"a_blank_after_the_version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n" + kHidden, 400},
        FrameAttack{"a_tab_for_a_blank", "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n" + kHidden, 400},
        FrameAttack{"a_blank_in_the_target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n" + kHidden, 400},
        FrameAttack{"bytes_above_ASCII_in_the_target", "GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n" + kHidden, 400},
        FrameAttack{"an_absolute_target", "GET http://127.0.0.1/ HTTP/1.1\r\nHost: a\r\n\r\n" + kHidden, 400},
        FrameAttack{"a_target_without_a_slash", "GET healthz HTTP/1.1\r\nHost: a\r\n\r\n" + kHidden, 400},
        FrameAttack{"a_star_for_a_target", "GET * HTTP/1.1\r\nHost: a\r\n\r\n" + kHidden, 400},
        FrameAttack{"a_query_above_8_KiB", "GET /?find=" + of(8200) + " HTTP/1.1\r\nHost: a\r\n\r\n" + kHidden, 414},
        // Other languages.
        FrameAttack{"HTTP_0_9", "GET /\r\n\r\n" + kHidden, 400},
        FrameAttack{"HTTP_1_2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n" + kHidden, 505},
        FrameAttack{"HTTP_1_10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n" + kHidden, 505},
        FrameAttack{"HTTP_in_small_letters", "GET / http/1.1\r\nHost: a\r\n\r\n" + kHidden, 400},
        FrameAttack{"the_preface_of_HTTP_2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + zeros(9), 505},
        FrameAttack{"the_hello_of_TLS", "\x16\x03\x01\x02" + zeros(1) + "\x01" + zeros(500) + "\r\n\r\n", 400},
        FrameAttack{"the_line_of_a_proxy", "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + kHidden, 400},
        FrameAttack{"a_request_of_Redis", "*1\r\n$4\r\nPING\r\n\r\n", 400},
        FrameAttack{"mail", "EHLO example.org\r\nMAIL FROM:<a@b>\r\n\r\n", 400},
        FrameAttack{"H19_a_method_in_small_letters", "get / HTTP/1.1\r\nHost: a\r\n\r\n" + kHidden, 501},
        FrameAttack{"H19_a_method_with_a_bracket", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n" + kHidden, 400},
        FrameAttack{"H19_an_upgrade_by_method", "PRI / HTTP/1.1\r\nHost: a\r\n\r\n" + kHidden, 501},
        FrameAttack{"H11_a_body_on_PATCH", "PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\n" + kHidden, 400}),
    name_of_case<FrameAttack>);

TEST_F(Attack, MethodsThatAreNotAllowedAreToldWhichAre) {
  const std::string answer = answer_to("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(status_of_answer(answer), 405);
  EXPECT_EQ(field_of(answer, "Allow"), "GET, HEAD");
}

// ----------------------------------------------------------------------------------------------------------------- paths

struct PathAttack {
  std::string name, target;
  int status;
};

void PrintTo(const PathAttack& attack, std::ostream* out) { *out << attack.name; }

class OfPaths : public Attack, public testing::WithParamInterface<PathAttack> {};

TEST_P(OfPaths, FindsNothingThatIsNotARoute) {
  Measure measure(server());
  const std::string answer = answer_to(get(GetParam().target));
  const Cost cost = measure.end(GetParam().name, word_for(status_of_answer(answer)));
  EXPECT_EQ(status_of_answer(answer), GetParam().status);
  EXPECT_EQ(body_of(answer).find("root:"), std::string::npos);
  EXPECT_EQ(answer.find("Set-Cookie"), std::string::npos);
  EXPECT_EQ(field_of(answer, "X-Content-Type-Options"), "nosniff");
  EXPECT_LE(cost.processor, milliseconds(500));
  expect_well();
}

std::string many(const std::string& text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

INSTANTIATE_TEST_SUITE_P(
    H17, OfPaths,
    testing::Values(
        PathAttack{"H17_out_of_the_folder", "/../../etc/passwd", 404},
        PathAttack{"H17_out_of_the_folder_encoded", "/%2e%2e%2f%2e%2e%2fetc/passwd", 404},
        PathAttack{"H17_out_of_the_folder_encoded_twice", "/%252e%252e%252fetc/passwd", 404},
        PathAttack{"H17_overlong_dots", "/%c0%ae%c0%ae/etc/passwd", 404},
        PathAttack{"H17_backslashes", "/..%5c..%5cetc%5cpasswd", 404}, PathAttack{"H17_two_slashes", "//", 404},
        PathAttack{"H17_two_slashes_and_a_path", "//etc/passwd", 404}, PathAttack{"H17_a_zero_byte", "/%00", 404},
        PathAttack{"H17_a_route_and_a_zero_byte", "/healthz%00", 404},
        PathAttack{"H17_a_route_and_a_line_end", "/healthz%0d%0aSet-Cookie:a=b", 404},
        PathAttack{"H17_a_stack_called_zero", "/stacks/%00", 404},
        PathAttack{"H17_a_stack_outside", "/stacks/..%2f..%2fetc%2fpasswd", 404},
        PathAttack{"H17_a_guid_of_no_text", "/v1/deployments/%ff", 404}, PathAttack{"H17_a_deeper_path", "/stacks/a/b", 404},
        PathAttack{"H17_a_file", "/index.html", 404}, PathAttack{"H17_a_lone_percent", "/%", 404},
        PathAttack{"H17_no_hexadecimal", "/%zz", 404}, PathAttack{"H17_a_wide_escape", "/%u0000%ud800", 404},
        PathAttack{"H17_no_guid", "/v1/deployments/", 404}, PathAttack{"H17_a_slash_too_many", "/healthz/", 404},
        PathAttack{"H17_a_semicolon", "/healthz;a=b", 404}, PathAttack{"H17_a_capital", "/Healthz", 404},
        PathAttack{"H17_a_commit_of_letters", "/v1/commits/..%2f..%2f..", 404},
        PathAttack{"H17_a_path_of_2000_characters", "/stacks/" + of(2000), 404},
        PathAttack{"H17_2000_escapes", "/" + many("%2f", 680), 404}, PathAttack{"a_query_of_8_KiB", "/?find=" + of(8000), 200},
        PathAttack{"a_query_of_2600_names", "/?" + many("a&=", 2600), 200},
        PathAttack{"a_query_of_escapes", "/?find=" + many("%3C", 2600), 200},
        PathAttack{"a_query_that_is_no_text", "/?find=%ff%fe%00%c0%80", 200},
        PathAttack{"a_query_with_a_line_end", "/?find=a%0d%0aSet-Cookie:%20a=b", 200},
        PathAttack{"a_query_with_a_wide_escape", "/?find=%uD800%u0000", 200},
        PathAttack{"a_query_with_a_cut_escape", "/?find=%", 200},
        PathAttack{"a_limit_beyond_all", "/v1/history?limit=99999999999999999999&before=18446744073709551615", 200},
        PathAttack{"a_limit_below_none", "/v1/deployments?ns=*&limit=-1&offset=-1", 400},
        PathAttack{"an_offset_beyond_all", "/v1/deployments?ns=*&limit=18446744073709551615&offset=18446744073709551615", 200},
        PathAttack{"namespaces_by_the_thousand", "/v1/deployments?ns=" + many("dev,", 1950), 200},
        PathAttack{"a_parameter_twice", "/v1/deployments?ns=dev&ns=*", 200}),
    name_of_case<PathAttack>);

// ------------------------------------------------------------------------------------------------------------ behaviour

TEST_F(Attack, H15AHandlerThatThrowsGivesAFixedTextAndANumber) {
  Served own;
  Measure measure(own);
  Client client(own.address());
  for (int i = 0; i < 3; ++i) {
    client.send(get("/test/throw"));
    const std::string answer = client.read_answer();
    EXPECT_EQ(status_of_answer(answer), 500);
    EXPECT_EQ(body_of(answer), "{\"message\":\"An internal error occurred\",\"request\":\"r" + std::to_string(i + 1) + "\"}\n");
    EXPECT_EQ(answer.find("canary"), std::string::npos);
  }
  const std::string log = own.log_with("request r3 failed");
  measure.end("H15_a_handler_throws_a_secret", "500, fixed text");
  EXPECT_NE(log.find("request r3 failed"), std::string::npos);
  EXPECT_EQ(log.find("canary"), std::string::npos) << log;
  EXPECT_EQ(status_of_answer(ask(own.address(), get("/healthz"))), 200);
}

TEST_F(Attack, NobodyCanPretendToComeFromElsewhere) {
  const std::string plain = answer_to(get("/v1/deployments?ns=dev"));
  for (const char* field : {"REMOTE_ADDR: 10.0.0.1\r\nREMOTE_PORT: 1", "LOCAL_ADDR: 10.0.0.1", "X-Forwarded-For: 10.0.0.1",
                            "X-Original-URL: /v1/status", "X-HTTP-Method-Override: DELETE", "X-Rewrite-URL: /"})
    EXPECT_EQ(plain, answer_to("GET /v1/deployments?ns=dev HTTP/1.1\r\nHost: a\r\n" + std::string(field) + "\r\n\r\n")) << field;
}

TEST_F(Attack, AnUpgradeIsNotTaken) {
  for (const char* field : {"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
                            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}) {
    const std::string answer = answer_to("GET /healthz HTTP/1.1\r\nHost: a\r\n" + std::string(field) + "\r\n\r\n");
    EXPECT_EQ(status_of_answer(answer), 200) << field;
    EXPECT_EQ(body_of(answer), "ok\n");
  }
}

TEST_F(Attack, PipelinedRequestsAreAnsweredInOrder) {
  Client client(server().address());
  std::string requests;
  for (int i = 0; i < 200; ++i) requests += get(i % 2 == 0 ? "/healthz" : "/nothing-there");
  client.send(requests);
  for (int i = 0; i < 200; ++i) ASSERT_EQ(status_of_answer(client.read_answer()), i % 2 == 0 ? 200 : 404) << i;
  client.send("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + kHidden);
  EXPECT_EQ(body_of(client.read_answer()), "ok\n");
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(client.read_answer(), "");
}

TEST_F(Attack, APipelineThatGoesWrongIsAnsweredUpToThere) {
  Client client(server().address());
  client.send(get("/healthz") + get("/readyz") + "GET / HTTP/1.1\r\n\r\n" + kHidden);
  EXPECT_EQ(body_of(client.read_answer()), "ok\n");
  EXPECT_NE(status_of_answer(client.read_answer()), 0);
  EXPECT_EQ(status_of_answer(client.read_answer()), 400);
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(client.read_answer(), "");
}

TEST_F(Attack, ARequestMayArriveByteByByte) {
  Client client(server().address());
  for (const char c : get("/healthz")) client.send(std::string_view(&c, 1));
  EXPECT_EQ(body_of(client.read_answer()), "ok\n");
}

TEST_F(Attack, AClientThatStopsSendingStillGetsItsAnswer) {
  Client client(server().address());
  client.send(get("/healthz"));
  client.end_sending();
  EXPECT_EQ(body_of(client.read_answer()), "ok\n");
  EXPECT_TRUE(client.closed());
}

TEST_F(Attack, AClientThatStopsInTheMiddleIsLetGo) {
  for (const char* begin : {"", "GET / HT", "\r", "GET /healthz HTTP/1.1\r\nHost: a\r\n"}) {
    Client client(server().address());
    client.send(begin);
    client.end_sending();
    EXPECT_TRUE(client.closed()) << begin;
    EXPECT_EQ(client.read_answer(), "") << begin;
  }
  expect_well();
}

}  // namespace
}  // namespace nelson::status_test
