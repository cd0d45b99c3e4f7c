#include "state/model/problem.h"

#include <algorithm>
#include <string_view>

namespace nelson {
namespace {

/// How many columns of a terminal UTF-8 text takes, one a character.
std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

std::string to_string(const Problem& problem) {
  std::string out = problem.repository;
  const auto append = [&out](std::string_view separator, std::string_view text) {
    if (text.empty()) return;
    if (!out.empty()) out += separator;
    out += text;
  };
  append(" ", problem.file);
  if (!problem.commit.empty()) append(" at ", problem.commit.substr(0, 8));
  if (problem.line > 0) append(":", std::to_string(problem.line));
  if (problem.column > 0) append(":", std::to_string(problem.column));
  append(": ", problem.message);
  append("; ", problem.way_out);
  return out;
}

std::string underlined(const Problem& problem) {
  const std::string_view source = problem.source;
  if (source.empty() || problem.line == 0) return {};
  const std::size_t from = std::min<std::size_t>(problem.column > 0 ? problem.column - 1 : 0, source.size());
  const std::string_view rest = source.substr(from);
  const std::size_t word = std::min(rest.size(), rest.find_first_of(" :,]}", 1));
  const std::size_t length = problem.length > 0 ? std::min<std::size_t>(problem.length, rest.size()) : word;
  std::string number = std::to_string(problem.line);
  number.insert(0, number.size() < 6 ? 6 - number.size() : 0, ' ');
  // Tabs stay tabs, so that the carets stand below what they mean.
  std::string indent(columns_of(source.substr(0, from)), ' ');
  for (std::size_t i = 0, column = 0; i < from; ++i) {
    if (source[i] == '\t') indent[column] = '\t';
    if ((static_cast<unsigned char>(source[i]) & 0xC0U) != 0x80U) ++column;
  }
  return number + " | " + std::string(source) + "\n" + std::string(number.size(), ' ') + " | " + indent +
         std::string(std::max<std::size_t>(1, columns_of(rest.substr(0, length))), '^') + "\n";
}

}  // namespace nelson
