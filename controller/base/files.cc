#include "controller/base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "controller/base/descriptor.h"

namespace nelson {
namespace {

namespace fs = std::filesystem;

std::string because() { return std::strerror(errno); }

/// Of a file that may be read another time, or not before somebody changes it.
Error unread(const std::string& path) {
  const bool passes = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EIO;
  return passes ? unavailable(path + ": " + because()) : invalid(path + ": " + because());
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
  // Non-blocking, so that a pipe in a file's place cannot stop the reader.
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.get() < 0) return unread(path);
  struct stat about {};
  if (fstat(file.get(), &about) != 0) return unread(path);
  if (!S_ISREG(about.st_mode)) return invalid(path + ": not a regular file");
  std::string content;
  char block[65536];
  for (;;) {
    const ssize_t got = ::read(file.get(), block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unread(path);
    if (got == 0) return content;
    if (content.size() + static_cast<std::size_t>(got) > max_bytes)
      return invalid(path + ": longer than " + std::to_string(max_bytes) + " bytes");
    content.append(block, static_cast<std::size_t>(got));
  }
}

std::optional<std::vector<std::string>> names_in(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), ::closedir);
  if (!folder) return std::nullopt;
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(folder.get())) {
    if (entry->d_name != std::string_view(".") && entry->d_name != std::string_view("..")) names.emplace_back(entry->d_name);
    errno = 0;
  }
  if (errno != 0) return std::nullopt;
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> names_if_any(const std::string& path) { return names_in(path).value_or(std::vector<std::string>{}); }

Status create_file(const std::string& path, const std::string& content, unsigned mode) {
  const Descriptor file{open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)};
  if (file.get() < 0) return errno == EEXIST ? conflict(path + ": is there already") : unavailable(path + ": " + because());
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t put = ::write(file.get(), content.data() + done, content.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return unavailable(path + ": " + because());
    done += static_cast<std::size_t>(put);
  }
  return {};
}

Status make_folders(const std::string& path, unsigned mode) {
  std::error_code error;
  const fs::path whole(path);
  fs::path sofar;
  for (const fs::path& part : whole) {
    sofar /= part;
    if (mkdir(sofar.c_str(), mode) != 0 && errno != EEXIST) return unavailable(sofar.string() + ": " + because());
  }
  if (!fs::is_directory(whole, error)) return invalid(path + ": is not a folder");
  return {};
}

bool is_free(const std::string& path) {
  std::error_code error;
  const fs::file_status about = fs::symlink_status(path, error);
  if (about.type() == fs::file_type::not_found) return true;
  return fs::is_directory(path, error) && fs::is_empty(path, error) && !error;
}

std::string resolve_path(const std::string& folder, const std::string& path) {
  std::string out = (fs::path(folder) / path).lexically_normal().string();
  if (out.size() > 1 && out.ends_with('/')) out.pop_back();
  return out;
}

std::string folder_of(const std::string& path) {
  std::error_code error;
  return fs::absolute(path, error).lexically_normal().parent_path().string();
}

}  // namespace nelson
