// Strings in primitives. A primitive that moves elements moves their numbers instead, as integers, and one host
// function takes the texts that the numbers name; so every such primitive has one meaning, whatever it moves:
//
//   transpose(s: string[2,3])  =  take_texts(s, transpose(reshape(iota(6), [2,3])))
//
// Comparisons look at ranks. Nothing else is defined on strings.
#include "compiler/expr/simplify.h"
#include "compiler/graph/builder.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {

namespace {

bool moves(Op op, const Attributes& attributes) {
  switch (op) {
    case Op::select:
    case Op::broadcast:
    case Op::reshape:
    case Op::transpose:
    case Op::slice:
    case Op::pad:
    case Op::concat:
    case Op::gather:
    case Op::gather_elements:
    case Op::gather_nd:
      return true;
    case Op::scatter_elements:
    case Op::scatter_nd:
      return static_cast<const ScatterAttrs&>(attributes).reduction == ScatterReduce::None;
    default:
      return false;
  }
}

}  // namespace

Node* Builder::create_on_texts(Op op, AttributesPtr attributes, std::vector<Value*> operands) {
  require(moves(op, *attributes), Status::InvalidModel, op_name(op), " is not defined on strings");
  std::vector<Value*> texts;
  Expr first = 0;
  for (Value*& operand : operands) {
    if (operand->type.dtype != DType::String) continue;
    texts.push_back(operand);
    const Expr count = element_count(operand->type);
    Value* numbers = add(iota(DType::I64, {count}, 0), dims_tensor({first}, {}));
    operand = reshape(numbers, operand->type.dims);
    first = expr::simplify(first + count);
  }
  Value* numbers = create(op, std::move(attributes), std::move(operands))->result();
  TensorType type{DType::String, numbers->type.dims, {}};
  texts.insert(texts.begin(), numbers);
  return value_call("take_texts", "", std::move(texts), {std::move(type)})[0]->producer;
}

std::vector<Value*> Builder::text_ranks(std::vector<Value*> texts) {
  std::vector<TensorType> types;
  for (const Value* text : texts) {
    require(text->type.dtype == DType::String, Status::InvalidModel, "ranks of ", to_string(text->type),
            ": expected strings");
    types.push_back({DType::I64, text->type.dims, {}});
  }
  return value_call("text_ranks", "", std::move(texts), std::move(types));
}

Value* Builder::cast_text(Value* x, DType dtype) {
  require(x->type.dtype != DType::Object, Status::InvalidModel, "cast of ", to_string(x->type));
  // What C++ has no type for is read as what it has.
  const bool narrow_float = is_float(dtype) && dtype != DType::F32 && dtype != DType::F64;
  const bool narrow_integer = is_integer(dtype) && bits_of_element(dtype) < 8;
  if (narrow_float || narrow_integer) return cast(cast_text(x, narrow_float ? DType::F32 : DType::I64), dtype);
  const DType number = dtype == DType::String ? x->type.dtype : dtype;
  require(is_float(number) || is_integer(number) || number == DType::Bool, Status::UnsupportedDatatype,
          "casts between strings and ", dtype_name(number), " are not supported");
  const char* name = dtype == DType::String ? "show_numbers" : "read_numbers";
  return value_call(name, std::string(dtype_name(dtype)), {x}, {{dtype, x->type.dims, {}}})[0];
}

}  // namespace sardonyx::graph
