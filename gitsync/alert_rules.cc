#include "gitsync/alert_rules.h"

#include <algorithm>
#include <array>
#include <optional>

#include "gitsync/characters.h"
#include "gitsync/document.h"

namespace nelson {
namespace {

constexpr auto kKeywords = std::to_array<std::string_view>({"if", "for", "labels", "annotations"});

bool is_word_character(char c) { return is_alphanumeric(c) || c == '_' || c == ':'; }

/// Past a quoted text that begins at `at`; the size of the text when it is never closed.
std::size_t past_quote(std::string_view text, std::size_t at) {
  const char quote = text[at];
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == '\\' && quote != '`')
      ++i;
    else if (text[i] == quote)
      return i + 1;
  }
  return text.size() + 1;
}

/// Calls `at_depth(position, depth)` for every character outside quotes, comments left out.
template <class Look>
Status walk(std::string_view text, Look look) {
  std::string open;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"' || c == '\'' || c == '`') {
      const std::size_t next = past_quote(text, at);
      if (next > text.size()) return invalid("a quote that is never closed: " + in_quotes(text.substr(at)));
      at = next;
      continue;
    }
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if (c == '(' || c == '[' || c == '{') open += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (open.empty() || open.back() != c) return invalid(in_quotes(std::string(1, c)) + " without its opening bracket");
      open.pop_back();
    }
    look(at, open.size());
    ++at;
  }
  if (!open.empty()) return invalid("a bracket is never closed, " + in_quotes(open.substr(open.size() - 1)) + " is missing");
  return {};
}

/// One part of the text: its keyword and what follows.
struct Clause {
  std::string_view keyword;  // lower case
  std::size_t begin = 0, body = 0, end = 0;
};

Result<std::vector<Clause>> clauses_of(std::string_view text) {
  std::vector<Clause> clauses;
  std::size_t word = 0;
  const auto look = [&](std::size_t at, std::size_t depth) {
    const bool starts = is_word_character(text[at]) && (at == 0 || !is_word_character(text[at - 1]));
    if (starts) word = at;
    if (!is_word_character(text[at]) || (at + 1 < text.size() && is_word_character(text[at + 1])) || depth > 0) return;
    const std::string lower = lower_case(text.substr(word, at + 1 - word));
    const auto* const keyword = std::find(kKeywords.begin(), kKeywords.end(), lower);
    if (keyword == kKeywords.end()) return;
    if (!clauses.empty()) clauses.back().end = word;
    clauses.push_back({*keyword, word, at + 1, text.size()});
  };
  if (const Status walked = walk(text, look); !walked) return walked.error();
  return clauses;
}

Result<std::string> unquoted(std::string_view quoted) {
  std::string out;
  for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
    if (quoted[i] != '\\' || quoted[0] == '`') {
      out += quoted[i];
      continue;
    }
    ++i;
    const char c = quoted[i];
    if (c == 'n')
      out += '\n';
    else if (c == 't')
      out += '\t';
    else if (c == '\\' || c == '"' || c == '\'')
      out += c;
    else
      return invalid("the escape " + in_quotes("\\" + std::string(1, c)) + " is not understood");
  }
  return out;
}

/// `{ name = "value", ... }` with an optional comma at the end.
Result<std::vector<std::pair<std::string, std::string>>> label_set(std::string_view text, std::string_view keyword) {
  std::vector<std::pair<std::string, std::string>> out;
  const auto wrong = [&](std::string_view why) {
    std::string upper(keyword);
    for (char& c : upper) c = static_cast<char>(c - 'a' + 'A');
    return invalid("after " + upper + ": " + std::string(why));
  };
  std::string_view rest = trimmed(text);
  if (rest.size() < 2 || rest.front() != '{' || rest.back() != '}') return wrong("write `{ name = \"value\" }`");
  rest = trimmed(rest.substr(1, rest.size() - 2));
  while (!rest.empty()) {
    const auto* const end = std::find_if_not(rest.begin(), rest.end(), [](char c) { return is_alphanumeric(c) || c == '_'; });
    const std::string_view name = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
    rest = trimmed(rest.substr(name.size()));
    if (name.empty() || is_digit(name[0]) || !rest.starts_with('=')) return wrong("write `name = \"value\"`");
    rest = trimmed(rest.substr(1));
    if (rest.empty() || (rest[0] != '"' && rest[0] != '\'' && rest[0] != '`')) return wrong("a value stands in quotes");
    const std::size_t length = past_quote(rest, 0);
    if (length > rest.size()) return wrong("a quote that is never closed");
    auto value = unquoted(rest.substr(0, length));
    if (!value) return wrong(value.error().message);
    out.emplace_back(std::string(name), *std::move(value));
    rest = trimmed(rest.substr(length));
    if (rest.empty()) break;
    if (rest[0] != ',') return wrong("a comma is missing");
    rest = trimmed(rest.substr(1));
  }
  return out;
}

/// "5m", "1h30m", "250ms": what Prometheus calls a duration.
bool is_duration(std::string_view text) {
  if (text.empty()) return false;
  while (!text.empty()) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits == 0 || digits == text.size()) return false;
    text.remove_prefix(digits);
    if (std::string_view("smhdwy").find(text[0]) == std::string_view::npos) return false;
    text.remove_prefix(text.starts_with("ms") ? 2 : 1);
  }
  return true;
}

/// A YAML scalar that means exactly `text`.
std::string yaml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else
      out += c;
  }
  return out + '"';
}

void append_pairs(std::string& out, std::string_view key, const std::vector<std::pair<std::string, std::string>>& pairs) {
  if (pairs.empty()) return;
  out += "        " + std::string(key) + ":\n";
  for (const auto& [name, value] : pairs) out += "          " + yaml_text(name) + ": " + yaml_text(value) + "\n";
}

/// Any character that a rule's name may not have becomes `_`.
std::string rule_name(std::string_view name) {
  std::string out(name);
  for (char& c : out)
    if (!is_word_character(c)) c = '_';
  return out;
}

}  // namespace

Status check_expression(std::string_view text) {
  if (trimmed(text).empty()) return invalid("the expression is empty");
  return walk(text, [](std::size_t, std::size_t) {});
}

Status parse_alert_text(std::string_view text, ManifestRule& alert) {
  const auto clauses = clauses_of(text);
  if (!clauses) return clauses.error();
  if (clauses->empty() || clauses->front().keyword != "if" || !trimmed(text.substr(0, clauses->front().begin)).empty())
    return invalid("the expression of an alert must begin with `IF`");
  std::size_t order = 0;
  for (const Clause& clause : *clauses) {
    const auto* const position = std::find(kKeywords.begin(), kKeywords.end(), clause.keyword);
    const auto index = static_cast<std::size_t>(position - kKeywords.begin());
    if (index < order) return invalid("IF, FOR, LABELS and ANNOTATIONS stand in this order, each at most once");
    order = index + 1;
    const std::string_view body = trimmed(text.substr(clause.body, clause.end - clause.body));
    if (clause.keyword == "if") {
      if (body.empty()) return invalid("nothing follows IF");
      alert.expression = body;
    } else if (clause.keyword == "for") {
      if (!is_duration(body)) return invalid("after FOR: " + in_quotes(body) + " is no length of time such as 5m");
      alert.hold_for = body;
    } else {
      auto set = label_set(body, clause.keyword);
      if (!set) return set.error();
      (clause.keyword == "labels" ? alert.labels : alert.annotations) = *std::move(set);
    }
  }
  return {};
}

std::string rules_file(const ManifestUnit& unit, const std::vector<std::string>& opt_outs) {
  std::string out = "groups:\n  - name: " + yaml_text(unit.name) + "\n    rules:\n";
  for (const ManifestRule& rule : unit.rules)
    out += "      - record: " + yaml_text(rule_name(rule.name)) + "\n        expr: " + yaml_text(rule.expression) + "\n";
  for (const ManifestRule& alert : unit.alerts) {
    if (std::find(opt_outs.begin(), opt_outs.end(), alert.name) != opt_outs.end()) continue;
    out += "      - alert: " + yaml_text(rule_name(alert.name)) + "\n        expr: " + yaml_text(alert.expression) + "\n";
    if (!alert.hold_for.empty()) out += "        for: " + yaml_text(alert.hold_for) + "\n";
    append_pairs(out, "labels", alert.labels);
    append_pairs(out, "annotations", alert.annotations);
  }
  return out;
}

}  // namespace nelson
