// Chrome trace files (chrome://tracing, Perfetto): complete ("X") events in JSON.
//
// The file is valid JSON after every append, so a process that exits without releasing anything loses nothing.
#pragma once
#include <cstdint>
#include <mutex>
#include <span>
#include <string>

namespace sardonyx {

struct TraceEvent {
  std::string name, category, detail;     // detail: the kernel that ran
  std::string group;                      // of nodes, as the report of the graph calls it; may be empty
  int64_t start_ns = 0, duration_ns = 0;  // of Trace::now_ns
};

class Trace {
 public:
  // The trace that writes to `path`, one per path and process, never destroyed; a file left by another process is
  // replaced. Null for "" and, with a warning, when the file cannot be created.
  static Trace* open(const std::string& path);

  // Writes the events under the calling thread's id. Thread-safe; failures to write are ignored.
  void append(std::span<const TraceEvent> events);

  static int64_t now_ns();

 private:
  explicit Trace(int file) : file_(file) {}
  std::mutex mutex_;
  int file_;
  int64_t end_ = 0;  // where the next event goes
  bool empty_ = true;
};

// `text` as the inside of a JSON string: quotes, backslashes, control characters and invalid UTF-8 escaped.
std::string json_escape(const std::string& text);

}  // namespace sardonyx
