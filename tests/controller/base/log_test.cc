#include "controller/base/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "nlohmann/json.hpp"

namespace nelson {
namespace {

class Log : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "nelson-log-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  void TearDown() override {
    ASSERT_TRUE(open_log({}));
    std::filesystem::remove_all(folder_);
  }
  void open(LogLevel level, LogFormat format) {
    LogOptions options;
    options.level = level;
    options.format = format;
    options.file = folder_ + "/log";
    ASSERT_TRUE(open_log(options));
  }
  std::vector<std::string> lines() const {
    std::ifstream file(folder_ + "/log");
    std::vector<std::string> out;
    for (std::string line; std::getline(file, line);) out.push_back(line);
    return out;
  }
  std::string folder_;
};

TEST_F(Log, TextNamesWhatApplies) {
  open(LogLevel::kInfo, LogFormat::kText);
  log_info("launch", {{"unit", "basket"}, {"stack", ""}, {"reason", "declared at 3f2c1aa"}, {"quote", "a\"b"}, {"path", "c:\\d"}});
  log_debug("not said");
  const auto said = lines();
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].substr(said[0].find(' ')),
            " info launch unit=basket reason=\"declared at 3f2c1aa\" quote=\"a\\\"b\" path=\"c:\\\\d\"");
}

TEST_F(Log, JsonIsOneObjectALine) {
  open(LogLevel::kDebug, LogFormat::kJson);
  log_debug("probe", {{"unit", "b\"s"}, {"domain", "local"}});
  const auto said = lines();
  ASSERT_EQ(said.size(), 1u);
  const auto json = nlohmann::json::parse(said[0]);
  EXPECT_EQ(json["level"], "debug");
  EXPECT_EQ(json["message"], "probe");
  EXPECT_EQ(json["unit"], "b\"s");
  EXPECT_EQ(json["domain"], "local");
}

TEST_F(Log, InputIsDataNeverFormatNorLine) {
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    open(LogLevel::kInfo, format);
    log_info("{} %s {0:>99999999}", {{"unit", "a\nb\x1b[2J"}, {"url", "https://bob:canary@host/x"}, {"bytes", "\xff"}});
  }
  const auto said = lines();
  ASSERT_EQ(said.size(), 2u);
  for (const std::string& line : said) {
    EXPECT_NE(line.find("{} %s {0:>99999999}"), std::string::npos) << line;
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
    EXPECT_EQ(line.find("canary"), std::string::npos);
    EXPECT_NE(line.find("https://host/x"), std::string::npos);
  }
}

TEST_F(Log, AFileThatCannotBeWrittenIsNamed) {
  LogOptions options;
  options.file = folder_ + "/log/below-a-file";
  std::ofstream(folder_ + "/log") << "";
  const Status opened = open_log(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::kInvalid);
  EXPECT_NE(opened.error().message.find(options.file), std::string::npos) << opened.error().message;
}

TEST_F(Log, AFullDiskLosesLinesAndSaysSo) {
  LogOptions options;
  options.file = "/dev/full";
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  options.max_bytes = 1 << 20;
  ASSERT_TRUE(open_log(options));
  log_info("lost");
  for (int i = 0; i < 4; ++i) log_info("lost too");
  open(LogLevel::kInfo, LogFormat::kText);
  log_info("found");
  const auto said = lines();
  ASSERT_EQ(said.size(), 2u);
  EXPECT_TRUE(said[0].ends_with("log lines were lost count=5")) << said[0];
  EXPECT_NE(said[1].find("found"), std::string::npos);
}

TEST_F(Log, FilesAreBounded) {
  LogOptions options;
  options.file = folder_ + "/log";
  options.max_bytes = 4096;
  ASSERT_TRUE(open_log(options));
  for (int i = 0; i < 1000; ++i) log_info("a line of some length, so that the files turn over quickly");
  std::uintmax_t all = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) all += entry.file_size();
  EXPECT_LE(all, 4u * 4096u);
}

}  // namespace
}  // namespace nelson
