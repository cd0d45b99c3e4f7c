#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "controller/status/json_views.h"
#include "controller/status/snapshot.h"
#include "controller/status/text.h"
#include "reconcilers/cell.h"
#include "reconcilers/expirations.h"
#include "reconcilers/traffic.h"

namespace nelson::status {
namespace {

std::int32_t sessions_of(const Cell& cell, const std::string& stack) {
  std::int32_t count = 0;
  if (cell.seen != nullptr)
    for (const Sessions& sessions : cell.seen->sessions)
      if (sessions.stack == stack) count += sessions.count;
  return count;
}

/// The course that takes traffic from or to the stack, if one is under way.
const TrafficRecord* course_of(const Cell& cell, const Case& c) {
  const Identity& identity = c.identity();
  const TrafficRecord* const record = cell.traffic({cell.key.domain, identity.name_space, cell.key.unit, identity.version.major});
  if (record == nullptr || record->target.empty()) return nullptr;
  std::int32_t arrived = 0;
  for (const Weight& weight : record->weights)
    if (std::find(record->target.begin(), record->target.end(), weight.stack) != record->target.end()) arrived += weight.percent;
  return arrived < 100 ? record : nullptr;
}

Duration rest_of(const TrafficRecord& course) {
  const std::uint32_t steps = step_count(course.shift);
  return step_interval(course.shift) * static_cast<std::int64_t>(steps - std::min(course.steps, steps));
}

bool leads_to(const TrafficRecord& course, const std::string& stack) {
  return std::find(course.target.begin(), course.target.end(), stack) != course.target.end();
}

std::string version_of(const Cell& cell, const std::string& stack) {
  const Case* const c = cell.find(stack);
  return c != nullptr && (c->record != nullptr || c->candidate != nullptr) ? to_string(c->identity().version) : stack;
}

std::string short_id(const std::string& commit) { return commit.substr(0, 8); }

std::string why_of(const Cell& cell, const Case& c) {
  if (c.record == nullptr && c.candidate == nullptr) return "it runs, and its record is lost";
  if (c.record != nullptr && c.record->removed && c.candidate == nullptr) return "it is gone; what is remembered of it stays";
  if (c.record != nullptr && c.record->retiring) {
    const std::int32_t sessions = sessions_of(cell, c.name);
    if (sessions > 0) return std::to_string(sessions) + (sessions == 1 ? " answer is" : " answers are") + " still on the way";
    return c.running != nullptr ? "its processes are being stopped" : "its removal is being confirmed";
  }
  if (c.wanted()) {
    const Identity& identity = c.identity();
    const std::string& commit = c.candidate != nullptr ? c.candidate->desired->commit : c.record->commit;
    const bool idle = c.live && cell.domain != nullptr && cell.domain->retire_idle && !verdict_on(cell, c).kept;
    if (idle) return "Git wants it, but nobody calls it";
    const std::string at = identity.repository + (commit.empty() ? "" : " at " + short_id(commit));
    return c.patch && c.live ? verdict_on(cell, c).reason + " (" + at + ")" : "Git wants it: " + at;
  }
  if (cell.domain == nullptr) return "no file in domains/ names its domain: it is left alone";
  if (!c.live) return "";
  return verdict_on(cell, c).reason;
}

std::string end_of(const Cell& cell, const Case& c) {
  if (c.record == nullptr) return c.candidate != nullptr ? "" : "not by itself";
  if (c.record->removed) return "";
  if (c.record->retiring) {
    if (c.running == nullptr || sessions_of(cell, c.name) == 0) return "now";
    return cell.domain == nullptr ? "after its last answer"
                                  : "after its last answer, at most " + format_duration(cell.domain->drain_limit);
  }
  if (cell.domain == nullptr || !c.live) return "";
  if (c.wanted())
    return c.patch ? "when a newer patch replaces it, or its major version is needed no more" : "when a newer release replaces it";
  const TrafficRecord* const course = c.serves && c.percent > 0 ? course_of(cell, c) : nullptr;
  if (course != nullptr && !leads_to(*course, c.name)) {
    const Case* const next = cell.find(course->target.front());
    if (next == nullptr || !next->ready())
      return "not before " + version_of(cell, course->target.front()) + " is ready and has its traffic";
    return "its traffic is gone in about " + about(rest_of(*course)) + "; then " + format_duration(cell.domain->extended_lifetime) +
           " after the last need";
  }
  if (!c.callers.empty()) return format_duration(cell.domain->extended_lifetime) + " after its last caller is gone";
  return format_duration(cell.domain->extended_lifetime) + " after nothing keeps it any more";
}

/// What instances complain of, each complaint once.
std::string detail_of(const Running& running) {
  std::string out;
  std::int32_t restarts = 0;
  for (const Instance& instance : running.instances) {
    restarts += instance.restarts;
    const bool well = instance.state == InstanceState::kRunning && instance.health != Health::kFailing;
    if (well || instance.detail.empty() || out.find(instance.detail) != std::string::npos) continue;
    out += (out.empty() ? "" : "; ") + instance.detail;
  }
  if (restarts > 0 && !out.empty()) out += " (restarted " + std::to_string(restarts) + (restarts == 1 ? " time)" : " times)");
  return out;
}

bool is_good(const Instance& instance, const Spec& spec, Duration ready_after, Instant now) {
  if (instance.state != InstanceState::kRunning) return false;
  return spec.health_checks.empty() ? instance.since + ready_after <= now : instance.health == Health::kPassing;
}

void describe_running(const Cell& cell, const Case& c, Instant now, Block& block, Row& row) {
  if (c.running == nullptr) return;
  const Duration ready_after = cell.domain != nullptr ? cell.domain->ready_after : Duration::zero();
  row.running = static_cast<std::int32_t>(c.running->instances.size());
  for (const Instance& instance : c.running->instances) {
    row.restarts += instance.restarts;
    const bool failed = row.status == StackStatus::kFailed && instance.state == InstanceState::kExited;
    if (failed || instance.state == InstanceState::kBackoff || instance.health == Health::kFailing) {
      ++row.sick;
      row.sick_since = std::min(row.sick_since.value_or(instance.since), instance.since);
    }
    if (c.record == nullptr) continue;
    const Spec& spec = c.record->identity.spec;
    const Instant told_until = instance.since + kMendedShown;
    const bool well =
        instance.state == InstanceState::kRunning && (spec.health_checks.empty() || instance.health == Health::kPassing);
    if (well && instance.restarts > 0 && told_until > now) {
      if (!row.restarted_at || *row.restarted_at < instance.since) row.last_end = instance.detail;
      row.restarted_at = std::max(row.restarted_at.value_or(instance.since), instance.since);
      block.valid_until = std::min(block.valid_until.value_or(told_until), told_until);
    }
    const Instant mature = instance.since + ready_after;
    if (is_good(instance, spec, ready_after, now)) ++row.healthy;
    if (spec.health_checks.empty() && mature > now) block.valid_until = std::min(block.valid_until.value_or(mature), mature);
  }
  row.detail = detail_of(*c.running);
}

/// Whether the wanted stacks of the service have all its traffic (semantics 1).
bool has_traffic(const Cell& cell, const Case& c) {
  std::int32_t share = 0;
  for (const Case& other : cell.cases)
    if (other.wanted() && other.serves && other.identity().name_space == c.identity().name_space &&
        other.identity().version.major == c.identity().version.major)
      share += other.percent;
  return share == 100;
}

std::vector<Endpoint> addresses_of(const Cell& cell, const Identity& identity) {
  if (cell.seen == nullptr) return {};
  const TrafficKey key{cell.key.domain, identity.name_space, cell.key.unit, identity.version.major};
  const auto at = std::find_if(cell.seen->addresses.begin(), cell.seen->addresses.end(),
                               [&](const ServiceAddress& address) { return address.key == key; });
  return at == cell.seen->addresses.end() ? std::vector<Endpoint>{} : at->endpoints;
}

Row make_row(const Cell& cell, const Case& c, Instant now, Block& block) {
  Row row;
  row.name = c.name;
  row.domain = cell.key.domain;
  row.unit = cell.key.unit;
  row.workflow = cell.domain != nullptr ? cell.domain->scheduler : "unknown";
  row.wanted = c.wanted();
  row.job = c.job;
  row.serves = c.serves;
  row.percent = c.percent;
  row.callers = c.callers;
  if (c.record != nullptr || c.candidate != nullptr) {
    const Identity& identity = c.identity();
    row.name_space = identity.name_space;
    row.plan = identity.plan;
    row.repository = identity.repository;
    row.version_number = identity.version;
    row.version = to_string(identity.version);
    row.instances = c.job ? 1 : c.settings().instances;
  }
  if (c.candidate != nullptr) row.commit = c.candidate->desired->commit;
  if (c.record != nullptr) {
    row.guid = guid_of(digest_of(c.record->identity), c.record->incarnation);
    row.launched = c.record->launched;
    row.ready = c.record->ready;
    row.recorded_commit = c.record->commit;
    if (row.commit.empty()) row.commit = c.record->commit;
    const bool deprecated = !c.named && c.absence_known;
    const bool comes_again = c.candidate != nullptr && c.record->removed && !c.ran();
    row.status = comes_again ? StackStatus::kPending : status_of(*c.observed, deprecated);
  } else if (c.observed != nullptr && c.candidate == nullptr) {
    row.status = StackStatus::kUnknown;
  }
  if (cell.domain != nullptr) {
    row.extended_lifetime = cell.domain->extended_lifetime;
    if (c.live && !verdict_on(cell, c).kept) row.expires = expires_at(cell, c);
  }
  describe_running(cell, c, now, block, row);
  if (c.serves && c.percent > 0) row.addresses = addresses_of(cell, c.identity());
  if (c.wanted() && !c.live && c.retired_idle) row.away = "nobody calls it, so it is away until somebody does";
  if (c.wanted() && !c.live && c.ran() && c.record->job_result == JobResult::kSucceeded)
    row.away = "it ran before and succeeded, and does not run again";
  row.arrived = c.wanted() && c.ready() && (!c.serves || has_traffic(cell, c)) && row.status != StackStatus::kFailed;
  row.why = why_of(cell, c);
  row.goes = end_of(cell, c);
  return row;
}

std::shared_ptr<const Block> make_block(const Cell& cell, Instant now) {
  auto block = std::make_shared<Block>();
  for (const Case& c : cell.cases) block->rows.push_back(make_row(cell, c, now, *block));
  const auto order = [](const Row& row) { return std::tie(row.name_space, row.version_number, row.plan, row.name); };
  std::sort(block->rows.begin(), block->rows.end(), [&](const Row& a, const Row& b) { return order(a) < order(b); });
  for (const Row& row : block->rows) {
    std::string& item = block->items.emplace_back();
    if (!row.guid.empty()) append_deployment(item, row);  // nothing was launched yet, or nothing is known of it
  }
  return block;
}

/// The blocks of `previous`, those made anew that a change concerns or whose time is up. Whether there were any.
bool renew_blocks(Index& index, const ViewInput& input, const View* previous) {
  static const Desired kNothing;
  const Desired& desired = input.desired ? *input.desired : kNothing;
  if (previous != nullptr) {
    index.blocks = previous->index->blocks;
    index.neighbours = previous->index->neighbours;
    index.aging = previous->index->aging;
    index.ailing = previous->index->ailing;
  }
  std::set<CellKey> stale = index.neighbours.advance(desired, input.observed);
  for (const auto& [until, key] : index.aging)
    if (until <= input.now || input.now < previous->input.now) stale.insert(key);
  for (const CellKey& key : stale) {
    if (const auto old = index.blocks.find(key); old != index.blocks.end() && old->second->valid_until)
      index.aging.erase({*old->second->valid_until, key});
    index.ailing.erase(key);
    if (!desired.cells.contains(key) && !input.observed.cells.contains(key)) {
      index.blocks.erase(key);
      continue;
    }
    const auto block = make_block(make_cell(key, desired, input.observed, index.neighbours.callers(), input.now), input.now);
    if (block->valid_until) index.aging.emplace(*block->valid_until, key);
    const auto ails = [](const Row& row) { return ailment_of(row) != Ailment::kNone; };
    if (std::any_of(block->rows.begin(), block->rows.end(), ails)) index.ailing.insert(key);
    index.blocks[key] = block;
  }
  return !stale.empty();
}

void add_group(Listing& all, std::size_t first, std::size_t last) {
  Group group{first, last, false};
  for (std::size_t i = first; i < last; ++i) {
    const Row& row = *all.rows[i];
    const bool ended = row.status == StackStatus::kFailed || row.status == StackStatus::kTerminated;
    const bool settled = row.arrived || !row.away.empty() || ended;
    group.moving = group.moving || (row.wanted && !settled) || row.status == StackStatus::kGarbage;
  }
  all.groups.push_back(group);
}

/// Rows of all blocks by namespace; within one they come in order already, cells being sorted by (domain, unit).
void order_rows(const SharedMap<CellKey, std::shared_ptr<const Block>>& blocks, Listing& all,
                std::vector<const std::string*>& items) {
  std::map<std::string_view, std::vector<std::pair<const Row*, const std::string*>>> spaces;
  for (const auto& [key, block] : blocks)
    for (std::size_t i = 0; i < block->rows.size(); ++i)
      spaces[block->rows[i].name_space].emplace_back(&block->rows[i], &block->items[i]);
  for (const auto& [name_space, rows] : spaces) {
    std::size_t first = all.rows.size();
    for (const auto& [row, item] : rows) {
      const bool other = all.rows.size() > first && (all.rows[first]->unit != row->unit || all.rows[first]->domain != row->domain);
      if (other) add_group(all, std::exchange(first, all.rows.size()), all.rows.size());
      all.rows.push_back(row);
      items.push_back(item);
    }
    add_group(all, first, all.rows.size());
  }
}

void list_rows(Listing& all, const std::vector<const std::string*>& items) {
  std::string bytes = "[";
  std::size_t size = 2;
  for (const std::string* item : items) size += item->size() + 1;
  bytes.reserve(size);
  all.by_name.reserve(2 * all.rows.size());
  for (std::uint32_t i = 0; i < all.rows.size(); ++i) {
    const Row& row = *all.rows[i];
    all.by_name.emplace(row.name, &row);
    if (items[i]->empty()) continue;
    all.by_name.emplace(row.guid, &row);
    if (!all.listed.empty()) bytes += ',';
    const auto position = static_cast<std::uint32_t>(all.listed.size());
    all.listed.push_back(i);
    all.begin.push_back(static_cast<std::uint32_t>(bytes.size()));
    bytes += *items[i];
    all.end.push_back(static_cast<std::uint32_t>(bytes.size()));
    all.buckets[{row.name_space, row.domain, row.status}].push_back(position);
    all.by_unit[row.unit].push_back(position);
  }
  bytes += ']';
  all.list = std::make_shared<const std::string>(std::move(bytes));
}

}  // namespace

std::string goes_of(const Row& row, Instant now) {
  if (!row.expires) return row.goes;
  const Duration left = *row.expires - now;
  return left <= Duration::zero() ? "now" : "in " + about(left) + ", at " + clock_time(*row.expires, now) + " UTC";
}

Ailment ailment_of(const Row& row) {
  if (row.status == StackStatus::kGarbage || row.status == StackStatus::kTerminated) return Ailment::kNone;
  if (row.status == StackStatus::kFailed) return row.wanted ? Ailment::kFailed : Ailment::kNone;
  return row.sick > 0 ? Ailment::kSick : row.restarted_at ? Ailment::kMended : Ailment::kNone;
}

std::string some_of(const std::vector<std::string>& names, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < limit; ++i) out += (i > 0 ? ", " : "") + names[i];
  if (names.size() > limit) out += " and " + std::to_string(names.size() - limit) + " more";
  return out;
}

std::shared_ptr<const Index> make_index(const ViewInput& input, const View* previous) {
  auto index = std::make_shared<Index>();
  if (!renew_blocks(*index, input, previous) && previous != nullptr) return previous->index;
  return index;
}

Listing::Listing(const SharedMap<CellKey, std::shared_ptr<const Block>>& blocks) {
  std::vector<const std::string*> items;
  order_rows(blocks, *this, items);
  list_rows(*this, items);
}

}  // namespace nelson::status
