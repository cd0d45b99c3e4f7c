#include "tests/simulation/matrix.h"

#include <algorithm>

namespace nelson::simulation {
namespace {

constexpr auto kRows = std::to_array<std::string_view>({
    "call fails",
    "answer lost",
    "conflict",
    "call late",
    "dies before call",
    "dies after call",
    "intent: disk full",
    "intent: fails",
    "intent: dies before",
    "intent: dies after",
    "intent: answer lost",
    "outcome: fails",
    "outcome: dies before",
    "outcome: dies after",
    "outcome: answer lost",
    "stale scheduler",
    "stale records",
    "stale discovery",
    "stale balancer",
    "silent scheduler",
    "silent discovery",
    "silent balancer",
    "batch hangs",
    "Git unreadable",
    "Git went back",
    "control went back",
    "wall clock jumped",
    "suspended",
    "sick",
    "instance lost",
    "reboot",
    "another's hand",
    "restarted",
    "store lost",
    "pass: disk full",
});
static_assert(kRows.size() == kMeetings);

/// Combinations that the design excludes.
struct Excluded {
  Meeting fault;
  std::vector<std::string_view> actions;
  const char* why;
};
const std::vector<Excluded>& excluded() {
  static const std::vector<Excluded> kExcluded = {
      {Meeting::kSilentScheduler,
       {"launch", "repair", "update", "scale", "note", "shift", "drop-traffic", "serve", "unserve", "publish", "unpublish",
        "remove", "bury"},
       "a cell whose scheduler does not answer is not decided on"},
      {Meeting::kSilentDiscovery, {"publish", "unpublish", "remove", "bury"}, "what is published is not known"},
      {Meeting::kSilentBalancer, {"serve", "unserve", "unpublish", "remove", "bury"}, "what is balanced is not known"},
      {Meeting::kControlBack,
       {"launch", "update", "scale", "shift", "drop-traffic", "serve", "unserve", "publish", "unpublish", "remove", "bury",
        "claim"},
       "only repair passes while the control repository is back, and the note that something is needed again"},
  };
  return kExcluded;
}

std::string padded(std::string text, std::size_t width, bool right) {
  while (text.size() < width) text.insert(right ? text.begin() : text.end(), ' ');
  return text;
}

}  // namespace

std::string Matrix::impossible(Meeting fault, std::size_t action) {
  for (const Excluded& one : excluded())
    if (one.fault == fault && std::find(one.actions.begin(), one.actions.end(), kActions[action]) != one.actions.end())
      return one.why;
  return "";
}

void Matrix::add(const Matrix& other) {
  for (std::size_t row = 0; row < kMeetings; ++row)
    for (std::size_t column = 0; column < kActions.size(); ++column) hits_[row][column] += other.hits_[row][column];
}

std::uint64_t Matrix::total() const {
  std::uint64_t sum = 0;
  for (const auto& row : hits_)
    for (std::size_t column = 0; column < kActions.size(); ++column) sum += row[column];
  return sum;
}

std::uint64_t Matrix::least() const {
  std::uint64_t least = ~std::uint64_t{0};
  for (std::size_t row = 0; row < kMeetings; ++row)
    for (std::size_t column = 0; column < kActions.size(); ++column)
      if (impossible(static_cast<Meeting>(row), column).empty()) least = std::min(least, hits_[row][column]);
  return least;
}

std::vector<std::string> Matrix::thin(std::uint64_t least) const {
  std::vector<std::string> out;
  for (std::size_t row = 0; row < kMeetings; ++row)
    for (std::size_t column = 0; column < kActions.size(); ++column)
      if (impossible(static_cast<Meeting>(row), column).empty() && hits_[row][column] < least)
        out.push_back(std::string(kRows[row]) + " x " + std::string(kActions[column]) + ": " + std::to_string(hits_[row][column]));
  return out;
}

std::string Matrix::print() const {
  constexpr std::size_t kFirst = 22, kWidth = 8;
  std::string out = padded("fault x action", kFirst, false);
  for (const std::string_view action : kActions) out += padded(std::string(action.substr(0, kWidth - 1)), kWidth, true);
  out += '\n';
  for (std::size_t row = 0; row < kMeetings; ++row) {
    out += padded(std::string(kRows[row]), kFirst, false);
    for (std::size_t column = 0; column < kActions.size(); ++column)
      out += padded(impossible(static_cast<Meeting>(row), column).empty() ? std::to_string(hits_[row][column]) : "-", kWidth, true);
    out += '\n';
  }
  return out;
}

}  // namespace nelson::simulation
