#include "tools/text.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>

#include "runtime/base/strings.h"

namespace sardonyx::tools {

namespace {

std::string scaled(double value, double step, const std::vector<const char*>& units) {
  size_t unit = 0;
  while (value >= step && unit + 1 < units.size()) {
    value /= step;
    ++unit;
  }
  char text[64];
  std::snprintf(text, sizeof text, value < 10 ? "%.2f %s" : value < 100 ? "%.1f %s" : "%.0f %s", value, units[unit]);
  return text;
}

std::string number_text(const HostTensor& tensor, int64_t index) {
  if (tensor.dtype == DType::Bool) return tensor.number(index) != 0 ? "true" : "false";
  char text[64];
  std::snprintf(text, sizeof text, is_integer(tensor.dtype) ? "%.0f" : "%.6g", tensor.number(index));
  return text;
}

// Code points: continuation bytes of UTF-8 take no room.
size_t width_of(const std::string& text) {
  return size_t(std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string bytes_text(double bytes) { return scaled(bytes, 1024, {"B", "KiB", "MiB", "GiB", "TiB"}); }

std::string seconds_text(double seconds) { return scaled(seconds * 1e9, 1000, {"ns", "us", "ms", "s"}); }

std::string type_text(const Binding& binding) {
  if (!binding.has_shape) return str(dtype_name(binding.dtype), "[...]");
  std::vector<std::string> dims;
  for (const int64_t dim : binding.dims) dims.push_back(dim < 0 ? "?" : str(dim));
  return str(dtype_name(binding.dtype), dims);
}

std::string type_text(const HostTensor& tensor) { return str(dtype_name(tensor.dtype), tensor.dims); }

std::string values_text(const HostTensor& tensor, int64_t limit) {
  if (tensor.dtype == DType::String) {
    std::vector<std::string> texts;
    for (size_t i = 0; i < std::min(tensor.texts.size(), size_t(limit)); ++i)
      texts.push_back(str('"', tensor.texts[i], '"'));
    return join(texts, " ") + (tensor.texts.size() > texts.size() ? " ..." : "");
  }
  const int64_t parts = tensor.dtype == DType::Complex64 || tensor.dtype == DType::Complex128 ? 2 : 1;
  const int64_t count = tensor.element_count() * parts;
  std::vector<std::string> first;
  for (int64_t i = 0; i < std::min(count, limit); ++i) first.push_back(number_text(tensor, i));
  std::string text = join(first, " ");
  if (count <= limit) return text;
  double least = INFINITY, greatest = -INFINITY, sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double value = tensor.number(i);
    least = std::min(least, value);
    greatest = std::max(greatest, value);
    sum += value;
  }
  return str(text, " ... (min ", least, ", max ", greatest, ", mean ", sum / double(count), ")");
}

std::string table_text(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width_of(row[i]), ' ');
      const bool number = !row[i].empty() && std::isdigit(static_cast<unsigned char>(row[i][0])) != 0;
      line += number ? padding + row[i] : row[i] + padding;
      if (i + 1 < row.size()) line += "  ";
    }
    line.resize(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

Progress::Progress(bool forced, size_t total) : terminal_(isatty(STDERR_FILENO) != 0), forced_(forced), total_(total) {}

Progress::~Progress() {
  if (terminal_ && width_ > 0) std::fprintf(stderr, "\r%*s\r", int(width_), "");
}

void Progress::show(size_t done, const std::string& what) {
  if (!terminal_ && !forced_) return;
  std::string line = str("[", done, "/", total_, "] ", what);
  if (!terminal_) {
    std::fprintf(stderr, "%s\n", line.c_str());
    return;
  }
  if (line.size() > 78) line.resize(78);
  std::fprintf(stderr, "\r%-*s", int(width_), line.c_str());
  std::fflush(stderr);
  width_ = line.size();
}

}  // namespace sardonyx::tools
