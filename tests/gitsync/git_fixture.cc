#include "tests/gitsync/git_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace nelson::gitsync_test {

namespace fs = std::filesystem;

TempFolder::TempFolder() {
  char name[] = "/tmp/nelson-gitsync-XXXXXX";
  if (::mkdtemp(name) == nullptr) throw std::runtime_error("mkdtemp");
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code error;
  // Exported trees are read-only, which only stops a removal by somebody who is not root.
  for (auto at = fs::recursive_directory_iterator(path_, error); !error && at != fs::recursive_directory_iterator();
       at.increment(error))
    if (at->is_directory(error) && !at->is_symlink(error))
      fs::permissions(at->path(), fs::perms::owner_all, fs::perm_options::add, error);
  fs::remove_all(path_, error);
}

void write_file(const std::string& path, const std::string& content, unsigned mode) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  ::chmod(path.c_str(), mode);
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::poll(nullptr, 0, 10);
  }
  return true;
}

namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> clean_environment() {
  const char* path = std::getenv("PATH");
  return {std::string("PATH=") + (path != nullptr ? path : "/usr/bin:/bin") + ":/usr/sbin:/sbin",
          "HOME=/nonexistent",
          "LANG=C.UTF-8",
          "GIT_CONFIG_NOSYSTEM=1",
          "GIT_CONFIG_GLOBAL=/dev/null",
          "GIT_TERMINAL_PROMPT=0",
          "GIT_AUTHOR_NAME=Test",
          "GIT_AUTHOR_EMAIL=test@example.org",
          "GIT_COMMITTER_NAME=Test",
          "GIT_COMMITTER_EMAIL=test@example.org"};
}

pid_t spawn(std::vector<std::string> words, const std::string& folder, const std::vector<std::string>& extra, int output) {
  std::vector<std::string> variables = clean_environment();
  variables.insert(variables.end(), extra.begin(), extra.end());
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output, 1);
  ::posix_spawn_file_actions_adddup2(&actions, output, 2);
  ::posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  pid_t pid = -1;
  const int error =
      ::posix_spawnp(&pid, words.front().c_str(), &actions, nullptr, pointers(words).data(), pointers(variables).data());
  ::posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? pid : -1;
}

}  // namespace

Ran run(const std::vector<std::string>& words, const std::string& folder, const std::vector<std::string>& extra) {
  Ran out;
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return out;
  const pid_t pid = spawn(words, folder, extra, pipe[1]);
  ::close(pipe[1]);
  char buffer[4096];
  for (ssize_t count = 0; (count = ::read(pipe[0], buffer, sizeof buffer)) > 0;)
    out.output.append(buffer, static_cast<std::size_t>(count));
  ::close(pipe[0]);
  int status = 0;
  if (pid > 0 && ::waitpid(pid, &status, 0) == pid) out.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return out;
}

bool have_program(const std::string& name) { return run({"sh", "-c", "command -v " + name}).status == 0; }

Process::Process(const std::vector<std::string>& words, const std::string& log) {
  const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  pid_ = spawn(words, "/", {}, output);
  ::close(output);
}

Process::~Process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  for (int i = 0; i < 200 && ::waitpid(pid_, nullptr, WNOHANG) == 0; ++i) {
    ::poll(nullptr, 0, 10);
    if (i == 150) ::kill(pid_, SIGKILL);
  }
}

bool Process::alive() const { return pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == 0; }

Git::Git(std::string folder, bool bare) : folder_(std::move(folder)) {
  std::vector<std::string> words{"git", "init", "-q", "-b", "main"};
  if (bare) words.emplace_back("--bare");
  words.push_back(folder_);
  const Ran ran = run(words);
  if (ran.status != 0) throw std::runtime_error("git init: " + ran.output);
}

std::string Git::operator()(std::vector<std::string> words) const {
  std::string shown;
  for (const std::string& word : words) shown += " " + word;
  words.insert(words.begin(), "git");
  Ran ran = run(words, folder_);
  if (ran.status != 0) throw std::runtime_error("git" + shown + ": " + ran.output);
  while (ran.output.ends_with('\n')) ran.output.pop_back();
  return ran.output;
}

void Git::write(const std::string& path, const std::string& content, unsigned mode) const {
  write_file(folder_ + "/" + path, content, mode);
}
void Git::remove(const std::string& path) const { fs::remove_all(folder_ + "/" + path); }
std::string Git::commit(const std::string& message) const {
  (*this)({"add", "-A"});
  (*this)({"commit", "-q", "--allow-empty", "-m", message});
  return head();
}
std::string Git::head() const { return (*this)({"rev-parse", "HEAD"}); }
std::string Git::tree(const std::string& path) const { return (*this)({"rev-parse", "HEAD:" + path}); }

World::World() : control(folder_ / "control") {
  control.write("owner.yml", "id: 0123456789abcdef\n");
  control.write("domains/local.yml", "folder: /var/lib/nelson-test\nbalancer: none\n");
  control.write("namespaces/dev.yml", "{}\n");
  control.commit("first");
}

void World::watch(const std::string& name, const std::string& url, const std::string& more) const {
  control.write("repositories/" + name + ".yml", "url: " + url + "\n" + more);
  control.commit("watch " + name);
}

Git watched_shop(const World& world) {
  Git shop(world.path("shop"));
  write_unit(shop, "basket", "1.0.0");
  shop.commit("one");
  world.watch("shop", shop.url());
  return shop;
}

GitsyncOptions World::options() const {
  GitsyncOptions out;
  out.control_url = control.url();
  out.folder = folder_ / "mirrors";
  out.poll = std::chrono::milliseconds(1);
  out.deadline = std::chrono::seconds(60);
  return out;
}

std::unique_ptr<Gitsync> World::open() const {
  Result<std::unique_ptr<Gitsync>> opened = Gitsync::open(options());
  if (!opened) throw std::runtime_error(opened.error().message);
  return std::move(*opened);
}

std::string manifest_of(const std::vector<std::string>& units, int instances) {
  std::string units_text, references;
  for (const std::string& unit : units) {
    units_text += "  - name: " + unit + "\n    description: a unit\n    ports: [default->8080/http]\n";
    references += "      - {ref: " + unit + ", plans: [default]}\n";
  }
  return "units:\n" + units_text + "plans:\n  - {name: default, instances: {desired: " + std::to_string(instances) +
         "}}\nnamespaces:\n  - name: dev\n    units:\n" + references;
}

void write_unit(const Git& git, const std::string& unit, const std::string& version, const std::string& folder, int instances) {
  git.write(folder + ".nelson.yml", manifest_of({unit}, instances));
  git.write(folder + unit + ".deployable.yml",
            "name: " + unit + "\nversion: " + version + "\noutput: {kind: command, command: [./serve], tree: app}\n");
  git.write(folder + "app/serve", "#!/bin/sh\nexec sleep 1000\n", 0755);
}

std::shared_ptr<const Desired> synced(Gitsync& gitsync, bool all) {
  Result<std::shared_ptr<const Desired>> out = gitsync.sync(all);
  if (!out) throw std::runtime_error(out.error().message);
  return *out;
}

std::shared_ptr<const Desired> settled(Gitsync& gitsync, const std::function<bool(const Desired&)>& done) {
  std::shared_ptr<const Desired> out;
  (void)eventually(
      [&] {
        out = synced(gitsync, false);
        return done(*out);
      },
      std::chrono::seconds(60));
  return out;
}

bool is_read(const Desired& desired) { return stack_of(desired, "basket") != nullptr; }

std::function<bool(const Desired&)> says(const std::string& code) {
  return [code](const Desired& desired) { return problem_of(desired, code) != nullptr; };
}

const DesiredStack* stack_of(const Desired& desired, const std::string& unit, const std::string& domain) {
  const auto found = desired.cells.find({domain, unit});
  return found == desired.cells.end() || found->second.stacks.size() != 1 ? nullptr : &found->second.stacks.front();
}

const Problem* problem_of(const Desired& desired, const std::string& code, const std::string& repository) {
  for (const Problem& problem : desired.problems)
    if (problem.code == code && (repository.empty() || problem.repository == repository)) return &problem;
  return nullptr;
}

std::string problems_of(const Desired& desired) {
  std::string out;
  for (const Problem& problem : desired.problems) out += problem.code + " " + to_string(problem) + "\n";
  return out;
}

bool found_below(const std::string& folder, const std::string& text) {
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && read_file(entry.path()).find(text) != std::string::npos) return true;
  return false;
}

}  // namespace nelson::gitsync_test
