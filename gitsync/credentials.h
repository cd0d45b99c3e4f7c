#pragma once

#include <string>

#include "gitsync/gitsync.h"
#include "gitsync/protocol.h"

namespace nelson::git {

/// Reads what the references name, now: nothing is kept between requests, so a rotated token counts from the next poll on. A file with a
/// secret must be a regular file that neither group nor others may read. Failures name the reference, never the value.
[[nodiscard]] Reply<Credentials> read_credentials(const CredentialReferences& references);

/// `text` without the secrets in `credentials` (each replaced by "***"), without user information in urls and without control
/// characters; at most 500 bytes of it. For texts of libgit2 and of servers.
[[nodiscard]] std::string scrubbed(std::string text, const Credentials& credentials);

}  // namespace nelson::git
