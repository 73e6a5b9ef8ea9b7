#include "runtime/base/trace.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <map>

#include "runtime/base/log.h"

namespace sardonyx {

namespace {
constexpr char header[] = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[";
constexpr char footer[] = "\n]}\n";

bool write_at(int file, const std::string& text, int64_t offset) {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = pwrite(file, text.data() + done, text.size() - done, off_t(offset) + off_t(done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += size_t(count);
  }
  return true;
}

// Length of the valid UTF-8 sequence at `text[i]`; 0 when it is none.
size_t utf8_length(const std::string& text, size_t i) {
  const auto byte = [&](size_t k) { return k < text.size() ? uint8_t(text[k]) : uint8_t{0}; };
  const auto tail = [&](size_t k) { return (byte(k) & 0xC0) == 0x80; };
  const uint8_t first = byte(i);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return tail(i + 1) ? 2 : 0;
  if (first >= 0xE0 && first < 0xF0) {
    const bool overlong = first == 0xE0 && byte(i + 1) < 0xA0, surrogate = first == 0xED && byte(i + 1) >= 0xA0;
    return tail(i + 1) && tail(i + 2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first < 0xF5) {
    const bool overlong = first == 0xF0 && byte(i + 1) < 0x90, beyond = first == 0xF4 && byte(i + 1) >= 0x90;
    return tail(i + 1) && tail(i + 2) && tail(i + 3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}
}  // namespace

std::string json_escape(const std::string& text) {
  std::string result;
  result.reserve(text.size());
  char code[8];
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(text, i);
    const auto c = uint8_t(text[i]);
    if (length > 1) {
      result.append(text, i, length);
    } else if (length == 0) {
      result += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      result += '\\';
      result += char(c);
    } else if (c < 0x20 || c == 0x7F) {
      std::snprintf(code, sizeof code, "\\u%04x", unsigned(c));
      result += code;
    } else {
      result += char(c);
    }
    i += length ? length : 1;
  }
  return result;
}

Trace* Trace::open(const std::string& path) {
  if (path.empty()) return nullptr;
  // Never destroyed: runs may end while the process exits.
  static auto& mutex = *new std::mutex;
  static auto& traces = *new std::map<std::string, Trace*>;
  std::lock_guard lock(mutex);
  const auto found = traces.find(path);
  if (found != traces.end()) return found->second;
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) {
    log(LogLevel::Warning, "cannot write the trace file ", path, ": ", std::strerror(errno));
    return nullptr;
  }
  auto* trace = new Trace(file);
  trace->append({});
  traces[path] = trace;
  return trace;
}

int64_t Trace::now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Trace::append(std::span<const TraceEvent> events) {
  const long thread = syscall(SYS_gettid);
  const long process = getpid();
  std::lock_guard lock(mutex_);
  std::string text;
  if (end_ == 0) text = header;
  char numbers[160];
  for (const TraceEvent& event : events) {
    text += empty_ ? "\n" : ",\n";
    empty_ = false;
    // Microseconds with three decimals, by integers: the host's locale may print a decimal comma.
    std::snprintf(numbers, sizeof numbers,
                  "\"ph\":\"X\",\"ts\":%" PRId64 ".%03d,\"dur\":%" PRId64 ".%03d,\"pid\":%ld,\"tid\":%ld",
                  event.start_ns / 1000, int(event.start_ns % 1000), event.duration_ns / 1000,
                  int(event.duration_ns % 1000), process, thread);
    text += "{\"name\":\"" + json_escape(event.name) + "\",\"cat\":\"" + json_escape(event.category) + "\"," + numbers +
            ",\"args\":{\"kernel\":\"" + json_escape(event.detail) + "\"";
    if (!event.group.empty()) text += ",\"group\":\"" + json_escape(event.group) + "\"";
    text += "}}";
  }
  const auto body = int64_t(text.size());
  if (write_at(file_, text + footer, end_)) end_ += body;
}

}  // namespace sardonyx
