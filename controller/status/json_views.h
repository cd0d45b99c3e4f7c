#pragma once

#include <string>

#include "controller/status/snapshot.h"

namespace nelson::status {

// The JSON shapes of the API (README.md).

/// One item of /v1/deployments.
void append_deployment(std::string& out, const Row& row);
/// /v1/deployments/<guid>.
[[nodiscard]] std::string render_deployment(const View& view, const Row& row);
/// /v1/status.
/// `stale`: what to say of a view that is older than it should be; then nothing is called converged.
[[nodiscard]] std::string render_status(const View& view, const Trouble* stale = nullptr);
/// /v1/commits/<sha>; `commit` is lower-case hexadecimal, 7 to 64 digits.
[[nodiscard]] std::string render_commit(const View& view, const std::string& commit);
/// /v1/history.
[[nodiscard]] std::string render_history(const std::vector<JournalEntry>& entries);

}  // namespace nelson::status
