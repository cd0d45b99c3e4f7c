#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nelson::git {

/// A key that a known_hosts file has for a host.
struct HostKey {
  std::string type;  // "ssh-ed25519"
  std::string key;   // the raw key
  bool revoked = false;
};

/// The keys of `host` at `port`: plain, patterned (`*`, `?`, `!`), hashed (`|1|`) and `[host]:port` entries. Lines that cannot be read and
/// certificate authorities give none.
[[nodiscard]] std::vector<HostKey> keys_of(std::string_view known_hosts, std::string_view host, std::uint16_t port);

enum class HostVerdict {
  kKnown,
  kUnknown,    // the file has no key of this host
  kOtherType,  // it has one, of another type than the host showed
  kChanged,    // it has another one of this type
  kRevoked,    // the file says that this key is not to be trusted
};

/// `key` is the raw key that the host showed; its type is the first field in it.
[[nodiscard]] HostVerdict judge(const std::vector<HostKey>& keys, std::string_view key);

/// "SHA256:..." as ssh-keygen -l prints it.
[[nodiscard]] std::string fingerprint(std::string_view key);

/// The line of a known_hosts file for `key`.
[[nodiscard]] std::string known_hosts_line(const HostKey& key, std::string_view host, std::uint16_t port);

}  // namespace nelson::git
