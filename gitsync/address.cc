#include "gitsync/address.h"

#include <charconv>
#include <filesystem>
#include <system_error>

namespace nelson::git {

namespace {

Failure refused(std::string message, std::string way_out) {
  return failure(ErrorKind::kInvalid, "RepositoryUrl", std::move(message), std::move(way_out));
}

constexpr const char* kForms = "write https://host/path, ssh://user@host/path, user@host:path, file:///path or /path";

bool valid_text(std::string_view text) {
  if (text.empty() || text.size() > 2048) return false;
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '\\' || c == '\'' || c == '"' || c == '`') return false;
  return true;
}

/// A host that starts with a dash would be an option of somebody's command line.
bool valid_host(std::string_view host) {
  if (host.empty() || host.size() > 255 || host.front() == '-') return false;
  for (const char c : host)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
          c == ':'))
      return false;
  return true;
}

bool loopback(std::string_view host) { return host == "localhost" || host == "127.0.0.1" || host == "::1"; }

/// [user[:password]@]host[:port], with an IPv6 address in brackets.
Reply<Address> parse_authority(std::string_view text, Address address) {
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    const std::string_view user = text.substr(0, at);
    text.remove_prefix(at + 1);
    if (user.find(':') != std::string_view::npos || address.transport != Transport::kSsh)
      return refused("the url holds a user name or password",
                     "name the credential by reference (credentials: token: file:/path or env:NAME)");
    if (user.empty() || user.front() == '-') return refused("the url's user name is not one", kForms);
    address.user = user;
  }
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return refused("the url's host is not one", kForms);
    address.host = text.substr(1, close - 1);
    port = text.substr(close + 1);
    if (!port.empty() && !port.starts_with(':')) return refused("the url's port is not one", kForms);
  } else {
    const std::size_t colon = text.find(':');
    address.host = text.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
  }
  if (!valid_host(address.host)) return refused("the url's host is not one", kForms);
  if (!port.empty()) {
    port.remove_prefix(1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc() || end != port.data() + port.size() || address.port == 0)
      return refused("the url's port is not one", kForms);
  }
  return address;
}

}  // namespace

Reply<Address> parse_address(std::string_view url) {
  Address address;
  address.url = url;
  if (!valid_text(url)) return refused("the url is empty, too long or holds blanks, quotes or control characters", kForms);
  if (url.starts_with('/')) {
    address.path = url;
    return address;
  }
  struct Scheme {
    std::string_view prefix;
    Transport transport;
    std::uint16_t port;
  };
  constexpr Scheme kSchemes[] = {{"https://", Transport::kHttps, 443},
                                 {"ssh://", Transport::kSsh, 22},
                                 {"git+ssh://", Transport::kSsh, 22},
                                 {"ssh+git://", Transport::kSsh, 22},
                                 {"git://", Transport::kGit, 9418}};
  for (const Scheme& scheme : kSchemes) {
    if (!url.starts_with(scheme.prefix)) continue;
    address.transport = scheme.transport;
    address.port = scheme.port;
    const std::string_view rest = url.substr(scheme.prefix.size());
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos || slash + 1 == rest.size())
      return refused("the url names no repository on its host", kForms);
    Reply<Address> out = parse_authority(rest.substr(0, slash), address);
    if (out && out->transport == Transport::kGit && !loopback(out->host))
      return refused("git:// verifies neither host nor content and is taken for this machine only", "use https:// or ssh://");
    return out;
  }
  if (url.starts_with("file://")) {
    std::string_view path = url.substr(7);
    if (path.starts_with("localhost/")) path.remove_prefix(9);
    if (!path.starts_with('/')) return refused("a file:// url names no absolute path", "write file:///path");
    address.path = path;
    return address;
  }
  if (url.find("://") != std::string_view::npos)
    return refused("the url's scheme is not one of https, ssh and file",
                   url.starts_with("http://") ? "use https://: http:// is not verified" : kForms);
  // user@host:path, as git writes it
  const std::size_t colon = url.find(':');
  if (colon == std::string_view::npos || colon + 1 == url.size() || url.find('/') < colon)
    return refused("the url is not understood", kForms);
  address.transport = Transport::kSsh;
  address.port = 22;
  return parse_authority(url.substr(0, colon), address);
}

std::string host_and_port(const Address& address) {
  return address.host.empty() ? std::string() : address.host + ":" + std::to_string(address.port);
}

std::string comparable_url(const std::string& url) {
  const Reply<Address> address = parse_address(url);
  std::string text = url;
  if (address && address->transport == Transport::kLocal) {
    std::error_code error;
    const std::filesystem::path real = std::filesystem::weakly_canonical(address->path, error);
    text = error ? address->path : real.string();
  } else if (const std::size_t scheme = url.find("://"); scheme != std::string::npos) {
    text = url.substr(scheme + 3);
    if (const std::size_t at = text.find('@'); at < text.find('/')) text.erase(0, at + 1);
    const std::string port = url.starts_with("https") ? ":443" : ":22";
    if (const std::size_t slash = text.find('/'); slash != std::string::npos && text.substr(0, slash).ends_with(port))
      text.erase(slash - port.size(), port.size());
  } else {
    if (const std::size_t at = text.find('@'); at < text.find(':')) text.erase(0, at + 1);
    if (const std::size_t colon = text.find(':'); colon != std::string::npos)
      text.replace(colon, text.find_first_not_of('/', colon + 1) - colon, "/");
  }
  while (text.ends_with('/')) text.pop_back();
  if (text.ends_with("/.git")) text.resize(text.size() - 5);
  if (text.ends_with(".git")) text.resize(text.size() - 4);
  return text;
}

}  // namespace nelson::git
