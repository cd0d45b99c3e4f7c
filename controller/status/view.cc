#include "controller/status/view.h"

#include <algorithm>
#include <utility>

#include "controller/status/json_views.h"
#include "controller/status/snapshot.h"

namespace nelson {
namespace {

bool everything_answered(const ViewInput& input) {
  if (input.pass == 0 || !input.desired) return false;
  return std::all_of(input.observed.domains.begin(), input.observed.domains.end(),
                     [](const auto& entry) { return entry.second.scheduler.complete && entry.second.memory.complete; });
}

std::map<std::string, Instant> since_when(const ViewInput& input, const View* previous) {
  std::map<std::string, Instant> since;
  for (const std::string& subject : subjects_of(input)) {
    Instant at = input.now;
    if (const auto told = input.since.find(subject); told != input.since.end()) {
      at = std::min(told->second, input.now);
    } else if (previous != nullptr) {
      if (const auto seen = previous->since.find(subject); seen != previous->since.end()) at = std::min(seen->second, input.now);
    }
    since.emplace(subject, at);
  }
  return since;
}

}  // namespace

View::View(ViewInput given, const View* previous)
    : input(std::move(given)),
      since(since_when(input, previous)),
      index(status::make_index(input, previous)),
      trouble(status::find_trouble(input, since, *index)),
      answered(everything_answered(input)),
      converged(answered && input.plan.actions.empty()) {}

const ObservedStack* View::observed(const status::Row& row) const {
  const auto cell = input.observed.cells.find({row.domain, row.unit});
  if (cell == input.observed.cells.end()) return nullptr;
  const auto& stacks = cell->second.stacks;
  const auto at = std::find_if(stacks.begin(), stacks.end(), [&](const ObservedStack& stack) { return stack.name == row.name; });
  return at == stacks.end() ? nullptr : &*at;
}

std::shared_ptr<const std::string> View::status_json() const {
  std::call_once(status_once_, [this] { status_json_ = std::make_shared<const std::string>(status::render_status(*this)); });
  return status_json_;
}

std::shared_ptr<const View> build_view(ViewInput input, const std::shared_ptr<const View>& previous) {
  return std::make_shared<const View>(std::move(input), previous.get());
}

}  // namespace nelson
