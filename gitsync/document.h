#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/model/problem.h"

namespace nelson {

/// Where something stands in a text; both count from 1, columns in bytes. Zero is "nowhere".
struct Place {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::uint32_t length = 0;  // bytes of the line that belong to it, for underlining; 0 where it is not known

  bool operator==(const Place& other) const { return line == other.line && column == other.column; }
};

enum class NodeKind { kNull, kScalar, kSequence, kMapping };

/// One node of a YAML document after aliases and merge keys were replaced by what they mean. A tree of plain values: nothing is
/// shared, there are no cycles, and its size is bounded by `kDocumentLimits`.
struct Node {
  NodeKind kind = NodeKind::kNull;
  Place place;                 // of the node itself; what an alias stands for keeps the place where it was written
  std::string text;            // kScalar: the value, quotes and escapes removed
  bool plain = false;          // kScalar: written without quotes and without a tag, so that its text may mean a number or a boolean
  std::string key;             // of an entry of a mapping
  Place key_place;             // likewise
  std::vector<Node> children;  // kSequence: the items; kMapping: the entries as written, each key once

  /// The entry of a mapping; null when there is none.
  [[nodiscard]] const Node* find(std::string_view wanted) const;
};

struct DocumentLimits {
  std::size_t bytes = 256 * 1024;
  std::uint32_t levels = 32;
  std::uint32_t nodes = 10'000;             // after alias and merge expansion; keys count too
  std::size_t scalar = 64 * 1024;           // bytes of one scalar or key
  std::size_t expanded_text = 1024 * 1024;  // bytes of all scalars after expansion
};
inline constexpr DocumentLimits kDocumentLimits;

/// What two equal keys of one mapping are: the manifest language lets the last one win (a warning here), our own files refuse them.
enum class DuplicateKeys { kLastWins, kRefuse };

/// `root` is missing exactly when a problem is an error. Places are filled in; repository, commit and file are the caller's.
struct DocumentReading {
  std::optional<Node> root;
  std::vector<Problem> problems;
};

/// Reads exactly one YAML document of untrusted text. An empty text is a document with a null root. A UTF-8 byte order mark is skipped,
/// one of another encoding is refused like all that is not UTF-8. Never throws; the worst text costs about 0.15 s and 80 MiB. The code
/// of every error is LoadError. Thread-safe.
[[nodiscard]] DocumentReading read_document(std::string_view bytes, DuplicateKeys duplicates);

/// The problem `code` at `place`.
[[nodiscard]] Problem problem_at(Place place, std::string_view code, std::string message, std::string way_out = {});

/// What can be shown of `text`: control characters and what is no UTF-8 become '?', the end beyond `most` bytes "...".
[[nodiscard]] std::string in_one_line(std::string_view text, std::size_t most);
/// A line of text without control characters and at most 80 bytes of it, for messages: "`the text`".
[[nodiscard]] std::string in_quotes(std::string_view text);

/// Gives each problem the line of `bytes` it is in, as long as a person would read it, and with what looks like a secret as asterisks.
void attach_sources(std::string_view bytes, std::vector<Problem>& problems);

}  // namespace nelson
