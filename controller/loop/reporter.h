#pragma once

#include <functional>
#include <map>
#include <string>

#include "controller/loop/engine.h"

namespace nelson {

/// Says in the log what became different: what is held or wrong and was not, and what is wrong no more. What stays as it was is not said
/// again, and what merely takes its time (a hold that is no trouble) only once in some minutes, however often it comes back. One thread.
class Reporter {
 public:
  void tell(const PassReport& report);

 private:
  struct Said {
    std::string what;  // to say when it is over
    bool wrong = false;
    Instant last{};  // when it was last so
  };
  std::map<std::string, Said> said_;  // by subject
};

}  // namespace nelson
