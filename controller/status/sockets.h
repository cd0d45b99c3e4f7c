#pragma once

#include <unistd.h>

#include <string>
#include <utility>

#include "controller/base/descriptor.h"
#include "state/model/result.h"

namespace nelson::status {

/// "127.0.0.1:9000" or "[::1]:9000": where `fd` is bound.
[[nodiscard]] std::string address_of(int fd);

/// A listening socket that never blocks, on "ADDRESS:PORT" or "[IPV6]:PORT". Its errors are those of StatusServer::open.
Result<Descriptor> listen_on(const std::string& text);

}  // namespace nelson::status
