#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nelson {

/// What a data file turns out to be before LMDB is let near it.
struct FileReport {
  enum class Kind {
    kNone,     // not there, or without a byte in it
    kForeign,  // something else than an LMDB file of the format we know
    kDamaged,
    kWhole,
  } kind = Kind::kNone;
  std::string why;                  // of a foreign or damaged file: "page 7: its keys are out of order"
  std::vector<std::string> tables;  // sorted: the names in its main table, as far as that could be read
};

/// Reads the data file at `path` page by page, without LMDB: which maps the file and trusts it, so that a truncated file ends the
/// process with SIGBUS and a flipped bit in a page's header lets it run anywhere. Checked are both meta pages, every reachable page
/// of every tree (bounds, kinds, order of keys, counts), and that no free page is in use. Values are not looked at: they have
/// checksums of their own.
///
/// Another process may write meanwhile; a file that seems damaged is looked at again when it has moved on.
[[nodiscard]] FileReport inspect_lmdb_file(const std::string& path);

}  // namespace nelson
