#include "controller/domains/local/records.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <system_error>

#include "controller/base/durable.h"
#include "controller/base/files.h"
#include "controller/base/json.h"
#include "state/model/canonical.h"
#include "state/model/digest.h"

namespace nelson {
namespace {

constexpr std::size_t kRecordBytes = std::size_t{4} << 20;  // a document is at most a few hundred KiB

/// What a stat says of a file's content: equal stamps, equal content. The change time cannot be set back by hand.
struct Stamp {
  std::uint64_t inode = 0;
  std::int64_t size = 0, changed_s = 0, changed_ns = 0, modified_s = 0, modified_ns = 0;

  bool operator==(const Stamp&) const = default;
};

std::optional<Stamp> stamp_of(int folder, const char* name) {
  struct stat about {};
  if (::fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
  return Stamp{about.st_ino,          about.st_size,        about.st_ctim.tv_sec,
               about.st_ctim.tv_nsec, about.st_mtim.tv_sec, about.st_mtim.tv_nsec};
}

std::string error_words(int cause) { return std::system_category().message(cause); }

template <class Record>
std::string to_file(const Record& record) {
  json::Json out;
  out["format"] = 1;
  out["sha256"] = to_hex(sha256(canonical(record)));
  out["record"] = json::to_json(record);
  return out.dump(2) + "\n";
}

/// The record in a file's text. kInvalid says what is wrong with it.
template <class Record>
Result<Record> from_file(const std::string& text) {
  try {
    const json::Json parsed = json::parse(text);
    if (parsed.at("format").get<int>() != 1)
      return invalid("written in format " + parsed.at("format").dump() + ", which this nelson does not read");
    Record record = json::read<Record>(parsed.at("record"));
    if (to_hex(sha256(canonical(record))) != parsed.at("sha256").get<std::string>())
      return invalid("its checksum does not fit what it says");
    return record;
  } catch (const std::exception& error) {
    return invalid(error.what());
  }
}

// A record's file name says its key, so that a record under another's name is noticed.
std::string file_of(const StackRecord& record) { return record.stack + ".json"; }

std::string file_of(const TrafficKey& key) {
  // A namespace holds no '.', so that no two of them are written alike; '~' stands for its '/'.
  std::string name = key.name_space + "." + key.unit + "." + std::to_string(key.major) + ".json";
  std::replace(name.begin(), name.end(), '/', '~');
  return name;
}
std::string file_of(const TrafficRecord& record) { return file_of(record.key); }
std::string file_of(const Claim&) { return "claim.json"; }

/// Names become paths, so that one which could leave its folder, or hide in it, is refused.
bool fit_for_file(const std::string& name) {
  return !name.empty() && name.size() <= 250 && name.front() != '.' &&
         std::none_of(name.begin(), name.end(), [](char c) { return c == '/' || static_cast<unsigned char>(c) < 0x20; });
}

/// The records of one kind, in one folder, as last seen.
template <class Record>
class Shelf {
 public:
  explicit Shelf(std::string folder) : folder_(std::move(folder)) {}

  /// Reads what changed, and gives each record to `take`. `only` restricts to one name (the claim shares its folder with other things).
  template <class Take>
  Status observe(Take take, std::vector<std::string>& damaged, const char* only = nullptr) {
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(folder_.c_str()), ::closedir);
    if (!folder) return unavailable(folder_ + ": cannot be read: " + error_words(errno) + "; the domain's records are not known");
    // What a failed write left in place is what will be read: it must not be built on before it is known to last.
    if (unsynced_)
      if (Status synced = sync_folder(folder_); !synced) return synced;
    unsynced_ = false;
    ++round_;
    errno = 0;
    while (const dirent* entry = ::readdir(folder.get())) {
      const std::string_view name = entry->d_name;
      if (name.front() != '.' && name.ends_with(".json") && (only == nullptr || name == only))
        look(::dirfd(folder.get()), std::string(name));
      errno = 0;
    }
    if (errno != 0) return unavailable(folder_ + ": cannot be read: " + error_words(errno));
    std::erase_if(seen_, [this](const auto& item) { return item.second.round != round_; });
    for (const auto& [name, file] : seen_) {
      if (file.record) take(*file.record);
      if (!file.damage.empty()) damaged.push_back(file.damage);
    }
    return {};
  }

  Status put(const Record& record) {
    const std::string name = file_of(record);
    if (!fit_for_file(name)) return invalid(folder_ + "/" + name + ": no record can have such a name");
    if (Status same = unchanged(name); !same) return same;
    const auto found = seen_.find(name);
    if (found != seen_.end() && found->second.record == record) return {};
    if (Status written = replace_file(path(name), to_file(record), 0600); !written) {
      unsynced_ = true;
      return written;
    }
    if (const auto stamp = stamp_of(AT_FDCWD, path(name).c_str())) seen_[name] = {*stamp, record, "", round_};
    return {};
  }

  Status drop(const std::string& name) {
    if (!fit_for_file(name)) return invalid(folder_ + "/" + name + ": no record can have such a name");
    if (Status same = unchanged(name); !same) return same;
    if (Status removed = remove_file(path(name)); !removed) {
      unsynced_ = true;
      return removed;
    }
    seen_.erase(name);
    return {};
  }

 private:
  struct File {
    Stamp stamp;
    std::optional<Record> record;
    std::string damage;  // why there is no record, with the file's path and the way out
    std::uint64_t round = 0;
  };

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }

  void look(int folder, const std::string& name) {
    const auto stamp = stamp_of(folder, name.c_str());
    if (!stamp) return;  // gone since the folder was listed
    const auto found = seen_.find(name);
    if (found != seen_.end() && found->second.stamp == *stamp) {
      found->second.round = round_;
      return;
    }
    seen_[name] = read(name, *stamp);
  }

  File read(const std::string& name, const Stamp& stamp) const {
    File file{stamp, std::nullopt, "", round_};
    const auto text = read_file(path(name), kRecordBytes);
    if (!text && text.error().kind == ErrorKind::kUnavailable) {
      file.stamp = {};  // nobody's, so that the next look tries again
      file.damage = text.error().message + ": this record cannot be read; what depends on it waits until it can";
      return file;
    }
    Result<Record> record = text ? from_file<Record>(*text) : Result<Record>(text.error());
    if (record && file_of(*record) != name) record = invalid("is the record of another: " + file_of(*record));
    if (record) {
      file.record = std::move(*record);
    } else {
      file.damage = path(name) + ": damaged record: " + record.error().message +
                    "; what depends on it waits: put its backup back, or move the file away to have it rebuilt";
    }
    return file;
  }

  /// Whether the file is what was last seen of it.
  Status unchanged(const std::string& name) {
    const auto found = seen_.find(name);
    const auto stamp = stamp_of(AT_FDCWD, path(name).c_str());
    if (found == seen_.end()) {
      if (!stamp) return {};
      return conflict(path(name) + ": another controller wrote this record; look again");
    }
    if (!stamp) return conflict(path(name) + ": this record was removed by another hand; look again");
    if (*stamp != found->second.stamp) {
      File now = read(name, *stamp);
      if (now.damage.empty() && now.record != found->second.record)
        return conflict(path(name) + ": another controller wrote this record; look again");
      found->second = std::move(now);
    }
    if (!found->second.damage.empty()) return conflict(found->second.damage);
    return {};
  }

  std::string folder_;
  std::map<std::string, File> seen_;  // by file name
  bool unsynced_ = false;             // a write or removal failed, and may yet be seen
  std::uint64_t round_ = 0;
};

/// An flock on a file whose path must go on leading to the file that was locked.
class FolderLock {
 public:
  explicit FolderLock(std::string path) : path_(std::move(path)) {}
  ~FolderLock() { release(); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  Status take(std::string_view holder) {
    if (held()) return {};
    release();
    file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file_ < 0) return unavailable(path_ + ": cannot be opened: " + error_words(errno));
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
      const int cause = errno;
      const std::string who = read_holder();
      release();
      if (cause != EWOULDBLOCK) return unavailable(path_ + ": cannot be locked: " + error_words(cause));
      return conflict(path_ + ": locked by " + (who.empty() ? "another controller" : who) +
                      "; one controller acts on a domain: stop that one first");
    }
    if (!held()) {  // somebody removed the file between the open and the lock
      release();
      return conflict(path_ + ": was replaced while it was being locked; try again");
    }
    return write_holder(holder);
  }

  [[nodiscard]] bool held() const {
    struct stat ours {
    }, there{};
    return file_ >= 0 && ::fstat(file_, &ours) == 0 && ::stat(path_.c_str(), &there) == 0 && ours.st_dev == there.st_dev &&
           ours.st_ino == there.st_ino;
  }

 private:
  void release() {
    if (file_ >= 0) ::close(file_);
    file_ = -1;
  }

  [[nodiscard]] std::string read_holder() const {
    char text[512];
    const ssize_t got = ::pread(file_, text, sizeof text, 0);
    std::string who(text, got > 0 ? static_cast<std::size_t>(got) : 0);
    return who.substr(0, who.find('\n'));
  }

  // Not fatal: the lock holds whatever the file says, so that a full disk keeps nobody from acting.
  Status write_holder(std::string_view holder) {
    const std::string text = std::string(holder.substr(0, 500)) + "\n";
    const bool empty = ::ftruncate(file_, 0) == 0;
    const bool written = empty && ::pwrite(file_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
    static_cast<void>(written);
    return {};
  }

  std::string path_;
  int file_ = -1;
};

class LocalMemory final : public Memory {
 public:
  LocalMemory(const std::string& folder, bool read_only)
      : folder_(folder),
        read_only_(read_only),
        stacks_(folder + "/records/stacks"),
        traffic_(folder + "/records/traffic"),
        claim_(folder + "/records"),
        lock_(folder + "/lock") {}

  Status make_folders() {
    for (const auto& [path, mode] : {std::pair<std::string, mode_t>{folder_ + "/records", 0700},
                                     {folder_ + "/records/stacks", 0700},
                                     {folder_ + "/records/traffic", 0700}})
      if (Status made = ensure_folder(path, mode); !made) return made;
    return {};
  }

  Result<MemoryView> observe() override {
    MemoryView view;
    if (read_only_ && ::access((folder_ + "/records").c_str(), F_OK) != 0 && errno == ENOENT) return view;  // never used yet
    const auto stack = [&](const StackRecord& record) { view.stacks[record.stack] = record; };
    if (Status read = stacks_.observe(stack, view.damaged); !read) return read.error();
    const auto traffic = [&](const TrafficRecord& record) { view.traffic[record.key] = record; };
    if (Status read = traffic_.observe(traffic, view.damaged); !read) return read.error();
    const auto claim = [&](const Claim& record) { view.claim = record; };
    if (Status read = claim_.observe(claim, view.damaged, "claim.json"); !read) return read.error();
    return view;
  }

  Status put(const StackRecord& record) override { return writable() ? stacks_.put(record) : refused(); }
  Status put(const TrafficRecord& record) override { return writable() ? traffic_.put(record) : refused(); }
  Status put(const Claim& claim) override { return writable() ? claim_.put(claim) : refused(); }
  Status drop(const TrafficKey& key) override { return writable() ? traffic_.drop(file_of(key)) : refused(); }

  Status lock(std::string_view holder) override { return writable() ? lock_.take(holder) : refused(); }
  bool holds_lock() const override { return lock_.held(); }

 private:
  [[nodiscard]] bool writable() const { return !read_only_; }
  [[nodiscard]] Status refused() const { return internal(folder_ + ": was opened to be read only; nothing is written"); }

  std::string folder_;
  bool read_only_;
  Shelf<StackRecord> stacks_;
  Shelf<TrafficRecord> traffic_;
  Shelf<Claim> claim_;
  FolderLock lock_;
};

}  // namespace

Result<std::unique_ptr<Memory>> open_local_memory(const std::string& folder, bool read_only) {
  auto memory = std::make_unique<LocalMemory>(folder, read_only);
  if (!read_only) {
    // 0711: instances run as another user and must reach their own files below; what is private has a mode of its own.
    if (Status made = make_folders(folder, 0711); !made) return made.error();
    if (Status made = memory->make_folders(); !made) return made.error();
  }
  return std::unique_ptr<Memory>(std::move(memory));
}

}  // namespace nelson
