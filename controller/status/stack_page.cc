#include <optional>
#include <string>
#include <vector>

#include "controller/status/page_parts.h"
#include "controller/status/routes.h"

namespace nelson::status {
namespace {

constexpr int kRefreshSeconds = 5;

void instances(const ObservedStack* stack, Instant now, Html& out) {
  out.raw("<h2>Instances</h2>\n<section>");
  if (stack == nullptr || !stack->running || stack->running->instances.empty()) {
    out.raw("<p class=\"empty\">None runs.</p></section>\n");
    return;
  }
  out.raw(
      "<table><thead><tr><th scope=\"col\" class=\"num\">Index</th><th scope=\"col\">State</th><th scope=\"col\">Since</th>"
      "<th scope=\"col\">Health</th><th scope=\"col\" class=\"num\">Restarts</th><th scope=\"col\">Addresses</th>"
      "<th scope=\"col\">Last words</th></tr></thead><tbody class=\"lines\">\n");
  for (const Instance& instance : stack->running->instances) {
    out.raw("<tr><td class=\"num\">")
        .number(instance.index)
        .raw("</td><td>")
        .raw(name_of(instance.state))
        .raw("</td><td class=\"short\">");
    out.text(clock_time(instance.since, now)).raw("</td><td><span class=\"state ");
    out.raw(instance.health == Health::kPassing   ? "good"
            : instance.health == Health::kFailing ? "bad"
                                                  : "")
        .raw("\">")
        .raw(name_of(instance.health));
    out.raw("</span></td><td class=\"num\">").number(instance.restarts).raw("</td><td>");
    for (const Endpoint& endpoint : instance.endpoints)
      out.text(endpoint.port).raw(" <code>").text(endpoint.host).raw(":").number(endpoint.number).raw("</code> ");
    out.raw("</td><td>").text(instance.detail).raw("</td></tr>\n");
  }
  out.raw("</tbody></table></section>\n");
}

void fact(std::string_view name, std::string_view value, Html& out) {
  if (!value.empty()) out.raw("<dt>").raw(name).raw("</dt><dd>").prose(value).raw("</dd>");
}

std::string at(const std::optional<Instant>& instant, Instant now) {
  return instant ? clock_time(*instant, now) + " UTC, " + about(now - *instant) + " ago" : "";
}

}  // namespace

Content stack_page(const View& view, const Row& row, const std::vector<JournalEntry>& history) {
  const Instant now = view.input.now;
  Html out;
  out.raw("<header><a class=\"name\" href=\"/\">nelson</a><h1>").text(row.name).raw("</h1><span class=\"meta\">as of ");
  out.text(clock_time(now, now)).raw(" UTC</span></header>\n<main>\n<h2>Why and until when</h2>\n<section><dl>");
  fact("Unit", row.unit + " " + row.version + (row.plan.empty() || row.plan == "default" ? "" : ", plan " + row.plan), out);
  fact("Where", row.name_space + " in domain " + row.domain, out);
  fact("From", row.repository + (row.commit.empty() ? "" : " at `" + row.commit.substr(0, 12) + "`"), out);
  fact("State", name_of(row.status), out);
  if (row.serves)
    fact("Traffic", std::to_string(row.percent) + "% of major version " + std::to_string(row.version_number.major), out);
  fact("Why it lives", row.why, out);
  fact("When it goes", goes_of(row, now), out);
  fact("Called by", some_of(row.callers, 10), out);
  fact("Launched", at(row.launched, now), out);
  fact("Ready", at(row.ready, now), out);
  fact("Guid", row.guid, out);
  fact("Log", "`nelson logs " + row.name + "`", out);
  for (const Hold& hold : view.input.plan.held)
    if (hold.subject == row.name) fact(hold.trouble ? "Held: trouble" : "Held", hold.reason + " — until " + hold.clears_when, out);
  out.raw("</dl></section>\n");
  instances(view.observed(row), now, out);
  recent(history, now, history.size(), out);
  out.raw("</main>\n");
  footer(view, out);
  return document(row.name + " · nelson", out.str(), kRefreshSeconds);
}

}  // namespace nelson::status
