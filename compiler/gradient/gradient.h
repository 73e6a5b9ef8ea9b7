// Reverse-mode differentiation of graphs of primitives.
//
// Every ONNX operator is lowered to primitives at import, so one rule per primitive kind (rules.h) differentiates all
// of them. The adjoints are ordinary nodes, made with graph::Builder, and can be differentiated again.
//
//   // d(sum of x * w)/dx
//   auto dx = gradients(b, {x}, [&](Builder& inner, const std::vector<Value*>& p) { return inner.mul(p[0], w); });
#pragma once
#include <functional>
#include <vector>

#include "compiler/graph/builder.h"

namespace sardonyx::gradient {

using graph::Builder;
using graph::Value;

using Function = std::function<Value*(Builder& builder, const std::vector<Value*>& arguments)>;

// For every x the derivative of the sum of the elements of y = f(xs), of x's dtype and dims; zeros where y does not
// depend on x. `b` inserts at the end of its region. f is called once, with stand-ins for xs that the builder knows
// nothing about: were they constants, folding would hide how y depends on them.
//
// xs and y must be floats of 16 bits at least (InvalidModel). Throws UnsupportedOperator naming primitive and ONNX node
// when y depends on some x through a node without a derivative. Integers and booleans do not vary: what y depends on
// through them alone counts as constant.
std::vector<Value*> gradients(Builder& b, const std::vector<Value*>& xs, const Function& f);

// Gradients of gradients multiply nodes; more in one graph are refused (UnsupportedShape).
inline constexpr int64_t max_differentiated_nodes = 100'000;

}  // namespace sardonyx::gradient
