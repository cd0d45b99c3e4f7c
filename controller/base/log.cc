#include "controller/base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>

#include "controller/base/text.h"
#include "nlohmann/json.hpp"
#include "state/model/time.h"

namespace nelson {
namespace {

std::atomic<std::uint64_t> lost{0};
thread_local bool write_failed = false;  // the line this thread wrote last

struct Log {
  LogOptions options;
  std::shared_ptr<spdlog::logger> logger;
};

std::shared_ptr<spdlog::logger> make_logger(const spdlog::sink_ptr& sink) {
  auto logger = std::make_shared<spdlog::logger>("nelson", sink);
  logger->set_pattern("%v");
  logger->set_level(spdlog::level::trace);
  logger->flush_on(spdlog::level::trace);
  logger->set_error_handler([](const std::string&) { write_failed = true; });
  return logger;
}

std::mutex mutex;
std::shared_ptr<const Log>& current() {
  static std::shared_ptr<const Log> log =
      std::make_shared<Log>(Log{{}, make_logger(std::make_shared<spdlog::sinks::stderr_sink_mt>())});
  return log;
}

bool plain(std::string_view value) { return value.find_first_of(" =\"\\\t") == std::string_view::npos; }

std::string in_quotes(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out += '"';
}

std::string clean(std::string_view text) { return visible(without_credentials(text)); }

std::string as_text(LogLevel level, std::string_view message, std::initializer_list<LogField> fields, const std::string& at) {
  std::string out = at + ' ' + std::string(name_of(level)) + ' ' + clean(message);
  for (const LogField& field : fields) {
    if (field.value.empty()) continue;
    const std::string value = clean(field.value);
    out += ' ';
    out += field.key;
    out += '=';
    out += plain(value) ? value : in_quotes(value);
  }
  return out;
}

std::string as_json(LogLevel level, std::string_view message, std::initializer_list<LogField> fields, const std::string& at) {
  nlohmann::ordered_json out{{"at", at}, {"level", name_of(level)}, {"message", clean(message)}};
  for (const LogField& field : fields)
    if (!field.value.empty()) out[std::string(field.key)] = clean(field.value);
  return out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string wall_clock() { return format_instant(std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now())); }

}  // namespace

Status open_log(const LogOptions& options) {
  try {
    spdlog::sink_ptr sink;
    if (options.file.empty())
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    else
      sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(options.file, options.max_bytes, 3);
    auto log = std::make_shared<Log>(Log{options, make_logger(sink)});
    const std::lock_guard guard(mutex);
    current() = std::move(log);
    return {};
  } catch (const std::exception& e) {
    return invalid("log file " + options.file + " cannot be written: " + e.what());
  }
}

void log_line(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  try {
    std::shared_ptr<const Log> log;
    {
      const std::lock_guard guard(mutex);
      log = current();
    }
    if (level < log->options.level) return;
    const auto write = [&log](LogLevel l, std::string_view m, std::initializer_list<LogField> f) {
      const std::string at = wall_clock();
      const std::string line = log->options.format == LogFormat::kJson ? as_json(l, m, f, at) : as_text(l, m, f, at);
      write_failed = false;
      log->logger->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
      return !write_failed;
    };
    const std::uint64_t lost_before = lost.exchange(0);
    if (lost_before > 0 && !write(LogLevel::kWarning, "log lines were lost", {{"count", std::to_string(lost_before)}}))
      lost += lost_before;
    if (!write(level, message, fields)) ++lost;
  } catch (...) {
    ++lost;
  }
}

}  // namespace nelson
