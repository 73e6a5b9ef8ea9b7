#include "compiler/expr/parse.h"

#include <cctype>
#include <charconv>

#include "runtime/base/status.h"

namespace sardonyx::expr {

namespace {

constexpr int max_depth = 500;

struct NamedKind {
  std::string_view name;
  Kind kind;
};
constexpr NamedKind binary_names[] = {{"floordiv", Kind::Div},      {"floormod", Kind::Mod},
                                      {"truncdiv", Kind::TruncDiv}, {"truncrem", Kind::TruncRem},
                                      {"min", Kind::Min},           {"max", Kind::Max}};

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

class Parser {
 public:
  Parser(std::string_view text, const std::function<VarPtr(const std::string&)>& resolve)
      : text_(text), resolve_(resolve) {}

  Expr whole() {
    Expr result = disjunction();
    skip_space();
    if (at_ != text_.size()) fail_here("expected an operator or the end");
    return result;
  }

 private:
  template <class... Args>
  [[noreturn]] void fail_here(const Args&... args) const {
    fail(Status::InvalidModel, "expression '", text_, "', column ", at_ + 1, ": ", args...);
  }

  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }

  bool accept(std::string_view token) {
    skip_space();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }

  void expect(std::string_view token) {
    if (!accept(token)) fail_here("expected '", token, "'");
  }

  // Builds a node; a mismatch of types is the text's fault.
  template <class F>
  Expr built(const F& f) const {
    try {
      return f();
    } catch (const Error& error) {
      fail_here(error.text());
    }
  }
  Expr binary(Kind kind, const Expr& a, const Expr& b) const {
    return built([&] { return make(kind, a, b); });
  }

  Expr disjunction() {
    if (++depth_ > max_depth) fail_here("nested too deeply");
    Expr result = conjunction();
    while (accept("||")) result = binary(Kind::Or, result, conjunction());
    --depth_;
    return result;
  }

  Expr conjunction() {
    Expr result = comparison();
    while (accept("&&")) result = binary(Kind::And, result, comparison());
    return result;
  }

  Expr comparison() {
    Expr left = sum();
    if (accept("==")) return binary(Kind::Eq, left, sum());
    if (accept("!=")) return binary(Kind::Ne, left, sum());
    if (accept("<=")) return binary(Kind::Le, left, sum());
    if (accept("<")) return binary(Kind::Lt, left, sum());
    if (accept(">=")) return binary(Kind::Le, sum(), left);
    if (accept(">")) return binary(Kind::Lt, sum(), left);
    return left;
  }

  Expr sum() {
    Expr result = product();
    while (true) {
      if (accept("+"))
        result = binary(Kind::Add, result, product());
      else if (accept("-"))
        result = binary(Kind::Sub, result, product());
      else
        return result;
    }
  }

  Expr product() {
    Expr result = unary();
    while (accept("*")) result = binary(Kind::Mul, result, unary());
    return result;
  }

  Expr unary() {
    skip_space();
    bool digit_follows = at_ + 1 < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_ + 1]));
    if (at_ < text_.size() && text_[at_] == '-' && digit_follows) return integer();
    if (++depth_ > max_depth) fail_here("nested too deeply");
    Expr result;
    if (accept("-"))
      result = binary(Kind::Sub, Expr(0), unary());
    else if (text_.substr(at_, 2) != "!=" && accept("!"))
      result = built([e = unary()] { return make_not(e); });
    else
      result = primary();
    --depth_;
    return result;
  }

  Expr primary() {
    skip_space();
    if (accept("(")) {
      Expr result = disjunction();
      expect(")");
      return result;
    }
    if (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) return integer();
    size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    std::string name(text_.substr(begin, at_ - begin));
    if (name.empty()) fail_here("expected a value");
    if (accept("(")) return function(name);
    if (name == "true" || name == "false") return bool_imm(name == "true");
    VarPtr var = resolve_(name);
    if (!var) fail_here("unknown variable '", name, "'");
    return Expr(var);
  }

  Expr integer() {
    int64_t value = 0;
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) fail_here("an integer of more than 64 bits");
    at_ = size_t(end - text_.data());
    return Expr(value);
  }

  Expr function(const std::string& name) {
    std::vector<Expr> args;
    do args.push_back(disjunction());
    while (accept(","));
    expect(")");
    auto needs = [&](size_t count) {
      if (args.size() != count) fail_here(name, " takes ", count, " operands, got ", args.size());
    };
    for (const NamedKind& entry : binary_names) {
      if (entry.name != name) continue;
      needs(2);
      return binary(entry.kind, args[0], args[1]);
    }
    if (name == "select") {
      needs(3);
      return built([&] { return select(args[0], args[1], args[2]); });
    }
    if (DType dtype = dtype_from_name(name); is_integer(dtype) || dtype == DType::Bool) {
      needs(1);
      return cast(args[0], dtype);
    }
    for (Function f = Function::Abs; f < Function::ReduceAdd; f = Function(int(f) + 1))
      if (function_name(f) == name) return built([&] { return call(f, args); });
    fail_here("unknown function '", name, "'");
  }

  std::string_view text_;
  const std::function<VarPtr(const std::string&)>& resolve_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Expr parse(std::string_view text, const std::function<VarPtr(const std::string& name)>& resolve) {
  return Parser(text, resolve).whole();
}

}  // namespace sardonyx::expr
