#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/domains/domain.h"

namespace nelson {

/// What the balancer of a domain needs to know of its surroundings.
struct HaproxyOptions {
  std::string folder;   // the domain's; everything of ours lies in `<folder>/haproxy`
  std::string program;  // see find_haproxy()
  Duration drain_limit = std::chrono::seconds(60);
  /// The stable address of a service's port.
  std::function<Result<Endpoint>(const TrafficKey&, const Port&)> address_of;
  /// Open `cgroup.procs` files of the control groups that HAProxy shall live in, closed by the callee; may be empty.
  std::function<std::vector<int>()> doors;
  /// Called from a thread of ours when HAProxy died, or when a change could not be brought about, or only late, after serve() had returned.
  std::function<void()> changed;
  bool read_only = false;  // observe only: nothing is written, started or changed
};

/// A balancer that runs an HAProxy of its own, never the system's. It outlives this object and the process, and is found again by its socket.
///
/// serve(): a change of weights alone is in force, in every worker, when it returns, without a reload. Any other change is brought about by a
/// reload, which drops no connection: at once when there was none in the last 200 ms (twice the time it took, when that is longer), else
/// together with what else is asked for in that time; observe() does not wait for that time to pass. Once an old worker has lived through ten
/// reloads, a fortieth of the drain limit passes between two, observe() or not, and `changed` is called after it. What cannot be brought about
/// leaves the route as it was, and the others alone; the error is told by the call that reloaded or, when that was about another route, by
/// the next one about this.
///
/// observe() says what the running HAProxy says: with none running there are no routes, and serve() starts one.
Result<std::unique_ptr<Balancer>> open_haproxy(HaproxyOptions options);

/// The installed program; nothing when there is none.
[[nodiscard]] std::optional<std::string> find_haproxy();

/// Ends the HAProxy of the domain in `folder`, if one runs: at once, open connections included. Returns when nothing of it is left.
Status stop_haproxy(const std::string& folder);

}  // namespace nelson
