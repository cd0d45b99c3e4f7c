#include <algorithm>
#include <ostream>
#include <set>

#include "controller/cli/client.h"
#include "controller/cli/command.h"
#include "controller/cli/output.h"

namespace nelson::cli {
namespace {

using json::Json;

/// "1.4.2", or what can be said of a stack that has none.
std::string version_of(const Json& stack) {
  const std::string version = text_of(stack, "version");
  return version.empty() ? text_of(stack, "stack") : version;
}

std::string instances_of(const Json& stack) {
  const auto found = stack.find("instances");
  if (found == stack.end() || stack.value("job", false)) return "-";
  return std::to_string(number_of(*found, "healthy")) + "/" + std::to_string(number_of(*found, "wanted"));
}

/// "127.0.0.1:25000", or each port with its name.
std::string addresses_of(const Json& stack) {
  const std::vector<Json> endpoints = list_of(stack, "addresses");
  std::string out;
  for (const Json& endpoint : endpoints) {
    out += out.empty() ? "" : ", ";
    if (endpoints.size() > 1) out += text_of(endpoint, "port") + " ";
    out += text_of(endpoint, "host") + ":" + std::to_string(number_of(endpoint, "number"));
  }
  return out.empty() ? "-" : out;
}

std::string share_of(const Json& stack) {
  const auto found = stack.find("percent");
  return found != stack.end() && found->is_number_integer() ? std::to_string(found->get<std::int64_t>()) + '%' : "-";
}

Paint paint_of(const std::string& status) {
  if (status == "ready") return Paint::kGreen;
  if (status == "failed" || status == "unknown") return Paint::kRed;
  return status == "garbage" || status == "deprecated" ? Paint::kDim : Paint::kYellow;
}

/// What a person means by the name of a unit, a stack or a guid.
struct Meant {
  std::string word;
  std::set<std::string> units, stacks, domains, repositories;
};

bool is_called(const Json& service, const Json& stack, const std::string& word) {
  return text_of(service, "unit") == word || text_of(stack, "stack") == word || text_of(stack, "guid") == word;
}

bool concerns(const Json& trouble, const Meant& meant) {
  const std::string unit = text_of(trouble, "unit"), subject = text_of(trouble, "subject");
  if (!unit.empty())
    return meant.units.count(unit) > 0 &&
           (unit == meant.word || subject.empty() || subject == unit || meant.stacks.count(subject) > 0);
  if (const std::vector<Json> units = list_of(trouble, "units"); !units.empty())
    return std::any_of(units.begin(), units.end(),
                       [&](const Json& one) { return one.is_string() && meant.units.count(one.get<std::string>()) > 0; });
  if (text_of(trouble, "level") == "notice") return false;
  const std::string domain = text_of(trouble, "domain"), repository = text_of(trouble, "repository");
  if (!domain.empty()) return meant.domains.count(domain) > 0;
  return repository.empty() || repository == "control" || meant.repositories.count(repository) > 0;
}

/// What of `status` is about `word`: its stacks, and what stands in their way, be it their domain's or their repository's.
Json only(Json status, const std::string& word) {
  Meant meant{word, {word}, {}, {}, {}};
  const auto keep = [&status](const char* key, const auto& wanted) {
    Json kept = Json::array();
    for (const Json& one : list_of(status, key))
      if (wanted(one)) kept.push_back(one);
    status[key] = std::move(kept);
  };
  Json services = Json::array();
  for (Json service : list_of(status, "services")) {
    Json stacks = Json::array();
    for (const Json& stack : list_of(service, "stacks")) {
      if (!is_called(service, stack, word)) continue;
      meant.units.insert(text_of(service, "unit"));
      meant.stacks.insert(text_of(stack, "stack"));
      meant.domains.insert(text_of(service, "domain"));
      meant.repositories.insert(text_of(stack, "repository"));
      stacks.push_back(stack);
    }
    if (stacks.empty()) continue;
    service["stacks"] = std::move(stacks);
    services.push_back(std::move(service));
  }
  status["services"] = std::move(services);
  const auto is_unit = [&](const Json& one) { return meant.units.count(text_of(one, "unit")) > 0; };
  keep("held", is_unit);
  keep("actions", is_unit);
  keep("trouble", [&](const Json& trouble) { return concerns(trouble, meant); });
  return status;
}

void print_services(const Json& status, const std::string& word, Terminal& terminal) {
  Table table(
      {"NAMESPACE", "UNIT", "VERSION", "STATUS", "HEALTHY", "TRAFFIC", "ADDRESS", "DOMAIN", "WHY IT LIVES", "WHEN IT GOES"});
  for (const Json& service : list_of(status, "services"))
    for (const Json& stack : list_of(service, "stacks")) {
      const std::string state = text_of(stack, "status");
      table.row({text_of(service, "namespace"), text_of(service, "unit"), version_of(stack), state, instances_of(stack),
                 share_of(stack), addresses_of(stack), text_of(service, "domain"), text_of(stack, "why"), text_of(stack, "goes")},
                paint_of(state));
    }
  if (table.empty())
    terminal.out << (word.empty() ? "Nothing is deployed.\n" : "Nothing is deployed under that name.\n");
  else
    table.print(terminal);
}

/// Whether something is wrong, apart from notices.
bool print_trouble(const Json& status, Terminal& terminal) {
  bool wrong = false;
  for (const Json& trouble : list_of(status, "trouble")) {
    const bool notice = text_of(trouble, "level") == "notice";
    wrong = wrong || !notice;
    std::string what = text_of(trouble, "what");
    const std::string place = text_of(trouble, "place");
    const std::string since = text_of(trouble, "since");
    const std::string way_out = text_of(trouble, "way_out");
    if (!place.empty()) what += (what.empty() ? "" : ", ") + place;
    terminal.out << '\n' << painted(terminal, (notice ? "notice: " : "wrong: ") + what, notice ? Paint::kDim : Paint::kRed);
    if (!since.empty()) terminal.out << painted(terminal, " since " + since, Paint::kDim);
    terminal.out << "\n  " << painted(terminal, text_of(trouble, "cause"), Paint::kPlain) << '\n';
    if (!way_out.empty()) terminal.out << "  " << painted(terminal, way_out, Paint::kPlain) << '\n';
  }
  return wrong;
}

}  // namespace

int run_status(const Invocation& invocation, Terminal& terminal) {
  const auto address = server_address(invocation);
  if (!address) return fail(terminal, kExitBad, address.error().message);
  const auto whole = get_json(*address, "/v1/status");
  if (!whole) return fail(terminal, kExitBad, whole.error().message);
  const std::string word = invocation.arguments.empty() ? "" : invocation.arguments[0];
  const Json status = word.empty() ? *whole : only(*whole, word);
  if (invocation.get("output") == "json") {
    terminal.out << status.dump(2, ' ', true) << '\n';
    for (const Json& trouble : list_of(status, "trouble"))
      if (text_of(trouble, "level") != "notice") return kExitChanges;
    return kExitOk;
  }
  print_services(status, word, terminal);
  return print_trouble(status, terminal) ? kExitChanges : kExitOk;
}

int run_history(const Invocation& invocation, Terminal& terminal) {
  const std::string lines = invocation.get("lines", "20");
  const bool digits = !lines.empty() && lines.size() <= 4 && lines.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || std::stoi(lines) < 1 || std::stoi(lines) > 1000)
    return fail(terminal, kExitUsage, "--lines is a number from 1 to 1000, not \"" + lines + '"');
  const auto address = server_address(invocation);
  if (!address) return fail(terminal, kExitBad, address.error().message);
  std::string path = "/v1/history?limit=" + lines;
  if (!invocation.arguments.empty()) path += "&stack=" + url_encoded(invocation.arguments[0]);
  const auto history = get_json(*address, path);
  if (!history) return fail(terminal, kExitBad, history.error().message);
  if (invocation.get("output") == "json") {
    terminal.out << history->dump(2, ' ', true) << '\n';
    return kExitOk;
  }
  Table table({"WHEN", "EFFECT", "OUTCOME", "DOMAIN", "STACK", "REASON"});
  if (history->is_array())
    for (const Json& entry : *history) {
      const std::string stack = text_of(entry, "stack");
      const std::string outcome = text_of(entry, "outcome");
      const std::string error = text_of(entry, "error");
      table.row(
          {text_of(entry, "intended"), text_of(entry, "effect"), outcome, text_of(entry, "domain"),
           stack.empty() ? text_of(entry, "unit") : stack, text_of(entry, "reason") + (error.empty() ? "" : " (" + error + ")")},
          outcome == "failed" ? Paint::kRed : Paint::kPlain);
    }
  if (table.empty())
    terminal.out << "Nothing was done yet, as far as is remembered.\n";
  else
    table.print(terminal);
  return kExitOk;
}

}  // namespace nelson::cli
