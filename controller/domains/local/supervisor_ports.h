#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/domains/local/supervisor_document.h"
#include "state/model/result.h"

namespace nelson {

// Ports of a domain's instances. `<folder>/ports/<number>` is a symbolic link to "<stack>/<index>": whoever makes it first has the number,
// without a lock, and keeps it over restarts of instance, supervisor and controller.

/// A number for an instance: `preferred` if it has that one and nobody else listens there, else any free one of the range in force. A number
/// on which a stranger listens is passed over. `taken` lists numbers that this instance already uses. kUnavailable: none is free; the
/// message names one that is taken and the way out.
Result<std::uint16_t> claim_port(const LocalPaths& paths, const std::string& stack, std::int32_t index, std::uint16_t preferred,
                                 const std::vector<std::uint16_t>& taken);

/// Gives a number back; nothing happens when it is another's.
void release_port(const LocalPaths& paths, const std::string& stack, std::int32_t index, std::uint16_t port);

/// Gives back what belongs to stacks that have no folder any more.
void release_orphan_ports(const LocalPaths& paths);

/// Whether nobody listens on the port of this machine.
[[nodiscard]] bool port_is_free(std::uint16_t port);

}  // namespace nelson
