#include "controller/status/request.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nelson::status {
namespace {

using Kind = Parsed::Kind;

Parsed parse(std::string_view bytes) {
  std::size_t searched = 0;
  return parse_request(bytes, searched);
}

struct RefusedCase {
  std::string name;
  std::string bytes;
  int status;
};

std::string with_field(const std::string& field) { return "GET / HTTP/1.1\r\nHost: a\r\n" + field + "\r\n\r\n"; }

std::string many_fields(std::size_t count) {
  std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (std::size_t i = 1; i < count; ++i) text += "X-" + std::to_string(i) + ": 1\r\n";
  return text + "\r\n";
}

class Refused : public testing::TestWithParam<RefusedCase> {};

TEST_P(Refused, WithItsStatusAndAReason) {
  const Parsed parsed = parse(GetParam().bytes);
  EXPECT_EQ(parsed.kind, Kind::kRefused);
  EXPECT_EQ(parsed.status, GetParam().status);
  EXPECT_FALSE(parsed.reason.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Requests, Refused,
    testing::Values(RefusedCase{"no_host", "GET / HTTP/1.1\r\n\r\n", 400}, RefusedCase{"two_hosts", with_field("Host: b"), 400},
                    RefusedCase{"an_empty_host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
                    RefusedCase{"a_space_before_the_colon", with_field("X : 1"), 400},
                    RefusedCase{"a_folded_field", with_field("X: 1\r\n 2"), 400},
                    RefusedCase{"a_field_without_colon", with_field("nothing"), 400},
                    RefusedCase{"a_field_without_name", with_field(": 1"), 400},
                    RefusedCase{"a_control_character_in_a_value", with_field("X: a\x01"), 400},
                    RefusedCase{"a_bare_line_feed_in_a_value", with_field("X: a\nY: b"), 400},
                    RefusedCase{"a_byte_above_ASCII_in_a_value", with_field("X: \xc3\xa4"), 400},
                    RefusedCase{"an_encoded_line_end_in_any_value", with_field("X-Any: a%0d%0aSet: b"), 400},
                    RefusedCase{"a_percent_sign_in_a_field_that_is_passed_on", with_field("User-Agent: a%41"), 400},
                    RefusedCase{"transfer_encoding", with_field("Transfer-Encoding: chunked"), 400},
                    RefusedCase{"transfer_encoding_and_length", with_field("Content-Length: 3\r\nTransfer-Encoding: chunked"), 400},
                    RefusedCase{"expect", with_field("Expect: 100-continue"), 417},
                    RefusedCase{"two_lengths", with_field("Content-Length: 0\r\nContent-Length: 0"), 400},
                    RefusedCase{"a_negative_length", with_field("Content-Length: -1"), 400},
                    RefusedCase{"a_length_with_a_plus", with_field("Content-Length: +1"), 400},
                    RefusedCase{"a_length_of_ten_to_the_23rd", with_field("Content-Length: 100000000000000000000000"), 413},
                    RefusedCase{"a_body_on_GET", with_field("Content-Length: 5"), 400},
                    RefusedCase{"a_body_on_DELETE", "DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", 400},
                    RefusedCase{"a_body_above_1_MiB", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", 413},
                    RefusedCase{"POST", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405},
                    RefusedCase{"PUT", "PUT / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
                    RefusedCase{"TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
                    RefusedCase{"CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405},
                    RefusedCase{"OPTIONS_of_everything", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 405},
                    RefusedCase{"an_unknown_method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
                    RefusedCase{"an_absolute_target", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    RefusedCase{"a_target_with_a_space", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    RefusedCase{"a_target_above_ASCII", "GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                    RefusedCase{"no_version", "GET /\r\nHost: a\r\n\r\n", 400},
                    RefusedCase{"version_2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
                    RefusedCase{"lines_that_end_with_a_line_feed_alone", "GET / HTTP/1.1\nHost: a\n\n", 400},
                    RefusedCase{"a_path_above_2_KiB", "GET /" + std::string(2100, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 404},
                    RefusedCase{"a_request_line_above_8_KiB", "GET /?" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n",
                                414},
                    RefusedCase{"a_request_line_without_end", "GET /" + std::string(9000, 'a'), 414},
                    RefusedCase{"a_header_above_16_KiB", with_field("X: " + std::string(17000, 'a')), 431},
                    RefusedCase{"a_header_without_end", "GET / HTTP/1.1\r\nX: " + std::string(17000, 'a'), 431},
                    RefusedCase{"65_fields", many_fields(65), 431}, RefusedCase{"bytes_of_TLS", "\x16\x03\x01\x02\r\n\r\n", 400}),
    [](const auto& info) { return info.param.name; });

struct AcceptedCase {
  std::string name;
  std::string bytes;
  std::string text;
  bool close;
};

class Accepted : public testing::TestWithParam<AcceptedCase> {};

TEST_P(Accepted, AndRewrittenToWhatWeKnow) {
  const Parsed parsed = parse(GetParam().bytes);
  ASSERT_EQ(parsed.kind, Kind::kRequest) << parsed.reason;
  EXPECT_EQ(parsed.text, GetParam().text);
  EXPECT_EQ(parsed.close, GetParam().close);
  EXPECT_EQ(parsed.size, GetParam().bytes.size());
}

INSTANTIATE_TEST_SUITE_P(
    Requests, Accepted,
    testing::Values(
        AcceptedCase{"the_plainest", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", false},
        AcceptedCase{"an_empty_line_before", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", false},
        AcceptedCase{
            "fields_that_mean_something_to_the_library_are_dropped",
            with_field(
                "Range: bytes=0-1\r\nREMOTE_ADDR: 1.2.3.4\r\nAccept-Encoding: gzip\r\nContent-Encoding: gzip\r\nCookie: a=%41"),
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n", false},
        AcceptedCase{"known_fields_are_passed_on", with_field("accept:  text/html "),
                     "GET / HTTP/1.1\r\nHost: a\r\naccept: text/html\r\n\r\n", false},
        AcceptedCase{"close_is_understood_in_a_list", with_field("Connection: TE, Close"), "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                     true},
        AcceptedCase{"HTTP_1_0_closes", "HEAD /x HTTP/1.0\r\nHost: a\r\n\r\n", "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", true},
        AcceptedCase{"a_length_of_zero", with_field("Content-Length: 0"), "GET / HTTP/1.1\r\nHost: a\r\n\r\n", false},
        AcceptedCase{"64_fields", many_fields(64), "GET / HTTP/1.1\r\nHost: a\r\n\r\n", false}),
    [](const auto& info) { return info.param.name; });

TEST(ParseRequest, SaysTheSameHoweverTheBytesArrive) {
  const std::string bytes = "GET /v1/status?x=1 HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\nGET /next";
  std::size_t searched = 0;
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const Parsed parsed = parse_request(std::string_view(bytes).substr(0, size), searched);
    if (parsed.kind == Kind::kIncomplete) continue;
    ASSERT_EQ(parsed.kind, Kind::kRequest);
    EXPECT_EQ(size, bytes.find("GET /next"));
    EXPECT_EQ(parsed.size, size);
    return;
  }
  FAIL() << "never complete";
}

TEST(ParseRequest, TakesOnlyTheFirstOfTwoRequests) {
  const std::string one = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
  const Parsed parsed = parse(one + one);
  ASSERT_EQ(parsed.kind, Kind::kRequest);
  EXPECT_EQ(parsed.size, one.size());
}

}  // namespace
}  // namespace nelson::status
