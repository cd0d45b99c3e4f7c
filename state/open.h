#pragma once

#include <memory>

#include "state/lmdb.h"
#include "state/store.h"

namespace nelson {

/// Store::open, with a say in every LMDB call: for tests of what the store does when one fails.
Result<std::unique_ptr<Store>> open_store(StoreOptions options, lmdb::Fault fault);

/// The number that goes up when a record changes its meaning without changing its shape.
inline constexpr std::uint32_t kSchemaVersion = 1;

/// What a store says of itself, first of all records. This record alone may never change its layout.
struct Schema {
  std::uint32_t version = kSchemaVersion;
  std::uint64_t shape = 0;  // digest of the layouts of all records

  bool operator==(const Schema&) const = default;
  static void visit(auto& self, auto&& field) {
    field("version", self.version);
    field("shape", self.shape);
  }
};

/// The schema that this program writes.
[[nodiscard]] Schema current_schema();

}  // namespace nelson
