// reduce, arg_reduce and cumulate. F16 and BF16 accumulate in F32.
#include <algorithm>

#include "compiler/ops/primitive/common.h"

namespace sardonyx::ops {
namespace {

using graph::ArgReduceAttrs;
using graph::CumulateAttrs;
using graph::ReduceAttrs;
using graph::ReduceFunction;
using tensor::Reduce;

Reduce reduction(ReduceFunction function) {
  switch (function) {
    case ReduceFunction::Sum:
      return Reduce::Sum;
    case ReduceFunction::Product:
      return Reduce::Product;
    case ReduceFunction::Max:
      return Reduce::Max;
    case ReduceFunction::Min:
      return Reduce::Min;
  }
  return Reduce::None;
}

// The index of the operand: `kept` indices with those of the reduced `axes` (sorted) put in.
Index merge_index(const Index& kept, const Index& reduced, const graph::Ints& axes) {
  Index result;
  size_t next_kept = 0, next_reduced = 0;
  for (size_t i = 0; i < kept.size() + reduced.size(); ++i) {
    const bool is_reduced = next_reduced < axes.size() && axes[next_reduced] == int64_t(i);
    result.push_back(is_reduced ? reduced[next_reduced++] : kept[next_kept++]);
  }
  return result;
}

std::vector<TensorType> infer_reduce(const Attributes& attributes, Types operands) {
  expect_operands(Op::reduce, operands, 1);
  const auto& reduce = as<ReduceAttrs>(attributes);
  const TensorType& x = operands[0];
  require(std::is_sorted(reduce.axes.begin(), reduce.axes.end()) &&
              std::adjacent_find(reduce.axes.begin(), reduce.axes.end()) == reduce.axes.end() &&
              (reduce.axes.empty() || (reduce.axes.front() >= 0 && reduce.axes.back() < x.rank())),
          Status::InvalidModel, "reduce: axes [", join(reduce.axes, ","), "] do not fit ", graph::to_string(x));
  const bool orders = reduce.function == ReduceFunction::Max || reduce.function == ReduceFunction::Min;
  require(is_float(x.dtype) || is_integer(x.dtype) || (orders && x.dtype == DType::Bool), Status::InvalidModel,
          "reduce ", graph::reduce_names[int(reduce.function)], " does not accept ", graph::to_string(x));
  TensorType result{x.dtype, {}, {}};
  for (int64_t i = 0; i < x.rank(); ++i)
    if (!std::binary_search(reduce.axes.begin(), reduce.axes.end(), i)) result.dims.push_back(x.dims[size_t(i)]);
  return {result};
}

std::vector<Term> express_reduce(const Attributes& attributes, Terms operands, Types results, ProgramBuilder& program) {
  const auto reduce = as<ReduceAttrs>(attributes);
  const DType dtype = operands[0].dtype;
  // Bools are ordered as bytes.
  const DType working = dtype == DType::Bool ? DType::U8 : accumulation_dtype(dtype);
  const Term x = cast_term(operands[0], working);
  Exprs extents;
  for (int64_t axis : reduce.axes) extents.push_back(x.dims[size_t(axis)]);
  const Term result =
      program.reduce("reduce", reduction(reduce.function), working, results[0].dims, extents,
                     [=](const Index& out, const Index& in) { return x.at(merge_index(out, in, reduce.axes)); });
  return {cast_term(result, dtype)};
}

std::vector<TensorType> infer_arg_reduce(const Attributes& attributes, Types operands) {
  expect_operands(Op::arg_reduce, operands, 1);
  const int64_t axis = as<ArgReduceAttrs>(attributes).axis;
  const TensorType& x = operands[0];
  require(axis >= 0 && axis < x.rank() && (is_float(x.dtype) || is_integer(x.dtype)), Status::InvalidModel,
          "arg_reduce over axis ", axis, " does not accept ", graph::to_string(x));
  TensorType result{DType::I64, x.dims, {}};
  result.dims.erase(result.dims.begin() + axis);
  return {result};
}

// First the extreme value, then the smallest (or largest) index that has it. A NaN is the extreme value wherever there
// is one, and only NaNs are then looked for.
std::vector<Term> express_arg_reduce(const Attributes& attributes, Terms operands, Types results,
                                     ProgramBuilder& program) {
  const auto arg = as<ArgReduceAttrs>(attributes);
  const graph::Ints axes{arg.axis};
  const Term x = cast_term(operands[0], accumulation_dtype(operands[0].dtype));
  const Expr extent = x.dims[size_t(arg.axis)];
  const Term best = program.reduce("best", arg.maximum ? Reduce::Max : Reduce::Min, x.dtype, results[0].dims, {extent},
                                   [=](const Index& out, const Index& in) { return x.at(merge_index(out, in, axes)); });
  const Reduce pick = arg.last ? Reduce::Max : Reduce::Min;
  return {program.reduce("arg", pick, DType::I64, results[0].dims, {extent}, [=](const Index& out, const Index& in) {
    const Expr value = x.at(merge_index(out, in, axes));
    Expr hit = value == best.at(out);
    if (is_float(x.dtype)) hit = hit || expr::call(expr::Function::IsNan, {value});
    return expr::select(hit, in[0], tensor::identity_of(pick, DType::I64));
  })};
}

std::vector<TensorType> infer_cumulate(const Attributes& attributes, Types operands) {
  expect_operands(Op::cumulate, operands, 1);
  const int64_t axis = as<CumulateAttrs>(attributes).axis;
  const TensorType& x = operands[0];
  require(axis >= 0 && axis < x.rank() && (is_float(x.dtype) || is_integer(x.dtype)), Status::InvalidModel,
          "cumulate along axis ", axis, " does not accept ", graph::to_string(x));
  return {{x.dtype, x.dims, {}}};
}

// The scan always runs upwards; `reverse` mirrors its coordinate and `exclusive` reads one step behind.
std::vector<Term> express_cumulate(const Attributes& attributes, Terms operands, Types results,
                                   ProgramBuilder& program) {
  const auto cumulate = as<CumulateAttrs>(attributes);
  const size_t axis = size_t(cumulate.axis);
  const Term x = cast_term(operands[0], accumulation_dtype(operands[0].dtype));
  const Expr extent = x.dims[axis];
  const Reduce kind = reduction(cumulate.function);
  const Expr identity = tensor::identity_of(kind, x.dtype);
  const auto mirrored = [=](Index index) {
    if (cumulate.reverse) index[axis] = expr::simplify(extent - 1 - index[axis]);
    return index;
  };
  const auto behind = [=](Index index) {
    index[axis] = expr::simplify(index[axis] - 1);
    return index;
  };
  const auto before = [=](const Term& term, const Index& index) {
    return expr::select(index[axis] > Expr(0), term.at(behind(index)), identity);
  };
  const Term sums = program.scan(
      "cumulate", x.dtype, results[0].dims, int(axis),
      [=](const Index& i, const Term& self) { return tensor::combine(kind, before(self, i), x.at(mirrored(i))); });
  if (!cumulate.reverse && !cumulate.exclusive) return {cast_term(sums, results[0].dtype)};
  const Term result{x.dtype, results[0].dims, [=](const Index& index) {
                      const Index i = mirrored(index);
                      return cumulate.exclusive ? before(sums, i) : sums.at(i);
                    }};
  return {cast_term(result, results[0].dtype)};
}

const RegisterOp reduce_registration{
    {.op = Op::reduce, .traits = graph::Reduction, .infer = infer_reduce, .express = express_reduce}};
const RegisterOp arg_reduce_registration{
    {.op = Op::arg_reduce, .traits = graph::Reduction, .infer = infer_arg_reduce, .express = express_arg_reduce}};
const RegisterOp cumulate_registration{
    {.op = Op::cumulate, .traits = graph::Scan, .infer = infer_cumulate, .express = express_cumulate}};

}  // namespace
}  // namespace sardonyx::ops
