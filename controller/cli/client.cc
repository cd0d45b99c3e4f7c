#include "controller/cli/client.h"

#include <Poco/Exception.h>
#include <Poco/Net/HTTPClientSession.h>
#include <Poco/Net/HTTPRequest.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/Net/SocketAddress.h>

#include "controller/base/text.h"
#include "controller/cli/machine_file.h"

namespace nelson::cli {
namespace {

constexpr std::size_t kMaxBody = std::size_t{64} << 20;
constexpr std::chrono::seconds kMaxTime{10};

std::string reachable(std::string address) {
  if (address.starts_with("http://")) address.erase(0, 7);
  while (address.ends_with('/')) address.pop_back();
  if (address.starts_with("0.0.0.0:")) return "127.0.0.1" + address.substr(7);
  if (address.starts_with("[::]:")) return "[::1]" + address.substr(4);
  return address;
}

}  // namespace

Result<HttpAnswer> http_get(const std::string& address, const std::string& path) {
  const std::string where = reachable(address);
  const auto deadline = std::chrono::steady_clock::now() + kMaxTime;
  try {
    Poco::Net::HTTPClientSession session{Poco::Net::SocketAddress(where)};
    session.setTimeout(Poco::Timespan(kMaxTime.count(), 0));
    Poco::Net::HTTPRequest request(Poco::Net::HTTPRequest::HTTP_GET, path, Poco::Net::HTTPMessage::HTTP_1_1);
    request.set("Accept", "application/json");
    session.sendRequest(request);
    Poco::Net::HTTPResponse response;
    std::istream& body = session.receiveResponse(response);
    HttpAnswer out;
    out.status = response.getStatus();
    char block[65536];
    while (body.read(block, sizeof block) || body.gcount() > 0) {
      out.body.append(block, static_cast<std::size_t>(body.gcount()));
      if (out.body.size() > kMaxBody) return unavailable(where + " answers with more than 64 MiB; is it nelson?");
      if (std::chrono::steady_clock::now() > deadline) return unavailable(where + " did not finish its answer within 10 seconds");
    }
    return out;
  } catch (const Poco::Exception& e) {
    return unavailable("no answer from " + where + " (" + e.displayText() +
                       "); is \"nelson run\" running there? --address names another place");
  } catch (const std::exception& e) {
    return unavailable("no answer from " + where + ": " + e.what());
  }
}

Result<json::Json> get_json(const std::string& address, const std::string& path) {
  auto answer = http_get(address, path);
  if (!answer) return answer.error();
  auto parsed = json::Json::parse(answer->body, nullptr, false);
  if (answer->status != 200) {
    const std::string said = parsed.is_object() ? text_of(parsed, "message") : "";
    return unavailable(reachable(address) + " answered " + std::to_string(answer->status) + " to " + path +
                       (said.empty() ? "" : ": " + said.substr(0, 500)));
  }
  if (parsed.is_discarded()) return unavailable(reachable(address) + " answered something that is not JSON; is it nelson?");
  return parsed;
}

Result<std::string> server_address(const Invocation& invocation) {
  if (invocation.has("address")) return invocation.get("address");
  const auto machine = read_machine_file(machine_file_path(invocation.get("config")));
  if (!machine) return machine.error().with_context("without --address the config says where the controller listens");
  return machine->listen;
}

std::string url_encoded(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

std::string text_of(const json::Json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::int64_t number_of(const json::Json& object, const char* key) {
  if (!object.is_object()) return 0;
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

bool flag_of(const json::Json& object, const char* key) {
  if (!object.is_object()) return false;
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

const json::Json& list_of(const json::Json& object, const char* key) {
  static const json::Json kNone = json::Json::array();
  if (!object.is_object()) return kNone;
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : kNone;
}

}  // namespace nelson::cli
