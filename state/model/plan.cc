#include "state/model/plan.h"

#include <array>

namespace nelson {

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

}  // namespace nelson
