#include "state/model/digest.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

namespace nelson {

Digest sha256(std::string_view bytes) {
  // Kept, since to look the algorithm up each time, as the one-shot call does, costs as much as to digest some hundred bytes.
  static const EVP_MD* const kAlgorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  Digest digest;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.bytes.data(), nullptr, kAlgorithm, nullptr) != 1)
    SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.bytes.data());
  return digest;
}

std::string to_hex(const Digest& digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * digest.bytes.size());
  for (const std::uint8_t byte : digest.bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

}  // namespace nelson
