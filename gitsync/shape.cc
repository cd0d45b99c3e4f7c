#include "gitsync/shape.h"

#include "state/model/spec.h"

namespace nelson::shape {

Shape text(std::string pattern, std::optional<std::size_t> longest) {
  Shape out;
  out.kind = Shape::Kind::kText;
  out.pattern = std::move(pattern);
  out.longest = longest;
  return out;
}

Shape words(std::string pattern) {
  Shape out = text(std::move(pattern));
  out.bare = false;
  return out;
}

Shape one_of(std::vector<std::string> names) {
  Shape out = text();
  out.names = std::move(names);
  return out;
}

Shape whole(std::optional<std::int64_t> least, std::optional<std::int64_t> most) {
  Shape out;
  out.kind = Shape::Kind::kWhole;
  out.least = least;
  out.most = most;
  return out;
}

Shape number(std::optional<std::int64_t> below) {
  Shape out;
  out.kind = Shape::Kind::kNumber;
  out.below = below;
  return out;
}

Shape list(Shape item, std::optional<std::size_t> longest) {
  Shape out;
  out.kind = Shape::Kind::kList;
  out.longest = longest;
  out.parts.push_back(std::move(item));
  return out;
}

Shape map_of_texts() {
  Shape out;
  out.kind = Shape::Kind::kMapOfTexts;
  return out;
}

Shape either(std::vector<Shape> alternatives) {
  Shape out;
  out.kind = Shape::Kind::kEither;
  out.parts = std::move(alternatives);
  return out;
}

Shape simple_name() { return text("^[A-Za-z0-9-]{1,64}$"); }

Shape unit_name() { return text("^(?!.*--)[A-Za-z0-9][A-Za-z0-9-]{0,39}[A-Za-z0-9]$"); }

Shape port() {
  return words(
      "^\\s*[A-Za-z_][A-Za-z0-9_]{0,63}\\s*->\\s*0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|"
      "6553[0-5])"
      "\\s*/\\s*(http|https|tcp|wss)\\s*$");
}

Shape duration() {
  return words(
      "^\\s*([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?\\s*(d|days?|h|hours?|min|minutes?|s|secs?|seconds?|ms|millis?|"
      "milliseconds?|"
      "\xC2\xB5s|micros?|microseconds?|ns|nanos?|nanoseconds?)\\s*$");
}

Shape schedule() {
  return text(
      "^\\s*([Mm][Oo][Nn][Tt][Hh][Ll][Yy]|[Dd][Aa][Ii][Ll][Yy]|[Hh][Oo][Uu][Rr][Ll][Yy]|"
      "[Qq][Uu][Aa][Rr][Tt][Ee][Rr]-[Hh][Oo][Uu][Rr][Ll][Yy]|[Oo][Nn][Cc][Ee]|([0-9A-Za-z*/,?-]+\\s+){4}[0-9A-Za-z*/,?-]+)\\s*$");
}

Shape timezone() { return text("^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z][A-Za-z0-9_+-]*)*$", 64); }

Shape policy() {
  Shape out = names_of(kNames<ExpirationPolicy>);
  out.names.emplace_back("retain-always");
  return out;
}

}  // namespace nelson::shape
