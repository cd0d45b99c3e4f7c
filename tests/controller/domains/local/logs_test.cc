#include "controller/domains/local/logs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace nelson {
namespace {

class LogsTest : public ::testing::Test {
 protected:
  LogsTest() {
    std::string path = (std::filesystem::temp_directory_path() / "nelson-logs-XXXXXX").string();
    folder_ = ::mkdtemp(path.data());
  }
  ~LogsTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string log_of(const std::string& stack, const std::string& file = "0.log") const {
    std::filesystem::create_directories(folder_ + "/logs/" + stack);
    return folder_ + "/logs/" + stack + "/" + file;
  }
  static std::uint64_t size_of(const std::string& path) {
    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    return error ? 0 : size;
  }

  std::string folder_;
};

constexpr const char* kOne = "one--1-0-0--00000000";
constexpr const char* kTwo = "two--1-0-0--00000000";

TEST_F(LogsTest, PartsAreBoundedAndWholeLinesStayWhole) {
  const std::string path = log_of(kOne);
  LogWriter writer(path, 100);
  for (int i = 0; i < 50; ++i) writer.write("line " + std::to_string(i) + "\n");
  EXPECT_LE(size_of(path), 100U);
  EXPECT_LE(size_of(path + ".1"), 100U);
  const auto text = read_log({kOne, 0, path}, 1000);
  ASSERT_TRUE(text);
  EXPECT_TRUE(text->starts_with("line ")) << *text;
  EXPECT_TRUE(text->ends_with("line 49\n"));
}

TEST_F(LogsTest, ALineLongerThanAPartIsSplit) {
  const std::string path = log_of(kOne);
  LogWriter writer(path, 100);
  writer.write("short\n" + std::string(1000, 'x') + "\nlast\n");
  EXPECT_LE(size_of(path), 100U);
  EXPECT_LE(size_of(path + ".1"), 100U);
  EXPECT_TRUE(read_log({kOne, 0, path})->ends_with("x\nlast\n"));
}

TEST_F(LogsTest, OneWriteMayFillManyParts) {
  const std::string path = log_of(kOne);
  LogWriter writer(path, 100);
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "number " + std::to_string(i) + "\n";
  writer.write(text);
  EXPECT_LE(size_of(path), 100U);
  EXPECT_LE(size_of(path + ".1"), 100U);
  EXPECT_TRUE(read_log({kOne, 0, path})->ends_with("number 999\n"));
}

TEST_F(LogsTest, WhatCannotBeWrittenIsCountedAndSaid) {
  // /dev/full: every write finds the disk full.
  const std::string path = log_of(kOne);
  std::filesystem::create_symlink("/dev/full", path + ".full");
  LogWriter refused(path + ".full", 1000);  // a link is not followed: nothing can be opened, nothing breaks
  refused.write("lost\n");
  std::filesystem::remove(path + ".full");
  refused.write("kept\n");
  std::ifstream file(path + ".full");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(text, "[nelson: 5 bytes were lost here: the log could not be written]\nkept\n");
}

TEST_F(LogsTest, LogsAreChosenByStackOrUnit) {
  for (const char* file : {"0.log", "1.log", "10.log", "supervisor.log", "0.log.1", "x.log"})
    std::ofstream(log_of(kOne, file)) << "a\n";
  std::ofstream(log_of(kTwo)) << "b\n";
  const auto all = list_logs(folder_, "");
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 5U);
  EXPECT_EQ((*all)[0].index, -1);
  EXPECT_EQ((*all)[3].index, 10);
  EXPECT_EQ(list_logs(folder_, "two")->size(), 1U);
  EXPECT_EQ(list_logs(folder_, kTwo)->size(), 1U);
  EXPECT_EQ(list_logs(folder_, "three")->size(), 0U);
  const auto nowhere = list_logs(folder_ + "/nowhere", "");
  ASSERT_FALSE(nowhere);
  EXPECT_NE(nowhere.error().message.find("nowhere"), std::string::npos);
}

TEST_F(LogsTest, ReadingCutsAtALine) {
  const std::string path = log_of(kOne);
  std::ofstream(path) << "first line\nsecond line\nthird line\n";
  EXPECT_EQ(*read_log({kOne, 0, path}, 15), "third line\n");
  EXPECT_EQ(*read_log({kOne, 0, path}), "first line\nsecond line\nthird line\n");
  EXPECT_FALSE(read_log({kOne, 1, path + "x"}));
}

TEST_F(LogsTest, FollowingGoesOnAcrossRotations) {
  const std::string path = log_of(kOne);
  LogWriter writer(path, 100);
  writer.write("before\n");
  LogFollower follower({kOne, 0, path});
  EXPECT_EQ(follower.more(), "");
  std::string seen;
  std::string written;
  for (int i = 0; i < 60; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    writer.write(line);
    written += line;
    for (std::string more = follower.more(); !more.empty(); more = follower.more()) seen += more;
  }
  EXPECT_EQ(seen, written);
  LogFollower moved(std::move(follower));
  writer.write("after\n");
  EXPECT_EQ(moved.more(), "after\n");
}

TEST_F(LogsTest, AFollowerWaitsForALogThatIsNotThereYet) {
  const std::string path = log_of(kOne);
  LogFollower follower({kOne, 0, path});
  EXPECT_EQ(follower.more(), "");
  std::ofstream(path) << "hello\n";
  EXPECT_EQ(follower.more(), "hello\n");
}

TEST_F(LogsTest, OnlyTheNewestEndedLogsAreKept) {
  const std::size_t more = kEndedLogsKept + 10;
  for (std::size_t i = 0; i < more; ++i) {
    const std::string stack = "unit" + std::to_string(i) + "--1-0-0--00000000";
    std::ofstream(log_of(stack)) << "x\n";
    const timespec times[2] = {{static_cast<time_t>(1'000'000 + i), 0}, {static_cast<time_t>(1'000'000 + i), 0}};
    ::utimensat(AT_FDCWD, (folder_ + "/logs/" + stack).c_str(), times, 0);
  }
  std::filesystem::create_directories(folder_ + "/stacks/unit0--1-0-0--00000000");
  drop_old_logs(folder_);
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/logs/unit0--1-0-0--00000000")) << "it still runs";
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/logs/unit1--1-0-0--00000000"));
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/logs/unit59--1-0-0--00000000"));
  EXPECT_EQ(list_logs(folder_, "")->size(), kEndedLogsKept + 1);
}

}  // namespace
}  // namespace nelson
