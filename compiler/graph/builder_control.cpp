// If and loop. Results whose dims differ between branches or change between iterations get run-time symbols.
#include "compiler/expr/simplify.h"
#include "compiler/graph/builder.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {

namespace {

// Whether a dim means something outside a region: no symbol of it was made while the region was built, after `mark`.
bool visible_outside(const Graph& graph, int64_t mark, const Expr& dim) {
  bool visible = true;
  expr::visit(dim, [&](const Expr& part) {
    if (part->kind == expr::Kind::Var && graph.symbol_number(part->var.get()) > mark) visible = false;
    return visible;
  });
  return visible;
}

// The condition of a yield that lets the loop go on: constant true, or the region's own condition handed back.
bool always_true(const Value* yielded, const Value* parameter) {
  if (yielded == parameter) return true;
  return yielded->contents && yielded->contents->size() == 1 && expr::is_const((*yielded->contents)[0], 1);
}

// Of two results with one element each, the one of lower rank gets the other's: a rank cannot depend on a condition,
// and in arithmetic the two are the same.
void widen_single(Builder (&sides)[2], Value*& a, Value*& b) {
  for (const Value* value : {a, b})
    if (!expr::is_const(element_count(value->type), 1)) return;
  if (a->type.rank() < b->type.rank())
    a = sides[0].reshape(a, b->type.dims);
  else if (b->type.rank() < a->type.rank())
    b = sides[1].reshape(b, a->type.dims);
}

// What a sequence, optional or map is that may be of either type.
ValueTypePtr united_container(const TensorType& a, const TensorType& b, const std::string& what) {
  ValueTypePtr container = united(a.container, b.container);
  require(container != nullptr, Status::InvalidModel, what, " is ", to_string(a), " or ", to_string(b));
  return container;
}

}  // namespace

bool binds_result_dims(Op op) { return op == Op::if_ || op == Op::loop || op == Op::nonzero || op == Op::host_call; }

std::vector<Value*> Builder::if_then_else(Value* condition,
                                          const std::function<std::vector<Value*>(Builder&)>& then_body,
                                          const std::function<std::vector<Value*>(Builder&)>& else_body) {
  require(condition->type.dtype == DType::Bool, Status::InvalidModel, "the condition of an if is ",
          to_string(condition->type), ", expected bool");
  condition = reshape(condition, {});
  if (auto known = static_ints(condition)) return (*known)[0] ? then_body(*this) : else_body(*this);

  const int64_t mark = graph_.symbol_count();
  Node* node = add_node(Op::if_, std::make_shared<NoAttrs>(), {condition}, {});
  std::vector<Value*> yields[2];
  Builder inner[2] = {Builder(graph_), Builder(graph_)};
  for (int side = 0; side < 2; ++side) {
    inner[side].insert_at_end(*graph_.add_region(node));
    inner[side].set_sources(sources_);
    yields[side] = (side == 0 ? then_body : else_body)(inner[side]);
  }
  require(yields[0].size() == yields[1].size(), Status::InvalidModel, "the branches of an if give ", yields[0].size(),
          " and ", yields[1].size(), " results");
  for (size_t i = 0; i < yields[0].size(); ++i) widen_single(inner, yields[0][i], yields[1][i]);
  for (int side = 0; side < 2; ++side) inner[side].add_node(Op::yield, std::make_shared<NoAttrs>(), yields[side], {});
  for (size_t i = 0; i < yields[0].size(); ++i) {
    const TensorType &a = yields[0][i]->type, &b = yields[1][i]->type;
    require(a.dtype == b.dtype, Status::InvalidModel, "result ", i, " of an if is ", to_string(a), " or ",
            to_string(b));
    require(a.rank() == b.rank(), Status::UnsupportedShape, "result ", i, " of an if is ", to_string(a), " or ",
            to_string(b), ": the rank depends on the condition");
    TensorType type = a;
    if (a.container) type.container = united_container(a, b, str("result ", i, " of an if"));
    for (size_t k = 0; k < a.dims.size(); ++k)
      if (!expr::prove_equal(a.dims[k], b.dims[k]) || !visible_outside(graph_, mark, a.dims[k]))
        type.dims[k] = graph_.fresh_symbol("if");
    graph_.add_result(node, std::move(type));
  }
  return results_of(node);
}

std::vector<Value*> Builder::loop(Value* trip_count, Value* condition, std::vector<Value*> carried,
                                  const std::function<std::vector<Value*>(Builder&, Value* iteration, Value* condition,
                                                                          std::vector<Value*> carried)>& body) {
  LoopAttrs attributes;
  attributes.carried = int64_t(carried.size());
  attributes.has_trip_count = trip_count != nullptr;
  attributes.has_condition = condition != nullptr;
  std::vector<Value*> operands{trip_count ? reshape(cast(trip_count, DType::I64), {})
                                          : constant(Tensor::of<int64_t>(DType::I64, {}, {{INT64_MAX}})),
                               condition ? reshape(condition, {}) : scalar(DType::Bool, 1)};
  auto trips = trip_count ? contents_of(operands[0]) : std::nullopt;
  bool starts_true = !condition || always_true(operands[1], nullptr);
  std::vector<TensorType> types;  // of the carried region parameters
  for (Value* value : carried) {
    operands.push_back(value);
    types.push_back(value->type);
  }

  const int64_t mark = graph_.symbol_count();
  Node* node = add_node(Op::loop, nullptr, operands, {});
  std::vector<Value*> yields;
  // A dim that an iteration changes becomes a symbol of the region; that may change further dims, so build until the
  // types hold. Each round adds a symbol.
  for (bool stable = false; !stable;) {
    Region* region = graph_.add_region(node);
    Builder inner(graph_);
    inner.insert_at_end(*region);
    inner.set_sources(sources_);
    Value* iteration = region->add_parameter({DType::I64, {}, {}});
    Value* go_on = region->add_parameter({DType::Bool, {}, {}});
    std::vector<Value*> parameters;
    for (const TensorType& type : types) parameters.push_back(region->add_parameter(type));
    yields = body(inner, iteration, go_on, parameters);
    require(yields.size() >= 1 + carried.size(), Status::InvalidModel, "a loop body gives ", yields.size(),
            " results, expected a condition and ", carried.size(), " carried values");
    require(yields[0]->type.dtype == DType::Bool, Status::InvalidModel, "the condition of a loop is ",
            to_string(yields[0]->type), ", expected bool");
    yields[0] = condition ? inner.reshape(yields[0], {}) : inner.scalar(DType::Bool, 1);
    stable = true;
    for (size_t i = 0; i < types.size(); ++i) {
      const TensorType& next = yields[1 + i]->type;
      require(next.dtype == types[i].dtype, Status::InvalidModel, "carried value ", i, " of a loop is ",
              to_string(types[i]), " before and ", to_string(next), " after an iteration");
      require(next.rank() == types[i].rank(), Status::UnsupportedShape, "carried value ", i, " of a loop is ",
              to_string(types[i]), " before and ", to_string(next), " after an iteration: the rank changes");
      if (next.container) {
        auto container = united_container(types[i], next, str("carried value ", i, " of a loop"));
        stable &= sardonyx::same_type(*container, *types[i].container);
        types[i].container = std::move(container);
      }
      for (size_t k = 0; k < next.dims.size(); ++k) {
        Expr& dim = types[i].dims[k];
        if (!visible_outside(graph_, mark, dim) || expr::prove_equal(dim, next.dims[k])) continue;
        dim = graph_.fresh_symbol("loop");
        stable = false;
      }
    }
    if (stable) {
      inner.add_node(Op::yield, std::make_shared<NoAttrs>(), yields, {});
      bool exact = starts_true && always_true(yields[0], go_on);
      attributes.has_condition &= !exact;
      if (!exact) trips.reset();
    } else {
      graph_.erase_region(node, 0);
      require(++graph_.rebuilt_bodies <= max_rebuilt_bodies, Status::UnsupportedShape,
              "carried values change their types in loops that are nested too deeply");
    }
  }
  node->attributes = std::make_shared<LoopAttrs>(attributes);

  for (size_t i = 1; i < yields.size(); ++i) {
    TensorType type = yields[i]->type;
    bool is_scan = i > carried.size();
    require(!is_scan || !type.container, Status::InvalidModel, "a loop collects ", to_string(type),
            ": only tensors can be");
    if (!is_scan) type = types[i - 1];
    for (Expr& dim : type.dims)
      if (!visible_outside(graph_, mark, dim)) dim = graph_.fresh_symbol("loop");
    if (is_scan) {
      Expr count = trips ? expr::simplify(expr::max(Expr(0), (*trips)[0])) : graph_.fresh_symbol("trips");
      type.dims.insert(type.dims.begin(), count);
    }
    graph_.add_result(node, std::move(type));
  }
  return results_of(node);
}

}  // namespace sardonyx::graph
