#include "compiler/gradient/rules.h"

#include <array>

namespace sardonyx::gradient {

namespace {

constexpr const char* integers = "it gives integers";
constexpr const char* no_operands = "it depends on nothing";
constexpr const char* later = "it is made behind the importer only";

constexpr std::array<Rule, graph::op_count> rules = {{
    {Op::unary, differentiate_pointwise},
    {Op::binary, differentiate_pointwise},
    {Op::select, differentiate_pointwise},
    {Op::cast, differentiate_pointwise},
    {Op::constant, nullptr, no_operands},
    {Op::iota, nullptr, no_operands},
    {Op::broadcast, differentiate_broadcast},
    {Op::reshape, differentiate_reshape},
    {Op::transpose, differentiate_transpose},
    {Op::slice, differentiate_slice},
    {Op::pad, differentiate_pad},
    {Op::concat, differentiate_concat},
    {Op::gather, differentiate_gather},
    {Op::gather_elements, differentiate_gather_elements},
    {Op::gather_nd, differentiate_gather_nd},
    {Op::scatter_elements, differentiate_scatter},
    {Op::scatter_nd, differentiate_scatter},
    {Op::reduce, differentiate_reduce},
    {Op::arg_reduce, nullptr, integers},
    {Op::cumulate, differentiate_cumulate},
    {Op::pool, differentiate_pool},
    {Op::matmul, differentiate_matmul},
    {Op::conv, differentiate_conv},
    {Op::conv_transpose, differentiate_conv_transpose},
    {Op::softmax, differentiate_softmax},
    {Op::layer_norm, differentiate_layer_norm},
    {Op::lrn, differentiate_lrn},
    {Op::rnn, nullptr, "recurrent layers are not differentiated"},
    {Op::topk, differentiate_topk},
    {Op::nonzero, nullptr, integers},
    {Op::host_call, nullptr, "functions of the host are not differentiated"},
    {Op::if_, differentiate_if},
    {Op::loop, nullptr, "loops are not differentiated"},
    {Op::yield, nullptr, "it only ends a region"},
    {Op::dims_tensor, nullptr, no_operands},
    {Op::bind_dims, nullptr, integers},
    {Op::check, nullptr, no_operands},
    {Op::reorder, nullptr, later},
    {Op::copy, nullptr, later},
    {Op::fused, nullptr, later},
}};

constexpr bool in_order() {
  for (int i = 0; i < graph::op_count; ++i)
    if (rules[size_t(i)].op != Op(i)) return false;
  return true;
}
static_assert(in_order(), "every kind has a row in the order of compiler/graph/op.h");

}  // namespace

const Rule& rule_of(Op op) { return rules[size_t(op)]; }

}  // namespace sardonyx::gradient
