#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace nelson {

/// Who can mend it decides the kind; every caller's answer follows from it.
enum class ErrorKind {
  kUnavailable,  // the other side did not answer: try this call again later
  kConflict,     // the world moved: observe and plan again now
  kInvalid,      // only an author can fix it: wait for the next revision
  kInternal,     // our bug, or a store that cannot be trusted: stop
};

/// What went wrong and where. `message` names the thing (file, stack, host) and the way out, and never holds a credential.
struct Error {
  ErrorKind kind = ErrorKind::kInternal;
  std::string message;

  /// The same error with "`context`: " in front.
  [[nodiscard]] Error with_context(std::string_view context) const { return {kind, std::string(context) + ": " + message}; }
  bool operator==(const Error&) const = default;
};

inline Error unavailable(std::string message) { return {ErrorKind::kUnavailable, std::move(message)}; }
inline Error conflict(std::string message) { return {ErrorKind::kConflict, std::move(message)}; }
inline Error invalid(std::string message) { return {ErrorKind::kInvalid, std::move(message)}; }
inline Error internal(std::string message) { return {ErrorKind::kInternal, std::move(message)}; }

/// A value, or the error that stands in its place.
template <class T = std::monostate>
class [[nodiscard]] Result {
 public:
  Result() requires std::is_same_v<T, std::monostate> : content_(T{}) {}
  Result(T value) : content_(std::move(value)) {}      // implicit: `return value;` is the point
  Result(Error error) : content_(std::move(error)) {}  // implicit: and so is `return error;`

  [[nodiscard]] bool ok() const { return std::holds_alternative<T>(content_); }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] const T& value() const& { return std::get<T>(content_); }
  [[nodiscard]] T& value() & { return std::get<T>(content_); }
  [[nodiscard]] T&& value() && { return std::get<T>(std::move(content_)); }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }

  [[nodiscard]] const Error& error() const { return std::get<Error>(content_); }

 private:
  std::variant<T, Error> content_;
};

using Status = Result<std::monostate>;

}  // namespace nelson
