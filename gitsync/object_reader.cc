#include "gitsync/object_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "state/model/names.h"

namespace nelson {
namespace {

std::string without_underscores(std::string_view text) {
  std::string out(text);
  out.erase(std::remove(out.begin(), out.end(), '_'), out.end());
  return out;
}

std::optional<std::int64_t> digits(std::string_view text, int base) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, value, base);
  if (text.empty() || text[0] == '-' || error != std::errc() || next != end) return std::nullopt;
  return value;
}

/// "1:30" is 90.
std::optional<std::int64_t> sexagesimal(std::string_view text) {
  std::int64_t value = 0;
  for (bool first = true;; first = false) {
    const std::size_t colon = text.find(':');
    const auto part = digits(text.substr(0, colon), 10);
    if (!part || (!first && *part > 59) || value > std::numeric_limits<std::int32_t>::max()) return std::nullopt;
    value = value * 60 + *part;
    if (colon == std::string_view::npos) return value;
    text.remove_prefix(colon + 1);
  }
}

/// The integers of YAML 1.1.
std::optional<std::int64_t> parse_integer(std::string_view raw) {
  if (raw.size() > 64) return std::nullopt;
  const std::string text = without_underscores(raw);
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  std::optional<std::int64_t> value;
  if (rest.starts_with("0x"))
    value = digits(rest.substr(2), 16);
  else if (rest.starts_with("0b"))
    value = digits(rest.substr(2), 2);
  else if (rest.find(':') != std::string_view::npos)
    value = sexagesimal(rest);
  else if (rest.size() > 1 && rest[0] == '0')
    value = digits(rest.substr(1), 8);
  else
    value = digits(rest, 10);
  if (value && negative) value = -*value;
  return value;
}

std::optional<double> parse_real(std::string_view raw) {
  if (const auto whole = parse_integer(raw)) return static_cast<double>(*whole);
  if (raw.size() > 64) return std::nullopt;
  const std::string text = without_underscores(raw);
  std::string_view rest = text;
  const double sign = rest.starts_with('-') ? -1 : 1;
  if (rest.starts_with('-') || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == ".inf" || rest == ".Inf" || rest == ".INF") return sign * std::numeric_limits<double>::infinity();
  if (rest == ".nan" || rest == ".NaN" || rest == ".NAN") return std::numeric_limits<double>::quiet_NaN();
  if (rest.empty() || (rest[0] != '.' && (rest[0] < '0' || rest[0] > '9'))) return std::nullopt;
  double value = 0;
  const auto [next, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error != std::errc() || next != rest.data() + rest.size()) return std::nullopt;
  return sign * value;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::string_view kind_name(NodeKind kind) {
  switch (kind) {
    case NodeKind::kNull:
      return "nothing";
    case NodeKind::kScalar:
      return "a single value";
    case NodeKind::kSequence:
      return "a list";
    case NodeKind::kMapping:
      return "a mapping";
  }
  return "";
}

}  // namespace

void Reading::add(Problem problem, bool warning) {
  std::size_t& count = warning ? warnings_ : errors_;
  if (++count > kMostProblems) return;
  problem.unit = unit;
  problem.warning = warning;
  problems_.push_back(std::move(problem));
}

void Reading::report(Place place, CodeName code, std::vector<std::string> parameters, std::string way_out) {
  const bool warning = code.row().severity == Severity::kWarning;
  std::size_t& count = warning ? warnings_ : errors_;
  if (count >= kMostProblems)
    ++count;
  else
    add(problem_of(place, code, std::move(parameters), std::move(way_out)), warning);
}

std::string Reading::suggestion(std::string_view word, const std::vector<std::string>& names) {
  constexpr std::size_t kMostNames = 100;
  if (suggestions_left_-- <= 0) return {};
  const auto near = names.size() > kMostNames ? nearest(word, {names.begin(), names.begin() + kMostNames}) : nearest(word, names);
  return near ? "did you mean `" + *near + "`?" : std::string();
}

void Reading::error(Place place, std::string_view code, std::string message, std::string way_out) {
  add(problem_at(place, code, std::move(message), std::move(way_out)), false);
}

void Reading::warning(Place place, std::string_view code, std::string message, std::string way_out) {
  add(problem_at(place, code, std::move(message), std::move(way_out)), true);
}

std::vector<Problem> Reading::take() {
  std::sort(problems_.begin(), problems_.end());
  // An alias repeats a fault for each of its uses, at the one place where it is written.
  problems_.erase(std::unique(problems_.begin(), problems_.end()), problems_.end());
  for (const bool warning : {false, true}) {
    const std::size_t count = warning ? warnings_ : errors_;
    if (count <= kMostProblems) continue;
    problems_.push_back(
        problem_of({}, warning ? CodeName("MoreWarnings") : CodeName("MoreProblems"), {std::to_string(count - kMostProblems)}));
  }
  return std::exchange(problems_, {});
}

bool Reading::text(const Node& node, std::string& out) {
  if (node.kind != NodeKind::kScalar) {
    report(node.place, "LoadError", {"`" + path() + "` must be text, this is " + std::string(kind_name(node.kind))},
           "write one value");
    return false;
  }
  out = node.text;
  return true;
}

bool Reading::boolean(const Node& node, bool& out) {
  std::string value;
  if (!text(node, value)) return false;
  static const std::vector<std::string> kYes = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"};
  static const std::vector<std::string> kNo = {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"};
  const bool yes = node.plain && std::find(kYes.begin(), kYes.end(), value) != kYes.end();
  const bool no = node.plain && std::find(kNo.begin(), kNo.end(), value) != kNo.end();
  if (!yes && !no) {
    report(node.place, "LoadError", {"`" + path() + "` must be true or false, not " + in_quotes(value)}, "write true or false");
    return false;
  }
  out = yes;
  return true;
}

bool Reading::integer_within(const Node& node, std::int64_t least, std::int64_t most, std::int64_t& out) {
  std::string value;
  if (!text(node, value)) return false;
  const auto number = parse_integer(value);
  if (!number || *number < least || *number > most) {
    const std::string range = "between " + std::to_string(least) + " and " + std::to_string(most);
    report(node.place, "LoadError", {"`" + path() + "` must be a whole number " + range + ", not " + in_quotes(value)},
           "write one");
    return false;
  }
  out = *number;
  return true;
}

bool Reading::integer(const Node& node, std::int32_t& out) {
  std::int64_t value = 0;
  if (!integer_within(node, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max(), value))
    return false;
  out = static_cast<std::int32_t>(value);
  return true;
}

bool Reading::real(const Node& node, double& out) {
  std::string value;
  if (!text(node, value)) return false;
  const auto number = parse_real(value);
  if (!number) {
    report(node.place, "LoadError", {"`" + path() + "` must be a number, not " + in_quotes(value)}, "write a number such as 0.5");
    return false;
  }
  out = *number;
  return true;
}

bool Reading::duration(const Node& node, Duration& out) {
  std::string value;
  if (!text(node, value)) return false;
  const auto length = parse_duration(value);
  if (!length) {
    report(node.place, "InvalidDuration", {path(), value, "is not a length of time"});
    return false;
  }
  out = *length;
  return true;
}

bool Reading::texts(const Node& node, std::vector<std::string>& out) {
  const std::size_t errors_before = errors_;
  std::vector<std::string> values;
  read_list(*this, node, [&](const Node& item) {
    std::string value;
    if (text(item, value)) values.push_back(std::move(value));
  });
  if (errors_ != errors_before) return false;
  out = std::move(values);
  return true;
}

bool Reading::one_of(const Node& node, std::string_view code, const std::vector<std::string>& names, std::size_t& index) {
  std::string value;
  if (!text(node, value)) return false;
  const auto found = std::find(names.begin(), names.end(), value);
  if (found == names.end()) {
    const auto near = nearest(value, names);
    Problem problem = problem_at(node.place, code, "", near ? "did you mean `" + *near + "`?" : "choose one of them");
    problem.parameters = named("field value known", {path(), value, joined(names)});
    problem.message = filled(kNotOneOf, problem.parameters);
    add(std::move(problem), false);
    return false;
  }
  index = static_cast<std::size_t>(found - names.begin());
  return true;
}

bool Reading::is_list(const Node& node) {
  if (node.kind == NodeKind::kSequence) return true;
  report(node.place, "LoadError", {"`" + path() + "` must be a list, this is " + std::string(kind_name(node.kind))},
         "write `[a, b]`, or one `- ` line for each");
  return false;
}

bool Reading::is_mapping(const Node& node, std::string_view label) {
  if (node.kind == NodeKind::kMapping) return true;
  report(node.place, "LoadError", {"`" + std::string(label) + "` must be a mapping, this is " + std::string(kind_name(node.kind))},
         "write `key: value` lines");
  return false;
}

bool Reading::is_item(const Node& item, std::size_t index) {
  if (item.kind != NodeKind::kNull) return true;
  report(item.place, "MissingProperty", {path() + "[" + std::to_string(index) + "]"}, "give it a value or remove the line");
  return false;
}

void Reading::unknown_key(const Node& entry, std::string_view label, const std::vector<std::string>& known) {
  // The customary mark of a key that is there for people, or to hold an anchor.
  if (unknown_keys_ == UnknownKeys::kWarn && entry.key.starts_with("x-")) return;
  // Past the limit nothing is shown, and looking for the nearest key of thousands would cost seconds.
  const bool shown = (unknown_keys_ == UnknownKeys::kWarn ? warnings_ : errors_) < kMostProblems;
  std::string way_out;
  if (shown) {
    const auto near = nearest(entry.key, known);
    way_out = near ? "did you mean `" + *near + "`?" : "known keys: " + joined(known);
  }
  add(problem_of(entry.key_place, "UnknownKey", {entry.key, std::string(label)}, std::move(way_out)),
      unknown_keys_ == UnknownKeys::kWarn);
}

}  // namespace nelson
