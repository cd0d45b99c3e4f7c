#include "state/lmdb.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <utility>

namespace nelson::lmdb {
namespace {

/// Status pages, commands and a few passes at once; a reader needs 64 bytes of the lock file.
constexpr unsigned kMaxReaders = 512;

MDB_val to_val(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }
std::string_view to_view(const MDB_val& value) { return {static_cast<const char*>(value.mv_data), value.mv_size}; }

std::string data_file(const std::string& folder) { return folder + "/data.mdb"; }

/// The data files this process has open, by device and inode.
class OpenFiles {
 public:
  using Key = std::pair<dev_t, ino_t>;

  static OpenFiles& instance() {
    static OpenFiles files;
    return files;
  }

  static std::optional<Key> key_of(const std::string& folder) {
    struct stat status {};
    if (::stat(data_file(folder).c_str(), &status) != 0) return std::nullopt;
    return Key{status.st_dev, status.st_ino};
  }

  std::mutex mutex;
  std::condition_variable closed;
  std::map<Key, std::weak_ptr<Environment>> files;
};

/// LMDB opens the data file without O_CLOEXEC, and programs that we start must not have it.
void keep_from_programs(const std::string& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return;
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end; at.increment(error)) {
    const int descriptor = std::atoi(at->path().filename().c_str());
    struct stat status {};
    if (::fstat(descriptor, &status) == 0 && status.st_dev == file.st_dev && status.st_ino == file.st_ino)
      ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  }
}

/// Gives LMDB's table of readers its room on the disk. LMDB makes it as a hole and writes to it through memory, and a page of a hole that
/// finds no room is not an error but a SIGBUS. Returns an errno; a file system that cannot promise room is let pass.
int reserve_readers(const std::string& folder) {
  constexpr off_t kBytes = (kMaxReaders + 64) * 64;  // and some for LMDB's own words at its beginning
  const int file = ::open((folder + "/lock.mdb").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return errno;
  const int error = ::fallocate(file, 0, 0, kBytes) == 0 ? 0 : errno;
  ::close(file);
  return error == EOPNOTSUPP ? 0 : error;
}

}  // namespace

std::string suspect_file(const std::string& folder) { return folder + "/data.mdb.suspect"; }

void Environment::Close::operator()(MDB_env* environment) const { mdb_env_close(environment); }
void Transaction::Abort::operator()(MDB_txn* transaction) const { mdb_txn_abort(transaction); }
void Cursor::Close::operator()(MDB_cursor* cursor) const { mdb_cursor_close(cursor); }

Environment::Environment(Options options) : options_(std::move(options)) {}
Environment::~Environment() = default;

Result<std::shared_ptr<Environment>> Environment::open(const Options& options) {
  OpenFiles& open_files = OpenFiles::instance();
  std::unique_lock lock(open_files.mutex);
  if (const auto key = OpenFiles::key_of(options.folder)) {
    const auto at = open_files.files.find(*key);
    if (at != open_files.files.end()) {
      if (auto same = at->second.lock()) {
        if (!options.read_only && same->read_only())
          return conflict("this process already reads the store at " + options.folder + ": close that first");
        return same;
      }
      open_files.closed.wait(lock, [&] { return !open_files.files.contains(*key); });
    }
  }
  std::unique_ptr<Environment> made(new Environment(options));
  if (Status started = made->start(); !started) return started.error();
  const auto key = OpenFiles::key_of(options.folder);
  if (!key) return internal("the store's data file vanished from " + options.folder + " while it was opened: start again");
  // Closing happens under the same mutex, so that no second handle is opened before the first is gone.
  std::shared_ptr<Environment> shared(made.release(), [key = *key](Environment* environment) {
    OpenFiles& files = OpenFiles::instance();
    const std::lock_guard guard(files.mutex);
    delete environment;
    files.files.erase(key);
    files.closed.notify_all();
  });
  open_files.files[*key] = shared;
  return shared;
}

Status Environment::start() {
  MDB_env* raw = nullptr;
  if (const int result = mdb_env_create(&raw); result != 0) return explain("mdb_env_create", result);
  handle_.reset(raw);
  mdb_env_set_userctx(raw, this);
  mdb_env_set_assert(raw, [](MDB_env* environment, const char* message) {
    static_cast<const Environment*>(mdb_env_get_userctx(environment))->mark_suspect(message);
  });
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t max_bytes = (options_.max_bytes + page - 1) / page * page;
  int result = mdb_env_set_mapsize(raw, max_bytes);
  if (result == 0) result = mdb_env_set_maxdbs(raw, static_cast<MDB_dbi>(tables_.size()));
  if (result == 0) result = mdb_env_set_maxreaders(raw, kMaxReaders);
  if (result == 0 && !options_.read_only) result = reserve_readers(options_.folder);
  if (result == 0) result = fault("mdb_env_open");
  if (result == 0) result = mdb_env_open(raw, options_.folder.c_str(), MDB_NOTLS | (options_.read_only ? MDB_RDONLY : 0U), 0600);
  if (result != 0) return explain("mdb_env_open", result);
  keep_from_programs(data_file(options_.folder));
  // A command that was killed leaves its place in the table of readers, and with it the pages of its snapshot.
  int dead = 0;
  if (result = mdb_reader_check(raw, &dead); result != 0) return explain("mdb_reader_check", result);
  return {};
}

Result<bool> Environment::open_tables(Missing missing_tables) {
  const std::lock_guard guard(tables_mutex_);
  if (tables_open_) return true;
  const bool make = missing_tables == Missing::kMake;
  Transaction transaction = make ? write() : read();
  bool missing = false;
  for (std::size_t i = 0; i < tables_.size() && !missing && !transaction.failed(); ++i) {
    int result = fault("mdb_dbi_open");
    if (result == 0) result = mdb_dbi_open(transaction.handle_.get(), kTableNames[i], make ? MDB_CREATE : 0, &tables_[i]);
    missing = result == MDB_NOTFOUND;
    if (!missing) transaction.succeeded("mdb_dbi_open", result);
  }
  // A handle stays open only when the transaction that opened it is committed, also a reading one.
  if (Status finished = transaction.finish(); !finished) return finished.error();
  tables_open_ = !missing;
  return tables_open_;
}

Transaction Environment::read() const { return Transaction(*this, nullptr); }
Transaction Environment::write() { return Transaction(*this, &commits_); }

Error Environment::explain(std::string_view call, int result) const {
  const std::string store = "the store at " + options_.folder;
  const std::string detail = " (" + std::string(call) + ": " + mdb_strerror(result) + ")";
  switch (result) {
    case MDB_MAP_FULL:
      return internal(store + " is full: it may hold at most " + std::to_string(options_.max_bytes) +
                      " bytes; raise limits.store_mib of the machine file" + detail);
    case ENOSPC:
    case EDQUOT:
      return internal(store + " cannot be written, its disk is full: free some space, then start again" + detail);
    case EIO:  // LMDB's word for a write that was cut short, too
      return internal(store + " cannot be written, its disk fails or is full: look after it, then start again" + detail);
    case MDB_READERS_FULL:
      return unavailable(store + " has more than " + std::to_string(kMaxReaders) + " readers at once: try again" + detail);
    case MDB_MAP_RESIZED:
      return unavailable(store + " has grown past what this process mapped: open it again" + detail);
    case EACCES:
    case EPERM:
    case EROFS:
      return invalid(store + " cannot be opened: check owner and mode of its files" + detail);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PAGE_FULL:
    case MDB_CURSOR_FULL:
    case MDB_INVALID:
      mark_suspect(mdb_strerror(result));
      return internal(store + " is damaged; the next start moves it aside and begins anew" + detail);
    default:
      return internal(store + " failed; start again" + detail);
  }
}

void Environment::mark_suspect(std::string_view why) const {
  if (read_only()) return;
  const int file = ::open(suspect_file(options_.folder).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return;
  // Best effort: without the mark the next start inspects the file all the same.
  if (::write(file, why.data(), why.size()) >= 0) ::fsync(file);
  ::close(file);
}

Transaction::Transaction(const Environment& environment, std::atomic<std::uint64_t>* commits)
    : environment_(&environment), commits_(commits) {
  MDB_txn* raw = nullptr;
  int result = environment.fault("mdb_txn_begin");
  if (result == 0) result = mdb_txn_begin(environment.handle_.get(), nullptr, commits == nullptr ? MDB_RDONLY : 0U, &raw);
  if (succeeded("mdb_txn_begin", result)) handle_.reset(raw);
}

bool Transaction::succeeded(std::string_view call, int result) {
  if (result == 0) return true;
  if (!error_) error_ = environment_->explain(call, result);
  return false;
}

std::optional<std::string_view> Transaction::get(Table table, std::string_view key) {
  if (failed()) return std::nullopt;
  MDB_val from = to_val(key), record{};
  int result = environment_->fault("mdb_get");
  if (result == 0) result = mdb_get(handle_.get(), environment_->tables_[static_cast<std::size_t>(table)], &from, &record);
  if (result == MDB_NOTFOUND || !succeeded("mdb_get", result)) return std::nullopt;
  return to_view(record);
}

void Transaction::store(std::string_view call, Table table, std::string_view key, std::string_view record, unsigned flags) {
  if (failed()) return;
  MDB_val to = to_val(key), content = to_val(record);
  int result = environment_->fault(call);
  if (result == 0) result = mdb_put(handle_.get(), environment_->tables_[static_cast<std::size_t>(table)], &to, &content, flags);
  succeeded(call, result);
}

void Transaction::put(Table table, std::string_view key, std::string_view record) { store("mdb_put", table, key, record, 0); }

void Transaction::append(Table table, std::string_view key, std::string_view record) {
  store("mdb_put (append)", table, key, record, MDB_APPEND);
}

void Transaction::remove(Table table, std::string_view key) {
  if (failed()) return;
  MDB_val at = to_val(key);
  int result = environment_->fault("mdb_del");
  if (result == 0) result = mdb_del(handle_.get(), environment_->tables_[static_cast<std::size_t>(table)], &at, nullptr);
  if (result != MDB_NOTFOUND) succeeded("mdb_del", result);
}

std::uint64_t Transaction::bytes(Table table) {
  if (failed()) return 0;
  MDB_stat stat{};
  int result = environment_->fault("mdb_stat");
  if (result == 0) result = mdb_stat(handle_.get(), environment_->tables_[static_cast<std::size_t>(table)], &stat);
  if (!succeeded("mdb_stat", result)) return 0;
  return (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) * std::uint64_t{stat.ms_psize};
}

Status Transaction::finish() {
  if (failed()) {
    handle_.reset();
    return *error_;
  }
  int result = environment_->fault("mdb_txn_commit");
  if (result == 0)
    result = mdb_txn_commit(handle_.release());  // which ends it, whatever comes of it
  else
    handle_.reset();
  if (!succeeded("mdb_txn_commit", result)) return *error_;
  if (commits_ != nullptr) ++*commits_;
  return {};
}

std::uint64_t Transaction::number() const { return handle_ == nullptr ? 0 : mdb_txn_id(handle_.get()); }

Cursor::Cursor(Transaction& transaction, Table table) : transaction_(&transaction) {
  if (transaction.failed()) return;
  MDB_cursor* raw = nullptr;
  int result = transaction.environment_->fault("mdb_cursor_open");
  if (result == 0)
    result = mdb_cursor_open(transaction.handle_.get(), transaction.environment_->tables_[static_cast<std::size_t>(table)], &raw);
  if (transaction.succeeded("mdb_cursor_open", result)) handle_.reset(raw);
}

bool Cursor::move(int operation, std::string_view from) {
  if (handle_ == nullptr || transaction_->failed()) return false;
  MDB_val key = to_val(from), record{};
  int result = transaction_->environment_->fault("mdb_cursor_get");
  if (result == 0) result = mdb_cursor_get(handle_.get(), &key, &record, static_cast<MDB_cursor_op>(operation));
  if (result == MDB_NOTFOUND || !transaction_->succeeded("mdb_cursor_get", result)) return false;
  key_ = to_view(key);
  record_ = to_view(record);
  return true;
}

bool Cursor::first() { return move(MDB_FIRST, {}); }
bool Cursor::last() { return move(MDB_LAST, {}); }
bool Cursor::next() { return move(MDB_NEXT, {}); }
bool Cursor::previous() { return move(MDB_PREV, {}); }
bool Cursor::seek(std::string_view key) { return move(MDB_SET_RANGE, key); }
bool Cursor::seek_before(std::string_view key) { return seek(key) ? previous() : last(); }

}  // namespace nelson::lmdb
