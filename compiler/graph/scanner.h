// Reads the textual form character by character, with the position for messages.
#pragma once
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace sardonyx::graph {

class Scanner {
 public:
  explicit Scanner(const std::string& text) : text_(text) {}

  void skip_space();  // white space and // comments
  bool at_end();
  // The next character after white space, 0 at the end.
  char peek();
  // Consumes `token` if it is next.
  bool accept(std::string_view token);
  void expect(std::string_view token);
  // [A-Za-z_][A-Za-z0-9_]*, or "" when something else is next.
  std::string word();
  std::string expect_word(const char* what);
  int64_t integer();
  double number();
  std::string quoted();
  bool quoted_next() { return peek() == '"'; }
  // Text up to a `,` or closing bracket outside nested brackets, trimmed; not consumed.
  std::string balanced();

  template <class... Args>
  [[noreturn]] void fail(const Args&... args) const {
    auto [line, column] = position();
    sardonyx::fail(Status::InvalidModel, "graph text, line ", line, " column ", column, ": ", args...);
  }

 private:
  std::pair<int, int> position() const;

  const std::string& text_;
  size_t at_ = 0;
};

}  // namespace sardonyx::graph
