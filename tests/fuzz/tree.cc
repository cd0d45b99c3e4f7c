#include "tests/fuzz/tree.h"

#include <algorithm>
#include <array>
#include <set>

#include "tests/fuzz/target.h"

namespace nelson::fuzz {
namespace {

constexpr std::size_t kLongestSimpleKey = 500;  // in bytes as printed; YAML allows 1024 characters
constexpr std::size_t kMostBrackets = 2'000;    // the reader counts them without looking at quotes
constexpr std::size_t kLongestMessage = 2'000;

void append_quoted(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\x";
      out += kHex[static_cast<unsigned char>(c) >> 4U];
      out += kHex[static_cast<unsigned char>(c) & 0xfU];
    } else {
      out += c;
    }
  }
  out += '"';
}

/// Whether a text that was plain somewhere may be so in a block. One in several lines is folded, which is no business of this printer, and
/// what is a word between brackets may begin a list here; what a text may mean does not change by either being quoted.
bool plain_in_a_block(std::string_view text) {
  const bool mark = std::string_view("-?:").find(text[0]) != std::string_view::npos && (text.size() == 1 || text[1] == ' ');
  return !mark && text.find_first_of("\n\r\t") == std::string_view::npos;
}

void print(std::string& out, const Node& node, std::size_t indent) {
  switch (node.kind) {
    case NodeKind::kNull:
      out += " null\n";
      return;
    case NodeKind::kScalar:
      out += ' ';
      if (node.plain && plain_in_a_block(node.text))
        out += node.text;
      else
        append_quoted(out, node.text);
      out += '\n';
      return;
    case NodeKind::kSequence:
      out += node.children.empty() ? " []\n" : "\n";
      for (const Node& item : node.children) {
        out.append(indent, ' ').append("-");
        print(out, item, indent + 1);
      }
      return;
    case NodeKind::kMapping:
      out += node.children.empty() ? " {}\n" : "\n";
      for (const Node& entry : node.children) {
        std::string key;
        append_quoted(key, entry.key);
        const bool simple = key.size() <= kLongestSimpleKey;
        out.append(indent, ' ').append(simple ? "" : "? ").append(key);
        if (!simple) out.append("\n").append(indent, ' ');
        out += ':';
        print(out, entry, indent + 1);
      }
      return;
  }
}

/// "" or where two trees differ; neither places nor the way of writing are compared.
std::string difference(const Node& a, const Node& b, const std::string& path) {
  if (a.kind != b.kind || a.text != b.text) return path + ": \"" + a.text + "\" and \"" + b.text + "\"";
  if (a.children.size() != b.children.size()) return path + ": another number of children";
  for (std::size_t i = 0; i < a.children.size(); ++i) {
    const std::string below = path + "/" + (a.kind == NodeKind::kMapping ? a.children[i].key : std::to_string(i));
    if (a.children[i].key != b.children[i].key) return below + " and " + b.children[i].key;
    if (std::string found = difference(a.children[i], b.children[i], below); !found.empty()) return found;
  }
  return "";
}

struct Totals {
  std::size_t nodes = 0, levels = 0, text = 0;
};

void check_node(const Node& node, std::size_t level, Totals& totals) {
  ++totals.nodes;
  totals.levels = std::max(totals.levels, level);
  totals.text += node.text.size();
  if (node.text.size() > kDocumentLimits.scalar || node.key.size() > kDocumentLimits.scalar) violated("a scalar above its limit");
  if (!is_utf8(node.text) || !is_utf8(node.key)) violated("a text that is not UTF-8: " + node.text);
  if (node.kind != NodeKind::kScalar && !node.text.empty()) violated("a text in what is no scalar");
  if (node.kind != NodeKind::kSequence && node.kind != NodeKind::kMapping && !node.children.empty())
    violated("a scalar with children");
  if (node.place == Place{}) violated("a node without a place");
  std::vector<std::string_view> keys;
  for (const Node& child : node.children) {
    if (node.kind == NodeKind::kMapping) keys.emplace_back(child.key);
    if (node.kind == NodeKind::kMapping && child.key_place == Place{}) violated("a key without a place");
    check_node(child, level + (child.kind == NodeKind::kSequence || child.kind == NodeKind::kMapping ? 1 : 0), totals);
  }
  std::sort(keys.begin(), keys.end());
  if (std::adjacent_find(keys.begin(), keys.end()) != keys.end()) violated("a key is there twice");
}

void check_tree(const Node& root) {
  Totals totals;
  check_node(root, root.kind == NodeKind::kSequence || root.kind == NodeKind::kMapping ? 1 : 0, totals);
  if (totals.nodes > kDocumentLimits.nodes) violated("more nodes than the limit");
  if (totals.levels > kDocumentLimits.levels) violated("deeper than the limit");
  if (totals.text > kDocumentLimits.expanded_text) violated("more text than the limit");
}

std::string printed(const Node& root) {
  std::string out;
  if (root.kind == NodeKind::kScalar) {
    append_quoted(out, root.text);
    return out + "\n";
  }
  print(out, root, 0);
  out.erase(0, 1);  // the blank or the line end that follows a key or a dash
  return out;
}

std::optional<std::string> check_printed(const Node& root) {
  std::string text = printed(root);
  const auto brackets = std::count_if(text.begin(), text.end(), [](char c) { return c == '[' || c == '{'; });
  if (text.size() > kDocumentLimits.bytes || static_cast<std::size_t>(brackets) > kMostBrackets) return std::nullopt;
  const DocumentReading again = read_document(text, DuplicateKeys::kRefuse);
  if (!again.root) violated("a tree does not read as it prints: " + to_string(again.problems.at(0)) + "\n" + text);
  if (const std::string where = difference(root, *again.root, ""); !where.empty())
    violated("a tree reads as another than it prints: " + where + "\n" + text);
  return text;
}

}  // namespace

Checked read_and_check(std::string_view bytes, DuplicateKeys duplicates) {
  Checked out{read_document(bytes, duplicates), std::nullopt};
  const DocumentReading& reading = out.reading;
  check_problems(bytes, reading.problems);
  if (reading.root.has_value() == has_error(reading.problems)) violated("neither a tree nor an error, or both");
  if (!reading.root) return out;
  check_tree(*reading.root);
  out.printed = check_printed(*reading.root);
  return out;
}

void check_problems(std::string_view bytes, const std::vector<Problem>& problems) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  std::vector<std::size_t> lengths(1);
  for (const char c : bytes) {
    if (c == '\n')
      lengths.push_back(0);
    else
      ++lengths.back();
  }
  for (const Problem& problem : problems) {
    const std::string shown = to_string(problem);
    if (problem.code.empty() || problem.message.empty() || problem.way_out.empty())
      violated("a problem that says too little: " + shown);
    if (shown.size() > kLongestMessage)
      violated("a problem in " + std::to_string(shown.size()) + " bytes: " + shown.substr(0, 200));
    if (!is_utf8(shown)) violated("a problem that is not UTF-8: " + shown);
    if (std::any_of(shown.begin(), shown.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
      violated("a problem with a control character: " + shown);
    if (problem.code == "MoreProblems" || problem.code == "MoreWarnings") continue;
    if (problem.line == 0 || problem.column == 0) violated("a problem without a place: " + shown);
    if (problem.line > lengths.size()) violated("a problem below the last line: " + shown);
    if (problem.column > lengths[problem.line - 1] + 1) violated("a problem beyond the end of its line: " + shown);
  }
}

bool same_codes(const std::vector<Problem>& a, const std::vector<Problem>& b) {
  const auto codes = [](const std::vector<Problem>& problems) {
    std::set<std::string> out;
    for (const Problem& problem : problems)
      if (problem.code != "DuplicateKey") out.insert(problem.code);
    return out;
  };
  const std::set<std::string> first = codes(a), second = codes(b);
  // Of very many only the first ones are told, and which these are depends on where they stand.
  const auto cut = [](const std::set<std::string>& some) { return some.contains("MoreProblems") || some.contains("MoreWarnings"); };
  return first == second || cut(first) || cut(second);
}

bool has_error(const std::vector<Problem>& problems) {
  return std::any_of(problems.begin(), problems.end(), [](const Problem& problem) { return !problem.warning; });
}

bool is_utf8(std::string_view text) {
  constexpr std::array<char32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
    const std::size_t size = byte(0) < 0x80 ? 1 : byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : byte(0) >= 0xc0 ? 2 : 0;
    if (size == 0 || at + size > text.size()) return false;
    char32_t point = size == 1 ? byte(0) : byte(0) & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) {
      if ((byte(i) & 0xc0U) != 0x80) return false;
      point = (point << 6U) | (byte(i) & 0x3fU);
    }
    if (point < kSmallest[size] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
    at += size;
  }
  return true;
}

}  // namespace nelson::fuzz
