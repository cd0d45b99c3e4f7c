#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/faults/lane.h"

namespace nelson::faults {

/// The lanes of this program, made once: most of a test's time is waiting, so several run side by side. NELSON_FAULTS_LANES of them, else 6.
class Yard {
 public:
  static Yard& instance();

  /// Why nothing can be tested here; "" when all is well.
  [[nodiscard]] const std::string& broken() const { return broken_; }

  /// Calls work(lane, i) for each i below `count`, each in the first lane that is free. Returns when all are done. What a call finds wrong
  /// it says with EXPECT or ADD_FAILURE.
  void share_out(std::size_t count, const std::function<void(Lane&, std::size_t)>& work);

 private:
  Yard();
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::string broken_;
};

/// Calls work(*lanes[i]) for all at once.
void at_once(const std::vector<std::unique_ptr<Lane>>& lanes, const std::function<void(Lane&, std::size_t)>& work);

/// What happens to one settled lane, and must end with one.
struct Story {
  std::string name;
  std::function<void(Lane& lane)> tell;
};

/// Tells each story to a settled lane, many at once, and looks at each lane afterwards as Lane::findings does. Only those whose name contains
/// NELSON_FAULTS_STORY.
void tell(const std::vector<Story>& stories);

}  // namespace nelson::faults
