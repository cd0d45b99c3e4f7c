#include "controller/cli/output.h"

#include <algorithm>
#include <ostream>

#include "controller/base/text.h"

namespace nelson::cli {
namespace {

constexpr std::string_view kCodes[] = {"", "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[2m"};

std::string wrapped(const Terminal& terminal, std::string text, Paint paint) {
  if (!terminal.colour || paint == Paint::kPlain) return text;
  return std::string(kCodes[static_cast<std::size_t>(paint)]) + text + "\x1b[0m";
}

}  // namespace

std::string painted(const Terminal& terminal, std::string_view text, Paint paint) {
  return wrapped(terminal, visible(text), paint);
}

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

Table::Table(std::vector<std::string> headers) : headers_(std::move(headers)) {}

void Table::row(std::vector<std::string> cells, Paint paint) {
  cells.resize(headers_.size());
  for (std::string& cell : cells) cell = visible(cell);
  rows_.push_back({std::move(cells), paint});
}

void Table::print(Terminal& terminal) const {
  std::vector<std::size_t> widths;
  for (const std::string& header : headers_) widths.push_back(width_of(header));
  for (const Row& row : rows_)
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], width_of(row.cells[i]));
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string out;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      out += cells[i];
      if (i + 1 < cells.size()) out.append(widths[i] - width_of(cells[i]) + 2, ' ');
    }
    out.erase(out.find_last_not_of(' ') + 1);
    return out;
  };
  terminal.out << line(headers_) << '\n';
  for (const Row& row : rows_) terminal.out << wrapped(terminal, line(row.cells), row.paint) << '\n';
}

void print_underlined(const Problem& problem, Terminal& terminal) {
  const std::string text = underlined(problem);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    terminal.out << painted(terminal, text.substr(at, end - at), Paint::kDim) << '\n';
    at = end + 1;
  }
}

int fail(Terminal& terminal, int code, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    terminal.err << "nelson: " << visible(text.substr(0, end)) << '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return code;
}

}  // namespace nelson::cli
