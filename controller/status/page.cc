#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/status/page_parts.h"
#include "controller/status/routes.h"

// The one page. First what is wrong, then what runs and why, then what Git and the domains say, then what was done.

namespace nelson::status {
namespace {

constexpr std::size_t kFirstTroubles = 6;  // what fits into the first screen with the services beginning below
constexpr std::size_t kMostTroubles = 200;
constexpr std::size_t kGroupsPerPage = 100;
constexpr std::size_t kMostHistory = 15;
constexpr int kRefreshSeconds = 5;

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
  if (auto old = staleness(view, moment.age)) {
    overview.stale = true;
    overview.trouble.insert(overview.trouble.begin(), *std::move(old));
  }
  for (const Trouble& trouble : overview.trouble)
    if (trouble.level == Trouble::Level::kError) ++overview.errors;
  for (const Group& group : view.listing().groups)
    if (group.moving) ++overview.moving;
  return overview;
}

bool is_empty(const View& view) {
  return view.listing().rows.empty() && (!view.input.desired || view.input.desired->repositories.empty());
}

void header(const Overview& overview, bool refreshing, Html& out) {
  const ViewInput& input = overview.view.input;
  out.raw("<header><span class=\"name\">nelson</span>");
  if (overview.errors > 0) {
    out.raw("<h1 class=\"error\">").text(plural(overview.errors, "thing needs", "things need")).raw(" somebody</h1>");
  } else if (input.pass == 0) {
    out.raw("<h1>Starting: the first pass has not ended yet</h1>");
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
  out.raw("</th><td>").prose(trouble.cause).raw("<small>").text(trouble.place).raw("</small>");
  if (!trouble.underlined.empty()) out.raw("<pre>").text(trouble.underlined).raw("</pre>");
  out.raw("</td><td class=\"short\">");
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

using Rows = std::vector<const Row*>;

/// Colours by the part a stack has: the wanted one, then the others in turn.
std::vector<std::size_t> colours(const Rows& rows) {
  std::vector<std::size_t> out;
  std::size_t next = 1;
  for (const Row* row : rows) out.push_back(row->wanted ? 0 : std::min<std::size_t>(next++, 3));
  return out;
}

/// One bar for each major version that takes traffic: each is a service of its own with its own hundred percent.
void bars(const Rows& rows, const std::vector<std::size_t>& colour, Html& out) {
  std::vector<std::uint32_t> majors;
  for (const Row* row : rows)
    if (row->serves && row->percent > 0 && std::find(majors.begin(), majors.end(), row->version_number.major) == majors.end())
      majors.push_back(row->version_number.major);
  for (const std::uint32_t major : majors) {
    std::string label, parts;
    for (std::size_t n = 0; n < rows.size(); ++n) {
      const Row& row = *rows[n];
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
std::string with_versions(std::string text, const Rows& rows) {
  for (const Row* other : rows) {
    const Row& row = *other;
    if (row.version.empty()) continue;
    for (std::size_t at = text.find(row.name); at != std::string::npos; at = text.find(row.name, at + row.version.size()))
      text.replace(at, row.name.size(), row.version);
  }
  return text;
}

void stack_cells(const Row& row, const std::string& why, Instant now, std::size_t colour, Html& out) {
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
  out.raw("</td><td>").text(why).raw("</td><td").raw(row.wanted ? " class=\"soft\">" : ">").text(goes_of(row, now)).raw("</td>");
}

/// Where the group's services are reached, each once.
std::string addresses_of(const Rows& rows) {
  std::vector<std::string> seen;
  for (const Row* row : rows)
    for (const Endpoint& endpoint : row->addresses) {
      const std::string port = row->addresses.size() > 1 ? endpoint.port + " " : "";
      std::string address = port + endpoint.host + ":" + std::to_string(endpoint.number);
      if (std::find(seen.begin(), seen.end(), address) == seen.end()) seen.push_back(std::move(address));
    }
  return some_of(seen, 4);
}

/// What lives of a group: what is wanted, then the newest first, as people ask for it.
Rows living(const Listing& index, const Group& group) {
  Rows rows;
  for (std::size_t i = group.last; i > group.first; --i)
    if (index.rows[i - 1]->status != StackStatus::kTerminated) rows.push_back(index.rows[i - 1]);
  std::stable_partition(rows.begin(), rows.end(), [](const Row* row) { return row->wanted; });
  return rows;
}

void one_group(const Rows& rows, Instant now, Html& out) {
  const std::vector<std::size_t> colour = colours(rows);
  out.raw("<tbody>");
  for (std::size_t n = 0; n < rows.size(); ++n) {
    const Row& row = *rows[n];
    out.raw("<tr>");
    if (n == 0) {
      out.raw("<th scope=\"rowgroup\" rowspan=\"").number(static_cast<std::int64_t>(rows.size())).raw("\">").text(row.unit);
      out.raw(" <span class=\"soft\">").text(row.name_space).raw(" · ").text(row.domain).raw("</span>");
      if (const std::string addresses = addresses_of(rows); !addresses.empty()) out.raw("<small>").text(addresses).raw("</small>");
      bars(rows, colour, out);
      out.raw("</th>");
    }
    stack_cells(row, with_versions(row.why, rows), now, colour[n], out);
    out.raw("</tr>\n");
  }
  out.raw("</tbody>\n");
}

bool matches(const Row& row, std::string_view find) {
  return find.empty() || row.unit.find(find) != std::string::npos || row.name_space.find(find) != std::string::npos ||
         row.domain.find(find) != std::string::npos || row.repository.find(find) != std::string::npos;
}

/// Those that somebody may look for first.
std::vector<Rows> in_order(const View& view, std::string_view find) {
  std::set<std::pair<std::string_view, std::string_view>> troubled;  // (domain, unit); a problem of a file names no domain
  for (const Trouble& trouble : view.trouble)
    if (!trouble.unit.empty()) troubled.emplace(trouble.domain, trouble.unit);
  std::array<std::vector<Rows>, 3> ranks;
  for (const Group& group : view.listing().groups) {
    const Row& first = *view.listing().rows[group.first];
    if (!matches(first, find)) continue;
    Rows rows = living(view.listing(), group);
    if (rows.empty()) continue;
    const bool in_trouble = troubled.count({first.domain, first.unit}) > 0 || troubled.count({"", first.unit}) > 0;
    ranks[in_trouble ? 0 : group.moving ? 1 : 2].push_back(std::move(rows));
  }
  std::vector<Rows> all;
  for (std::vector<Rows>& rank : ranks) std::move(rank.begin(), rank.end(), std::back_inserter(all));
  return all;
}

std::size_t read_from(std::string_view text) {
  std::size_t from = 0;
  std::from_chars(text.data(), text.data() + text.size(), from);
  return from;
}

void services(const Request& request, const View& view, Html& out) {
  const std::string find(request.parameter("find"));
  const std::vector<Rows> groups = in_order(view, find);
  out.raw("<h2 id=\"services\">Services and jobs");
  if (!find.empty() || view.listing().groups.size() > 12)
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
  for (std::size_t i = from; i < last; ++i) one_group(groups[i], view.input.now, out);
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

}  // namespace nelson::status
