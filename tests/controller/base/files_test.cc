#include "controller/base/files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "controller/base/signals.h"

namespace nelson {
namespace {

class Files : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "nelson-files-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_F(Files, ReadsWhatWasMadeAndRefusesTheRest) {
  const std::string path = folder_ + "/a";
  ASSERT_TRUE(create_file(path, "hello"));
  EXPECT_EQ(read_file(path, 5).value(), "hello");
  EXPECT_NE(read_file(path, 4).error().message.find("longer than 4 bytes"), std::string::npos);
  EXPECT_EQ(create_file(path, "again").error().kind, ErrorKind::kConflict);
  EXPECT_EQ(read_file(path, 5).value(), "hello");
  EXPECT_NE(read_file(folder_ + "/none", 9).error().message.find(folder_ + "/none"), std::string::npos);
  EXPECT_NE(read_file(folder_, 9).error().message.find("not a regular file"), std::string::npos);
  ASSERT_EQ(mkfifo((folder_ + "/pipe").c_str(), 0600), 0);
  EXPECT_FALSE(read_file(folder_ + "/pipe", 9)) << "and it does not wait for a writer";
  EXPECT_EQ(read_file(folder_ + "/none", 9).error().kind, ErrorKind::kInvalid);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit no_more{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &no_more), 0);
  const auto later = read_file(path, 5);
  setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().kind, ErrorKind::kUnavailable);
}

TEST_F(Files, MakesFoldersAndTellsFreeOnes) {
  EXPECT_TRUE(make_folders(folder_ + "/x/y/z"));
  EXPECT_TRUE(make_folders(folder_ + "/x/y/z")) << "twice is once";
  EXPECT_TRUE(is_free(folder_ + "/x/y/z"));
  EXPECT_TRUE(is_free(folder_ + "/nothing"));
  EXPECT_FALSE(is_free(folder_ + "/x"));
  ASSERT_TRUE(create_file(folder_ + "/file", ""));
  EXPECT_FALSE(is_free(folder_ + "/file"));
  EXPECT_FALSE(make_folders(folder_ + "/file/below"));
}

TEST(Paths, AreSeenFromTheFilesFolder) {
  EXPECT_EQ(resolve_path("/etc/nelson", "store"), "/etc/nelson/store");
  EXPECT_EQ(resolve_path("/etc/nelson", "../var/./x/"), "/etc/var/x");
  EXPECT_EQ(resolve_path("/etc/nelson", "/srv"), "/srv");
  EXPECT_EQ(folder_of("/etc/nelson/nelson.yml"), "/etc/nelson");
}

TEST(SignalsTest, ArriveAsCallsAndMayComeBackToTheirUsualMeaning) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  {
    const auto signals = Signals::open([&](int number) {
      const char byte = static_cast<char>(number);
      ASSERT_EQ(write(ends[1], &byte, 1), 1);
    });
    for (const int number : {SIGHUP, SIGTERM, SIGHUP}) {
      kill(getpid(), number);
      char got = 0;
      ASSERT_EQ(read(ends[0], &got, 1), 1);
      EXPECT_EQ(got, number);
    }
  }
  close(ends[0]);
  close(ends[1]);
  EXPECT_EXIT(raise(SIGTERM), testing::KilledBySignal(SIGTERM), "");
}

TEST(SignalsTest, WithoutADescriptorTheySaySo) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto signals = Signals::open([](int) {});
  setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_FALSE(signals);
  EXPECT_EQ(signals.error().kind, ErrorKind::kUnavailable);
  EXPECT_NE(signals.error().message.find("open files"), std::string::npos) << signals.error().message;
}

TEST(SignalsTest, ASecondRequestToEndIsObeyedAtOnce) {
  EXPECT_EXIT(
      {
        const auto signals = Signals::open([](int) { pause(); });
        raise(SIGTERM);
        raise(SIGINT);
        pause();
      },
      testing::ExitedWithCode(128 + SIGINT), "");
}

}  // namespace
}  // namespace nelson
