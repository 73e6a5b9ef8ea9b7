// slice, concat and pad: regions of tensors cut out, put side by side, and surrounded.
#include "compiler/ops/primitive/common.h"

namespace sardonyx::ops {
namespace {

using graph::AxisAttrs;
using graph::PadAttrs;
using graph::PadMode;
using graph::SliceAttrs;

std::vector<TensorType> infer_slice(const Attributes& attributes, Types operands) {
  expect_operands(Op::slice, operands, 1);
  const auto& slice = as<SliceAttrs>(attributes);
  const TensorType& x = operands[0];
  require(
      slice.starts.size() == x.dims.size() && slice.dims.size() == x.dims.size() && slice.steps.size() == x.dims.size(),
      Status::InvalidModel, "slice of ", graph::to_string(x), " needs ", x.dims.size(), " starts, dims and steps, got ",
      slice.starts.size(), ", ", slice.dims.size(), ", ", slice.steps.size());
  for (size_t i = 0; i < x.dims.size(); ++i) {
    require(slice.steps[i] != 0, Status::InvalidModel, "slice of ", graph::to_string(x), ": step ", i, " is 0");
    const auto start = expr::as_int(slice.starts[i]), count = expr::as_int(slice.dims[i]),
               dim = expr::as_int(x.dims[i]);
    if (!start || !count || !dim || *count == 0) continue;
    int64_t last = 0;
    const bool overflow = __builtin_sub_overflow(*count, int64_t{1}, &last) ||
                          __builtin_mul_overflow(last, slice.steps[i], &last) ||
                          __builtin_add_overflow(last, *start, &last);
    const bool fits = !overflow && *count > 0 && *start >= 0 && *start < *dim && last >= 0 && last < *dim;
    require(fits, Status::InvalidModel, "slice of ", graph::to_string(x), " on axis ", i, " reads [", *start, ", ",
            last, "]");
  }
  return {{x.dtype, simplified(slice.dims), {}}};
}

std::vector<Term> express_slice(const Attributes& attributes, Terms operands, Types results, ProgramBuilder&) {
  const Term x = operands[0];
  const Exprs starts = as<SliceAttrs>(attributes).starts;
  const graph::Ints steps = as<SliceAttrs>(attributes).steps;
  return {{x.dtype, results[0].dims, [=](const Index& index) {
             Index source(index.size());
             for (size_t i = 0; i < index.size(); ++i)
               source[i] = expr::simplify(starts[i] + index[i] * Expr(steps[i]));
             return x.at(source);
           }}};
}

std::vector<TensorType> infer_concat(const Attributes& attributes, Types operands) {
  const int64_t axis = as<AxisAttrs>(attributes).axis;
  require(!operands.empty(), Status::InvalidModel, "concat of no operands");
  TensorType result = operands[0];
  require(axis >= 0 && axis < result.rank(), Status::InvalidModel, "concat: axis ", axis, " is out of range for ",
          graph::to_string(result));
  for (const TensorType& other : operands.subspan(1)) {
    expect_same_dtype(Op::concat, result, other);
    require(other.rank() == result.rank(), Status::InvalidModel, "concat: ranks differ in ", type_list(operands));
    for (size_t i = 0; i < result.dims.size(); ++i) {
      if (int64_t(i) == axis)
        result.dims[i] = result.dims[i] + other.dims[i];
      else
        result.dims[i] = unify(Op::concat, result.dims[i], other.dims[i], operands[0], other);
    }
    if (!(other.layout == result.layout)) result.layout = {};
  }
  result.dims[size_t(axis)] = expr::simplify(result.dims[size_t(axis)]);
  return {result};
}

std::vector<Term> express_concat(const Attributes& attributes, Terms operands, Types results, ProgramBuilder&) {
  const size_t axis = size_t(as<AxisAttrs>(attributes).axis);
  const std::vector<Term> parts(operands.begin(), operands.end());
  Exprs begins{Expr(0)};
  for (const Term& part : parts) begins.push_back(expr::simplify(begins.back() + part.dims[axis]));
  return {{results[0].dtype, results[0].dims, [=](const Index& index) {
             Expr result;
             for (size_t k = parts.size(); k-- > 0;) {
               Index source = index;
               source[axis] = expr::simplify(index[axis] - begins[k]);
               const Expr value = parts[k].at(source);
               result = result.defined() ? expr::select(index[axis] < begins[k + 1], value, result) : value;
             }
             return result;
           }}};
}

std::vector<TensorType> infer_pad(const Attributes& attributes, Types operands) {
  const auto& pad = as<PadAttrs>(attributes);
  require(operands.size() == 1 || operands.size() == 2, Status::InvalidModel, "pad expects 1 or 2 operands, got ",
          operands.size());
  const TensorType& x = operands[0];
  require(pad.before.size() == x.dims.size() && pad.after.size() == x.dims.size(), Status::InvalidModel, "pad of ",
          graph::to_string(x), " got ", pad.before.size(), " and ", pad.after.size(), " pads");
  if (pad.mode == PadMode::Constant) {
    require(operands.size() == 2 && operands[1].rank() == 0, Status::InvalidModel,
            "pad in constant mode expects data and a scalar, got ", type_list(operands));
    expect_same_dtype(Op::pad, x, operands[1]);
  }
  TensorType result{x.dtype, {}, {}};
  for (size_t i = 0; i < x.dims.size(); ++i)
    result.dims.push_back(expr::simplify(x.dims[i] + pad.before[i] + pad.after[i]));
  return {result};
}

// Position in [0, dim) that the padded position shows. All formulas are the identity inside.
Expr reflected(PadMode mode, const Expr& position, const Expr& dim) {
  switch (mode) {
    case PadMode::Edge:
      return expr::max(Expr(0), expr::min(position, dim - 1));
    case PadMode::Wrap:
      return position % dim;
    case PadMode::Reflect: {
      const Expr period = expr::max(Expr(1), dim * 2 - 2);
      const Expr phase = position % period;
      return expr::min(phase, period - phase);
    }
    case PadMode::Constant:
      break;
  }
  return position;
}

std::vector<Term> express_pad(const Attributes& attributes, Terms operands, Types results, ProgramBuilder&) {
  const Term x = operands[0];
  const auto pad = as<PadAttrs>(attributes);
  const Term fill = operands.size() > 1 ? operands[1] : Term{};
  return {{x.dtype, results[0].dims, [=](const Index& index) {
             Index source(index.size());
             Exprs inside;
             for (size_t i = 0; i < index.size(); ++i) {
               const bool before = !expr::is_const(pad.before[i], 0), after = !expr::is_const(pad.after[i], 0);
               source[i] = before ? expr::simplify(index[i] - pad.before[i]) : index[i];
               if (!before && !after) continue;
               if (pad.mode != PadMode::Constant) {
                 source[i] = expr::simplify(reflected(pad.mode, source[i], x.dims[i]));
                 continue;
               }
               if (before) inside.push_back(source[i] >= Expr(0));
               if (after) inside.push_back(source[i] < x.dims[i]);
             }
             const Expr value = x.at(source);
             return inside.empty() ? value : expr::select(all_of(inside), value, fill.at({}));
           }}};
}

const RegisterOp slice_registration{
    {.op = Op::slice, .traits = graph::Injective, .infer = infer_slice, .express = express_slice}};
const RegisterOp concat_registration{
    {.op = Op::concat, .traits = graph::Injective, .infer = infer_concat, .express = express_concat}};
const RegisterOp pad_registration{
    {.op = Op::pad, .traits = graph::Injective, .infer = infer_pad, .express = express_pad}};

}  // namespace
}  // namespace sardonyx::ops
