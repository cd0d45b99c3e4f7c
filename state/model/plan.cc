#include "state/model/plan.h"

#include <array>

namespace nelson {

void stamp(StackRecord& record, Fact fact, Instant now) {
  const auto once = [now](std::optional<Instant>& at) {
    if (!at || *at > now) at = now;
  };
  switch (fact) {
    case Fact::kReady:
      once(record.ready);
      break;
    case Fact::kKeptNoLonger:
      once(record.kept_no_longer_since);
      break;
    case Fact::kKeptAgain:
      record.kept_no_longer_since.reset();
      break;
    case Fact::kRetiringIdle:
      once(record.tombstone);
      [[fallthrough]];
    case Fact::kRetiring:
      once(record.retiring);
      break;
    case Fact::kTombstoneDropped:
      record.tombstone.reset();
      record.reversed.reset();
      break;
    case Fact::kJobSucceeded:
      record.job_result = JobResult::kSucceeded;
      break;
    case Fact::kJobFailed:
      record.job_result = JobResult::kFailed;
      break;
  }
}

void bury(StackRecord& record) {
  record.removed = true;
  record.launched.reset();
  record.ready.reset();
  record.kept_no_longer_since.reset();
  record.retiring.reset();
  record.document.clear();
  record.settings = {};
}

const std::string& stack_of(const Effect& effect) {
  static const std::string kNone;
  return std::visit(
      [](const auto& e) -> const std::string& {
        if constexpr (requires { e.stack; })
          return e.stack;
        else
          return kNone;
      },
      effect);
}

std::string_view word_of(const Effect& effect) {
  static constexpr auto kWords =
      std::to_array<std::string_view>({"launch", "repair", "update", "scale", "note", "shift", "drop-traffic", "serve", "unserve",
                                       "publish", "unpublish", "remove", "bury"});
  static_assert(kWords.size() == std::variant_size_v<Effect>);
  return kWords[effect.index()];
}

bool puts_right(std::string_view word, std::string_view reason) { return word == "repair" || reason == kRouteLost; }

}  // namespace nelson
