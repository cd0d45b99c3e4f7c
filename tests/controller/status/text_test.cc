#include "controller/status/text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>

namespace nelson::status {
namespace {

struct TextCase {
  std::string name, text, as_html, as_json;
};

class ForeignText : public testing::TestWithParam<TextCase> {};

TEST_P(ForeignText, IsHarmlessInHtmlAndJson) {
  EXPECT_EQ(html(GetParam().text), GetParam().as_html);
  std::string json;
  append_json(json, GetParam().text);
  EXPECT_EQ(json, GetParam().as_json);
}

INSTANTIATE_TEST_SUITE_P(
    All, ForeignText,
    testing::Values(TextCase{"plain", "checkout 1.4.2", "checkout 1.4.2", "\"checkout 1.4.2\""},
                    TextCase{"a_script", "<script>a('x')&\"", "&lt;script&gt;a(&#39;x&#39;)&amp;&quot;",
                             "\"\\u003cscript\\u003ea('x')\\u0026\\\"\""},
                    TextCase{"a_line_separator",
                             "a\xe2\x80\xa8"
                             "b",
                             "a\xef\xbf\xbd"
                             "b",
                             "\"a\\u2028b\""},
                    TextCase{"a_terminal_escape", "\x1b[31m", "\xef\xbf\xbd[31m", "\"\\u001b[31m\""},
                    TextCase{"a_C1_control", "\xc2\x9b", "\xef\xbf\xbd", "\"\\u009b\""},
                    TextCase{"a_direction_override",
                             "a\xe2\x80\xae"
                             "b",
                             "a\xef\xbf\xbd"
                             "b",
                             "\"a\\u202eb\""},
                    TextCase{"a_byte_that_is_not_UTF_8",
                             "a\xff"
                             "b",
                             "a\xef\xbf\xbd"
                             "b",
                             "\"a\xef\xbf\xbd"
                             "b\""},
                    TextCase{"an_overlong_slash", "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
                    TextCase{"a_surrogate", "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
                             "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
                    TextCase{"a_cut_off_character", "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
                    TextCase{"real_letters_stay", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82",
                             "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82\""},
                    TextCase{"a_backslash", "a\\n", "a\\n", "\"a\\\\n\""},
                    TextCase{"a_zero_byte", std::string("a\0b", 3),
                             "a\xef\xbf\xbd"
                             "b",
                             "\"a\\u0000b\""}),
    [](const auto& info) { return info.param.name; });

TEST(ForeignTextLaw, AnyBytesMakeValidJsonWithoutControls) {
  const unsigned seed = 20261121;
  std::mt19937 random(seed);
  for (int i = 0; i < 5000; ++i) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(random() % 256);
    std::string json;
    append_json(json, text);
    EXPECT_TRUE(nlohmann::json::accept(json)) << "seed " << seed << " round " << i;
    for (const char c : json) ASSERT_GE(static_cast<unsigned char>(c), 0x20U) << "seed " << seed << " round " << i;
    const std::string page = html(text);
    EXPECT_EQ(page.find_first_of("<>\"'"), std::string::npos) << "seed " << seed << " round " << i;
    EXPECT_TRUE(nlohmann::json::accept("\"" + std::string() + "\""));
  }
}

TEST(JsonWriter, PutsCommasWhereTheyBelong) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("a", "b").key("c").begin_array().number(1).number(2).begin_object().end_object().end_array();
  json.key("d").null().key("e").boolean(true).end_object();
  EXPECT_EQ(out, R"({"a":"b","c":[1,2,{}],"d":null,"e":true})");
}

TEST(Label, CannotLeaveItsQuotes) { EXPECT_EQ(label("a\"} 1\nx\\"), "a\\\"} 1\\nx\\\\"); }

TEST(Url, EncodesAllButTheHarmless) { EXPECT_EQ(url("a/b?c=<\xff"), "a%2fb%3fc%3d%3c%ff"); }

}  // namespace
}  // namespace nelson::status
