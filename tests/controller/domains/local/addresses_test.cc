#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "controller/domains/local/address_book.h"
#include "controller/domains/local/lighthouse.h"

namespace nelson {
namespace {

namespace fs = std::filesystem;

class FolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "nelson-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    std::error_code error;
    fs::remove_all(folder_, error);
  }

  std::string folder_;
};

class AddressBookTest : public FolderTest {
 protected:
  std::unique_ptr<AddressBook> open(PortRange range = {25000, 26999}, bool read_only = false) {
    auto opened = AddressBook::open(folder_, range, read_only);
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }

  static std::uint16_t number(AddressBook& book, const std::string& unit, std::uint32_t major = 1,
                              const std::string& port = "default", const std::string& name_space = "dev") {
    const auto address = book.address_of({"local", name_space, unit, major}, {port, 8080, Protocol::kHttp});
    EXPECT_TRUE(address.ok()) << address.error().message;
    if (!address) return 0;
    EXPECT_EQ(address->host, "127.0.0.1");
    EXPECT_EQ(address->port, port);
    return address->number;
  }
};

TEST_F(AddressBookTest, EachServicePortHasOneAddressForEver) {
  std::map<std::string, std::uint16_t> first;
  {
    auto book = open();
    first = {{"a", number(*book, "checkout")},
             {"b", number(*book, "checkout", 2)},
             {"c", number(*book, "checkout", 1, "admin")},
             {"d", number(*book, "checkout", 1, "default", "dev/sandbox")},
             {"e", number(*book, "search")}};
  }
  std::set<std::uint16_t> different;
  for (const auto& [name, value] : first) different.insert(value);
  EXPECT_EQ(different.size(), 5u);
  EXPECT_GE(*different.begin(), 25000);
  EXPECT_LE(*different.rbegin(), 26999);
  auto book = open();
  EXPECT_EQ(number(*book, "search"), first["e"]);
  EXPECT_EQ(number(*book, "checkout", 1, "admin"), first["c"]);
  EXPECT_EQ(number(*book, "checkout"), first["a"]);
}

TEST_F(AddressBookTest, WithoutItsFileAServicePrefersThePortItHad) {
  std::map<std::string, std::uint16_t> before;
  {
    auto book = open();
    for (int i = 0; i < 20; ++i) before["unit-" + std::to_string(i)] = number(*book, "unit-" + std::to_string(i));
  }
  fs::remove(folder_ + "/ports.json");
  auto book = open();
  int same = 0;
  for (const auto& [unit, port] : before) same += number(*book, unit) == port ? 1 : 0;
  EXPECT_GE(same, 18);  // of 20 in 2,000 ports, two may have met
}

TEST_F(AddressBookTest, ANarrowedRangeLeavesWhatWasGiven) {
  const std::uint16_t port = number(*open(), "checkout");
  auto book = open({30000, 30009});
  EXPECT_EQ(number(*book, "checkout"), port);
  EXPECT_GE(number(*book, "search"), 30000);
}

TEST_F(AddressBookTest, AUsedUpRangeNamesTheServiceAndTheWayOut) {
  auto book = open({30000, 30002});
  std::set<std::uint16_t> given;
  for (const char* unit : {"aa", "bb", "cc"}) given.insert(number(*book, unit));
  EXPECT_EQ(given.size(), 3u);
  const auto refused = book->address_of({"local", "dev", "checkout", 1}, {"default", 8080, Protocol::kHttp});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
  EXPECT_NE(refused.error().message.find("dev/checkout:1 port default"), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find("widen `stable_ports` in domains/local.yml"), std::string::npos)
      << refused.error().message;
}

TEST_F(AddressBookTest, AFileThatDoesNotReadIsNamed) {
  for (const char* text : {"", "{", "{}", "{\"ports\": [{\"number\": \"x\"}]}",
                           "{\"ports\": [{\"unit\": \"aa\", \"number\": 1}, {\"unit\": \"bb\", \"number\": 1}]}"}) {
    std::ofstream(folder_ + "/ports.json", std::ios::trunc) << text;
    const auto opened = AddressBook::open(folder_, {25000, 26999}, false);
    ASSERT_FALSE(opened.ok()) << text;
    EXPECT_EQ(opened.error().kind, ErrorKind::kInvalid);
    EXPECT_NE(opened.error().message.find(folder_ + "/ports.json"), std::string::npos) << opened.error().message;
  }
}

TEST_F(AddressBookTest, ReadOnlyTellsTheSameAndWritesNothing) {
  auto reader = open({25000, 26999}, true);
  const std::uint16_t told = number(*reader, "checkout");
  EXPECT_TRUE(fs::is_empty(folder_));
  EXPECT_EQ(number(*open(), "checkout"), told);
}

using LighthouseTest = FolderTest;

TEST_F(LighthouseTest, FilesCanBeReadByInstancesAndOnlyByNameOfStack) {
  auto opened = open_lighthouse(folder_, false);
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  Discovery& lighthouse = **opened;
  ASSERT_TRUE(lighthouse.publish("checkout--1-0-0--0000aaaa", "{}").ok());
  const fs::path file = folder_ + "/lighthouse/checkout--1-0-0--0000aaaa.json";
  EXPECT_EQ(fs::status(file).permissions(), fs::perms(0644));
  EXPECT_EQ(fs::status(file.parent_path()).permissions(), fs::perms(0755));
  std::ofstream(file.parent_path() / "readme.json") << "{}";
  std::ofstream(file.parent_path() / ".checkout--1-0-0--0000bbbb.json.tmp") << "half";
  const auto view = lighthouse.observe();
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->published.size(), 1u);
  for (const char* name : {"../evil", "", "checkout", "a/b--1-0-0--0000aaaa"}) {
    EXPECT_EQ(lighthouse.publish(name, "{}").error().kind, ErrorKind::kInvalid) << name;
    EXPECT_EQ(lighthouse.unpublish(name).error().kind, ErrorKind::kInvalid) << name;
  }
  EXPECT_FALSE(lighthouse.publish("checkout--1-0-0--0000aaaa", "").ok());
}

TEST_F(LighthouseTest, AnEqualPayloadIsNotWrittenAgain) {
  auto opened = open_lighthouse(folder_, false);
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  const fs::path file = folder_ + "/lighthouse/checkout--1-0-0--0000aaaa.json";
  ASSERT_TRUE((*opened)->publish("checkout--1-0-0--0000aaaa", "{}").ok());
  const auto before = fs::last_write_time(file);
  ASSERT_TRUE((*opened)->publish("checkout--1-0-0--0000aaaa", "{}").ok());
  EXPECT_EQ(fs::last_write_time(file), before);
  // What somebody changed by hand is written again.
  std::ofstream(file, std::ios::trunc) << "changed";
  ASSERT_TRUE((*opened)->publish("checkout--1-0-0--0000aaaa", "{}").ok());
  EXPECT_EQ((*opened)->observe()->published.at("checkout--1-0-0--0000aaaa"), "{}");
}

TEST_F(LighthouseTest, ReadOnlyMakesNothing) {
  auto opened = open_lighthouse(folder_ + "/fresh", true);
  ASSERT_TRUE(opened.ok());
  EXPECT_TRUE((*opened)->observe().ok());
  EXPECT_FALSE((*opened)->publish("checkout--1-0-0--0000aaaa", "{}").ok());
  EXPECT_TRUE(fs::is_empty(folder_));
}

}  // namespace
}  // namespace nelson
