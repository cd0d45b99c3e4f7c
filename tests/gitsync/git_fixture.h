#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gitsync/gitsync.h"

namespace nelson::gitsync_test {

/// A folder of its own for one test, removed with all that is in it.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

void write_file(const std::string& path, const std::string& content, unsigned mode = 0644);
std::string read_file(const std::string& path);
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = std::chrono::seconds(30));

struct Ran {
  int status = -1;
  std::string output;  // both streams
};
/// Runs a program without a shell and with a small environment that keeps the user's Git settings out.
Ran run(const std::vector<std::string>& words, const std::string& folder = "/",
        const std::vector<std::string>& extra_environment = {});
bool have_program(const std::string& name);

/// A process that ends with its owner.
class Process {
 public:
  Process(const std::vector<std::string>& words, const std::string& log);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  [[nodiscard]] bool alive() const;

 private:
  pid_t pid_ = -1;
};

/// A repository made and changed with the git command.
class Git {
 public:
  explicit Git(std::string folder, bool bare = false);

  std::string operator()(std::vector<std::string> words) const;  // runs git there; its output without the last newline
  void write(const std::string& path, const std::string& content, unsigned mode = 0644) const;
  void remove(const std::string& path) const;
  std::string commit(const std::string& message) const;  // everything; the full id
  [[nodiscard]] std::string head() const;
  [[nodiscard]] std::string tree(const std::string& path) const;  // object id at HEAD
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::string url() const { return "file://" + folder_; }

 private:
  std::string folder_;
};

/// A control repository with an owner and one domain, and the mirrors' folder beside it.
class World {
 public:
  World();

  void watch(const std::string& name, const std::string& url, const std::string& more = "release: branch\n") const;
  [[nodiscard]] GitsyncOptions options() const;
  [[nodiscard]] std::unique_ptr<Gitsync> open() const;
  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }

  TempFolder folder_;
  Git control;
};

/// A unit that runs a command in the folder `app` beside the manifest.
void write_unit(const Git& git, const std::string& unit, const std::string& version, const std::string& folder = "",
                int instances = 1);
/// A repository `shop` whose only commit releases basket 1.0.0, and which the control repository watches by branch.
[[nodiscard]] Git watched_shop(const World& world);
std::string manifest_of(const std::vector<std::string>& units, int instances = 1);

std::shared_ptr<const Desired> synced(Gitsync& gitsync, bool all = true);
/// Syncs until `done`, or for a minute: what is slow comes with a later call.
std::shared_ptr<const Desired> settled(Gitsync& gitsync, const std::function<bool(const Desired&)>& done);
bool is_read(const Desired& desired);  // there is a unit `basket`
std::function<bool(const Desired&)> says(const std::string& code);
const DesiredStack* stack_of(const Desired& desired, const std::string& unit, const std::string& domain = "local");
const Problem* problem_of(const Desired& desired, const std::string& code, const std::string& repository = "");
std::string problems_of(const Desired& desired);

/// Something is left of the canary: in a file below `folder`.
bool found_below(const std::string& folder, const std::string& text);

}  // namespace nelson::gitsync_test
