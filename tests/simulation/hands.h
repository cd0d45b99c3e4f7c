#pragma once

#include <memory>
#include <string>

#include "controller/domains/domain.h"
#include "tests/simulation/effects.h"

namespace nelson::simulation {

/// Is told of every call that passes a place between the executor and a domain.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void asks(const std::string&, Part) {}
  virtual void answered(const std::string&, Part, bool /*ok*/) {}
  virtual void writes(const std::string&, const Write&) {}
  virtual void wrote(const std::string&, const Write&, const Status&) {}
};

/// The same domain, with somebody listening at its door. `listener` outlives it.
[[nodiscard]] Domain listened(Domain domain, Listener& listener);

}  // namespace nelson::simulation
