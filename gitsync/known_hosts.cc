#include "gitsync/known_hosts.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "gitsync/characters.h"
#include "state/model/digest.h"

namespace nelson::git {

namespace {

std::string decode64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0 || text.size() > 65536) return {};
  std::string out(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (size < 0) return {};
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  out.resize(static_cast<std::size_t>(size) - padding);
  return out;
}

std::string encode64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::string_view next_word(std::string_view& line) {
  const std::size_t begin = std::min(line.find_first_not_of(" \t\r"), line.size());
  const std::size_t end = std::min(line.find_first_of(" \t\r", begin), line.size());
  const std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

/// Shell-like: `*` any run, `?` one character. Iterative, so that many stars cost no more than a product.
bool wildcard(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*') {
      ++p;
      ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

/// |1|salt|HMAC-SHA1(salt, name)
bool hashed_match(std::string_view field, const std::string& name) {
  field.remove_prefix(3);
  const std::size_t bar = field.find('|');
  if (bar == std::string_view::npos) return false;
  const std::string salt = decode64(field.substr(0, bar));
  const std::string want = decode64(field.substr(bar + 1));
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (HMAC(EVP_sha1(), salt.data(), static_cast<int>(salt.size()), reinterpret_cast<const unsigned char*>(name.data()), name.size(),
           hash, &size) == nullptr)
    return false;
  return !want.empty() && want == std::string_view(reinterpret_cast<const char*>(hash), size);
}

bool names(std::string_view field, const std::string& name) {
  if (field.starts_with("|1|")) return hashed_match(field, name);
  bool found = false;
  while (!field.empty()) {
    const std::size_t comma = std::min(field.find(','), field.size());
    std::string_view pattern = field.substr(0, comma);
    field.remove_prefix(std::min(comma + 1, field.size()));
    const bool negated = pattern.starts_with('!');
    if (negated) pattern.remove_prefix(1);
    if (!wildcard(lower_case(pattern), name)) continue;
    if (negated) return false;
    found = true;
  }
  return found;
}

/// What entries call the host: its plain name on the standard port, `[host]:port` on another.
std::string entry_name(std::string_view host, std::uint16_t port) {
  return port == 22 ? lower_case(host) : "[" + lower_case(host) + "]:" + std::to_string(port);
}

std::string type_of(std::string_view key) {
  if (key.size() < 4) return {};
  std::size_t size = 0;
  for (std::size_t i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(key[i]);
  return size <= key.size() - 4 ? std::string(key.substr(4, size)) : std::string();
}

}  // namespace

std::vector<HostKey> keys_of(std::string_view known_hosts, std::string_view host, std::uint16_t port) {
  std::vector<HostKey> out;
  const std::string name = entry_name(host, port);
  while (!known_hosts.empty()) {
    const std::size_t end = std::min(known_hosts.find('\n'), known_hosts.size());
    std::string_view line = known_hosts.substr(0, end);
    known_hosts.remove_prefix(std::min(end + 1, known_hosts.size()));
    std::string_view field = next_word(line);
    if (field.empty() || field.starts_with('#')) continue;
    const bool revoked = field == "@revoked";
    if (field.starts_with('@')) {
      if (!revoked) continue;  // libssh2 cannot verify host certificates
      field = next_word(line);
    }
    if (!names(field, name)) continue;
    HostKey key;
    key.type = next_word(line);
    key.key = decode64(next_word(line));
    key.revoked = revoked;
    if (!key.key.empty() && type_of(key.key) == key.type) out.push_back(std::move(key));
  }
  return out;
}

HostVerdict judge(const std::vector<HostKey>& keys, std::string_view key) {
  const std::string type = type_of(key);
  bool any = false, same_type = false, match = false;
  for (const HostKey& known : keys) {
    if (known.revoked) {
      if (known.key == key) return HostVerdict::kRevoked;
      continue;
    }
    any = true;
    if (known.type == type) same_type = true;
    if (known.key == key) match = true;
  }
  if (match) return HostVerdict::kKnown;
  if (!any) return HostVerdict::kUnknown;
  return same_type ? HostVerdict::kChanged : HostVerdict::kOtherType;
}

std::string fingerprint(std::string_view key) {
  const Digest digest = sha256(key);
  std::string text = encode64({reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()});
  while (text.ends_with('=')) text.pop_back();
  return "SHA256:" + text;
}

std::string known_hosts_line(const HostKey& key, std::string_view host, std::uint16_t port) {
  return entry_name(host, port) + " " + key.type + " " + encode64(key.key) + "\n";
}

}  // namespace nelson::git
