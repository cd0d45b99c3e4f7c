#pragma once

#include <string>

namespace nelson::datacenter {

/// A small file system of its own in `folder`, which is made when missing; gone with the object.
class SmallDisk {
 public:
  SmallDisk(std::string folder, int mebibytes);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  /// False where no file system may be mounted.
  [[nodiscard]] bool mounted() const { return mounted_; }
  /// Leaves no byte free.
  void fill() const;
  /// Takes back what fill() did.
  void free() const;

 private:
  std::string folder_;
  bool mounted_ = false;
};

}  // namespace nelson::datacenter
