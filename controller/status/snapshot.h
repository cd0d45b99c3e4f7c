#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "controller/status/view.h"
#include "reconcilers/status.h"

namespace nelson {

namespace status {

/// One stack, or what Git wants and is not there yet, in the words in which it is shown.
struct Row {
  std::string name, domain, name_space, unit, plan, repository, commit, version;
  std::string guid;                         // "" while nothing was ever launched under the name
  const ObservedStack* observed = nullptr;  // null while nothing is there
  Version version_number;
  StackStatus status = StackStatus::kPending;
  bool wanted = false, job = false, serves = false;
  bool arrived = false;      // wanted, ready and, with ports, all traffic of its major goes to the release
  std::int32_t percent = 0;  // of its service's traffic; only when it serves
  std::int32_t instances = 0, healthy = 0, restarts = 0;
  std::optional<Instant> launched, ready;
  std::optional<Instant> expires;  // set: nothing keeps it, and it goes then
  Duration extended_lifetime{};
  std::vector<std::string> callers;
  std::string why, goes;  // why it lives; when it goes
  std::string detail;     // what its instances complain of
};

/// Something that somebody may have to do something about.
struct Trouble {
  enum class Level { kError, kWarning, kNotice } level = Level::kError;
  int rank = 0;       // smaller is told first
  std::string what;   // units concerned: "checkout, cart and 3 more"
  std::string place;  // file:line in a repository at a commit; a stack; a part of a domain
  std::string cause, way_out;
  std::string code;
  std::string repository, commit, domain, name_space, unit, subject;  // what applies, for machines
  std::optional<Instant> since;
  std::size_t times = 1;  // how many of the same were folded into this one
};

/// Rows of one (namespace, domain, unit), next to each other.
struct Group {
  std::size_t first = 0, last = 0;  // [first, last) in View::rows
  bool moving = false;              // a wanted stack has not arrived
  bool troubled = false;
};

}  // namespace status

class View {
 public:
  explicit View(ViewInput given);
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  const ViewInput input;
  std::vector<status::Row> rows;         // by (namespace, domain, unit, version, name)
  std::vector<status::Group> groups;     // in the order of rows
  std::vector<status::Trouble> trouble;  // worst first
  bool answered = false;                 // every domain's scheduler and records were read

  // The list of deployments: `list` is "[item,item,...]", item i being [begin[i], end[i]) and about rows[listed[i]].
  std::shared_ptr<const std::string> list;
  std::vector<std::uint32_t> begin, end, listed;
  using BucketKey = std::tuple<std::string, std::string, StackStatus>;  // namespace, domain, status
  std::map<BucketKey, std::vector<std::uint32_t>> buckets;              // positions in `listed`, rising
  std::unordered_map<std::string, std::vector<std::uint32_t>> by_unit;  // likewise
  std::unordered_map<std::string, std::uint32_t> by_name;               // stack name or guid -> row

  /// The body of /v1/status, made when it is first asked for.
  [[nodiscard]] std::shared_ptr<const std::string> status_json() const;

 private:
  mutable std::once_flag status_once_;
  mutable std::shared_ptr<const std::string> status_json_;
};

namespace status {

[[nodiscard]] std::vector<Row> make_rows(const ViewInput& input);
[[nodiscard]] std::vector<Trouble> find_trouble(const ViewInput& input, const std::vector<Row>& rows);

/// "a, b and 3 more".
[[nodiscard]] std::string some_of(const std::vector<std::string>& names, std::size_t limit);

}  // namespace status
}  // namespace nelson
