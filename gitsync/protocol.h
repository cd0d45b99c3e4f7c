#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "state/model/reflect.h"
#include "state/model/result.h"

namespace nelson::git {

// The questions that a Git child answers. Each request type names its answer. `repository` is a folder: a mirror of ours, or somebody's
// repository for `nelson diff`. Ids are 40 hexadecimal digits.

// A sanitizer's own memory would meet the memory bounds long before ours does.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

/// Bounds of spec/hardening 7, enforced in the child.
inline constexpr std::size_t kMaximumReferences = 10'000;
inline constexpr std::uint64_t kMaximumPackBytes = 256ULL << 20;
inline constexpr std::uint64_t kMaximumObjects = 100'000;
inline constexpr std::uint64_t kMaximumAddressGrowth = 256ULL << 20;
inline constexpr std::uint64_t kMaximumListGrowth = (kSanitized ? 512ULL : 64ULL)
                                                    << 20;  // resident growth of a child that is still listing refs
inline constexpr std::uint32_t kProcessorSeconds = 30;      // per request
inline constexpr std::uint32_t kHistoryLength = 1'000;
inline constexpr std::size_t kMaximumEntries = 10'000;   // files of interest in one tree
inline constexpr std::size_t kMaximumVisited = 500'000;  // entries looked at to find them
inline constexpr std::size_t kMaximumDepth = 32;
inline constexpr std::uint64_t kMaximumBlob = 256 * 1024;    // of a file we read; one more byte is refused by its reader anyway
inline constexpr std::uint64_t kMaximumBlobs = 16ULL << 20;  // of one answer
inline constexpr std::uint64_t kMaximumExport = 64ULL << 20;
inline constexpr std::size_t kMaximumExportFiles = 10'000;
inline constexpr std::uint64_t kMaximumMessage = 64ULL << 20;

/// What went wrong, with a stable code and the way out. `message` and `way_out` hold no credential.
struct Failure {
  std::uint64_t kind = 0;  // an ErrorKind
  std::string code;
  std::string message;
  std::string way_out;

  bool operator==(const Failure&) const = default;
  static void visit(auto& self, auto&& field) {
    field("kind", self.kind);
    field("code", self.code);
    field("message", self.message);
    field("way_out", self.way_out);
  }
};

[[nodiscard]] inline Failure failure(ErrorKind kind, std::string code, std::string message, std::string way_out = {}) {
  return {static_cast<std::uint64_t>(kind), std::move(code), std::move(message), std::move(way_out)};
}
[[nodiscard]] inline Failure endless_list(const std::string& host) {
  return failure(ErrorKind::kUnavailable, "EndlessReferences", host + " lists refs without end",
                 "nelson takes at most 10,000 refs; delete some, or check the host");
}
/// The code that says that the mirror's own files are damaged; who polls throws the mirror away and fetches anew.
inline constexpr const char* kMirrorDamaged = "MirrorDamaged";

/// The same as an Error: "message; way out".
[[nodiscard]] Error error_of(const Failure& failure);

/// A value, or the failure that stands in its place.
template <class T>
class [[nodiscard]] Reply {
 public:
  Reply(T value) : value_(std::move(value)), ok_(true) {}   // implicit, as Result's
  Reply(Failure failure) : failure_(std::move(failure)) {}  // implicit
  explicit operator bool() const { return ok_; }
  T& operator*() { return value_; }
  const T& operator*() const { return value_; }
  T* operator->() { return &value_; }
  const T* operator->() const { return &value_; }
  [[nodiscard]] const Failure& failure() const { return failure_; }

 private:
  T value_{};
  Failure failure_;
  bool ok_ = false;
};

/// The secrets of one request, as the parent read them. They travel over the socket pair only and are wiped after use.
struct Credentials {
  std::string user;
  std::string token;
  std::string ssh_key;      // the private key's text
  std::string known_hosts;  // the file's text; not secret
  std::string ca;           // certificates as PEM; not secret

  static void visit(auto& self, auto&& field) {
    field("user", self.user);
    field("token", self.token);
    field("ssh_key", self.ssh_key);
    field("known_hosts", self.known_hosts);
    field("ca", self.ca);
  }
  Credentials() = default;
  Credentials(const Credentials&) = default;
  Credentials& operator=(const Credentials&) = default;
  ~Credentials();
};

/// Overwrites the text in place.
void wipe(std::string& secret);

struct Tag {
  std::string name;    // short: "1.2.3"
  std::string commit;  // peeled

  bool operator==(const Tag&) const = default;
  static void visit(auto& self, auto&& field) {
    field("name", self.name);
    field("commit", self.commit);
  }
};

/// What the refs we care about name.
struct References {
  std::string head;       // of the branch; "" when there is none
  std::vector<Tag> tags;  // by name

  bool operator==(const References&) const = default;
  static void visit(auto& self, auto&& field) {
    field("head", self.head);
    field("tags", self.tags);
  }
};

/// The refs that a mirror holds. Answers an empty value where there is no mirror yet.
struct ReferencesRequest {
  using Answer = References;
  std::string repository;
  std::string branch;

  static void visit(auto& self, auto&& field) {
    field("repository", self.repository);
    field("branch", self.branch);
  }
};

struct PollAnswer {
  bool unchanged = false;  // the refs that matter are those of PollRequest::known: nothing else is filled in but `digest`
  std::string digest;      // of the refs that matter, as the host listed them
  References references;
  bool branch_missing = false;  // the host answered, and has no such branch: references.head is what the mirror still has
  bool empty = false;           // the host's repository has no ref at all
  bool fetched = false;         // something was transferred or a ref of the mirror moved
  bool rebuilt = false;         // the mirror was damaged, thrown away and fetched anew
  std::uint64_t ignored = 0;    // refs with names that we do not take

  static void visit(auto& self, auto&& field) {
    field("unchanged", self.unchanged);
    field("digest", self.digest);
    field("references", self.references);
    field("branch_missing", self.branch_missing);
    field("empty", self.empty);
    field("fetched", self.fetched);
    field("rebuilt", self.rebuilt);
    field("ignored", self.ignored);
  }
};

/// Lists the host's refs and, when one that matters has moved, fetches it into the mirror over the same connection. The mirror is made
/// when it is missing. What the host no longer has stays in the mirror, except tags.
struct PollRequest {
  using Answer = PollAnswer;
  std::string repository;
  std::string url;
  std::string branch;
  bool tags = false;
  std::string tag_pattern;
  std::string known;     // PollAnswer::digest of the last poll, "" for none
  bool rebuild = false;  // throw the mirror away first
  Credentials credentials;

  static void visit(auto& self, auto&& field) {
    field("repository", self.repository);
    field("url", self.url);
    field("branch", self.branch);
    field("tags", self.tags);
    field("tag_pattern", self.tag_pattern);
    field("known", self.known);
    field("rebuild", self.rebuild);
    field("credentials", self.credentials);
  }
};

/// A file of a tree.
struct Entry {
  std::string path;
  std::string id;
  bool regular = true;  // false: a symbolic link, a submodule or a folder of that name; never read

  bool operator==(const Entry&) const = default;
  static void visit(auto& self, auto&& field) {
    field("path", self.path);
    field("id", self.id);
    field("regular", self.regular);
  }
};

struct Entries {
  std::vector<Entry> entries;  // by path
  bool truncated = false;      // a bound was met: what is missing is unknown

  static void visit(auto& self, auto&& field) {
    field("entries", self.entries);
    field("truncated", self.truncated);
  }
};

enum class EntryFilter {
  kManifests,  // .nelson.yml and *.deployable.yml in every folder
  kAll,
};
}  // namespace nelson::git
namespace nelson {
template <>
inline constexpr auto kNames<git::EntryFilter> = std::to_array<std::string_view>({"manifests", "all"});
}  // namespace nelson
namespace nelson::git {

struct EntriesRequest {
  using Answer = Entries;
  std::string repository;
  std::string commit;  // or the id of a tree
  EntryFilter filter = EntryFilter::kManifests;

  static void visit(auto& self, auto&& field) {
    field("repository", self.repository);
    field("commit", self.commit);
    field("filter", self.filter);
  }
};

struct Blob {
  std::string id;
  bool too_big = false;  // more than kMaximumBlob; `bytes` is empty
  std::string bytes;

  static void visit(auto& self, auto&& field) {
    field("id", self.id);
    field("too_big", self.too_big);
    field("bytes", self.bytes);
  }
};

struct Blobs {
  std::vector<Blob> blobs;  // the first ones asked for, as many as fit into one answer, at least one

  static void visit(auto& self, auto&& field) { field("blobs", self.blobs); }
};

struct BlobsRequest {
  using Answer = Blobs;
  std::string repository;
  std::vector<std::string> ids;

  static void visit(auto& self, auto&& field) {
    field("repository", self.repository);
    field("ids", self.ids);
  }
};

struct Trees {
  std::vector<std::string> ids;  // one for each path; "" when it is not a folder there

  static void visit(auto& self, auto&& field) { field("ids", self.ids); }
};

struct TreesRequest {
  using Answer = Trees;
  std::string repository;
  std::string commit;              // or the id of a tree
  std::vector<std::string> paths;  // "" is the root

  static void visit(auto& self, auto&& field) {
    field("repository", self.repository);
    field("commit", self.commit);
    field("paths", self.paths);
  }
};

struct Revision {
  std::string commit;
  std::vector<Entry> entries;

  static void visit(auto& self, auto&& field) {
    field("commit", self.commit);
    field("entries", self.entries);
  }
};

struct History {
  std::vector<Revision> revisions;  // newest first; of equal neighbours only the newest
  bool truncated = false;           // it goes on beyond what was looked at

  static void visit(auto& self, auto&& field) {
    field("revisions", self.revisions);
    field("truncated", self.truncated);
  }
};

/// The first-parent history of one file, and, with `siblings`, of the deployables beside it: at most kHistoryLength commits back.
struct HistoryRequest {
  using Answer = History;
  std::string repository;
  std::string commit;
  std::string path;
  bool siblings = false;

  static void visit(auto& self, auto&& field) {
    field("repository", self.repository);
    field("commit", self.commit);
    field("path", self.path);
    field("siblings", self.siblings);
  }
};

struct Truth {
  bool value = false;

  static void visit(auto& self, auto&& field) { field("value", self.value); }
};

struct ContainsRequest {
  using Answer = Truth;
  std::string repository;
  std::string commit;
  std::string ancestor;

  static void visit(auto& self, auto&& field) {
    field("repository", self.repository);
    field("commit", self.commit);
    field("ancestor", self.ancestor);
  }
};

struct ExportRequest {
  using Answer = Truth;
  std::string repository;
  std::string tree;
  std::string folder;

  static void visit(auto& self, auto&& field) {
    field("repository", self.repository);
    field("tree", self.tree);
    field("folder", self.folder);
  }
};

struct OverlayAnswer {
  std::string repository;            // what to ask further questions about, of this same child
  std::string tree;                  // id of the tree
  std::string commit;                // "" for a working copy
  std::vector<std::string> remotes;  // urls

  static void visit(auto& self, auto&& field) {
    field("repository", self.repository);
    field("tree", self.tree);
    field("commit", self.commit);
    field("remotes", self.remotes);
  }
};

/// Opens the repository around `path` and, for `nelson diff`, the tree that a commit of everything in the working copy would have
/// (objects in memory only), or that of `revision`. With `remotes_only` just the remotes.
struct OverlayRequest {
  using Answer = OverlayAnswer;
  std::string path;
  std::string revision;
  bool remotes_only = false;

  static void visit(auto& self, auto&& field) {
    field("path", self.path);
    field("revision", self.revision);
    field("remotes_only", self.remotes_only);
  }
};

/// Calls `function` with a null pointer to each request type and its number.
template <class Function>
void for_each_request(Function&& function) {
  function(1, static_cast<ReferencesRequest*>(nullptr));
  function(2, static_cast<PollRequest*>(nullptr));
  function(3, static_cast<EntriesRequest*>(nullptr));
  function(4, static_cast<BlobsRequest*>(nullptr));
  function(5, static_cast<TreesRequest*>(nullptr));
  function(6, static_cast<HistoryRequest*>(nullptr));
  function(7, static_cast<ContainsRequest*>(nullptr));
  function(8, static_cast<ExportRequest*>(nullptr));
  function(9, static_cast<OverlayRequest*>(nullptr));
}

/// What a child is at; said ahead of the answer, so that the parent can tell what a killed child was doing.
enum class Phase : std::uint8_t {
  kNone,
  kListing,
  kComparing,  // what the host listed, with what is here
  kFetching,
  kDone,  // the answer that follows is the child's last: it ends to start afresh
};

// Frames: eight bytes of length, one byte of kind, the payload. Kinds: a request's number, or one of these.
inline constexpr std::uint8_t kPhaseFrame = 100;   // payload: one byte, a Phase
inline constexpr std::uint8_t kAnswerFrame = 101;  // payload: the answer
inline constexpr std::uint8_t kFailureFrame = 102;

/// Sends one frame whole. False when the other side is gone.
[[nodiscard]] bool send_frame(int socket, std::uint8_t kind, std::string_view payload);

struct Frame {
  std::uint8_t kind = 0;
  std::string payload;
};

/// Collects bytes until a frame is whole.
class FrameBuffer {
 public:
  enum class State { kMore, kFrame, kBroken };
  void append(std::string_view bytes) { bytes_ += bytes; }
  /// Takes the first whole frame out; kBroken when its length is beyond kMaximumMessage.
  State next(Frame& frame);
  /// Forgets and overwrites what is there.
  void clear() { wipe(bytes_); }

 private:
  std::string bytes_;
};

}  // namespace nelson::git
