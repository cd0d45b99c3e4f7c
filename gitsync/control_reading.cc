#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gitsync/reading.h"

namespace nelson::git {

namespace {

/// Reads control files by (path, blob), fetching those not known yet.
class ControlReader {
 public:
  ControlReader(Source& source, Parsed& parsed) : source_(source), parsed_(parsed) {}

  /// Reads many with few questions.
  Reply<bool> prepare(const std::vector<Entry>& entries) {
    std::vector<Entry> rest;
    for (const Entry& entry : entries)
      if (entry.regular && parsed_.control.find(key(entry)) == nullptr) rest.push_back(entry);
    std::size_t next = 0;
    while (next < rest.size()) {
      BlobsRequest request;
      for (std::size_t i = next; i < rest.size() && request.ids.size() < 1'000; ++i) request.ids.push_back(rest[i].id);
      const Reply<Blobs> blobs = source_.ask(request);
      if (!blobs) return blobs.failure();
      if (blobs->blobs.empty() || blobs->blobs.size() > request.ids.size())
        return failure(ErrorKind::kUnavailable, "GitChild", "the Git child gave no blobs");
      for (const Blob& blob : blobs->blobs) parse(rest[next++], blob);
    }
    return true;
  }

  /// Null for what is no regular file.
  Reply<std::shared_ptr<const ControlReading>> read(const Entry& entry) {
    if (!entry.regular) return std::shared_ptr<const ControlReading>();
    if (auto known = parsed_.control.find(key(entry))) return known;
    BlobsRequest request;
    request.ids = {entry.id};
    const Reply<Blobs> blobs = source_.ask(request);
    if (!blobs) return blobs.failure();
    if (blobs->blobs.size() != 1) return failure(ErrorKind::kUnavailable, "GitChild", "the Git child gave no blobs");
    return parse(entry, blobs->blobs.front());
  }

 private:
  static std::string key(const Entry& entry) { return entry.path + " " + entry.id; }

  std::shared_ptr<const ControlReading> parse(const Entry& entry, const Blob& blob) {
    return parsed_.control.get(key(entry), blob.bytes.size(), [&] {
      return blob.too_big ? ControlReading{std::nullopt, {file_too_big()}} : read_control_file(entry.path, blob.bytes);
    });
  }

  Source& source_;
  Parsed& parsed_;
};

Problem in_control(Problem problem, const std::string& commit, const std::string& path) {
  problem.repository = "control";
  problem.commit = commit;
  problem.file = path;
  return problem;
}

/// Puts the newest revision before `commit` that reads in force; without one it is remembered that there is something unknown.
Reply<bool> last_good(Source& source, ControlReader& reader, const std::string& path, const std::string& commit,
                      ControlFiles& files) {
  HistoryRequest request;
  request.commit = commit;
  request.path = path;
  const Reply<History> history = source.ask(request);
  if (!history) return history.failure();
  for (std::size_t i = 1; i < history->revisions.size(); ++i) {
    const Revision& revision = history->revisions[i];
    if (revision.entries.size() != 1) continue;
    const auto reading = reader.read(revision.entries.front());
    if (!reading) return reading.failure();
    if (*reading == nullptr || !(*reading)->object) continue;
    files.put(path, revision.commit, *(*reading)->object);
    return true;
  }
  files.put_unread(path);
  return true;
}

/// Reads one file into `out`, at `out.commit` or its last good revision.
Reply<bool> read_object(Source& source, ControlReader& reader, const Entry& entry, ControlRepositoryReading& out) {
  const auto reading = reader.read(entry);
  if (!reading) return reading.failure();
  if (!entry.regular)
    out.problems.push_back(in_control(
        problem_at({}, "NotRegular", entry.path + " is not a regular file", "put the file itself there: links are not followed"),
        out.commit, entry.path));
  if (*reading == nullptr) return last_good(source, reader, entry.path, out.commit, out.files);
  for (const Problem& problem : (*reading)->problems) out.problems.push_back(in_control(problem, out.commit, entry.path));
  if (!(*reading)->object) return last_good(source, reader, entry.path, out.commit, out.files);
  out.files.put(entry.path, out.commit, *(*reading)->object);
  return true;
}

}  // namespace

Reply<ControlRepositoryReading> read_control(Source& source, const std::string& commit, Parsed& parsed) {
  ControlRepositoryReading out;
  out.commit = commit;
  EntriesRequest request;
  request.commit = commit;
  request.filter = EntryFilter::kAll;
  ++parsed.trees;
  Reply<Entries> entries = source.ask(request);
  if (!entries) return entries.failure();
  // A file that is not listed would count as removed, and what it names as unwanted.
  if (entries->truncated)
    return failure(ErrorKind::kInvalid, "RepositoryTooBig",
                   "the control repository has more than 10,000 files, so none of this commit was read",
                   "remove what is no control file");
  std::vector<Entry> objects;
  for (const Entry& entry : entries->entries) {
    if (is_control_file(entry.path)) {
      objects.push_back(entry);
    } else if (std::optional<Problem> problem = unread_path_problem(entry.path)) {
      out.problems.push_back(in_control(std::move(*problem), commit, entry.path));
    }
  }
  ControlReader reader(source, parsed);
  if (const Reply<bool> prepared = reader.prepare(objects); !prepared) return prepared.failure();
  for (const Entry& entry : objects)
    if (const Reply<bool> done = read_object(source, reader, entry, out); !done) return done.failure();
  return out;
}

}  // namespace nelson::git
