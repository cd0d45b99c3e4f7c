#include "tests/checks/sources.h"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace nelson::checks {

namespace fs = std::filesystem;

std::string Source::extension() const {
  const std::string name = fs::path(path).filename().string();
  const std::size_t dot = name.rfind('.');
  return dot == std::string::npos || dot == 0 ? "" : name.substr(dot + 1);
}

std::vector<Source> read_sources() {
  std::vector<Source> sources;
  const fs::path root = NELSON_SOURCE;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator(); ++it) {
    const std::string path = fs::relative(it->path(), root).generic_string();
    if (it->is_directory() && it.depth() == 0 && (path == ".git" || path.starts_with("build"))) it.disable_recursion_pending();
    if (it->is_directory() && path.ends_with("__pycache__")) it.disable_recursion_pending();
    if (!it->is_regular_file() || it->is_symlink()) continue;
    std::ostringstream text;
    text << std::ifstream(it->path(), std::ios::binary).rdbuf();
    sources.push_back({path, text.str()});
  }
  std::sort(sources.begin(), sources.end(), [](const Source& a, const Source& b) { return a.path < b.path; });
  return sources;
}

std::vector<Line> lines_of(const std::string& text) {
  std::vector<Line> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back({lines.size() + 1, line});
  return lines;
}

namespace {

/// Where a raw string literal that begins at `at` ends, just behind its closing quote; 0 when none begins there.
std::size_t raw_end(const std::string& text, std::size_t at) {
  if (text.compare(at, 2, "R\"") != 0) return 0;
  const std::size_t open = text.find('(', at);
  if (open == std::string::npos) return 0;
  const std::string closing = ")" + text.substr(at + 2, open - at - 2) + "\"";
  const std::size_t close = text.find(closing, open);
  return close == std::string::npos ? 0 : close + closing.size();
}

/// Likewise for a plain literal in `quote`.
std::size_t literal_end(const std::string& text, std::size_t at, char quote) {
  std::size_t end = at + 1;
  while (end < text.size() && text[end] != quote && text[end] != '\n') end += text[end] == '\\' ? 2 : 1;
  return std::min(end + 1, text.size());
}

}  // namespace

std::string code_of(const std::string& text) {
  std::string code;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = raw_end(text, at);
    const bool digit_separator = text[at] == '\'' && at > 0 && std::isalnum(static_cast<unsigned char>(text[at - 1])) != 0;
    if (end == 0 && text[at] == '"') end = literal_end(text, at, '"');
    if (end == 0 && text[at] == '\'' && !digit_separator) end = literal_end(text, at, '\'');
    if (end == 0 && text.compare(at, 2, "//") == 0) end = std::min(text.find('\n', at), text.size());
    if (end == 0) {
      code += text[at++];
      continue;
    }
    // Line numbers stay what they are.
    for (; at < end; ++at)
      if (text[at] == '\n') code += '\n';
  }
  return code;
}

std::string finding(const Source& source, std::size_t line, const std::string& what) {
  return source.path + ":" + std::to_string(line) + ": " + what;
}

std::string joined(const std::vector<std::string>& findings) {
  std::string out;
  for (const std::string& one : findings) out += "\n  " + one;
  return out;
}

}  // namespace nelson::checks
