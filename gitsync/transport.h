#pragma once

#include <functional>

#include "gitsync/mirror.h"
#include "gitsync/protocol.h"

namespace nelson::git {

/// Answers a poll: one ref advertisement, and over the same connection a fetch when a ref that matters has moved. `phase` hears what is
/// about to happen. Certificates and host keys are always verified; redirects are followed on the same host only; a credential is given
/// to the url's own host only, once.
Reply<PollAnswer> poll(Mirrors& mirrors, const PollRequest& request, const std::function<void(Phase)>& phase);

/// How often this process has exchanged its certificate authorities; each time leaves some memory behind.
[[nodiscard]] int authority_changes();

}  // namespace nelson::git
