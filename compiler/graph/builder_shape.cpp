// Data movement. Everything that provably moves nothing returns its operand.
#include <algorithm>

#include "compiler/expr/simplify.h"
#include "compiler/graph/builder.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {

namespace {

bool all_const(const std::vector<Expr>& values, int64_t value) {
  return std::all_of(values.begin(), values.end(), [&](const Expr& e) { return expr::is_const(e, value); });
}

bool is_reshape(const Value* x) { return x->producer && x->producer->op == Op::reshape; }

template <class A>
std::shared_ptr<A> axis_attributes(int64_t axis) {
  auto attributes = std::make_shared<A>();
  attributes->axis = axis;
  return attributes;
}

void require_integer(const Value* indices, const char* what) {
  require(is_integer(indices->type.dtype), Status::InvalidModel, what, ": indices of type ", to_string(indices->type));
}

}  // namespace

Value* Builder::reshape(Value* x, std::vector<Expr> dims) {
  for (Expr& dim : dims) dim = expr::simplify(dim);
  if (same_dims(x->type.dims, dims)) return x;
  TensorType target{x->type.dtype, dims, {}};
  require_equal(element_count(x->type), element_count(target),
                str("element counts of a reshape of ", to_string(x->type), " to ", shape_text(dims)));
  if (is_reshape(x)) {
    x = x->producer->operand(0);
    if (same_dims(x->type.dims, dims)) return x;
  }
  auto attributes = std::make_shared<ReshapeAttrs>();
  attributes->dims = std::move(dims);
  return create(Op::reshape, std::move(attributes), {x})->result();
}

Value* Builder::squeeze(Value* x, std::vector<int64_t> axes) {
  axes = normal_axes(std::move(axes), x->type.rank(), "squeeze");
  std::vector<Expr> dims;
  for (int i = 0; i < x->type.rank(); ++i) {
    const Expr& dim = x->type.dims[size_t(i)];
    if (!std::binary_search(axes.begin(), axes.end(), i))
      dims.push_back(dim);
    else
      require_equal(dim, 1, str("squeeze of axis ", i, " of ", to_string(x->type)));
  }
  return reshape(x, std::move(dims));
}

Value* Builder::unsqueeze(Value* x, std::vector<int64_t> axes) {
  int rank = x->type.rank() + int(axes.size());
  axes = normal_axes(std::move(axes), rank, "unsqueeze");
  std::vector<Expr> dims = x->type.dims;
  for (int64_t axis : axes) dims.insert(dims.begin() + axis, Expr(1));
  return reshape(x, std::move(dims));
}

Value* Builder::transpose(Value* x, std::vector<int64_t> perm) {
  int rank = x->type.rank();
  require(int(perm.size()) == rank, Status::InvalidModel, "transpose of ", to_string(x->type), " by [", join(perm, ","),
          "]");
  for (int64_t& axis : perm) axis = normal_axis(axis, rank, "transpose");
  if (x->producer && x->producer->op == Op::transpose) {
    const Ints& inner = x->producer->attrs<TransposeAttrs>().perm;
    for (int64_t& axis : perm) axis = inner[size_t(axis)];
    x = x->producer->operand(0);
  }
  if (std::is_sorted(perm.begin(), perm.end())) return x;
  auto attributes = std::make_shared<TransposeAttrs>();
  attributes->perm = std::move(perm);
  return create(Op::transpose, std::move(attributes), {x})->result();
}

Value* Builder::slice(Value* x, std::vector<Expr> starts, std::vector<Expr> dims, std::vector<int64_t> steps) {
  for (Expr& start : starts) start = expr::simplify(start);
  for (Expr& dim : dims) dim = expr::simplify(dim);
  bool unit = std::all_of(steps.begin(), steps.end(), [](int64_t step) { return step == 1; });
  if (unit && all_const(starts, 0) && same_dims(x->type.dims, dims)) return x;
  auto attributes = std::make_shared<SliceAttrs>();
  attributes->starts = std::move(starts);
  attributes->dims = std::move(dims);
  attributes->steps = std::move(steps);
  return create(Op::slice, std::move(attributes), {x})->result();
}

Value* Builder::slice_axis(Value* x, int64_t axis, Expr start, Expr extent) {
  axis = normal_axis(axis, x->type.rank(), "slice");
  std::vector<Expr> starts(x->type.dims.size(), Expr(0)), dims = x->type.dims;
  starts[size_t(axis)] = std::move(start);
  dims[size_t(axis)] = std::move(extent);
  return slice(x, std::move(starts), std::move(dims), std::vector<int64_t>(x->type.dims.size(), 1));
}

Value* Builder::pad(Value* x, std::vector<Expr> before, std::vector<Expr> after, PadMode mode, Value* fill) {
  for (Expr& e : before) e = expr::simplify(e);
  for (Expr& e : after) e = expr::simplify(e);
  if (all_const(before, 0) && all_const(after, 0)) return x;
  auto attributes = std::make_shared<PadAttrs>();
  attributes->before = std::move(before);
  attributes->after = std::move(after);
  attributes->mode = mode;
  std::vector<Value*> operands{x};
  if (mode == PadMode::Constant) {
    const bool text = x->type.dtype == DType::String;
    operands.push_back(fill ? reshape(fill, {}) : text ? constant(Tensor(DType::String, {})) : scalar_like(x, 0));
  }
  return create(Op::pad, std::move(attributes), std::move(operands))->result();
}

Value* Builder::concat(std::vector<Value*> xs, int64_t axis) {
  require(!xs.empty(), Status::InvalidModel, "concat of nothing");
  axis = normal_axis(axis, xs[0]->type.rank(), "concat");
  for (Value* x : xs) {
    require(x->type.rank() == xs[0]->type.rank() && x->type.dtype == xs[0]->type.dtype, Status::InvalidModel,
            "concat of ", to_string(xs[0]->type), " and ", to_string(x->type));
    for (int i = 0; i < x->type.rank(); ++i)
      if (i != axis)
        require_equal(xs[0]->type.dims[size_t(i)], x->type.dims[size_t(i)],
                      str("concat on axis ", axis, " of ", to_string(xs[0]->type), " and ", to_string(x->type)));
  }
  auto is_empty = [&](Value* x) { return expr::is_const(x->type.dims[size_t(axis)], 0); };
  auto filled = std::find_if_not(xs.begin(), xs.end(), is_empty);
  if (filled != xs.end()) xs.erase(std::remove_if(xs.begin(), xs.end(), is_empty), xs.end());
  if (xs.size() == 1 || filled == xs.end()) return xs[0];
  return create(Op::concat, axis_attributes<AxisAttrs>(axis), std::move(xs))->result();
}

Value* Builder::gather(Value* x, Value* indices, int64_t axis) {
  require_integer(indices, "gather");
  axis = normal_axis(axis, x->type.rank(), "gather");
  return create(Op::gather, axis_attributes<AxisAttrs>(axis), {x, indices})->result();
}

Value* Builder::gather_elements(Value* x, Value* indices, int64_t axis) {
  require_integer(indices, "gather_elements");
  axis = normal_axis(axis, x->type.rank(), "gather_elements");
  return create(Op::gather_elements, axis_attributes<AxisAttrs>(axis), {x, indices})->result();
}

Value* Builder::gather_nd(Value* x, Value* indices, int64_t batch_dims) {
  require_integer(indices, "gather_nd");
  auto attributes = std::make_shared<GatherNdAttrs>();
  attributes->batch_dims = batch_dims;
  for (int64_t i = 0; i < batch_dims && i < x->type.rank() && i < indices->type.rank(); ++i)
    require_equal(x->type.dims[size_t(i)], indices->type.dims[size_t(i)],
                  str("batch dims of gather_nd of ", to_string(x->type), " by ", to_string(indices->type)));
  return create(Op::gather_nd, std::move(attributes), {x, indices})->result();
}

Value* Builder::scatter_elements(Value* x, Value* indices, Value* updates, int64_t axis, ScatterReduce reduction) {
  require_integer(indices, "scatter_elements");
  auto attributes = axis_attributes<ScatterAttrs>(normal_axis(axis, x->type.rank(), "scatter_elements"));
  attributes->reduction = reduction;
  return create(Op::scatter_elements, std::move(attributes), {x, indices, updates})->result();
}

Value* Builder::scatter_nd(Value* x, Value* indices, Value* updates, ScatterReduce reduction) {
  require_integer(indices, "scatter_nd");
  auto attributes = std::make_shared<ScatterAttrs>();
  attributes->reduction = reduction;
  return create(Op::scatter_nd, std::move(attributes), {x, indices, updates})->result();
}

}  // namespace sardonyx::graph
