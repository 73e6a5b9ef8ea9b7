// Gradient of ai.onnx.preview.training: derivatives of a tensor of the graph around the node by others of it, at the
// values of the node's inputs.
#include <set>

#include "compiler/gradient/gradient.h"
#include "compiler/ops/lowering.h"

namespace sardonyx::ops {
namespace {

// Inputs are the values of `xs`, then of `zs`. What lies between them and `y` is built again around these values, so a
// Gradient in between is too, and derivatives of any order come of themselves. Of a y with several elements it is the
// derivative of their sum.
std::vector<Value*> lower(Lowering& in) {
  std::vector<std::string> names = in.attr_strings("xs");
  const size_t variables = names.size();
  for (const std::string& name : in.attr_strings("zs", std::vector<std::string>())) names.push_back(name);
  in.require(names.size() == size_t(in.inputs()), Status::InvalidModel, "has ", in.inputs(), " inputs for ",
             names.size(), " names in 'xs' and 'zs'");
  in.require(std::set<std::string>(names.begin(), names.end()).size() == names.size(), Status::InvalidModel,
             "a name is repeated in 'xs' and 'zs'");
  in.require(size_t(in.outputs()) <= variables, Status::InvalidModel, "has ", in.outputs(), " outputs for ", variables,
             " names in 'xs'");
  const std::string y = in.attr_string("y");
  std::vector<Value*> xs, values;
  for (int i = 0; i < in.inputs(); ++i) (size_t(i) < variables ? xs : values).push_back(in[i]);
  return gradient::gradients(in.builder(), xs, [&](Builder& builder, std::vector<Value*> arguments) {
    arguments.insert(arguments.end(), values.begin(), values.end());
    Value* result = in.surroundings()(builder, names, arguments, y);
    builder.set_sources({in.node()});
    return result;
  });
}

const OnnxOp op{{.name = "Gradient",
                 .domain = "ai.onnx.preview.training",
                 .since = {{1, lower}},
                 .inputs = {1, -1},
                 .outputs = {1, -1}}};

}  // namespace
}  // namespace sardonyx::ops
