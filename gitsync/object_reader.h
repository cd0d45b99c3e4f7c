#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "gitsync/document.h"
#include "gitsync/problem_codes.h"
#include "gitsync/shape.h"
#include "state/model/reflect.h"
#include "state/model/time.h"

namespace nelson {

// Reads mappings by table: a key is a line that says how it is called, when it must be there and how it is read. The default is what
// the member holds before.
//
//     constexpr auto kPortFields = std::to_array<Field<PortFile>>({
//         {"name", When::kRequired, kText<&PortFile::name>},
//         {"number", When::kOptional, kInteger<&PortFile::number>},
//     });
//     read_object(reading, node, "port", std::span(kPortFields), port);

/// What an absent key and an explicit null mean.
enum class When {
  kOptional,      // both: the default
  kRequired,      // both: MissingProperty
  kNotNull,       // absent: the default; null: LoadError
  kNotEmptyList,  // absent: the default; null: EmptyList
  kNeeded,        // both: an error of its own code, which the reader of the object reports
};

/// The manifest language lets unknown keys pass, with a warning; our own files refuse them.
enum class UnknownKeys { kWarn, kRefuse };

/// The problems of one file as they are found, and the readers of single values. A reader that fails reports where and why, returns
/// false, and leaves its target alone.
class Reading {
 public:
  explicit Reading(UnknownKeys unknown_keys) : unknown_keys_(unknown_keys) {}

  /// A problem of the table: its severity and wording are there. `way_out` says more than the table can, where it is given.
  void report(Place place, CodeName code, std::vector<std::string> parameters, std::string way_out = {});
  /// Problems of files that the table does not cover.
  void error(Place place, std::string_view code, std::string message, std::string way_out = {});
  void warning(Place place, std::string_view code, std::string message, std::string way_out = {});
  [[nodiscard]] std::size_t errors() const { return errors_; }
  /// Whether further errors are only counted; what costs much to say need not be said then.
  [[nodiscard]] bool full() const { return errors_ >= kMostProblems; }
  /// "did you mean `...`?" with the name that was probably meant; "" leaves the word to the table. Only for the first problems of a file,
  /// since looking for the nearest of many names is dear.
  [[nodiscard]] std::string suggestion(std::string_view word, const std::vector<std::string>& names);
  /// All problems by place. Beyond 100 errors or warnings only their number is told.
  [[nodiscard]] std::vector<Problem> take();

  bool text(const Node& node, std::string& out);
  bool boolean(const Node& node, bool& out);
  /// YAML 1.1 integers (0x1F, 017, 1_000, 1:30) within 32 bits, whatever the locale.
  bool integer(const Node& node, std::int32_t& out);
  /// As integer, between `least` and `most`.
  bool integer_within(const Node& node, std::int64_t least, std::int64_t most, std::int64_t& out);
  bool real(const Node& node, double& out);
  /// "20 minutes"; code InvalidDuration.
  bool duration(const Node& node, Duration& out);
  bool texts(const Node& node, std::vector<std::string>& out);
  template <class Enum>
  bool name_of_enum(const Node& node, std::string_view code, Enum& out) {
    if (const auto known = node.kind == NodeKind::kScalar ? from_name<Enum>(node.text) : std::nullopt) {
      out = *known;
      return true;
    }
    const std::vector<std::string> names(kNames<Enum>.begin(), kNames<Enum>.end());
    std::size_t index = 0;
    if (!one_of(node, code, names, index)) return false;
    out = static_cast<Enum>(index);
    return true;
  }
  bool one_of(const Node& node, std::string_view code, const std::vector<std::string>& names, std::size_t& index);

  /// Whether the node is a list or a mapping; LoadError otherwise.
  bool is_list(const Node& node);
  bool is_mapping(const Node& node, std::string_view label);
  /// False and MissingProperty for a null item of a list.
  bool is_item(const Node& item, std::size_t index);

  void unknown_key(const Node& entry, std::string_view label, const std::vector<std::string>& known);

  /// The key in hand as messages call it: "plan.cpu".
  [[nodiscard]] std::string path() const { return std::string(label_) + (label_.empty() ? "" : ".") + std::string(key_); }

  /// Sets the key in hand, and the former one again when it goes out of scope. Both texts must live as long.
  class Key {
   public:
    Key(Reading& reading, std::string_view label, std::string_view key)
        : reading_(reading), label_(reading.label_), key_(reading.key_) {
      reading.label_ = label;
      reading.key_ = key;
    }
    ~Key() {
      reading_.label_ = label_;
      reading_.key_ = key_;
    }
    Key(const Key&) = delete;
    Key& operator=(const Key&) = delete;

   private:
    Reading& reading_;
    std::string_view label_, key_;
  };

  /// The unit that problems are said of, while it is in hand.
  std::string unit;

 private:
  void add(Problem problem, bool warning);

  static constexpr std::size_t kMostProblems = 100;

  UnknownKeys unknown_keys_;
  int suggestions_left_ = 20;
  std::size_t errors_ = 0, warnings_ = 0;
  std::vector<Problem> problems_;
  std::string_view label_, key_;
};

template <class T>
struct Field {
  std::string_view key;
  When when;
  void (*read)(Reading& reading, const Node& node, T& object);
  Shape (*shape)() = nullptr;  // in tables that a schema is made of
};

/// What a schema says of the objects that a table reads.
template <class T, std::size_t size>
Shape shape_of(const std::array<Field<T>, size>& fields) {
  Shape out;
  out.kind = Shape::Kind::kObject;
  for (const Field<T>& field : fields) {
    Shape value = field.shape();
    value.null = field.when == When::kOptional;
    out.entries.push_back({std::string(field.key), field.when == When::kRequired || field.when == When::kNeeded, std::move(value)});
  }
  return out;
}

template <auto member>
inline constexpr auto kText = [](Reading& reading, const Node& node, auto& object) { reading.text(node, object.*member); };
template <auto member>
inline constexpr auto kTexts = [](Reading& reading, const Node& node, auto& object) { reading.texts(node, object.*member); };
template <auto member>
inline constexpr auto kBoolean = [](Reading& reading, const Node& node, auto& object) { reading.boolean(node, object.*member); };
template <auto member>
inline constexpr auto kReal = [](Reading& reading, const Node& node, auto& object) {
  double value = 0;
  if (reading.real(node, value)) object.*member = value;
};
template <auto member>
inline constexpr auto kDuration = [](Reading& reading, const Node& node, auto& object) { reading.duration(node, object.*member); };
/// An integer between the bounds, into a member of any integral type.
template <auto member, std::int64_t least, std::int64_t most>
inline constexpr auto kInteger = [](Reading& reading, const Node& node, auto& object) {
  std::int64_t value = 0;
  if (reading.integer_within(node, least, most, value))
    object.*member = static_cast<std::remove_cvref_t<decltype(object.*member)>>(value);
};

/// Reads what `fields` names of `node` into `object`, in the order of the table, and reports every other key. `label` is what messages
/// call the object. False when something was reported as an error.
template <class T, std::size_t size>
bool read_object(Reading& reading, const Node& node, std::string_view label, const std::array<Field<T>, size>& fields, T& object) {
  if (!reading.is_mapping(node, label)) return false;
  const std::size_t errors_before = reading.errors();
  for (const Field<T>& field : fields) {
    const Reading::Key key(reading, label, field.key);
    const Node* value = node.find(field.key);
    const bool null = value == nullptr || value->kind == NodeKind::kNull;
    if (!null) {
      field.read(reading, *value, object);
      continue;
    }
    const Place place = value == nullptr ? node.place : value->key_place;
    if (field.when == When::kRequired)
      reading.report(place, "MissingProperty", {reading.path()}, "add `" + std::string(field.key) + ":`");
    if (value == nullptr) continue;
    if (field.when == When::kNotNull)
      reading.report(place, "LoadError", {"`" + reading.path() + "` has no value"}, "give it one or remove the key");
    if (field.when == When::kNotEmptyList) reading.report(place, "EmptyList", {reading.path()});
  }
  std::vector<std::string> known;
  for (const Node& entry : node.children) {
    const auto names_it = [&](const Field<T>& field) { return field.key == entry.key; };
    if (std::any_of(fields.begin(), fields.end(), names_it)) continue;
    if (known.empty())
      for (const Field<T>& field : fields) known.emplace_back(field.key);
    reading.unknown_key(entry, label, known);
  }
  return reading.errors() == errors_before;
}

/// Reads each item of a list with `read(item)`; null items are reported.
template <class Read>
void read_list(Reading& reading, const Node& node, Read read) {
  if (!reading.is_list(node)) return;
  for (std::size_t i = 0; i < node.children.size(); ++i)
    if (reading.is_item(node.children[i], i)) read(node.children[i]);
}

}  // namespace nelson
