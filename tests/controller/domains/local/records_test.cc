#include "controller/domains/local/records.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/controller/domains/values.h"

namespace nelson {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

StackRecord record_of(const std::string& unit) {
  StackRecord record;
  record.identity.unit = unit;
  record.identity.name_space = "dev";
  record.identity.version = {1, 0, 0};
  record.stack = stack_name(record.identity);
  record.incarnation = 1;
  record.document = "document of " + unit;
  return record;
}

TrafficRecord traffic_of(const std::string& unit, std::uint32_t major = 1) {
  TrafficRecord record;
  record.key = {"local", "dev/sandbox", unit, major};
  record.weights = {{unit + "--1-0-0--0000aaaa", 100}};
  return record;
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void write(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::trunc) << text; }

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what << " is not in " << text;
  return at == std::string::npos ? text : text.replace(at, what.size(), with);
}

class RecordsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "nelson-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    memory_ = open();
  }
  void TearDown() override {
    memory_.reset();
    std::error_code error;
    fs::remove_all(root_, error);
  }

  std::unique_ptr<Memory> open(bool read_only = false) {
    auto opened = open_local_memory(folder(), read_only);
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }

  MemoryView look() {
    auto view = memory_->observe();
    EXPECT_TRUE(view.ok()) << view.error().message;
    return view ? *view : MemoryView{};
  }

  [[nodiscard]] std::string folder() const { return (root_ / "domain").string(); }
  [[nodiscard]] fs::path file(const StackRecord& record) const {
    return root_ / "domain/records/stacks" / (record.stack + ".json");
  }

  fs::path root_;
  std::unique_ptr<Memory> memory_;
};

TEST_F(RecordsTest, LieWhereAPersonFindsThemAndNobodyElseReadsThem) {
  look();
  ASSERT_TRUE(memory_->put(record_of("checkout")).ok());
  ASSERT_TRUE(memory_->put(traffic_of("checkout")).ok());
  ASSERT_TRUE(memory_->put(Claim{"ours", "https://git.example/control", "abc"}).ok());
  ASSERT_TRUE(memory_->lock("one").ok());
  const std::string below = folder() + "/records";
  EXPECT_TRUE(fs::exists(below + "/traffic/dev~sandbox.checkout.1.json"));
  EXPECT_TRUE(fs::exists(below + "/claim.json"));
  EXPECT_NE(text_of(file(record_of("checkout"))).find("\"document\": \"document of checkout\""), std::string::npos);
  for (const auto& entry : fs::recursive_directory_iterator(below)) {
    const auto mode = entry.status().permissions();
    EXPECT_EQ(mode, entry.is_directory() ? fs::perms(0700) : fs::perms(0600)) << entry.path();
    EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos) << "a temporary file was left: " << entry.path();
  }
}

struct Damage {
  const char* name;
  std::string (*spoil)(const std::string& text);
};

class DamagedRecords : public RecordsTest, public ::testing::WithParamInterface<Damage> {};

TEST_P(DamagedRecords, AreNamedAndLeftWhereTheyAre) {
  look();
  ASSERT_TRUE(memory_->put(record_of("checkout")).ok());
  ASSERT_TRUE(memory_->put(record_of("search")).ok());
  const fs::path path = file(record_of("checkout"));
  const std::string spoilt = GetParam().spoil(text_of(path));
  write(path, spoilt);
  const MemoryView view = look();
  EXPECT_EQ(values_in(view.stacks), std::vector{record_of("search")});
  ASSERT_EQ(view.damaged.size(), 1u);
  EXPECT_NE(view.damaged[0].find(path.string()), std::string::npos) << view.damaged[0];
  EXPECT_NE(view.damaged[0].find("put its backup back"), std::string::npos) << view.damaged[0];
  EXPECT_EQ(memory_->put(record_of("checkout")).error().kind, ErrorKind::kConflict);
  EXPECT_EQ(text_of(path), spoilt);
  // Its backup put back, all is well again.
  fs::remove(path);
  auto other = open();
  ASSERT_TRUE(other->observe().ok());
  ASSERT_TRUE(other->put(record_of("checkout")).ok());
  EXPECT_EQ(look().stacks.size(), 2u);
  EXPECT_TRUE(look().damaged.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Records, DamagedRecords,
    ::testing::Values(
        Damage{"EmptyOne", [](const std::string&) { return std::string(); }},
        Damage{"CutOff", [](const std::string& text) { return text.substr(0, text.size() / 2); }},
        Damage{"NoJson", [](const std::string&) { return std::string("hello\n"); }},
        Damage{"AList", [](const std::string&) { return std::string("[1, 2]\n"); }},
        Damage{"AnotherFormat", [](const std::string& text) { return replaced(text, "\"format\": 1", "\"format\": 2"); }},
        Damage{"ABitFlipped", [](const std::string& text) { return replaced(text, "document of", "eocument of"); }},
        Damage{"AFieldUnknown", [](const std::string& text) { return replaced(text, "\"stack\":", "\"stuck\":"); }},
        Damage{"AChecksumChanged", [](const std::string& text) { return replaced(text, "\"sha256\": \"", "\"sha256\": \"0"); }},
        Damage{"TooLong", [](const std::string& text) { return text + std::string(5 << 20, ' '); }}),
    [](const auto& info) { return info.param.name; });

TEST_F(RecordsTest, OfOneUnderTheNameOfAnotherIsDamaged) {
  look();
  ASSERT_TRUE(memory_->put(record_of("checkout")).ok());
  fs::copy_file(file(record_of("checkout")), file(record_of("search")));
  const MemoryView view = look();
  EXPECT_EQ(values_in(view.stacks), std::vector{record_of("checkout")});
  ASSERT_EQ(view.damaged.size(), 1u);
  EXPECT_NE(view.damaged[0].find("is the record of another"), std::string::npos) << view.damaged[0];
}

TEST_F(RecordsTest, ARecordThatIsNoFileIsDamagedAndDoesNotStopTheReader) {
  look();
  ASSERT_EQ(::mkfifo(file(record_of("checkout")).c_str(), 0600), 0);
  EXPECT_EQ(look().damaged.size(), 1u);
}

TEST_F(RecordsTest, WhatDoesNotLookLikeARecordIsPassedOver) {
  look();
  write(folder() + "/records/stacks/.checkout--1-0-0--0000aaaa.json.tmp", "half");
  write(folder() + "/records/stacks/notes.txt", "hello");
  EXPECT_TRUE(look().damaged.empty());
}

TEST_F(RecordsTest, SpacesThatAPersonAddedDoNoHarm) {
  look();
  ASSERT_TRUE(memory_->put(record_of("checkout")).ok());
  const fs::path path = file(record_of("checkout"));
  write(path, replaced(text_of(path), "{\n", "{\n\n   \n"));
  EXPECT_EQ(values_in(look().stacks), std::vector{record_of("checkout")});
  StackRecord next = record_of("checkout");
  next.incarnation = 2;
  EXPECT_TRUE(memory_->put(next).ok());
}

TEST_F(RecordsTest, ThatDidNotChangeAreNotReadAgain) {
  look();
  ASSERT_TRUE(memory_->put(record_of("checkout")).ok());
  const fs::path path = file(record_of("checkout"));
  look();
  // The time of the last access stands still: set long before the last change, a read would move it.
  const timespec times[2] = {{1, 0}, {0, UTIME_OMIT}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  look();  // read, since its stamp changed
  struct stat before {
  }, after{};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  if (before.st_atim.tv_sec == 1) GTEST_SKIP() << "this file system keeps no times of access";
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  auto fresh = open();
  ASSERT_TRUE(fresh->observe().ok());  // so does a new object, and then it does not any more
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(fresh->observe().ok());
  ASSERT_EQ(::stat(path.c_str(), &after), 0);
  EXPECT_EQ(before.st_atim.tv_sec, after.st_atim.tv_sec);
  EXPECT_EQ(before.st_atim.tv_nsec, after.st_atim.tv_nsec);
}

TEST_F(RecordsTest, APathThatLeavesTheFolderIsRefused) {
  look();
  for (const char* name : {"../../evil", "", ".hidden", "a/b"}) {
    StackRecord record = record_of("checkout");
    record.stack = name;
    const Status put = memory_->put(record);
    ASSERT_FALSE(put.ok()) << name;
    EXPECT_EQ(put.error().kind, ErrorKind::kInvalid) << put.error().message;
  }
  TrafficKey key = traffic_of("checkout").key;
  key.unit = std::string(300, 'u');
  EXPECT_EQ(memory_->drop(key).error().kind, ErrorKind::kInvalid);
}

TEST_F(RecordsTest, AFolderThatIsGoneIsAnErrorAndNotAnEmptyMemory) {
  look();
  ASSERT_TRUE(memory_->put(record_of("checkout")).ok());
  fs::remove_all(folder());
  const auto view = memory_->observe();
  ASSERT_FALSE(view.ok());
  EXPECT_EQ(view.error().kind, ErrorKind::kUnavailable);
  EXPECT_FALSE(memory_->put(record_of("checkout")).ok());
}

TEST_F(RecordsTest, TheLockIsLostWithItsFile) {
  ASSERT_TRUE(memory_->lock("one, pid 1").ok());
  EXPECT_TRUE(memory_->holds_lock());
  EXPECT_NE(text_of(folder() + "/lock").find("one, pid 1"), std::string::npos);
  fs::remove(folder() + "/lock");
  EXPECT_FALSE(memory_->holds_lock());
  auto other = open();
  EXPECT_TRUE(other->lock("two").ok());
  EXPECT_FALSE(memory_->holds_lock()) << "two hold it";
  EXPECT_EQ(memory_->lock("one, pid 1").error().kind, ErrorKind::kConflict);
  fs::remove_all(folder());
  EXPECT_FALSE(other->holds_lock());
}

TEST_F(RecordsTest, OpenedToReadOnlyMakesAndLocksNothing) {
  const std::string fresh = (root_ / "fresh").string();
  auto reader = open_local_memory(fresh, true);
  ASSERT_TRUE(reader.ok());
  const auto view = (*reader)->observe();
  ASSERT_TRUE(view.ok()) << view.error().message;
  EXPECT_TRUE(view->stacks.empty() && view->damaged.empty() && !view->claim);
  EXPECT_FALSE((*reader)->put(record_of("checkout")).ok());
  EXPECT_FALSE((*reader)->drop(traffic_of("checkout").key).ok());
  EXPECT_FALSE((*reader)->lock("reader").ok());
  EXPECT_FALSE((*reader)->holds_lock());
  EXPECT_FALSE(fs::exists(fresh));
}

TEST_F(RecordsTest, AFullDiskIsSaidAndLeavesTheEarlierRecordWhole) {
  const std::string disk = (root_ / "disk").string();
  fs::create_directory(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=128k") != 0)
    GTEST_SKIP() << "no small file system can be mounted here (needs root)";
  {
    auto opened = open_local_memory(disk + "/domain", false);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    Memory& memory = **opened;
    ASSERT_TRUE(memory.observe().ok());
    ASSERT_TRUE(memory.put(record_of("checkout")).ok());
    StackRecord big = record_of("checkout");
    big.document = std::string(200 << 10, 'x');
    const Status full = memory.put(big);
    ASSERT_FALSE(full.ok());
    EXPECT_EQ(full.error().kind, ErrorKind::kUnavailable);
    EXPECT_NE(full.error().message.find(disk + "/domain/records/stacks/"), std::string::npos) << full.error().message;
    EXPECT_NE(full.error().message.find("no space left"), std::string::npos) << full.error().message;
    const auto view = memory.observe();
    ASSERT_TRUE(view.ok());
    EXPECT_EQ(values_in(view->stacks), std::vector{record_of("checkout")});
    EXPECT_TRUE(view->damaged.empty());
    big.document = "small again";
    EXPECT_TRUE(memory.put(big).ok()) << "it does not go on by itself once there is space";
  }
  EXPECT_EQ(::umount2(disk.c_str(), MNT_DETACH), 0);
}

TEST_F(RecordsTest, ARecordThatCannotBeReadJustNowIsReadAtTheNextLook) {
  const StackRecord record = record_of("basket");
  ASSERT_TRUE(memory_->put(record));
  memory_ = open();
  // One descriptor is left: for the folder, not for what lies in it.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::dup(0);
  ASSERT_GE(next, 0);
  ::close(next);
  const rlimit few{static_cast<rlim_t>(next) + 1, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const auto view = memory_->observe();
  ::setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_TRUE(view) << view.error().message;
  ASSERT_EQ(view->damaged.size(), 1u);
  EXPECT_NE(view->damaged[0].find("cannot be read"), std::string::npos) << view->damaged[0];
  EXPECT_EQ(view->damaged[0].find("move the file away"), std::string::npos) << "nothing is wrong with it: " << view->damaged[0];
  EXPECT_TRUE(look().damaged.empty());
  EXPECT_EQ(look().stacks.size(), 1u);
}

}  // namespace
}  // namespace nelson
