#include "controller/status/page_parts.h"

namespace nelson::status {
namespace {

constexpr std::size_t kMostWaiting = 30;

}  // namespace

void first_steps(const View& view, Html& out) {
  const std::string url = view.input.desired ? view.input.desired->control_url : "";
  out.raw("<h2>First steps</h2>\n<section><p class=\"empty\">");
  if (view.input.desired) {
    out.raw(
        "The control repository was read and watches no repository yet. Add a file to <code>repositories/</code> in it, for "
        "example "
        "<code>repositories/shop.yml</code> with <code>url:</code> of a repository that has a <code>.nelson.yml</code>, and push");
    if (!url.empty()) out.raw(" to <code>").text(url).raw("</code>");
    out.raw(". This page then shows what becomes of it.");
  } else {
    out.raw("The control repository has not been read yet. The log of <code>nelson run</code> says how far it is.");
  }
  out.raw("</p></section>\n");
}

void waiting(const View& view, Html& out) {
  const Plan& plan = view.input.plan;
  std::vector<const Hold*> holds;
  for (const Hold& hold : plan.held)
    if (!hold.trouble) holds.push_back(&hold);
  if (holds.empty() && plan.actions.empty()) return;
  out.raw(
      "<h2>Under way</h2>\n<section><table><colgroup><col class=\"w20\"><col class=\"w12\"><col class=\"w38\"><col "
      "class=\"w30\"></colgroup>"
      "<thead><tr><th scope=\"col\">Unit</th><th scope=\"col\">What</th><th scope=\"col\">Why</th><th scope=\"col\">Ends "
      "when</th></tr>"
      "</thead><tbody class=\"lines\">\n");
  std::size_t count = 0;
  for (const Action& action : plan.actions) {
    if (++count > kMostWaiting) break;
    out.raw("<tr><th scope=\"row\">")
        .text(action.cell.unit)
        .raw(" <span class=\"soft\">")
        .text(action.name_space)
        .raw("</span></th><td>");
    out.raw(word_of(action.effect))
        .raw("</td><td>")
        .text(action.reason)
        .raw("<small>")
        .text(stack_of(action.effect))
        .raw("</small></td><td></td></tr>\n");
  }
  for (const Hold* hold : holds) {
    if (++count > kMostWaiting) break;
    out.raw("<tr><th scope=\"row\">")
        .text(hold->cell.unit)
        .raw(" <span class=\"soft\">")
        .text(hold->name_space)
        .raw("</span></th><td>");
    out.text(hold->code).raw("</td><td>").prose(hold->reason).raw("<small>").text(hold->subject).raw("</small></td><td>");
    out.prose(hold->clears_when).raw("</td></tr>\n");
  }
  out.raw("</tbody></table>");
  if (const std::size_t all = holds.size() + plan.actions.size(); all > kMostWaiting)
    out.raw("<p class=\"more\">")
        .number(static_cast<std::int64_t>(all - kMostWaiting))
        .raw(" more in <a href=\"/v1/status\">/v1/status</a></p>");
  out.raw("</section>\n");
}

void repositories(const View& view, Instant now, Html& out) {
  out.raw("<div><h2>Repositories</h2>\n<section>");
  if (!view.input.desired || view.input.desired->repositories.empty()) {
    out.raw("<p class=\"empty\">None is watched.</p></section></div>\n");
    return;
  }
  out.raw(
      "<table><thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Known</th><th scope=\"col\">Head</th>"
      "<th scope=\"col\">Last news</th></tr></thead><tbody class=\"lines\">\n");
  std::size_t count = 0;
  for (const auto& [name, repository] : view.input.desired->repositories) {
    if (++count > kMostWaiting) break;
    const bool good = repository.state == RepositoryState::kCurrent;
    out.raw("<tr><th scope=\"row\">").text(name).raw("</th><td><span class=\"state ").raw(good ? "good" : "bad").raw("\">");
    out.raw(name_of(repository.state))
        .raw("</span></td><td><code>")
        .text(repository.head.substr(0, 8))
        .raw("</code></td><td class=\"short\">");
    const auto at = parse_instant(repository.last_fetched);
    out.text(at ? clock_time(*at, now) : repository.last_fetched.empty() ? "never" : repository.last_fetched).raw("</td></tr>\n");
  }
  out.raw("</tbody></table>");
  if (const std::size_t all = view.input.desired->repositories.size(); all > kMostWaiting)
    out.raw("<p class=\"more\">")
        .number(static_cast<std::int64_t>(all - kMostWaiting))
        .raw(" more in <a href=\"/v1/status\">/v1/status</a></p>");
  out.raw("</section></div>\n");
}

void domains(const View& view, Html& out) {
  out.raw("<div><h2>Domains</h2>\n<section>");
  if (view.input.observed.domains.empty()) {
    out.raw("<p class=\"empty\">None was observed yet.</p></section></div>\n");
    return;
  }
  out.raw(
      "<table><thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Scheduler</th><th scope=\"col\">Records</th>"
      "<th scope=\"col\">Discovery</th><th scope=\"col\">Balancer</th></tr></thead><tbody class=\"lines\">\n");
  for (const auto& [name, domain] : view.input.observed.domains) {
    out.raw("<tr><th scope=\"row\">").text(name).raw("</th>");
    const auto part = [&](const Source& source) {
      out.raw("<td><span class=\"state ").raw(source.complete ? "good\">answers" : "bad\">silent").raw("</span></td>");
    };
    part(domain.scheduler);
    part(domain.memory);
    part(domain.discovery);
    if (domain.balances) {
      part(domain.balancer);
    } else {
      out.raw("<td>none</td>");
    }
    out.raw("</tr>\n");
  }
  out.raw("</tbody></table></section></div>\n");
}

void recent(const std::vector<JournalEntry>& entries, Instant now, std::size_t most, Html& out) {
  out.raw("<h2>What was done</h2>\n<section>");
  if (entries.empty()) {
    out.raw("<p class=\"empty\">Nothing yet.</p></section>\n");
    return;
  }
  out.raw(
      "<table><colgroup><col class=\"w12\"><col class=\"w9\"><col class=\"w26\"><col class=\"w38\"><col "
      "class=\"w15\"></colgroup><thead><tr>"
      "<th scope=\"col\">At</th><th scope=\"col\">Effect</th><th scope=\"col\">On</th><th scope=\"col\">Because</th>"
      "<th scope=\"col\">Outcome</th></tr></thead><tbody class=\"lines\">\n");
  for (std::size_t i = 0; i < entries.size() && i < most; ++i) {
    const JournalEntry& entry = entries[i];
    out.raw("<tr><td class=\"short\">").text(clock_time(entry.intended, now)).raw("</td><td>").text(entry.effect).raw("</td><td>");
    if (entry.stack.empty()) {
      out.text(entry.unit);
    } else {
      out.stack_link(entry.stack, entry.stack);
    }
    const bool failed = entry.outcome == JournalEntry::Outcome::kFailed;
    out.raw("</td><td>")
        .text(entry.reason)
        .raw("</td><td><span class=\"state")
        .raw(failed ? " bad" : "")
        .raw("\">")
        .raw(name_of(entry.outcome));
    out.raw("</span>");
    if (!entry.error.empty()) out.raw("<small>").text(entry.error).raw("</small>");
    out.raw("</td></tr>\n");
  }
  out.raw("</tbody></table></section>\n");
}

void footer(const View& view, Html& out) {
  out.raw("<footer>nelson ").text(view.input.version);
  out.raw(
      " · <a href=\"/v1/status\">status as JSON</a> · <a href=\"/v1/deployments?ns=*\">deployments</a> · "
      "<a href=\"/v1/history\">history</a> · <a href=\"/metrics\">metrics</a> · <a href=\"/readyz\">readiness</a>"
      " · read only: what is wanted is changed in Git</footer>\n");
}

}  // namespace nelson::status
