#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "controller/domains/local/process.h"
#include "state/model/result.h"

namespace nelson {

/// Whom a process runs as.
struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

/// The user instances run as: `run_as`; when that is empty, this process's own, or `nobody` when this process is root. Nothing: no change of
/// user is needed. kInvalid says what cannot be: an unknown user, root, a user that this process may not become.
Result<std::optional<User>> user_for(const std::string& run_as);

struct InstancePlan {
  std::vector<std::string> command;      // the first word is looked for in PATH unless it holds a '/'
  std::vector<std::string> environment;  // "NAME=value", all of it
  int folder = -1;                       // open folder to run in; -1 is "/"
  std::optional<User> user;
  std::vector<int> doors;  // open cgroup.procs files of the groups to enter
  int output = -1;         // becomes standard output and error
  int report = -1;         // where a start that fails is said; see read_start_report
};

/// Forks and starts an instance in a session of its own, which dies with this process (the one thread that called), can gain no privilege, has
/// no descriptor but 0 (/dev/null), 1 and 2, and may open 1,024 files until it asks for more. Returns its id, or -1 with errno. Only from a
/// process with one thread.
pid_t spawn_instance(const InstancePlan& plan);

/// What `report` said: "" nothing went wrong, else "cannot start ./x: No such file or directory".
[[nodiscard]] std::string read_start_report(std::string_view bytes, const std::string& program);

/// Forks and starts `program` with `arguments` so that nothing of this process is left on it but its limits: own session, no parent, no
/// signal mask, no environment but PATH, no descriptor but `lock` as 3, `listener` as 4 and `errors` as 2. Safe in a process with threads.
Status spawn_supervisor(const std::string& program, const std::vector<std::string>& arguments, int lock, int listener, int errors,
                        const std::vector<Descriptor>& doors);

inline constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace nelson
