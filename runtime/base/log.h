// Levelled log to stderr. Nothing is ever printed on stdout by the library. Default level: Warning.
#pragma once
#include <string>

#include "runtime/base/strings.h"

namespace sardonyx {

// Smaller is more important. ONNXIFI numbers its levels the other way round; onnxifi/properties.cpp translates.
enum class LogLevel : int { Error = 1, Warning = 2, Info = 3, Debug = 4 };

// Process-wide level; thread-safe. The last setter wins (property beats environment because it comes later).
void set_log_level(LogLevel level);
bool log_enabled(LogLevel level);
// Writes one line "sardonyx <level>: text" with a single write call; text need not end in a newline.
void write_log(LogLevel level, const std::string& text);

template <class... Args>
void log(LogLevel level, const Args&... args) {
  if (log_enabled(level)) write_log(level, str(args...));
}

}  // namespace sardonyx
