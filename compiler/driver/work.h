// The work of a group, counted from its nodes: what the times of `sardonyx bench --kernels` are held against.
#pragma once
#include "compiler/graph/graph.h"

namespace sardonyx::driver {

struct Work {
  expr::Expr flops = 0;  // as the graph says, whatever the kernel does; a multiply-add is two
  expr::Expr bytes = 0;  // operands and results, each once
};

// Of one execution of a `fused` or `copy` node whose operands and results have their layouts.
Work work_of(const graph::Node& node);

// Bytes of a tensor in memory, padding of blocks included.
expr::Expr physical_bytes(const graph::TensorType& type);

// With symbols at typical values (sketch::typical); 0 where that divides by zero.
double typical_work(const expr::Expr& work);

}  // namespace sardonyx::driver
