#include "compiler/ops/bind.h"

#include "compiler/expr/simplify.h"
#include "compiler/graph/symbols.h"

namespace sardonyx::ops {

graph::AttributesPtr bind_symbols(const graph::Attributes& attributes, const SymbolValues& values) {
  return graph::map_attribute_exprs(attributes,
                                    [&](const graph::Expr& e) -> graph::Expr { return expr::evaluate(e, values); });
}

}  // namespace sardonyx::ops
