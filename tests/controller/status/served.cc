#include "tests/controller/status/served.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <sstream>
#include <thread>

#include "controller/status/server.h"
#include "tests/controller/status/client.h"
#include "tests/controller/status/situations.h"

extern char** environ;

namespace nelson::status_test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Reads from `fd` until `ends` says so of what came, or the time is up.
template <class Ends>
void read_until(int fd, std::string& text, Ends ends) {
  const Clock::time_point end = Clock::now() + std::chrono::seconds(20);
  while (!ends(text)) {
    const auto left = std::chrono::ceil<milliseconds>(end - Clock::now()).count();
    pollfd waiting{fd, POLLIN, 0};
    if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) <= 0) return;
    std::array<char, 4096> bytes{};
    const ssize_t got = ::read(fd, bytes.data(), bytes.size());
    if (got <= 0) return;
    text.append(bytes.data(), static_cast<std::size_t>(got));
  }
}

/// The number after `name` in a file of /proc, in bytes.
std::size_t kib_of(pid_t pid, const std::string& name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(name + ":")) return std::strtoul(line.c_str() + name.size() + 1, nullptr, 10) * 1024;
  return 0;
}

std::vector<Cost>& costs() {
  static std::vector<Cost> all;
  return all;
}

}  // namespace

Served::Served(const ServedOptions& options) {
  std::array<int, 2> life{}, said{};
  if (::pipe2(life.data(), O_CLOEXEC) != 0 || ::pipe2(said.data(), O_CLOEXEC) != 0) return;
  std::vector<std::string> words = {"status_tests",
                                    "--serve",
                                    std::to_string(options.fleet),
                                    std::to_string(options.request_time.count()),
                                    std::to_string(options.idle_time.count()),
                                    std::to_string(options.write_time.count()),
                                    std::to_string(options.max_connections)};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, life[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, said[1], STDOUT_FILENO);
  if (::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, arguments.data(), environ) != 0) pid_ = -1;
  posix_spawn_file_actions_destroy(&actions);
  ::close(life[0]);
  ::close(said[1]);
  life_ = life[1];
  said_ = said[0];
  std::string text;
  read_until(said_, text, [](const std::string& so_far) { return so_far.find('\n') != std::string::npos; });
  const std::size_t end = std::min(text.find('\n'), text.size());
  address_ = text.substr(0, end);
  log_ = text.substr(std::min(end + 1, text.size()));
}

Served::~Served() {
  if (life_ >= 0) ::close(life_);
  if (pid_ > 0) {
    // It ends by itself when its input ends; one that hangs is ended.
    const Clock::time_point end = Clock::now() + std::chrono::seconds(20);
    int status = 0;
    while (::waitpid(pid_, &status, WNOHANG) == 0) {
      if (Clock::now() > end) ::kill(pid_, SIGKILL);
      std::this_thread::sleep_for(milliseconds(2));
    }
  }
  if (said_ >= 0) ::close(said_);
}

bool Served::alive() const {
  siginfo_t info{};
  return pid_ > 0 && ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

std::size_t Served::resident() const { return kib_of(pid_, "VmRSS"); }
std::size_t Served::peak() const { return kib_of(pid_, "VmHWM"); }
void Served::forget_peak() const { std::ofstream("/proc/" + std::to_string(pid_) + "/clear_refs") << "5\n"; }

milliseconds Served::processor() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream rest(text.substr(std::min(text.rfind(')') + 2, text.size())));
  std::string skipped;
  for (int field = 3; field < 14; ++field) rest >> skipped;
  long user = 0, system = 0;
  rest >> user >> system;
  return milliseconds((user + system) * 1000 / ::sysconf(_SC_CLK_TCK));
}

std::size_t Served::descriptors() const {
  std::error_code error;
  const std::filesystem::directory_iterator folder("/proc/" + std::to_string(pid_) + "/fd", error);
  return static_cast<std::size_t>(std::distance(begin(folder), std::filesystem::directory_iterator()));
}

std::uint64_t Served::metric(const std::string& name) const {
  const std::string text = "\n" + body_of(ask(address_, get("/metrics")));
  const std::size_t at = text.find("\n" + name + " ");
  return at == std::string::npos ? 0 : static_cast<std::uint64_t>(std::strtod(text.c_str() + at + name.size() + 2, nullptr));
}

std::string Served::log_with(const std::string& word) {
  read_until(said_, log_, [&](const std::string& so_far) { return so_far.find(word) != std::string::npos; });
  return log_;
}

Measure::Measure(const Served& served)
    : served_(served), began_(Clock::now()), processor_(served.processor()), resident_(served.resident()) {
  served.forget_peak();
}

Cost Measure::end(std::string attack, std::string outcome) {
  Cost cost;
  cost.attack = std::move(attack);
  cost.outcome = std::move(outcome);
  cost.took = std::chrono::duration_cast<milliseconds>(Clock::now() - began_);
  cost.processor = served_.processor() - processor_;
  const auto before = static_cast<std::int64_t>(resident_);
  cost.grown = static_cast<std::int64_t>(served_.resident()) - before;
  cost.peak = static_cast<std::int64_t>(served_.peak()) - before;
  costs().push_back(cost);
  return cost;
}

void print_costs() {
  if (costs().empty()) return;
  std::printf("%-58s %-34s %9s %9s %9s %9s\n", "attack", "outcome", "ms", "cpu ms", "KiB kept", "KiB peak");
  for (const Cost& cost : costs())
    std::printf("%-58s %-34s %9lld %9lld %9lld %9lld\n", cost.attack.c_str(), cost.outcome.c_str(),
                static_cast<long long>(cost.took.count()), static_cast<long long>(cost.processor.count()),
                static_cast<long long>(cost.grown / 1024), static_cast<long long>(cost.peak / 1024));
}

int serve(const std::vector<std::string>& arguments) {
  if (arguments.size() != 5) return 64;
  const auto number = [&](std::size_t at) { return std::strtoul(arguments[at].c_str(), nullptr, 10); };
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  std::mutex mutex;
  StatusOptions options;
  options.listen = "127.0.0.1:0";
  options.test_throw = kSecret;
  options.request_time = milliseconds(number(1));
  options.idle_time = milliseconds(number(2));
  options.write_time = milliseconds(number(3));
  options.max_connections = number(4);
  options.log = [&mutex](std::string_view line) {
    const std::lock_guard lock(mutex);
    std::cout << line << std::endl;
  };
  Result<std::unique_ptr<StatusServer>> server = StatusServer::open(std::move(options));
  if (!server) return 1;
  (*server)->publish(number(0) == 0 ? Situation().view() : build_view(large_fleet(number(0))));
  {
    const std::lock_guard lock(mutex);
    std::cout << (*server)->address() << std::endl;
  }
  while (std::cin.get() != std::char_traits<char>::eof()) {
  }
  return 0;
}

}  // namespace nelson::status_test
