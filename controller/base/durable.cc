#include "controller/base/durable.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "controller/base/descriptor.h"

namespace nelson {
namespace {

Error failed(const std::string& path, int cause, std::string_view doing) {
  std::string text = path + ": " + std::string(doing) + ": ";
  if (cause == ENOSPC || cause == EDQUOT)
    return unavailable(text +
                       "no space left on its file system; free some and it goes on by itself (what was there before stands whole)");
  if (cause == EROFS) return unavailable(text + "its file system is mounted read-only; mount it writable again");
  return unavailable(text + std::system_category().message(cause));
}

std::string folder_part(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool write_all(int file, std::string_view content) {
  while (!content.empty()) {
    const ssize_t put = ::write(file, content.data(), content.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    content.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

Status write_temporary(const std::string& path, std::string_view content, mode_t mode, bool durable) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
  if (file.get() < 0) return failed(path, errno, "cannot make the file");
  if (::fchmod(file.get(), mode) != 0 || !write_all(file.get(), content) || (durable && ::fsync(file.get()) != 0) || !file.close())
    return failed(path, errno, "cannot write the file");
  return {};
}

}  // namespace

Status sync_folder(const std::string& path) {
  const Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0 || ::fsync(folder.get()) != 0) return failed(path, errno, "cannot sync the folder");
  return {};
}

Status replace_file(const std::string& path, std::string_view content, mode_t mode, bool durable) {
  const std::string folder = folder_part(path);
  const std::string name = path.substr(path.rfind('/') + 1);
  const std::string temporary = folder + "/." + name + ".tmp";
  if (Status written = write_temporary(temporary, content, mode, durable); !written) {
    ::unlink(temporary.c_str());
    return written;
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int cause = errno;
    ::unlink(temporary.c_str());
    return failed(path, cause, "cannot put the new file in place");
  }
  return durable ? sync_folder(folder) : Status();
}

Status remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return errno == ENOENT ? Status{} : Status(failed(path, errno, "cannot remove the file"));
  return sync_folder(folder_part(path));
}

Status ensure_folder(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) {
    if (::chmod(path.c_str(), mode) != 0) return failed(path, errno, "cannot set the folder's mode");
    return {};
  }
  if (errno != EEXIST) return failed(path, errno, "cannot make the folder");
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0 || !S_ISDIR(about.st_mode)) return invalid(path + ": is not a folder: move it away");
  return {};
}

}  // namespace nelson
