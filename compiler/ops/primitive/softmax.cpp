// softmax, layer_norm and lrn: the composites that vendor libraries know. Their expressions are the numerically stable
// multi-stage forms; F16 and BF16 are computed in F32.
#include "compiler/ops/primitive/common.h"

namespace sardonyx::ops {
namespace {

using expr::Function;
using graph::LayerNormAttrs;
using graph::LrnAttrs;
using graph::SoftmaxAttrs;
using tensor::Reduce;

void expect_float(Op op, const TensorType& x) {
  require(is_float(x.dtype), Status::InvalidModel, graph::op_name(op), " does not accept ", graph::to_string(x));
}

// A possibly negative axis.
size_t normalized(Op op, int64_t axis, const TensorType& x) {
  require(axis >= -x.rank() && axis < x.rank(), Status::InvalidModel, graph::op_name(op), ": axis ", axis,
          " is out of range for ", graph::to_string(x));
  return size_t(axis < 0 ? axis + x.rank() : axis);
}

Index without(Index index, size_t axis) {
  index.erase(index.begin() + long(axis));
  return index;
}

Index with(Index index, size_t axis, const Expr& value) {
  index.insert(index.begin() + long(axis), value);
  return index;
}

std::vector<TensorType> infer_softmax(const Attributes& attributes, Types operands) {
  expect_operands(Op::softmax, operands, 1);
  expect_float(Op::softmax, operands[0]);
  normalized(Op::softmax, as<SoftmaxAttrs>(attributes).axis, operands[0]);
  return {operands[0]};
}

std::vector<Term> express_softmax(const Attributes& attributes, Terms operands, Types results,
                                  ProgramBuilder& program) {
  const auto softmax = as<SoftmaxAttrs>(attributes);
  const size_t axis = normalized(Op::softmax, softmax.axis, results[0]);
  const Term x = cast_term(operands[0], accumulation_dtype(results[0].dtype));
  const Exprs dims = results[0].dims, rows = without(dims, axis);
  const Expr extent = dims[axis];
  const Term top = program.reduce("max", Reduce::MaxNumber, x.dtype, rows, {extent},
                                  [=](const Index& row, const Index& in) { return x.at(with(row, axis, in[0])); });
  const auto shifted = [=](const Index& index) { return x.at(index) - top.at(without(index, axis)); };
  if (softmax.log) {
    const Term sum =
        program.reduce("sum", Reduce::Sum, x.dtype, rows, {extent}, [=](const Index& row, const Index& in) {
          return expr::call(Function::Exp, {shifted(with(row, axis, in[0]))});
        });
    const Term log_sum = program.stage("log_sum", x.dtype, rows,
                                       [=](const Index& row) { return expr::call(Function::Log, {sum.at(row)}); });
    const Term result{x.dtype, dims,
                      [=](const Index& index) { return shifted(index) - log_sum.at(without(index, axis)); }};
    return {cast_term(result, results[0].dtype)};
  }
  const Term exps = program.stage("exp", x.dtype, dims,
                                  [=](const Index& index) { return expr::call(Function::Exp, {shifted(index)}); });
  const Term sum = program.reduce("sum", Reduce::Sum, x.dtype, rows, {extent},
                                  [=](const Index& row, const Index& in) { return exps.at(with(row, axis, in[0])); });
  const Term result{x.dtype, dims, [=](const Index& index) { return exps.at(index) / sum.at(without(index, axis)); }};
  return {cast_term(result, results[0].dtype)};
}

std::vector<TensorType> infer_layer_norm(const Attributes& attributes, Types operands) {
  expect_operands(Op::layer_norm, operands, 3);
  const TensorType& x = operands[0];
  expect_float(Op::layer_norm, x);
  const size_t axis = normalized(Op::layer_norm, as<LayerNormAttrs>(attributes).axis, x);
  for (const TensorType& parameter : operands.subspan(1)) {
    expect_same_dtype(Op::layer_norm, x, parameter);
    require(parameter.dims.size() == x.dims.size() - axis, Status::InvalidModel, "layer_norm of ", graph::to_string(x),
            " over the axes from ", axis, " does not accept scale or bias ", graph::to_string(parameter));
    for (size_t i = axis; i < x.dims.size(); ++i)
      unify(Op::layer_norm, x.dims[i], parameter.dims[i - axis], x, parameter);
  }
  return {{x.dtype, x.dims, {}}};
}

// Two passes: the mean first, then the mean of squared differences, which does not cancel.
std::vector<Term> express_layer_norm(const Attributes& attributes, Terms operands, Types results,
                                     ProgramBuilder& program) {
  const auto& norm = as<LayerNormAttrs>(attributes);
  const long axis = long(normalized(Op::layer_norm, norm.axis, results[0]));
  const DType working = accumulation_dtype(results[0].dtype);
  const Term x = cast_term(operands[0], working), scale = cast_term(operands[1], working),
             bias = cast_term(operands[2], working);
  const Exprs dims = results[0].dims, rows(dims.begin(), dims.begin() + axis), inner(dims.begin() + axis, dims.end());
  const Expr count = expr::cast(expr::product(inner), working), epsilon = expr::imm(norm.epsilon, working);
  const auto joined = [](Index row, const Index& in) {
    row.insert(row.end(), in.begin(), in.end());
    return row;
  };
  const Term sum = program.reduce("sum", Reduce::Sum, working, rows, inner,
                                  [=](const Index& row, const Index& in) { return x.at(joined(row, in)); });
  const Term mean = program.stage("mean", working, rows, [=](const Index& row) { return sum.at(row) / count; });
  const Term squares =
      program.reduce("squares", Reduce::Sum, working, rows, inner, [=](const Index& row, const Index& in) {
        const Expr difference = x.at(joined(row, in)) - mean.at(row);
        return difference * difference;
      });
  const Term inverse = program.stage("inverse", working, rows, [=](const Index& row) {
    return expr::imm(1, working) / expr::call(Function::Sqrt, {squares.at(row) / count + epsilon});
  });
  const Term result{working, dims, [=](const Index& index) {
                      const Index row(index.begin(), index.begin() + axis), in(index.begin() + axis, index.end());
                      return (x.at(index) - mean.at(row)) * inverse.at(row) * scale.at(in) + bias.at(in);
                    }};
  return {cast_term(result, results[0].dtype)};
}

std::vector<TensorType> infer_lrn(const Attributes& attributes, Types operands) {
  expect_operands(Op::lrn, operands, 1);
  expect_float(Op::lrn, operands[0]);
  expect_rank_at_least(Op::lrn, operands[0], 2);
  require(as<LrnAttrs>(attributes).size > 0, Status::InvalidModel, "lrn: size ", as<LrnAttrs>(attributes).size,
          " must be positive");
  return {operands[0]};
}

// x / (bias + alpha / size * sum of squares over `size` channels around) ^ beta.
std::vector<Term> express_lrn(const Attributes& attributes, Terms operands, Types results, ProgramBuilder& program) {
  const auto lrn = as<LrnAttrs>(attributes);
  const DType working = accumulation_dtype(results[0].dtype);
  const Term x = cast_term(operands[0], working);
  const Exprs dims = results[0].dims;
  const Expr channels = dims[1], zero = expr::imm(0, working);
  const Term squares =
      program.reduce("squares", Reduce::Sum, working, dims, {Expr(lrn.size)}, [=](const Index& out, const Index& in) {
        Index source = out;
        source[1] = expr::simplify(out[1] + in[0] - Expr((lrn.size - 1) / 2));
        const Expr value = x.at(source);
        return expr::select(source[1] >= Expr(0) && source[1] < channels, value * value, zero);
      });
  const Term result{working, dims, [=](const Index& index) {
                      const Expr base = expr::imm(lrn.bias, working) +
                                        expr::imm(lrn.alpha / double(lrn.size), working) * squares.at(index);
                      return x.at(index) / expr::call(Function::Pow, {base, expr::imm(lrn.beta, working)});
                    }};
  return {cast_term(result, results[0].dtype)};
}

const RegisterOp softmax_registration{
    {.op = Op::softmax, .traits = graph::Reduction, .infer = infer_softmax, .express = express_softmax}};
const RegisterOp layer_norm_registration{
    {.op = Op::layer_norm, .traits = graph::Reduction, .infer = infer_layer_norm, .express = express_layer_norm}};
const RegisterOp lrn_registration{{.op = Op::lrn, .traits = graph::Window, .infer = infer_lrn, .express = express_lrn}};

}  // namespace
}  // namespace sardonyx::ops
