#include "runtime/base/log.h"

#include <unistd.h>

#include <atomic>

namespace sardonyx {

namespace {
std::atomic<int> current_level{int(LogLevel::Warning)};
constexpr const char* level_names[] = {"", "error", "warning", "info", "debug"};
}  // namespace

void set_log_level(LogLevel level) { current_level.store(int(level), std::memory_order_relaxed); }

bool log_enabled(LogLevel level) { return int(level) <= current_level.load(std::memory_order_relaxed); }

void write_log(LogLevel level, const std::string& text) {
  std::string line = str("sardonyx ", level_names[int(level)], ": ", text, "\n");
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace sardonyx
