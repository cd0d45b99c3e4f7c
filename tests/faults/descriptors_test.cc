#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "tests/faults/yard.h"

// Out of descriptors, from the start or in the middle: it works with less, or ends and says why; nothing is lost and nothing is done twice.

namespace nelson::faults {
namespace {

using datacenter::wait_until;

std::size_t open_descriptors(pid_t pid) {
  std::error_code error;
  const std::filesystem::directory_iterator fds("/proc/" + std::to_string(pid) + "/fd", error);
  return static_cast<std::size_t>(std::distance(begin(fds), end(fds)));
}

bool names_it(const std::string& text) {
  return text.find("open files") != std::string::npos || text.find("descriptor") != std::string::npos;
}

/// It ended by itself, and said why.
void expect_named_end(Lane& lane) {
  const std::optional<int> status = lane.world().controller().wait(Seconds(30));
  ASSERT_TRUE(status) << "it neither answers nor ends: " << lane.said();
  EXPECT_TRUE(*status == 2 || *status == 70) << *status << ": " << lane.said();
  EXPECT_TRUE(names_it(lane.said())) << lane.said();
}

void starts_with(Lane& lane, unsigned most) {
  lane.world().kill_controller();
  lane.push_next();
  const bool answers = lane.world().start({"prlimit", "--nofile=" + std::to_string(most)});
  if (!answers) return expect_named_end(lane);
  // It lives; then it does all of it, or says what is missing, on the page or, when clients are what it has no descriptor for, in its log.
  EXPECT_TRUE(wait_until(Seconds(30), [&] {
    return lane.settled() || lane.trouble() || names_it(lane.said()) || !lane.world().controller().running();
  })) << lane.world().why();
  if (!lane.world().controller().running()) return expect_named_end(lane);
  lane.world().kill_controller();
}

/// Only the soft limit, which is what everybody may raise again.
void runs_out(Lane& lane, unsigned spare) {
  const pid_t pid = lane.world().controller().pid();
  rlimit before{};
  ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, nullptr, &before), 0);
  const rlimit fewer{open_descriptors(pid) + spare, before.rlim_max};
  ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, &fewer, nullptr), 0);
  lane.push_next();
  wait_until(Seconds(4), [&] { return lane.settled() || !lane.world().controller().running(); });
  if (!lane.world().controller().running()) return expect_named_end(lane);
  EXPECT_EQ(::prlimit(pid, RLIMIT_NOFILE, &before, nullptr), 0);
}

/// Clients that hold connections must not keep a release from being deployed.
void is_held_by_clients(Lane& lane) {
  constexpr unsigned kMost = 100;
  lane.world().kill_controller();
  ASSERT_TRUE(lane.world().start({"prlimit", "--nofile=" + std::to_string(kMost)})) << lane.said();
  ASSERT_TRUE(lane.wait_settled()) << lane.world().why();
  std::vector<int> clients;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(lane.world().page_port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (unsigned i = 0; i < 2 * kMost; ++i) {
    clients.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    static_cast<void>(::connect(clients.back(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  }
  const std::size_t before = lane.instances().size();
  lane.push_next();
  EXPECT_TRUE(wait_until(Seconds(20), [&] { return lane.instances().size() > before; }))
      << "nothing is deployed while clients hold all connections: " << lane.said();
  for (const int client : clients) ::close(client);
  EXPECT_TRUE(lane.world().controller().running()) << lane.said();
  EXPECT_TRUE(lane.wait_settled()) << lane.world().why();
  lane.world().kill_controller();
}

TEST(Descriptors, FewOfThemOrNoneLeft) {
  std::vector<Story> stories;
  for (const unsigned most : {6U, 12U, 16U, 24U})
    stories.push_back({"a start with " + std::to_string(most) + " descriptors", [most](Lane& lane) { starts_with(lane, most); }});
  for (const unsigned spare : {0U, 3U})
    stories.push_back({std::to_string(spare) + " descriptors left", [spare](Lane& lane) { runs_out(lane, spare); }});
  stories.push_back({"clients that hold all connections", is_held_by_clients});
  tell(stories);
}

}  // namespace
}  // namespace nelson::faults
