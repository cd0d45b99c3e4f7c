#include "gitsync/init.h"

#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <ostream>

#include "controller/base/files.h"
#include "controller/base/text.h"
#include "controller/cli/command.h"
#include "controller/cli/init_files.h"
#include "controller/cli/output.h"

extern char** environ;

namespace nelson::cli {
namespace {

constexpr char kUser[] = "nelson-run";

std::string random_id() {
  unsigned char bytes[16];
  if (getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) return "";
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const unsigned char byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

/// Whether the program ended well; its output goes nowhere.
bool run_program(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const int descriptor : {0, 1, 2}) posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  return failed == 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// The user that what is deployed runs as; "" when there can be none of its own, which is said.
std::string make_user(bool wanted, Terminal& terminal) {
  if (geteuid() != 0 || !wanted) return "";
  if (getpwnam(kUser) != nullptr) return kUser;
  const bool made = run_program({"useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", kUser});
  if (made && getpwnam(kUser) != nullptr) {
    terminal.out << "Made the system user " << kUser << ", which everything deployed here runs as.\n";
    return kUser;
  }
  terminal.err << "nelson: the system user " << kUser
               << " could not be made (useradd is missing or failed); what is deployed runs as nobody.\n"
                  "nelson: make one and name it under run_as in domains/local.yml to change that.\n";
  return "";
}

}  // namespace

int run_init(const Invocation& invocation, Terminal& terminal) {
  std::error_code error;
  const std::string folder = resolve_path(std::filesystem::current_path(error).string(), invocation.arguments[0]);
  if (folder.find_first_of(" \t\r\n\"'\\#:") != std::string::npos)
    return fail(terminal, kExitBad,
                visible(folder) +
                    ": a blank, a quote, \\, # or : in the name makes paths that files and addresses "
                    "cannot hold as they are; choose another name");
  if (!is_free(folder))
    return fail(terminal, kExitBad, folder + " is there and not empty; name a folder that is, or does not exist yet");
  const std::string id = random_id();
  if (id.empty()) return fail(terminal, kExitBad, "this machine gives no random numbers");
  if (const Status made = make_folders(folder); !made) return fail(terminal, kExitBad, made.error().message);
  const std::string user = make_user(!invocation.has("no-user"), terminal);
  const std::string control = folder + "/control";
  const Status created = create_control_repository(control, control_files(folder, id, user), "nelson init");
  if (!created) return fail(terminal, kExitBad, created.error().message);
  const std::string config = folder + "/nelson.yml";
  if (const Status written = create_file(config, machine_file()); !written)
    return fail(terminal, kExitBad, written.error().message);
  terminal.out << "Made " << visible(folder) << ". What comes next:\n\n"
               << "  nelson run --config " << visible(config) << "\n"
               << "  printf 'url: /path/to/shop.git\\nrelease: branch\\n' > " << visible(control) << "/repositories/shop.yml\n"
               << "  git -C " << visible(control) << " add -A && git -C " << visible(control) << " commit -m 'watch shop'\n\n"
               << visible(control) << "/README.md tells the rest.\n";
  return kExitOk;
}

}  // namespace nelson::cli
