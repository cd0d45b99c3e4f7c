#include "state/model/names.h"

#include <algorithm>

namespace nelson {
namespace {

bool lower(char c) { return c >= 'a' && c <= 'z'; }
bool alphanumeric(char c) { return lower(c) || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

/// Levenshtein distance with neighbours swapped counted as one.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

}  // namespace

bool valid_namespace(std::string_view name) {
  return name.size() >= 2 && lower(name.front()) && lower(name.back()) && name.find("//") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](char c) { return lower(c) || c == '-' || c == '/'; });
}

bool valid_unit_name(std::string_view name) {
  return name.size() >= 2 && name.size() <= 41 && alphanumeric(name.front()) && alphanumeric(name.back()) &&
         name.find("--") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](char c) { return alphanumeric(c) || c == '-'; });
}

std::string_view root_of(std::string_view name) { return name.substr(0, name.find('/')); }

std::optional<std::string_view> parent_of(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  if (slash == std::string_view::npos) return std::nullopt;
  return name.substr(0, slash);
}

bool is_below(std::string_view name, std::string_view ancestor) {
  return name.size() > ancestor.size() && name.starts_with(ancestor) && name[ancestor.size()] == '/';
}

std::string to_string(const StackName& name) {
  return name.unit + "--" + std::to_string(name.version.major) + '-' + std::to_string(name.version.minor) + '-' +
         std::to_string(name.version.patch) + "--" + name.hash;
}

std::optional<StackName> parse_stack_name(std::string_view text) {
  const std::size_t first = text.find("--");
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = text.find("--", first + 2);
  if (second == std::string_view::npos) return std::nullopt;
  std::string version(text.substr(first + 2, second - first - 2));
  if (version.find('.') != std::string::npos) return std::nullopt;
  std::replace(version.begin(), version.end(), '-', '.');
  const std::string_view unit = text.substr(0, first);
  const std::string_view hash = text.substr(second + 2);
  const auto parsed = parse_version(version);
  const bool hash_fits = hash.size() == 8 && std::all_of(hash.begin(), hash.end(),
                                                         [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'v'); });
  if (!parsed || !hash_fits || !valid_unit_name(unit)) return std::nullopt;
  return StackName{std::string(unit), *parsed, std::string(hash)};
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates) {
  // A third of the word may differ: "instnaces" finds "instances", "xyz" finds nothing. Long words are cut, so that a hostile one is cheap.
  word = word.substr(0, 64);
  std::size_t best = std::max<std::size_t>(1, word.size() / 3) + 1;
  std::optional<std::string> found;
  for (const std::string& candidate : candidates) {
    const std::size_t d = distance(word, std::string_view(candidate).substr(0, 64));
    if (d < best) {
      best = d;
      found = candidate;
    }
  }
  return found;
}

}  // namespace nelson
