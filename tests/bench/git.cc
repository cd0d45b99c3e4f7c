// Git polls.
//   poll CONTROL FOLDER   Gitsync over everything that the control repository names: a first sync, then, a line each time one comes
//                                in, a poll of all of it
//   list THREADS URL...   the bare libgit2 loop: the same ref lists and nothing else
//   idle CONTROL FOLDER POLL STACKS   a whole controller but for its page, with nothing to do: engine, loop and Git
#include <dirent.h>
#include <git2.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <iostream>
#include <mutex>
#include <sstream>
#include <thread>

#include "controller/loop/git_source.h"
#include "controller/loop/loop.h"
#include "reconcilers/replanner.h"
#include "tests/bench/fleet.h"

namespace nelson::bench {
namespace {

/// Seconds of processor time of this process and its living children, and how many of those there are.
struct Cost {
  double seconds = 0, resident_kib = 0, switches = 0;
  int processes = 0;
};

double number_of(const std::string& path, const std::string& name) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(name + ":")) return std::atof(line.c_str() + name.size() + 1);
  return 0;
}

void add_process(const std::string& pid, Cost& cost) {
  std::ifstream stat("/proc/" + pid + "/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  if (text.empty()) return;
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string field;
  double user = 0, system = 0;
  for (int i = 3; i <= 15 && fields >> field; ++i) {
    if (i == 14) user = std::atof(field.c_str());
    if (i == 15) system = std::atof(field.c_str());
  }
  cost.seconds += (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  cost.resident_kib += number_of("/proc/" + pid + "/status", "VmRSS");
  const std::unique_ptr<DIR, int (*)(DIR*)> tasks(::opendir(("/proc/" + pid + "/task").c_str()), ::closedir);
  while (const dirent* task = tasks ? ::readdir(tasks.get()) : nullptr)
    if (task->d_name[0] != '.')
      cost.switches += number_of("/proc/" + pid + "/task/" + task->d_name + "/status", "voluntary_ctxt_switches");
  ++cost.processes;
}

Cost cost_so_far() {
  Cost cost;
  const std::string self = std::to_string(getpid());
  add_process(self, cost);
  const std::unique_ptr<DIR, int (*)(DIR*)> tasks(::opendir("/proc/self/task"), ::closedir);
  while (const dirent* task = tasks ? ::readdir(tasks.get()) : nullptr) {
    std::ifstream in("/proc/self/task/" + std::string(task->d_name) + "/children");
    for (std::string child; in >> child;) add_process(child, cost);
  }
  return cost;
}

std::unique_ptr<Gitsync> open_git(const std::string& control, const std::string& folder, std::chrono::milliseconds poll) {
  GitsyncOptions options;
  options.control_url = control;
  options.folder = folder;
  options.poll = poll;
  options.deadline = std::chrono::seconds(20);
  options.program = NELSON_BINARY;
  auto git = Gitsync::open(options);
  if (!git) die(git.error().message);
  return *std::move(git);
}

void poll(const std::string& control, const std::string& folder) {
  const auto git = open_git(control, folder, std::chrono::hours(1));
  const auto first = git->sync(true);
  if (!first) die(first.error().message);
  for (std::string line; std::getline(std::cin, line);) {
    const Gitsync::Counters before = git->counters();
    const Cost cost = cost_so_far();
    const double wall = timed([&] { (void)git->sync(true); });
    const Gitsync::Counters after = git->counters();
    const Cost now = cost_so_far();
    Line()
        .add("wall", wall)
        .add("cpu", 1e3 * (now.seconds - cost.seconds))
        .add("resident", now.resident_kib)
        .add("processes", now.processes)
        .add("ref_lists", static_cast<double>(after.ref_lists - before.ref_lists))
        .add("fetches", static_cast<double>(after.fetches - before.fetches))
        .add("parsed", static_cast<double>(after.blobs_parsed - before.blobs_parsed))
        .add("trees", static_cast<double>(after.trees_read - before.trees_read))
        .add("started", static_cast<double>(after.children_started - before.children_started));
  }
}

void list(int threads, const std::vector<std::string>& urls) {
  git_libgit2_init();
  for (std::string line; std::getline(std::cin, line);) {
    std::atomic<std::size_t> next{0};
    std::atomic<int> failed{0};
    const auto work = [&] {
      for (std::size_t i = next++; i < urls.size(); i = next++) {
        git_remote* remote = nullptr;
        const git_remote_head** heads = nullptr;
        std::size_t count = 0;
        if (git_remote_create_detached(&remote, urls[i].c_str()) != 0 ||
            git_remote_connect(remote, GIT_DIRECTION_FETCH, nullptr, nullptr, nullptr) != 0 ||
            git_remote_ls(&heads, &count, remote) != 0 || count == 0)
          ++failed;
        git_remote_free(remote);
      }
    };
    const double wall = timed([&] {
      std::vector<std::thread> pool;
      for (int i = 0; i < threads; ++i) pool.emplace_back(work);
      for (std::thread& one : pool) one.join();
    });
    Line().add("wall", wall).add("failed", failed.load());
  }
  git_libgit2_shutdown();
}

/// From the first line of standard input to the second.
void idle(const std::string& control, const std::string& folder, int poll_seconds, std::size_t stacks) {
  Machine machine(make_fleet(stacks, Clock().now()), folder + "/store");
  std::mutex mutex;  // of what was heard
  std::condition_variable heard;
  int passes = 0;
  bool synced = false;
  const auto passes_so_far = [&] {
    const std::lock_guard lock(mutex);
    return passes;
  };
  Loop loop(
      machine.engine(), machine.clock(), [&] { return machine.desired(); },
      [&](const PassReport*) {
        const std::lock_guard lock(mutex);
        ++passes;
        heard.notify_all();
      });
  GitSource git(open_git(control, folder + "/git", std::chrono::seconds(poll_seconds)), [&] {
    loop.wake();
    const std::lock_guard lock(mutex);
    synced = true;
    heard.notify_all();
  });
  std::thread runner([&] {
    if (const Status ended = loop.run(); !ended) die(ended.error().message);
  });
  {
    std::unique_lock lock(mutex);
    if (!heard.wait_for(lock, std::chrono::minutes(5), [&] { return synced && passes > 0; }))
      die("no first sync and pass within 5 minutes: see the log above");
  }
  std::cout << "ready" << std::endl;
  std::string line;
  std::getline(std::cin, line);
  const int passes_before = passes_so_far();
  const auto commits = machine.store().counters().commits;
  const auto lists = git.latest().counters.ref_lists;
  const Cost before = cost_so_far();
  double wall = timed([&] { std::getline(std::cin, line); });
  const Cost after = cost_so_far();
  Line()
      .add("cpu", 1e3 * (after.seconds - before.seconds))
      .add("wall", wall)
      .add("passes", passes_so_far() - passes_before)
      .add("switches", after.switches - before.switches)
      .add("commits", static_cast<double>(machine.store().counters().commits - commits))
      .add("ref_lists", static_cast<double>(git.latest().counters.ref_lists - lists));
  loop.stop();
  runner.join();
}

}  // namespace
}  // namespace nelson::bench

int main(int argc, char** argv) {
  using namespace nelson::bench;
  const std::string what = argc > 3 ? argv[1] : "";
  if (what == "poll")
    poll(argv[2], argv[3]);
  else if (what == "list")
    list(std::atoi(argv[2]), {argv + 3, argv + argc});
  else if (what == "idle" && argc > 5)
    idle(argv[2], argv[3], std::atoi(argv[4]), static_cast<std::size_t>(std::atoll(argv[5])));
  else
    die("usage: bench_git poll CONTROL FOLDER | list THREADS URL... | idle CONTROL FOLDER POLL STACKS");
}
