#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/simulation/effects.h"

namespace nelson::simulation {

/// How often a fault met an action. A row of the table says what a hit is.
enum class Meeting {
  // in a call that carries out the action
  kCallFails,
  kCallAnswerLost,
  kCallConflict,
  kCallLate,
  kDiesBeforeCall,
  kDiesAfterCall,
  // at the commit that announces it, or tells how it ended
  kIntentFull,
  kIntentFails,
  kIntentDiesBefore,
  kIntentDiesAfter,
  kIntentAnswerLost,
  kOutcomeFails,
  kOutcomeDiesBefore,
  kOutcomeDiesAfter,
  kOutcomeAnswerLost,
  // in what was seen before it was begun
  kStaleScheduler,
  kStaleMemory,
  kStaleDiscovery,
  kStaleBalancer,
  kSilentScheduler,
  kSilentDiscovery,
  kSilentBalancer,
  kHangs,
  // within ten minutes before it was begun (an hour: the control repository went back)
  kGitUnreadable,
  kGitBack,
  kControlBack,
  kWallJump,
  kSuspend,
  kSick,
  kLostInstance,
  kReboot,
  kAnotherHand,
  kRestart,
  kStoreLost,
  kPassFull,
};
inline constexpr std::size_t kMeetings = static_cast<std::size_t>(Meeting::kPassFull) + 1;

class Matrix {
 public:
  void hit(Meeting fault, std::string_view action) { ++hits_[static_cast<std::size_t>(fault)][action_index(action)]; }
  void add(const Matrix& other);
  [[nodiscard]] std::uint64_t total() const;
  /// Cells that can be met and were not met `least` times, in words.
  [[nodiscard]] std::vector<std::string> thin(std::uint64_t least) const;
  /// The least hits of a cell that can be met.
  [[nodiscard]] std::uint64_t least() const;
  [[nodiscard]] std::string print() const;

  /// Why the fault cannot meet the action; "" when it can.
  [[nodiscard]] static std::string impossible(Meeting fault, std::size_t action);

 private:
  std::array<std::array<std::uint64_t, kActions.size() + 1>, kMeetings> hits_{};
};

}  // namespace nelson::simulation
