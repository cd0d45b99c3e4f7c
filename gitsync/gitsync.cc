#include "gitsync/gitsync.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

#include "gitsync/address.h"
#include "gitsync/credentials.h"
#include "gitsync/lanes.h"
#include "gitsync/poll_job.h"
#include "gitsync/reading.h"
#include "gitsync/resolve.h"
#include "state/model/digest.h"

namespace nelson {

namespace {

using git::Deadline;
using git::Failure;
using git::Finding;
using git::kControl;
using git::Reply;
using git::Target;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kPatience = std::chrono::seconds(2);  // with a host that has not listed its refs yet
constexpr auto kWait = std::chrono::seconds(10);     // of one sync() for a fetch that is under way
constexpr auto kLongestBackoff = std::chrono::minutes(10);
constexpr auto kUnderWay = std::chrono::seconds(1);  // how soon to look whether a late answer has come

/// Repositories of one name with different urls have different mirrors.
std::string mirror_path(const std::string& folder, const std::string& name, const std::string& url) {
  return folder + "/" + name + "-" + to_hex(sha256(url)).substr(0, 12) + ".git";
}

std::string now_text() { return format_instant(std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now())); }

/// A watched repository, the control repository included.
struct Watched {
  RepositoryFile file;
  std::string mirror, host;
  bool* busy = nullptr;  // whether a job works on the mirror; never null once placed
  std::uint64_t generation = 0;
  std::string digest;
  git::References references;
  bool read = false;
  RepositoryReading reading;
  bool fresh = false;
  bool branch_missing = false, empty = false, rebuilt = false;
  std::uint64_t ignored = 0;
  std::string last_fetched;
  std::optional<Failure> trouble;
  int failures = 0;
  bool slow = false;
  bool again = false;  // asked for while a poll was under way, which may have missed what the asker knows of
  milliseconds patience{};
  Clock::time_point due{}, sent{};
};

class GitsyncImpl final : public Gitsync {
 public:
  explicit GitsyncImpl(GitsyncOptions options)
      : options_(std::move(options)), lanes_(std::make_unique<git::Lanes>(options_.program)) {
    control_.file.name = kControl;
    control_.file.url = options_.control_url;
    control_.file.branch = options_.control_branch;
    control_.file.credentials = options_.control_credentials;
    place(control_);
    publish_mirrors();
  }

  ~GitsyncImpl() override {
    lanes_.reset();  // first: jobs write into the members below
  }

  Result<std::shared_ptr<const Desired>> sync(bool all) override {
    const Deadline began = Clock::now();
    const Deadline deadline = began + options_.deadline;
    absorb();
    launch(all, began);
    while (Clock::now() < deadline) {
      const Deadline until = std::min(deadline, wait_until());
      std::unique_lock lock(mutex_);
      if (until <= Clock::now()) break;
      wake_.wait_until(lock, until, [this] { return !findings_.empty(); });
      lock.unlock();
      absorb();
      launch(false, began);  // those that a new control commit names; none twice in one call
    }
    absorb();
    return conclude();
  }

  [[nodiscard]] Clock::time_point due() const override {
    {
      const std::lock_guard lock(mutex_);
      if (!findings_.empty()) return Clock::now();
    }
    Clock::time_point out = when(control_);
    for (const auto& [name, watched] : watched_) out = std::min(out, when(watched));
    return out;
  }

  Result<Desired> with_overlay(const Overlay& overlay) override;
  Result<std::string> repository_at(const std::string& path) override;
  Result<bool> contains(const std::string& repository, const std::string& commit, const std::string& ancestor) override;
  Status export_tree(const std::string& repository, const std::string& tree, const std::string& folder) override;

  [[nodiscard]] Counters counters() const override {
    Counters out;
    out.ref_lists = poller_.ref_lists();
    out.fetches = poller_.fetches();
    out.blobs_parsed = parsed_.blobs();
    out.trees_read = parsed_.trees;
    out.children_started = lanes_->children_started();
    return out;
  }

 private:
  // --- scheduling; the owner's thread ---

  void place(Watched& watched) {
    watched.mirror = mirror_path(options_.folder, watched.file.name, watched.file.url);
    watched.busy = &busy_[watched.mirror];
    const Reply<git::Address> address = git::parse_address(watched.file.url);
    watched.host = address ? git::host_and_port(*address) : "";
    watched.patience = std::min<milliseconds>(kPatience, options_.deadline / 4);
  }

  /// A job that an edit of the repository's file has overtaken counts too: two must not work on one mirror.
  [[nodiscard]] bool under_way(const Watched& watched) const { return *watched.busy; }

  [[nodiscard]] Clock::time_point when(const Watched& watched) const {
    return under_way(watched) ? Clock::now() + kUnderWay : watched.due;
  }

  /// The control repository's first answer is worth the whole deadline, for without it nothing is known; a disk of this machine is never
  /// given up early.
  [[nodiscard]] milliseconds patience(const Watched& watched) const {
    const bool whole = (&watched == &control_ && !watched.read) || watched.host.empty();
    return whole ? options_.deadline : std::min(options_.deadline, watched.patience);
  }

  /// Until when something under way is worth waiting for; the past when nothing is.
  [[nodiscard]] Deadline wait_until() const {
    Deadline out{};
    const auto consider = [&](const Watched& watched) {
      if (!under_way(watched) || watched.slow) return;
      const bool vital = &watched == &control_ && !watched.read;
      out = std::max(out, std::max(watched.sent, last_end_) + (vital ? options_.deadline : milliseconds(kWait)));
    };
    consider(control_);
    for (const auto& [name, watched] : watched_) consider(watched);
    return out;
  }

  void launch(bool all, Clock::time_point began) {
    const auto consider = [&](Watched& watched) {
      watched.again = watched.again || (all && under_way(watched));
      if (!under_way(watched) && (all || (watched.due <= Clock::now() && watched.sent < began))) send(watched);
    };
    consider(control_);
    for (auto& [name, watched] : watched_) consider(watched);
  }

  void send(Watched& watched) {
    *watched.busy = true;
    watched.sent = Clock::now();
    Target target{watched.file,      watched.mirror,
                  watched.host,      watched.generation,
                  !watched.read,     options_.offline,
                  watched.digest,    watched.references,
                  options_.deadline, watched.slow ? options_.deadline : patience(watched)};
    Finding skipped;
    skipped.name = watched.file.name;
    skipped.mirror = watched.mirror;
    skipped.generation = watched.generation;
    skipped.last = true;
    skipped.failure = git::silent_host(target);
    lanes_->submit(
        {watched.host, watched.slow,
         [this, target](git::Child& child) { poller_.run(child, target, [this](Finding finding) { post(std::move(finding)); }); },
         [this, skipped] { post(skipped); }});
  }

  // --- jobs; the lanes' threads ---

  void post(Finding finding) {
    {
      const std::lock_guard lock(mutex_);
      findings_.push_back(std::move(finding));
    }
    wake_.notify_all();
  }

  // --- what was found; the owner's thread ---

  void absorb() {
    std::vector<Finding> findings;
    {
      const std::lock_guard lock(mutex_);
      findings.swap(findings_);
    }
    for (Finding& finding : findings) {
      if (finding.last) busy_[finding.mirror] = false;
      Watched* watched = find(finding.name);
      if (watched == nullptr || watched->generation != finding.generation) continue;
      absorb(*watched, finding);
    }
  }

  Watched* find(const std::string& name) {
    if (name == kControl) return &control_;
    const auto found = watched_.find(name);
    return found == watched_.end() ? nullptr : &found->second;
  }

  void absorb(Watched& watched, Finding& finding) {
    if (finding.control) adopt_control(std::move(*finding.control));
    if (finding.reading) watched.reading = std::move(*finding.reading);
    if (finding.control || finding.reading) {
      watched.read = true;
      dirty_ = true;
    }
    if (finding.references && !finding.failure) watched.references = std::move(*finding.references);
    if (!finding.last) {
      set_trouble(watched, std::move(finding.failure));
      return;
    }
    last_end_ = Clock::now();
    if (options_.offline) {
      watched.due = Clock::time_point::max();
      return;
    }
    if (finding.failure) {
      failed(watched, std::move(*finding.failure));
    } else {
      succeeded(watched, finding);
      if (std::exchange(watched.again, false)) watched.due = watched.sent = {};
    }
  }

  void succeeded(Watched& watched, const Finding& finding) {
    watched.failures = 0;
    watched.slow = false;
    watched.patience = std::max<milliseconds>(std::min<milliseconds>(kPatience, options_.deadline / 4), 2 * finding.took);
    watched.due = Clock::now() + options_.poll;
    watched.last_fetched = now_text();
    set_trouble(watched, std::nullopt);
    const auto set = [this](auto& member, const auto& value) {
      if (member == value) return;
      member = value;
      dirty_ = true;
    };
    const bool changed = watched.digest != finding.digest;
    watched.digest = finding.digest;
    if (changed || finding.rebuilt) {
      set(watched.branch_missing, finding.branch_missing);
      set(watched.empty, finding.empty);
      set(watched.ignored, finding.ignored);
      set(watched.rebuilt, finding.rebuilt);
    }
    // A branch that the host does not list says nothing of the commit that the mirror still has.
    const bool listed = !watched.empty && (watched.file.release == ReleaseBy::kTags || !watched.branch_missing);
    if (listed) set(watched.fresh, true);
  }

  void failed(Watched& watched, Failure failure) {
    const bool timeout = failure.code == "GitTimeout";
    if (timeout && !watched.slow && !watched.host.empty() && &watched != &control_) {
      // Not yet a fault: the slow lane gives it the whole deadline, where it keeps nobody waiting.
      watched.slow = true;
      watched.due = Clock::now();
      if (!watched.read)
        set_trouble(watched, git::failure(ErrorKind::kUnavailable, "GitSlow", watched.host + " has not answered yet",
                                          "nelson is waiting for it"));
      return;
    }
    watched.slow = timeout && !watched.host.empty() && &watched != &control_;
    watched.digest.clear();  // whatever the mirror has now, the next answer is compared with it ref by ref
    ++watched.failures;
    milliseconds pause = std::max<milliseconds>(options_.poll, milliseconds(1));
    for (int i = 1; i < watched.failures + (timeout ? 1 : 0) && pause < kLongestBackoff; ++i) pause *= 2;
    watched.due = Clock::now() + std::min<milliseconds>(pause, kLongestBackoff);
    set_trouble(watched, std::move(failure));
  }

  void set_trouble(Watched& watched, std::optional<Failure> trouble) {
    if (watched.trouble == trouble) return;
    watched.trouble = std::move(trouble);
    dirty_ = true;
  }

  void adopt_control(git::ControlRepositoryReading reading) {
    control_reading_ = std::move(reading);
    for (const auto& [name, file] : control_reading_.files.repositories) adopt(name, file);
    std::erase_if(watched_, [this](const auto& entry) { return !control_reading_.files.repositories.contains(entry.first); });
    publish_mirrors();
  }

  void adopt(const std::string& name, const RepositoryFile& file) {
    Watched& watched = watched_[name];
    const RepositoryFile before = std::exchange(watched.file, file);
    const bool same_source = before.url == file.url && before.branch == file.branch && before.release == file.release &&
                             before.tag_pattern == file.tag_pattern;
    const bool same_reading = same_source && before.image == file.image;
    const bool same_way = before.credentials.token == file.credentials.token && before.credentials.user == file.credentials.user &&
                          before.credentials.ssh_key == file.credentials.ssh_key &&
                          before.credentials.known_hosts == file.credentials.known_hosts &&
                          before.credentials.ca == file.credentials.ca;
    if (same_reading && same_way) return;
    place(watched);
    watched.generation = ++generations_;
    watched.slow = watched.slow && under_way(watched);  // else sync would wait for the job that is there
    watched.failures = 0;
    watched.due = watched.sent = {};
    if (same_reading) return;
    // The earlier reading stays in force until the new one is there.
    watched.digest.clear();
    watched.references = {};
    if (!same_source) watched.fresh = false;
  }

  void publish_mirrors() {
    std::map<std::string, std::string> mirrors{{kControl, control_.mirror}};
    for (const auto& [name, watched] : watched_) mirrors[name] = watched.mirror;
    const std::lock_guard lock(mutex_);
    mirrors_ = std::move(mirrors);
  }

  // --- what is said ---

  [[nodiscard]] Problem problem_of(const Watched& watched, std::string code, std::string message, std::string way_out,
                                   bool warning) const {
    Problem problem;
    problem.repository = watched.file.name;
    problem.code = std::move(code);
    problem.message = std::move(message);
    problem.way_out = std::move(way_out);
    problem.warning = warning;
    return problem;
  }

  /// What is wrong with the way to the repository, rather than with what is in it.
  [[nodiscard]] std::vector<Problem> transport_problems(const Watched& watched) const {
    std::vector<Problem> out;
    if (watched.trouble)
      out.push_back(problem_of(watched, watched.trouble->code, watched.trouble->message, watched.trouble->way_out,
                               watched.trouble->code == "GitSlow"));
    if (watched.empty)
      out.push_back(problem_of(watched, "NoCommits", "the repository has no commits", "push branch " + watched.file.branch, false));
    if (watched.branch_missing && !watched.empty)
      out.push_back(problem_of(watched, "BranchMissing", "the repository has no branch " + watched.file.branch,
                               "push it, or name another with branch: in the repository's file", false));
    if (watched.rebuilt)
      out.push_back(problem_of(watched, "MirrorRebuilt", "the mirror of the repository was damaged and has been fetched anew",
                               "check the disk if this comes again", true));
    if (watched.ignored > 0)
      out.push_back(problem_of(watched, "RefsIgnored",
                               std::to_string(watched.ignored) + " refs have names that Git does not allow and were ignored",
                               "delete them on the host", true));
    return out;
  }

  [[nodiscard]] RepositoryReading reading_of(const Watched& watched) const {
    RepositoryReading out = watched.reading;
    out.name = watched.file.name;
    out.last_fetched = watched.last_fetched;
    const std::vector<Problem> problems = transport_problems(watched);
    // Offline the mirrors are all there is, as fresh as the controller that keeps them.
    const bool fresh = watched.fresh || options_.offline;
    const bool hindered = !fresh || watched.branch_missing || watched.empty || watched.trouble.has_value();
    if (!watched.read) out.state = RepositoryState::kUnknown;
    if (hindered && out.state == RepositoryState::kCurrent) out.state = RepositoryState::kLastGood;
    out.problems.insert(out.problems.end(), problems.begin(), problems.end());
    for (ReleaseReading& release : out.releases) release.fresh = release.fresh && fresh;
    return out;
  }

  [[nodiscard]] std::vector<RepositoryReading> readings() const {
    std::vector<RepositoryReading> out;
    for (const auto& [name, watched] : watched_) out.push_back(reading_of(watched));
    return out;
  }

  [[nodiscard]] Desired resolved(const std::vector<RepositoryReading>& readings) const {
    std::vector<Problem> problems = control_reading_.problems;
    const std::vector<Problem> transport = transport_problems(control_);
    problems.insert(problems.end(), transport.begin(), transport.end());
    return resolve(control_reading_.files, printable_url(options_.control_url), control_reading_.commit, readings,
                   std::move(problems));
  }

  Result<std::shared_ptr<const Desired>> conclude() {
    if (!control_.read) {
      if (control_.trouble)
        return git::error_of(*control_.trouble).with_context("control repository " + printable_url(options_.control_url));
      if (control_.empty || control_.branch_missing)
        return invalid("control repository " + printable_url(options_.control_url) + " has " +
                       (control_.empty ? "no commits" : "no branch " + options_.control_branch) + "; run nelson init, then push");
      return unavailable("control repository " + printable_url(options_.control_url) + " has not answered yet; nelson asks again");
    }
    if (!dirty_ && desired_ != nullptr) return desired_;
    dirty_ = false;
    Desired fresh = resolved(readings());
    if (desired_ != nullptr) {
      if (same(fresh, *desired_)) return desired_;
      share(fresh.cells, desired_->cells);
      share(fresh.repositories, desired_->repositories);
    }
    desired_ = std::make_shared<const Desired>(std::move(fresh));
    return desired_;
  }

  /// Equal but for the instants that decide nothing: those alone are no news.
  static bool same(const Desired& fresh, const Desired& before) {
    if (fresh.repositories.size() != before.repositories.size()) return false;
    Desired copy = fresh;
    for (const auto& [name, repository] : before.repositories)
      if (copy.repositories.contains(name)) copy.repositories[name].last_fetched = repository.last_fetched;
    return copy == before;
  }

  /// Takes from `before` what is equal, so that whoever compares the two looks only at what is not.
  template <class Map>
  static void share(Map& fresh, const Map& before) {
    Map shared = before;
    each_difference(before, fresh, [&](const auto& key, const auto*, const auto* is) {
      if (is != nullptr)
        shared[key] = *is;
      else
        shared.erase(key);
    });
    fresh = std::move(shared);
  }

  Status loaded() {
    if (control_.read) return {};
    Result<std::shared_ptr<const Desired>> first = sync(true);
    if (!first) return first.error();
    return {};
  }

  Result<std::string> mirror_of(const std::string& repository) const {
    const std::lock_guard lock(mutex_);
    const auto found = mirrors_.find(repository);
    if (found == mirrors_.end()) return invalid("there is no repository " + repository + " in repositories/");
    return found->second;
  }

  /// Asks one question on the lane aside.
  template <class Request>
  Reply<typename Request::Answer> ask_aside(const Request& request) {
    Reply<typename Request::Answer> out = git::failure(ErrorKind::kUnavailable, "Stopping", "the controller is stopping");
    lanes_->run_aside([&](git::Child& child) { out = child.ask(request, Clock::now() + options_.deadline); });
    return out;
  }

  GitsyncOptions options_;
  Watched control_;
  git::ControlRepositoryReading control_reading_;
  std::map<std::string, Watched> watched_;
  // Whether a job works on a mirror. Entries stay, so each repository keeps the place of its own: a look at all of them after each answer must
  // not search for a path each time.
  std::map<std::string, bool> busy_;
  std::uint64_t generations_ = 0;
  bool dirty_ = true;
  std::shared_ptr<const Desired> desired_;
  Clock::time_point last_end_{};

  git::Parsed parsed_;

  mutable std::mutex mutex_;  // findings_ and mirrors_
  std::condition_variable wake_;
  std::vector<Finding> findings_;
  std::map<std::string, std::string> mirrors_;

  std::unique_ptr<git::Lanes> lanes_;
  git::Poller poller_{parsed_, *lanes_};
};

Result<Desired> GitsyncImpl::with_overlay(const Overlay& overlay) {
  if (const Status ready = loaded(); !ready) return ready.error();
  const auto found = watched_.find(overlay.repository);
  if (found == watched_.end()) return invalid("there is no repository " + overlay.repository + " in repositories/");
  const Watched& watched = found->second;
  Reply<RepositoryReading> reading = git::failure(ErrorKind::kUnavailable, "Stopping", "the controller is stopping");
  lanes_->run_aside([&](git::Child& child) {
    const Deadline deadline = Clock::now() + options_.deadline;
    git::OverlayRequest request;
    request.path = overlay.path;
    request.revision = overlay.revision;
    const Reply<git::OverlayAnswer> opened = child.ask(request, deadline);
    if (!opened) {
      reading = opened.failure();
      return;
    }
    git::Source source(child, opened->repository, deadline);
    // A working copy has no commit yet; its tree's id tells two of them apart.
    reading = git::read_tree(source, watched.file, opened->tree, opened->commit.empty() ? opened->tree : opened->commit,
                             watched.reading, parsed_);
  });
  if (!reading) return git::error_of(reading.failure()).with_context(overlay.path);
  reading->name = overlay.repository;
  std::vector<RepositoryReading> all = readings();
  for (RepositoryReading& other : all)
    if (other.name == overlay.repository) {
      reading->last_fetched = other.last_fetched;
      other = *reading;
    }
  return resolved(all);
}

Result<std::string> GitsyncImpl::repository_at(const std::string& path) {
  if (const Status ready = loaded(); !ready) return ready.error();
  git::OverlayRequest request;
  request.path = path;
  request.remotes_only = true;
  const Reply<git::OverlayAnswer> opened = ask_aside(request);
  if (!opened) return git::error_of(opened.failure());
  std::set<std::string> urls{git::comparable_url(std::filesystem::absolute(path).lexically_normal().string())};
  for (const std::string& url : opened->remotes) urls.insert(git::comparable_url(url));
  std::vector<std::string> found;
  for (const auto& [name, watched] : watched_)
    if (urls.contains(git::comparable_url(watched.file.url))) found.push_back(name);
  if (found.empty()) {
    // By the units its manifests declare.
    std::set<std::string> units;
    lanes_->run_aside([&](git::Child& child) {
      const Deadline deadline = Clock::now() + options_.deadline;
      request.remotes_only = false;
      const Reply<git::OverlayAnswer> tree = child.ask(request, deadline);
      if (!tree) return;
      git::Source source(child, tree->repository, deadline);
      const Reply<RepositoryReading> reading =
          git::read_tree(source, RepositoryFile(), tree->tree, tree->tree, RepositoryReading(), parsed_);
      if (!reading) return;
      for (const ReleaseReading& release : reading->releases) units.insert(release.unit);
    });
    for (const auto& [name, watched] : watched_)
      if (std::any_of(watched.reading.releases.begin(), watched.reading.releases.end(),
                      [&](const ReleaseReading& release) { return units.contains(release.unit); }))
        found.push_back(name);
  }
  if (found.size() == 1) return found.front();
  std::string names;
  for (const std::string& name : found) names += (names.empty() ? "" : ", ") + name;
  if (found.empty())
    return invalid("no file in repositories/ has the url of a remote of " + path +
                   ", and none claims its units; name it with --repository");
  return invalid("several files in repositories/ may be meant by " + path + ": " + names + "; name one with --repository");
}

Result<bool> GitsyncImpl::contains(const std::string& repository, const std::string& commit, const std::string& ancestor) {
  Result<std::string> mirror = mirror_of(repository);
  if (!mirror) return mirror.error();
  git::ContainsRequest request;
  request.repository = *mirror;
  request.commit = commit;
  request.ancestor = ancestor;
  const Reply<git::Truth> answer = ask_aside(request);
  if (!answer) return git::error_of(answer.failure()).with_context("repository " + repository);
  return answer->value;
}

Status GitsyncImpl::export_tree(const std::string& repository, const std::string& tree, const std::string& folder) {
  Result<std::string> mirror = mirror_of(repository);
  if (!mirror) return mirror.error();
  git::ExportRequest request;
  request.repository = *mirror;
  request.tree = tree;
  request.folder = folder;
  const Reply<git::Truth> answer = ask_aside(request);
  if (!answer) return git::error_of(answer.failure()).with_context("repository " + repository);
  return {};
}

Status prepare_folder(const GitsyncOptions& options) {
  namespace fs = std::filesystem;
  if (options.folder.empty()) return invalid("the folder for mirrors is not set");
  struct stat about {};
  if (options.offline) {
    if (::stat(options.folder.c_str(), &about) != 0)
      return invalid(options.folder +
                     " is not there: nothing has been fetched yet; start the controller first, or name its folder");
    return {};
  }
  std::error_code error;
  fs::create_directories(fs::path(options.folder).parent_path(), error);
  if (::mkdir(options.folder.c_str(), 0700) != 0 && errno != EEXIST)
    return invalid(options.folder + " cannot be made: " + std::generic_category().message(errno));
  if (::stat(options.folder.c_str(), &about) != 0 || !S_ISDIR(about.st_mode)) return invalid(options.folder + " is not a folder");
  if (about.st_uid != ::geteuid()) return invalid(options.folder + " belongs to another user; run nelson as its owner");
  if ((about.st_mode & (S_IRWXG | S_IRWXO)) != 0 && ::chmod(options.folder.c_str(), 0700) != 0)
    return invalid(options.folder + " is open to others and cannot be closed: " + std::generic_category().message(errno));
  return {};
}

}  // namespace

Result<std::unique_ptr<Gitsync>> Gitsync::open(GitsyncOptions options) {
  if (options.control_url.empty()) return invalid("the control repository's url is not set");
  const Reply<git::Address> address = git::parse_address(options.control_url);
  if (!address) return git::error_of(address.failure()).with_context("control repository");
  if (options.deadline <= milliseconds::zero() || options.poll <= milliseconds::zero())
    return invalid("the poll interval and the deadline must be longer than nothing");
  if (!options.folder.empty()) options.folder = std::filesystem::absolute(options.folder).lexically_normal().string();
  while (options.folder.size() > 1 && options.folder.ends_with('/')) options.folder.pop_back();
  if (const Status ready = prepare_folder(options); !ready) return ready.error();
  return std::unique_ptr<Gitsync>(std::make_unique<GitsyncImpl>(std::move(options)));
}

}  // namespace nelson
