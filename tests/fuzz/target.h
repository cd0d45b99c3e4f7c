#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace nelson::fuzz {

/// Thrown by a target when something that must hold for every input does not hold for this one.
class Violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
[[noreturn]] inline void violated(const std::string& what) { throw Violation(what); }

/// A way for strangers' bytes into nelson, and what must be true of whatever comes of them. Run by libFuzzer (engine/main.cc) and, over the
/// inputs that are kept, by an ordinary test (replay_test.cc).
struct Target {
  std::string_view name;  // of the folders with its inputs, corpus/NAME and found/NAME
  /// Whether the input was taken for a good one. Throws Violation; any other exception is a finding too.
  bool (*run)(std::string_view input);
};

Target http_front();
Target manifest();
Target control_files();
Target store_records();
Target references();
Target supervisor();

}  // namespace nelson::fuzz
