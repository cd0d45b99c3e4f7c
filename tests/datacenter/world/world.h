#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/datacenter/world/process.h"

namespace nelson::datacenter {

/// What a unit of a test is to be.
struct Unit {
  std::string name = "basket";
  std::string version = "1.0.0";
  int instances = 2;
  std::string mode;  // of witness.py: "", "exit", "sick"
  std::string command = "[/usr/bin/python3, witness.py]";
  std::string plan;  // further lines of the plan, indented by four
};

/// One entry of what `/v1/status` says is wrong.
struct Trouble {
  std::string level, what, place, cause, way_out, code, since, unit, repository, subject;
};

/// One living stack as `/v1/status` shows it.
struct Stack {
  std::string name, unit, version, status, commit;
  std::optional<int> percent;
  int wanted_instances = 0, healthy = 0;
  bool wanted = false, arrived = false;
};

struct Status {
  bool answered = false;
  bool converged = false;
  std::string control_commit, store_notice;
  std::vector<Trouble> trouble;
  std::vector<Stack> stacks;

  /// The living stack of that version, nothing when there is none (yet).
  [[nodiscard]] std::optional<Stack> find(const std::string& unit, const std::string& version) const;
  [[nodiscard]] std::optional<Stack> find(const std::string& stack) const;
  /// Every trouble with that code, unit or cause containing `word`.
  [[nodiscard]] std::vector<Trouble> about(const std::string& word) const;
};

/// What domains/local.yml says. The times are short so that a life fits into a test.
struct Times {
  std::string shift = "4 seconds", initial = "3 seconds", extended = "3 seconds", drain = "10 seconds", grace = "2 seconds";
};

/// A machine of its own below a temporary folder: a control repository, application repositories, and the real program. Everything it
/// started is ended, by its id, and everything it made is removed when it goes, also after a failed test.
class World {
 public:
  explicit World(Times times = {});
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// What went wrong while the world was made; "" when it is good.
  [[nodiscard]] const std::string& broken() const { return broken_; }

  [[nodiscard]] std::string path(const std::string& relative) const { return folder_ + "/" + relative; }
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::string domain_folder() const { return domain_folder_; }
  [[nodiscard]] std::string store_folder() const { return store_folder_; }
  [[nodiscard]] std::string config() const { return path("site/nelson.yml"); }
  [[nodiscard]] const std::string& owner() const { return owner_; }
  [[nodiscard]] std::uint16_t page_port() const { return page_port_; }
  /// First ports of instances and of stable addresses; each range has fifty.
  [[nodiscard]] std::uint16_t instance_port() const { return static_cast<std::uint16_t>(page_port_ + 1); }

  // Git. Every function commits; those with "push" in their name also push to where nelson looks.

  /// A bare repository and a working copy at path(name), with a file in repositories/.
  void add_repository(const std::string& name);
  /// Writes manifest, deployable and program of one unit and pushes. Returns the commit's id.
  std::string push_unit(const std::string& repository, const Unit& unit);
  /// Writes one file and pushes. Returns the commit's id.
  std::string push_file(const std::string& repository, const std::string& file, const std::string& text);
  /// Writes one file of the control repository, or removes it when there is no text.
  std::string control_file(const std::string& file, const std::optional<std::string>& text);
  std::string git(const std::vector<std::string>& words, const std::string& folder);

  // The program.

  /// Starts `nelson run`, with `before` in front of the command line (env, prlimit, ...); whether its page answers in time.
  bool start(const std::vector<std::string>& before = {});
  Background& controller() { return controller_; }
  /// SIGKILL.
  void kill_controller() { controller_.kill(); }
  /// Runs a command of the program with this world's configuration.
  Ran nelson(std::vector<std::string> words, Seconds limit = Seconds(60));
  [[nodiscard]] Status status() const;
  [[nodiscard]] std::string page() const { return http_get(page_port_, "/").body; }
  /// What `nelson run` printed so far.
  [[nodiscard]] std::string log() const;

  /// Waits until the wanted stack of (unit, version) has arrived. On failure `why()` says what was seen last.
  bool wait_live(const std::string& unit, const std::string& version, Seconds limit = Seconds(60));
  /// Waits until something is wrong that is about(word); nothing when it is not told in time.
  std::optional<Trouble> wait_trouble(const std::string& word, Seconds limit = Seconds(45));
  /// Waits until nothing is wrong any more but for notices.
  bool wait_well(Seconds limit = Seconds(60));
  [[nodiscard]] std::string why() const;

  /// What the domain's own record says, whatever the controller knows: the share of a stack. Nothing without a record.
  [[nodiscard]] std::optional<int> recorded_percent(const std::string& stack) const;
  /// The port of the address that callers of the unit are told; 0 while there is none.
  [[nodiscard]] std::uint16_t stable_port(const std::string& unit) const;

  /// Supervisors and the balancers (HAProxy's masters, without their workers) of this world, by what stands among their arguments.
  [[nodiscard]] std::vector<Process> supervisors() const;
  [[nodiscard]] std::vector<Process> balancers() const;

  // The witness: living instances, as they themselves have written.

  struct Sighting {
    std::string stack, instance;
    Process process;
  };
  [[nodiscard]] std::vector<Sighting> witnessed() const;
  [[nodiscard]] std::vector<Process> witnessed(const std::string& stack) const;

 private:
  void make_site(const Times& times);
  std::string commit_and_push(const std::string& repository, const std::string& message);
  void sweep_groups() const;

  std::string folder_, domain_folder_, store_folder_, owner_, broken_;
  PortBlock ports_;  // the page's, those of instances, and the stable ones
  std::uint16_t page_port_ = ports_.first();
  Background controller_;
};

std::string read_text(const std::string& path);
void write_text(const std::string& path, const std::string& text);

/// `text` with `replacement` wherever `number` stands as a number of its own.
std::string replaced_number(const std::string& text, const std::string& number, const std::string& replacement);

}  // namespace nelson::datacenter
