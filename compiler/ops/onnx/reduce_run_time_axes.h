// Reductions whose axes are only known when they run: a host function, since the result's dims depend on them.
#pragma once
#include "compiler/ops/lowering.h"

namespace sardonyx::ops {

// `axes` is an integer tensor of static length, which with keep_dims may be anything.
Value* reduce_run_time_axes(Lowering& in, graph::ReduceFunction function, Value* x, Value* axes, bool keep_dims);

}  // namespace sardonyx::ops
