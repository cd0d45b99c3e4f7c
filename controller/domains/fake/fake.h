#pragma once

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

/// One simulated domain: what runs, is remembered, published and balanced in it, and a clock that only advance() moves. It outlives the
/// parts that are opened on it, as a datacenter outlives its controllers, and is used from one thread. Equal calls give equal worlds.
class FakeWorld {
 public:
  explicit FakeWorld(Instant start) : now_(start) {}

  [[nodiscard]] Instant now() const { return now_; }
  /// Time passes: instances start, pass their checks, end; runs and sessions end.
  void advance(Duration length);

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
  /// Another controller's hand in the records.
  void write_by_another(const StackRecord& record);
  void write_by_another(const TrafficRecord& record);
  void write_by_another(const Claim& claim);
  /// A record that cannot be read any more.
  void damage(const std::string& stack) { damaged_.insert(stack); }
  /// The lock's file is gone, say: whoever held it does not hold it any more.
  void break_lock() { lock_holder_.clear(), ++lock_round_; }

  // ---- for assertions

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
  template <class Record>
  struct Kept {
    Record record;
    std::uint64_t revision = 0;
  };

  [[nodiscard]] const FakeBehaviour& behaviour_of(const std::string& stack) const;
  [[nodiscard]] std::optional<Error> broken(FakePart part) const;
  void settle();
  void settle_instance(const std::string& stack, FakeStack& running, FakeInstance& instance);
  void settle_job(const std::string& stack, FakeStack& running);
  void start_instance(const std::string& stack, FakeStack& running, std::int32_t index);
  void start_run(const std::string& stack, FakeStack& running);
  void leave(const Route& before, const Route* after, Duration drain_limit);

  Instant now_;
  std::map<std::string, FakeBehaviour> behaviours_;
  std::map<std::string, FakeStack> stacks_;
  std::set<std::string> foreign_;
  std::uint16_t next_port_ = 20000;

  std::map<std::string, Kept<StackRecord>> records_;
  std::map<TrafficKey, Kept<TrafficRecord>> traffic_;
  std::optional<Kept<Claim>> claim_;
  std::set<std::string> damaged_;
  std::uint64_t revision_ = 0;
  std::string lock_holder_;
  std::uint64_t lock_round_ = 0;

  std::map<std::string, std::string> published_;
  std::map<TrafficKey, Route> routes_;
  std::vector<Connections> connections_;
  std::map<FakePart, Error> broken_;
  std::map<std::string, int> counts_;
};

}  // namespace nelson
