#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "controller/domains/local/process.h"

namespace nelson {

/// A mounted control group hierarchy and what it is good for here.
struct GroupHierarchy {
  std::string mount;
  bool unified = false;  // version 2
  bool tracks = false;   // tells which processes belong to an instance; at most one hierarchy does
  bool escapes = false;  // the controller sits in a group of its own there, so a supervisor has to leave it
  bool cpu = false;      // limits processors
  bool memory = false;   // limits memory

  bool operator==(const GroupHierarchy&) const = default;
};

/// All hierarchies and which of them are used for what, given the texts of /proc/self/mountinfo and /proc/self/cgroup. A version 1 hierarchy that limits (cpu,
/// memory) is used only when this process is at its top: a limit that somebody put on us is never left.
[[nodiscard]] std::vector<GroupHierarchy> group_hierarchies(std::string_view mountinfo, std::string_view own_groups);

/// The same of this process.
[[nodiscard]] std::vector<GroupHierarchy> group_hierarchies();

/// Limits of one instance; 0 is none.
struct Limits {
  std::int64_t cpu_millis = 0;
  std::int64_t memory_kib = 0;

  [[nodiscard]] bool any() const { return cpu_millis > 0 || memory_kib > 0; }
};

/// The control groups of one stack: `<mount>/nelson/<owner>/<name>/<leaf>` in each hierarchy used; removed wherever they are, since
/// the one who made them may have sat elsewhere. A leaf is "supervisor" or "i<index>".
class StackGroups {
 public:
  StackGroups() = default;  // no groups
  StackGroups(std::vector<GroupHierarchy> hierarchies, std::string_view owner, std::string_view name);

  /// Makes the leaf and sets what limits it can; returns the open `cgroup.procs` files, into which a process writes "0" to enter.
  /// `missed` gets the reason when a limit cannot be enforced.
  std::vector<Descriptor> make(const std::string& leaf, const Limits& limits, std::string& missed);

  /// Whether members() knows every process of a leaf.
  [[nodiscard]] bool tracks(const std::string& leaf) const;
  /// Living processes in the leaf.
  [[nodiscard]] std::vector<pid_t> members(const std::string& leaf) const;
  /// Whether `pid` is in the leaf now; "" is any leaf.
  [[nodiscard]] bool contains(pid_t pid, const std::string& leaf) const;
  /// Whether the group of `pid` is one of an instance of the stack.
  [[nodiscard]] bool contains_as_instance(pid_t pid) const;

  /// Removes the leaf where it is empty.
  void remove(const std::string& leaf);
  /// Takes this process out and removes all that is empty.
  void leave_and_remove();

 private:
  [[nodiscard]] const GroupHierarchy* tracker() const;
  [[nodiscard]] std::string path(const GroupHierarchy& hierarchy, const std::string& leaf) const;
  [[nodiscard]] std::string group_of(pid_t pid) const;

  std::vector<GroupHierarchy> hierarchies_;
  std::string owner_;
  std::string name_;
};

}  // namespace nelson
