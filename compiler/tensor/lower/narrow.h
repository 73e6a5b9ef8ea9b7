// Conversions of narrow types as expressions: what legalize_types puts where such a value is loaded, computed with and
// stored. A narrow value is held in memory and in registers as its storage: F16 and BF16 as they are, mini floats and
// integers of less than a byte as the byte that they take.
#pragma once
#include "compiler/expr/expr.h"

namespace sardonyx::tensor::narrow {

using expr::Expr;

bool is_narrow_float(DType dtype);   // F16, BF16 and mini floats: computed with in F32
bool is_small_integer(DType dtype);  // U4, I4, U2, I2: computed with in the byte, then extended
// U8 for mini floats, U4 and U2, I8 for I4 and I2, else `dtype` itself.
DType storage_of(DType dtype);

// `number` is not narrow; gives the storage of its cast to the narrow float `dtype`, rounded once.
Expr encode(const Expr& number, DType dtype);
// The F32 number behind the storage of a narrow float.
Expr decode(const Expr& storage, DType dtype);
// The cast of `number`, any but a narrow value, to a small integer, in storage.
Expr to_small_integer(const Expr& number, DType dtype);
// The low bits of the byte `value`, extended.
Expr extended(const Expr& value, DType dtype);

}  // namespace sardonyx::tensor::narrow
