#pragma once

#include <string>
#include <vector>

namespace nelson::checks {

/// A file of the project; `path` is relative to its root, with '/'.
struct Source {
  std::string path;
  std::string text;

  /// "h", "cc", "py", "" ...
  [[nodiscard]] std::string extension() const;
  [[nodiscard]] bool in(const std::string& folder) const { return path.starts_with(folder + "/"); }
};

/// Every regular file below the project's root, sorted by path, but for .git and the build folders.
[[nodiscard]] std::vector<Source> read_sources();

/// One line of a source, 1 being the first.
struct Line {
  std::size_t number = 0;
  std::string text;
};
[[nodiscard]] std::vector<Line> lines_of(const std::string& text);

/// The text without `//` comments and without the contents of string literals, line by line; for searches that mean code.
[[nodiscard]] std::string code_of(const std::string& text);

/// "path:line: what", the form of every finding.
[[nodiscard]] std::string finding(const Source& source, std::size_t line, const std::string& what);

/// One finding a line, for a failure's message.
[[nodiscard]] std::string joined(const std::vector<std::string>& findings);

}  // namespace nelson::checks
