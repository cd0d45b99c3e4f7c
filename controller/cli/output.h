#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controller/cli/command.h"
#include "state/model/problem.h"

namespace nelson::cli {

enum class Paint { kPlain, kGreen, kYellow, kRed, kDim };

/// `text` made visible (controller/base/text.h) and, where the terminal takes colour, painted.
[[nodiscard]] std::string painted(const Terminal& terminal, std::string_view text, Paint paint);

/// Upper-case headers, columns two spaces apart, no borders. Cells are made visible; the last column is not padded.
class Table {
 public:
  explicit Table(std::vector<std::string> headers);
  void row(std::vector<std::string> cells, Paint paint = Paint::kPlain);
  void print(Terminal& terminal) const;
  [[nodiscard]] bool empty() const { return rows_.empty(); }

 private:
  struct Row {
    std::vector<std::string> cells;
    Paint paint;
  };
  std::vector<std::string> headers_;
  std::vector<Row> rows_;
};

/// The line that a problem is in, with what is meant underlined; nothing where the line is not known.
void print_underlined(const Problem& problem, Terminal& terminal);

/// `text` on standard error, each line made visible and led by "nelson: ". Returns `code`.
int fail(Terminal& terminal, int code, std::string_view text);

/// How many columns UTF-8 text takes, one a character.
[[nodiscard]] std::size_t width_of(std::string_view text);

}  // namespace nelson::cli
