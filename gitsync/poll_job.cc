#include "gitsync/poll_job.h"

#include <string_view>
#include <utility>

#include "gitsync/credentials.h"

namespace nelson::git {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// A mirror may have more tags than this file's pattern takes.
void keep_tags(const Target& target, References& references) {
  std::erase_if(references.tags, [&](const Tag& tag) {
    return target.file.release != ReleaseBy::kTags || !match_tag(target.file.tag_pattern, tag.name).has_value();
  });
}

/// A killed child could not say whom it was talking to.
Failure with_host(Failure failure, const Target& target) {
  constexpr std::string_view kAnonymous = "the host";
  if (!target.host.empty() && failure.message.starts_with(kAnonymous)) failure.message.replace(0, kAnonymous.size(), target.host);
  return failure;
}

}  // namespace

Failure silent_host(const Target& target) {
  return with_host(
      failure(ErrorKind::kUnavailable, "GitTimeout", "the host did not answer in time", "nelson asks again, more rarely"), target);
}

void Poller::run(Child& child, const Target& target, const std::function<void(Finding)>& post) {
  const auto began = Clock::now();
  Finding finding;
  finding.name = target.file.name;
  finding.mirror = target.mirror;
  finding.generation = target.generation;
  std::optional<References> known = target.first ? std::nullopt : std::optional(target.references);
  if (target.first) known = run_from_mirror(child, target, post);
  if (!target.offline) ask_host(child, target, known, finding);
  finding.last = true;
  finding.took = std::chrono::duration_cast<milliseconds>(Clock::now() - began);
  post(std::move(finding));
}

/// After a start: what the mirror has stands until its host has answered. The refs it was read from, if it could be.
std::optional<References> Poller::run_from_mirror(Child& child, const Target& target, const std::function<void(Finding)>& post) {
  Source source(child, target.mirror, Clock::now() + target.deadline);
  ReferencesRequest request;
  request.branch = target.file.branch;
  Reply<References> references = source.ask(request);
  Finding finding;
  finding.name = target.file.name;
  finding.mirror = target.mirror;
  finding.generation = target.generation;
  if (references && references->head.empty()) {
    if (!target.offline) return std::nullopt;
    finding.failure = failure(ErrorKind::kUnavailable, "MirrorMissing", "nothing of this repository has been fetched yet",
                              "let the controller fetch it first");
  } else if (!references) {
    if (!target.offline) return std::nullopt;  // the poll meets the same damage and mends it
    finding.failure = references.failure();
  } else {
    keep_tags(target, *references);
    finding.references = *references;
    finding.failure = read(source, target, *references, finding);
    if (finding.failure && !target.offline) return std::nullopt;
  }
  const bool well = !finding.failure;
  post(std::move(finding));
  return well ? std::optional(*references) : std::nullopt;
}

std::optional<Failure> Poller::read(Source& source, const Target& target, const References& references, Finding& finding) {
  if (target.file.name == kControl) {
    Reply<ControlRepositoryReading> reading = read_control(source, references.head, parsed_);
    if (!reading) return reading.failure();
    finding.control = std::move(*reading);
  } else {
    Reply<RepositoryReading> reading = read_repository(source, target.file, references, parsed_);
    if (!reading) return reading.failure();
    finding.reading = std::move(*reading);
  }
  return std::nullopt;
}

void Poller::ask_host(Child& child, const Target& target, const std::optional<References>& known, Finding& finding) {
  for (const bool again : {false, true}) {
    finding.failure = poll_once(child, target, known, again, finding);
    if (!finding.failure || finding.failure->code != kMirrorDamaged) break;
    // Once more with a new mirror; a second damage is the host's doing and waits for the next poll.
  }
  if (finding.failure && finding.failure->code == kMirrorDamaged)
    finding.failure =
        failure(ErrorKind::kUnavailable, "HostIncomplete", "what the host sent lacks objects: " + finding.failure->message,
                "run git fsck in the repository on the host");
  if (finding.answered) lanes_.heard(target.host);
  if (finding.failure && finding.failure->code == "GitTimeout") lanes_.timed_out(target.host);
}

std::optional<Failure> Poller::poll_once(Child& child, const Target& target, const std::optional<References>& known, bool rebuild,
                                         Finding& finding) {
  PollRequest request;
  request.repository = target.mirror;
  request.url = target.file.url;
  request.branch = target.file.branch;
  request.tags = target.file.release == ReleaseBy::kTags;
  request.tag_pattern = target.file.tag_pattern;
  request.known = target.first ? "" : target.known;
  request.rebuild = rebuild;
  Reply<Credentials> credentials = read_credentials(target.file.credentials);
  if (!credentials) return credentials.failure();
  request.credentials = *credentials;
  const Deadline now = Clock::now();
  ++ref_lists_;
  Reply<PollAnswer> answer = child.ask(request, now + target.deadline, now + target.list_deadline);
  if (!answer) return with_host(answer.failure(), target);
  finding.answered = true;
  finding.digest = answer->digest;
  finding.rebuilt = answer->rebuilt;
  if (answer->unchanged) return std::nullopt;
  if (answer->fetched) ++fetches_;
  finding.branch_missing = answer->branch_missing;
  finding.empty = answer->empty;
  finding.ignored = answer->ignored;
  keep_tags(target, answer->references);
  finding.references = answer->references;
  if (answer->references.head.empty()) return std::nullopt;
  if (known && *known == answer->references && !rebuild) return std::nullopt;
  Source source(child, target.mirror, now + target.deadline);
  return read(source, target, answer->references, finding);
}

}  // namespace nelson::git
