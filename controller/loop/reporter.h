#pragma once

#include <functional>
#include <map>
#include <string>

#include "controller/loop/engine.h"

namespace nelson {

/// Says in the log what became different: what is held or wrong and was not, and what is so no more. What stays as it was is not said
/// again. One thread.
class Reporter {
 public:
  void tell(const PassReport& report);

 private:
  std::map<std::string, std::string> said_;  // subject -> its line, to say when it is over
};

}  // namespace nelson
