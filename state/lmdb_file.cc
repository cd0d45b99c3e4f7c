#include "state/lmdb_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

namespace nelson {
namespace {

// The file format of LMDB 0.9 on a 64-bit little-endian machine. A page begins with its number (8 bytes), 2 unused ones, flags (2),
// and the ends of its pointer array and of its free space (2 each), or for an overflow page the number of its pages (4).
constexpr std::size_t kPageHeader = 16;
constexpr std::size_t kNodeHeader = 8;
constexpr std::size_t kTreeSize = 48;
constexpr std::uint32_t kMagic = 0xBEEFC0DE;
constexpr std::uint32_t kVersion = 1;
constexpr std::uint64_t kNoPage = ~std::uint64_t{0};
constexpr std::size_t kMaxKey = 511;
constexpr std::size_t kMaxDepth = 32;

enum PageKind : std::uint16_t { kBranch = 1, kLeaf = 2, kOverflow = 4, kMeta = 8 };
enum NodeKind : std::uint16_t { kInline = 0, kBig = 1, kSubtree = 2 };
constexpr std::uint16_t kIntegerKeys = 8;

/// Page 7 says ...: what ends an inspection. Thrown and caught in this file only.
struct Damage {
  std::string why;
};

[[noreturn]] void damaged(std::uint64_t page, std::string_view why) {
  throw Damage{"page " + std::to_string(page) + ": " + std::string(why)};
}

/// A whole file, mapped for reading.
class Mapping {
 public:
  explicit Mapping(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) {
      error_ = errno;
      return;
    }
    struct stat status {};
    if (::fstat(file, &status) != 0) {
      error_ = errno;
    } else if (status.st_size > 0) {
      size_ = static_cast<std::size_t>(status.st_size);
      void* const address = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file, 0);
      if (address == MAP_FAILED) {
        error_ = errno;
        size_ = 0;
      } else {
        address_ = static_cast<const char*>(address);
      }
    }
    ::close(file);
  }
  ~Mapping() {
    if (address_ != nullptr) ::munmap(const_cast<char*>(address_), size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  [[nodiscard]] int error() const { return error_; }
  [[nodiscard]] std::string_view bytes() const { return {address_, size_}; }

 private:
  const char* address_ = nullptr;
  std::size_t size_ = 0;
  int error_ = 0;
};

template <class T>
T number(std::string_view bytes, std::size_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

/// What a meta page, or a node of the main table, says of a tree.
struct Tree {
  std::uint16_t flags = 0;
  std::uint16_t depth = 0;
  std::uint64_t entries = 0;
  std::uint64_t root = kNoPage;

  static Tree at(std::string_view bytes, std::size_t at) {
    return {number<std::uint16_t>(bytes, at + 4), number<std::uint16_t>(bytes, at + 6), number<std::uint64_t>(bytes, at + 32),
            number<std::uint64_t>(bytes, at + 40)};
  }
};

struct Meta {
  std::uint32_t page_size = 0;
  Tree free, main;
  std::uint64_t last_page = 0;
  std::uint64_t transaction = 0;

  static constexpr std::size_t kSize = 24 + 2 * kTreeSize + 16;

  static Meta at(std::string_view bytes, std::size_t page) {
    const std::size_t body = page + kPageHeader;
    return {number<std::uint32_t>(bytes, body + 24), Tree::at(bytes, body + 24), Tree::at(bytes, body + 24 + kTreeSize),
            number<std::uint64_t>(bytes, body + 24 + 96), number<std::uint64_t>(bytes, body + 24 + 104)};
  }
};

bool has_magic(std::string_view bytes, std::size_t page) {
  return bytes.size() >= page + kPageHeader + Meta::kSize && number<std::uint32_t>(bytes, page + kPageHeader) == kMagic;
}

struct Node {
  std::uint16_t flags = 0;
  std::string_view key;
  std::uint64_t child = 0;      // of a branch
  std::uint32_t data_size = 0;  // of a leaf
  std::string_view data;        // inline; for kBig the number of the first page
};

class Walk {
 public:
  Walk(std::string_view bytes, const Meta& meta)
      : bytes_(bytes), page_size_(meta.page_size), last_page_(meta.last_page), used_(bytes.size() / meta.page_size) {}

  /// Visits every entry of `tree`; `see(node, page)` is called in key order.
  void visit(const Tree& tree, bool integer_keys, auto&& see) {
    if (tree.root == kNoPage) {
      if (tree.entries != 0 || tree.depth != 0) throw Damage{"a table without pages claims to have entries"};
      return;
    }
    std::uint64_t entries = 0;
    descend(tree, tree.root, 1, Bounds{}, integer_keys, [&](const Node& node, std::uint64_t page) {
      ++entries;
      see(node, page);
    });
    if (entries != tree.entries) damaged(tree.root, "its table has another number of entries than its header says");
  }

  /// The whole value of a leaf's node; takes its overflow pages.
  std::string_view value(const Node& node, std::uint64_t page) {
    if (node.flags == kInline) return node.data;
    const auto first = number<std::uint64_t>(node.data, 0);
    const std::string_view head = take(first);
    const std::uint64_t pages = number<std::uint32_t>(head, 12);
    const std::uint64_t needed = (kPageHeader - 1 + node.data_size) / page_size_ + 1;
    if (number<std::uint16_t>(head, 10) != kOverflow || pages < needed || pages > used_.size())
      damaged(page, "it points to overflow pages that are none");
    for (std::uint64_t i = 1; i < pages; ++i) mark(first + i);
    return bytes_.substr(first * page_size_ + kPageHeader, node.data_size);
  }

  void mark(std::uint64_t page) {
    if (page < 2 || page > last_page_) damaged(page, "it is referred to, and lies outside the file's pages");
    if (page >= used_.size()) throw Damage{"the file is truncated: page " + std::to_string(page) + " is missing"};
    if (used_[page]) damaged(page, "it is in use twice");
    used_[page] = true;
    greatest_ = std::max(greatest_, page);
  }

  /// A free page may lie beyond the end of the file: it was never written.
  void mark_free(std::uint64_t page) {
    if (page < 2 || page > last_page_) damaged(page, "it is listed as free, and lies outside the file's pages");
    if (page < used_.size()) mark(page);
    greatest_ = std::max(greatest_, page);
  }

  /// LMDB maps as much as the last page asks for. A few pages that nobody knows of any more are lost, and harmless.
  void check_last_page() const {
    constexpr std::uint64_t kLost = 1024;
    if (last_page_ > greatest_ + kLost)
      throw Damage{"its last page is said to be " + std::to_string(last_page_) + ", far behind all others"};
  }

 private:
  struct Bounds {
    std::optional<std::string_view> low, high;  // low <= keys < high
  };

  std::string_view take(std::uint64_t page) {
    mark(page);
    const std::string_view content = bytes_.substr(page * page_size_, page_size_);
    if (number<std::uint64_t>(content, 0) != page) damaged(page, "it bears another page's number");
    return content;
  }

  void descend(const Tree& tree, std::uint64_t number_of, std::size_t depth, Bounds bounds, bool integer_keys, const auto& see) {
    const std::string_view page = take(number_of);
    const auto kind = number<std::uint16_t>(page, 10);
    const bool leaf = depth == tree.depth;
    if (depth > kMaxDepth || kind != (leaf ? kLeaf : kBranch)) damaged(number_of, "it is of another kind than its place asks for");
    const std::vector<Node> nodes = nodes_of(page, number_of, leaf, integer_keys);
    for (std::size_t i = leaf ? 0 : 1; i < nodes.size(); ++i)
      if (const bool first = i == (leaf ? 0 : 1); (!first && !before(nodes[i - 1].key, nodes[i].key, integer_keys)) ||
                                                  (bounds.low && before(nodes[i].key, *bounds.low, integer_keys)) ||
                                                  (bounds.high && !before(nodes[i].key, *bounds.high, integer_keys)))
        damaged(number_of, "its keys are out of order");
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (leaf)
        see(nodes[i], number_of);
      else
        descend(tree, nodes[i].child, depth + 1,
                {i == 0 ? bounds.low : nodes[i].key, i + 1 < nodes.size() ? nodes[i + 1].key : bounds.high}, integer_keys, see);
    }
  }

  std::vector<Node> nodes_of(std::string_view page, std::uint64_t number_of, bool leaf, bool integer_keys) const {
    const std::size_t lower = number<std::uint16_t>(page, 12);
    const std::size_t upper = number<std::uint16_t>(page, 14);
    if (lower < kPageHeader || lower % 2 != 0 || lower > upper || upper > page_size_)
      damaged(number_of, "its free space has impossible ends");
    const std::size_t count = (lower - kPageHeader) / 2;
    // LMDB itself aborts on a branch with a single child, except in the table of free pages.
    if (count < (leaf || integer_keys ? 1U : 2U)) damaged(number_of, "it has too few entries");
    std::vector<Node> nodes(count);
    std::size_t total = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at = number<std::uint16_t>(page, kPageHeader + 2 * i);
      if (at < upper || at % 2 != 0 || at + kNodeHeader > page_size_) damaged(number_of, "an entry lies outside it");
      Node& node = nodes[i];
      const std::uint32_t low = number<std::uint32_t>(page, at);
      node.flags = number<std::uint16_t>(page, at + 4);
      const std::size_t key_size = number<std::uint16_t>(page, at + 6);
      std::size_t size = kNodeHeader + key_size;
      if (leaf) {
        if (node.flags > kSubtree) damaged(number_of, "an entry has an unknown kind");
        node.data_size = low;
        const std::size_t data_size = node.flags == kBig ? sizeof(std::uint64_t) : low;
        if (key_size == 0 || data_size > page_size_) damaged(number_of, "an entry has an impossible size");
        size += data_size;
      } else {
        node.child = std::uint64_t{low} | std::uint64_t{node.flags} << 32;
      }
      if (key_size > kMaxKey || at + size > page_size_ || (integer_keys && (leaf || i > 0) && key_size != sizeof(std::uint64_t)))
        damaged(number_of, "an entry has an impossible size");
      node.key = page.substr(at + kNodeHeader, key_size);
      if (leaf) node.data = page.substr(at + kNodeHeader + key_size, size - kNodeHeader - key_size);
      total += size + size % 2;
    }
    if (total > page_size_ - upper) damaged(number_of, "its entries overlap");
    return nodes;
  }

  static bool before(std::string_view a, std::string_view b, bool integer_keys) {
    return integer_keys ? number<std::uint64_t>(a, 0) < number<std::uint64_t>(b, 0) : a < b;
  }

  std::string_view bytes_;
  std::size_t page_size_;
  std::uint64_t last_page_;
  std::vector<bool> used_;      // by page of the file
  std::uint64_t greatest_ = 1;  // page that is in use or free
};

FileReport foreign(std::string why) { return {FileReport::Kind::kForeign, std::move(why), {}}; }

void walk_free_pages(Walk& walk, const Tree& tree) {
  walk.visit(tree, true, [&](const Node& node, std::uint64_t page) {
    if (node.flags == kSubtree) damaged(page, "an entry has an unknown kind");
    const std::string_view list = walk.value(node, page);
    const std::uint64_t count = list.size() < 8 ? kNoPage : number<std::uint64_t>(list, 0);
    if (count > list.size() / 8 - 1) damaged(page, "a list of free pages is longer than its record");
    std::uint64_t last = kNoPage;
    for (std::uint64_t i = 1; i <= count; ++i) {
      const auto free = number<std::uint64_t>(list, 8 * i);
      if (free >= last) damaged(page, "a list of free pages is out of order");
      walk.mark_free(free);
      last = free;
    }
  });
}

void walk_file(std::string_view bytes, const Meta& meta, FileReport& report) {
  Walk walk(bytes, meta);
  std::vector<Tree> trees;
  walk.visit(meta.main, false, [&](const Node& node, std::uint64_t page) {
    report.tables.emplace_back(node.key);
    if (node.flags != kSubtree) {
      walk.value(node, page);  // a plain record of somebody else; whose the file is, the caller decides by the names
      return;
    }
    if (node.data.size() != kTreeSize) damaged(page, "a table's header has another size");
    trees.push_back(Tree::at(node.data, 0));
  });
  for (const Tree& tree : trees) {
    if (tree.flags != 0) damaged(tree.root, "its table has a layout that was not asked for");
    walk.visit(tree, false, [&](const Node& node, std::uint64_t page) {
      if (node.flags == kSubtree) damaged(page, "an entry has an unknown kind");
      walk.value(node, page);
    });
  }
  walk_free_pages(walk, meta.free);
  walk.check_last_page();
  report.kind = FileReport::Kind::kWhole;
}

/// The meta pages as LMDB would pick them: the one of the later transaction counts.
Meta pick_meta(std::string_view bytes) {
  const Meta first = Meta::at(bytes, 0);
  const std::size_t size = first.page_size;
  if (size < 512 || size > 65536 || (size & (size - 1)) != 0) throw Damage{"page 0: its page size is impossible"};
  if (!has_magic(bytes, size)) throw Damage{"page 1: it is no meta page"};
  const Meta second = Meta::at(bytes, size);
  for (std::size_t i = 0; i < 2; ++i) {
    const Meta& meta = i == 0 ? first : second;
    if (number<std::uint32_t>(bytes, i * size + kPageHeader + 4) != kVersion ||
        number<std::uint16_t>(bytes, i * size + 10) != kMeta || meta.page_size != size || meta.free.flags != kIntegerKeys ||
        meta.main.flags != 0)
      damaged(i, "its header is not that of a meta page");
  }
  const std::uint64_t apart = std::max(first.transaction, second.transaction) - std::min(first.transaction, second.transaction);
  if (apart > 1) throw Damage{"its two meta pages do not follow each other"};
  return first.transaction < second.transaction ? second : first;
}

bool foreign_version(std::string_view bytes) {
  return has_magic(bytes, 0) && number<std::uint32_t>(bytes, kPageHeader + 4) != kVersion &&
         has_magic(bytes, number<std::uint32_t>(bytes, kPageHeader + 24)) &&
         number<std::uint32_t>(bytes, number<std::uint32_t>(bytes, kPageHeader + 24) + kPageHeader + 4) != kVersion;
}

FileReport inspect_once(const std::string& path, std::uint64_t& transaction) {
  const Mapping file(path);
  if (file.error() == ENOENT) return {};
  if (file.error() != 0) return foreign(std::string("it cannot be read: ") + std::strerror(file.error()));
  const std::string_view bytes = file.bytes();
  if (bytes.empty()) return {};
  FileReport report;
  try {
    bool any_magic = has_magic(bytes, 0);
    for (std::size_t size = 512; size <= 65536; size *= 2) any_magic = any_magic || has_magic(bytes, size);
    const std::string_view head = bytes.substr(0, 4096);
    if (!any_magic && head.find_first_not_of('\0') == std::string_view::npos) throw Damage{"it begins with nothing but zeros"};
    if (!any_magic) {
      if (bytes.size() >= kPageHeader + 4 && number<std::uint32_t>(bytes, kPageHeader) == kMagic)
        throw Damage{"the file is truncated"};
      return foreign("it is not an LMDB file");
    }
    if (!has_magic(bytes, 0)) throw Damage{"page 0: it is no meta page"};
    if (foreign_version(bytes)) return foreign("it is an LMDB file of another format version");
    const Meta meta = pick_meta(bytes);
    transaction = meta.transaction;
    walk_file(bytes, meta, report);
  } catch (const Damage& damage) {
    report.kind = FileReport::Kind::kDamaged;
    report.why = damage.why;
  }
  return report;
}

}  // namespace

FileReport inspect_lmdb_file(const std::string& path) {
  FileReport report;
  std::uint64_t before = kNoPage;
  constexpr int kLooks = 5;
  for (int look = 0; look < kLooks; ++look) {
    std::uint64_t now = kNoPage;
    report = inspect_once(path, now);
    if (report.kind != FileReport::Kind::kDamaged || (look > 0 && now == before)) break;
    before = now;
  }
  return report;
}

}  // namespace nelson
