#include "state/model/identity.h"

#include "state/model/canonical.h"
#include "state/model/names.h"

namespace nelson {
namespace {

/// 40 bits in eight digits 0-9a-v, five bits each, most significant first.
std::string hash8(const Digest& digest) {
  static constexpr char kDigits[] = "0123456789abcdefghijklmnopqrstuv";
  std::uint64_t bits = 0;
  for (int i = 0; i < 5; ++i) bits = bits << 8 | digest.bytes[static_cast<std::size_t>(i)];
  std::string out(8, '0');
  for (std::size_t i = 8; i-- > 0; bits >>= 5) out[i] = kDigits[bits & 31];
  return out;
}

}  // namespace

Digest digest_of(const Identity& identity) { return sha256("nelson identity v1\n" + canonical(identity)); }

std::string stack_name(const Identity& identity, const Digest& digest) {
  return to_string(StackName{identity.unit, identity.version, hash8(digest)});
}

std::string stack_name(const Identity& identity) { return stack_name(identity, digest_of(identity)); }

std::string guid_of(const Digest& digest, std::uint32_t incarnation) {
  return to_hex(sha256(to_hex(digest) + "/" + std::to_string(incarnation))).substr(0, 12);
}

}  // namespace nelson
