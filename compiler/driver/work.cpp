#include "compiler/driver/work.h"

#include <algorithm>
#include <span>

#include "compiler/sketch/support.h"

namespace sardonyx::driver {

using expr::Expr;
using graph::Node;
using graph::Op;
using graph::TensorType;
using graph::Value;

namespace {

Expr elements(const Value* value) { return graph::element_count(value->type); }

Expr flops_of_matmul(const Node& node) {
  const std::vector<Expr>& left = node.operand(0)->type.dims;
  const size_t inner = left.size() - (node.attrs<graph::MatmulAttrs>().transpose_a ? 2 : 1);
  return Expr(2) * elements(node.result()) * left[inner];
}

// Taps per element of the result; padding is computed, too.
Expr flops_of_conv(const Node& node) {
  return Expr(2) * elements(node.result()) * expr::product(std::span(node.operand(1)->type.dims).subspan(1));
}

// Taps per element of the input.
Expr flops_of_conv_transpose(const Node& node) {
  return Expr(2) * elements(node.operand(0)) * expr::product(std::span(node.operand(1)->type.dims).subspan(1));
}

// The recurrent product of every time step of every sample.
Expr flops_of_rnn(const Node& node) {
  return Expr(2) * expr::product(std::span(node.operand(0)->type.dims).first(2)) * elements(node.operand(1));
}

Expr flops_of_pool(const Node& node) {
  Expr taps = 1;
  for (int64_t extent : node.attrs<graph::PoolAttrs>().kernel) taps = taps * extent;
  return elements(node.result()) * taps;
}

Expr flops_of_lrn(const Node& node) { return elements(node.result()) * Expr(node.attrs<graph::LrnAttrs>().size + 4); }

template <int operations>
Expr per_element(const Node& node) {
  return elements(node.operand(0)) * Expr(operations);
}

struct Row {
  Op op;
  Expr (*flops)(const Node& node);
};
// Beside the point-wise ones, which count one per element. What is not here moves elements.
constexpr Row rows[] = {
    {Op::matmul, flops_of_matmul},    {Op::conv, flops_of_conv},        {Op::conv_transpose, flops_of_conv_transpose},
    {Op::rnn, flops_of_rnn},          {Op::pool, flops_of_pool},        {Op::lrn, flops_of_lrn},
    {Op::reduce, per_element<1>},     {Op::arg_reduce, per_element<1>}, {Op::cumulate, per_element<1>},
    {Op::softmax, per_element<5>},     // maximum, difference, exponential, sum, quotient
    {Op::layer_norm, per_element<7>},  // mean, difference, square, sum, quotient, scale, bias
};

Expr flops_of(const Node& node) {
  if ((graph::op_def(node.op).traits & graph::Pointwise) != 0) return elements(node.result());
  const Row* row = std::find_if(std::begin(rows), std::end(rows), [&](const Row& r) { return r.op == node.op; });
  return row == std::end(rows) ? Expr(0) : row->flops(node);
}

bool picks(const graph::Use& use) {
  const Op op = use.user->op;
  return use.operand == 0 && (op == Op::gather || op == Op::gather_elements || op == Op::gather_nd || op == Op::slice);
}

// Of a table from which a group only picks elements, those that it picks.
Expr bytes_read(const Node& group, size_t operand) {
  const Expr all = physical_bytes(group.operands[operand]->type);
  if (group.op != Op::fused) return all;
  Expr picked = 0;
  for (const graph::Use& use : group.regions[0]->parameters()[operand]->uses) {
    if (!picks(use)) return all;
    picked = picked + physical_bytes(use.user->result()->type);
  }
  return expr::min(all, picked);
}

}  // namespace

Expr physical_bytes(const TensorType& type) { return graph::physical_count(type) * int64_t(size_of(type.dtype)); }

Work work_of(const Node& node) {
  Work work;
  if (node.op == Op::fused)
    for (const auto& inside : node.regions[0]->nodes()) work.flops = work.flops + flops_of(*inside);
  for (size_t i = 0; i < node.operands.size(); ++i) work.bytes = work.bytes + bytes_read(node, i);
  for (const auto& result : node.results) work.bytes = work.bytes + physical_bytes(result->type);
  return {expr::simplify(work.flops), expr::simplify(work.bytes)};
}

double typical_work(const Expr& work) {
  try {
    return double(sketch::typical(work));
  } catch (const Error&) {
    return 0;
  }
}

}  // namespace sardonyx::driver
