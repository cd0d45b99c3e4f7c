#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "controller/status/routes.h"
#include "controller/status/text.h"
#include "state/model/names.h"

// The list of deployments. Its items were rendered and sorted into buckets when the view was built, so a page costs its own length.

namespace nelson::status {
namespace {

Content refused(std::string message) {
  Content content;
  content.status = 400;
  content.body = std::move(message) + "\n";
  return content;
}

std::vector<std::string> words(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string_view word = list.substr(0, comma);
    while (!word.empty() && word.front() == ' ') word.remove_prefix(1);
    while (!word.empty() && word.back() == ' ') word.remove_suffix(1);
    if (!word.empty()) out.emplace_back(word);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return out;
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return text;
}

struct Query {
  std::optional<std::set<std::string>> namespaces, domains;  // nothing: all
  std::optional<std::set<StackStatus>> statuses;
  std::string unit;
  std::size_t offset = 0;
  std::size_t limit = ~std::size_t{0};

  [[nodiscard]] bool all() const { return !namespaces && !domains && !statuses && unit.empty(); }
  [[nodiscard]] bool takes(const Listing::BucketKey& key) const {
    const auto& [name_space, domain, status] = key;
    return (!namespaces || namespaces->count(name_space) > 0) && (!domains || domains->count(lower(domain)) > 0) &&
           (!statuses || statuses->count(status) > 0);
  }
};

std::optional<std::string> read_size(const Request& request, const std::string& name, std::size_t& out) {
  if (!request.has(name)) return std::nullopt;
  const std::string_view text = request.parameter(name);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error == std::errc() && end == text.data() + text.size()) return std::nullopt;
  return "'" + name + "' is a whole number, 0 or more.";
}

/// Older clients say `active` for ready, and `manual` for what somebody deployed by hand, of which there is none. A word nobody knows means
/// unknown, as it always did.
std::optional<StackStatus> status_called(const std::string& word) {
  if (word == "active") return StackStatus::kReady;
  if (word == "manual") return std::nullopt;
  return from_name<StackStatus>(word).value_or(StackStatus::kUnknown);
}

/// What is wrong with the request; nothing when it is understood.
std::optional<std::string> read_query(const Request& request, Query& out) {
  const std::string_view spaces = request.has("ns") ? request.parameter("ns") : request.parameter("namespace");
  if (spaces != "*") {
    const std::vector<std::string> names = words(spaces);
    if (names.empty()) return "This endpoint requires a non-empty 'ns' parameter.";
    for (std::size_t i = 0; i < names.size(); ++i)
      if (!valid_namespace(names[i]))  // not repeated: an answer of whatever type holds nothing of a stranger's making
        return "name " + std::to_string(i + 1) +
               " of 'ns' is not a namespace: write for example ns=dev or ns=dev/sandbox, or ns=* for all.";
    out.namespaces.emplace(names.begin(), names.end());
  }
  const std::vector<std::string> domains = words(request.parameter("dc"));
  if (!domains.empty()) {
    out.domains.emplace();
    for (const std::string& name : domains) out.domains->insert(lower(name));
  }
  const std::vector<std::string> statuses = words(request.parameter("status"));
  const bool all =
      statuses.empty() || std::any_of(statuses.begin(), statuses.end(), [](const auto& word) { return lower(word) == "all"; });
  if (!all) {
    out.statuses.emplace();
    for (const std::string& word : statuses)
      if (const auto status = status_called(lower(word))) out.statuses->insert(*status);
  }
  out.unit = request.parameter("unit");
  if (auto wrong = read_size(request, "offset", out.offset)) return wrong;
  return read_size(request, "limit", out.limit);
}

/// The positions asked for, in the order of the list, and how many there would be without paging.
struct Page {
  std::vector<std::uint32_t> positions;
  std::size_t total = 0;
};

Page one_unit(const Listing& index, const Query& query) {
  Page page;
  const auto found = index.by_unit.find(query.unit);
  if (found == index.by_unit.end()) return page;
  for (const std::uint32_t position : found->second) {
    const Row& row = *index.rows[index.listed[position]];
    if (!query.takes({row.name_space, row.domain, row.status})) continue;
    if (page.total >= query.offset && page.positions.size() < query.limit) page.positions.push_back(position);
    ++page.total;
  }
  return page;
}

/// Merges the buckets that the query takes; each is sorted already.
Page merged(const Listing& index, const Query& query) {
  using Cursor = std::pair<const std::uint32_t*, const std::uint32_t*>;
  const auto later = [](const Cursor& a, const Cursor& b) { return *a.first > *b.first; };
  std::priority_queue<Cursor, std::vector<Cursor>, decltype(later)> cursors(later);
  Page page;
  for (const auto& [key, bucket] : index.buckets) {
    if (!query.takes(key)) continue;
    cursors.emplace(bucket.data(), bucket.data() + bucket.size());
    page.total += bucket.size();
  }
  if (cursors.size() == 1) {
    const auto [first, last] = cursors.top();
    const std::size_t from = std::min(query.offset, page.total);
    page.positions.assign(first + from, first + from + std::min(query.limit, page.total - from));
    return page;
  }
  for (std::size_t seen = 0; !cursors.empty() && page.positions.size() < query.limit; ++seen) {
    auto [at, last] = cursors.top();
    cursors.pop();
    if (seen >= query.offset) page.positions.push_back(*at);
    if (++at != last) cursors.emplace(at, last);
  }
  return page;
}

std::string render(const Listing& index, const std::vector<std::uint32_t>& positions) {
  std::string out = "[";
  // Neighbours in the list are one copy.
  for (std::size_t i = 0; i < positions.size();) {
    std::size_t last = i;
    while (last + 1 < positions.size() && positions[last + 1] == positions[last] + 1) ++last;
    if (i > 0) out += ',';
    out.append(*index.list, index.begin[positions[i]], index.end[positions[last]] - index.begin[positions[i]]);
    i = last + 1;
  }
  out += ']';
  return out;
}

}  // namespace

Content deployments(const Request& request, const View& view) {
  const Listing& index = view.listing();
  Query query;
  if (const auto wrong = read_query(request, query)) return refused(*wrong);
  Content content;
  content.type = "application/json";
  std::size_t total = index.listed.size();
  if (query.all() && query.offset == 0 && query.limit >= total) {
    content.shared = index.list;
    content.shared_size = index.list->size();
  } else if (query.all()) {
    const std::size_t from = std::min(query.offset, total);
    const std::size_t count = std::min(query.limit, total - from);
    content.body = "[";
    if (count > 0) content.body.append(*index.list, index.begin[from], index.end[from + count - 1] - index.begin[from]);
    content.body += ']';
  } else {
    const Page page = query.unit.empty() ? merged(index, query) : one_unit(index, query);
    content.body = render(index, page.positions);
    total = page.total;
  }
  content.fields.emplace_back("X-Total-Count", std::to_string(total));
  return content;
}

}  // namespace nelson::status
