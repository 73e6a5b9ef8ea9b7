#include "compiler/gradient/gradient.h"

#include "compiler/gradient/adjoints.h"
#include "runtime/base/status.h"

namespace sardonyx::gradient {

namespace {

bool has_gradient(DType dtype) {
  return dtype == DType::F16 || dtype == DType::BF16 || dtype == DType::F32 || dtype == DType::F64;
}

std::vector<Value*> adjoints_of(Builder& b, const std::vector<Value*>& xs, Value* y) {
  require(has_gradient(y->type.dtype), Status::InvalidModel, "the gradient of ", to_string(y->type),
          ": only floats of 16 bits at least have one");
  std::vector<Node*> nodes;
  for (const auto& node : b.region().nodes()) nodes.push_back(node.get());
  Adjoints adjoints(b, xs);
  adjoints.mark(nodes);
  adjoints.add(y, b.full(b.scalar_like(y, 1), y->type.dims));
  adjoints.sweep(nodes);
  std::vector<Value*> results;
  for (Value* x : xs) results.push_back(adjoints.or_zeros(x));
  return results;
}

}  // namespace

std::vector<Value*> gradients(Builder& b, const std::vector<Value*>& xs, const Function& f) {
  graph::Graph& graph = b.graph();
  // The stand-ins are parameters of the region of a node that is gone in the end; its nodes stay.
  Node* holder = graph.create(b.region(), nullptr, Op::fused, std::make_shared<graph::FusedAttrs>(), {}, {});
  graph::Region& region = *graph.add_region(holder);
  std::vector<Value*> parameters;
  for (const Value* x : xs) {
    require(has_gradient(x->type.dtype), Status::InvalidModel, "the gradient by ", to_string(x->type),
            ": only floats of 16 bits at least have one");
    parameters.push_back(region.add_parameter(x->type));
  }
  Builder inner(graph);
  inner.insert_at_end(region);
  std::vector<Value*> results = adjoints_of(inner, parameters, f(inner, parameters));

  while (!region.nodes().empty()) graph.move_before(region.nodes().front().get(), holder);
  for (size_t i = 0; i < xs.size(); ++i) {
    graph.replace_all_uses(parameters[i], xs[i]);
    for (Value*& result : results)
      if (result == parameters[i]) result = xs[i];
  }
  graph.erase(holder);
  return results;
}

}  // namespace sardonyx::gradient
