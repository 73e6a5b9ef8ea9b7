// conv and conv_transpose over any number of spatial dims, with groups.
#include "compiler/ops/primitive/window.h"

namespace sardonyx::ops {
namespace {

using graph::ConvAttrs;
using graph::ConvTransposeAttrs;

template <class A>
Window window_of(const A& attributes, const Exprs& weight_dims) {
  return {attributes.strides, attributes.dilations, {weight_dims.begin() + 2, weight_dims.end()}, attributes.pads};
}

// x [N, C, spatial...], w of the same rank, spatial rank at least 1.
void expect_operands_of(Op op, Types operands) {
  expect_operands(op, operands, 2);
  expect_rank_at_least(op, operands[0], 3);
  require(operands[0].rank() == operands[1].rank(), Status::InvalidModel, graph::op_name(op),
          ": ranks of input and weights differ in ", type_list(operands));
}

std::vector<TensorType> infer_conv(const Attributes& attributes, Types operands) {
  const auto& conv = as<ConvAttrs>(attributes);
  expect_operands_of(Op::conv, operands);
  const TensorType &x = operands[0], &w = operands[1];
  const Window window = window_of(conv, w.dims);
  expect_window(Op::conv, window, x.dims.size() - 2, x);
  require(conv.groups > 0 && !surely_differ(x.dims[1], w.dims[1] * Expr(conv.groups)), Status::InvalidModel,
          "conv: ", expr::to_string(x.dims[1]), " input channels of ", graph::to_string(x), " do not fit weights ",
          graph::to_string(w), " with ", conv.groups, " groups");
  const auto outputs = expr::as_int(w.dims[0]);
  require(!outputs || *outputs % conv.groups == 0, Status::InvalidModel, "conv: ", *outputs,
          " output channels are not a multiple of ", conv.groups, " groups");
  TensorType result{conv.dtype, {x.dims[0], w.dims[0]}, kept_layout(x)};
  for (size_t i = 0; i < window.rank(); ++i) result.dims.push_back(window_out_dim(Op::conv, window, i, x));
  return {result};
}

std::vector<Term> express_conv(const Attributes& attributes, Terms operands, Types results, ProgramBuilder& program) {
  const auto& conv = as<ConvAttrs>(attributes);
  const DType working = accumulation_dtype(conv.dtype);
  const Term x = cast_term(operands[0], working), w = cast_term(operands[1], working);
  const Window window = window_of(conv, w.dims);
  const Exprs dims = results[0].dims;
  const Expr group_inputs = w.dims[1], group_outputs = expr::simplify(dims[1] / Expr(conv.groups));
  const bool grouped = conv.groups > 1;
  Exprs extents{group_inputs};
  extents.insert(extents.end(), window.kernel.begin(), window.kernel.end());
  const Term result =
      program.reduce("conv", tensor::Reduce::Sum, working, dims, extents, [=](const Index& out, const Index& in) {
        const Expr group = grouped ? out[1] / group_outputs : Expr(0);
        Index source{out[0], grouped ? expr::simplify(group * group_inputs + in[0]) : in[0]};
        Index tap{out[1], in[0]};
        std::vector<Expr> inside;
        for (size_t i = 0; i < window.rank(); ++i) {
          source.push_back(window_position(window, i, out[i + 2], in[i + 1]));
          tap.push_back(in[i + 1]);
          window_bounds(window, i, source.back(), x.dims[i + 2], dims[i + 2], inside);
        }
        const Expr value = x.at(source);
        const Expr padded = inside.empty() ? value : expr::select(all_of(inside), value, expr::imm(0, working));
        return padded * w.at(tap);
      });
  return {cast_term(result, conv.dtype)};
}

std::vector<TensorType> infer_conv_transpose(const Attributes& attributes, Types operands) {
  const auto& conv = as<ConvTransposeAttrs>(attributes);
  expect_operands_of(Op::conv_transpose, operands);
  const TensorType &x = operands[0], &w = operands[1];
  expect_same_dtype(Op::conv_transpose, x, w);
  const Window window = window_of(conv, w.dims);
  expect_window(Op::conv_transpose, window, x.dims.size() - 2, x);
  require(conv.groups > 0 && !surely_differ(x.dims[1], w.dims[0]), Status::InvalidModel,
          "conv_transpose: ", expr::to_string(x.dims[1]), " input channels of ", graph::to_string(x),
          " do not fit weights ", graph::to_string(w));
  require(conv.out_dims.size() == window.rank(), Status::InvalidModel, "conv_transpose: ", conv.out_dims.size(),
          " output dims for ", graph::to_string(x));
  TensorType result{x.dtype, {x.dims[0], expr::simplify(w.dims[1] * Expr(conv.groups))}, kept_layout(x)};
  for (const Expr& dim : conv.out_dims) result.dims.push_back(expr::simplify(dim));
  return {result};
}

// Whether every output position comes from one input position through one tap (up-sampling in U-Nets).
bool without_overlap(const Window& window, const Exprs& input_dims, const Exprs& output_dims) {
  const size_t rank = window.rank();
  for (size_t i = 0; i < rank; ++i) {
    if (window.dilations[i] != 1 || !expr::is_const(window.kernel[i], window.strides[i])) return false;
    if (!expr::is_const(window.pads[i], 0) || !expr::is_const(window.pads[i + rank], 0)) return false;
    if (!expr::prove_equal(input_dims[i + 2] * Expr(window.strides[i]), output_dims[i + 2])) return false;
  }
  return true;
}

// Gather form: output position o gets input i through tap k when i * stride - pad + k * dilation == o. Without overlap
// these are quotient and remainder of o.
std::vector<Term> express_conv_transpose(const Attributes& attributes, Terms operands, Types results,
                                         ProgramBuilder& program) {
  const auto& conv = as<ConvTransposeAttrs>(attributes);
  const DType working = accumulation_dtype(results[0].dtype);
  const Term x = cast_term(operands[0], working), w = cast_term(operands[1], working);
  const Window window = window_of(conv, w.dims);
  const Exprs dims = results[0].dims;
  const Expr group_outputs = w.dims[1], group_inputs = expr::simplify(w.dims[0] / Expr(conv.groups));
  const bool grouped = conv.groups > 1;
  const bool apart = without_overlap(window, x.dims, dims);
  Exprs extents{group_inputs};
  if (!apart) extents.insert(extents.end(), window.kernel.begin(), window.kernel.end());
  const Term result = program.reduce(
      "conv_transpose", tensor::Reduce::Sum, working, dims, extents, [=](const Index& out, const Index& in) {
        const Expr group = grouped ? out[1] / group_outputs : Expr(0);
        const Expr channel = grouped ? expr::simplify(group * group_inputs + in[0]) : in[0];
        Index source{out[0], channel}, tap{channel, grouped ? out[1] % group_outputs : out[1]};
        if (apart) {
          for (size_t i = 0; i < window.rank(); ++i) {
            source.push_back(expr::simplify(out[i + 2] / Expr(window.strides[i])));
            tap.push_back(expr::simplify(out[i + 2] % Expr(window.strides[i])));
          }
          return x.at(source) * w.at(tap);
        }
        std::vector<Expr> inside;
        for (size_t i = 0; i < window.rank(); ++i) {
          const Expr stride(window.strides[i]);
          const Expr target = expr::simplify(out[i + 2] + window.pads[i] - in[i + 1] * Expr(window.dilations[i]));
          if (window.strides[i] > 1) inside.push_back(target % stride == Expr(0));
          source.push_back(expr::simplify(target / stride));
          tap.push_back(in[i + 1]);
          inside.push_back(target >= Expr(0));
          inside.push_back(source.back() < x.dims[i + 2]);
        }
        return expr::select(all_of(inside), x.at(source), expr::imm(0, working)) * w.at(tap);
      });
  return {cast_term(result, results[0].dtype)};
}

const RegisterOp conv_registration{
    {.op = Op::conv, .traits = graph::Contraction, .infer = infer_conv, .express = express_conv}};
const RegisterOp conv_transpose_registration{{.op = Op::conv_transpose,
                                              .traits = graph::Contraction,
                                              .infer = infer_conv_transpose,
                                              .express = express_conv_transpose}};

}  // namespace
}  // namespace sardonyx::ops
