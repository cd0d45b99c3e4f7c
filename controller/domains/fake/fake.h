#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/domains/domain.h"

namespace nelson {

/// How a stack's instances behave in a FakeWorld. What happened already is not changed by another behaviour.
struct FakeBehaviour {
  Duration start = std::chrono::seconds(1);    // from submission to running
  Duration healthy = std::chrono::seconds(2);  // from running to the first passing check
  Duration stop = std::chrono::seconds(1);     // from the wish to end to the end
  bool sick = false;                           // its checks fail
  bool crashes = false;                        // it exits as soon as it ran
  Duration job = std::chrono::seconds(5);      // how long a run of a job takes
  bool job_fails = false;
  Duration job_every{};  // a periodic job's schedule in this world; 0 is never

  bool operator==(const FakeBehaviour&) const = default;
};

enum class FakePart { kScheduler, kMemory, kDiscovery, kBalancer };

/// The versions that a part was seen in, so that it can answer from the past: the first one and the last few.
template <class View>
class FakePast {
 public:
  /// `view`, or what was seen `versions` versions before it.
  View seen(View view, int versions) {
    if (views_.empty() || !(views_.back() == view)) views_.push_back(std::move(view));
    if (views_.size() > kKept) views_.erase(views_.begin() + 1);
    const std::size_t back = std::min(static_cast<std::size_t>(versions), views_.size() - 1);
    return views_[views_.size() - 1 - back];
  }

 private:
  static constexpr std::size_t kKept = 8;
  std::vector<View> views_;
};

/// A record with the revision that writes are compared with.
template <class Record>
struct FakeKept {
  Record record;
  std::uint64_t revision = 0;
};

/// All that is in a FakeWorld, as nobody in it may see it: for assertions.
struct FakeTruth {
  std::map<std::string, Running> running;     // by stack, of every owner
  std::map<std::string, std::string> owners;  // of what runs
  std::set<std::string> foreign;
  std::map<std::string, StackRecord> records;
  std::map<TrafficKey, TrafficRecord> traffic;
  std::optional<Claim> claim;
  std::map<std::string, std::string> published;
  std::map<TrafficKey, Route> routes;
  std::vector<Sessions> sessions;  // by (stack, index)

  bool operator==(const FakeTruth&) const = default;
};

/// One simulated domain: what runs, is remembered, published and balanced in it, and a clock that only advance() moves. It outlives the
/// parts that are opened on it, as a datacenter outlives its controllers, and is used from one thread. Equal calls give equal worlds.
class FakeWorld {
 public:
  explicit FakeWorld(Instant start) : now_(start) {}

  [[nodiscard]] Instant now() const { return now_; }
  /// Time passes: instances start, pass their checks, end; runs and sessions end.
  void advance(Duration length);
  /// When the next of these happens by itself; nothing when none will.
  [[nodiscard]] std::optional<Instant> next_change() const;

  /// The parts of a domain on this world. `owner` is whose stacks they show; others' are foreign.
  [[nodiscard]] Domain open(const DomainSettings& settings, const std::string& owner);

  // ---- the script

  /// From now on: of a stack by name, or of every stack of a unit.
  void behave(const std::string& stack_or_unit, const FakeBehaviour& behaviour);
  /// An instance ends without being asked to, and is started again (in backoff until `start` has passed); nothing when it is not there.
  void kill_instance(const std::string& stack, std::int32_t index);
  /// Everything that ran is gone at once, as after a reboot; records stay.
  void reboot();
  /// The stack is gone without anybody's wish.
  void lose(const std::string& stack);
  /// `count` connections to an instance, which end by themselves after `length`.
  void connect(const std::string& stack, std::int32_t index, std::int32_t count, Duration length);
  /// Something that carries no metadata of ours.
  void add_foreign(const std::string& name) { foreign_.insert(name); }
  /// Every call of the part fails with this error until it is mended with nothing.
  void break_part(FakePart part, std::optional<Error> error);
  /// From now on what each part was seen in is kept, so that it can answer from the past.
  void remember_views() { remembers_ = true; }
  /// The next observation of the part is answered as it was `versions` versions before: by a follower, say. At most the oldest kept, which
  /// is the first one. What is then written goes by the revisions of that time.
  void answer_from_past(FakePart part, int versions) { from_past_[part] = versions; }
  /// Another controller's hand in the records.
  void write_by_another(const StackRecord& record);
  void write_by_another(const TrafficRecord& record);
  void write_by_another(const Claim& claim);
  /// A record that cannot be read any more.
  void damage(const std::string& stack) { damaged_.insert(stack), ++revision_; }
  /// The lock's file is gone, say: whoever held it does not hold it any more.
  void break_lock() { lock_holder_.clear(), ++lock_round_; }

  // ---- for assertions

  [[nodiscard]] FakeTruth truth() const;
  /// How often an effect was performed, by word: "start" and "stop" (instances), "put", "drop", "publish", "unpublish", "serve", "unserve".
  [[nodiscard]] int count(const std::string& word) const;
  [[nodiscard]] const std::map<TrafficKey, Route>& routes() const { return routes_; }
  /// Living instances of a stack.
  [[nodiscard]] std::size_t living(const std::string& stack) const;

 private:
  friend class FakeScheduler;
  friend class FakeMemory;
  friend class FakeDiscovery;
  friend class FakeBalancer;

  struct FakeInstance {
    Instance instance;
    Instant next{};  // when its state changes, if it does
  };
  struct FakeStack {
    std::string owner;
    Running running;  // without its instances
    bool has_checks = false;
    std::string schedule;
    std::vector<Port> ports;
    std::map<std::int32_t, FakeInstance> instances;
    Instant stopped_at{};  // when it will be gone
    Instant next_run{};
    Instant run_ends{};
  };
  struct Connections {
    Sessions sessions;
    Instant ends{};
    bool leaving = false;
  };
  /// Records with the revisions that writes are compared with.
  struct SeenRecords {
    MemoryView view;
    std::map<std::string, std::uint64_t> stacks;
    std::map<TrafficKey, std::uint64_t> traffic;
    std::uint64_t claim = 0;

    bool operator==(const SeenRecords&) const = default;
  };

  [[nodiscard]] const FakeBehaviour& behaviour_of(const std::string& stack) const;
  [[nodiscard]] std::optional<Error> broken(FakePart part) const;
  void settle();
  void settle_instance(const std::string& stack, FakeStack& running, FakeInstance& instance);
  void settle_job(const std::string& stack, FakeStack& running);
  void start_instance(const std::string& stack, FakeStack& running, std::int32_t index);
  void start_run(const std::string& stack, FakeStack& running);
  void leave(const Route& before, const Route* after, Duration drain_limit);
  [[nodiscard]] std::vector<Sessions> open_sessions() const;
  [[nodiscard]] static Running as_seen(const FakeStack& stack);
  template <class View>
  View seen(FakePart part, FakePast<View>& past, View view);

  Instant now_;
  std::map<std::string, FakeBehaviour> behaviours_;
  std::map<std::string, FakeStack> stacks_;
  std::set<std::string> foreign_;
  std::uint16_t next_port_ = 20000;

  std::map<std::string, FakeKept<StackRecord>> records_;
  std::map<TrafficKey, FakeKept<TrafficRecord>> traffic_;
  std::optional<FakeKept<Claim>> claim_;
  std::set<std::string> damaged_;
  std::uint64_t revision_ = 0;                                  // goes on with every change of records, traffic, claim and damage
  std::optional<std::pair<std::uint64_t, SeenRecords>> as_of_;  // what observing shows, made once a revision
  std::string lock_holder_;
  std::uint64_t lock_round_ = 0;

  std::map<std::string, std::string> published_;
  std::map<TrafficKey, Route> routes_;
  std::vector<Connections> connections_;
  std::map<FakePart, Error> broken_;
  bool remembers_ = false;
  std::map<FakePart, int> from_past_;
  FakePast<SchedulerView> past_scheduler_;
  FakePast<SeenRecords> past_memory_;
  FakePast<DiscoveryView> past_discovery_;
  FakePast<BalancerView> past_balancer_;
  std::map<std::string, int> counts_;
};

template <class View>
View FakeWorld::seen(FakePart part, FakePast<View>& past, View view) {
  if (!remembers_) return view;
  const auto asked = from_past_.extract(part);
  return past.seen(std::move(view), asked.empty() ? 0 : asked.mapped());
}

}  // namespace nelson
