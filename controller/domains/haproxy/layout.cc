#include "controller/domains/haproxy/layout.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "state/model/canonical.h"
#include "state/model/digest.h"
#include "state/model/names.h"

namespace nelson::haproxy {
namespace {

constexpr int kSlots = 100;
constexpr std::size_t kPathBytes = 2048;
constexpr int kShareLine = 1000;  // + the stack's place in the route
constexpr int kNameLine = 2000;

/// What may stand in a name: nothing that ends a word, a line or a quote of a configuration.
bool plain(std::string_view text) {
  return !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

bool is_address(const std::string& host) {
  in_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1;
}

std::string namespace_word(std::string_view name) {
  std::string word(name);
  std::replace(word.begin(), word.end(), '/', '~');
  return word;
}

std::string service_word(const TrafficKey& key) {
  return namespace_word(key.name_space) + ":" + key.unit + ":" + std::to_string(key.major);
}

std::string check_name(std::string_view stack, std::int32_t index) {
  return "check:" + std::string(stack) + ":" + std::to_string(index);
}

bool is_http(const Port& port) { return port.protocol == Protocol::kHttp; }

std::string at(const Endpoint& endpoint) { return endpoint.host + ":" + std::to_string(endpoint.number); }

const Endpoint* endpoint_of(const Backend::Server& server, std::string_view port) {
  for (const Endpoint& endpoint : server.endpoints)
    if (endpoint.port == port) return &endpoint;
  return nullptr;
}

std::string hexadecimal(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out;
}

/// A path as it may stand in a request line: what could end the line is written as %XX, as the supervisor's own checks do.
std::string safe_path(std::string_view path) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string safe = path.starts_with('/') ? "" : "/";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f)
      safe += c;
    else
      safe += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return safe;
}

std::string milliseconds(Duration length) { return std::to_string(length.count()) + "ms"; }

// One share of the traffic is counted per frontend. 61 is prime to 100 and near its golden section, so that the slots of a stack lie
// evenly among the others': any few requests are shared nearly as any hundred are.
std::string choice(const TrafficKey& key) {
  return "set-var(txn.stack) sc0_inc_gpc0,mul(61),mod(100),map_int(" + map_name(key) + ")";
}

std::string frontend(const Bound& bound, std::size_t which) {
  const Route& route = bound.route;
  const Port& port = route.ports[which];
  const std::string rules = is_http(port) ? "  http-request " : "  tcp-request content ";
  std::string out = "\nfrontend " + frontend_name(route.key, port.name) + "\n";
  out += is_http(port) ? "  mode http\n" : "  mode tcp\n";
  out += "  bind " + at(bound.addresses[which]) + "\n";
  out += rules + "track-sc0 fe_id table slots\n" + rules + choice(route.key) + "\n";
  for (const Backend& backend : route.backends) {
    const std::string name = backend_name(backend.stack, port.name);
    out += "  use_backend " + name + " if { var(txn.stack) -m str " + backend.stack + " } { nbsrv(" + name + ") gt 0 }\n";
  }
  // The share of a stack without a healthy instance goes to those that have one and a share of their own, never to one at 0.
  for (std::size_t i = 0; i < route.backends.size(); ++i) {
    const std::string name = backend_name(route.backends[i].stack, port.name);
    out += "  use_backend " + name + " if { int(" + std::to_string(kShareLine + i) + "),map_int(" + map_name(route.key) +
           ") -m found } { nbsrv(" + name + ") gt 0 }\n";
  }
  // With no healthy instance anywhere the chosen stack has to answer for itself. A worker that was replaced comes here too: it counts no
  // server as usable, and yet has to answer the last request of each connection it has.
  for (const Backend& backend : route.backends)
    out += "  use_backend " + backend_name(backend.stack, port.name) + " if { var(txn.stack) -m str " + backend.stack + " }\n";
  return out;
}

std::string backend(const Backend& stack, const Port& port) {
  std::string out = "\nbackend " + backend_name(stack.stack, port.name) + "\n";
  out += is_http(port) ? "  mode http\n" : "  mode tcp\n";
  for (const Backend::Server& server : stack.servers) {
    const Endpoint* endpoint = endpoint_of(server, port.name);
    if (endpoint == nullptr) continue;
    out += "  server " + std::to_string(server.index) + " " + at(*endpoint) + " weight 100";
    if (!stack.checks.empty()) out += " track " + check_name(stack.stack, server.index) + "/check";
    out += "\n";
  }
  return out;
}

std::string check_steps(const Backend::Server& server, const HealthCheck& check) {
  const Endpoint* endpoint = endpoint_of(server, check.port);
  if (endpoint == nullptr) return "";
  std::string out = "  tcp-check connect addr " + endpoint->host + " port " + std::to_string(endpoint->number) + "\n";
  // https is checked as tcp, as the supervisor does: an instance's certificate names the service, not this machine.
  if (check.protocol != Protocol::kHttp) return out;
  out += "  tcp-check send-binary " +
         hexadecimal("GET " + safe_path(check.path) + " HTTP/1.1\r\nHost: " + at(*endpoint) +
                     "\r\nUser-Agent: nelson-haproxy\r\nAccept: */*\r\nConnection: close\r\n\r\n") +
         "\n";
  return out + "  tcp-check expect rstring ^HTTP/1\\.[01]\\ [23]\n";
}

/// One backend per instance performs all checks of it, in a row; the servers that carry traffic only follow its state. So an instance is
/// asked once, however many ports it has, and is out on all of them when any check fails.
std::string instance_check(const Backend& stack, const Backend::Server& server) {
  Duration interval = Duration::max(), timeout{1};
  for (const HealthCheck& check : stack.checks) {
    interval = std::min(interval, check.interval);
    timeout = std::max(timeout, check.timeout);
  }
  interval = std::max(interval, Duration(100));
  const Duration fast = std::min(interval, Duration(1000));
  std::string out = "\nbackend " + check_name(stack.stack, server.index) + "\n  mode tcp\n  option tcp-check\n";
  out += "  timeout connect " + milliseconds(timeout) + "\n  timeout check " + milliseconds(timeout) + "\n";
  for (const HealthCheck& check : stack.checks) out += check_steps(server, check);
  const std::string place = server.endpoints.empty() ? "127.0.0.1:1" : at(server.endpoints.front());
  return out + "  server check " + place + " check inter " + milliseconds(interval) + " fastinter " + milliseconds(fast) +
         " downinter " + milliseconds(fast) + " fall 2 rise 2\n";
}

std::string service(const Bound& bound) {
  const Route& route = bound.route;
  std::string out;
  for (std::size_t i = 0; i < route.ports.size(); ++i) {
    out += frontend(bound, i);
    for (const Backend& stack : route.backends) out += backend(stack, route.ports[i]);
  }
  for (const Backend& stack : route.backends)
    if (!stack.checks.empty())
      for (const Backend::Server& server : stack.servers) out += instance_check(stack, server);
  return out;
}

std::string global_part(const Table& table, const Global& global) {
  std::size_t ports = 0;
  for (const auto& [key, bound] : table) ports += bound.route.ports.size();
  std::string out = "  nbthread " + std::to_string(global.threads) +
                    "\n  maxconn 8192\n"
                    // A machine with a low limit of open files serves fewer connections, rather than none.
                    "  no strict-limits\n"
                    "  hard-stop-after " +
                    milliseconds(global.hard_stop) + "\n  mworker-max-reloads " + std::to_string(kMostReloads) +
                    "\n"
                    "  stats socket unix@admin.sock mode 600 level admin expose-fd listeners\n"
                    "  server-state-file health.state\n";
  if (!global.user.empty()) out += "  user " + global.user + "\n";
  if (!global.group.empty()) out += "  group " + global.group + "\n";
  return out +
         "\ndefaults\n"
         "  load-server-state-from-file global\n"
         "  balance roundrobin\n"
         // Each request is weighed anew on a client's connection that stays; towards instances none is kept, so that a request never meets
         // a connection that an ending instance is just closing.
         "  option http-server-close\n"
         // A worker that was replaced goes on with its idle connections until they are used once more, so that no client loses a request.
         "  option idle-close-on-response\n"
         "  option redispatch 1\n"
         "  retries 5\n"
         "  retry-on conn-failure\n"
         "  timeout connect 3s\n"
         "  timeout client 5m\n"
         "  timeout server 5m\n"
         "  timeout tunnel 1h\n"
         "  timeout queue 30s\n"
         "  timeout http-request 30s\n"
         "  timeout http-keep-alive 30s\n"
         "\nbackend slots\n"
         "  stick-table type integer size " +
         std::to_string(ports + 64) + " store gpc0\n";
}

Status wrong(const Route& route, std::string_view what) {
  return invalid("route of " + route.key.name_space + "/" + route.key.unit + ":" + std::to_string(route.key.major) + ": " +
                 std::string(what));
}

Status check_backend(const Route& route, const Backend& backend) {
  if (!parse_stack_name(backend.stack)) return wrong(route, "\"" + backend.stack + "\" is no stack's name");
  if (backend.percent < 0 || backend.percent > 100) return wrong(route, backend.stack + " has a percent outside 0 to 100");
  for (std::size_t i = 0; i < backend.servers.size(); ++i) {
    const Backend::Server& server = backend.servers[i];
    if (server.index < 0 || (i > 0 && backend.servers[i - 1].index >= server.index))
      return wrong(route, backend.stack + ": its servers are not in the order of their indexes");
    for (const Endpoint& endpoint : server.endpoints)
      if (!is_address(endpoint.host) || endpoint.number == 0)
        return wrong(route,
                     backend.stack + ": \"" + endpoint.host + "\" with port " + std::to_string(endpoint.number) + " is no address");
  }
  for (const HealthCheck& check : backend.checks)
    if (check.path.size() > kPathBytes)
      return wrong(route, backend.stack + ": the path of health check " + check.name + " is longer than " +
                              std::to_string(kPathBytes) + " bytes");
  for (const HealthCheck& check : backend.checks)
    if (check.interval <= Duration(0) || check.timeout <= Duration(0))
      return wrong(route, backend.stack + ": health check " + check.name + " has no interval or no timeout");
  return {};
}

std::optional<int> number_in(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string frontend_name(const TrafficKey& key, std::string_view port) {
  return "service:" + service_word(key) + ":" + std::string(port);
}

std::string backend_name(std::string_view stack, std::string_view port) {
  return "stack:" + std::string(stack) + ":" + std::string(port);
}

std::string map_name(const TrafficKey& key) { return "maps/" + service_word(key) + ".map"; }

std::string stack_of_backend(std::string_view backend) {
  constexpr std::string_view kPrefix = "stack:";
  if (!backend.starts_with(kPrefix)) return "";
  backend.remove_prefix(kPrefix.size());
  return std::string(backend.substr(0, backend.find(':')));
}

Status check(const Route& route) {
  if (!valid_namespace(route.key.name_space)) return wrong(route, "no namespace has such a name");
  if (!valid_unit_name(route.key.unit)) return wrong(route, "no unit has such a name");
  if (route.ports.empty()) return wrong(route, "it has no ports");
  std::set<std::string_view> ports;
  for (const Port& port : route.ports) {
    if (!plain(port.name)) return wrong(route, "no port has the name \"" + port.name + "\"");
    if (!ports.insert(port.name).second) return wrong(route, "port " + port.name + " is listed twice");
  }
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < route.backends.size(); ++i) {
    if (i > 0 && route.backends[i - 1].stack >= route.backends[i].stack) return wrong(route, "its stacks are not sorted");
    if (Status fit = check_backend(route, route.backends[i]); !fit) return fit;
    sum += route.backends[i].percent;
  }
  if (sum != 100) return wrong(route, "its percents sum to " + std::to_string(sum) + ", not to 100");
  return {};
}

Configuration configuration(const Table& table, const Global& global) {
  std::string rest = global_part(table, global);
  for (const auto& [key, bound] : table) rest += service(bound);
  const std::string digest = to_hex(sha256(rest)).substr(0, 16);
  return {
      "# Written by nelson, which replaces it on every change of a route.\nglobal\n  description nelson " + digest + "\n" + rest,
      digest};
}

std::string digest_in(std::string_view text) {
  constexpr std::string_view kMark = "nelson ";
  constexpr std::string_view kLine = "description nelson ";
  std::size_t begin = text.find(kLine);
  if (begin != std::string_view::npos)
    begin += kLine.size();
  else if (text.starts_with(kMark))
    begin = kMark.size();
  else
    return "";
  const std::string_view digest = text.substr(begin, 16);
  const bool hex = digest.size() == 16 && digest.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  return hex ? std::string(digest) : "";
}

std::vector<std::pair<std::string, std::string>> weight_lines(const Route& route) {
  std::vector<std::pair<std::string, std::string>> lines;
  int slot = 0;
  for (const Backend& backend : route.backends) {
    if (backend.percent <= 0) continue;
    lines.emplace_back(std::to_string(slot) + ":" + std::to_string(slot + backend.percent - 1), backend.stack);
    slot += backend.percent;
  }
  for (std::size_t i = 0; i < route.backends.size(); ++i)
    if (route.backends[i].percent > 0) lines.emplace_back(std::to_string(kShareLine + i), route.backends[i].stack);
  lines.emplace_back(std::to_string(kNameLine), map_name(route.key));
  return lines;
}

std::string weight_text(const Route& route) {
  std::string out = "# Requests are dealt to a hundred slots; these are the stacks they belong to.\n";
  for (const auto& [key, value] : weight_lines(route)) out += key + " " + value + "\n";
  return out;
}

std::vector<std::pair<std::string, std::string>> map_lines(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> lines;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t blank = line.find(' ');
    if (blank != std::string_view::npos && !line.starts_with('#'))
      lines.emplace_back(line.substr(0, blank), line.substr(blank + 1));
  }
  return lines;
}

void set_percents(Route& route, const Weighed& weighed) {
  for (Backend& backend : route.backends) {
    const auto found = weighed.percents.find(backend.stack);
    backend.percent = found == weighed.percents.end() ? 0 : found->second;
  }
}

Weighed read_weights(const std::vector<std::pair<std::string, std::string>>& lines) {
  Weighed weighed;
  for (const auto& [key, value] : lines) {
    const std::size_t colon = key.find(':');
    const auto first = number_in(std::string_view(key).substr(0, colon));
    const auto last = colon == std::string::npos ? first : number_in(std::string_view(key).substr(colon + 1));
    if (!first || !last) continue;
    if (*first == kNameLine) weighed.map = value;
    if (*first >= 0 && *last >= *first && *last < kSlots) weighed.percents[value] += *last - *first + 1;
  }
  return weighed;
}

bool same_structure(const Route& a, const Route& b) {
  if (a.key != b.key || a.ports != b.ports || a.backends.size() != b.backends.size()) return false;
  for (std::size_t i = 0; i < a.backends.size(); ++i) {
    const Backend &one = a.backends[i], &other = b.backends[i];
    if (one.stack != other.stack || one.servers != other.servers || one.checks != other.checks) return false;
  }
  return true;
}

}  // namespace nelson::haproxy
