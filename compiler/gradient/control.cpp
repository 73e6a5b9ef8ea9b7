// if: another if on the same condition, whose branches repeat those of the first and give the adjoints of what they
// read.
#include "compiler/gradient/rules.h"

namespace sardonyx::gradient {

void differentiate_if(Adjoints& a, const Node& node) {
  std::vector<Value*> variables;
  for (Value* value : captured_values(node))
    if (a.varies(value)) variables.push_back(value);
  const auto branch = [&](int side) {
    return [&, side](Builder& inner) {
      const size_t start = inner.region().nodes().size();
      graph::ValueMap copies;
      const std::vector<Value*> outputs =
          graph::clone_body(*node.regions[size_t(side)], inner.region(), nullptr, copies);
      std::vector<Node*> nodes;
      for (auto it = std::next(inner.region().nodes().begin(), long(start)); it != inner.region().nodes().end(); ++it)
        nodes.push_back(it->get());
      Adjoints adjoints(inner, variables);
      adjoints.mark(nodes);
      for (size_t i = 0; i < outputs.size(); ++i)
        if (Value* upper = a.of(node.result(int(i))); upper && adjoints.varies(outputs[i]))
          adjoints.add(outputs[i], inner.reshape(upper, outputs[i]->type.dims));
      adjoints.sweep(nodes);
      std::vector<Value*> results;
      for (const Value* variable : variables) results.push_back(adjoints.or_zeros(variable));
      return results;
    };
  };
  const std::vector<Value*> results = a.builder().if_then_else(node.operand(0), branch(0), branch(1));
  for (size_t i = 0; i < variables.size(); ++i) a.add(variables[i], results[i]);
}

}  // namespace sardonyx::gradient
