#include "controller/status/view.h"

#include <algorithm>
#include <set>
#include <utility>

#include "controller/status/json_views.h"
#include "controller/status/snapshot.h"

namespace nelson {
namespace {

bool everything_answered(const ViewInput& input) {
  if (input.pass == 0 || !input.desired) return false;
  return std::all_of(input.observed.domains.begin(), input.observed.domains.end(),
                     [](const auto& entry) { return entry.second.scheduler.complete && entry.second.memory.complete; });
}

std::vector<status::Group> group(const std::vector<status::Row>& rows, const std::vector<status::Trouble>& trouble) {
  std::set<std::pair<std::string, std::string>> troubled;  // (domain, unit)
  for (const status::Trouble& t : trouble)
    if (!t.unit.empty()) troubled.emplace(t.domain, t.unit);
  std::vector<status::Group> groups;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto same = [&](const status::Row& a, const status::Row& b) {
      return a.unit == b.unit && a.domain == b.domain && a.name_space == b.name_space;
    };
    if (groups.empty() || !same(rows[groups.back().first], rows[i])) {
      groups.push_back({i, i, false, troubled.count({rows[i].domain, rows[i].unit}) > 0 || troubled.count({"", rows[i].unit}) > 0});
    }
    groups.back().last = i + 1;
    groups.back().moving = groups.back().moving || (rows[i].wanted && !rows[i].arrived) || rows[i].status == StackStatus::kGarbage;
  }
  return groups;
}

}  // namespace

View::View(ViewInput given) : input(std::move(given)), rows(status::make_rows(input)), trouble(status::find_trouble(input, rows)) {
  groups = group(rows, trouble);
  answered = everything_answered(input);
  std::string bytes = "[";
  for (std::uint32_t i = 0; i < rows.size(); ++i) {
    const status::Row& row = rows[i];
    by_name.emplace(row.name, i);
    if (!row.guid.empty()) by_name.emplace(row.guid, i);
    if (row.guid.empty()) continue;  // nothing was launched yet, or nothing is known of it
    if (!listed.empty()) bytes += ',';
    const auto position = static_cast<std::uint32_t>(listed.size());
    listed.push_back(i);
    begin.push_back(static_cast<std::uint32_t>(bytes.size()));
    status::append_deployment(bytes, *this, row);
    end.push_back(static_cast<std::uint32_t>(bytes.size()));
    buckets[{row.name_space, row.domain, row.status}].push_back(position);
    by_unit[row.unit].push_back(position);
  }
  bytes += ']';
  list = std::make_shared<const std::string>(std::move(bytes));
}

std::shared_ptr<const std::string> View::status_json() const {
  std::call_once(status_once_, [this] { status_json_ = std::make_shared<const std::string>(status::render_status(*this)); });
  return status_json_;
}

std::shared_ptr<const View> build_view(ViewInput input) { return std::make_shared<const View>(std::move(input)); }

}  // namespace nelson
