// String building without <format>: str("dim ", 3, " of ", name). Numbers have digits and a point, whatever locales the
// host has set: texts become code, keys and JSON.
#pragma once
#include <charconv>
#include <locale>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace sardonyx {

class TextStream : public std::ostringstream {
 public:
  TextStream() { imbue(std::locale::classic()); }
};

namespace detail {
inline void put(std::ostream& out, bool value) { out << (value ? "true" : "false"); }
inline void put(std::ostream& out, int8_t value) { out << int(value); }
inline void put(std::ostream& out, uint8_t value) { out << unsigned(value); }
template <class T>
void put(std::ostream& out, const T& value) {
  out << value;
}
template <class T>
void put(std::ostream& out, const std::vector<T>& values) {
  out << '[';
  const char* separator = "";
  for (const auto& value : values) {
    out << separator;
    put(out, static_cast<const T&>(value));
    separator = ",";
  }
  out << ']';
}
}  // namespace detail

// Concatenates the printed forms of its arguments; vectors print as [a,b,c].
template <class... Args>
std::string str(const Args&... args) {
  TextStream out;
  (detail::put(out, args), ...);
  return out.str();
}

// Joins with a separator.
template <class Range>
std::string join(const Range& range, std::string_view separator) {
  TextStream out;
  bool first = true;
  for (const auto& item : range) {
    if (!first) out << separator;
    detail::put(out, item);
    first = false;
  }
  return out.str();
}

// The parts between separators, empty ones too; none of an empty text.
inline std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  if (text.empty()) return parts;
  size_t start = 0;
  for (size_t end; (end = text.find(separator, start)) != std::string::npos; start = end + 1)
    parts.push_back(text.substr(start, end - start));
  parts.push_back(text.substr(start));
  return parts;
}

// printf's %g with so many significant digits, at most 17.
inline std::string decimal(double value, int digits) {
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::general, digits).ptr};
}
// The number at the start of a text, 0 when there is none.
inline double to_double(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace sardonyx
