#include "compiler/tensor/lower/lower.h"

namespace sardonyx::tensor {

Stmt lower(const Stmt& body, const expr::Scope& scope) {
  Stmt s = add_bound_checks(body);
  s = flatten(s);
  s = simplify(s, scope);
  s = vectorize(s);
  s = legalize_types(s);
  s = expand_math(s);
  return s;
}

}  // namespace sardonyx::tensor
