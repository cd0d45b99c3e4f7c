#pragma once

#include <string>
#include <vector>

#include "reconcilers/forecast.h"
#include "state/model/plan.h"

namespace nelson {

/// One action in words, in columns: what, where, detail, why. Diff, log and page print the same text.
struct Line {
  char sign = ' ';      // '+' comes, '-' goes, '~' changes, '!' is held and in trouble, ' ' is a fact or merely held
  std::string verb;     // "launch", "shift traffic", "retire", "hold", ...
  std::string subject;  // "local dev/howdy"
  std::string detail;   // "1.1.0, 3 instances"
  std::string reason;
};

[[nodiscard]] Line line_of(const Action& action);
[[nodiscard]] Line line_of(const Hold& hold);

/// Whether an action is bookkeeping: a fact or a payload written, which people need not read unless they ask.
[[nodiscard]] bool is_bookkeeping(const Effect& effect);

/// The lines in aligned columns, one a line; nothing but printable characters.
[[nodiscard]] std::string print(const std::vector<Line>& lines);

/// The whole plan: actions, then what is held.
[[nodiscard]] std::string print(const Plan& plan);

/// A forecast condensed to what a person wants to know, in order, with the time from now: "after 30 seconds  shift traffic ...".
[[nodiscard]] std::vector<std::string> summarize(const std::vector<ForecastStep>& steps);

}  // namespace nelson
