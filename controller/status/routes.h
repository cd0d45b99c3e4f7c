#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "controller/status/library.h"
#include "controller/status/server.h"
#include "controller/status/snapshot.h"

namespace nelson::status {

/// What the server knows at the moment of a request.
struct Moment {
  std::shared_ptr<const View> view;        // never null; pass 0 before the first one
  Duration age{};                          // since it was published
  std::optional<Duration> since_answered;  // since a pass in which every domain answered; nothing: never
  StatusServer::Counters counters;
};

/// The answer to a GET or HEAD. `options` for the history callback and the seam of the tests.
[[nodiscard]] Content route(const Request& request, const Moment& moment, const StatusOptions& options);

// One function a route (README.md says what each answers).
[[nodiscard]] Content readiness(const Moment& moment);
[[nodiscard]] Content deployments(const Request& request, const View& view);
[[nodiscard]] Content metrics(const Moment& moment);
[[nodiscard]] Content page(const Request& request, const Moment& moment);
[[nodiscard]] Content stack_page(const View& view, const Row& row, const std::vector<JournalEntry>& history);
/// "Not found", with the way back.
[[nodiscard]] Content not_found();

}  // namespace nelson::status
