#include "gitsync/protocol.h"

#include <sys/socket.h>

#include <cerrno>

namespace nelson::git {

namespace {

constexpr std::size_t kHeader = 9;

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

Error error_of(const Failure& failure) {
  std::string message = failure.message;
  if (!failure.way_out.empty()) message += "; " + failure.way_out;
  const bool known = failure.kind <= static_cast<std::uint64_t>(ErrorKind::kInternal);
  return {known ? static_cast<ErrorKind>(failure.kind) : ErrorKind::kInternal, std::move(message)};
}

void wipe(std::string& secret) {
  secret.resize(secret.capacity());
  volatile char* bytes = secret.data();
  for (std::size_t i = 0; i < secret.size(); ++i) bytes[i] = 0;
  secret.clear();
}

Credentials::~Credentials() {
  wipe(token);
  wipe(ssh_key);
}

bool send_frame(int socket, std::uint8_t kind, std::string_view payload) {
  std::string header;
  for (int shift = 0; shift < 64; shift += 8) header += static_cast<char>(static_cast<std::uint64_t>(payload.size()) >> shift);
  header += static_cast<char>(kind);
  return send_all(socket, header) && send_all(socket, payload);
}

FrameBuffer::State FrameBuffer::next(Frame& frame) {
  if (bytes_.size() < kHeader) return State::kMore;
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < 8; ++i) size |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes_[i])) << (8 * i);
  if (size > kMaximumMessage) return State::kBroken;
  if (bytes_.size() < kHeader + size) return State::kMore;
  frame.kind = static_cast<std::uint8_t>(bytes_[8]);
  frame.payload = bytes_.substr(kHeader, size);
  bytes_.erase(0, kHeader + size);
  return State::kFrame;
}

}  // namespace nelson::git
