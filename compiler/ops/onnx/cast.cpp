// Cast and CastLike.
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/mini_float_casts.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

constexpr const char* onnx_names[] = {"",       "FLOAT",  "UINT8",     "INT8",       "UINT16",  "INT16",
                                      "INT32",  "INT64",  "STRING",    "BOOL",       "FLOAT16", "DOUBLE",
                                      "UINT32", "UINT64", "COMPLEX64", "COMPLEX128", "BFLOAT16"};

// Opset 1 names the type, later ones give its number.
DType target(Lowering& in) {
  if (in.version() >= 6) {
    const int64_t to = in.attr_int("to");
    in.require(to > 0 && to <= 0xff && is_known(DType(to)), Status::InvalidModel, "data type ", to, " is unknown");
    return DType(to);
  }
  std::string name = in.attr_string("to");
  for (size_t i = 1; i < std::size(onnx_names); ++i)
    if (name == onnx_names[i]) return DType(i);
  in.fail(Status::InvalidModel, "data type '", name, "' is unknown");
}

Value* cast(Lowering& in, DType dtype) {
  for (DType side : {in[0]->type.dtype, dtype})
    in.require(is_float(side) || is_integer(side) || side == DType::Bool || side == DType::String,
               Status::UnsupportedDatatype, "casts of data type ", is_known(side) ? dtype_name(side) : "?", " (",
               int(side), ") are not supported");
  if (!is_mini_float(dtype)) return in.builder().cast(in[0], dtype);
  Value* x = in[0]->type.dtype == DType::String ? in.builder().cast(in[0], DType::F32) : in[0];
  return cast_to_mini_float(in.builder(), x, dtype, in.attr_int("saturate", 1) != 0, round_mode(in));
}

std::vector<Value*> lower_cast(Lowering& in) { return {cast(in, target(in))}; }
std::vector<Value*> lower_cast_like(Lowering& in) { return {cast(in, in[1]->type.dtype)}; }

const OnnxOp cast_op{operator_row("Cast", {1, 6, 9, 13, 19, 21, 23, 24, 25}, lower_cast)};
const OnnxOp cast_like{operator_row("CastLike", {15, 19, 21, 23, 24, 25}, lower_cast_like, {2, 2})};

}  // namespace
}  // namespace sardonyx::ops
