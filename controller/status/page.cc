#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <vector>

#include "controller/status/document.h"
#include "controller/status/routes.h"
#include "controller/status/text.h"

// The one page. First what is wrong, then what runs and why, then what Git and the domains say, then what was done.

namespace nelson::status {
namespace {

constexpr std::size_t kFirstTroubles = 6;  // what fits into the first screen with the services beginning below
constexpr std::size_t kMostTroubles = 200;
constexpr std::size_t kGroupsPerPage = 100;
constexpr std::size_t kMostWaiting = 30;
constexpr std::size_t kMostHistory = 15;
constexpr int kRefreshSeconds = 5;

/// Appends to a page: what it is given as text is escaped, what is written in this file is markup.
class Html {
 public:
  Html& raw(std::string_view markup) {
    out_ += markup;
    return *this;
  }
  Html& text(std::string_view text) {
    append_html(out_, text);
    return *this;
  }
  Html& prose(std::string_view text) {
    append_prose(out_, text);
    return *this;
  }
  Html& number(std::int64_t value) {
    append_number(out_, value);
    return *this;
  }
  Html& stack_link(std::string_view stack, std::string_view label) {
    return raw("<a href=\"/stacks/").raw(url(stack)).raw("\">").text(label).raw("</a>");
  }
  [[nodiscard]] const std::string& str() const { return out_; }

 private:
  std::string out_;
};

std::string plural(std::size_t count, std::string_view one, std::string_view many) {
  return std::to_string(count) + " " + std::string(count == 1 ? one : many);
}

struct Overview {
  const View& view;
  Instant now;                   // the time of the request, on the view's clock
  std::vector<Trouble> trouble;  // with what only the server knows
  std::size_t errors = 0, moving = 0;
  bool stale = false;
};

Overview look_at(const Moment& moment) {
  const View& view = *moment.view;
  Overview overview{view, view.input.now + moment.age, view.trouble, 0, 0, false};
  if (view.input.pass > 0 && moment.age > 2 * view.input.interval) {
    overview.stale = true;
    Trouble old;
    old.what = "everything";
    old.place = "this controller";
    old.cause = "no pass has ended for " + about(moment.age) + ": what you see is as old as that";
    old.way_out = "see the log of `nelson run`; what was deployed keeps running meanwhile";
    old.since = view.input.now;
    overview.trouble.insert(overview.trouble.begin(), std::move(old));
  }
  for (const Trouble& trouble : overview.trouble)
    if (trouble.level == Trouble::Level::kError) ++overview.errors;
  for (const Group& group : view.groups)
    if (group.moving) ++overview.moving;
  return overview;
}

bool is_empty(const View& view) { return view.rows.empty() && (!view.input.desired || view.input.desired->repositories.empty()); }

void header(const Overview& overview, bool refreshing, Html& out) {
  const ViewInput& input = overview.view.input;
  out.raw("<header><span class=\"name\">nelson</span>");
  if (input.pass == 0) {
    out.raw("<h1>Starting: the first pass has not ended yet</h1>");
  } else if (overview.errors > 0) {
    out.raw("<h1 class=\"error\">").text(plural(overview.errors, "thing needs", "things need")).raw(" somebody</h1>");
  } else if (is_empty(overview.view)) {
    out.raw("<h1>Nothing is deployed yet</h1>");
  } else if (overview.moving > 0) {
    out.raw("<h1>").text(plural(overview.moving, "service is", "services are")).raw(" on the way to what Git wants</h1>");
  } else {
    out.raw("<h1 class=\"calm\">Everything is as Git wants it</h1>");
  }
  out.raw("<span class=\"meta\">");
  if (input.pass > 0) {
    out.raw("pass ")
        .number(static_cast<std::int64_t>(input.pass))
        .raw(" at ")
        .text(clock_time(input.now, overview.now))
        .raw(" UTC");
    if (input.desired && !input.desired->control_commit.empty())
      out.raw(" · control repository at <code>").text(input.desired->control_commit.substr(0, 8)).raw("</code>");
    out.raw(" · ");
  }
  if (refreshing) {
    out.raw("loads again each 5 s (<a href=\"/?refresh=off\">stop</a>)");
  } else {
    out.raw("does not load again (<a href=\"/\">start</a>)");
  }
  out.raw("</span></header>\n");
}

void trouble_row(const Overview& overview, const Trouble& trouble, Html& out) {
  constexpr auto kClasses = std::to_array<std::string_view>({"error", "warning", "notice"});
  out.raw("<tr class=\"").raw(kClasses[static_cast<std::size_t>(trouble.level)]).raw("\"><th scope=\"row\">").text(trouble.what);
  if (trouble.times > 1) out.raw("<small>").number(static_cast<std::int64_t>(trouble.times)).raw(" of the same</small>");
  out.raw("</th><td>").prose(trouble.cause).raw("<small>").text(trouble.place).raw("</small></td><td class=\"short\">");
  if (trouble.since) {
    const Duration length = overview.now - *trouble.since;
    out.text(length < std::chrono::seconds(1) ? std::string("just now") : about(length));
    out.raw("<small>").text(clock_time(*trouble.since, overview.now)).raw("</small>");
  }
  out.raw("</td><td class=\"way\">").prose(trouble.way_out).raw("</td></tr>\n");
}

void trouble_table(const Overview& overview, std::size_t first, std::size_t last, Html& out) {
  const bool serious = overview.trouble[first].level == Trouble::Level::kError;
  const bool remark = overview.trouble[first].level == Trouble::Level::kNotice;
  out.raw("<section class=\"").raw(serious ? "error" : remark ? "notice" : "warning");
  out.raw(
      "\"><table><colgroup><col class=\"w19\"><col class=\"w40\"><col class=\"w11\"><col class=\"w30\"></colgroup>"
      "<thead><tr><th scope=\"col\">What</th><th scope=\"col\">What is wrong</th><th scope=\"col\">Since</th>"
      "<th scope=\"col\">What you can do</th></tr></thead><tbody class=\"lines\">\n");
  for (std::size_t i = first; i < last; ++i) trouble_row(overview, overview.trouble[i], out);
  out.raw("</tbody></table>");
}

void troubles(const Overview& overview, Html& out) {
  if (overview.trouble.empty()) return;
  out.raw("<h2 id=\"trouble\">").raw(overview.errors > 0 ? "Needs somebody" : "Worth knowing").raw("</h2>\n");
  const std::size_t shown = std::min(overview.trouble.size(), kFirstTroubles);
  trouble_table(overview, 0, shown, out);
  if (shown < overview.trouble.size())
    out.raw("<p class=\"more\"><a href=\"#more-trouble\">")
        .number(static_cast<std::int64_t>(overview.trouble.size() - shown))
        .raw(" more below</a></p>");
  out.raw("</section>\n");
}

void more_troubles(const Overview& overview, Html& out) {
  if (overview.trouble.size() <= kFirstTroubles) return;
  const std::size_t last = std::min(overview.trouble.size(), kMostTroubles);
  out.raw("<h2 id=\"more-trouble\">More of what is wrong</h2>\n");
  trouble_table(overview, kFirstTroubles, last, out);
  if (last < overview.trouble.size())
    out.raw("<p class=\"more\">")
        .number(static_cast<std::int64_t>(overview.trouble.size() - last))
        .raw(" more in <a href=\"/v1/status\">/v1/status</a></p>");
  out.raw("</section>\n");
}

std::string_view state_class(const Row& row) {
  switch (row.status) {
    case StackStatus::kReady:
    case StackStatus::kDeprecated:
      return row.healthy < row.instances && !row.job ? "bad" : "good";
    case StackStatus::kFailed:
    case StackStatus::kUnknown:
      return "bad";
    default:
      return row.restarts > 0 && !row.detail.empty() ? "bad" : "busy";
  }
}

/// Colours by the part a stack has: the wanted one, then the others in turn.
std::vector<std::size_t> colours(const View& view, const std::vector<std::size_t>& rows) {
  std::vector<std::size_t> out;
  std::size_t next = 1;
  for (const std::size_t i : rows) out.push_back(view.rows[i].wanted ? 0 : std::min<std::size_t>(next++, 3));
  return out;
}

/// One bar for each major version that takes traffic: each is a service of its own with its own hundred percent.
void bars(const View& view, const std::vector<std::size_t>& rows, const std::vector<std::size_t>& colour, Html& out) {
  std::vector<std::uint32_t> majors;
  for (const std::size_t i : rows)
    if (view.rows[i].serves && view.rows[i].percent > 0 &&
        std::find(majors.begin(), majors.end(), view.rows[i].version_number.major) == majors.end())
      majors.push_back(view.rows[i].version_number.major);
  for (const std::uint32_t major : majors) {
    std::string label, parts;
    for (std::size_t n = 0; n < rows.size(); ++n) {
      const Row& row = view.rows[rows[n]];
      if (!row.serves || row.percent <= 0 || row.version_number.major != major) continue;
      const std::string percent = std::to_string(std::clamp(row.percent, 0, 100));
      label += (label.empty() ? "" : ", ") + row.version + " " + percent + "%";
      parts += "<span class=\"w" + percent + " c" + std::to_string(colour[n]) + "\">";
      if (row.percent >= 22) parts += html(row.version);
      parts += "</span>";
    }
    out.raw("<div class=\"bar\" role=\"img\" aria-label=\"traffic: ").text(label).raw("\">").raw(parts).raw("</div>");
  }
}

/// Stacks of the same unit are told apart by version, which is shorter than a name.
std::string with_versions(std::string text, const View& view, const std::vector<std::size_t>& rows) {
  for (const std::size_t i : rows) {
    const Row& row = view.rows[i];
    if (row.version.empty()) continue;
    for (std::size_t at = text.find(row.name); at != std::string::npos; at = text.find(row.name, at + row.version.size()))
      text.replace(at, row.name.size(), row.version);
  }
  return text;
}

void stack_cells(const Row& row, const std::string& why, std::size_t colour, Html& out) {
  out.raw("<td class=\"short\"><span class=\"dot ")
      .raw(row.serves && row.percent > 0 ? "c" + std::to_string(colour) : "none")
      .raw("\"></span>");
  if (row.wanted) out.raw("<span class=\"wanted\">");
  const std::string label = row.version.empty() ? row.name : row.version;
  if (row.guid.empty()) {
    out.text(label);
  } else {
    out.stack_link(row.name, label);
  }
  if (row.wanted) out.raw("</span>");
  if (row.plan != "default" && !row.plan.empty()) out.raw(" <span class=\"soft\">").text(row.plan).raw("</span>");
  out.raw("</td><td class=\"num\">");
  if (row.serves) {
    out.number(row.percent).raw("%");
  } else {
    out.raw("<span class=\"soft\">").raw(row.job ? "job" : "–").raw("</span>");
  }
  out.raw("</td><td><span class=\"state ").raw(state_class(row)).raw("\">").raw(name_of(row.status)).raw("</span>");
  if (!row.detail.empty()) out.raw("<small>").text(row.detail).raw("</small>");
  out.raw("</td><td class=\"num\">");
  if (row.job) {
    out.raw("–");
  } else {
    out.number(row.healthy).raw(" / ").number(row.instances);
  }
  out.raw("</td><td>").text(why).raw("</td><td").raw(row.wanted ? " class=\"soft\">" : ">").text(row.goes).raw("</td>");
}

void one_group(const View& view, const Group& group, Html& out) {
  std::vector<std::size_t> rows;  // newest first, as people ask for it
  for (std::size_t i = group.last; i > group.first; --i)
    if (view.rows[i - 1].status != StackStatus::kTerminated) rows.push_back(i - 1);
  if (rows.empty()) return;
  std::stable_partition(rows.begin(), rows.end(), [&](std::size_t i) { return view.rows[i].wanted; });
  const std::vector<std::size_t> colour = colours(view, rows);
  out.raw("<tbody>");
  for (std::size_t n = 0; n < rows.size(); ++n) {
    const Row& row = view.rows[rows[n]];
    out.raw("<tr>");
    if (n == 0) {
      out.raw("<th scope=\"rowgroup\" rowspan=\"").number(static_cast<std::int64_t>(rows.size())).raw("\">").text(row.unit);
      out.raw(" <span class=\"soft\">").text(row.name_space).raw(" · ").text(row.domain).raw("</span>");
      bars(view, rows, colour, out);
      out.raw("</th>");
    }
    stack_cells(row, with_versions(row.why, view, rows), colour[n], out);
    out.raw("</tr>\n");
  }
  out.raw("</tbody>\n");
}

bool matches(const Row& row, std::string_view find) {
  return find.empty() || row.unit.find(find) != std::string::npos || row.name_space.find(find) != std::string::npos ||
         row.domain.find(find) != std::string::npos || row.repository.find(find) != std::string::npos;
}

bool has_living(const View& view, const Group& group) {
  return std::any_of(view.rows.begin() + static_cast<std::ptrdiff_t>(group.first),
                     view.rows.begin() + static_cast<std::ptrdiff_t>(group.last),
                     [](const Row& row) { return row.status != StackStatus::kTerminated; });
}

/// Those that somebody may look for first.
std::vector<const Group*> in_order(const View& view, std::string_view find) {
  std::vector<const Group*> groups;
  for (const Group& group : view.groups)
    if (has_living(view, group) && matches(view.rows[group.first], find)) groups.push_back(&group);
  std::stable_sort(groups.begin(), groups.end(), [](const Group* a, const Group* b) {
    return std::pair(!a->troubled, !a->moving) < std::pair(!b->troubled, !b->moving);
  });
  return groups;
}

std::size_t read_from(std::string_view text) {
  std::size_t from = 0;
  std::from_chars(text.data(), text.data() + text.size(), from);
  return from;
}

void services(const Request& request, const View& view, Html& out) {
  const std::string find(request.parameter("find"));
  const std::vector<const Group*> groups = in_order(view, find);
  out.raw("<h2 id=\"services\">Services and jobs");
  if (!find.empty() || view.groups.size() > 12)
    out.raw(
           "<form action=\"/\" method=\"get\" role=\"search\"><input name=\"find\" aria-label=\"find a unit, namespace, domain or "
           "repository\" "
           "placeholder=\"find a unit\" value=\"")
        .text(find)
        .raw("\"></form>");
  out.raw("</h2>\n<section>");
  if (groups.empty()) {
    out.raw("<p class=\"empty\">").raw(find.empty() ? "None yet." : "None of that name.").raw("</p></section>\n");
    return;
  }
  const std::size_t from = std::min(read_from(request.parameter("from")), groups.size() - 1);
  const std::size_t last = std::min(groups.size(), from + kGroupsPerPage);
  out.raw(
      "<table><colgroup><col class=\"w20\"><col class=\"w9\"><col class=\"w6\"><col class=\"w12\"><col class=\"w6\"><col "
      "class=\"w23\">"
      "<col class=\"w24\"></colgroup><thead><tr><th scope=\"col\">Unit</th><th scope=\"col\">Version</th><th scope=\"col\" "
      "class=\"num\">Share</th>"
      "<th scope=\"col\">State</th><th scope=\"col\" class=\"num\">Healthy</th><th scope=\"col\">Why it lives</th>"
      "<th scope=\"col\">When it goes</th></tr></thead>\n");
  for (std::size_t i = from; i < last; ++i) one_group(view, *groups[i], out);
  out.raw("</table>");
  if (from > 0 || last < groups.size()) {
    out.raw("<p class=\"more\">")
        .number(static_cast<std::int64_t>(from + 1))
        .raw(" to ")
        .number(static_cast<std::int64_t>(last))
        .raw(" of ");
    out.number(static_cast<std::int64_t>(groups.size()));
    if (last < groups.size())
      out.raw(" · <a href=\"/?find=")
          .raw(url(find))
          .raw("&amp;from=")
          .number(static_cast<std::int64_t>(last))
          .raw("#services\">next</a>");
    if (from > 0) out.raw(" · <a href=\"/?find=").raw(url(find)).raw("#services\">first</a>");
    out.raw("</p>");
  }
  out.raw("</section>\n");
}

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
      "<th scope=\"col\">Host answered</th></tr></thead><tbody class=\"lines\">\n");
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

void instances(const Row& row, Instant now, Html& out) {
  out.raw("<h2>Instances</h2>\n<section>");
  if (row.observed == nullptr || !row.observed->running || row.observed->running->instances.empty()) {
    out.raw("<p class=\"empty\">None runs.</p></section>\n");
    return;
  }
  out.raw(
      "<table><thead><tr><th scope=\"col\" class=\"num\">Index</th><th scope=\"col\">State</th><th scope=\"col\">Since</th>"
      "<th scope=\"col\">Health</th><th scope=\"col\" class=\"num\">Restarts</th><th scope=\"col\">Addresses</th>"
      "<th scope=\"col\">Last words</th></tr></thead><tbody class=\"lines\">\n");
  for (const Instance& instance : row.observed->running->instances) {
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

Content page(const Request& request, const Moment& moment) {
  const Overview overview = look_at(moment);
  const bool refreshing = request.parameter("refresh") != "off";
  Html out;
  header(overview, refreshing, out);
  out.raw("<main>\n");
  troubles(overview, out);
  if (is_empty(overview.view)) {
    first_steps(overview.view, out);
  } else {
    services(request, overview.view, out);
  }
  waiting(overview.view, out);
  out.raw("<div class=\"pair\">\n");
  repositories(overview.view, overview.now, out);
  domains(overview.view, out);
  out.raw("</div>\n");
  recent(overview.view.input.history, overview.now, kMostHistory, out);
  more_troubles(overview, out);
  out.raw("</main>\n");
  footer(overview.view, out);
  const std::string title = overview.errors > 0 ? "(" + std::to_string(overview.errors) + ") nelson" : "nelson";
  return document(title, out.str(), refreshing ? kRefreshSeconds : 0);
}

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
  fact("When it goes", row.goes, out);
  fact("Called by", some_of(row.callers, 10), out);
  fact("Launched", at(row.launched, now), out);
  fact("Ready", at(row.ready, now), out);
  fact("Guid", row.guid, out);
  fact("Log", "`nelson logs " + row.name + "`", out);
  for (const Hold& hold : view.input.plan.held)
    if (hold.subject == row.name) fact(hold.trouble ? "Held: trouble" : "Held", hold.reason + " — until " + hold.clears_when, out);
  out.raw("</dl></section>\n");
  instances(row, now, out);
  recent(history, now, history.size(), out);
  out.raw("</main>\n");
  footer(view, out);
  return document(row.name + " · nelson", out.str(), kRefreshSeconds);
}

}  // namespace nelson::status
