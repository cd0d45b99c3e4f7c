#include "controller/domains/local/process_spawn.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace nelson {
namespace {

enum class Step : int { kSession, kGroup, kOutput, kUser, kPrivileges, kFolder, kProgram };

struct StartReport {
  Step step;
  int error;
};

constexpr auto kStepTexts = std::to_array<std::string_view>(
    {"cannot make its session", "cannot enter its control group", "cannot connect its output", "cannot change its user",
     "cannot give up privileges", "cannot enter its folder", "cannot start"});

[[noreturn]] void give_up(int report, Step step) {
  const StartReport said{step, errno};
  [[maybe_unused]] const ssize_t n = ::write(report, &said, sizeof said);
  ::_exit(127);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  list.reserve(texts.size() + 1);
  for (const std::string& each : texts) list.push_back(const_cast<char*>(each.c_str()));
  list.push_back(nullptr);
  return list;
}

void reset_signals() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < 65; ++number) ::sigaction(number, &action, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void become(const InstancePlan& plan) {
  if (!plan.user) return;
  const User& user = *plan.user;
  if (::setgroups(user.groups.size(), user.groups.data()) != 0 || ::setresgid(user.gid, user.gid, user.gid) != 0 ||
      ::setresuid(user.uid, user.uid, user.uid) != 0)
    give_up(plan.report, Step::kUser);
}

[[noreturn]] void run_child(const InstancePlan& plan, pid_t supervisor, char* const* command, char** environment) {
  // Everything but 0 to 2 closes as the program starts; the report closes too, which tells that it did.
  ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  reset_signals();
  if (::setsid() < 0) give_up(plan.report, Step::kSession);
  for (const int door : plan.doors)
    if (::write(door, "0", 1) != 1) give_up(plan.report, Step::kGroup);
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (nothing < 0 || ::dup2(nothing, 0) < 0 || ::dup2(plan.output, 1) < 0 || ::dup2(plan.output, 2) < 0)
    give_up(plan.report, Step::kOutput);
  if (nothing > 2) ::close(nothing);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  // The controller raised its own for its many connections; a program that uses select() must not meet descriptors beyond it.
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = std::min<rlim_t>(files.rlim_cur, 1024);
  ::setrlimit(RLIMIT_NOFILE, &files);
  ::umask(022);
  if ((plan.folder >= 0 ? ::fchdir(plan.folder) : ::chdir("/")) != 0) give_up(plan.report, Step::kFolder);
  become(plan);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up(plan.report, Step::kPrivileges);
  // After the change of user, which clears it. A supervisor that died before this line is seen by the second.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up(plan.report, Step::kPrivileges);
  if (::getppid() != supervisor) ::_exit(127);
  ::environ = environment;
  ::execvp(command[0], command);
  give_up(plan.report, Step::kProgram);
}

/// Moves `fd` to a number of at least 10, out of the way of the fixed ones.
int high(int fd) { return fd < 0 ? -1 : ::fcntl(fd, F_DUPFD, 10); }

/// Between fork and exec of a process with threads: only what is safe in a signal handler.
[[noreturn]] void run_supervisor(const char* program, char* const* arguments, char* const* environment, std::array<int, 3> given,
                                 const int* doors, std::size_t door_count) {
  if (::setsid() < 0) ::_exit(127);
  if (const pid_t child = ::fork(); child != 0) ::_exit(child < 0 ? 127 : 0);
  reset_signals();
  // A door that stays shut leaves the supervisor where the controller is: worse, but no reason to run nothing.
  for (std::size_t i = 0; i < door_count; ++i) [[maybe_unused]] const ssize_t n = ::write(doors[i], "0", 1);
  for (int& fd : given) fd = high(fd);
  const int nothing = high(::open("/dev/null", O_RDWR));
  // Out of descriptors: without its lock or its socket it would run unreached, or keep something of ours in their place.
  if (given[0] < 0 || given[1] < 0 || ::dup2(nothing, 0) < 0 || ::dup2(nothing, 1) < 0 ||
      ::dup2(given[2] >= 0 ? given[2] : nothing, 2) < 0 || ::dup2(given[0], 3) < 0 || ::dup2(given[1], 4) < 0)
    ::_exit(127);
  ::syscall(SYS_close_range, 5U, ~0U, 0);
  ::umask(077);
  if (::chdir("/") != 0) ::_exit(127);
  ::execve(program, arguments, environment);
  ::_exit(127);
}

}  // namespace

Result<std::optional<User>> user_for(const std::string& run_as) {
  const bool root = ::geteuid() == 0;
  if (run_as.empty() && !root) return std::optional<User>();
  const std::string name = run_as.empty() ? "nobody" : run_as;
  std::array<char, 16384> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  const int error = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  // These say nothing of the user; others can mean that there is none.
  if (error == EMFILE || error == ENFILE || error == ENOMEM || error == EIO)
    return unavailable("run_as: the user " + name + " could not be looked up: " + error_text(error) + "; it is asked again");
  if (error != 0 || found == nullptr)
    return invalid("run_as: there is no user " + name + " on this machine; create it, or name another in the domain's file");
  if (entry.pw_uid == 0)
    return invalid("run_as: " + name + " is root, and nothing is run as root; name another user in the domain's file");
  if (!root) {
    if (entry.pw_uid == ::geteuid()) return std::optional<User>();
    return invalid("run_as: only root can run instances as " + name +
                   "; start nelson as root, or leave run_as out of the domain's file");
  }
  User user{name, entry.pw_uid, entry.pw_gid, std::vector<gid_t>(64)};
  int count = static_cast<int>(user.groups.size());
  if (::getgrouplist(name.c_str(), entry.pw_gid, user.groups.data(), &count) < 0) {
    user.groups.resize(static_cast<std::size_t>(count));
    ::getgrouplist(name.c_str(), entry.pw_gid, user.groups.data(), &count);
  }
  user.groups.resize(static_cast<std::size_t>(count));
  return std::optional<User>(std::move(user));
}

pid_t spawn_instance(const InstancePlan& plan) {
  const std::vector<char*> command = pointers(plan.command);
  std::vector<char*> environment = pointers(plan.environment);
  const pid_t supervisor = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) run_child(plan, supervisor, command.data(), environment.data());
  return pid;
}

std::string read_start_report(std::string_view bytes, const std::string& program) {
  if (bytes.size() < sizeof(StartReport)) return "";
  StartReport report{};
  std::memcpy(&report, bytes.data(), sizeof report);
  const auto step = static_cast<std::size_t>(report.step);
  std::string text(kStepTexts[step < kStepTexts.size() ? step : kStepTexts.size() - 1]);
  if (report.step == Step::kProgram) text += " " + program;
  return text + ": " + error_text(report.error);
}

Status spawn_supervisor(const std::string& program, const std::vector<std::string>& arguments, int lock, int listener, int errors,
                        const std::vector<Descriptor>& doors) {
  const std::vector<char*> argv = pointers(arguments);
  const std::vector<std::string> variables{kPath, "LANG=C.UTF-8"};
  const std::vector<char*> environment = pointers(variables);
  std::vector<int> door_numbers;
  for (const Descriptor& door : doors) door_numbers.push_back(door.get());
  const pid_t child = ::fork();
  if (child == 0)
    run_supervisor(program.c_str(), argv.data(), environment.data(), {lock, listener, errors}, door_numbers.data(),
                   door_numbers.size());
  if (child < 0) return unavailable("cannot start a supervisor: " + error_text(errno));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return unavailable("cannot start a supervisor: its first step failed");
  return {};
}

}  // namespace nelson
