#include "tests/controller/domains/local/local_world.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "controller/domains/local/logs.h"
#include "controller/domains/local/process.h"
#include "controller/domains/local/process_group.h"
#include "controller/domains/local/process_sweep.h"
#include "controller/domains/local/supervisor_document.h"
#include "controller/domains/local/supervisor_ports.h"

namespace nelson::test {
namespace {

constexpr const char* kTree = "0123456789abcdef0123456789abcdef01234567";

// Perl's base is part of every Debian; nothing else has to be installed for the tests.
constexpr const char* kScript = R"(#!/usr/bin/perl
use strict; use warnings; use Socket;
$| = 1;
my ($mode, @rest) = @ARGV;
$mode //= "wait";
sub witness {
  my $text = do { local $/; open(my $f, "<", "/proc/$$/stat") or die; <$f> };
  $text =~ s/^.*\) //s;
  my $start = (split ' ', $text)[19];
  my $name = "$ENV{WITNESS}/alive.$$.$start";
  open(my $out, ">", "$name.new") or die "witness: $!";
  print $out "$ENV{NELSON_STACKNAME} $ENV{NELSON_INSTANCE}\n";
  close $out;
  rename("$name.new", $name) or die;
}
$SIG{TERM} = "IGNORE" if $ENV{STUBBORN};
witness();
if ($ENV{FORKS}) {
  for (1 .. $ENV{FORKS}) {
    my $pid = fork();
    if (!$pid) {
      require POSIX;
      POSIX::setsid() if $ENV{FORKS_LEAVE};
      witness();
      sleep 1 while 1;
    }
  }
}
if ($mode eq "wait") { sleep 1 while 1; }
if ($mode eq "exit") { exit($rest[0]); }
if ($mode eq "segv") { kill 11, $$; sleep 5; }
if ($mode eq "env") { print "$_=$ENV{$_}\n" for sort keys %ENV; print "ids=$> $< $)\n"; sleep 1 while 1; }
if ($mode eq "print") { print "x" x $rest[1], "\n" for 1 .. $rest[0]; print "end\n"; sleep 1 while 1; }
if ($mode eq "until") { # fails until the file is there
  exit(-e "$ENV{WITNESS}/$rest[0]" ? 0 : 1);
}
if ($mode eq "serve") {
  socket(my $listener, PF_INET, SOCK_STREAM, 0) or die;
  setsockopt($listener, SOL_SOCKET, SO_REUSEADDR, 1);
  bind($listener, sockaddr_in($ENV{PORT}, INADDR_LOOPBACK)) or die "port: $!";
  listen($listener, 16) or die;
  while (1) {
    accept(my $client, $listener) or next;
    sysread($client, my $request, 4096);
    my $status = 200;
    if (open(my $f, "<", "$ENV{WITNESS}/status")) { $status = <$f>; chomp $status; }
    print "asked $status\n";
    sleep 30 if $status eq "silent";
    syswrite($client, "HTTP/1.1 $status Whatever\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    close $client;
  }
}
die "unknown mode $mode";
)";

Status write_program(const std::string& folder) {
  const std::string path = folder + "/run";
  std::ofstream(path) << kScript;
  ::chmod(path.c_str(), 0755);
  return {};
}

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) names.push_back(entry.path().filename());
  return names;
}

bool supervises(pid_t pid, const std::string& folder) {
  const auto stat = stat_of(pid);
  return stat && stat->alive() &&
         read_text("/proc/" + std::to_string(pid) + "/cmdline", 65536).value_or("").find(folder + '\0') != std::string::npos;
}

/// A range of ports of this test process: tests that run side by side stay apart, and below what others choose.
PortRange some_ports() {
  static std::atomic<unsigned> next{0};
  const unsigned slot = (static_cast<unsigned>(::getpid()) * 7 + next++) % 165;
  const auto first = static_cast<std::uint16_t>(3300 + slot * 100);
  return {first, static_cast<std::uint16_t>(first + 99)};
}

std::string make_root() {
  std::string path = (std::filesystem::temp_directory_path() / "nelson-local-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) std::abort();
  ::chmod(path.c_str(), 0711);
  return path;
}

}  // namespace

bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds within) {
  const auto until = std::chrono::steady_clock::now() + within;
  for (;;) {
    if (holds()) return true;
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

LocalWorld::LocalWorld(std::string root) : root_(root.empty() ? make_root() : std::move(root)), owned_(root.empty()) {
  ::mkdir(witness().c_str(), 0777);
  ::chmod(witness().c_str(), 0777);
  settings.name = "here";
  settings.folder = domain();
  settings.instance_ports = some_ports();
  settings.stop_grace = std::chrono::seconds(10);
}

LocalWorld::~LocalWorld() {
  if (!owned_) return;
  end_all();
  scheduler_.reset();
  remove_tree(root_);
}

/// By process id, whatever state the test left things in.
void LocalWorld::end_all() {
  const std::string stacks = domain() + "/stacks";
  const auto left = [&] {
    std::size_t count = 0;
    for (const pid_t pid : all_processes()) {
      if (pid == ::getpid()) continue;
      const auto is_ours = [this](pid_t each) {
        return each != ::getpid() &&
               read_text("/proc/" + std::to_string(each) + "/cmdline", 65536).value_or("").find(root_) != std::string::npos;
      };
      const auto stat = stat_of(pid);
      if (!stat || !stat->alive() || !is_ours(pid)) continue;
      ++count;
      signal_if(pid, SIGCONT, is_ours);
      signal_if(pid, SIGKILL, is_ours);
    }
    for (const std::string& name : names_in(stacks)) {
      const auto submission = read_submission(stacks + "/" + name);
      if (submission) {
        StackGroups groups(group_hierarchies(), submission->owner, name + "-" + submission->mark.substr(0, 8));
        const std::size_t ended = end_remains(submission->mark, groups);
        count += ended;
        if (ended == 0) groups.leave_and_remove();
      }
    }
    return count;
  };
  EXPECT_TRUE(eventually([&] { return left() == 0; })) << "processes of the test do not end";
}

LocalSchedulerOptions LocalWorld::options() {
  LocalSchedulerOptions options;
  options.settings = settings;
  options.owner = "test-owner";
  options.export_tree = [](const std::string&, const std::string&, const std::string& folder) { return write_program(folder); };
  options.changed = [count = changes_] { ++*count; };
  options.address_of = [](const TrafficKey& key, const Port& port) -> Result<Endpoint> {
    return Endpoint{port.name, "127.0.0.1", static_cast<std::uint16_t>(25000 + key.major)};
  };
  return options;
}

Scheduler& LocalWorld::scheduler() {
  if (!scheduler_) {
    auto opened = open_local_scheduler(options());
    if (!opened) {
      ADD_FAILURE() << opened.error().message;
      std::abort();
    }
    scheduler_ = *std::move(opened);
  }
  return *scheduler_;
}

Launch LocalWorld::launch(const std::string& unit, const std::vector<std::string>& words) const {
  Launch launch;
  Identity& identity = launch.identity;
  identity.owner = "test-owner";
  identity.domain = settings.name;
  identity.name_space = "dev/test";
  identity.repository = "repo";
  identity.unit = unit;
  identity.plan = "default";
  identity.version = {1, 2, 3};
  identity.artifact.command = {"./run"};
  identity.artifact.tree = kTree;
  identity.spec.environment.push_back({"WITNESS", witness()});
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) {
      identity.artifact.command.push_back(word);
    } else {
      identity.spec.environment.push_back({word.substr(0, equals), word.substr(equals + 1)});
    }
  }
  launch.stack = stack_name(identity);
  return launch;
}

Submission LocalWorld::submission(const Launch& launch, std::int32_t count) {
  const auto document = scheduler().render(launch, guid_of(digest_of(launch.identity), launch.incarnation));
  EXPECT_TRUE(document) << document.error().message;
  return {launch.stack, launch.incarnation, document ? *document : "", count};
}

Status LocalWorld::run(const Launch& launch, std::int32_t count) { return scheduler().ensure_present(submission(launch, count)); }

std::optional<Running> LocalWorld::running(const std::string& stack) {
  const auto view = scheduler().observe();
  if (!view) {
    ADD_FAILURE() << view.error().message;
    return std::nullopt;
  }
  const auto found = view->stacks.find(stack);
  return found == view->stacks.end() ? std::nullopt : std::optional(found->second);
}

std::size_t LocalWorld::well(const std::string& stack) {
  const auto now = running(stack);
  if (!now) return 0;
  return static_cast<std::size_t>(std::count_if(now->instances.begin(), now->instances.end(), [](const Instance& each) {
    return each.state == InstanceState::kRunning && each.health != Health::kFailing;
  }));
}

bool LocalWorld::wait_well(const std::string& stack, std::size_t count) {
  return eventually([&] { return well(stack) == count && alive(stack).size() == count; });
}

bool LocalWorld::wait_gone(const std::string& stack) {
  return eventually([&] { return !running(stack); });
}

std::vector<pid_t> LocalWorld::alive(const std::string& stack) const {
  std::vector<pid_t> pids;
  for (const std::string& name : names_in(witness())) {
    int pid = 0;
    unsigned long long start = 0;
    if (std::sscanf(name.c_str(), "alive.%d.%llu", &pid, &start) != 2 || name.ends_with(".new")) continue;
    const auto stat = stat_of(pid);
    if (!stat || !stat->alive() || stat->start_time != start) continue;
    if (stack.empty() || read_text(witness() + "/" + name).value_or("").starts_with(stack + " ")) pids.push_back(pid);
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

std::size_t LocalWorld::ever(const std::string& stack) const {
  std::size_t count = 0;
  for (const std::string& name : names_in(witness())) {
    if (!name.starts_with("alive.") || name.ends_with(".new")) continue;
    if (stack.empty() || read_text(witness() + "/" + name).value_or("").starts_with(stack + " ")) ++count;
  }
  return count;
}

pid_t LocalWorld::supervisor(const std::string& stack) const {
  const auto state = read_state(domain() + "/stacks/" + stack);
  return state && supervises(state->pid, domain() + "/stacks/" + stack) ? state->pid : 0;
}

bool LocalWorld::signal_supervisor(const std::string& stack, int signal) const {
  const pid_t pid = supervisor(stack);
  return pid > 1 && signal_if(pid, signal, [&](pid_t each) { return supervises(each, domain() + "/stacks/" + stack); });
}

std::string LocalWorld::log(const std::string& stack, int index) const {
  const auto logs = list_logs(domain(), stack);
  if (!logs) return logs.error().message;
  for (const LogFile& each : *logs)
    if (each.index == index) {
      const auto text = read_log(each);  // once: its parts change places while it is written
      return text ? *text : "";
    }
  return "";
}

void LocalWorld::write(const std::string& name, const std::string& text) const {
  const std::string path = witness() + "/" + name;
  std::ofstream(path + ".new") << text;
  std::rename((path + ".new").c_str(), path.c_str());
}

int act_as_controller(int argc, char** argv) {
  if (argc != 5) return 64;
  ::setsid();
  LocalWorld world(argv[2]);
  std::ifstream(world.root() + "/ports") >> world.settings.instance_ports.first >> world.settings.instance_ports.last;
  const Launch launch = world.launch(argv[3]);
  if (!world.run(launch, std::atoi(argv[4]))) return 1;
  std::puts("ready");
  std::fflush(stdout);
  for (;;) ::pause();
}

}  // namespace nelson::test
