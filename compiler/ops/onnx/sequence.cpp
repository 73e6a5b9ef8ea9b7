// Operators on sequences of tensors.
#include "compiler/ops/containers.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

Value* sequence_input(Lowering& in) {
  in.require(is_sequence(in[0]), Status::InvalidModel, "input 0 is ", graph::to_string(in[0]->type),
             ", expected a sequence");
  return in[0];
}

// An integer scalar that says where; null when it is omitted.
Value* position_input(Lowering& in, int index) {
  Value* position = in.optional(index);
  if (!position) return nullptr;
  in.require(position->type.dtype == DType::I32 || position->type.dtype == DType::I64, Status::InvalidModel, "input ",
             index, " is ", graph::to_string(position->type), ", expected an integer");
  return in.builder().reshape(position, {});
}

std::vector<Value*> lower_construct(Lowering& in) {
  std::vector<Value*> items;
  ValueTypePtr element = container_type(in[0]);
  for (int i = 0; i < in.inputs(); ++i) {
    items.push_back(in[i]);
    element = united(element, container_type(in[i]));
    in.require(element != nullptr, Status::InvalidModel, "inputs of types ", graph::to_string(in[0]->type), " and ",
               graph::to_string(in[i]->type));
  }
  const std::string dtype(dtype_name(element->element_dtype()));
  return {container_call(in.builder(), "sequence_construct", dtype, std::move(items),
                         graph::object_type(sequence_of(element)))};
}

std::vector<Value*> lower_empty(Lowering& in) {
  const auto dtype = DType(in.attr_int("dtype", int64_t(DType::F32)));
  in.require(is_known(dtype), Status::UnsupportedDatatype, "data type ", int(dtype), " is not supported");
  return {empty_sequence(in.builder(), tensor_type(dtype))};
}

std::vector<Value*> lower_insert(Lowering& in) {
  return {sequence_insert(in.builder(), sequence_input(in), in[1], position_input(in, 2))};
}

std::vector<Value*> lower_erase(Lowering& in) {
  std::vector<Value*> operands{sequence_input(in)};
  if (Value* position = position_input(in, 1)) operands.push_back(position);
  return {container_call(in.builder(), "sequence_erase", "", std::move(operands), in[0]->type)};
}

std::vector<Value*> lower_at(Lowering& in) {
  Value* sequence = sequence_input(in);
  in.require(in.optional(1) != nullptr, Status::InvalidModel, "input 1 is required");
  return {sequence_at(in.builder(), sequence, position_input(in, 1))};
}

std::vector<Value*> lower_length(Lowering& in) { return {sequence_length(in.builder(), sequence_input(in))}; }

std::vector<Value*> lower_split(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *split = in.optional(1);
  const int64_t axis = in.axis(in.attr_int("axis", 0), x->type.rank());
  const bool keep = split != nullptr || in.attr_int("keepdims", 1) != 0;
  Dims dims = container_type(x)->dims;
  if (!split) split = b.scalar(DType::I64, 1);
  in.require(is_integer(split->type.dtype) && split->type.rank() <= 1, Status::InvalidModel, "input 1 is ",
             graph::to_string(split->type), ", expected integers");
  const auto length = split->type.rank() == 0 ? b.static_ints(split) : std::nullopt;
  const bool even = length && (*length)[0] > 0 && dims[size_t(axis)] >= 0 && dims[size_t(axis)] % (*length)[0] == 0;
  dims[size_t(axis)] = even ? (*length)[0] : -1;
  if (!keep) dims.erase(dims.begin() + axis);
  return {container_call(b, "split_to_sequence", str(axis, ' ', int(keep)), {x, split},
                         graph::object_type(sequence_of(tensor_type(x->type.dtype, dims))))};
}

std::vector<Value*> lower_concat(Lowering& in) {
  Value* sequence = sequence_input(in);
  const ValueTypePtr element = sequence->type.container->element;
  in.require(element->kind == ValueKind::Tensor, Status::InvalidModel, "input 0 is ", graph::to_string(sequence->type),
             ", expected a sequence of tensors");
  const int64_t fresh = in.attr_int("new_axis", 0);
  in.require(fresh == 0 || fresh == 1, Status::InvalidModel, "new_axis is ", fresh);
  int64_t axis = in.attr_int("axis");
  ValueTypePtr type = tensor_type(element->dtype);
  if (element->ranked) {
    Dims dims = element->dims;
    axis = in.axis(axis, int(dims.size()) + int(fresh));
    if (fresh)
      dims.insert(dims.begin() + axis, -1);
    else
      dims[size_t(axis)] = -1;
    type = tensor_type(element->dtype, std::move(dims));
  }
  graph::TensorType result = graph_type(in.builder(), type);
  const char* object = result.container ? " 1" : "";
  return {container_call(in.builder(), "concat_from_sequence", str(axis, ' ', fresh, object), {sequence},
                         std::move(result))};
}

// One loop over the positions of the first sequence: the body's results are appended to sequences that begin empty.
std::vector<Value*> lower_map(Lowering& in) {
  auto& b = in.builder();
  const Subgraph& body = in.attr_graph("body");
  Value* first = sequence_input(in);
  in.require(int(body.inputs.size()) == in.inputs(), Status::InvalidModel, "the body has ", body.inputs.size(),
             " inputs, expected ", in.inputs());
  in.require(int(body.outputs.size()) >= in.outputs(), Status::InvalidModel, "the body has ", body.outputs.size(),
             " outputs, expected ", in.outputs());
  std::vector<Value*> sequences;
  for (size_t i = 0; i < body.outputs.size(); ++i) {
    in.require(body.output_types[i] != nullptr, Status::InvalidModel, "the body's output '", body.outputs[i],
               "' has no type");
    sequences.push_back(empty_sequence(b, body.output_types[i]));
  }
  return b.loop(sequence_length(b, first), nullptr, std::move(sequences),
                [&](Builder& at, Value* position, Value* condition, std::vector<Value*> carried) {
                  std::vector<Value*> arguments;
                  for (int i = 0; i < in.inputs(); ++i)
                    arguments.push_back(is_sequence(in[i]) ? sequence_at(at, in[i], position) : in[i]);
                  const std::vector<Value*> results = body.build(at, arguments);
                  for (size_t i = 0; i < carried.size(); ++i)
                    carried[i] = sequence_insert(at, carried[i], results[i], nullptr);
                  carried.insert(carried.begin(), condition);
                  return carried;
                });
}

const OnnxOp ops[] = {
    container_row("SequenceConstruct", {11}, lower_construct, {1, -1}),
    container_row("SequenceEmpty", {11}, lower_empty, {0, 0}),
    container_row("SequenceInsert", {11}, lower_insert, {2, 3}),
    container_row("SequenceErase", {11}, lower_erase, {1, 2}),
    container_row("SequenceAt", {11}, lower_at, {2, 2}),
    container_row("SequenceLength", {11}, lower_length),
    container_row("SplitToSequence", {11, 24}, lower_split, {1, 2}),
    container_row("ConcatFromSequence", {11}, lower_concat),
    container_row("SequenceMap", {17}, lower_map, {1, -1}, {1, -1}),
};

}  // namespace
}  // namespace sardonyx::ops
