#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gitsync/protocol.h"

namespace nelson::git {

enum class Transport { kLocal, kHttps, kSsh, kGit };

/// Where a repository is.
struct Address {
  Transport transport = Transport::kLocal;
  std::string user;        // ssh only
  std::string host;        // without brackets; "" for a local path
  std::uint16_t port = 0;  // the scheme's own when the url names none
  std::string path;        // a local one, absolute
  std::string url;         // as libgit2 is given it
};

/// Reads file://, an absolute path, https://, ssh:// and git@host:path. git:// is taken for this machine's loopback only: nothing of it is
/// verified. A url with a password is refused, and the refusal does not repeat it.
[[nodiscard]] Reply<Address> parse_address(std::string_view url);

/// "example.org:8443"; what connections are counted and slowed by. "" for a local path.
[[nodiscard]] std::string host_and_port(const Address& address);

/// One form for the urls people write for one repository: host and path, without scheme, user, `.git` and closing slash.
[[nodiscard]] std::string comparable_url(const std::string& url);

}  // namespace nelson::git
