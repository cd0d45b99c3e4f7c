#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "state/model/desired.h"

namespace nelson::simulation {

/// What one manifest says of a unit.
struct UnitText {
  Version version;
  Spec spec;
  Settings settings;
  std::string command;
  std::vector<std::string> plans{"default"};
  std::vector<std::string> name_spaces{"dev"};
  std::vector<std::string> domains;
};

struct Commit {
  std::string id;
  bool readable = true;
  std::map<std::string, UnitText> units;
};

/// What the control repository says, beside the repositories it lists.
struct ControlText {
  std::map<std::string, DomainSettings> domains;
  std::vector<std::string> acknowledged;
};

/// Repositories with their authors and hosts, and the controller's own mirrors of them: what Desired is made from, by rules of its own. A
/// mirror outlives the controller; what was fetched since it started does not. Equal calls give equal values.
class GitWorld {
 public:
  /// With `tags` the highest version that a log has of each lower major is a patch.
  GitWorld(ControlText control, bool tags) : tags_(tags), control_{{control_id(), std::move(control), 0}} { mirrored_control_ = 0; }

  // ---- authors and hosts

  /// The head of a repository that reads; a repository is made by its first push.
  [[nodiscard]] std::map<std::string, UnitText> head(const std::string& repository) const;
  void push(const std::string& repository, std::map<std::string, UnitText> units);
  /// A manifest that does not read.
  void push_broken(const std::string& repository);
  /// A forced push to the commit `commits` before the head.
  void force_back(const std::string& repository, std::size_t commits);
  void set_host(const std::string& repository, bool answers);
  /// The controller's mirror is gone.
  void lose_mirror(const std::string& repository);

  // ---- operators

  [[nodiscard]] const ControlText& control() const { return control_[control_head_].text; }
  void push_control(ControlText text);
  /// A restored backup: the head is what it was `commits` before.
  void control_back(std::size_t commits);
  /// Whether `ancestor` is reachable from `commit`.
  [[nodiscard]] bool contains(const std::string& commit, const std::string& ancestor) const;

  // ---- the controller's side

  void controller_started();
  /// Fetches from every host that answers.
  void sync();
  /// Whether a sync would bring anything new.
  [[nodiscard]] bool has_news() const { return news_; }
  /// What the mirrors say. The same pointer while nothing changed.
  [[nodiscard]] std::shared_ptr<const Desired> desired();

 private:
  struct Repository {
    std::vector<Commit> log;  // its last is the head
    bool answers = true;
    std::vector<Commit> mirror;  // as last fetched
    bool fetched = false;        // since the controller started
    bool current = false;        // its host answered when last asked
  };
  struct ControlCommit {
    std::string id;
    ControlText text;
    std::size_t parent = 0;  // its own place for the first
  };
  std::string control_id() { return id_of("c0"); }
  std::string id_of(const std::string& prefix);
  void add(const std::string& name, const Repository& repository, Desired& out) const;
  static void add_stacks(const std::string& name, const Repository& repository, const Commit& commit, const UnitText& text,
                         bool patch, DesiredCell& cell);

  bool tags_ = false;
  std::uint64_t commits_ = 0;
  std::map<std::string, Repository> repositories_;
  std::vector<ControlCommit> control_;
  std::size_t control_head_ = 0;
  std::size_t mirrored_control_ = 0;
  bool news_ = true;     // something happened since the last sync
  bool changed_ = true;  // the mirrors changed since `desired_` was made
  std::shared_ptr<const Desired> desired_;
};

}  // namespace nelson::simulation
