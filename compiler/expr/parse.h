// Reads expressions that to_string prints, of I64 and Bool:
//
//   or         = and { "||" and }
//   and        = comparison { "&&" comparison }
//   comparison = sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=") sum ]
//   sum        = product { ("+" | "-") product }
//   product    = unary { "*" unary }
//   unary      = [ "-" | "!" ] unary | primary
//   primary    = integer | "true" | "false" | name | name "(" or { "," or } ")" | "(" or ")"
//
// Names followed by "(" are floordiv, floormod, truncdiv, truncrem, min, max, select, a dtype (a cast) or a function of
// integers (abs, bitand ...). Other names are variables, which `resolve` gives. What is built is what was printed: the
// constructors fold constants and nothing else. Example: parse("floordiv(H + 1, 2)", symbol_named).
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "compiler/expr/expr.h"

namespace sardonyx::expr {

// Throws Error(InvalidModel) with the position on text that is no expression, on operands of the wrong type, and when
// `resolve` gives null.
Expr parse(std::string_view text, const std::function<VarPtr(const std::string& name)>& resolve);

}  // namespace sardonyx::expr
