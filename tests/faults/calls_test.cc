#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <functional>
#include <iostream>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "tests/faults/yard.h"

// The n-th call fails, or the process dies there. Whatever was done and whatever was not: after it, and a restart where one is needed,
// exactly what Git wants runs, nothing was started twice, and nothing is forgotten.
//
// Each row of the table is tried at NELSON_FAULTS_CASES places of each workload ("all": at every one), spread from an offset that
// NELSON_SEED gives.

namespace nelson::faults {
namespace {

using datacenter::wait_until;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kStopsWithin = Seconds(1);
constexpr std::uint32_t kTakesRoom = kOpen | kWrite | kTruncate | kLink | kMkdir;

struct Fault {
  const char* name;
  Rule rule;
};

struct Group {
  const char* name;
  std::vector<Fault> faults;
};
void PrintTo(const Group& group, std::ostream* out) { *out << group.name; }

const std::vector<Group>& groups() {
  static const std::vector<Group> kGroups = {
      {"that_kills_the_controller", {{"killed before", {Deed::kKillBefore}}, {"killed after", {Deed::kKillAfter}}}},
      {"that_fails",
       {{"EIO", {Deed::kFail, kAll, EIO}},
        {"failed sync", {Deed::kFail, kSync, EIO}},
        {"ENOSPC", {Deed::kFail, kTakesRoom, ENOSPC}},
        {"EDQUOT", {Deed::kFail, kTakesRoom, EDQUOT}},
        {"short write", {Deed::kCutShort, kWrite}}}},
      {"from_which_the_disk_stays_full", {{"full disk", {Deed::kFailFrom, kSpace, ENOSPC, 1, "", kRun | kSupervise | kGitWorker}}}},
      {"of_a_supervisor_or_a_Git_child",
       {{"supervisor killed", {Deed::kKillBefore, kAll, 0, 1, "", kSupervise}},
        {"EIO of a supervisor", {Deed::kFail, kAll, EIO, 1, "", kSupervise}},
        {"Git child killed", {Deed::kKillBefore, kAll, 0, 1, "", kGitWorker}},
        {"EIO of a Git child", {Deed::kFail, kAll, EIO, 1, "", kGitWorker}}}},
  };
  return kGroups;
}

struct Workload {
  const char* name;
  bool started;                 // the world is settled when it begins
  void (*begin)(Lane& lane);    // brings the world to where it begins
  void (*set_off)(Lane& lane);  // after the rule was given; does not wait
};

const Workload kWorkloads[] = {
    {"the first start", false, [](Lane& lane) { lane.begin_anew(); }, [](Lane& lane) { lane.start(); }},
    {"a release, shift and retirement", true, [](Lane& lane) { static_cast<void>(lane.be_settled()); },
     [](Lane& lane) { lane.push_next(); }},
};
constexpr std::size_t kWorkloadCount = std::size(kWorkloads);

struct Case {
  const Fault* fault;
  std::size_t workload;
  std::uint64_t nth;
  std::vector<std::string> findings;
  std::string hit;  // the call that was met; "" when the workload ended before
};

/// A life of one case in one lane.
class Trial {
 public:
  Trial(Lane& lane, Case& on) : lane_(lane), case_(on), rule_(on.fault->rule) {}

  void run() {
    const Workload& workload = kWorkloads[case_.workload];
    workload.begin(lane_);
    if (workload.started && !lane_.settled()) return find("the world was not settled before it began" + lane_.world().why());
    lane_.begin_log();
    lane_.shim().clear_log();
    rule_.nth = case_.nth;
    lane_.shim().give(rule_);
    workload.set_off(lane_);
    wait_until(Seconds(60), [this] { return lane_.shim().done() > 0 || lane_.settled(); });
    judge_at_once();
    lane_.shim().take_back();
    wait_until(Seconds(60), [this] { return lane_.settled() || has_ended(); });
    if (has_ended() && !may_end_) find("it ended: " + lane_.said());
    if (has_ended() && !lane_.start()) return find("it does not start again: " + lane_.said());
    if (!lane_.wait_settled()) return find("it does not settle" + lane_.world().why());
    // What was begun before the store failed has its intent there, and the next start finds it open.
    if (!effects_after_.empty() && lane_.said().find("an effect was cut off") == std::string::npos)
      for (const std::string& effect : effects_after_) find("an effect without its intent: " + effect);
    if ((rule_.roles & kSupervise) != 0 && rule_.deed == Deed::kKillBefore) lane_.allow_for_dead_supervisors();
    for (std::string& finding : lane_.findings()) find(std::move(finding));
    if (has_ended()) find("it ended after all: " + lane_.said());
  }

 private:
  void find(std::string what) { case_.findings.push_back(std::move(what)); }

  [[nodiscard]] std::optional<Call> met() const {
    for (const Call& call : lane_.shim().log())
      if (call.tampered()) return call;
    return std::nullopt;
  }

  /// What must be so while the fault is there, or right after it.
  void judge_at_once() {
    std::optional<Call> call;
    wait_until(Seconds(2), [&] { return lane_.shim().done() == 0 || (call = met()).has_value(); });
    if (!call) return;
    case_.hit = call->role + " " + call->text();
    const bool of_run = call->role == "run";
    const bool kills = rule_.deed == Deed::kKillBefore || rule_.deed == Deed::kKillAfter;
    // While a disk stays full the store meets it too, sooner or later.
    may_end_ = (of_run && (kills || of_store(*call))) || rule_.deed == Deed::kFailFrom;
    if (kills && of_run) {
      const auto status = lane_.world().controller().wait(Seconds(10));
      if (status != 128 + SIGKILL) find("it was to be killed and did not die so: " + std::to_string(status.value_or(-1)));
      return;
    }
    if (of_run && of_store(*call)) return judge_store(*call);
    if (rule_.deed == Deed::kFailFrom) return judge_full_disk(*call);
    if (!was_started()) return;  // it may be on its way to answer
    if (!lane_.world().status().answered) find("the status server does not answer: " + lane_.said());
  }

  [[nodiscard]] bool of_store(const Call& call) const { return call.path.starts_with(lane_.world().store_folder()); }
  [[nodiscard]] bool of_domain(const Call& call) const { return call.path.starts_with(lane_.world().domain_folder()); }
  [[nodiscard]] bool was_started() const { return kWorkloads[case_.workload].started; }
  [[nodiscard]] bool has_ended() const { return !lane_.world().controller().running(); }

  /// A fault of the store stops the process at once, loudly; at start it may also be one that harms nothing.
  void judge_store(const Call& call) {
    wait_until(Seconds(10), [this] { return has_ended() || (!was_started() && lane_.settled()); });
    const milliseconds took(Clock::now().time_since_epoch() / milliseconds(1) - call.at / 1'000'000);
    const std::optional<int> status = lane_.world().controller().wait(milliseconds(0));
    if (!status) {
      if (was_started()) find("it goes on after its store failed");
      return;
    }
    const std::string said = lane_.said();
    if (*status != 70 && (was_started() || *status != 2)) find("it ended with " + std::to_string(*status) + ": " + said);
    if (took > kStopsWithin + milliseconds(200)) find("it took " + std::to_string(took.count()) + " ms to end");
    if (said.find(lane_.world().store_folder()) == std::string::npos) find("what it said does not name the store: " + said);
    bool after = false;
    for (const Call& other : lane_.shim().log()) {
      if (after && other.pid == call.pid && (other.calls & kSync) != 0 && other.path == call.path)
        find("a second sync: " + other.text());
      if (after && other.role == "run" && of_domain(other)) effects_after_.push_back(other.text());
      after = after || (other.at == call.at && other.text() == call.text());
    }
  }

  /// The domain's or the mirrors' disk is full: said on the page, and nothing else stops.
  void judge_full_disk(const Call& call) {
    if (!was_started() && !wait_until(Seconds(10), [this] { return lane_.world().status().answered; })) return;
    // A supervisor's own files are written again each second, and a log line is nobody's trouble.
    const bool must_tell = call.role == "run";
    if (must_tell && !wait_until(Seconds(20), [this] { return lane_.trouble() || has_ended(); }) && !lane_.settled())
      find("nothing is told of a full disk" + lane_.world().why());
    if (has_ended() && lane_.said().find(lane_.world().store_folder() + "/database cannot be written") == std::string::npos)
      find("a full disk ended it, and not by its store: " + lane_.said());
  }

  Lane& lane_;
  Case& case_;
  Rule rule_;
  bool may_end_ = false;
  std::vector<std::string> effects_after_;  // the store had failed
};

/// What the workloads call when nothing fails.
class Recorded {
 public:
  static const Recorded& instance() {
    static const Recorded recorded;
    return recorded;
  }

  [[nodiscard]] std::uint64_t calls(std::size_t workload, const Rule& rule) const {
    const auto& log = logs_[workload];
    return static_cast<std::uint64_t>(std::count_if(log.begin(), log.end(), [&](const Call& call) { return matches(rule, call); }));
  }

 private:
  Recorded() {
    Yard::instance().share_out(kWorkloadCount, [this](Lane& lane, std::size_t i) {
      kWorkloads[i].begin(lane);
      lane.shim().clear_log();
      kWorkloads[i].set_off(lane);
      EXPECT_TRUE(lane.wait_settled()) << lane.world().why();
      logs_[i] = lane.shim().log();
      for (const std::string& finding : lane.findings()) ADD_FAILURE() << finding;
    });
  }

  std::vector<Call> logs_[kWorkloadCount];
};

class EveryCall : public testing::TestWithParam<Group> {};

TEST_P(EveryCall, IsSurvived) {
  ASSERT_EQ(Yard::instance().broken(), "");
  const char* const wanted = std::getenv("NELSON_FAULTS_CASES");
  const bool all = wanted != nullptr && std::string_view(wanted) == "all";
  std::mt19937_64 random(seed());
  std::vector<Case> cases;
  for (const Fault& fault : GetParam().faults)
    for (std::size_t workload = 0; workload < kWorkloadCount; ++workload) {
      const std::uint64_t total = Recorded::instance().calls(workload, fault.rule);
      ASSERT_GT(total, 0U) << fault.name << ": " << kWorkloads[workload].name << " makes no such call";
      const std::uint64_t count = all ? total : std::min(total, number_from("NELSON_FAULTS_CASES", 2));
      const std::uint64_t offset = random() % (total / count);
      for (std::uint64_t i = 0; i < count; ++i) cases.push_back({&fault, workload, 1 + offset + i * total / count, {}, ""});
    }
  Yard::instance().share_out(cases.size(), [&cases](Lane& lane, std::size_t i) { Trial(lane, cases[i]).run(); });
  std::size_t met = 0;
  for (const Case& one : cases) {
    met += one.hit.empty() ? 0 : 1;
    const std::string what = std::string(one.fault->name) + ", " + kWorkloads[one.workload].name + ", call " +
                             std::to_string(one.nth) + ": " + (one.hit.empty() ? "not reached" : one.hit);
    std::cout << "  " << what << "\n";
    for (const std::string& finding : one.findings) ADD_FAILURE() << "NELSON_SEED=" << seed() << " " << what << "\n" << finding;
  }
  // The number of calls of a workload differs a little from run to run.
  EXPECT_GE(4 * met, 3 * cases.size()) << "too few of the cases came to their call";
}

INSTANTIATE_TEST_SUITE_P(Table, EveryCall, testing::ValuesIn(groups()), [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace nelson::faults
