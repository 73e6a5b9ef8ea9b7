// CumSum and CumProd.
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

template <graph::ReduceFunction function>
std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  int rank = x->type.rank();
  bool exclusive = in.attr_int("exclusive", 0) != 0, reverse = in.attr_int("reverse", 0) != 0;
  auto along = [&](int64_t axis) { return b.cumulate(function, x, axis, exclusive, reverse); };
  in.require(graph::same_dims({graph::element_count(in[1]->type)}, {Expr(1)}), Status::InvalidModel, "the axis is ",
             graph::to_string(in[1]->type), ", expected a scalar");
  if (auto axis = b.static_ints(in[1])) return {along(in.axis((*axis)[0], rank))};
  // An axis that only the run knows chooses among the results along every axis.
  Value* chosen = b.cast(b.reshape(in[1], {}), DType::I64);
  const Expr run_time = b.values_of(chosen)[0];
  b.check(Expr(int64_t(-rank)) <= run_time && run_time < Expr(int64_t(rank)), Status::InvalidModel,
          str("node '", in.node(), "' (", in.op(), "): the axis is out of range"));
  Value* result = along(0);
  for (int64_t axis = 1; axis < rank; ++axis) {
    Value* this_axis = b.binary(graph::BinaryFunction::Or, b.equal(chosen, b.scalar_like(chosen, double(axis))),
                                b.equal(chosen, b.scalar_like(chosen, double(axis - rank))));
    result = b.select(this_axis, along(axis), result);
  }
  return {result};
}

const OnnxOp ops[] = {
    operator_row("CumSum", {11, 14}, lower<graph::ReduceFunction::Sum>, {2, 2}),
    operator_row("CumProd", {26}, lower<graph::ReduceFunction::Product>, {2, 2}),
};

}  // namespace
}  // namespace sardonyx::ops
