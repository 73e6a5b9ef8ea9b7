// FlexAttention of ai.onnx.preview: attention whose scores and probabilities pass through subgraphs of the model.
#include "compiler/ops/onnx/attention_heads.h"

namespace sardonyx::ops {
namespace {

// `x` through the subgraph `name`, which must keep its type.
Value* modified(Lowering& in, Value* x, const char* name) {
  if (!in.has(name)) return x;
  const Subgraph& subgraph = in.attr_graph(name);
  in.require(subgraph.inputs.size() == 1 && subgraph.outputs.size() == 1, Status::InvalidModel, name,
             " must have one input and one output");
  Value* result = subgraph.build(in.builder(), {x}).at(0);
  in.require(result->type.dtype == x->type.dtype && result->type.rank() == x->type.rank(), Status::InvalidModel, name,
             " makes ", graph::to_string(result->type), " of ", graph::to_string(x->type));
  for (size_t i = 0; i < x->type.dims.size(); ++i)
    in.builder().require_equal(result->type.dims[i], x->type.dims[i], str("a dim of ", name));
  return result;
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  const AttentionHeads heads(in, in[0], in[1], in[2]);
  const DType dtype = in[0]->type.dtype;
  const DType fallback = dtype == DType::F64 ? DType::F64 : DType::F32;
  const DType precision = DType(in.attr_int("softmax_precision", int64_t(fallback)));
  in.require(is_float(precision), Status::InvalidModel, "softmax_precision ", int(precision), " is no float type");
  Value* scale = in.has("scale") ? b.scalar(precision, in.attr_float("scale")) : attention_scale(b, in[0], precision);
  Value* scores = modified(in, b.mul(b.cast(heads.scores(), precision), scale), "score_mod");
  Value* probabilities = modified(in, b.softmax(scores, 3), "prob_mod");
  return {b.cast(heads.weighted(probabilities), dtype)};
}

const OnnxOp op{
    {.name = "FlexAttention", .domain = "ai.onnx.preview", .since = {{1, lower}}, .inputs = {3, 3}, .outputs = {1, 1}}};

}  // namespace
}  // namespace sardonyx::ops
