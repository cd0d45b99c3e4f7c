#include "tests/fuzz/agreement.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "controller/cli/command.h"
#include "tests/fuzz/target.h"

namespace nelson::fuzz {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongestMatched = 2'000;  // std::regex goes deeper with each character

/// What a schema says of a node, whichever version of YAML an editor has.
struct Verdict {
  bool may = true;   // by some version it fits
  bool must = true;  // by every one
  void also(const Verdict& other) {
    may = may && other.may;
    must = must && other.must;
  }
};
constexpr Verdict kRefused{false, false};
constexpr Verdict kOpen{true, false};

const Json& schema() {
  static const Json kSchema = [] {
    std::ostringstream out, err;
    cli::Terminal terminal{out, err};
    cli::run_schema({}, terminal);
    return Json::parse(out.str());
  }();
  return kSchema;
}

const std::regex& compiled(const std::string& pattern) {
  static std::map<std::string, std::regex> all;
  const auto known = all.find(pattern);
  return known != all.end() ? known->second : all.emplace(pattern, std::regex(pattern)).first->second;
}

bool fits(const std::string& pattern, const std::string& text) { return std::regex_search(text, compiled(pattern)); }

bool is_one_of(std::string text, std::initializer_list<std::string_view> words) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(words.begin(), words.end(), text) != words.end();
}

/// The values that a single one may be; none when that is not said here.
std::vector<Json> values_of(const Node& node) {
  if (node.kind == NodeKind::kNull) return {nullptr};
  const std::string& text = node.text;
  if (!node.plain) return {text};
  if (is_one_of(text, {"true", "false"})) return {true};
  if (is_one_of(text, {"y", "n", "yes", "no", "on", "off"})) return {true, text};
  if (text.size() > 64) return {text};
  if (fits("^[-+]?(0|[1-9][0-9]{0,14})$", text)) return {std::stoll(text)};
  if (fits("^[-+]?[0-9]+\\.[0-9]+$", text)) return {std::strtod(text.c_str(), nullptr)};
  if (fits("^[-+.]?[0-9][-+.:_0-9A-Fa-fox]*$|^[-+]?\\.(inf|nan|Inf|NaN|INF|NAN)$|^[=<]", text)) return {};
  return {text};
}

bool is_of_type(const Json& value, const std::string& type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_boolean();
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer() || (value.is_number() && value == std::floor(value.get<double>()));
  return type == "number" && value.is_number();
}

bool has_type(const Json& schema, const auto& is) {
  const auto type = schema.find("type");
  if (type == schema.end()) return true;
  return type->is_array() ? std::any_of(type->begin(), type->end(), is) : is(*type);
}

std::size_t characters_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

bool accepts(const Json& schema, const Json& value) {
  if (!has_type(schema, [&](const Json& type) { return is_of_type(value, type.get<std::string>()); })) return false;
  if (schema.contains("enum") && std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end())
    return false;
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    if (characters_of(text) > schema.value("maxLength", std::size_t{1} << 40)) return false;
    if (characters_of(text) < schema.value("minLength", std::size_t{0})) return false;
    if (schema.contains("pattern") && !fits(schema["pattern"].get<std::string>(), text)) return false;
  }
  if (value.is_number()) {
    const double number = value.get<double>();
    if (schema.contains("minimum") && number < schema["minimum"].get<double>()) return false;
    if (schema.contains("maximum") && number > schema["maximum"].get<double>()) return false;
    if (schema.contains("exclusiveMaximum") && number >= schema["exclusiveMaximum"].get<double>()) return false;
  }
  const auto any = schema.find("anyOf");
  return any == schema.end() || std::any_of(any->begin(), any->end(), [&](const Json& one) { return accepts(one, value); });
}

Verdict judge(const Json& schema, const Node& node);

Verdict judge_single(const Json& schema, const Node& node) {
  if (node.text.size() > kLongestMatched) return kOpen;
  const std::vector<Json> values = values_of(node);
  if (values.empty()) return kOpen;
  const auto fitting = std::count_if(values.begin(), values.end(), [&](const Json& value) { return accepts(schema, value); });
  return {fitting > 0, fitting == static_cast<std::ptrdiff_t>(values.size())};
}

Verdict judge_list(const Json& schema, const Node& node) {
  if (node.children.size() > schema.value("maxItems", std::size_t{1} << 40)) return kRefused;
  Verdict verdict;
  if (schema.contains("items"))
    for (const Node& item : node.children) verdict.also(judge(schema["items"], item));
  return verdict;
}

Verdict judge_mapping(const Json& schema, const Node& node) {
  Verdict verdict;
  for (const Json& key : schema.value("required", Json::array()))
    if (node.find(key.get<std::string>()) == nullptr) return kRefused;
  const Json properties = schema.value("properties", Json::object());
  for (const Node& entry : node.children) {
    if (const auto known = properties.find(entry.key); known != properties.end())
      verdict.also(judge(*known, entry));
    else if (schema.contains("additionalProperties"))
      verdict.also(judge(schema["additionalProperties"], entry));
  }
  return verdict;
}

Verdict judge(const Json& schema, const Node& node) {
  const bool list = node.kind == NodeKind::kSequence;
  if (!list && node.kind != NodeKind::kMapping) return judge_single(schema, node);
  if (!has_type(schema, [&](const Json& type) { return type == (list ? "array" : "object"); }) || schema.contains("enum"))
    return kRefused;
  Verdict verdict = list ? judge_list(schema, node) : judge_mapping(schema, node);
  if (const auto any = schema.find("anyOf"); any != schema.end()) {
    Verdict best = kRefused;
    for (const Json& one : *any) {
      const Verdict verdict_of_one = judge(one, node);
      best = {best.may || verdict_of_one.may, best.must || verdict_of_one.must};
    }
    verdict.also(best);
  }
  return verdict;
}

/// "CODE | part of the message | why" a line.
const std::vector<std::pair<std::string, std::string>>& cannot_say() {
  static const auto kAll = [] {
    const auto trimmed = [](const std::string& text) {
      const std::size_t first = text.find_first_not_of(' ');
      return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(' ') - first + 1);
    };
    std::vector<std::pair<std::string, std::string>> all;
    std::ifstream in(NELSON_SOURCE "/tests/controller/cli/schema_cannot_say.txt");
    for (std::string line; std::getline(in, line);) {
      const std::size_t first = line.find('|');
      if (line.starts_with('#') || first == std::string::npos) continue;
      all.emplace_back(trimmed(line.substr(0, first)), trimmed(line.substr(first + 1, line.find('|', first + 1) - first - 1)));
    }
    if (all.empty()) violated("the list of what a schema cannot say is not there");
    return all;
  }();
  return kAll;
}

bool can_say(const Problem& problem) {
  const bool speaks_of_input = !problem.warning && problem.code != "MoreProblems";
  return speaks_of_input && std::none_of(cannot_say().begin(), cannot_say().end(), [&](const auto& row) {
           return row.first == problem.code && problem.message.find(row.second) != std::string::npos;
         });
}

}  // namespace

void check_agreement(const Node& root, const ManifestReading& reading) {
  const Verdict verdict = judge(schema(), root);
  if (reading.manifest && !verdict.may) violated("the schema refuses a manifest that reads");
  if (!verdict.must) return;
  for (const Problem& problem : reading.problems)
    if (can_say(problem)) violated("the schema takes what does not read: " + to_string(problem));
}

}  // namespace nelson::fuzz
