#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "controller/loop/observe.h"
#include "controller/loop/perform.h"
#include "controller/loop/worker.h"

namespace nelson {

using OpenDomain = std::function<Result<Domain>(const DomainSettings&, const DomainContext&)>;

struct DomainsOptions {
  OpenDomain open;  // open_domain, or a test's
  ExportTree export_tree;
  std::function<void()> changed;                                 // from any thread: something happened, look again
  std::string holder;                                            // for the lock: "nelson run on HOST, pid N, since T"
  bool read_only = false;                                        // nothing is locked, and perform must not be called
  std::chrono::milliseconds patience = std::chrono::seconds(3);  // how long a pass waits for a domain

  // Threads and time. A simulation, which has one thread and a clock of its own, puts others in their place.
  std::function<std::unique_ptr<Worker>(const std::string& domain)> worker = [](const std::string&) {
    return std::make_unique<ThreadWorker>();
  };
  std::function<SteadyTime()> steady_now = &std::chrono::steady_clock::now;
};

/// One thing to bring about in a domain, as the journal knows it.
struct Step {
  std::uint64_t sequence = 0;
  std::string domain;
  std::variant<Claim, Action> what;
};

/// What became of a step. `tried` is false when an earlier failure (see failure_scope; or one of the claim) kept it from being tried.
struct Done {
  Step step;
  Status status;
  bool tried = true;
};

/// The domains that Git names, each with a worker of its own: they are asked and acted on at the same time, and one that fails or
/// hangs delays no other: a pass waits for it once, at most `patience`, and from then on takes its answer when it comes. One thread.
class Domains {
 public:
  explicit Domains(DomainsOptions options);
  /// Waits for calls under way.
  ~Domains();

  /// Opens what `desired` names newly, opens again what has other settings now, and lets go of the rest: what runs there goes on running.
  void align(const Desired& desired);

  /// What every domain says. Claims are reported, not judged. Shares with what was returned before what is the same.
  Observed observe();

  /// Whether connections are on their way out somewhere, as last observed.
  [[nodiscard]] bool drains() const;
  /// Whether every domain has been opened, or has said why not.
  [[nodiscard]] bool all_answered() const;
  /// The first domain that another controller holds; the message names the holder.
  [[nodiscard]] std::optional<Error> held_by_another() const;
  /// Whether every lock is still ours; the error names the domain. Busy domains check for themselves before each effect.
  [[nodiscard]] Status check_locks() const;

  /// Whether `perform` may be called for it.
  [[nodiscard]] bool ready(const std::string& domain) const;
  /// Begins to carry out `steps` in their order.
  void perform(const std::string& domain, std::vector<Step> steps, Instant now);
  /// What has become of all steps begun, waiting for those under way at most `patience`; what takes longer is given by a later call.
  std::vector<Done> finished(bool wait);

 private:
  struct Slot;
  [[nodiscard]] static bool is_free(const Slot& slot);
  [[nodiscard]] std::function<void()> tell_if_late(Slot& slot) const;
  void start_observation(Slot& slot);
  void open(Slot& slot) const;
  void forget(const std::string& domain);

  DomainsOptions options_;
  std::map<std::string, std::unique_ptr<Slot>> slots_;
  std::vector<std::unique_ptr<Slot>> leaving_;  // still busy when Git stopped naming them
  Observed observed_;                           // as last returned
};

}  // namespace nelson
