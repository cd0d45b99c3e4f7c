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

/// The length of the value that begins at `at`: a quoted text, or all up to what ends a plain one.
std::size_t value_length(std::string_view line, std::size_t at) {
  if (at < line.size() && (line[at] == '"' || line[at] == '\'')) {
    const std::size_t end = line.find(line[at], at + 1);
    return (end == std::string_view::npos ? line.size() : end + 1) - at;
  }
  return std::min(line.size(), line.find_first_of(",]}\"' ", at)) - at;
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
    std::size_t first = i;
    while (first > 0 && is_name_character(line[first - 1])) --first;
    std::size_t value = i + 1;
    while (value < line.size() && line[value] == ' ') ++value;
    const std::size_t length = value_length(line, value);
    std::string_view bare = line.substr(value, length);
    if (!bare.empty() && (bare.front() == '"' || bare.front() == '\''))
      bare = bare.substr(1, bare.size() > 1 ? bare.size() - 2 : 0);
    if (!looks_secret(line.substr(first, i - first), bare)) continue;
    std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(value), length, '*');
  }
  return out;
}

}  // namespace nelson
