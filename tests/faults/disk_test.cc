#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "tests/datacenter/world/small_disk.h"
#include "tests/faults/yard.h"

// Disks that are full before, during and after, and syncs that fail: nothing is done that was not written down, the page says what is the
// matter as long as the process can live, and what cannot go on ends at once and says why.

namespace nelson::faults {
namespace {

namespace fs = std::filesystem;
using datacenter::Process;
using datacenter::Trouble;
using datacenter::wait_until;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kAPass = Seconds(10);  // it asks again after 5 s, and the machine may be busy
constexpr std::uint32_t kEverybody = kRun | kSupervise | kGitWorker;

bool tells(const std::string& text, const std::string& word) { return text.find(word) != std::string::npos; }

std::optional<Trouble> wait_trouble(Lane& lane) {
  std::optional<Trouble> told;
  EXPECT_TRUE(wait_until(Seconds(30), [&] { return (told = lane.trouble()).has_value(); }))
      << "nothing is told" << lane.world().why();
  return told;
}

void expect_no_effects(Lane& lane) {
  for (const Call& call : lane.effects()) ADD_FAILURE() << "an effect without its intent: " << call.text();
}

/// Whose disk is full, and whether effects may happen up to the one that finds no room.
struct FullPart {
  const char* of;
  std::string part;  // of the path
  std::uint32_t roles;
  bool effects_may_happen;
};

void stays_full(Lane& lane, const FullPart& full) {
  const std::vector<Process> before = lane.instances();
  lane.shim().give({Deed::kFailFrom, kSpace, ENOSPC, 1, full.part, full.roles});
  lane.push_next();
  const std::optional<Trouble> told = wait_trouble(lane);
  if (told) EXPECT_TRUE(tells(told->cause + told->way_out, "space")) << told->cause << " | " << told->way_out;
  EXPECT_TRUE(lane.world().controller().running()) << lane.said();
  EXPECT_EQ(lane.instances(), before);
  if (!full.effects_may_happen) expect_no_effects(lane);
  lane.shim().take_back();
  const auto since = Clock::now();
  EXPECT_TRUE(wait_until(Seconds(60), [&] { return lane.instances().size() > before.size(); })) << lane.world().why();
  EXPECT_LE(Clock::now() - since, kAPass);
}

void starts_on_a_full_disk(Lane& lane) {
  const std::vector<Process> before = lane.instances();
  lane.world().kill_controller();
  lane.shim().give({Deed::kFailFrom, kSpace, ENOSPC, 1, "/", kEverybody});
  lane.push_next();
  ASSERT_TRUE(lane.start()) << lane.said();
  static_cast<void>(wait_trouble(lane));
  EXPECT_EQ(lane.instances(), before);
}

/// A quota is not seen before it is met. What met it is not done, and the process says why it ends.
void meets_its_quota(Lane& lane) {
  const std::vector<Process> before = lane.instances();
  lane.shim().give({Deed::kFailFrom, kWrite, EDQUOT, 1, "/data.mdb"});
  lane.push_next();
  EXPECT_EQ(lane.world().controller().wait(Seconds(30)), 70);
  EXPECT_TRUE(tells(lane.said(), "its disk is full")) << lane.said();
  expect_no_effects(lane);
  EXPECT_EQ(lane.instances(), before);
}

/// A real small file system that is full before there is anything.
void never_had_room(Lane& lane, bool store) {
  lane.begin_anew();
  const std::string folder = store ? lane.world().store_folder() : lane.world().domain_folder();
  {
    const datacenter::SmallDisk disk(folder, store ? 192 : 8);
    if (!disk.mounted()) return;  // the shim's full disks are what is left then
    fs::permissions(folder, store ? fs::perms(0700) : fs::perms(0711));
    disk.fill();
    EXPECT_EQ(lane.start(), !store) << lane.said();
    if (store) {
      const auto status = lane.world().controller().wait(Seconds(5));
      EXPECT_TRUE(status == 2 || status == 70) << status.value_or(-1);
      EXPECT_TRUE(tells(lane.said(), folder)) << lane.said();
      EXPECT_TRUE(tells(lane.said(), "space") || tells(lane.said(), "full")) << lane.said();
    } else {
      EXPECT_TRUE(tells(wait_trouble(lane).value_or(Trouble{}).cause, "space")) << lane.world().why();
    }
    EXPECT_TRUE(lane.instances().empty());
    disk.free();
    EXPECT_TRUE(lane.be_settled()) << lane.said() << lane.world().why();
    for (const std::string& finding : lane.findings()) ADD_FAILURE() << finding;
    lane.end_all();
  }
  lane.begin_anew();
}

/// Takes connections into its backlog and never answers.
class SilentHost {
 public:
  SilentHost() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof where;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&where), size) == 0 && ::listen(listener_, 64) == 0 &&
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&where), &size) == 0)
      port_ = ntohs(where.sin_port);
  }
  ~SilentHost() { ::close(listener_); }
  SilentHost(const SilentHost&) = delete;
  SilentHost& operator=(const SilentHost&) = delete;
  [[nodiscard]] std::string url() const { return "https://127.0.0.1:" + std::to_string(port_) + "/silent.git"; }

 private:
  int listener_;
  std::uint16_t port_ = 0;
};

/// Nobody waits for a host that does not answer once the store can no longer be trusted.
void cannot_sync_while_a_host_hangs(Lane& lane) {
  const SilentHost host;
  const std::string commit = lane.world().control_file("repositories/silent.yml", "url: " + host.url() + "\nrelease: branch\n");
  ASSERT_TRUE(wait_until(Seconds(30), [&] { return lane.world().status().control_commit == commit; })) << lane.world().why();
  lane.shim().clear_log();
  lane.shim().give({Deed::kFail, kSync, EIO, 1, "/data.mdb"});
  lane.push_next();
  EXPECT_TRUE(wait_until(Seconds(30), [&] { return lane.shim().done() > 0; }));
  const auto since = Clock::now();
  EXPECT_EQ(lane.world().controller().wait(Seconds(60)), 70);
  EXPECT_LE(Clock::now() - since, milliseconds(1200)) << "a second, and a busy machine";
  EXPECT_TRUE(tells(lane.said(), lane.world().store_folder())) << lane.said();
  bool failed = false;
  for (const Call& call : lane.shim().log()) {
    EXPECT_FALSE(failed && (call.calls & kSync) != 0 && call.path.ends_with("/data.mdb")) << "a second sync: " << call.text();
    failed = failed || call.tampered();
  }
  EXPECT_TRUE(failed);
  lane.world().control_file("repositories/silent.yml", std::nullopt);
}

/// The record is in place, but whether that lasts is not known: nothing is started on the strength of it before the folder was synced.
void cannot_sync_a_records_folder(Lane& lane) {
  const std::string folder = lane.world().domain_folder() + "/records/stacks";
  lane.shim().give({Deed::kFail, kSync, EIO, 2, "/records/stacks"});  // the first is of the record itself
  lane.push_next();
  EXPECT_TRUE(lane.wait_settled()) << lane.world().why();
  enum { kBefore, kFailed, kSynced } state = kBefore;
  for (const Call& call : lane.effects()) {
    if (call.tampered()) EXPECT_EQ(call.path, folder);
    if (call.tampered()) state = kFailed;
    if (state == kFailed && call.outcome == "ok" && (call.calls & kSync) != 0 && call.path == folder) state = kSynced;
    EXPECT_FALSE(state == kFailed && call.path.starts_with(lane.world().domain_folder() + "/stacks/"))
        << "started: " << call.text();
  }
  EXPECT_EQ(state, kSynced);
}

TEST(Disks, FullOnesAndFailingOnes) {
  std::vector<Story> stories = {
      {"a start on a full disk", starts_on_a_full_disk},
      {"a quota that is used up", meets_its_quota},
      {"a failed sync of a record's folder", cannot_sync_a_records_folder},
      {"a failed sync while a host hangs", cannot_sync_while_a_host_hangs},
      {"full before the first start: the store", [](Lane& lane) { never_had_room(lane, true); }},
      {"full before the first start: the domain", [](Lane& lane) { never_had_room(lane, false); }},
  };
  for (const FullPart& full :
       {FullPart{"the store", "/store/database", kRun, false},
        FullPart{"the store and the mirrors", "/store/", kRun | kGitWorker, false},
        FullPart{"the domain", "/domain/", kEverybody, true}, FullPart{"everything", "/", kEverybody, false}})
    stories.push_back({std::string("a disk that stays full: ") + full.of, [full](Lane& lane) { stays_full(lane, full); }});
  tell(stories);
}

}  // namespace
}  // namespace nelson::faults
