#include "gitsync/secrets.h"

#include <algorithm>
#include <array>
#include <vector>

#include "gitsync/characters.h"

namespace nelson {
namespace {

/// Words of a name that say "secret", and those that say that only its whereabouts follow.
constexpr auto kSecretWords = std::to_array<std::string_view>(
    {"password", "passwd", "passphrase", "pwd", "secret", "secrets", "token", "apikey", "credential", "credentials", "privatekey"});
constexpr auto kWhereabouts =
    std::to_array<std::string_view>({"file", "path", "dir", "folder", "name", "url", "uri", "ttl", "length", "policy", "id",
                                     "header", "endpoint", "host", "timeout", "expiry"});
/// How keys of well-known makers begin.
constexpr auto kSecretForms =
    std::to_array<std::string_view>({"AKIA", "ghp_", "gho_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "sk_live_", "-----BEGIN"});

template <std::size_t size>
bool is_one_of(std::string_view word, const std::array<std::string_view, size>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// DB_PASSWORD, dbPassword and db-password are the words db and password.
std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words(1);
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool starts = i > 0 && is_upper(name[i]) && is_lower(name[i - 1]);
    if ((starts || !is_alphanumeric(name[i])) && !words.back().empty()) words.emplace_back();
    if (is_alphanumeric(name[i])) words.back() += lower_case(name.substr(i, 1));
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

bool is_name_character(char c) { return is_alphanumeric(c) || c == '_' || c == '-' || c == '.'; }

bool is_quote(char c) { return c == '"' || c == '\''; }

/// Whether a value may begin at `at`, where a quote or bracket means something to YAML.
bool begins_value(std::string_view line, std::size_t at) {
  if (at > 0 && std::string_view(" [{,").find(line[at - 1]) == std::string_view::npos) return false;
  const std::size_t before = at == 0 ? std::string_view::npos : line.find_last_not_of(' ', at - 1);
  return before == std::string_view::npos || std::string_view(":-,[{").find(line[before]) != std::string_view::npos;
}

/// Where the text that was quoted before `from` ends; the line's end when that is in another line.
std::size_t end_of_quoted(std::string_view line, char quote, std::size_t from) {
  for (std::size_t i = from; i < line.size(); ++i) {
    if (quote == '"' && line[i] == '\\') {
      ++i;
    } else if (line[i] == quote) {
      if (quote == '"' || i + 1 == line.size() || line[i + 1] != quote) return i;
      ++i;
    }
  }
  return line.size();
}

/// Where the value that begins at `value`, after the separator before it, ends. What is not understood ends with the line.
std::size_t end_of_value(std::string_view line, char separator, std::size_t value) {
  int brackets = 0;
  for (std::size_t i = 0; i < value; ++i) {
    if (begins_value(line, i) && is_quote(line[i])) {
      const std::size_t end = end_of_quoted(line, line[i], i + 1);
      if (end >= value) return end;
      i = end;
    } else if ((line[i] == '[' || line[i] == '{') && begins_value(line, i)) {
      ++brackets;
    } else if ((line[i] == ']' || line[i] == '}') && brackets > 0) {
      --brackets;
    }
  }
  if (separator == ':' && value < line.size() && is_quote(line[value]))
    return std::min(line.size(), end_of_quoted(line, line[value], value + 1) + 1);
  return brackets > 0 ? std::min(line.size(), line.find_first_of(",]}", value)) : line.size();
}

/// The value without the quotes around it, or without the comment after it.
std::string_view bare(std::string_view value) {
  const bool quoted = value.size() > 1 && is_quote(value.front()) && end_of_quoted(value, value.front(), 1) + 1 >= value.size();
  if (!quoted) return trimmed(value.substr(0, value.find(" #")));
  if (value.back() == value.front()) value.remove_suffix(1);
  return value.substr(1);
}

}  // namespace

bool looks_secret(std::string_view name, std::string_view value) {
  if (value.size() < 4) return false;
  if (std::any_of(kSecretForms.begin(), kSecretForms.end(), [&](std::string_view form) { return value.starts_with(form); }))
    return true;
  const std::size_t host = value.find("://");
  if (host != std::string_view::npos) {
    // A password in an address: scheme://user:password@host.
    const std::string_view authority = value.substr(host + 3, value.find('/', host + 3) - host - 3);
    const std::size_t at = authority.rfind('@');
    const std::size_t colon = authority.find(':');
    return at != std::string_view::npos && colon < at && at - colon > 1 && authority[colon + 1] != '$';
  }
  // Something that is filled in elsewhere, or a path to it.
  if (value.front() == '$' || value.front() == '/' || value.starts_with("{{") || value.starts_with("vault:") || value == "true" ||
      value == "false")
    return false;
  const std::vector<std::string> words = words_of(name);
  if (words.empty() || is_one_of(words.back(), kWhereabouts)) return false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (is_one_of(words[i], kSecretWords)) return true;
    const bool key = i > 0 && words[i] == "key" && (words[i - 1] == "api" || words[i - 1] == "private" || words[i - 1] == "access");
    if (key) return true;
  }
  return false;
}

std::string without_secrets(std::string_view line) {
  std::string out(line);
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (line[i] != '=' && line[i] != ':') continue;
    const std::size_t last = is_quote(line[i - 1]) ? i - 1 : i;
    std::size_t first = last;
    while (first > 0 && is_name_character(line[first - 1])) --first;
    std::size_t value = i + 1;
    while (value < line.size() && line[value] == ' ') ++value;
    // The parts of a list or mapping are looked at by themselves.
    if (line[i] == ':' && value < line.size() && (line[value] == '[' || line[value] == '{')) continue;
    const std::size_t end = end_of_value(line, line[i], value);
    if (!looks_secret(line.substr(first, last - first), bare(line.substr(value, end - value)))) continue;
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(value), out.begin() + static_cast<std::ptrdiff_t>(end), '*');
  }
  return out;
}

}  // namespace nelson
