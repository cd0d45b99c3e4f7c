#include "controller/base/text.h"

#include <gtest/gtest.h>

namespace nelson {
namespace {

struct VisibleCase {
  std::string name, text, want;
};

TEST(Text, WhatCouldDriveATerminalIsMadeVisible) {
  const std::vector<VisibleCase> cases = {
      {"plain text stays", "basket 1.4.2", "basket 1.4.2"},
      {"letters beyond ASCII stay", "größer 東京 🚀", "größer 東京 🚀"},
      {"an escape sequence", "\x1b[31mred", "\\x1b[31mred"},
      {"a line feed, which would forge a log line", "a\nlevel=info", "a\\x0alevel=info"},
      {"a NUL", std::string("a\0b", 3), "a\\x00b"},
      {"delete", "a\x7f", "a\\x7f"},
      {"a C1 control as UTF-8",
       "a\xc2\x9b"
       "31m",
       "a\\xc2\\x9b31m"},
      {"a bidirectional override",
       "a\xe2\x80\xae"
       "b",
       "a\\xe2\\x80\\xaeb"},
      {"a lone continuation byte", "a\x80z", "a\\x80z"},
      {"an overlong slash", "\xc0\xaf", "\\xc0\\xaf"},
      {"a surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80"},
      {"a cut sequence at the end", "a\xe6\x9d", "a\\xe6\\x9d"},
  };
  for (const VisibleCase& c : cases) EXPECT_EQ(visible(c.text), c.want) << c.name;
  EXPECT_EQ(visible("a\tb\n\x1b", true), "a\tb\n\\x1b");
}

TEST(Text, CredentialsAreCutOutOfUrls) {
  const std::vector<VisibleCase> cases = {
      {"user and password", "clone https://bob:s3cret@host/x.git failed", "clone https://host/x.git failed"},
      {"a token alone", "https://ghp_abc@host/x", "https://host/x"},
      {"an @ inside the password", "https://bob:p@ss@host/x", "https://host/x"},
      {"two urls", "https://a:b@h/1 and https://c:d@i/2", "https://h/1 and https://i/2"},
      {"the user of ssh is no secret", "ssh://git@host/x", "ssh://git@host/x"},
      {"a password of ssh is one", "ssh://git:pw@host/x", "ssh://host/x"},
      {"an @ in the path stays", "https://host/a@b", "https://host/a@b"},
      {"no url", "nothing@here", "nothing@here"},
      {"nothing after the mark", "https://", "https://"},
  };
  for (const VisibleCase& c : cases) EXPECT_EQ(without_credentials(c.text), c.want) << c.name;
}

}  // namespace
}  // namespace nelson
