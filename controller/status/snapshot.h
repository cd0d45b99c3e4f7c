#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "controller/status/view.h"
#include "reconcilers/neighbours.h"
#include "reconcilers/status.h"

namespace nelson {

namespace status {

/// One stack, or what Git wants and is not there yet, in the words in which it is shown.
struct Row {
  std::string name, domain, name_space, unit, plan, repository, commit, version;
  std::string guid;             // "" while nothing was ever launched under the name
  std::string workflow;         // what brings stacks up there
  std::string recorded_commit;  // of its record
  Version version_number;
  StackStatus status = StackStatus::kPending;
  bool wanted = false, job = false, serves = false;
  bool arrived = false;  // wanted, ready and, with ports, all traffic of its major goes to the release; a job: not failed for good
  std::int32_t percent = 0;  // of its service's traffic; only when it serves
  std::int32_t instances = 0, healthy = 0, restarts = 0;
  std::int32_t running = 0, sick = 0;  // instances there are; those that wait to be started again or fail their checks
  std::optional<Instant> sick_since;
  std::optional<Instant> restarted_at;  // when an instance that is well now was last started again; only lately
  std::string last_end;                 // why it had ended
  std::optional<Instant> launched, ready;
  std::optional<Instant> expires;  // set: nothing keeps it, and it goes then
  Duration extended_lifetime{};
  std::vector<std::string> callers;
  std::vector<Endpoint> addresses;  // of its service, where it is in force
  std::string away;                 // why it is wanted and well, and not there; "" when it is not so
  std::string why;                  // why it lives
  std::string goes;                 // when it goes, unless `expires` says it
  std::string detail;               // what its instances complain of
};

/// How long what was mended is still told.
inline constexpr Duration kMendedShown = std::chrono::minutes(10);

/// Whether it has failed for good, or has, or lately had, instances in trouble that somebody should hear of.
enum class Ailment { kNone, kSick, kMended, kFailed };
[[nodiscard]] Ailment ailment_of(const Row& row);

/// When it goes, in words.
[[nodiscard]] std::string goes_of(const Row& row, Instant now);

/// The rows of one cell, as long as nothing about it changes.
struct Block {
  std::vector<Row> rows;               // by (namespace, version, plan, name)
  std::vector<std::string> items;      // of /v1/deployments, one a row; "" for a row that is not listed
  std::optional<Instant> valid_until;  // time alone changes it then
};

/// Something that somebody may have to do something about.
struct Trouble {
  enum class Level { kError, kWarning, kNotice } level = Level::kError;
  int rank = 0;       // smaller is told first
  std::string what;   // units concerned: "checkout, cart and 3 more"
  std::string place;  // file:line in a repository at a commit; a stack; a part of a domain
  std::string cause, way_out;
  std::string underlined;  // the line of the file and what of it is meant, as `underlined()` gives it; "" when not known
  std::string code;
  std::string repository, commit, domain, name_space, unit, subject;  // what applies, for machines
  std::set<std::string> units;  // all that are concerned, when they are several: then `unit` and `subject` are ""
  std::optional<Instant> since;
  std::size_t times = 1;  // how many of the same were folded into this one
};

/// Rows of one (namespace, domain, unit), next to each other.
struct Group {
  std::size_t first = 0, last = 0;  // [first, last) in Index::rows
  bool moving = false;              // a wanted stack has not arrived
};

/// All rows in order, and ways into them. Points into blocks.
struct Listing {
  explicit Listing(const SharedMap<CellKey, std::shared_ptr<const Block>>& blocks);

  std::vector<const Row*> rows;  // by (namespace, domain, unit, version, plan, name)
  std::vector<Group> groups;     // in the order of rows

  // The list of deployments: `list` is "[item,item,...]", item i being [begin[i], end[i]) and about *rows[listed[i]].
  std::shared_ptr<const std::string> list;
  std::vector<std::uint32_t> begin, end, listed;
  using BucketKey = std::tuple<std::string, std::string, StackStatus>;       // namespace, domain, status
  std::map<BucketKey, std::vector<std::uint32_t>> buckets;                   // positions in `listed`, rising
  std::unordered_map<std::string_view, std::vector<std::uint32_t>> by_unit;  // likewise
  std::unordered_map<std::string_view, const Row*> by_name;                  // by stack name and by guid

  [[nodiscard]] const Row* find(std::string_view name_or_guid) const {
    const auto at = by_name.find(name_or_guid);
    return at == by_name.end() ? nullptr : at->second;
  }
};

/// The rows of all cells. What a pass changed costs what it changed; the listing, which costs all rows, is made when somebody first asks.
struct Index {
  SharedMap<CellKey, std::shared_ptr<const Block>> blocks;
  Neighbours neighbours;                        // of the inputs that the blocks were made from
  std::set<std::pair<Instant, CellKey>> aging;  // cells whose blocks have a valid_until
  std::set<CellKey> ailing;                     // cells with a row that has an ailment

  /// From any thread.
  [[nodiscard]] const Listing& listing() const {
    std::call_once(listed_, [this] { listing_.emplace(blocks); });
    return *listing_;
  }

 private:
  mutable std::once_flag listed_;
  mutable std::optional<Listing> listing_;
};

}  // namespace status

class View {
 public:
  View(ViewInput given, const View* previous);
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  const ViewInput input;
  const std::map<std::string, Instant> since;        // by subject, whatever is wrong now
  const std::shared_ptr<const status::Index> index;  // never null; shared with the previous view when nothing changed
  const std::vector<status::Trouble> trouble;        // worst first
  const bool answered;                               // every domain's scheduler and records were read
  const bool converged;                              // so it was, and nothing was due

  /// What is there of a row's stack; null when nothing is.
  [[nodiscard]] const ObservedStack* observed(const status::Row& row) const;

  [[nodiscard]] const status::Listing& listing() const { return index->listing(); }

  /// The body of /v1/status, made when it is first asked for.
  [[nodiscard]] std::shared_ptr<const std::string> status_json() const;

 private:
  mutable std::once_flag status_once_;
  mutable std::shared_ptr<const std::string> status_json_;
};

namespace status {

/// Makes the index of `input`, taking from `previous` what is as it was.
[[nodiscard]] std::shared_ptr<const Index> make_index(const ViewInput& input, const View* previous);
[[nodiscard]] std::vector<Trouble> find_trouble(const ViewInput& input, const std::map<std::string, Instant>& since,
                                                const Index& index);

/// What to say of a view that was published `age` ago; nothing while that is not longer than it should be.
[[nodiscard]] std::optional<Trouble> staleness(const View& view, Duration age);

/// "a, b and 3 more".
[[nodiscard]] std::string some_of(const std::vector<std::string>& names, std::size_t limit);

}  // namespace status
}  // namespace nelson
