// Reductions, windows, contractions, composites and opaque operators.
#include "compiler/expr/simplify.h"
#include "compiler/graph/builder.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {

namespace {

template <class A>
std::shared_ptr<A> boxed(A attributes) {
  return std::make_shared<A>(std::move(attributes));
}

// Kernel channels times groups must be the data's channels.
std::string channel_text(const Value* x, const Value* w) {
  return str("channels of ", to_string(x->type), " and of the kernel ", to_string(w->type));
}

}  // namespace

Value* Builder::reduce(ReduceFunction function, Value* x, std::vector<int64_t> axes, bool keep_dims) {
  ReduceAttrs attributes;
  attributes.function = function;
  attributes.axes = normal_axes(std::move(axes), x->type.rank(), "reduce");
  if (attributes.axes.empty()) return x;
  std::vector<Expr> kept = x->type.dims;
  for (int64_t axis : attributes.axes) kept[size_t(axis)] = 1;
  Value* result = create(Op::reduce, boxed(std::move(attributes)), {x})->result();
  return keep_dims ? reshape(result, std::move(kept)) : result;
}

Value* Builder::mean(Value* x, std::vector<int64_t> axes, bool keep_dims) {
  axes = normal_axes(std::move(axes), x->type.rank(), "mean");
  if (axes.empty()) return x;
  Expr count = 1;
  for (int64_t axis : axes) count = count * x->type.dims[size_t(axis)];
  Value* divisor = cast(dims_tensor({count}, {}), x->type.dtype);
  // The division comes before the kept dims are put back, so that it is an epilogue of the reduction.
  Value* result = div(reduce(ReduceFunction::Sum, x, axes, false), divisor);
  return keep_dims ? unsqueeze(result, std::move(axes)) : result;
}

Value* Builder::arg_reduce(Value* x, bool maximum, bool last, int64_t axis, bool keep_dims) {
  ArgReduceAttrs attributes;
  attributes.maximum = maximum;
  attributes.last = last;
  attributes.axis = axis = normal_axis(axis, x->type.rank(), "arg_reduce");
  Value* result = create(Op::arg_reduce, boxed(std::move(attributes)), {x})->result();
  return keep_dims ? unsqueeze(result, {axis}) : result;
}

Value* Builder::cumulate(ReduceFunction function, Value* x, int64_t axis, bool exclusive, bool reverse) {
  CumulateAttrs attributes;
  attributes.function = function;
  attributes.axis = normal_axis(axis, x->type.rank(), "cumulate");
  attributes.exclusive = exclusive;
  attributes.reverse = reverse;
  return create(Op::cumulate, boxed(std::move(attributes)), {x})->result();
}

Value* Builder::pool(Value* x, PoolAttrs attrs) { return create(Op::pool, boxed(std::move(attrs)), {x})->result(); }

Value* Builder::matmul(Value* a, Value* b, bool transpose_a, bool transpose_b, DType dtype) {
  size_t rank_a = a->type.dims.size(), rank_b = b->type.dims.size();
  std::string what = str("matmul of ", to_string(a->type), " and ", to_string(b->type));
  require(rank_a >= 2 && rank_b >= 2, Status::InvalidModel, what, ": both need two dims at least");
  require_equal(a->type.dims[rank_a - (transpose_a ? 2 : 1)], b->type.dims[rank_b - (transpose_b ? 1 : 2)],
                "inner dims of a " + what);
  const auto batch =
      broadcast_dims({a->type.dims.begin(), a->type.dims.end() - 2}, {b->type.dims.begin(), b->type.dims.end() - 2});
  a = broadcast_batch(a, batch);
  b = broadcast_batch(b, batch);
  MatmulAttrs attributes;
  attributes.transpose_a = transpose_a;
  attributes.transpose_b = transpose_b;
  attributes.dtype = dtype == DType::None ? a->type.dtype : dtype;
  return create(Op::matmul, boxed(std::move(attributes)), {a, b})->result();
}

Value* Builder::conv(Value* x, Value* w, ConvAttrs attrs) {
  if (x->type.rank() >= 3 && w->type.rank() == x->type.rank())
    require_equal(x->type.dims[1], expr::simplify(w->type.dims[1] * attrs.groups), channel_text(x, w));
  return create(Op::conv, boxed(std::move(attrs)), {x, w})->result();
}

Value* Builder::conv_transpose(Value* x, Value* w, ConvTransposeAttrs attrs) {
  if (x->type.rank() >= 3 && w->type.rank() == x->type.rank())
    require_equal(x->type.dims[1], w->type.dims[0], channel_text(x, w));
  return create(Op::conv_transpose, boxed(std::move(attrs)), {x, w})->result();
}

Value* Builder::softmax(Value* x, int64_t axis, bool log) {
  SoftmaxAttrs attributes;
  attributes.axis = normal_axis(axis, x->type.rank(), "softmax");
  attributes.log = log;
  return create(Op::softmax, boxed(std::move(attributes)), {x})->result();
}

Value* Builder::layer_norm(Value* x, Value* scale, Value* bias, int64_t axis, double epsilon) {
  LayerNormAttrs attributes;
  attributes.axis = normal_axis(axis, x->type.rank(), "layer_norm");
  attributes.epsilon = epsilon;
  std::vector<Expr> dims(x->type.dims.begin() + attributes.axis, x->type.dims.end());
  return create(Op::layer_norm, boxed(std::move(attributes)), {x, broadcast(scale, dims), broadcast(bias, dims)})
      ->result();
}

Value* Builder::lrn(Value* x, LrnAttrs attrs) { return create(Op::lrn, boxed(std::move(attrs)), {x})->result(); }

std::vector<Value*> Builder::rnn(std::vector<Value*> operands, RnnAttrs attrs) {
  if (!operands.empty() && operands[0]->type.rank() == 3) {
    const auto expected = attrs.operand_dims(operands[0]->type.dims[0], operands[0]->type.dims[1]);
    for (size_t i = 0; i < std::min(operands.size(), expected.size()); ++i) {
      const auto& dims = operands[i]->type.dims;
      for (size_t d = 0; d < dims.size() && dims.size() == expected[i].size(); ++d)
        require_equal(dims[d], expected[i][d], str(rnn_names[int(attrs.kind)], ": dims of operand ", i));
    }
  }
  return results_of(create(Op::rnn, boxed(std::move(attrs)), std::move(operands)));
}

std::vector<Value*> Builder::topk(Value* x, Expr k, int64_t axis, bool largest, bool sorted) {
  TopkAttrs attributes;
  attributes.axis = normal_axis(axis, x->type.rank(), "topk");
  attributes.largest = largest;
  attributes.sorted = sorted;
  attributes.k = {expr::simplify(k)};
  std::vector<Value*> operands{x};
  if (!expr::as_int(attributes.k[0])) operands.push_back(dims_tensor(attributes.k, {1}));
  return results_of(create(Op::topk, boxed(std::move(attributes)), std::move(operands)));
}

Value* Builder::nonzero(Value* x) {
  require(x->type.dtype != DType::Object, Status::InvalidModel, "nonzero of ", to_string(x->type));
  // A text counts when it has bytes.
  if (x->type.dtype == DType::String) x = logical_not(equal(x, constant(Tensor(DType::String, {}))));
  expr::Facts facts{0, INT64_MAX, 1};
  if (auto count = expr::as_int(element_count(x->type))) facts.max = *count;
  TensorType type{DType::I64, {Expr(x->type.rank()), graph_.fresh_symbol("nonzero", facts)}, {}};
  return add_node(Op::nonzero, std::make_shared<NoAttrs>(), {x}, {std::move(type)})->result();
}

std::vector<Value*> Builder::host_call(const std::string& name, const std::string& parameters,
                                       std::vector<Value*> operands, std::vector<TensorType> result_types) {
  for (const Value* operand : operands)
    require(!is_held(operand->type.dtype), Status::InvalidModel, name, " of ", to_string(operand->type),
            ": expected numbers");
  return value_call(name, parameters, std::move(operands), std::move(result_types));
}

std::vector<Value*> Builder::value_call(const std::string& name, const std::string& parameters,
                                        std::vector<Value*> operands, std::vector<TensorType> result_types) {
  HostCallAttrs attributes;
  attributes.name = name;
  attributes.parameters = parameters;
  return results_of(
      add_node(Op::host_call, boxed(std::move(attributes)), std::move(operands), std::move(result_types)));
}

std::vector<Value*> Builder::results_of(Node* node) {
  std::vector<Value*> values;
  for (const auto& result : node->results) values.push_back(result.get());
  return values;
}

}  // namespace sardonyx::graph
