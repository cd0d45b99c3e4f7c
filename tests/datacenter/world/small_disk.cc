#include "tests/datacenter/world/small_disk.h"

#include <sys/mount.h>

#include <filesystem>

#include "tests/datacenter/world/process.h"

namespace nelson::datacenter {

namespace fs = std::filesystem;

SmallDisk::SmallDisk(std::string folder, int mebibytes) : folder_(std::move(folder)) {
  fs::create_directories(folder_);
  mounted_ = ::mount("tmpfs", folder_.c_str(), "tmpfs", 0, ("mode=0755,size=" + std::to_string(mebibytes) + "m").c_str()) == 0;
}

SmallDisk::~SmallDisk() {
  if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
}

void SmallDisk::fill() const { run({"dd", "if=/dev/zero", "of=" + folder_ + "/filler", "bs=4096"}); }
void SmallDisk::free() const { fs::remove(folder_ + "/filler"); }

}  // namespace nelson::datacenter
