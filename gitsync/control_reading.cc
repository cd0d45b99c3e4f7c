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
      for (const Blob& blob : blobs->blobs) {
        const Entry& entry = rest[next++];
        (void)parsed_.control.get(key(entry), [&] {
          return blob.too_big ? ControlReading{std::nullopt, {file_too_big()}} : read_control_file(entry.path, blob.bytes);
        });
      }
    }
    return true;
  }

  std::shared_ptr<const ControlReading> find(const Entry& entry) const { return parsed_.control.find(key(entry)); }

 private:
  static std::string key(const Entry& entry) { return entry.path + " " + entry.id; }

  Source& source_;
  Parsed& parsed_;
};

Problem in_control(Problem problem, const std::string& commit, const std::string& path) {
  problem.repository = "control";
  problem.commit = commit;
  problem.file = path;
  return problem;
}

/// Puts the newest revision before `commit` that reads in force.
Reply<bool> last_good(Source& source, ControlReader& reader, const std::string& path, const std::string& commit,
                      ControlFiles& files) {
  HistoryRequest request;
  request.commit = commit;
  request.path = path;
  const Reply<History> history = source.ask(request);
  if (!history) return history.failure();
  for (std::size_t i = 1; i < history->revisions.size(); ++i) {
    const Revision& revision = history->revisions[i];
    if (revision.entries.size() != 1 || !revision.entries.front().regular) continue;
    const Reply<bool> prepared = reader.prepare(revision.entries);
    if (!prepared) return prepared.failure();
    const auto reading = reader.find(revision.entries.front());
    if (reading == nullptr || !reading->object) continue;
    files.put(path, revision.commit, *reading->object);
    return true;
  }
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
  if (entries->truncated)
    out.problems.push_back(
        in_control(problem_at({}, "RepositoryTooBig", "the control repository has more than 10,000 files; not all were read",
                              "remove what is no control file"),
                   commit, ""));
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
  for (const Entry& entry : objects) {
    const auto reading = entry.regular ? reader.find(entry) : nullptr;
    if (!entry.regular)
      out.problems.push_back(in_control(
          problem_at({}, "NotRegular", entry.path + " is not a regular file", "put the file itself there: links are not followed"),
          commit, entry.path));
    if (reading != nullptr)
      for (const Problem& problem : reading->problems) out.problems.push_back(in_control(problem, commit, entry.path));
    if (reading != nullptr && reading->object) {
      out.files.put(entry.path, commit, *reading->object);
    } else if (const Reply<bool> done = last_good(source, reader, entry.path, commit, out.files); !done) {
      return done.failure();
    }
  }
  return out;
}

}  // namespace nelson::git
