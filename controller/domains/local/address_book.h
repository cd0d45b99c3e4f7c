#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "controller/domains/domain.h"

namespace nelson {

/// The stable addresses of a `local` domain: one port of 127.0.0.1 per (namespace, unit, major, port name), the same for ever. Kept in
/// `<folder>/ports.json`. Should that file be lost, a key prefers the port it had: the choice is a digest of the key, and only keys that
/// met there by chance can be dealt otherwise. Safe from any thread.
class AddressBook {
 public:
  /// Reads the file, if it is there. kInvalid when it cannot be read, with the way out. With `read_only` an address that has never been
  /// asked for is told, but not kept.
  static Result<std::unique_ptr<AddressBook>> open(const std::string& folder, PortRange range, bool read_only);

  /// The address of a service's port; written down before it is first told. kInvalid when the range is used up.
  Result<Endpoint> address_of(const TrafficKey& key, const Port& port);

 private:
  struct Entry {
    std::string name_space;
    std::string unit;
    std::uint32_t major = 0;
    std::string port;

    auto operator<=>(const Entry&) const = default;
  };

  AddressBook(std::string path, PortRange range, bool read_only) : path_(std::move(path)), range_(range), read_only_(read_only) {}
  Status load();
  [[nodiscard]] Status save() const;
  [[nodiscard]] std::uint16_t choose(const Entry& entry) const;

  std::mutex mutex_;
  std::string path_;
  PortRange range_;
  bool read_only_;
  std::map<Entry, std::uint16_t> numbers_;
  std::map<std::uint16_t, Entry> taken_;
};

}  // namespace nelson
