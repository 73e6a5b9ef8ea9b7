// Broadcasting before opset 7: with attribute `broadcast`, B's dims match a run of A's dims that starts at `axis` (by
// default the last ones).
#pragma once
#include "compiler/ops/lowering.h"

namespace sardonyx::ops {

// `count` dims of 1 appended to the shape of x.
Value* trailing_ones(Builder& builder, Value* x, int count);
// Input 1 reshaped so that numpy's rules put it where the node's attributes say; from version 7 on, input 1.
Value* legacy_right_operand(Lowering& in);

}  // namespace sardonyx::ops
