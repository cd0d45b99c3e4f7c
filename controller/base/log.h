#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "state/model/reflect.h"
#include "state/model/result.h"

namespace nelson {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
template <>
inline constexpr auto kNames<LogLevel> = std::to_array<std::string_view>({"debug", "info", "warning", "error"});

enum class LogFormat { kText, kJson };
template <>
inline constexpr auto kNames<LogFormat> = std::to_array<std::string_view>({"text", "json"});

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  std::string file;                               // "" is standard error
  std::size_t max_bytes = std::size_t{16} << 20;  // of one file; three older ones are kept beside it

  bool operator==(const LogOptions&) const = default;
};

/// One thing a line says besides its message. A field whose value is empty is left out, so callers list all that could apply.
struct LogField {
  std::string_view key;
  std::string_view value;
};

/// Where lines go from now on. Before the first call they go to standard error as text. kInvalid names the file that cannot be written.
Status open_log(const LogOptions& options);

/// Messages and values are data, never formats: control characters come out escaped and credentials in URLs are cut out. Callable from
/// every thread; never throws and never fails: a line that cannot be written (full disk) is counted, and the count is said by the next
/// line that can.
void log_line(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

inline void log_debug(std::string_view message, std::initializer_list<LogField> fields = {}) {
  log_line(LogLevel::kDebug, message, fields);
}
inline void log_info(std::string_view message, std::initializer_list<LogField> fields = {}) {
  log_line(LogLevel::kInfo, message, fields);
}
inline void log_warning(std::string_view message, std::initializer_list<LogField> fields = {}) {
  log_line(LogLevel::kWarning, message, fields);
}
inline void log_error(std::string_view message, std::initializer_list<LogField> fields = {}) {
  log_line(LogLevel::kError, message, fields);
}

}  // namespace nelson
