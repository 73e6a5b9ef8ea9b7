// broadcast, reshape, transpose, reorder and copy: the same elements under other dims.
#include <set>

#include "compiler/ops/primitive/common.h"

namespace sardonyx::ops {
namespace {

using graph::BroadcastAttrs;
using graph::CopyAttrs;
using graph::ReorderAttrs;
using graph::ReshapeAttrs;
using graph::TransposeAttrs;

std::vector<TensorType> infer_broadcast(const Attributes& attributes, Types operands) {
  expect_operands(Op::broadcast, operands, 1);
  const TensorType& x = operands[0];
  const Exprs dims = simplified(as<BroadcastAttrs>(attributes).dims);
  const TensorType result{x.dtype, dims, {}};
  require(x.dims.size() <= dims.size(), Status::InvalidModel, "broadcast of ", graph::to_string(x), " to ",
          graph::to_string(result), ": the rank shrinks");
  for (size_t i = 0; i < x.dims.size(); ++i) {
    const Expr& to = dims[i + dims.size() - x.dims.size()];
    require(expr::is_const(x.dims[i], 1) || !expr::as_int(x.dims[i]) || !surely_differ(x.dims[i], to),
            Status::InvalidModel, "broadcast of ", graph::to_string(x), " to ", graph::to_string(result), ": dim ", i,
            " does not fit");
  }
  return {result};
}

std::vector<Term> express_broadcast(const Attributes&, Terms operands, Types results, ProgramBuilder&) {
  const Term x = operands[0];
  const Exprs dims = results[0].dims;
  return {{x.dtype, dims, [=](const Index& index) { return x.at(broadcast_index(x.dims, dims, index)); }}};
}

std::vector<TensorType> infer_reshape(const Attributes& attributes, Types operands) {
  expect_operands(Op::reshape, operands, 1);
  const TensorType result{operands[0].dtype, simplified(as<ReshapeAttrs>(attributes).dims), {}};
  require(!surely_differ(graph::element_count(operands[0]), graph::element_count(result)), Status::InvalidModel,
          "reshape of ", graph::to_string(operands[0]), " to ", graph::to_string(result),
          ": the numbers of elements differ");
  return {result};
}

// A run of dims on either side with equal products, so that indices of one run depend on the other's only.
struct Run {
  std::vector<size_t> from, to;
};

// Splits the dims that are not 1 into the shortest runs with provably equal products; what cannot be matched is one
// last run.
std::vector<Run> match_runs(const Exprs& from, const Exprs& to) {
  std::vector<size_t> left, right;
  for (size_t i = 0; i < from.size(); ++i)
    if (!expr::is_const(from[i], 1)) left.push_back(i);
  for (size_t i = 0; i < to.size(); ++i)
    if (!expr::is_const(to[i], 1)) right.push_back(i);
  std::vector<Run> runs;
  size_t i = 0, j = 0;
  while (i < left.size() && j < right.size()) {
    bool found = false;
    // Shortest run first: total length 2, 3, ...
    for (size_t total = 2; !found && total <= left.size() - i + right.size() - j; ++total) {
      for (size_t m = 1; !found && m < total; ++m) {
        const size_t n = total - m;
        if (m > left.size() - i || n > right.size() - j) continue;
        Expr a = 1, b = 1;
        for (size_t k = 0; k < m; ++k) a = a * from[left[i + k]];
        for (size_t k = 0; k < n; ++k) b = b * to[right[j + k]];
        if (!expr::prove_equal(a, b)) continue;
        runs.push_back({{left.begin() + long(i), left.begin() + long(i + m)},
                        {right.begin() + long(j), right.begin() + long(j + n)}});
        i += m, j += n;
        found = true;
      }
    }
    if (!found) break;
  }
  if (i < left.size() || j < right.size())
    runs.push_back({{left.begin() + long(i), left.end()}, {right.begin() + long(j), right.end()}});
  return runs;
}

std::vector<Term> express_reshape(const Attributes&, Terms operands, Types results, ProgramBuilder&) {
  const Term x = operands[0];
  const Exprs dims = results[0].dims;
  const std::vector<Run> runs = match_runs(x.dims, dims);
  return {{x.dtype, dims, [=](const Index& index) {
             Index source(x.dims.size(), Expr(0));
             for (const Run& run : runs) {
               Index part;
               Exprs part_dims, source_dims;
               for (size_t i : run.to) part.push_back(index[i]), part_dims.push_back(dims[i]);
               for (size_t i : run.from) source_dims.push_back(x.dims[i]);
               const Index mapped = unflatten(flatten(part, part_dims), source_dims);
               for (size_t i = 0; i < mapped.size(); ++i) source[run.from[i]] = mapped[i];
             }
             return x.at(source);
           }}};
}

std::vector<TensorType> infer_transpose(const Attributes& attributes, Types operands) {
  expect_operands(Op::transpose, operands, 1);
  const auto& perm = as<TransposeAttrs>(attributes).perm;
  const TensorType& x = operands[0];
  const std::set<int64_t> distinct(perm.begin(), perm.end());
  require(perm.size() == x.dims.size() && distinct.size() == perm.size() &&
              (perm.empty() || (*distinct.begin() == 0 && *distinct.rbegin() == int64_t(perm.size()) - 1)),
          Status::InvalidModel, "transpose of ", graph::to_string(x), ": [", join(perm, ","), "] is no permutation");
  TensorType result{x.dtype, {}, {}};
  for (int64_t axis : perm) result.dims.push_back(x.dims[size_t(axis)]);
  return {result};
}

std::vector<Term> express_transpose(const Attributes& attributes, Terms operands, Types results, ProgramBuilder&) {
  const Term x = operands[0];
  const graph::Ints perm = as<TransposeAttrs>(attributes).perm;
  return {{x.dtype, results[0].dims, [=](const Index& index) {
             Index source(index.size());
             for (size_t i = 0; i < perm.size(); ++i) source[size_t(perm[i])] = index[i];
             return x.at(source);
           }}};
}

std::vector<TensorType> infer_reorder(const Attributes& attributes, Types operands) {
  expect_operands(Op::reorder, operands, 1);
  TensorType result = operands[0];
  result.layout = as<ReorderAttrs>(attributes).layout;
  return {result};
}

std::vector<Term> express_reorder(const Attributes&, Terms operands, Types, ProgramBuilder&) { return {operands[0]}; }

std::vector<TensorType> infer_copy(const Attributes& attributes, Types operands) {
  expect_operands(Op::copy, operands, 1);
  require(as<CopyAttrs>(attributes).device >= 0, Status::InvalidModel, "copy to device ",
          as<CopyAttrs>(attributes).device);
  return {operands[0]};
}

std::vector<Term> express_copy(const Attributes&, Terms operands, Types, ProgramBuilder&) { return {operands[0]}; }

const RegisterOp broadcast_registration{
    {.op = Op::broadcast, .traits = graph::Injective, .infer = infer_broadcast, .express = express_broadcast}};
const RegisterOp reshape_registration{
    {.op = Op::reshape, .traits = graph::Injective | graph::View, .infer = infer_reshape, .express = express_reshape}};
const RegisterOp transpose_registration{
    {.op = Op::transpose, .traits = graph::Injective, .infer = infer_transpose, .express = express_transpose}};
const RegisterOp reorder_registration{
    {.op = Op::reorder, .traits = graph::Injective, .infer = infer_reorder, .express = express_reorder}};
const RegisterOp copy_registration{{.op = Op::copy, .infer = infer_copy, .express = express_copy}};

}  // namespace
}  // namespace sardonyx::ops
