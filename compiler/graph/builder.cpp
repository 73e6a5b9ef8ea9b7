// The general form of node construction, constants, scalar maps, and the rules for dims that must agree.
#include "compiler/graph/builder.h"

#include <algorithm>

#include "compiler/expr/simplify.h"
#include "compiler/graph/fold.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {

void Builder::insert_before(Node* node) {
  region_ = node->parent;
  before_ = node;
}

void Builder::insert_at_end(Region& region) {
  region_ = &region;
  before_ = nullptr;
}

namespace {
// Simplifies the dims of results and refuses those that no tensor has: negative ones, and more elements than memory.
void settle(Op op, std::vector<TensorType>& types) {
  for (TensorType& type : types) {
    std::vector<int64_t> known;
    for (Expr& dim : type.dims) {
      dim = expr::simplify(dim);
      auto value = expr::as_int(dim);
      if (value.value_or(0) < 0)
        fail(Status::InvalidModel, op_name(op), " would give ", to_string(type), ", which has a negative dim");
      if (value) known.push_back(*value);
    }
    sardonyx::element_count(known);  // throws when the known dims alone are too many
  }
}
}  // namespace

Node* Builder::add_node(Op op, AttributesPtr attributes, std::vector<Value*> operands, std::vector<TensorType> types) {
  settle(op, types);
  Node* node = graph_.create(*region_, before_, op, std::move(attributes), std::move(operands), std::move(types));
  node->sources = sources_;
  return node;
}

Node* Builder::create(Op op, AttributesPtr attributes, std::vector<Value*> operands) {
  const OpDef& def = op_def(op);
  sardonyx::check(def.infer != nullptr, op_name(op), " has no type inference");
  std::vector<TensorType> operand_types;
  bool texts = false;
  for (Value* operand : operands) {
    sardonyx::check(operand != nullptr, "a null operand of ", op_name(op));
    require(operand->type.dtype != DType::Object, Status::InvalidModel, op_name(op), " of ", to_string(operand->type),
            ": expected a tensor of known rank");
    texts |= operand->type.dtype == DType::String;
    operand_types.push_back(operand->type);
  }
  if (texts && op != Op::copy) return create_on_texts(op, std::move(attributes), std::move(operands));
  std::vector<TensorType> types = def.infer(*attributes, operand_types);
  settle(op, types);

  std::optional<std::vector<Expr>> contents;
  bool may_fold = types.size() == 1 && op != Op::constant && op != Op::dims_tensor && op != Op::reorder;
  if (may_fold) {
    if (auto folded = fold_constants(op, *attributes, operands, types[0])) return constant(*folded)->producer;
    contents = fold_contents(op, *attributes, operands, types[0]);
    // A node that only computes dims is replaced by the dims themselves.
    if (contents && is_integer(types[0].dtype))
      return dims_tensor(*contents, *static_dims(types[0]), types[0].dtype)->producer;
    bool known = contents && std::all_of(contents->begin(), contents->end(), [](auto& e) { return expr::as_int(e); });
    if (known) {
      Tensor value(types[0].dtype, *static_dims(types[0]));
      for (size_t i = 0; i < contents->size(); ++i) value.set_int(int64_t(i), *expr::as_int((*contents)[i]));
      return constant(std::move(value))->producer;
    }
  }
  Node* node = add_node(op, std::move(attributes), std::move(operands), std::move(types));
  if (op == Op::constant || op == Op::dims_tensor) set_known_contents(node);
  if (contents) node->result()->contents = std::move(contents);
  return node;
}

// ---- dims that must agree ----

namespace {

bool bound_by_inputs(const Graph& graph, const Expr& e) {
  bool bound = true;
  expr::visit(e, [&](const Expr& part) {
    if (part->kind != expr::Kind::Var) return bound;
    bool found = false;
    for (const auto& parameter : graph.body().parameters())
      for (const Expr& dim : parameter->type.dims) found |= dim->kind == expr::Kind::Var && dim->var == part->var;
    bound &= found;
    return bound;
  });
  return bound;
}

int node_count(const Expr& e) {
  int count = 0;
  expr::visit(e, [&](const Expr&) { return ++count > 0; });
  return count;
}

}  // namespace

Expr Builder::require_equal(const Expr& a, const Expr& b, const std::string& what) {
  if (a.same_as(b) || expr::prove_equal(a, b)) return expr::as_int(b) ? b : a;
  Expr left = expr::simplify(a), right = expr::simplify(b);
  std::string text = str(what, ": ", expr::to_string(left), " and ", expr::to_string(right), " must be equal");
  auto left_value = expr::as_int(left), right_value = expr::as_int(right);
  require(!left_value || !right_value, Status::InvalidModel, text);
  equate(left, right, text);
  if (left_value || right_value) return right_value ? right : left;
  return node_count(right) < node_count(left) ? right : left;
}

void Builder::equate(const Expr& left, const Expr& right, const std::string& text) {
  // An untaken branch must not fail the run, and symbols of regions exist inside only: there a node checks.
  if (region_ == &graph_.body() && bound_by_inputs(graph_, left) && bound_by_inputs(graph_, right)) {
    if (!graph_.has_equality(left, right)) graph_.equalities.push_back({left, right, text});
  } else {
    check(left == right, Status::MismatchingShape, text);
  }
}

std::string Builder::shape_text(const std::vector<Expr>& dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) text += (i ? "," : "") + expr::to_string(dims[i]);
  return text + ']';
}

int64_t Builder::normal_axis(int64_t axis, int rank, const char* what) {
  require(axis >= -rank && axis < rank, Status::InvalidModel, what, ": axis ", axis, " is out of range for rank ",
          rank);
  return axis < 0 ? axis + rank : axis;
}

std::vector<int64_t> Builder::normal_axes(std::vector<int64_t> axes, int rank, const char* what) {
  for (int64_t& axis : axes) axis = normal_axis(axis, rank, what);
  std::sort(axes.begin(), axes.end());
  require(std::adjacent_find(axes.begin(), axes.end()) == axes.end(), Status::InvalidModel, what,
          ": an axis is repeated in [", join(axes, ","), "]");
  return axes;
}

// ---- constants ----

Value* Builder::constant(Tensor value) {
  auto attributes = std::make_shared<ConstantAttrs>();
  TensorType type{value.dtype(), {value.dims().begin(), value.dims().end()}, {}};
  attributes->value = std::move(value);
  Node* node = add_node(Op::constant, std::move(attributes), {}, {std::move(type)});
  set_known_contents(node);
  return node->result();
}

Value* Builder::scalar(DType dtype, double value) { return constant(Tensor::scalar(dtype, value)); }
Value* Builder::ints(const std::vector<int64_t>& values) { return constant(Tensor::ints(values)); }

Value* Builder::dims_tensor(std::vector<Expr> values, std::vector<int64_t> dims, DType dtype) {
  sardonyx::check(sardonyx::element_count(dims) == int64_t(values.size()), values.size(), " dims for shape [",
                  join(dims, ","), "]");
  bool known = true;
  for (Expr& value : values) {
    value = expr::simplify(value);
    known &= expr::as_int(value).has_value();
  }
  if (known) {
    Tensor tensor(dtype, dims);
    for (size_t i = 0; i < values.size(); ++i) tensor.set_int(int64_t(i), *expr::as_int(values[i]));
    return constant(std::move(tensor));
  }
  auto attributes = std::make_shared<DimsTensorAttrs>();
  attributes->dtype = dtype;
  attributes->values = std::move(values);
  TensorType type{dtype, {dims.begin(), dims.end()}, {}};
  attributes->dims = std::move(dims);
  Node* node = add_node(Op::dims_tensor, std::move(attributes), {}, {std::move(type)});
  set_known_contents(node);
  return node->result();
}

Value* Builder::shape_of(Value* x) { return dims_tensor(x->type.dims, {x->type.rank()}); }

Value* Builder::iota(DType dtype, std::vector<Expr> dims, int64_t axis) {
  auto attributes = std::make_shared<IotaAttrs>();
  attributes->dtype = dtype;
  attributes->axis = normal_axis(axis, int(dims.size()), "iota");
  attributes->dims = std::move(dims);
  return create(Op::iota, std::move(attributes), {})->result();
}

// ---- scalar maps ----

Value* Builder::unary(UnaryFunction function, Value* x) {
  auto attributes = std::make_shared<UnaryAttrs>();
  attributes->function = function;
  return create(Op::unary, std::move(attributes), {x})->result();
}

Value* Builder::binary(BinaryFunction function, Value* a, Value* b) {
  require(a->type.dtype == b->type.dtype, Status::InvalidModel, binary_names[int(function)], " of ", to_string(a->type),
          " and ", to_string(b->type), ": the data types differ");
  if (a->type.dtype == DType::String) {
    const bool order =
        function == BinaryFunction::Eq || function == BinaryFunction::Lt || function == BinaryFunction::Le;
    require(order, Status::InvalidModel, binary_names[int(function)], " of strings");
    std::vector<Value*> ranks = text_ranks({a, b});
    return binary(function, ranks[0], ranks[1]);
  }
  auto dims = broadcast_dims(a->type.dims, b->type.dims);
  auto attributes = std::make_shared<BinaryAttrs>();
  attributes->function = function;
  return create(Op::binary, std::move(attributes), {broadcast_agreed(a, dims), broadcast_agreed(b, dims)})->result();
}

Value* Builder::select(Value* condition, Value* then_value, Value* else_value) {
  require(condition->type.dtype == DType::Bool && then_value->type.dtype == else_value->type.dtype,
          Status::InvalidModel, "select of ", to_string(condition->type), ", ", to_string(then_value->type), " and ",
          to_string(else_value->type), ": expected bool and two equal data types");
  auto dims = broadcast_dims(condition->type.dims, broadcast_dims(then_value->type.dims, else_value->type.dims));
  return create(Op::select, std::make_shared<NoAttrs>(),
                {broadcast_agreed(condition, dims), broadcast_agreed(then_value, dims),
                 broadcast_agreed(else_value, dims)})
      ->result();
}

Value* Builder::cast(Value* x, DType dtype) {
  if (x->type.dtype == dtype) return x;
  if (x->type.dtype == DType::String || dtype == DType::String) return cast_text(x, dtype);
  auto attributes = std::make_shared<CastAttrs>();
  attributes->dtype = dtype;
  return create(Op::cast, std::move(attributes), {x})->result();
}

// ---- run-time dims ----

std::optional<std::vector<Expr>> Builder::contents_of(Value* ints) {
  if (ints->contents || !ints->constant()) return ints->contents;
  const Tensor& tensor = *ints->constant();
  if (!is_integer(tensor.dtype()) && tensor.dtype() != DType::Bool) return std::nullopt;
  std::vector<Expr> values;
  for (int64_t i = 0; i < tensor.count(); ++i) values.emplace_back(tensor.as_int(i));
  return values;
}

std::optional<std::vector<int64_t>> Builder::static_ints(Value* ints) {
  auto contents = contents_of(ints);
  if (!contents) return std::nullopt;
  std::vector<int64_t> values;
  for (const Expr& e : *contents) {
    auto value = expr::as_int(e);
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

std::vector<Expr> Builder::values_of(Value* ints, expr::Facts facts) {
  require(is_integer(ints->type.dtype) && ints->type.rank() <= 1, Status::InvalidModel,
          "expected a vector of integers, got ", to_string(ints->type));
  if (auto contents = contents_of(ints)) {
    for (const Expr& value : *contents) {
      const auto known = expr::as_int(value);
      require(!known || (*known >= facts.min && *known <= facts.max), Status::InvalidModel, "the value ",
              known.value_or(0), " is out of its range, which begins at ", facts.min);
      if (facts.min != INT64_MIN)
        check(Expr(facts.min) <= value, Status::MismatchingShape,
              str("a value of ", to_string(ints->type), " is below ", facts.min));
    }
    return *contents;
  }
  auto count = expr::as_int(element_count(ints->type));
  require(count.has_value(), Status::UnsupportedShape, "the number of elements of ", to_string(ints->type),
          " must be known because they become dims");
  require(*count <= max_contents, Status::UnsupportedShape, "the elements of ", to_string(ints->type),
          " become dims, and more than ", max_contents, " are not supported");
  Value* flat = reshape(cast(ints, DType::I64), {Expr(*count)});
  auto attributes = std::make_shared<BindDimsAttrs>();
  for (int64_t i = 0; i < *count; ++i) attributes->symbols.push_back(graph_.fresh_symbol("v", facts));
  std::vector<Expr> symbols = attributes->symbols;
  add_node(Op::bind_dims, std::move(attributes), {flat}, {});
  // Later readers share the symbols, where those are certain to be bound.
  Region* home = ints->producer ? ints->producer->parent : ints->region;
  if (home == region_ && !before_ && *count <= max_contents) ints->contents = symbols;
  return symbols;
}

void Builder::check(Expr condition, Status status, std::string text) {
  condition = expr::simplify(condition);
  if (expr::prove(condition)) return;
  bool surely_runs = region_ == &graph_.body();
  require(!surely_runs || !expr::is_const(condition, 0), status, text);
  auto attributes = std::make_shared<CheckAttrs>();
  attributes->condition = {condition};
  attributes->status = int64_t(status);
  attributes->text = std::move(text);
  add_node(Op::check, std::move(attributes), {}, {});
}

}  // namespace sardonyx::graph
