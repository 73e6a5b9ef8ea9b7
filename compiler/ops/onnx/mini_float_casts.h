// Casts to floats of 8 and 4 bits as Cast, CastLike and QuantizeLinear define them, from clamping and exact arithmetic.
#pragma once
#include "compiler/ops/lowering.h"

namespace sardonyx::ops {

// To FLOAT8E8M0: the power of two away from zero, towards zero, or the nearest one (ties go up).
enum class PowerOfTwo { Up, Down, Nearest };
// The attribute "round_mode"; Up when there is none. Throws InvalidModel on other values.
PowerOfTwo round_mode(const Lowering& in);

// `x`, of any type that casts, as mini float `dtype`. With `saturate` numbers and infinities out of range become the
// extreme finite value; without, what the format has for them (infinity, NaN). `mode` matters to FLOAT8E8M0 only.
Value* cast_to_mini_float(Builder& b, Value* x, DType dtype, bool saturate, PowerOfTwo mode);

}  // namespace sardonyx::ops
