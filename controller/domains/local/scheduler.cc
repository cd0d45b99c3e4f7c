#include "controller/domains/local/scheduler.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "controller/base/durable.h"
#include "controller/base/files.h"
#include "controller/domains/local/cron.h"
#include "controller/domains/local/logs.h"
#include "controller/domains/local/process_spawn.h"
#include "controller/domains/local/process_sweep.h"
#include "controller/domains/local/scheduler_watch.h"
#include "controller/domains/local/supervisor_document.h"
#include "controller/domains/local/supervisor_ports.h"
#include "controller/domains/local/supervisor_protocol.h"
#include "state/model/digest.h"
#include "state/model/names.h"

namespace nelson {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr auto kAnswerWait = milliseconds(2000);  // for one supervisor
constexpr auto kObserveWait = seconds(6);         // for all of them; who is silent then is told from its state file
constexpr auto kStartWait = seconds(8);
constexpr auto kEndWait = seconds(3);  // for a supervisor that is just ending to let go of its folder
constexpr std::string_view kUnfinished = ".new-";

/// Whether a look failed for want of something of this machine's, so that it says nothing of what was looked at.
bool is_want(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM; }

void make_read_only(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || S_ISLNK(info.st_mode)) return;
  if (S_ISDIR(info.st_mode)) {
    for (const std::string& name : names_if_any(path)) make_read_only(path + "/" + name);
    ::chmod(path.c_str(), 0555);
  } else {
    ::chmod(path.c_str(), (info.st_mode & 0100) != 0 ? 0555 : 0444);
  }
}

/// Has a tree survive the machine's loss of power, whole: what is found under its name later is used as it is.
Status sync_tree(const std::string& path) {
  const Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::syncfs(folder.get()) != 0) return unavailable(path + ": cannot be synced: " + error_text(errno));
  return {};
}

/// This program's file; where that was replaced meanwhile, what still runs.
std::string own_program() {
  constexpr const char* kSelf = "/proc/self/exe";
  std::array<char, 4096> buffer{};
  const ssize_t n = ::readlink(kSelf, buffer.data(), buffer.size() - 1);
  struct stat named {
  }, self{};
  if (n > 0 && ::stat(buffer.data(), &named) == 0 && ::stat(kSelf, &self) == 0 && named.st_ino == self.st_ino &&
      named.st_dev == self.st_dev)
    return buffer.data();
  return kSelf;
}

Descriptor try_lock(const std::string& folder) {
  Descriptor lock(::open((folder + kLockFile).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return {};
  return lock;
}

StackGroups groups_of(const std::string& owner, const std::string& stack, const std::string& mark) {
  return {group_hierarchies(), owner, stack + "-" + mark.substr(0, 8)};
}

std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of('\n');
  if (end == std::string::npos) return "";
  const std::size_t begin = text.find_last_of('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1, end - (begin == std::string::npos ? -1 : begin));
}

class LocalScheduler : public Scheduler {
 public:
  explicit LocalScheduler(LocalSchedulerOptions options) : options_(std::move(options)), paths_{options_.settings.folder} {
    if (!options_.read_only) watch_ = std::make_unique<SupervisorWatch>(options_.changed);
  }

  [[nodiscard]] Status prepare();
  [[nodiscard]] Result<std::string> render(const Launch& launch, std::string_view guid) const override;
  Result<SchedulerView> observe() override;
  Status ensure_present(const Submission& submission) override;
  Status ensure_absent(const std::string& stack, std::uint32_t incarnation) override;

 private:
  struct Dead {
    std::string mark;
    Clock::time_point since;  // the first look that found nobody
    bool clean = false;       // nothing of it lives
  };
  using Found = Result<std::optional<Running>>;

  Found observe_stack(const std::string& stack, const LocalSubmission& submission, Clock::time_point until);
  [[nodiscard]] Found told_by_state(const std::string& stack, const LocalSubmission& submission, const std::string& why) const;
  Found observe_dead(const std::string& stack, const LocalSubmission& submission);
  Dead& dead(const std::string& stack, const LocalSubmission& submission);
  bool swept(const std::string& stack, const LocalSubmission& submission, milliseconds within);
  void keep_watch(const std::string& stack, SupervisorClient client);
  void tidy(const std::vector<std::string>& stacks);
  [[nodiscard]] std::optional<std::set<std::string>> used_trees(const std::vector<std::string>& folders) const;

  Status scale(SupervisorClient client, const Submission& submission, const std::string& digest);
  Status start(const Submission& submission, const LocalDocument& document, const std::string& digest);
  Result<Descriptor> lock_when_ended(const std::string& stack);
  Result<Descriptor> make_stack_folder(const std::string& stack, const std::string& document, const LocalSubmission& submission);
  Status spawn(const std::string& stack, const LocalSubmission& submission, Descriptor lock);
  Status have_tree(const LocalDocument& document);
  Result<std::vector<EnvironmentVariable>> addresses(const LocalDocument& document) const;

  LocalSchedulerOptions options_;
  LocalPaths paths_;
  std::map<std::string, Dead> dead_;  // folders without a supervisor, by stack
  std::set<std::string> seen_;        // folders of the last observation
  bool tidied_ = false;
  std::unique_ptr<SupervisorWatch> watch_;  // last: its thread ends first
};

Status LocalScheduler::prepare() {
  const DomainSettings& settings = options_.settings;
  if (!settings.folder.starts_with('/'))
    return invalid("domain " + settings.name + ": folder: \"" + settings.folder +
                   "\" is no absolute path; name a folder of its own for the domain");
  if (settings.instance_ports.first == 0 || settings.instance_ports.first > settings.instance_ports.last)
    return invalid("domain " + settings.name + ": instance_ports: the first must be at least 1 and not above the last");
  if (const auto user = user_for(settings.run_as); !user) return user.error().with_context("domain " + settings.name);
  if (options_.read_only) return {};
  // Instances pass through the folder to their tree and Lighthouse file; what they may not see is closed below it.
  for (const auto& [path, mode] : {std::pair{paths_.folder, 0711},
                                   {paths_.stacks(), 0700},
                                   {paths_.trees(), 0711},
                                   {paths_.ports(), 0700},
                                   {paths_.logs(), 0700}}) {
    if (Status made = make_folder(path, static_cast<mode_t>(mode)); !made)
      return made.error().with_context("domain " + settings.name);
  }
  const std::string range =
      std::to_string(settings.instance_ports.first) + " " + std::to_string(settings.instance_ports.last) + "\n";
  return replace_file(paths_.ports() + kPortRangeFile, range, 0600, false);
}

Result<std::string> LocalScheduler::render(const Launch& launch, std::string_view guid) const {
  const Artifact& artifact = launch.identity.artifact;
  if (artifact.kind == ArtifactKind::kImage)
    return invalid(launch.stack + ": the local domain " + options_.settings.name + " has no engine to run the image " +
                   artifact.image +
                   "; give the deployable an output of kind command, or name a domain whose scheduler runs images");
  if (artifact.command.empty() || artifact.command.front().empty())
    return invalid(launch.stack + ": its command is empty; the deployable's output.command names the program and its arguments");
  if (!artifact.tree.empty() && !valid_tree(artifact.tree))
    return invalid(launch.stack + ": \"" + artifact.tree + "\" is no tree's object id");
  const std::string& schedule = launch.identity.spec.schedule;
  if (!schedule.empty() && schedule != "once") {
    if (const auto cron = parse_cron(schedule); !cron) return cron.error().with_context(launch.stack);
  }
  return render_document(launch, options_.settings, guid);
}

Result<SchedulerView> LocalScheduler::observe() {
  SchedulerView view;
  const auto names = names_in(paths_.stacks());
  if (!names) {
    // Before the first controller ran there is no folder to look into; later, one that is gone says nothing about what runs.
    if (errno == ENOENT && options_.read_only) return view;
    return unavailable(paths_.stacks() + ": " + error_text(errno));
  }
  std::vector<std::string> present;
  const auto until = Clock::now() + kObserveWait;
  for (const std::string& name : *names) {
    if (name.starts_with('.')) continue;
    errno = 0;
    const auto submission = parse_stack_name(name) ? read_submission(paths_.stack(name)) : std::nullopt;
    if (!submission && is_want(errno)) return unavailable(paths_.stack(name) + kSubmissionFile + ": " + error_text(errno));
    if (!submission || submission->owner != options_.owner) {
      // Gone between the two looks is nobody's.
      if (::access(paths_.stack(name).c_str(), F_OK) == 0) view.foreign.push_back(name);
      continue;
    }
    auto running = observe_stack(name, *submission, until);
    if (!running) return running.error();
    if (*running) view.stacks[name] = **std::move(running);
    if (::access(paths_.stack(name).c_str(), F_OK) == 0) present.push_back(name);
  }
  std::erase_if(dead_, [&](const auto& item) { return !std::binary_search(present.begin(), present.end(), item.first); });
  if (!options_.read_only) tidy(present);
  return view;
}

LocalScheduler::Found LocalScheduler::observe_stack(const std::string& stack, const LocalSubmission& submission,
                                                    Clock::time_point until) {
  const auto left = std::chrono::duration_cast<milliseconds>(until - Clock::now());
  auto client = SupervisorClient::open(paths_.stack(stack), std::clamp<milliseconds>(left, milliseconds(50), kAnswerWait));
  if (!client) return told_by_state(stack, submission, client.error().message);
  if (!*client) return observe_dead(stack, submission);
  auto running = (*client)->status();
  if (!running) return told_by_state(stack, submission, running.error().message);
  dead_.erase(stack);
  keep_watch(stack, **std::move(client));
  return std::optional(*std::move(running));
}

/// What a supervisor that lives but is silent last wrote down.
LocalScheduler::Found LocalScheduler::told_by_state(const std::string& stack, const LocalSubmission& submission,
                                                    const std::string& why) const {
  const auto state = read_state(paths_.stack(stack));
  if (!state && is_want(errno)) return unavailable(paths_.stack(stack) + kStateFile + ": " + error_text(errno));
  Running running = state ? state->running : Running{};
  running.incarnation = submission.incarnation;
  running.document_digest = submission.document_digest;
  if (!state) running.count = submission.count;
  for (Instance& each : running.instances) each.detail = why + "; as last written down";
  return std::optional(running);
}

/// Nobody listens in the stack's folder. Nothing of it may live on unseen, and what it already achieved is not forgotten.
LocalScheduler::Found LocalScheduler::observe_dead(const std::string& stack, const LocalSubmission& submission) {
  const std::string folder = paths_.stack(stack);
  const auto unknown = [&folder] { return unavailable(folder + ": " + error_text(errno)); };
  const auto state = read_state(folder);
  if (!state && is_want(errno)) return unknown();
  Running running = state ? state->running : Running{};
  running.incarnation = submission.incarnation;
  running.document_digest = submission.document_digest;
  running.instances.clear();
  running.child_running = false;
  const auto remaining = [&] {
    running.stopping = true;
    return std::optional(running);
  };
  const StackGroups groups = groups_of(submission.owner, stack, submission.mark);
  const bool finished = running.last_run != JobResult::kNone && !running.stopping && state && !state->job.in_run;
  const auto text = finished ? read_text(folder + kDocumentFile) : std::nullopt;
  if (finished && !text && is_want(errno)) return unknown();
  const auto document = text ? read_document(*text) : Result<LocalDocument>(invalid("no result"));
  const bool once_done = document && document->schedule == "once";
  if (options_.read_only) {
    if (once_done) return std::optional(running);
    return has_remains(submission.mark, groups) ? remaining() : std::nullopt;
  }
  const Descriptor lock = try_lock(folder);
  if (!lock && is_want(errno)) return unknown();
  if (!lock) return ::access(folder.c_str(), F_OK) == 0 ? remaining() : std::nullopt;  // just ending
  if (!swept(stack, submission, milliseconds(500))) return remaining();
  if (once_done) return std::optional(running);
  if (running.stopping || Clock::now() - dead(stack, submission).since > options_.forget_after) {
    remove_stack_folder(paths_, stack);
    StackGroups(groups).leave_and_remove();
  }
  return std::optional<Running>();
}

/// What is known of a folder that nobody supervises.
LocalScheduler::Dead& LocalScheduler::dead(const std::string& stack, const LocalSubmission& submission) {
  Dead& known = dead_.try_emplace(stack, Dead{submission.mark, Clock::now()}).first->second;
  if (known.mark != submission.mark) known = {submission.mark, Clock::now()};
  return known;
}

/// Ends what a dead supervisor left; whether nothing is left.
bool LocalScheduler::swept(const std::string& stack, const LocalSubmission& submission, milliseconds within) {
  bool& clean = dead(stack, submission).clean;
  if (clean) return true;
  const StackGroups groups = groups_of(submission.owner, stack, submission.mark);
  const auto until = Clock::now() + within;
  while (end_remains(submission.mark, groups) > 0) {
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return clean = true;
}

void LocalScheduler::keep_watch(const std::string& stack, SupervisorClient client) {
  if (!watch_ || watch_->watches(stack)) return;
  if (auto socket = client.watch()) watch_->add(stack, *std::move(socket));
}

/// Removes what no stack uses any more: trees, ports, old logs. Only when stacks went away, and once at the beginning.
void LocalScheduler::tidy(const std::vector<std::string>& stacks) {
  const std::set<std::string> now(stacks.begin(), stacks.end());
  const bool fewer = !std::includes(now.begin(), now.end(), seen_.begin(), seen_.end());
  seen_ = now;
  if (tidied_ && !fewer) return;
  tidied_ = true;
  remove_dropped_folders(paths_);
  release_orphan_ports(paths_);
  drop_old_logs(paths_.folder);
  const auto all = names_in(paths_.stacks());
  if (!all) return;
  if (const auto used = used_trees(*all)) {
    for (const std::string& tree : names_if_any(paths_.trees()))
      if (!used->contains(tree)) remove_tree(paths_.trees() + "/" + tree);
  }
  for (const std::string& name : *all)
    if (name.starts_with(kUnfinished)) remove_tree(paths_.stacks() + "/" + name);
}

/// Another owner's too, whose trees stand beside ours. Nothing when one folder does not tell what it uses: then each tree may be in use.
std::optional<std::set<std::string>> LocalScheduler::used_trees(const std::vector<std::string>& folders) const {
  std::set<std::string> used;
  for (const std::string& stack : folders) {
    if (!parse_stack_name(stack)) continue;
    const auto text = read_text(paths_.stack(stack) + kDocumentFile);
    const auto document = text ? read_document(*text) : Result<LocalDocument>(invalid("cannot be read"));
    const bool gone = !document && ::access(paths_.stack(stack).c_str(), F_OK) != 0 && errno == ENOENT;
    if (!document && !gone) return std::nullopt;
    if (document) used.insert(document->tree);
  }
  return used;
}

Status LocalScheduler::ensure_present(const Submission& submission) {
  if (options_.read_only) return internal("a read-only scheduler was asked to run " + submission.stack);
  if (!parse_stack_name(submission.stack)) return invalid("\"" + submission.stack + "\" is no stack's name");
  const auto document = read_document(submission.document);
  if (!document) return document.error().with_context(submission.stack);
  if (document->stack != submission.stack || document->owner != options_.owner)
    return invalid(submission.stack + ": the document is of " + document->stack + " and of owner " + document->owner);
  const std::string digest = to_hex(sha256(submission.document));
  auto client = SupervisorClient::open(paths_.stack(submission.stack), kAnswerWait);
  if (!client) return client.error();
  if (*client) return scale(**std::move(client), submission, digest);
  return start(submission, *document, digest);
}

Status LocalScheduler::scale(SupervisorClient client, const Submission& submission, const std::string& digest) {
  if (client.hello().incarnation != submission.incarnation)
    return conflict(submission.stack + ": incarnation " + std::to_string(client.hello().incarnation) + " is there, " +
                    std::to_string(submission.incarnation) + " was asked for");
  if (client.hello().document_digest != digest) {
    // Not what the record says: it goes, and the record's document is started in its place.
    if (Status stopped = client.stop(); !stopped) return stopped;
    return conflict(submission.stack + ": something else than its document runs; it is stopped first");
  }
  const auto running = client.status();
  if (!running) return running.error();
  if (running->stopping) return conflict(submission.stack + " is being stopped");
  Status set = client.set_count(submission.count);
  keep_watch(submission.stack, std::move(client));
  return set;
}

/// Nobody listens there: at most a supervisor that is ending holds the folder, for a moment.
Result<Descriptor> LocalScheduler::lock_when_ended(const std::string& stack) {
  const auto until = Clock::now() + kEndWait;
  for (;;) {
    if (::access(paths_.stack(stack).c_str(), F_OK) != 0) return Descriptor();
    if (Descriptor lock = try_lock(paths_.stack(stack))) return lock;
    if (Clock::now() > until)
      return unavailable("the supervisor of " + stack + " holds " + paths_.stack(stack) + " but does not listen; end it");
    std::this_thread::sleep_for(milliseconds(5));
  }
}

Status LocalScheduler::start(const Submission& submission, const LocalDocument& document, const std::string& digest) {
  if (const auto zone = TimeZone::open(document.timezone); !zone) return zone.error().with_context(submission.stack);
  if (Status tree = have_tree(document); !tree) return tree;
  auto found = addresses(document);
  if (!found) return found.error().with_context(submission.stack);
  LocalSubmission wanted{1, options_.owner, submission.incarnation, digest, random_hex(16), submission.count, *std::move(found)};
  auto locked = lock_when_ended(submission.stack);
  if (!locked) return locked.error();
  Descriptor lock = *std::move(locked);
  const std::string folder = paths_.stack(submission.stack);
  if (lock) {
    const auto former = read_submission(folder);
    if (!former && is_want(errno)) return unavailable(folder + kSubmissionFile + ": " + error_text(errno));
    if (!former) return unavailable(folder + kSubmissionFile + " cannot be read; look what it is, then remove the folder");
    if (former->owner != options_.owner) return conflict(submission.stack + " belongs to " + former->owner);
    const auto state = read_state(folder);
    if (state && state->running.stopping) return conflict(submission.stack + " is being stopped");
    if (former->incarnation == wanted.incarnation && former->document_digest == digest) {
      wanted.mark = former->mark;
      if (Status written = replace_file(folder + kSubmissionFile, to_text(wanted), 0600); !written) return written;
      if (Status written = replace_file(folder + kDocumentFile, submission.document, 0600, false); !written) return written;
      return spawn(submission.stack, wanted, std::move(lock));
    }
    if (!swept(submission.stack, *former, milliseconds(2000)))
      return unavailable(submission.stack + ": processes of incarnation " + std::to_string(former->incarnation) + " do not end");
    remove_stack_folder(paths_, submission.stack);
  }
  auto made = make_stack_folder(submission.stack, submission.document, wanted);
  if (!made) return made.error();
  return spawn(submission.stack, wanted, *std::move(made));
}

/// Made out of sight and locked before it gets its name, so that no half of it is ever seen.
Result<Descriptor> LocalScheduler::make_stack_folder(const std::string& stack, const std::string& document,
                                                     const LocalSubmission& submission) {
  const std::string folder = paths_.stacks() + "/" + std::string(kUnfinished) + stack + "-" + random_hex(4);
  const auto undone = [&folder](Error error) {
    remove_tree(folder);
    return error;
  };
  if (Status made = make_folder(folder, 0700); !made) return made.error();
  if (Status written = replace_file(folder + kDocumentFile, document, 0600, false); !written) return undone(written.error());
  if (Status written = replace_file(folder + kLockFile, "", 0600, false); !written) return undone(written.error());
  // Last, so that the folder is synced with all its names: without lock or submission nobody could repair it after a loss of power.
  if (Status written = replace_file(folder + kSubmissionFile, to_text(submission), 0600); !written) return undone(written.error());
  Descriptor lock = try_lock(folder);
  if (!lock || std::rename(folder.c_str(), paths_.stack(stack).c_str()) != 0)
    return undone(unavailable(folder + ": " + error_text(errno)));
  return lock;
}

Status LocalScheduler::spawn(const std::string& stack, const LocalSubmission& submission, Descriptor lock) {
  const std::string folder = paths_.stack(stack);
  if (Status made = make_folder(paths_.logs(stack), 0700); !made) return made;
  const std::string log = paths_.logs(stack) + "/supervisor.log";
  const Descriptor errors(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  auto listener = listen_in(folder);
  if (!listener) return listener.error();
  dead_.erase(stack);
  {
    StackGroups groups = groups_of(submission.owner, stack, submission.mark);
    std::string missed;
    const auto doors = groups.make("supervisor", {}, missed);
    const std::string program = options_.program.empty() ? own_program() : options_.program;
    const std::vector<std::string> arguments{"nelson", "supervise", folder, "--lock-fd", "3", "--listen-fd", "4"};
    if (Status spawned = spawn_supervisor(program, arguments, lock.get(), listener->get(), errors.get(), doors); !spawned)
      return spawned;
  }
  // From here on lock and socket are the supervisor's alone: if it ends, both do.
  lock.reset();
  listener->reset();
  auto client = SupervisorClient::open(folder, kStartWait);
  if (!client) return client.error();
  if (!*client) {
    const auto said = read_text(log);
    return unavailable(stack + ": its supervisor ended at once: " + last_line(said.value_or("")) + "; see " + log);
  }
  keep_watch(stack, **std::move(client));
  return {};
}

Status LocalScheduler::have_tree(const LocalDocument& document) {
  if (document.tree.empty()) return {};
  const std::string tree = paths_.trees() + "/" + document.tree;
  if (::access(tree.c_str(), F_OK) == 0) return {};
  if (!valid_tree(document.tree)) return invalid(document.stack + ": \"" + document.tree + "\" is no tree's object id");
  const std::string unfinished = paths_.trees() + "/" + std::string(kUnfinished) + random_hex(8);
  if (Status made = make_folder(unfinished, 0700); !made) return made;
  const Status written = options_.export_tree ? options_.export_tree(document.repository, document.tree, unfinished)
                                              : Status(internal("no way to read trees was given"));
  if (!written) {
    remove_tree(unfinished);
    return written.error().with_context(document.stack + ": tree " + document.tree + " of " + document.repository);
  }
  make_read_only(unfinished);
  if (Status synced = sync_tree(unfinished); !synced) {
    remove_tree(unfinished);
    return synced;
  }
  if (std::rename(unfinished.c_str(), tree.c_str()) == 0) return sync_folder(paths_.trees());
  const int error = errno;
  remove_tree(unfinished);
  return error == EEXIST || error == ENOTEMPTY ? Status() : Status(unavailable(tree + ": " + error_text(error)));
}

Result<std::vector<EnvironmentVariable>> LocalScheduler::addresses(const LocalDocument& document) const {
  std::vector<EnvironmentVariable> variables;
  if (!options_.address_of) return variables;
  for (const Binding& binding : document.bindings) {
    const TrafficKey key{options_.settings.name, binding.name_space, binding.unit, binding.major};
    for (const Port& port : binding.ports) {
      const auto at = options_.address_of(key, port);
      if (!at) return at.error();
      variables.push_back({address_variable(binding.unit, port.name), at->host + ":" + std::to_string(at->number)});
    }
  }
  return variables;
}

Status LocalScheduler::ensure_absent(const std::string& stack, std::uint32_t incarnation) {
  if (options_.read_only) return internal("a read-only scheduler was asked to end " + stack);
  if (!parse_stack_name(stack)) return invalid("\"" + stack + "\" is no stack's name");
  const std::string folder = paths_.stack(stack);
  auto client = SupervisorClient::open(folder, kAnswerWait);
  if (!client) return client.error();
  if (*client) {
    if ((*client)->hello().incarnation != incarnation)
      return conflict(stack + ": incarnation " + std::to_string((*client)->hello().incarnation) + " is there, the end of " +
                      std::to_string(incarnation) + " was asked for");
    return (*client)->stop();
  }
  auto lock = lock_when_ended(stack);
  if (!lock) return lock.error();
  if (!*lock) return {};
  const auto former = read_submission(folder);
  if (!former && is_want(errno)) return unavailable(folder + kSubmissionFile + ": " + error_text(errno));
  if (!former || former->owner != options_.owner) return conflict(folder + " is not ours to remove");
  if (former->incarnation != incarnation)
    return conflict(stack + ": incarnation " + std::to_string(former->incarnation) + " is there, the end of " +
                    std::to_string(incarnation) + " was asked for");
  if (!swept(stack, *former, milliseconds(500))) return {};  // observe() lists it until it is
  remove_stack_folder(paths_, stack);
  groups_of(former->owner, stack, former->mark).leave_and_remove();
  return {};
}

}  // namespace

Result<std::unique_ptr<Scheduler>> open_local_scheduler(LocalSchedulerOptions options) {
  while (options.settings.folder.size() > 1 && options.settings.folder.ends_with('/')) options.settings.folder.pop_back();
  auto scheduler = std::make_unique<LocalScheduler>(std::move(options));
  if (Status ready = scheduler->prepare(); !ready) return ready.error();
  return std::unique_ptr<Scheduler>(std::move(scheduler));
}

}  // namespace nelson
