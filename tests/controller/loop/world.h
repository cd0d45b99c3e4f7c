#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "controller/loop/engine.h"

namespace nelson::test {

/// What happened, in order, as words: "intend launch", "put basket--1", "present basket--1", "settle 1 done".
class Story {
 public:
  void add(std::string line) {
    const std::lock_guard guard(mutex_);
    lines_.push_back(std::move(line));
  }
  std::vector<std::string> take() {
    const std::lock_guard guard(mutex_);
    return std::exchange(lines_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// One domain whose parts do what they are asked at once, note it in the story, and fail or hang on demand. It lives longer than the
/// Domain objects that open() gives away, as a real one does.
class TestDomain {
 public:
  explicit TestDomain(Story& story) : story_(story) {}

  Result<Domain> open(const DomainSettings& settings, const DomainContext& context);

  /// From now on a call whose line is `line` fails with `error`, until the next `mend`.
  void fail(const std::string& line, Error error);
  void mend();
  /// From now on a call whose line is `line` waits for release().
  void hang(const std::string& line);
  void release();

  Status call(const std::string& line);

  // The world. Only while nobody calls.
  std::map<std::string, Running> running;
  std::map<std::string, StackRecord> records;
  std::map<TrafficKey, TrafficRecord> traffic;
  std::map<std::string, std::string> published;
  std::map<TrafficKey, Route> routes;
  std::vector<Sessions> sessions;
  std::vector<std::string> damaged, foreign;
  std::optional<Claim> claim;
  std::string lock_holder;
  bool lock_lost = false;
  bool has_balancer = true;
  int opened = 0;

 private:
  Story& story_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Error> failures_;
  std::set<std::string> hanging_;
};

/// A store in memory that tells its writes; `broken` and `full` ones refuse them as a real one's would be.
class TestStore : public Store {
 public:
  explicit TestStore(Story& story) : story_(story) {}

  std::string rebuilt() const override { return ""; }
  std::optional<RefusedStart> refused_start() const override { return std::nullopt; }
  Status intend(std::vector<JournalEntry>& entries) override;
  Status settle(std::span<const Settlement> settlements, Instant now) override;
  Result<std::vector<JournalEntry>> open_intents() const override;
  Status settle_unknown(std::span<const std::uint64_t> sequences, Instant now) override;
  Result<std::vector<JournalEntry>> history(const std::string& stack, std::uint64_t before, std::size_t limit) const override;
  Status record_pass(const Desired& desired, const Observed& observed, Instant now, const std::string& plan_digest) override;
  Result<ReplayedPass> replay(std::uint64_t) const override { return invalid("not kept"); }
  Result<std::vector<PassRecord>> passes() const override { return passes_; }
  Result<std::map<std::string, Instant>> first_seen(const std::vector<std::string>& subjects, Instant now) override;
  std::optional<Instant> last_instant() const override { return last_; }
  std::uint64_t last_pass() const override { return passes_.size(); }
  Counters counters() const override { return {}; }
  std::vector<std::string> damages() const override { return damages_; }

  std::vector<JournalEntry> entries;
  std::vector<std::string> damages_;
  std::optional<Instant> last_;
  bool broken = false, full = false;

 private:
  Status write(const std::string& line);

  Story& story_;
  std::vector<PassRecord> passes_;
  std::map<std::string, Instant> seen_;
  std::optional<Observed> recorded_;
};

/// Clocks that move by hand.
struct TestClocks {
  Instant wall{std::chrono::hours(500'000)};
  Duration boot = std::chrono::hours(7);

  ClockSources sources() {
    return {[this] { return wall; }, [this] { return boot; }};
  }
  void pass(Duration d) {
    wall += d;
    boot += d;
  }
};

[[nodiscard]] Identity identity_of(const std::string& unit, const std::string& domain = "d");
[[nodiscard]] StackRecord record_of(const Identity& identity);
[[nodiscard]] Launch launch_of(const Identity& identity);
[[nodiscard]] Action action_on(const std::string& unit, Effect effect, const std::string& domain = "d");
[[nodiscard]] Desired desired_with(const std::vector<std::string>& domains);

}  // namespace nelson::test
