#include "backends/opencl/clblast/gemm.h"

#include "compiler/sketch/gpu/product.h"
#include "compiler/sketch/map.h"

namespace sardonyx::opencl::clblast {

using expr::Expr;
using sketch::Refusal;
using tensor::Axis;

namespace {

// The only axis of a list; a null variable stands for an extent of 1.
std::optional<Axis> single(const std::vector<Axis>& axes) {
  if (axes.empty()) return Axis{nullptr, 1};
  if (axes.size() > 1) return std::nullopt;
  return axes[0];
}

// The access as rows x columns; nothing when it has other strides than a matrix of BLAS.
std::optional<Matrix> matrix_of(const Expr& access, const Axis& batch, const Axis& row, const Axis& column) {
  Expr rest = sketch::flat_offset(*access->buffer, access->args);
  auto stride = [&](const Axis& axis) -> Expr {
    if (!axis.var) return 0;
    auto linear = expr::linear_in(rest, axis.var);
    if (!linear) return Expr();
    rest = linear->rest;
    return expr::simplify(linear->coefficient);
  };
  Expr by_batch = stride(batch), by_row = stride(row), by_column = stride(column);
  if (!by_batch.defined() || !by_row.defined() || !by_column.defined()) return std::nullopt;
  if (!expr::is_const(expr::simplify(rest), 0)) return std::nullopt;
  auto fits = [](const Expr& dense, const Axis& along, const Expr& leading, const Axis& lines) {
    bool one = !along.var || expr::is_const(dense, 1);
    return one && (!lines.var || expr::prove(along.extent <= leading));
  };
  // Of a single line the leading dimension is free, but no shorter than the line.
  if (fits(by_column, column, by_row, row)) {
    return Matrix{access->buffer, false, row.var ? by_row : column.extent, by_batch};
  }
  if (fits(by_row, row, by_column, column)) {
    return Matrix{access->buffer, true, column.var ? by_column : row.extent, by_batch};
  }
  return std::nullopt;
}

std::variant<Gemm, Refusal> gemm_of(const sketch::Problem& problem) {
  auto found = sketch::gpu::product_of(problem);
  if (auto* refusal = std::get_if<Refusal>(&found)) return *refusal;
  sketch::gpu::Product& p = std::get<sketch::gpu::Product>(found);
  // The images of a convolution share their weights: a batch with a stride of 0.
  for (std::vector<Axis>* axes : {&p.columns, &p.rows}) {
    if (!p.batch.empty() || axes->size() != 2) continue;
    p.batch.push_back(axes->front());
    axes->erase(axes->begin());
  }
  DType dtype = p.tile.dtype;
  if (dtype != DType::F32 && dtype != DType::F64) return Refusal{"neither F32 nor F64"};
  for (const Expr& factor : {p.left, p.right}) {
    if (factor->kind != expr::Kind::Load) return Refusal{"a factor is computed"};
  }
  auto batch = single(p.batch), row = single(p.rows), column = single(p.columns), depth = single(p.depth);
  if (!batch || !row || !column || !depth || !depth->var) return Refusal{"several axes where BLAS has one"};
  if (expr::facts_of(depth->extent).min < 1) return Refusal{"the sum may be empty"};
  const sketch::Map::Output& out = p.tile.epilogue.front();
  auto a = matrix_of(p.left, *batch, *row, *depth), b = matrix_of(p.right, *batch, *depth, *column),
       c = matrix_of(expr::load(out.buffer, out.index), *batch, *row, *column);
  if (!a || !b || !c || c->transposed) return Refusal{"strides are not those of matrices"};
  return Gemm{dtype, batch->extent, row->extent, column->extent, depth->extent, *a, *b, *c, problem.program.symbols};
}

}  // namespace

std::variant<Split, Refusal> split_product(const sketch::Problem& problem) {
  for (const tensor::Stage& stage : problem.program.stages) {
    if (stage.scan_axis >= 0) return Refusal{"stage " + stage.name + " is a scan"};
  }
  tensor::Program flat = sketch::inline_pointwise(problem.program, [](const tensor::Stage&) { return false; });
  Split split;
  sketch::Problem product{flat, problem.constant};
  product.program.stages.clear();
  split.rest = {flat, problem.constant};
  split.rest.program.stages.clear();
  for (const tensor::Stage& stage : flat.stages) {
    bool anchor = stage.reduce != tensor::Reduce::None;
    if (anchor && !product.program.stages.empty()) return Refusal{"several reductions"};
    (anchor ? product : split.rest).program.stages.push_back(stage);
  }
  if (product.program.stages.empty()) return Refusal{"nothing is reduced"};
  const expr::BufferPtr c = product.program.stages[0].output;
  product.program.outputs = {c};
  split.has_rest = !split.rest.program.stages.empty();
  if (split.has_rest && sketch::is_output(flat, c)) return Refusal{"the product is a result beside others"};
  split.rest.program.inputs.push_back(c);
  split.rest.constant.resize(split.rest.program.inputs.size());
  auto gemm = gemm_of(product);
  if (auto* refusal = std::get_if<Refusal>(&gemm)) return *refusal;
  split.gemm = std::get<Gemm>(gemm);
  return split;
}

}  // namespace sardonyx::opencl::clblast
