#include "gitsync/document.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/gitsync/sanitized.h"

namespace nelson {
namespace {

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

/// A node as text: "x", [a, b], {key: value}; plain scalars without quotes.
std::string shown(const Node& node) {
  std::string out;
  switch (node.kind) {
    case NodeKind::kNull:
      return "null";
    case NodeKind::kScalar:
      return node.plain ? node.text : '"' + node.text + '"';
    case NodeKind::kSequence:
      for (const Node& item : node.children) out += (out.empty() ? "" : ", ") + shown(item);
      return "[" + out + "]";
    case NodeKind::kMapping:
      for (const Node& entry : node.children) out += (out.empty() ? "" : ", ") + entry.key + ": " + shown(entry);
      return "{" + out + "}";
  }
  return out;
}

struct Accepted {
  const char* says;
  std::string text;
  std::string tree;
};

TEST(Document, ReadsWhatTheManifestLanguageAllows) {
  const std::vector<Accepted> cases = {
      {"an empty text is null", "", "null"},
      {"a comment alone is null", "# nothing\n", "null"},
      {"a leading directive and document mark are well", "%YAML 1.2\n---\na: 1\n", "{a: 1}"},
      {"an end mark is well", "a: 1\n...\n", "{a: 1}"},
      {"quotes keep a scalar from meaning a number", "a: \"1\"\nb: '2'\nc: 3\n", "{a: \"1\", b: \"2\", c: 3}"},
      {"a core tag counts as quotes", "a: !!str 1\n", "{a: \"1\"}"},
      {"JSON is YAML", "{\n\t\"a\": [1, true]}\n", "{a: [1, true]}"},
      {"an alias is replaced by what it names", "a: &x [1, 2]\nb: *x\n", "{a: [1, 2], b: [1, 2]}"},
      {"an anchor used again names the newer thing", "a: &x 1\nb: &x 2\nc: *x\n", "{a: 1, b: 2, c: 2}"},
      {"an alias may be a key", "a: &k foo\n*k : bar\n", "{a: foo, foo: bar}"},
      {"explicit keys win over merged ones, wherever they stand", "x: &x {k: 1, l: 2}\ny:\n  <<: *x\n  l: 3\n",
       "{x: {k: 1, l: 2}, y: {l: 3, k: 1}}"},
      {"the earlier map of a merged list wins", "a: {<<: [{k: 1}, {k: 2, l: 3}]}", "{a: {k: 1, l: 3}}"},
      {"a merged map may itself have merged", "a: &a {k: 1}\nb: &b {<<: *a, l: 2}\nc: {<<: *b}",
       "{a: {k: 1}, b: {l: 2, k: 1}, c: {l: 2, k: 1}}"},
      {"a quoted << is an ordinary key", "\"<<\": {k: 1}\n", "{<<: {k: 1}}"},
      {"a mark of UTF-8 is skipped", "\xEF\xBB\xBFpas: caf\xC3\xA9\n", "{pas: caf\xC3\xA9}"},
      {"Windows line ends are well", "a:\r\n  b: 1\r\nc: 2\r\n", "{a: {b: 1}, c: 2}"},
      {"a block text keeps its lines", "a: |\n  x\n  [[[\n", "{a: \"x\n[[[\n\"}"},
      {"an escaped quote does not end a text", "a: \"\\\"\"\nb: 'it''s'", "{a: \"\"\", b: \"it's\"}"},
      {"words that mean nothing are null", "[~, null, NULL, '', x: ]", "[null, null, null, \"\", {x: null}]"},
      {"the last of two equal keys counts", "a: 1\nb: 2\na: 3\n", "{b: 2, a: 3}"},
  };
  for (const Accepted& c : cases) {
    SCOPED_TRACE(c.says);
    const DocumentReading reading = read_document(c.text, DuplicateKeys::kLastWins);
    ASSERT_TRUE(reading.root) << to_string(reading.problems.at(0));
    EXPECT_EQ(shown(*reading.root), c.tree);
  }
}

struct BadDocument {
  const char* says;
  std::string text;
  const char* message;
  Place place;
};

TEST(Document, RefusesTheRestWithItsPlace) {
  const std::vector<BadDocument> cases = {
      {"a second document", "a: 1\n---\nb: 2\n", "more than one document", {2, 1}},
      {"an empty second document", "a: 1\n---\n", "more than one document", {2, 1}},
      {"what the library would drop silently", "- a\nb: c\n", "trailing content", {2, 1}},
      {"text after a quoted document", "\"a\"b", "trailing content", {1, 4}},
      {"an unclosed list", "a: [1, 2\nb: 3\n", "end of sequence flow not found", {2, 2}},
      {"an unclosed quote, which would swallow the rest", "a: 1\nb: \"x\nc: 1\n", "never closed", {2, 4}},
      {"an unclosed single quote behind an anchor", "b: &x 'x\nc: 1\n", "never closed", {1, 4}},
      {"an alias to nothing", "a: *y", "anchor is not defined", {1, 4}},
      {"an alias inside what it names", "&x [*x]", "inside the very thing", {1, 5}},
      {"a merge of what holds it", "a: &a\n  <<: *a\n", "inside the very thing", {2, 7}},
      {"a merge of something else than a mapping", "a:\n  <<: 1\n", "merges a mapping", {2, 7}},
      {"an unknown tag", "a: !foo 1", "tag `!foo`", {1, 4}},
      {"a tag of a language's objects",
       "a: !!python/object:os.system x",
       "tag `tag:yaml.org,2002:python/object:os.system`",
       {1, 4}},
      {"a core tag on the wrong kind", "a: !!map 1", "tag", {1, 4}},
      {"a number as a key", "1: a", "a key must be text", {1, 1}},
      {"a boolean as a key", "a: {yes: 1}", "a key must be text", {1, 5}},
      {"a list as a key", "? [a]\n: 1", "a key must be text", {1, 3}},
      {"a tab as indentation", "a:\n\t- x\n", "tab", {2, 1}},
      {"a tab before a key", "a:\n  b: 1\n\tc: 1\n", "tab", {3, 1}},
      {"a NUL byte", std::string("a: x\nb: \0", 9), "control character at byte 8", {2, 4}},
      {"an escape sequence for terminals", "a: \x1b[31m", "control character at byte 3", {1, 4}},
      {"a DEL", "a: \x7f", "control character", {1, 4}},
      {"a C1 control character", "a: \xC2\x9B", "control character", {1, 4}},
      {"a NUL by escape", "a: \"x\\0\"", "control character in a text", {1, 4}},
      {"a lone surrogate by escape", "a: \"\\ud800\"", "invalid unicode", {1, 11}},
      {"UTF-16 with its mark",
       std::string("\xFF\xFE"
                   "a\0",
                   4),
       "not UTF-8 at byte 0",
       {1, 1}},
      {"UTF-32 with its mark", std::string("\0\0\xFE\xFF", 4), "control character at byte 0", {1, 1}},
      {"a surrogate in UTF-8", "a: \xED\xA0\x80", "not UTF-8 at byte 3", {1, 4}},
      {"a longer form than needed", "a: \xC0\xAF", "not UTF-8", {1, 4}},
      {"a cut off sequence", "a: \xE2\x82", "not UTF-8", {1, 4}},
      {"an unknown escape of half a character", "a: \"\\\xC3\xA9\"", "unknown escape character: ?", {1, 7}},
      {"an unknown escape of a control character", "a: \"\\\r\"", "unknown escape character: ?", {1, 7}},
      {"an escape at the end of the text", "a: \"\\", "the text ends within a quote", {1, 6}},
      {"an escape at the end of a later line", "b: 1\na: \"\\", "the text ends within a quote", {2, 6}},
      {"a value where there is one", "a: b: c\n", "illegal map value", {1, 5}},
  };
  for (const BadDocument& c : cases) {
    SCOPED_TRACE(c.says);
    const DocumentReading reading = read_document(c.text, DuplicateKeys::kLastWins);
    ASSERT_FALSE(reading.root);
    ASSERT_EQ(reading.problems.size(), 1U);
    const Problem& problem = reading.problems[0];
    EXPECT_EQ(problem.code, "LoadError");
    EXPECT_NE(problem.message.find(c.message), std::string::npos) << problem.message;
    EXPECT_EQ((Place{problem.line, problem.column}), c.place) << to_string(problem);
    EXPECT_FALSE(problem.way_out.empty());
  }
}

TEST(Document, TwoEqualKeysAreAWarningOrAnError) {
  const DocumentReading warned = read_document("a: 1\na: 2\n", DuplicateKeys::kLastWins);
  ASSERT_EQ(warned.problems.size(), 1U);
  EXPECT_TRUE(warned.problems[0].warning);
  EXPECT_EQ(warned.problems[0].line, 2U);
  const DocumentReading refused = read_document("a: 1\na: 2\n", DuplicateKeys::kRefuse);
  EXPECT_FALSE(refused.root);
  EXPECT_EQ(refused.problems.at(0).line, 2U);
}

TEST(Document, KeepsPlacesOfNodesAndKeys) {
  const DocumentReading reading = read_document("a: &x\n  b: [1,\n    two]\nc: *x\n", DuplicateKeys::kLastWins);
  ASSERT_TRUE(reading.root);
  const Node* b = reading.root->find("a")->find("b");
  EXPECT_EQ(b->key_place, (Place{2, 3}));
  EXPECT_EQ(b->place, (Place{2, 6}));
  EXPECT_EQ(b->children.at(1).place, (Place{3, 5}));
  EXPECT_EQ(reading.root->find("c")->key_place, (Place{4, 1}));
  EXPECT_EQ(reading.root->find("c")->find("b")->place, (Place{2, 6})) << "what an alias stands for is where it was written";
}

TEST(Document, LimitsAreExact) {
  const auto reads = [](const std::string& text) { return read_document(text, DuplicateKeys::kLastWins).root.has_value(); };
  EXPECT_TRUE(reads(repeated("[", 32) + repeated("]", 32)));
  EXPECT_FALSE(reads(repeated("[", 33) + repeated("]", 33)));
  EXPECT_TRUE(reads(repeated("- x\n", 9'999)));  // and the list itself
  EXPECT_FALSE(reads(repeated("- x\n", 10'000)));
  EXPECT_TRUE(reads("a: " + repeated("x", 64 * 1024)));
  EXPECT_FALSE(reads("a: " + repeated("x", 64 * 1024 + 1)));
  EXPECT_TRUE(reads("# " + repeated("x", 256 * 1024 - 2)));
  EXPECT_FALSE(reads("# " + repeated("x", 256 * 1024 - 1)));
}

struct Worst {
  const char* says;
  std::string text;
  const char* message;
};

std::string billion_laughs() {
  std::string text = "a: &a [x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c <= 'i'; ++c) {
    const std::string previous = std::string("*") + static_cast<char>(c - 1);
    text += std::string(1, c) + ": &" + c + " [" + previous + repeated("," + previous, 8) + "]\n";
  }
  return text;
}

std::string chain(int length) {
  std::string text = "a0: &a0 [x]\n";
  for (int i = 1; i <= length; ++i) {
    const std::string n = std::to_string(i), before = std::to_string(i - 1);
    text += "a" + n + ": &a" + n + " [*a" + before + "]\n";
  }
  return text;
}

std::string nested_mappings(int levels) {
  std::string text;
  for (int i = 0; i < levels && text.size() < 250'000; ++i) text += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  return text;
}

TEST(Document, HostileTextsAreRefusedQuicklyAndInLittleMemory) {
  const std::vector<Worst> cases = {
      {"262,144 opening braces", repeated("{", 262'144), "too deep"},
      {"262,144 opening brackets", repeated("[", 262'144), "too deep"},
      {"131,072 explicit keys", repeated("? ", 131'072), "a key must be text"},
      {"as many nested block lists", repeated("- ", 131'072), "too deep"},
      {"3,000 nested block mappings", nested_mappings(3'000), "too deep"},
      {"65,536 list items", repeated("- x\n", 65'536), "too many nodes"},
      {"one long flow list", "[" + repeated("x,", 131'071) + "]", "too many nodes"},
      {"many empty flow lists", "[" + repeated("[],", 87'380) + "]", "too many nodes"},
      {"a mapping of many quoted texts", "[" + repeated("'',", 87'000) + "]", "too many nodes"},
      {"nine levels of aliases of nine", billion_laughs(), "expands to more than 10000 nodes"},
      {"one alias 87,000 times", "a: &a x\nb: [" + repeated("*a,", 87'000) + "]", "expands to more than 10000 nodes"},
      {"a list of 4,000 aliased 40,000 times", "a: &a [" + repeated("x,", 4'000) + "]\nb: [" + repeated("*a,", 40'000) + "]",
       "expands to more than 10000 nodes"},
      {"60 chained aliases", chain(60), "too deep"},
      {"a long text aliased often", "a: &a " + repeated("x", 60'000) + "\nb: [" + repeated("*a,", 9'000) + "]", "bytes of text"},
      {"300 KiB", repeated("a: 1 # x\n", 34'000), "at most 262144"},
      {"a text of 250 KiB", "a: " + repeated("x", 250'000), "at most 65536"},
      {"only colons", repeated(":", 262'144), "illegal"},
      {"only quotes", repeated("\"", 262'144), "trailing content"},
      {"only document marks", repeated("---\n", 65'536), "more than one document"},
      {"only anchors", repeated("&a ", 87'000), "anchor"},
      {"only bangs", repeated("!", 262'144), "tag"},
      {"a merge of many", "a: &a {b: 1}\nc: {<<: [" + repeated("*a,", 80'000) + "]}", "expands to more than 10000 nodes"},
      {"20,000 anchors",
       [] {
         std::string text;
         for (int i = 0; i < 20'000; ++i) text += "&a" + std::to_string(i) + " x: 1\n";
         return text;
       }(),
       "too many nodes"},
  };
  for (const Worst& c : cases) {
    SCOPED_TRACE(c.says);
    const auto before = std::chrono::steady_clock::now();
    const DocumentReading reading = read_document(c.text, DuplicateKeys::kLastWins);
    const auto took = std::chrono::steady_clock::now() - before;
    ASSERT_FALSE(reading.root);
    EXPECT_NE(reading.problems.at(0).message.find(c.message), std::string::npos) << to_string(reading.problems[0]);
    // About 0.15 s where nothing else runs; what is looked for is a quadratic parser, which takes minutes.
    EXPECT_LT(took, std::chrono::seconds(5));
  }
  rusage usage{};
  ASSERT_EQ(getrusage(RUSAGE_SELF, &usage), 0);
  if (!kSanitized) EXPECT_LT(usage.ru_maxrss, 200 * 1024) << "KiB of the whole process; one text may cost 80 MiB";
}

TEST(Document, QuotedTextIsShortAndPrintable) {
  EXPECT_EQ(in_quotes("abc"), "`abc`");
  EXPECT_EQ(in_quotes("a\nb\x1b"), "`a?b?`");
  EXPECT_EQ(in_quotes(repeated("x", 200)), "`" + repeated("x", 80) + "...`");
  EXPECT_EQ(in_quotes(repeated("\xC3\xA9", 100)).substr(79), "\xC3\xA9...`") << "no half character";
}

}  // namespace
}  // namespace nelson
