#include "backends/cpu/onednn/matmul.h"

#include <algorithm>

#include "backends/scheduled.h"
#include "compiler/expr/simplify.h"
#include "compiler/sketch/support.h"
#include "runtime/base/status.h"

namespace sardonyx::cpu::onednn {

using expr::Expr;
using graph::Node;
using memory = dnnl::memory;

namespace {

// Symbolic row counts count as this when weight formats are chosen.
// Column ranges are multiples of this, so that packed panels and vectors stay whole.
constexpr int64_t column_unit = 64;

// C[b, m, n] = A[b, m, k] * B[b, k, n]. With a two-dimensional B every leading dim of A is a row.
struct Shape {
  std::vector<Expr> batch;              // dims of the result in front of the matrix; empty with a two-dimensional B
  bool batch_a = true, batch_b = true;  // false: one matrix for all entries
  Expr rows, columns, depth;
  bool transpose_a = false, transpose_b = false;
  bool constant_b = false;  // two-dimensional constant: packed
  int a = 0, b = 1;         // group operands
  Epilogue epilogue;
};

std::optional<Shape> shape_of(const Node& group, const Node& anchor, std::string* why) {
  auto decline = [&](const char* reason) {
    *why = reason;
    return std::nullopt;
  };
  const auto& attrs = anchor.attrs<graph::MatmulAttrs>();
  const graph::TensorType &a = anchor.operand(0)->type, &b = anchor.operand(1)->type;
  Shape shape;
  shape.a = group_operand(group, anchor.operand(0));
  shape.b = group_operand(group, anchor.operand(1));
  if (shape.a < 0 || shape.b < 0 || anchor.operand(0)->producer || anchor.operand(1)->producer)
    return decline("operands computed inside");
  if (a.dtype != DType::F32 || b.dtype != DType::F32 || attrs.dtype != DType::F32) return decline("not f32");
  size_t rank_a = a.dims.size(), rank_b = b.dims.size();
  if (rank_a < 2 || rank_b < 2) return decline("rank below 2");
  shape.transpose_a = attrs.transpose_a;
  shape.transpose_b = attrs.transpose_b;
  shape.rows = a.dims[rank_a - (attrs.transpose_a ? 1 : 2)];
  shape.depth = a.dims[rank_a - (attrs.transpose_a ? 2 : 1)];
  shape.columns = b.dims[rank_b - (attrs.transpose_b ? 2 : 1)];
  const auto& out = anchor.result()->type.dims;
  if (rank_b == 2 && !(attrs.transpose_a && rank_a > 2)) {
    shape.rows = attrs.transpose_a ? shape.rows : expr::product(std::span(a.dims).first(rank_a - 1));
    shape.constant_b = group.operand(shape.b)->constant() && expr::as_int(shape.columns) && expr::as_int(shape.depth);
  } else {
    shape.batch.assign(out.begin(), out.end() - 2);
    auto whole = [&](const graph::TensorType& type) {
      std::vector<Expr> dims(type.dims.begin(), type.dims.end() - 2);
      return graph::same_dims(dims, shape.batch);
    };
    auto single = [](const graph::TensorType& type) {
      return expr::is_const(expr::product(std::span(type.dims).first(type.dims.size() - 2)), 1);
    };
    shape.batch_a = whole(a);
    shape.batch_b = whole(b);
    if ((!shape.batch_a && !single(a)) || (!shape.batch_b && !single(b)))
      return decline("batch dims broadcast in part");
  }
  auto epilogue = match_epilogue(group, anchor, int(out.size()) - 1, why);
  if (!epilogue) return std::nullopt;
  shape.epilogue = *epilogue;
  return shape;
}

double cost_of(double batch, double rows, double columns, double depth, const backends::Target& target) {
  double work = 2 * batch * rows * columns * depth;
  double bytes = 4 * batch * (rows * depth + columns * depth + rows * columns);
  double efficiency = rows < 4 ? 0.15 : columns < 16 ? 0.2 : 0.85;
  return 2500 +
         std::max(work / (target.flops_per_ns * efficiency), bytes / (target.bytes_per_ns * (rows < 4 ? 1.0 : 4.0)));
}

// A matrix of logical [rows, columns] with a leading dimension, stored transposed or not, batched or not.
memory::desc matrix(int64_t batch, int64_t rows, int64_t columns, bool transposed, int64_t leading, int64_t entry,
                    bool batched) {
  memory::dims strides = transposed ? memory::dims{1, leading} : memory::dims{leading, 1};
  memory::dims dims = {rows, columns};
  if (batched) dims.insert(dims.begin(), batch), strides.insert(strides.begin(), entry);
  return {dims, memory::data_type::f32, strides};
}

struct Problem {
  int64_t batch = 1, rows = 0, columns = 0, depth = 0;
};

// One rectangle of the work: batch entries, rows and columns.
struct Range {
  int64_t batch0, batch1, row0, row1, column0, column1;
};

dnnl::matmul::primitive_desc descriptor(const Shape& shape, const Problem& p, const Range& r,
                                        const memory::desc* packed, bool choose_format) {
  int64_t batch = r.batch1 - r.batch0, rows = r.row1 - r.row0, columns = r.column1 - r.column0;
  bool batched = !shape.batch.empty();
  memory::desc a = matrix(shape.batch_a ? batch : 1, rows, p.depth, shape.transpose_a,
                          shape.transpose_a ? p.rows : p.depth, p.rows * p.depth, batched);
  memory::desc b = packed          ? *packed
                   : choose_format ? memory::desc({p.depth, columns}, memory::data_type::f32, memory::format_tag::any)
                                   : matrix(shape.batch_b ? batch : 1, p.depth, columns, shape.transpose_b,
                                            shape.transpose_b ? p.depth : p.columns, p.depth * p.columns, batched);
  memory::desc c = matrix(batch, rows, columns, false, p.columns, p.rows * p.columns, batched);
  auto per_channel = [&] {
    memory::dims ones(batched ? 3 : 2, 1), strides(ones.size(), columns);
    ones.back() = columns;
    strides.back() = 1;
    return memory::desc(ones, memory::data_type::f32, strides);
  };
  auto attributes = attributes_of(shape.epilogue, [&](const PostOp& op) { return op.per_channel ? per_channel() : c; });
  if (shape.epilogue.bias < 0) return {dnnl::matmul::desc(a, b, c), attributes, engine()};
  return {dnnl::matmul::desc(a, b, per_channel(), c), attributes, engine()};
}

// Packed column ranges of a constant B.
struct Panel {
  int64_t column0, column1;
  memory::desc packed;
  int64_t offset;
};

std::vector<Panel> panels_of(const Shape& shape, const backends::Target& target, int64_t rows) {
  Problem p{1, rows, *expr::as_int(shape.columns), *expr::as_int(shape.depth)};
  bool small = cost_of(1, double(rows), double(p.columns), double(p.depth), target) < 20000;
  std::vector<Panel> panels;
  int64_t offset = 0;
  int64_t units = std::max<int64_t>(1, p.columns / column_unit);
  for (auto [begin, end] : split_evenly(units, small ? 1 : target.cores)) {
    int64_t column0 = begin * column_unit, column1 = end == units ? p.columns : end * column_unit;
    auto pd = descriptor(shape, p, {0, 1, 0, rows, column0, column1}, nullptr, true);
    panels.push_back({column0, column1, pd.weights_desc(), offset});
    offset += align64(int64_t(pd.weights_desc().get_size()));
  }
  return panels;
}

Tensor pack_panels(const Shape& shape, const std::vector<Panel>& panels, const Tensor& b) {
  Tensor result(DType::U8, {panels.back().offset + align64(int64_t(panels.back().packed.get_size()))});
  int64_t depth = *expr::as_int(shape.depth), columns = *expr::as_int(shape.columns);
  guarded("weights", [&] {
    dnnl::stream stream(engine());
    for (const Panel& panel : panels) {
      memory::desc plain = matrix(1, depth, panel.column1 - panel.column0, shape.transpose_b,
                                  shape.transpose_b ? depth : columns, 0, false);
      auto* first = const_cast<float*>(b.data<float>()) + panel.column0 * (shape.transpose_b ? depth : 1);
      memory source(plain, engine(), first), target(panel.packed, engine(), result.raw() + panel.offset);
      dnnl::reorder(source, target).execute(stream, source, target);
      stream.wait();
    }
    return 0;
  });
  return result;
}

// Buffers: A, B, [bias,] binaries..., C. dims: rows, columns, depth, batch...
class MatmulKernel : public runtime::Kernel {
 public:
  MatmulKernel(Shape shape, std::vector<Panel> panels, backends::Target target)
      : shape_(std::move(shape)), panels_(std::move(panels)), target_(std::move(target)) {}

  std::string name() const override { return "onednn.matmul"; }

  std::shared_ptr<const runtime::Invocation> prepare(std::span<const int64_t> dims) const override {
    return guarded("matmul", [&] {
      Problem p{1, dims[0], dims[1], dims[2]};
      for (int64_t d : dims.subspan(3)) p.batch *= d;
      double cost = cost_of(double(p.batch), double(p.rows), double(p.columns), double(p.depth), target_);
      std::vector<Chunk> chunks;
      if (p.batch * p.rows * p.columns * p.depth == 0)
        require(p.batch * p.rows * p.columns == 0, Status::UnsupportedShape, "matmul over an empty inner dimension");
      else
        for (const Range& range : ranges(p, cost)) chunks.push_back(chunk_of(p, range));
      return std::make_shared<ChunkInvocation>(std::move(chunks), cost);
    });
  }

 private:
  std::vector<Range> ranges(const Problem& p, double cost) const {
    std::vector<Range> result;
    int64_t wanted = cost < 20000 ? 1 : target_.cores;
    if (!panels_.empty())
      for (const Panel& panel : panels_) result.push_back({0, 1, 0, p.rows, panel.column0, panel.column1});
    else if (p.batch > 1)
      for (auto [begin, end] : split_evenly(p.batch, wanted)) result.push_back({begin, end, 0, p.rows, 0, p.columns});
    else
      for (auto [begin, end] : split_evenly(p.rows, std::min(wanted, std::max<int64_t>(1, p.rows / 16))))
        result.push_back({0, 1, begin, end, 0, p.columns});
    return result;
  }

  Chunk chunk_of(const Problem& p, const Range& r) const {
    const Panel* panel = nullptr;
    for (const Panel& candidate : panels_)
      if (candidate.column0 == r.column0) panel = &candidate;
    auto pd = descriptor(shape_, p, r, panel ? &panel->packed : nullptr, false);
    Chunk chunk{dnnl::matmul(pd), {}, pd.scratchpad_desc()};
    int64_t a = (shape_.batch_a ? r.batch0 : 0) * p.rows * p.depth + r.row0 * (shape_.transpose_a ? 1 : p.depth);
    int64_t b = (shape_.batch_b ? r.batch0 : 0) * p.depth * p.columns + r.column0 * (shape_.transpose_b ? p.depth : 1);
    int64_t c = (r.batch0 * p.rows + r.row0) * p.columns + r.column0;
    chunk.arguments.push_back({DNNL_ARG_SRC, pd.src_desc(), 0, a * 4});
    chunk.arguments.push_back({DNNL_ARG_WEIGHTS, pd.weights_desc(), 1, panel ? panel->offset : b * 4});
    int next = 2;
    if (shape_.epilogue.bias >= 0) chunk.arguments.push_back({DNNL_ARG_BIAS, pd.bias_desc(), next++, r.column0 * 4});
    append_binaries(chunk, pd.get_primitive_attr(), shape_.epilogue, next,
                    [&](const PostOp& op) { return (op.per_channel ? r.column0 : c) * 4; });
    chunk.arguments.push_back({DNNL_ARG_DST, pd.dst_desc(), next, c * 4});
    return chunk;
  }

  Shape shape_;
  std::vector<Panel> panels_;
  backends::Target target_;
};

}  // namespace

void propose_matmul(const Node& group, const Node& anchor, const backends::Target& target,
                    backends::Candidates& result) {
  std::string why;
  auto shape = shape_of(group, anchor, &why);
  if (!shape) {
    result.refusals.push_back("onednn.matmul: " + why);
    return;
  }
  backends::Candidate candidate;
  candidate.kind = backends::Candidate::Kind::Vendor;
  candidate.family = "onednn.matmul";
  double batch = 1;
  for (const Expr& dim : shape->batch) batch *= double(sketch::typical(dim));
  const double cost = cost_of(batch, double(sketch::typical(shape->rows)), double(sketch::typical(shape->columns)),
                              double(sketch::typical(shape->depth)), target);
  candidate.cost_ns = backends::on_all_cores(cost, target);
  result.list.push_back(std::move(candidate));
}

backends::CompiledGroup compile_matmul(const backends::Chosen& chosen, const Node& anchor,
                                       const backends::Target& target) {
  const Node& group = *chosen.group;
  std::string why;
  auto shape = shape_of(group, anchor, &why);
  check(shape.has_value(), "onednn.matmul no longer fits: ", why);
  backends::CompiledGroup result;
  std::vector<Panel> panels;
  if (shape->constant_b) {
    panels = guarded("matmul", [&] { return panels_of(*shape, target, sketch::typical(shape->rows)); });
    result.pack[shape->b] = [shape = *shape, panels](const Tensor& b) { return pack_panels(shape, panels, b); };
  }
  backends::GroupLaunch launch;
  launch.inputs = {shape->a, shape->b};
  if (shape->epilogue.bias >= 0) launch.inputs.push_back(shape->epilogue.bias);
  for (const PostOp& op : shape->epilogue.post)
    if (op.operand >= 0) launch.inputs.push_back(op.operand);
  launch.outputs = {int(group.operands.size())};
  launch.dims = {shape->rows, shape->columns, shape->depth};
  launch.dims.insert(launch.dims.end(), shape->batch.begin(), shape->batch.end());
  launch.kernel = std::make_shared<MatmulKernel>(*shape, std::move(panels), target);
  result.launches.push_back(std::move(launch));
  return result;
}

}  // namespace sardonyx::cpu::onednn
