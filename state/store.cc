#include "state/store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "state/database.h"
#include "state/folder.h"
#include "state/journal.h"
#include "state/lmdb_file.h"
#include "state/open.h"
#include "state/passes.h"
#include "state/shape.h"
#include "state/subjects.h"

namespace nelson {
namespace {

using lmdb::Environment;
using Missing = Environment::Missing;

constexpr std::size_t kLeastBytes = std::size_t{1} << 20;

class LmdbStore final : public Store {
 public:
  LmdbStore(std::optional<FolderLock> lock, std::shared_ptr<Environment> environment, const StoreOptions& options,
            std::string rebuilt)
      : lock_(std::move(lock)),
        database_(std::move(environment), options.folder, options.keep_free),
        journal_(database_, options.keep_entries, options.max_bytes / 4),
        passes_(database_, options),
        subjects_(database_),
        rebuilt_(std::move(rebuilt)) {}

  /// For the writer, before anything else.
  Status start() {
    std::optional<Head> head = database_.head();
    if (!head) {
      Result<Head> measured = measure();
      if (!measured) return measured.error();
      Result<Database::Change> change = database_.change(Database::Room::kNotNeeded);
      if (!change) return change.error();
      change->head() = *measured;
      if (Status done = change->commit(std::nullopt); !done) return done;
      head = measured.value();
    }
    return journal_.start(head->sequence);
  }

  std::string rebuilt() const override { return rebuilt_; }
  std::optional<RefusedStart> refused_start() const override { return lock_ ? lock_->refused() : std::nullopt; }

  Status intend(std::vector<JournalEntry>& entries) override { return journal_.intend(entries); }
  Status settle(std::span<const Settlement> settlements, Instant now) override { return journal_.settle(settlements, now); }
  Result<std::vector<JournalEntry>> open_intents() const override { return journal_.open_intents(); }
  Status settle_unknown(std::span<const std::uint64_t> sequences, Instant now) override {
    return journal_.settle_unknown(sequences, now);
  }
  Result<std::vector<JournalEntry>> history(const std::string& stack, std::uint64_t before, std::size_t limit) const override {
    return journal_.history(stack, before, limit);
  }

  Status record_pass(const Desired& desired, const Observed& observed, Instant now, const std::string& plan_digest) override {
    return passes_.record(desired, observed, now, plan_digest);
  }
  Result<ReplayedPass> replay(std::uint64_t pass) const override { return passes_.replay(pass); }
  Result<std::vector<PassRecord>> passes() const override { return passes_.list(); }
  std::uint64_t last_pass() const override { return database_.head().value_or(Head{}).pass; }

  Result<std::map<std::string, Instant>> first_seen(const std::vector<std::string>& subjects, Instant now) override {
    return subjects_.first_seen(subjects, now);
  }
  std::optional<Instant> last_instant() const override { return database_.head().value_or(Head{}).instant; }

  Counters counters() const override {
    return {database_.commits(), database_.commits(), database_.written(), database_.losses().count()};
  }
  std::vector<std::string> damages() const override { return database_.losses().sentences(); }

 private:
  /// What a lost head said, from the records themselves.
  Result<Head> measure() const {
    Result<JournalExtent> journal = measure_journal(database_);
    if (!journal) return journal.error();
    Result<std::vector<StoredPass>> passes = passes_.stored();
    if (!passes) return passes.error();
    Head head{journal->instant, 0, journal->last, 0};
    for (const StoredPass& pass : *passes) {
      head.pass = std::max(head.pass, pass.record.pass);
      head.instant = std::max(head.instant, std::optional(pass.record.now));
    }
    return head;
  }

  std::optional<FolderLock> lock_;  // given back after everything else is closed
  Database database_;
  Journal journal_;
  Passes passes_;
  Subjects subjects_;
  const std::string rebuilt_;
};

/// What a data file that LMDB can open says of itself.
struct Content {
  enum class Kind { kEmpty, kOurs, kNewer, kUnusable } kind = Kind::kOurs;
  std::string why;  // of kNewer and kUnusable
};

Result<Content> read_content(Environment& environment) {
  using Kind = Content::Kind;
  Result<bool> all = environment.open_tables(Missing::kStop);
  if (!all) return all.error();
  std::optional<Schema> schema;
  std::optional<Head> head;
  std::uint64_t number = 0;
  bool empty = false;
  Transaction transaction = environment.read();
  {
    number = transaction.number();
    empty = !Cursor(transaction, Table::kNow).first();
    if (const auto record = transaction.get(Table::kNow, kSchemaKey))
      if (const auto unsealed = unseal(kSchemaKey, *record)) schema = decoded<Schema>(unsealed->value);
    if (const auto record = transaction.get(Table::kNow, kHeadKey))
      if (const auto unsealed = unseal(kHeadKey, *record)) head = decoded<Head>(unsealed->value);
  }
  if (Status read = transaction.finish(); !read) return read.error();
  if (empty) return Content{Kind::kEmpty, ""};
  if (!schema) return Content{Kind::kUnusable, "was damaged: it does not say which schema it has"};
  const std::string versions = std::to_string(schema->version) + ", this one writes " + std::to_string(kSchemaVersion);
  if (schema->version > kSchemaVersion) return Content{Kind::kNewer, "has the schema of a newer nelson (" + versions + ")"};
  if (*schema != current_schema() || !*all) return Content{Kind::kUnusable, "has the schema of another nelson (" + versions + ")"};
  if (head && head->transaction != number) return Content{Kind::kUnusable, "was damaged: its last change is missing"};
  return Content{Kind::kOurs, ""};
}

std::string read_suspect(const std::string& folder) {
  std::ifstream file(lmdb::suspect_file(folder));
  std::string why;
  if (file) std::getline(file, why);
  std::replace_if(
      why.begin(), why.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return file.is_open() ? "was found damaged by the process before (" + why.substr(0, 400) + ")" : "";
}

/// Ours has a table of our name, or, should a bit of that be wrong, most of the others.
bool is_ours(const std::vector<std::string>& tables) {
  const auto ours = std::count_if(tables.begin(), tables.end(), [](const std::string& name) {
    return std::find(lmdb::kTableNames.begin(), lmdb::kTableNames.end(), name) != lmdb::kTableNames.end();
  });
  return tables.empty() || ours > 2 || std::find(tables.begin(), tables.end(), lmdb::kTableNames[0]) != tables.end();
}

Error foreign(const std::string& folder, const std::string& why) {
  return invalid(folder + "/data.mdb is not nelson's (" + why + "): give nelson a folder of its own, or move that file away");
}

/// What the data file looks like before LMDB sees it.
struct Outside {
  std::string unusable;  // why it has to be made anew; "" when it can be tried
  bool blank = false;    // not there, or made and never written to
};

Result<Outside> look_from_outside(const std::string& folder) {
  const FileReport report = inspect_lmdb_file(folder + "/data.mdb");
  const std::vector<std::string>& tables = report.tables;
  if (report.kind == FileReport::Kind::kForeign) return foreign(folder, report.why);
  if (!is_ours(tables)) return foreign(folder, "it has a table \"" + tables.front() + "\"");
  if (report.kind == FileReport::Kind::kNone) return Outside{"", true};
  if (report.kind == FileReport::Kind::kDamaged) return Outside{"was damaged (" + report.why + ")", false};
  if (!tables.empty() && std::find(tables.begin(), tables.end(), lmdb::kTableNames[0]) == tables.end())
    return Outside{"was damaged (a table is missing)", false};
  return Outside{read_suspect(folder), tables.empty()};
}

Status write_schema(const std::shared_ptr<Environment>& environment, const StoreOptions& options) {
  Database database(environment, options.folder, 0);
  Result<Database::Change> change = database.change(Database::Room::kNotNeeded);
  if (!change) return change.error();
  change->put(Table::kNow, kSchemaKey, current_schema());
  return change->commit(std::nullopt);
}

Result<std::unique_ptr<Store>> open_to_read(const StoreOptions& options, const lmdb::Options& lmdb_options) {
  if (Status fits = check_folder_to_read(options.folder); !fits) return fits.error();
  const std::string store = "the store at " + options.folder + " ";
  const std::string way_out = "; the next start of `nelson run` moves it aside and begins anew";
  Result<Outside> outside = look_from_outside(options.folder);
  if (!outside) return outside.error();
  if (!outside->unusable.empty()) return invalid(store + outside->unusable + way_out);
  if (outside->blank) return invalid(store + "is empty: `nelson run` has not yet written to it");
  Result<std::shared_ptr<Environment>> environment = Environment::open(lmdb_options);
  if (!environment) return environment.error();
  Result<Content> content = read_content(**environment);
  if (!content) return content.error();
  switch (content->kind) {
    case Content::Kind::kEmpty:
      return invalid(store + "is empty: `nelson run` has not yet written to it");
    case Content::Kind::kNewer:
      return invalid(store + content->why + ": use that nelson");
    case Content::Kind::kUnusable:
      return invalid(store + content->why + way_out);
    case Content::Kind::kOurs:
      break;
  }
  return std::unique_ptr<Store>(std::make_unique<LmdbStore>(std::nullopt, *environment, options, ""));
}

/// Opens the data file for writing, after at most one rebuild; `rebuilt` then says why.
Result<std::shared_ptr<Environment>> open_or_rebuild(const StoreOptions& options, const lmdb::Options& lmdb_options,
                                                     std::string& rebuilt) {
  for (bool again = false;; again = true) {
    Result<Outside> outside = look_from_outside(options.folder);
    if (!outside) return outside.error();
    std::string unusable = outside->unusable;
    if (unusable.empty()) {
      Result<std::shared_ptr<Environment>> environment = Environment::open(lmdb_options);
      if (!environment) return environment.error();
      Result<Content> content{Content{Content::Kind::kEmpty, ""}};
      if (!outside->blank) content = read_content(**environment);
      if (!content) return content.error();
      if (content->kind == Content::Kind::kOurs) return environment;
      if (content->kind == Content::Kind::kNewer)
        return invalid("the store at " + options.folder + " " + content->why +
                       ": use that nelson, or give this one another folder");
      if (content->kind == Content::Kind::kEmpty) {
        if (Result<bool> made = (*environment)->open_tables(Missing::kMake); !made) return made.error();
        if (Status written = write_schema(*environment, options); !written) return written.error();
        if (rebuilt.empty()) rebuilt = "there was no store in " + options.folder + ": history starts now";
        return environment;
      }
      unusable = content->why;
    }
    if (again) return internal("the store at " + options.folder + " was made anew and still " + unusable + ": check the disk");
    Result<std::string> aside = set_aside(options.folder);
    if (!aside) return aside.error();
    ::unlink(lmdb::suspect_file(options.folder).c_str());
    rebuilt = "the store at " + options.folder + " " + unusable + "; it was moved aside to " + *aside + " and history starts now";
  }
}

}  // namespace

Schema current_schema() {
  const std::string shapes = shape_of<Head>() + shape_of<JournalEntry>() + shape_of<PartHeader>() + shape_of<StoredPass>() +
                             shape_of<Subject>() + shape_of<Desired>() + shape_of<Observed>();
  return {kSchemaVersion, content_digest(shapes)};
}

Result<std::unique_ptr<Store>> open_store(StoreOptions options, lmdb::Fault fault) {
  while (options.folder.size() > 1 && options.folder.back() == '/') options.folder.pop_back();
  options.max_bytes = std::max(options.max_bytes, kLeastBytes);
  const lmdb::Options lmdb_options{options.folder, options.max_bytes, options.read_only, std::move(fault)};
  if (options.read_only) return open_to_read(options, lmdb_options);
  if (Status fits = prepare_folder(options.folder); !fits) return fits.error();
  Result<FolderLock> lock = FolderLock::take(options.folder, options.holder);
  if (!lock) return lock.error();
  std::string rebuilt;
  Result<std::shared_ptr<Environment>> environment = open_or_rebuild(options, lmdb_options, rebuilt);
  if (!environment) return environment.error();
  auto store = std::make_unique<LmdbStore>(std::move(lock).value(), *environment, options, rebuilt);
  if (Status started = store->start(); !started) return started.error();
  return std::unique_ptr<Store>(std::move(store));
}

Result<std::unique_ptr<Store>> Store::open(StoreOptions options) { return open_store(std::move(options), {}); }

}  // namespace nelson
