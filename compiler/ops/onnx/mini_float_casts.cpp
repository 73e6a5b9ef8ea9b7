#include "compiler/ops/onnx/mini_float_casts.h"

#include "runtime/base/mini_float.h"

namespace sardonyx::ops {

PowerOfTwo round_mode(const Lowering& in) {
  const std::string mode = in.attr_string("round_mode", "up");
  in.require(mode == "up" || mode == "down" || mode == "nearest", Status::InvalidModel, "round_mode '", mode,
             "' is none of up, down, nearest");
  return mode == "up" ? PowerOfTwo::Up : mode == "down" ? PowerOfTwo::Down : PowerOfTwo::Nearest;
}

Value* cast_to_mini_float(Builder& b, Value* x, DType dtype, bool saturate, PowerOfTwo mode) {
  if (x->type.dtype == dtype) return x;
  const MiniFloat& format = *mini_float(dtype);
  const bool powers = format.sign == 0;
  // ONNX rounds to powers of two from F32; other formats take their numbers where they are.
  const DType from = x->type.dtype;
  if (powers || !is_float(from) || is_mini_float(from)) x = b.cast(x, DType::F32);
  if (saturate && dtype != DType::F4E2M1) {  // which knows no other way
    const double lowest = powers ? 1 / format.maximum : -format.maximum;
    x = b.minimum(b.maximum(x, b.scalar_like(x, lowest)), b.scalar_like(x, format.maximum));
  }
  if (powers && mode != PowerOfTwo::Nearest) {
    // The nearest power or its neighbour on the wanted side; doubling and halving are exact.
    Value* nearest = b.cast(b.cast(x, dtype), DType::F32);
    const bool up = mode == PowerOfTwo::Up;
    Value* wrong = up ? b.less(nearest, x) : b.less(x, nearest);
    x = b.select(wrong, b.mul(nearest, b.scalar_like(nearest, up ? 2 : 0.5)), nearest);
  }
  return b.cast(x, dtype);
}

}  // namespace sardonyx::ops
