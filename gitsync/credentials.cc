#include "gitsync/credentials.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace nelson::git {

namespace {

constexpr std::size_t kMaximumFile = 1 << 20;
constexpr std::size_t kLongestText = 500;

Failure refused(const char* code, const std::string& reference, std::string reason, std::string way_out) {
  return failure(ErrorKind::kInvalid, code, "the credential " + reference + " " + std::move(reason), std::move(way_out));
}

Reply<std::string> read_file(const std::string& reference, bool secret) {
  const std::string path = reference.substr(5);
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (file < 0)
    return refused("CredentialMissing", reference, std::string("cannot be read: ") + std::strerror(errno),
                   "make the file readable for the user that runs nelson");
  struct stat about {};
  std::string text;
  std::string reason;
  if (::fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
    reason = "is not a regular file";
  } else if (secret && (about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    reason = "may be read or changed by others than its owner";
  } else if (!secret && (about.st_mode & S_IWOTH) != 0) {
    reason = "may be changed by everybody";
  } else if (about.st_size > static_cast<off_t>(kMaximumFile)) {
    reason = "is larger than 1 MiB";
  }
  char buffer[16384];
  while (reason.empty() && text.size() <= kMaximumFile) {
    const ssize_t count = ::read(file, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) reason = std::string("cannot be read: ") + std::strerror(errno);
    if (count <= 0) break;
    text.append(buffer, static_cast<std::size_t>(count));
  }
  ::explicit_bzero(buffer, sizeof buffer);
  ::close(file);
  if (!reason.empty()) {
    wipe(text);
    return refused("CredentialRefused", reference, reason, secret ? "chmod 600 " + path : "chmod 644 " + path);
  }
  return text;
}

Reply<std::string> read_reference(const std::string& reference, bool secret, bool file_only) {
  if (reference.empty()) return std::string();
  if (reference.starts_with("file:/")) return read_file(reference, secret);
  if (reference.starts_with("env:") && !file_only) {
    const char* value = std::getenv(reference.substr(4).c_str());
    if (value == nullptr || *value == '\0')
      return refused("CredentialMissing", reference, "is not set", "set that variable in the environment of nelson run");
    return std::string(value);
  }
  // The reference itself may be a secret that somebody wrote in its place, so it is not repeated.
  return failure(ErrorKind::kInvalid, "CredentialReference", "a credential is not written as a reference",
                 file_only ? "write file:/path" : "write env:NAME or file:/path");
}

void trim_end(std::string& text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
}

void replace_all(std::string& text, const std::string& what, std::string_view with) {
  if (what.size() < 4) return;  // shorter ones would take the text apart and are no secrets
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

/// scheme://user:password@host -> scheme://host
void remove_user_information(std::string& text) {
  for (std::size_t at = text.find("://"); at != std::string::npos; at = text.find("://", at + 3)) {
    const std::size_t begin = at + 3;
    const std::size_t end = text.find_first_of("/ '\"?#\t\n", begin);
    const std::size_t last = text.rfind('@', end == std::string::npos ? text.size() : end);
    if (last != std::string::npos && last >= begin) text.erase(begin, last + 1 - begin);
  }
}

}  // namespace

Reply<Credentials> read_credentials(const CredentialReferences& references) {
  Credentials out;
  out.user = references.user;
  struct Part {
    const std::string& reference;
    std::string& text;
    bool secret, file_only;
  };
  for (const Part& part : {Part{references.token, out.token, true, false}, Part{references.ssh_key, out.ssh_key, true, true},
                           Part{references.known_hosts, out.known_hosts, false, true}, Part{references.ca, out.ca, false, true}}) {
    Reply<std::string> text = read_reference(part.reference, part.secret, part.file_only);
    if (!text) return text.failure();
    part.text = *text;
    if (part.secret) wipe(*text);
  }
  trim_end(out.token);
  return out;
}

std::string scrubbed(std::string text, const Credentials& credentials) {
  replace_all(text, credentials.token, "***");
  replace_all(text, credentials.ssh_key, "***");
  remove_user_information(text);
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  if (text.size() > kLongestText) {
    std::size_t end = kLongestText;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text.resize(end);
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace nelson::git
