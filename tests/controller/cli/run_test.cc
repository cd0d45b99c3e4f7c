#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "controller/base/files.h"
#include "controller/base/json.h"
#include "controller/cli/client.h"

extern char** environ;

namespace nelson::cli {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

/// A child process with its output in a pipe, ended by its id whatever happens.
class Child {
 public:
  explicit Child(std::vector<std::string> words, const std::string& folder = "/") {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) abort();
    out_ = ends[0];
    fcntl(out_, F_SETFL, O_NONBLOCK);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
    if (posix_spawnp(&id_, arguments[0], &actions, nullptr, arguments.data(), environ) != 0) id_ = -1;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
  }
  ~Child() {
    if (id_ > 0 && !code_) {
      kill(id_, SIGKILL);
      waitpid(id_, nullptr, 0);
    }
    close(out_);
  }

  /// Everything said, once `part` was; what was said in the end when it never is.
  std::string until(const std::string& part, seconds limit = seconds(60)) {
    const auto deadline = steady_clock::now() + limit;
    while (said_.find(part) == std::string::npos && steady_clock::now() < deadline && read_more(milliseconds(100))) {
    }
    return said_;
  }
  void signal(int number) const { kill(id_, number); }
  /// The exit status; -1 when it did not end in time, 128 + number when a signal ended it.
  int code(seconds limit = seconds(60)) {
    const auto deadline = steady_clock::now() + limit;
    while (steady_clock::now() < deadline && read_more(milliseconds(100))) {
    }
    int status = 0;
    while (!code_ && steady_clock::now() < deadline)
      if (waitpid(id_, &status, WNOHANG) == id_)
        code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      else
        poll(nullptr, 0, 10);
    return code_.value_or(-1);
  }
  const std::string& said() const { return said_; }

 private:
  bool read_more(milliseconds limit) {
    pollfd waiting{out_, POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(limit.count())) == 0) return true;
    char block[4096];
    const ssize_t got = read(out_, block, sizeof block);
    if (got > 0) said_.append(block, static_cast<std::size_t>(got));
    return got > 0 || (got < 0 && errno == EAGAIN);
  }

  pid_t id_ = -1;
  int out_ = -1;
  std::optional<int> code_;
  std::string said_;
};

/// A folder as `nelson init` makes it, with a free port and no balancer.
class RunTest : public testing::Test {
 protected:
  void SetUp() override {
    if (access(NELSON_BINARY, X_OK) != 0) GTEST_SKIP() << "build/nelson is not built";
    std::string pattern = testing::TempDir() + "nelson-run-XXXXXX";
    folder_ = fs::canonical(mkdtemp(pattern.data())).string();
    chmod(folder_.c_str(), 0755);
    ASSERT_EQ(Child({NELSON_BINARY, "init", folder_ + "/n", "--no-user"}).code(), 0);
    rewrite(config(), "127.0.0.1:9000", "127.0.0.1:0");
    rewrite(folder_ + "/n/control/domains/local.yml", "scheduler: local", "scheduler: local\nbalancer: none");
    commit(folder_ + "/n/control");
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string config() const { return folder_ + "/n/nelson.yml"; }

  static void rewrite(const std::string& path, const std::string& from, const std::string& to) {
    std::string text = read_file(path, 1 << 20).value();
    ASSERT_NE(text.find(from), std::string::npos);
    text.replace(text.find(from), from.size(), to);
    std::ofstream(path) << text;
  }
  static void git(const std::string& folder, const std::vector<std::string>& words) {
    std::vector<std::string> all{"git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@t"};
    all.insert(all.end(), words.begin(), words.end());
    Child child(all);
    EXPECT_EQ(child.code(), 0) << child.said();
  }
  static void commit(const std::string& folder) {
    git(folder, {"add", "-A"});
    git(folder, {"commit", "-q", "-m", "more"});
  }

  /// An empty application repository that the control repository watches.
  std::string watch_shop() {
    const std::string shop = folder_ + "/shop";
    fs::create_directory(shop);
    git(shop, {"init", "-q", "-b", "main"});
    std::ofstream(shop + "/README") << "a shop\n";
    commit(shop);
    std::ofstream(folder_ + "/n/control/repositories/shop.yml") << "url: file://" << shop << "\nrelease: branch\n";
    commit(folder_ + "/n/control");
    return shop;
  }

  static std::string address_in(const std::string& said) {
    const std::size_t at = said.find("http://");
    return at == std::string::npos ? "" : said.substr(at + 7, said.find('/', at + 7) - at - 7);
  }

  /// Whether the controller comes to say this of itself.
  static bool ready(const std::string& address) {
    const auto deadline = steady_clock::now() + seconds(60);
    while (steady_clock::now() < deadline) {
      const auto answer = http_get(address, "/readyz");
      if (answer && answer->status == 200) return true;
      poll(nullptr, 0, 50);
    }
    return false;
  }

  /// Every path below the folder with what a write would change.
  std::map<std::string, std::string> snapshot() const {
    std::map<std::string, std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      struct stat about {};
      lstat(entry.path().c_str(), &about);
      out[entry.path().string()] = std::to_string(about.st_size) + ' ' + std::to_string(about.st_mode) + ' ' +
                                   std::to_string(about.st_mtim.tv_sec) + '.' + std::to_string(about.st_mtim.tv_nsec) + ' ' +
                                   std::to_string(about.st_ino);
    }
    return out;
  }

  std::string folder_;
};

TEST_F(RunTest, WhatInitMakesRunsAtOnceAndEndsWhenTold) {
  Child controller({NELSON_BINARY, "run", "--config", config()});
  const std::string said = controller.until("shows what it does");
  const std::string address = address_in(said);
  ASSERT_FALSE(address.empty()) << said;
  EXPECT_TRUE(ready(address));
  Child status({NELSON_BINARY, "status", "--address", address});
  EXPECT_EQ(status.code(), 0) << status.said() << controller.said();
  EXPECT_NE(status.said().find("Nothing is deployed."), std::string::npos) << status.said();
  controller.signal(SIGHUP);
  EXPECT_NE(controller.until("asking every repository for news").find("SIGHUP"), std::string::npos);
  const auto before = steady_clock::now();
  controller.signal(SIGTERM);
  EXPECT_EQ(controller.code(), 0) << controller.said();
  EXPECT_LT(steady_clock::now() - before, seconds(5));
}

TEST_F(RunTest, ASecondControllerIsRefusedAndNamesTheHolder) {
  Child first({NELSON_BINARY, "run", "--config", config()});
  const std::string address = address_in(first.until("shows what it does"));
  ASSERT_TRUE(ready(address)) << first.said();
  Child second({NELSON_BINARY, "run", "--config", config()});
  EXPECT_EQ(second.code(), 75) << second.said();
  EXPECT_NE(second.said().find("is held by nelson run on "), std::string::npos) << second.said();
  // Another store does not help: the domain has a lock of its own.
  const std::string other = folder_ + "/n/other.yml";
  fs::copy_file(config(), other);
  rewrite(other, "store: store", "store: other");
  Child third({NELSON_BINARY, "run", "--config", other});
  EXPECT_EQ(third.code(), 75) << third.said();
  EXPECT_NE(third.said().find("locked by nelson run on "), std::string::npos) << third.said();
}

TEST_F(RunTest, AHangingGitHostDelaysNeitherWorkNorEnd) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);  // accepts into its backlog and never answers
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&where), size), 0);
  ASSERT_EQ(listen(listener, 64), 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&where), &size);
  std::ofstream(folder_ + "/n/control/repositories/slow.yml")
      << "url: https://127.0.0.1:" << ntohs(where.sin_port) << "/x.git\nrelease: branch\n";
  commit(folder_ + "/n/control");
  {
    Child controller({NELSON_BINARY, "run", "--config", config()});
    EXPECT_TRUE(ready(address_in(controller.until("shows what it does")))) << controller.said();
    const auto before = steady_clock::now();
    controller.signal(SIGTERM);
    EXPECT_EQ(controller.code(), 0) << controller.said();
    EXPECT_LT(steady_clock::now() - before, seconds(6)) << "5 s, and a busy machine";
  }
  close(listener);
}

TEST_F(RunTest, ADifferenceIsToldAndNothingIsTouched) {
  const std::string shop = watch_shop();
  {
    Child controller({NELSON_BINARY, "run", "--config", config()});
    ASSERT_TRUE(ready(address_in(controller.until("shows what it does")))) << controller.said();
    controller.signal(SIGTERM);
    ASSERT_EQ(controller.code(), 0) << controller.said();
  }
  std::ofstream(shop + "/.nelson.yml") << "units:\n  - {name: hello, description: says hello}\nplans: []\n"
                                          "namespaces:\n  - {name: dev, units: [{ref: hello}]}\n";
  std::ofstream(shop + "/hello.deployable.yml")
      << "name: hello\nversion: 1.2.3\noutput: {kind: command, command: [sleep, \"60\"]}\n";
  const auto before = snapshot();
  Child diff({NELSON_BINARY, "diff", shop, "--config", config()});
  EXPECT_EQ(diff.code(), 1) << diff.said();
  EXPECT_NE(diff.said().find("+ launch  local dev/hello  1.2.3 "), std::string::npos) << diff.said();
  EXPECT_NE(diff.said().find("What follows"), std::string::npos) << diff.said();
  Child as_json({NELSON_BINARY, "diff", shop, "--config", config(), "-o", "json"});
  EXPECT_EQ(as_json.code(), 1);
  const auto parsed = json::Json::parse(as_json.said(), nullptr, false);
  ASSERT_TRUE(parsed.is_object()) << as_json.said();
  EXPECT_EQ(parsed["actions"][0]["effect"], "launch");
  EXPECT_EQ(parsed["actions"][0]["unit"], "hello");
  EXPECT_EQ(parsed["exit"], 1);
  Child unchanged({NELSON_BINARY, "diff", "HEAD", "--config", config()}, shop);
  EXPECT_EQ(unchanged.code(), 0) << unchanged.said();
  EXPECT_NE(unchanged.said().find("Nothing would change."), std::string::npos) << unchanged.said();
  Child nowhere({NELSON_BINARY, "diff", "no-such-revision", "--config", config()}, shop);
  EXPECT_EQ(nowhere.code(), 2) << nowhere.said();
  EXPECT_NE(nowhere.said().find("no-such-revision"), std::string::npos) << nowhere.said();
  Child misspelt({NELSON_BINARY, "diff", "--repository", "shpo", "--config", config()});
  EXPECT_EQ(misspelt.code(), 2) << misspelt.said();
  EXPECT_NE(misspelt.said().find("repositories/shpo.yml"), std::string::npos) << misspelt.said();
  EXPECT_EQ(snapshot(), before) << "something was written";

  std::ofstream(shop + "/.nelson.yml", std::ios::app) << "planz: [\n";
  Child broken({NELSON_BINARY, "diff", shop, "--config", config()});
  EXPECT_EQ(broken.code(), 2) << broken.said();
  EXPECT_NE(broken.said().find(".nelson.yml"), std::string::npos) << broken.said();
}

TEST_F(RunTest, LogsThatAreFollowedKeepTheirLinesWholeAndTheNextReleaseToo) {
  {
    Child controller({NELSON_BINARY, "run", "--config", config()});
    ASSERT_TRUE(ready(address_in(controller.until("shows what it does")))) << controller.said();
    controller.signal(SIGTERM);
    ASSERT_EQ(controller.code(), 0) << controller.said();
  }
  const std::string logs = folder_ + "/n/local/logs/", first = logs + "hello--1-0-0--aaaaaaaa/",
                    second = logs + "hello--1-0-1--bbbbbbbb/";
  const auto write = [](const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path, std::ios::app) << text << std::flush;
  };
  write(first + "0.log", "begun\nha");
  write(first + "1.log", "here\n");
  Child follower({NELSON_BINARY, "logs", "hello", "-f", "--config", config()});
  follower.until("here");
  write(first + "0.log", "lf a");
  for (const std::string mark : {"round one", "round two"}) {  // by the second, what was written before the first was read
    write(first + "1.log", mark + "\n");
    EXPECT_NE(follower.until(mark).find(mark), std::string::npos) << follower.said();
  }
  EXPECT_EQ(follower.said().find("half"), std::string::npos) << follower.said();
  write(first + "0.log", " line\n");
  EXPECT_NE(follower.until("half a line").find("aaaaaaaa[0]: half a line\n"), std::string::npos) << follower.said();
  write(second + "0.log", "the next\n");
  EXPECT_NE(follower.until("the next").find("bbbbbbbb[0]: the next\n"), std::string::npos) << follower.said();
}

TEST_F(RunTest, WhatCouldNotBeWrittenIsNoSuccess) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full on this machine";
  Child schema({"bash", "-c", std::string("'") + NELSON_BINARY + "' schema > /dev/full"});
  EXPECT_EQ(schema.code(), 2) << schema.said();
  EXPECT_NE(schema.said().find("standard output"), std::string::npos) << schema.said();
}

TEST_F(RunTest, WhatCannotBeBegunSaysWhy) {
  const std::string broken = folder_ + "/n/broken.yml";
  std::ofstream(broken) << "control: control\nstore: store\nlistn: x\n";
  Child config_error({NELSON_BINARY, "run", "--config", broken});
  EXPECT_EQ(config_error.code(), 2);
  EXPECT_NE(config_error.said().find("broken.yml:3:1:"), std::string::npos) << config_error.said();

  fs::create_directories(folder_ + "/n/store/database");
  chmod((folder_ + "/n/store/database").c_str(), 0755);
  Child wide({NELSON_BINARY, "run", "--config", config()});
  EXPECT_EQ(wide.code(), 2);
  EXPECT_NE(wide.said().find("chmod 0700"), std::string::npos) << wide.said();
}

}  // namespace
}  // namespace nelson::cli
