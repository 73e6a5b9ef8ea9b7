#include "compiler/graph/scanner.h"

#include <cctype>
#include <charconv>

namespace sardonyx::graph {

namespace {
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
}  // namespace

std::pair<int, int> Scanner::position() const {
  int line = 1, column = 1;
  for (size_t i = 0; i < at_ && i < text_.size(); ++i) {
    ++column;
    if (text_[i] == '\n') ++line, column = 1;
  }
  return {line, column};
}

void Scanner::skip_space() {
  while (at_ < text_.size()) {
    if (std::isspace(static_cast<unsigned char>(text_[at_])))
      ++at_;
    else if (text_.compare(at_, 2, "//") == 0)
      while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    else
      return;
  }
}

bool Scanner::at_end() {
  skip_space();
  return at_ == text_.size();
}

char Scanner::peek() {
  skip_space();
  return at_ < text_.size() ? text_[at_] : '\0';
}

bool Scanner::accept(std::string_view token) {
  skip_space();
  if (text_.compare(at_, token.size(), token) != 0) return false;
  bool splits_word = is_word(token.back()) && at_ + token.size() < text_.size() && is_word(text_[at_ + token.size()]);
  if (splits_word) return false;
  at_ += token.size();
  return true;
}

void Scanner::expect(std::string_view token) {
  if (!accept(token)) fail("expected '", token, "'");
}

std::string Scanner::word() {
  skip_space();
  if (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) return "";
  size_t begin = at_;
  while (at_ < text_.size() && is_word(text_[at_])) ++at_;
  return text_.substr(begin, at_ - begin);
}

std::string Scanner::expect_word(const char* what) {
  std::string result = word();
  if (result.empty()) fail("expected ", what);
  return result;
}

int64_t Scanner::integer() {
  skip_space();
  int64_t value = 0;
  auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
  if (error == std::errc::result_out_of_range) {  // the upper half of u64
    uint64_t large = 0;
    auto [large_end, large_error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), large);
    end = large_end, error = large_error, value = int64_t(large);
  }
  if (error != std::errc()) fail("expected an integer");
  at_ = size_t(end - text_.data());
  return value;
}

double Scanner::number() {
  skip_space();
  double value = 0;
  auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
  if (error != std::errc()) fail("expected a number");
  at_ = size_t(end - text_.data());
  return value;
}

std::string Scanner::quoted() {
  expect("\"");
  std::string result;
  for (;;) {
    if (at_ == text_.size()) fail("a string is not closed");
    char c = text_[at_++];
    if (c == '"') return result;
    if (c != '\\') {
      result += c;
      continue;
    }
    if (at_ == text_.size()) fail("a string is not closed");
    char escaped = text_[at_++];
    if (escaped == 'x') {
      unsigned byte = 0;
      const char* begin = text_.data() + at_;
      const char* limit = text_.data() + std::min(text_.size(), at_ + 2);
      auto [end, error] = std::from_chars(begin, limit, byte, 16);
      if (error != std::errc() || end != begin + 2) fail("\\x needs two hexadecimal digits");
      at_ += 2;
      result += char(byte);
    } else {
      result += escaped == 'n' ? '\n' : escaped;
    }
  }
}

std::string Scanner::balanced() {
  skip_space();
  size_t begin = at_;
  int depth = 0;
  for (; at_ < text_.size(); ++at_) {
    char c = text_[at_];
    bool closes = c == ')' || c == ']' || c == '}';
    if (depth == 0 && (closes || c == ',' || c == '"' || c == '\n')) break;
    depth += (c == '(' || c == '[' || c == '{') - closes;
  }
  size_t end = at_;
  while (end > begin && std::isspace(static_cast<unsigned char>(text_[end - 1]))) --end;
  if (end == begin) fail("expected an expression");
  return text_.substr(begin, end - begin);
}

}  // namespace sardonyx::graph
