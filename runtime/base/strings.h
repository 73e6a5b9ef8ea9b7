// String building without <format>: str("dim ", 3, " of ", name).
#pragma once
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace sardonyx {

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
  std::ostringstream out;
  (detail::put(out, args), ...);
  return out.str();
}

// Joins with a separator.
template <class Range>
std::string join(const Range& range, std::string_view separator) {
  std::ostringstream out;
  bool first = true;
  for (const auto& item : range) {
    if (!first) out << separator;
    detail::put(out, item);
    first = false;
  }
  return out.str();
}

}  // namespace sardonyx
