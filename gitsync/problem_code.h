#pragma once

#include <array>
#include <string_view>

#include "state/model/reflect.h"

namespace nelson {

// The one table of what can be wrong with a manifest: what is said, why, and an example of both sides. Readers name a row and give its
// parameters; the wording is here alone. A name that is not in the table does not compile.

enum class Severity {
  kError,    // the file is not used; its last good revision stays
  kWarning,  // the file is used
};
template <>
inline constexpr auto kNames<Severity> = std::to_array<std::string_view>({"error", "warning"});

/// Who can tell.
enum class Asked {
  kFile,   // the bytes of the file alone
  kLint,   // nelson lint: beside the bytes, a program or a folder
  kWorld,  // with what Git says elsewhere. A warning here may hold a first launch; it never invalidates a file (semantics 2)
};
template <>
inline constexpr auto kNames<Asked> = std::to_array<std::string_view>({"file", "lint", "world"});

/// What the lines of an example are.
enum class Frame {
  kNone,        // there is no example: it takes more than one file
  kFile,        // a whole manifest
  kUnit,        // more lines of a unit that is called basket
  kPlan,        // more lines of a plan that is called small, of a unit with the port `default`
  kDeployable,  // a whole basket.deployable.yml
};

struct ProblemCode {
  std::string_view name;
  Severity severity = Severity::kError;
  Asked asked = Asked::kFile;
  std::string_view parameters;  // their names in order, a blank between
  std::string_view message;     // {name} stands for the parameter
  std::string_view way_out;     // likewise; what a finder gives instead says more
  std::string_view why;
  Frame frame = Frame::kNone;
  std::string_view wrong = {};
  std::string_view right = {};
};

inline constexpr std::string_view kNotOneOf = "`{field}`: `{value}` is not one of {known}";

}  // namespace nelson
