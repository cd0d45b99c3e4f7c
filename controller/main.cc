#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string_view>

#include "controller/cli/command.h"
#include "controller/domains/local/supervisor.h"
#include "gitsync/gitsync.h"

namespace {

bool wants_colour() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool dumb = terminal == nullptr || std::string_view(terminal) == "dumb";
  return (no_colour == nullptr || *no_colour == '\0') && !dumb && isatty(STDOUT_FILENO) == 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view word = argc > 1 ? argv[1] : "";
  // Not for people, so not in the table: nelson asks these of itself.
  if (word == "git-worker") return nelson::git_worker_main();
  if (word == "supervise") return nelson::supervisor_main(argc, argv);

  nelson::cli::Terminal terminal{std::cout, std::cerr, wants_colour()};
  const int code = nelson::cli::run_command_line({argv + std::min(argc, 1), argv + argc}, terminal);
  std::cout.flush();
  if (std::cout || code != nelson::cli::kExitOk) return code;
  std::cerr << "nelson: not everything could be written to standard output; see whether its disk is full\n";
  return nelson::cli::kExitBad;
}
