#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nelson {

/// What a value may look like, as far as a JSON Schema can say it. Stands in the reader's tables beside how the value is read.
struct Shape {
  enum class Kind { kAny, kText, kWhole, kNumber, kList, kObject, kMapOfTexts, kEither };

  struct Entry;

  Kind kind = Kind::kAny;
  bool null = false;                        // an explicit null is the same as no key
  std::string pattern;                      // kText: what a quoted or plain text must fit; "" is any
  bool bare = true;                         // kText: a number or a boolean is text too, and may fit the pattern
  std::optional<std::size_t> longest;       // kText: characters; kList: items
  std::vector<std::string> names;           // kText: one of these, when there are any
  std::optional<std::int64_t> least, most;  // kWhole
  std::optional<std::int64_t> below;        // kNumber: less than this
  std::vector<Shape> parts;                 // kList: its items' shape; kEither: the alternatives
  std::vector<Entry> entries;               // kObject
};

struct Shape::Entry {
  std::string key;
  bool required = false;
  Shape shape;
};

namespace shape {

Shape text(std::string pattern = {}, std::optional<std::size_t> longest = {});
/// Text that no number or boolean fits.
Shape words(std::string pattern);
Shape one_of(std::vector<std::string> names);
/// Of an enumeration with names.
template <class Names>
Shape names_of(const Names& names) {
  return one_of(std::vector<std::string>(names.begin(), names.end()));
}
Shape whole(std::optional<std::int64_t> least, std::optional<std::int64_t> most);
Shape number(std::optional<std::int64_t> below = {});
Shape list(Shape item, std::optional<std::size_t> longest = {});
Shape map_of_texts();
Shape either(std::vector<Shape> alternatives);

// The grammars of several keys.
Shape simple_name();
Shape unit_name();
Shape port();
Shape duration();
Shape schedule();
Shape timezone();
Shape policy();

}  // namespace shape

/// The whole manifest. What it cannot say (references, duplicates, sums, dates) is left to the reader.
[[nodiscard]] Shape manifest_shape();

}  // namespace nelson
