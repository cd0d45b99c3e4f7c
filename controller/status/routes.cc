#include "controller/status/routes.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/text.h"
#include "controller/status/json_views.h"

namespace nelson::status {
namespace {

constexpr std::size_t kMostEntries = 1000;

Content plain(int status, std::string body) {
  Content content;
  content.status = status;
  content.body = std::move(body);
  return content;
}

Content json(std::string body) {
  Content content;
  content.type = "application/json";
  content.body = std::move(body);
  return content;
}

Content shared_json(const std::shared_ptr<const std::string>& bytes) {
  Content content;
  content.type = "application/json";
  content.shared = bytes;
  content.shared_size = bytes->size();
  return content;
}

std::uint64_t number(std::string_view text, std::uint64_t fallback) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : fallback;
}

Content health(const Request&, const Moment&, const StatusOptions&, const std::string&) { return plain(200, "ok\n"); }

Content ready(const Request&, const Moment& moment, const StatusOptions&, const std::string&) { return readiness(moment); }

Content numbers(const Request&, const Moment& moment, const StatusOptions&, const std::string&) { return metrics(moment); }

Content list(const Request& request, const Moment& moment, const StatusOptions&, const std::string&) {
  return deployments(request, *moment.view);
}

Content item(const Request&, const Moment& moment, const StatusOptions&, const std::string& rest) {
  const Row* const row = moment.view->listing().find(rest);
  return row == nullptr ? not_found() : json(render_deployment(*moment.view, *row));
}

Content whole(const Request&, const Moment& moment, const StatusOptions&, const std::string&) {
  if (const auto stale = staleness(*moment.view, moment.age)) return json(render_status(*moment.view, &*stale));
  return shared_json(moment.view->status_json());
}

Content commit(const Request&, const Moment& moment, const StatusOptions&, const std::string& rest) {
  std::string id = rest;
  for (char& c : id)
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c + ('a' - 'A'));
  const bool hexadecimal =
      std::all_of(id.begin(), id.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (!hexadecimal || id.size() < 7 || id.size() > 64) return plain(400, "A commit is 7 to 64 hexadecimal digits.\n");
  return json(render_commit(*moment.view, id));
}

std::vector<JournalEntry> entries_of(const View& view, const StatusOptions& options, const std::string& stack, std::uint64_t before,
                                     std::size_t limit) {
  if (options.history) {
    Result<std::vector<JournalEntry>> read = options.history(stack, before, limit);
    if (!read) throw std::runtime_error(read.error().message);
    return std::move(*read);
  }
  std::vector<JournalEntry> entries;
  for (const JournalEntry& entry : view.input.history) {
    if ((!stack.empty() && entry.stack != stack) || (before > 0 && entry.sequence >= before)) continue;
    if (entries.size() < limit) entries.push_back(entry);
  }
  return entries;
}

Content history(const Request& request, const Moment& moment, const StatusOptions& options, const std::string&) {
  const std::size_t limit = std::min<std::uint64_t>(number(request.parameter("limit"), 100), kMostEntries);
  std::string stack(request.parameter("stack"));
  if (const Row* row = moment.view->listing().find(stack)) stack = row->name;
  return json(render_history(entries_of(*moment.view, options, stack, number(request.parameter("before"), 0), limit)));
}

Content overview(const Request& request, const Moment& moment, const StatusOptions&, const std::string&) {
  return page(request, moment);
}

Content one_stack(const Request&, const Moment& moment, const StatusOptions& options, const std::string& rest) {
  const Row* const row = moment.view->listing().find(rest);
  if (row == nullptr) return not_found();
  return stack_page(*moment.view, *row, entries_of(*moment.view, options, row->name, 0, 50));
}

Content failing(const Request&, const Moment&, const StatusOptions& options, const std::string&) {
  throw std::runtime_error(options.test_throw);
}

struct Route {
  std::string_view path;
  bool has_rest;  // a last segment follows
  Content (*answer)(const Request&, const Moment&, const StatusOptions&, const std::string& rest);
};

constexpr auto kRoutes = std::to_array<Route>({
    {"/", false, overview},
    {"/healthz", false, health},
    {"/readyz", false, ready},
    {"/metrics", false, numbers},
    {"/v1/deployments", false, list},
    {"/v1/deployments/", true, item},
    {"/v1/status", false, whole},
    {"/v1/commits/", true, commit},
    {"/v1/history", false, history},
    {"/stacks/", true, one_stack},
});

Content find_and_answer(const Request& request, const Moment& moment, const StatusOptions& options) {
  if (!options.test_throw.empty() && request.path == "/test/throw") return failing(request, moment, options, "");
  for (const Route& route : kRoutes) {
    if (!route.has_rest && request.path == route.path) return route.answer(request, moment, options, "");
    if (!route.has_rest || !request.path.starts_with(route.path)) continue;
    const std::string rest = request.path.substr(route.path.size());
    if (!rest.empty() && rest.size() <= 128 && rest.find('/') == std::string::npos)
      return route.answer(request, moment, options, rest);
  }
  return not_found();
}

}  // namespace

Content not_found() { return plain(404, "Not found\n"); }

Content readiness(const Moment& moment) {
  const ViewInput& input = moment.view->input;
  const Duration limit = 2 * input.interval;
  if (!input.desired) return plain(503, "not ready: the control repository was not read yet\n");
  if (input.pass == 0) return plain(503, "not ready: the first pass has not ended yet\n");
  if (moment.age > limit)
    return plain(503, "not ready: the last pass ended " + format_duration(moment.age) + " ago; one is due each " +
                          format_duration(input.interval) + "\n");
  if (moment.since_answered && *moment.since_answered <= limit) return plain(200, "ready\n");
  std::string why = "not ready: ";
  for (const auto& [name, domain] : input.observed.domains) {
    if (!domain.scheduler.complete) why += "the scheduler of domain " + name + " does not answer: " + domain.scheduler.error + "; ";
    if (!domain.memory.complete) why += "the records of domain " + name + " cannot be read: " + domain.memory.error + "; ";
  }
  why += moment.since_answered ? "all answered last " + format_duration(*moment.since_answered) + " ago\n"
                               : "they have not all answered yet\n";
  return plain(503, visible(why, true));
}

Content route(const Request& request, const Moment& moment, const StatusOptions& options) {
  Content content = find_and_answer(request, moment, options);
  const bool is_page = content.type.starts_with("text/html");
  content.fields.emplace_back("X-Content-Type-Options", "nosniff");
  content.fields.emplace_back("Cache-Control", "no-store");
  content.fields.emplace_back("Referrer-Policy", "no-referrer");
  content.fields.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
  if (!is_page) content.fields.emplace_back("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
  return content;
}

}  // namespace nelson::status
