#include "controller/loop/git_source.h"

#include <gtest/gtest.h>

#include <atomic>

namespace nelson {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

struct Script {
  std::mutex mutex;
  std::condition_variable changed;
  std::shared_ptr<const Desired> desired;
  std::optional<Error> error;
  bool hang = false;
  int syncs = 0, of_all = 0;
  milliseconds poll = std::chrono::hours(1);
};

class ScriptedGitsync : public Gitsync {
 public:
  explicit ScriptedGitsync(Script& script) : script_(script) {}

  Result<std::shared_ptr<const Desired>> sync(bool all) override {
    std::unique_lock lock(script_.mutex);
    ++script_.syncs;
    script_.of_all += all ? 1 : 0;
    script_.changed.notify_all();
    script_.changed.wait(lock, [this] { return !script_.hang; });
    due_ = steady_clock::now() + script_.poll;
    if (script_.error) return *script_.error;
    return script_.desired;
  }
  steady_clock::time_point due() const override { return due_; }
  Result<Desired> with_overlay(const Overlay&) override { return invalid("not here"); }
  Result<std::string> repository_at(const std::string&) override { return invalid("not here"); }
  Result<bool> contains(const std::string&, const std::string&, const std::string&) override { return true; }
  Status export_tree(const std::string&, const std::string&, const std::string&) override { return {}; }
  Counters counters() const override { return {}; }

 private:
  Script& script_;
  steady_clock::time_point due_{};
};

class GitSourceTest : public testing::Test {
 protected:
  GitSourceTest() { script_.desired = std::make_shared<const Desired>(); }

  void start() {
    source_ = std::make_unique<GitSource>(std::make_unique<ScriptedGitsync>(script_), [this] { ++news_; });
  }
  bool until(const std::function<bool()>& condition) {
    const auto deadline = steady_clock::now() + seconds(20);
    while (!condition() && steady_clock::now() < deadline) std::this_thread::yield();
    return condition();
  }
  int syncs() {
    const std::lock_guard guard(script_.mutex);
    return script_.syncs;
  }

  Script script_;
  std::atomic<int> news_{0};
  std::unique_ptr<GitSource> source_;
};

TEST_F(GitSourceTest, TellsNewsOnce) {
  script_.poll = milliseconds(1);
  start();
  ASSERT_TRUE(until([&] { return syncs() > 3; }));
  EXPECT_EQ(news_, 1) << "the same pointer is no news";
  {
    const std::lock_guard guard(script_.mutex);
    script_.desired = std::make_shared<const Desired>();
  }
  EXPECT_TRUE(until([&] { return news_ == 2; }));
  EXPECT_EQ(source_->latest().desired, script_.desired);
}

TEST_F(GitSourceTest, SyncsAllWhenAsked) {
  start();
  ASSERT_TRUE(until([&] { return syncs() == 1; }));
  source_->sync_all();
  ASSERT_TRUE(until([&] { return syncs() == 2; }));
  EXPECT_EQ(script_.of_all, 1);
}

TEST_F(GitSourceTest, AnErrorLeavesWhatWasSaidInForce) {
  start();
  ASSERT_TRUE(until([&] { return source_->latest().desired != nullptr; }));
  {
    const std::lock_guard guard(script_.mutex);
    script_.error = unavailable("host is down");
  }
  source_->sync_all();
  ASSERT_TRUE(until([&] { return source_->latest().error.has_value(); }));
  EXPECT_NE(source_->latest().desired, nullptr);
  EXPECT_EQ(news_, 2);
}

TEST_F(GitSourceTest, AHostThatHangsBlocksNobodyWhoAsks) {
  script_.hang = true;
  start();
  ASSERT_TRUE(until([&] { return syncs() == 1; }));
  EXPECT_EQ(source_->latest().desired, nullptr);
  EXPECT_TRUE(source_->latest().busy_since);
  {
    const std::lock_guard guard(script_.mutex);
    script_.hang = false;
  }
  script_.changed.notify_all();
  EXPECT_TRUE(until([&] { return source_->latest().desired != nullptr; }));
}

}  // namespace
}  // namespace nelson
