#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "gitsync/child.h"
#include "gitsync/lanes.h"
#include "gitsync/protocol.h"
#include "gitsync/wire.h"
#include "tests/gitsync/git_fixture.h"

namespace nelson::git {
namespace {

using namespace nelson::gitsync_test;
using Repository = ::nelson::gitsync_test::Git;
using std::chrono::milliseconds;
using std::chrono::seconds;

Deadline in(milliseconds time) { return std::chrono::steady_clock::now() + time; }

std::uint64_t address_pages(pid_t pid) {
  std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
  std::uint64_t total = 0;
  statm >> total;
  return total;
}

PollRequest poll_of(const std::string& url, const std::string& mirror) {
  PollRequest out;
  out.repository = mirror;
  out.url = url;
  out.branch = "main";
  return out;
}

TEST(Worker, PollsListsReadsAndAnswers) {
  TempFolder folder;
  const Repository shop(folder / "shop");
  write_unit(shop, "basket", "1.0.0");
  const std::string commit = shop.commit("one");
  Child child("", -1);
  const auto first = child.ask(poll_of(shop.url(), folder / "mirror.git"), in(seconds(30)));
  ASSERT_TRUE(first) << first.failure().message;
  EXPECT_TRUE(first->fetched);
  EXPECT_EQ(first->references.head, commit);

  PollRequest again = poll_of(shop.url(), folder / "mirror.git");
  again.known = first->digest;
  const auto second = child.ask(again, in(seconds(30)));
  ASSERT_TRUE(second) << second.failure().message;
  EXPECT_TRUE(second->unchanged);

  EntriesRequest entries;
  entries.repository = folder / "mirror.git";
  entries.commit = commit;
  const auto listed = child.ask(entries, in(seconds(30)));
  ASSERT_TRUE(listed) << listed.failure().message;
  ASSERT_EQ(listed->entries.size(), 2U);
  EXPECT_EQ(listed->entries[0].path, ".nelson.yml");
  EXPECT_EQ(listed->entries[1].path, "basket.deployable.yml");
  EXPECT_EQ(child.started(), 1U);
}

TEST(Worker, ManyPollsDoNotGrowIt) {
  TempFolder folder;
  const Repository shop(folder / "shop");
  shop.commit("one");
  Child child("", -1);
  PollRequest request = poll_of(shop.url(), folder / "mirror.git");
  std::uint64_t before = 0;
  for (int i = 0; i < 600; ++i) {
    const auto answer = child.ask(request, in(seconds(30)));
    ASSERT_TRUE(answer) << answer.failure().message;
    request.known = answer->digest;
    if (i == 100) before = address_pages(child.pid());
  }
  if (!kSanitized) EXPECT_LT(address_pages(child.pid()), before + 1024) << "4 MiB in 500 polls";
  EXPECT_EQ(child.started(), 1U);
}

TEST(Worker, InheritsNothingAndIsLimited) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root sees what a child that may not be traced has open";
  TempFolder folder;
  const int secret = ::open((folder / "secret").c_str(), O_RDWR | O_CREAT, 0600);  // on purpose without O_CLOEXEC
  ASSERT_EQ(::setenv("NELSON_TEST_SECRET", "canary-in-the-environment", 1), 0);
  Child child("", -1);
  ReferencesRequest request;
  request.repository = folder / "none.git";
  request.branch = "main";
  const auto answer = child.ask(request, in(seconds(30)));
  ASSERT_TRUE(answer) << answer.failure().message;
  EXPECT_EQ(*answer, References());
  const std::string proc = "/proc/" + std::to_string(child.pid());
  std::string descriptors;
  for (const auto& entry : std::filesystem::directory_iterator(proc + "/fd"))
    descriptors += entry.path().filename().string() + " " + std::filesystem::read_symlink(entry.path()).string() + "\n";
  EXPECT_EQ(descriptors.find("secret"), std::string::npos) << descriptors;
  EXPECT_NE(descriptors.find("3 socket:"), std::string::npos) << descriptors;
  EXPECT_EQ(read_file(proc + "/environ").find("canary"), std::string::npos);
  EXPECT_EQ(read_file(proc + "/cmdline"), std::string("/proc/self/exe\0git-worker\0", 26));
  const std::string limits = read_file(proc + "/limits");
  for (const char* line : {"Max core file size        0  ", "Max open files            1024  "})
    EXPECT_NE(limits.find(line), std::string::npos) << limits;
  for (const char* line : {"Max cpu time              unlimited", "Max file size             unlimited"})
    EXPECT_EQ(limits.find(line), std::string::npos) << limits;
  if (!kSanitized) EXPECT_EQ(limits.find("Max address space         unlimited"), std::string::npos) << limits;
  ::close(secret);
  ::unsetenv("NELSON_TEST_SECRET");
}

TEST(Worker, AKilledChildIsReplaced) {
  TempFolder folder;
  Child child("", -1);
  ReferencesRequest request;
  request.repository = folder / "none.git";
  ASSERT_TRUE(child.ask(request, in(seconds(30))));
  const pid_t first = child.pid();
  ASSERT_EQ(::kill(first, SIGKILL), 0);
  // Whether the death is seen before or during the next question, the one after it is answered.
  (void)child.ask(request, in(seconds(30)));
  ASSERT_TRUE(child.ask(request, in(seconds(30))));
  EXPECT_NE(child.pid(), first);
}

TEST(Worker, AProgramThatIsNoneIsAFailureNotAHang) {
  for (const char* program : {"/bin/false", "/nonexistent/nelson", "/bin/cat"}) {
    Child child(program, -1);
    ReferencesRequest request;
    request.repository = "/nonexistent";
    const auto answer = child.ask(request, in(seconds(20)));
    EXPECT_FALSE(answer) << program;
    EXPECT_FALSE(answer.failure().message.empty());
  }
}

/// A death is told by what it was: a bound of ours, or a crash that says nothing of the repository.
struct Death {
  const char* what;
  const char* script;
  const char* code;
};

class Deaths : public ::testing::TestWithParam<Death> {};

TEST_P(Deaths, AreToldApart) {
  TempFolder folder;
  // Takes the request, then answers with a frame of one byte: the phase, kListing.
  const std::string listing =
      "length=$(head -c 9 <&3 | od -An -N2 -tu2)\nhead -c $length <&3 >/dev/null\n"
      "printf '\\1\\0\\0\\0\\0\\0\\0\\0\\144\\1' >&3\n";
  write_file(folder / "child", "#!/bin/sh\nulimit -c 0\n" + listing + GetParam().script, 0700);
  Child child(folder / "child", -1);
  const auto answer = child.ask(poll_of("/nonexistent", folder / "mirror.git"), in(seconds(30)));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.failure().code, GetParam().code) << answer.failure().message;
}

INSTANTIATE_TEST_SUITE_P(Worker, Deaths,
                         ::testing::Values(Death{"Crashed", "kill -SEGV $$", "GitChild"},
                                           Death{"Killed", "kill -KILL $$", "GitChild"},
                                           Death{"OutOfProcessorTime", "kill -XCPU $$", "RepositoryTooBig"},
                                           Death{"OutOfMemory", "exit 1", "EndlessReferences"}),
                         [](const auto& info) { return info.param.what; });

TEST(Worker, AMirrorThatAnotherChildMadeAnewIsReadAnew) {
  TempFolder folder;
  const Repository shop(folder / "shop");
  write_unit(shop, "basket", "1.0.0");
  EntriesRequest entries;
  entries.commit = shop.commit("one");
  entries.repository = folder / "mirror.git";
  PollRequest request = poll_of(shop.url(), folder / "mirror.git");
  Child poller("", -1), reader("", -1);
  ASSERT_TRUE(poller.ask(request, in(seconds(30))));
  const auto listed = reader.ask(entries, in(seconds(30)));
  ASSERT_TRUE(listed) << listed.failure().message;
  // Damaged in place, so that a reader that has it open sees that too.
  for (const auto& entry : std::filesystem::directory_iterator(folder / "mirror.git/objects/pack")) {
    std::filesystem::permissions(entry.path(), std::filesystem::perms::owner_all);
    std::fstream(entry.path(), std::ios::in | std::ios::out) << std::string(entry.file_size(), 'x');
  }
  request.rebuild = true;
  ASSERT_TRUE(poller.ask(request, in(seconds(30))));
  BlobsRequest blobs;
  blobs.repository = folder / "mirror.git";
  blobs.ids = {listed->entries.at(0).id};
  const auto read = reader.ask(blobs, in(seconds(30)));
  EXPECT_TRUE(read) << read.failure().message;
}

TEST(Worker, AnnotatedTagsCountOnce) {
  TempFolder folder;
  const Repository shop(folder / "shop");
  std::string stream = "commit refs/heads/main\nmark :1\ncommitter T <t@example.org> 1700000000 +0000\ndata 1\nm\n";
  for (int i = 0; i < 5'001; ++i)
    stream += "tag 1.0." + std::to_string(i) + "\nfrom :1\ntagger T <t@example.org> 1700000000 +0000\ndata 1\nm\n";
  write_file(folder / "stream", stream);
  ASSERT_EQ(run({"sh", "-c", "git fast-import --quiet < ../stream && git pack-refs --all"}, shop.folder()).status, 0);
  Child child("", -1);
  const auto answer = child.ask(poll_of(shop.url(), folder / "mirror.git"), in(seconds(60)));
  EXPECT_TRUE(answer) << answer.failure().message;
}

/// Accepts connections and says nothing.
int silent_listener(std::string& port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(::listen(socket, 16), 0);  // an unbound socket gets a free port, on every address
  struct {
    std::uint16_t family, port;
    unsigned char rest[12];
  } name{};
  socklen_t size = sizeof name;
  EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size), 0);
  port = std::to_string((name.port & 0xff) << 8 | name.port >> 8);
  return socket;
}

TEST(Worker, ASilentHostIsLeftAtTheListDeadlineAndTheChildIsKilled) {
  TempFolder folder;
  std::string port;
  const int listener = silent_listener(port);
  Child child("", -1);
  const auto began = std::chrono::steady_clock::now();
  const auto answer =
      child.ask(poll_of("git://127.0.0.1:" + port + "/x", folder / "mirror.git"), in(seconds(60)), in(milliseconds(700)));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.failure().code, "GitTimeout");
  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(20));
  EXPECT_LE(child.pid(), 0);
  ::close(listener);
}

TEST(Worker, AnOvertakenJobEndsBeforeAnotherWorksOnItsMirror) {
  World world;
  std::string port;
  const int listener = silent_listener(port);
  const std::string file = "git://127.0.0.1:" + port + "/x";
  world.watch("shop", file);
  GitsyncOptions options = world.options();
  options.deadline = seconds(20);
  const auto opened = Gitsync::open(options);
  ASSERT_TRUE(opened);
  std::vector<int> visitors;
  const auto somebody_came = [&] {
    pollfd waiting{listener, POLLIN, 0};
    if (::poll(&waiting, 1, 0) != 1) return false;
    visitors.push_back(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    return true;
  };
  const auto visited = [&] {
    return eventually([&] {
      (void)synced(**opened, false);
      return somebody_came();
    });
  };
  ASSERT_TRUE(visited());
  ASSERT_TRUE(visited()) << "again, in the slow lane";
  world.watch("shop", file, "release: branch\nbranch: other\n");
  for (int i = 0; i < 2; ++i) (void)synced(**opened, false);  // takes the edit; waits for what is sent by it
  EXPECT_FALSE(somebody_came()) << "while the second one is there";
  ::close(visitors[1]);
  EXPECT_TRUE(visited());
  ::close(visitors[0]);
  ::close(listener);
}

TEST(Worker, StoppingInterruptsAQuestion) {
  TempFolder folder;
  std::string port;
  const int listener = silent_listener(port);
  const auto began = std::chrono::steady_clock::now();
  {
    Lanes lanes("");
    lanes.submit({"h", false,
                  [&](Child& child) {
                    const auto answer =
                        child.ask(poll_of("git://127.0.0.1:" + port + "/x", folder / "mirror.git"), in(seconds(60)));
                    EXPECT_FALSE(answer);
                  },
                  nullptr});
    ASSERT_TRUE(eventually([&] { return !lanes.children().empty(); }));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(20));
  ::close(listener);
}

TEST(Worker, DiesWithItsParent) {
  TempFolder folder;
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    Child child("", -1);
    ReferencesRequest request;
    request.repository = folder / "none.git";
    const pid_t pid = child.ask(request, in(seconds(30))) ? child.pid() : -1;
    (void)!::write(pipe[1], &pid, sizeof pid);
    ::kill(::getpid(), SIGKILL);
  }
  ::close(pipe[1]);
  pid_t child = -1;
  ASSERT_EQ(::read(pipe[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
  ::close(pipe[0]);
  ASSERT_GT(child, 0);
  ASSERT_EQ(::waitpid(parent, nullptr, 0), parent);
  EXPECT_TRUE(eventually([&] {
    const std::string stat = read_file("/proc/" + std::to_string(child) + "/stat");
    return stat.empty() || stat.find(") Z ") != std::string::npos;
  }));
}

TEST(Worker, SuspectHostsAreSkippedAndOthersAreNot) {
  Lanes lanes("");
  std::atomic<int> ran{0}, skipped{0};
  const auto job = [&](const std::string& host) { lanes.submit({host, false, [&](Child&) { ++ran; }, [&] { ++skipped; }}); };
  lanes.timed_out("dead:443");
  job("dead:443");
  ASSERT_TRUE(eventually([&] { return ran == 1; })) << "one timeout makes no host suspect";
  lanes.timed_out("dead:443");
  for (int i = 0; i < 100; ++i) job("dead:443");
  job("alive:443");
  EXPECT_TRUE(eventually([&] { return skipped == 100 && ran == 2; })) << skipped << " " << ran;
  lanes.heard("dead:443");
  job("dead:443");
  EXPECT_TRUE(eventually([&] { return ran == 3; }));
}

TEST(Worker, AHostThatHasNotAnsweredYetGetsTwoLanes) {
  Lanes lanes("");
  std::atomic<int> running{0}, most{0}, done{0}, other{0};
  std::atomic<bool> open{false};
  for (int i = 0; i < 8; ++i)
    lanes.submit({"new:443", false,
                  [&](Child&) {
                    const int now = ++running;
                    int seen = most;
                    while (now > seen && !most.compare_exchange_weak(seen, now)) {
                    }
                    (void)eventually([&] { return open.load(); });
                    --running;
                    ++done;
                  },
                  nullptr});
  lanes.submit({"other:443", false, [&](Child&) { ++other; }, nullptr});
  EXPECT_TRUE(eventually([&] { return other == 1; })) << "nobody waits behind it";
  open = true;
  EXPECT_TRUE(eventually([&] { return done == 8; }));
  EXPECT_EQ(most, 2);
}

// --- the bytes between parent and child ---

TEST(Wire, DecodeOfEncodeIsIdentity) {
  PollAnswer answer;
  answer.digest = "abc";
  answer.fetched = true;
  answer.ignored = 7;
  answer.references.tags = {{"1.0.0", std::string(40, 'a')}, {std::string("\0\n", 2), ""}};
  wire::Writer writer;
  writer(answer);
  const std::string bytes = writer.take();
  wire::Reader reader(bytes);
  PollAnswer back;
  reader(back);
  ASSERT_TRUE(reader.complete());
  EXPECT_EQ(back.references, answer.references);
  EXPECT_EQ(back.ignored, 7U);
  EXPECT_TRUE(back.fetched);
}

class WireLaws : public ::testing::TestWithParam<unsigned> {};

TEST_P(WireLaws, NoBytesBreakTheReader) {  // GetParam() is the seed
  std::mt19937 random(GetParam());
  wire::Writer writer;
  Entries entries;
  for (int i = 0; i < 20; ++i) entries.entries.push_back({"path" + std::to_string(i), std::string(40, 'b'), true});
  writer(entries);
  std::string bytes = writer.take();
  for (int i = 0; i < 200; ++i) {
    std::string mutated = bytes;
    for (unsigned k = 0; k <= random() % 8; ++k) mutated[random() % mutated.size()] = static_cast<char>(random());
    mutated.resize(mutated.size() - random() % 9);
    wire::Reader reader(mutated);
    Entries back;
    reader(back);
    EXPECT_LE(back.entries.size(), mutated.size()) << "a lying count makes no room";
    FrameBuffer frames;
    Frame frame;
    frames.append(mutated);
    (void)frames.next(frame);
  }
}
INSTANTIATE_TEST_SUITE_P(Wire, WireLaws, ::testing::Range(1U, 21U));

}  // namespace
}  // namespace nelson::git
