// Family "pointwise": groups whose stages all are maps (arithmetic, casts, gathers, slices, transposes ...).
//
// Intermediate stages are inlined; outputs of equal dims share one launch. Each launch runs over the collapsed domain:
// outer axes form the grid until the rest is a good chunk of work, the vector axis runs innermost. A concatenation
// becomes one loop per piece instead of a choice per element.
#include <unordered_set>
#include "compiler/sketch/families.h"

#include "compiler/sketch/map.h"

namespace sardonyx::sketch {

namespace {

// A map whose value is another expression on each of several ranges of one axis.
struct Pieces {
  size_t axis = 0;
  std::vector<Map> maps;  // over the axes from `axis` on, collapsed; the axes before are free
};

// What Select(axis < end_0, value_0, Select(axis < end_1, ...)) consists of; no maps when it is something else.
Pieces pieces_of(const Map& map) {
  Pieces pieces;
  if (map.outputs.size() != 1) return pieces;
  const Map::Output& out = map.outputs[0];
  const auto condition_axis = [&](const Expr& value) {
    if (value->kind != expr::Kind::Select || value->args[0]->kind != expr::Kind::Lt) return map.axes.size();
    const Expr& variable = value->args[0]->args[0];
    for (size_t a = 0; a < map.axes.size(); ++a)
      if (variable->kind == expr::Kind::Var && variable->var == map.axes[a].var) return a;
    return map.axes.size();
  };
  pieces.axis = condition_axis(out.value);
  if (pieces.axis == map.axes.size()) return pieces;
  const Axis whole = map.axes[pieces.axis];
  Expr begin = 0;
  for (Expr rest = out.value; rest.defined();) {
    const bool last = condition_axis(rest) != pieces.axis;
    const Expr end = last ? whole.extent : rest->args[0]->args[1];
    // Ranges must follow each other, within the axis.
    if (expr::uses_var(end, whole.var.get()) || !expr::prove(begin <= end) || !expr::prove(end <= whole.extent))
      return {};
    const Axis axis{loop_var(whole.var->name, expr::simplify(end - begin)), expr::simplify(end - begin)};
    const expr::Substitution moved{{whole.var.get(), begin + Expr(axis.var)}};
    Map piece;
    piece.axes = {axis};
    piece.axes.insert(piece.axes.end(), map.axes.begin() + long(pieces.axis) + 1, map.axes.end());
    tensor::Index index;
    for (const Expr& e : out.index) index.push_back(tensor::substitute_shared(e, moved));
    piece.outputs.push_back({out.buffer, index, tensor::substitute_shared(last ? rest : rest->args[1], moved)});
    if (!expr::is_const(axis.extent, 0)) pieces.maps.push_back(collapse(piece));
    begin = end;
    rest = last ? Expr() : rest->args[2];
  }
  return pieces;
}

// Nanoseconds of the map, which consists of `pieces` if there are any.
double cost_of(const Map& map, const Pieces& pieces, const Target& target) {
  if (pieces.maps.empty()) return double(typical_points(map.axes)) * choose_vector(map, target).ns_per_point;
  double ns = 0;
  for (const Map& piece : pieces.maps)
    ns += double(typical_points(piece.axes)) * choose_vector(piece, target).ns_per_point + 3;
  for (size_t a = 0; a < pieces.axis; ++a) ns *= double(typical(map.axes[a].extent));
  return ns;
}

std::vector<Proposal> propose(const Problem& problem, const Target& target, std::string* why) {
  auto maps = pointwise_maps(problem.program);
  if (auto* refusal = std::get_if<Refusal>(&maps)) {
    if (why) *why = refusal->reason;
    return {};
  }
  double ns = 0;
  for (const Map& map : std::get<0>(maps)) {
    ns += cost_of(map, pieces_of(map), target) + 20;
  }
  return {{{}, ns}};
}

// The axis along which an operand is dense that is strided along the vector axis, for a transposing map; -1 otherwise.
int crossing_axis(const Map& map, int vector_axis) {
  const Axis& v = map.axes[size_t(vector_axis)];
  int crossing = -1;
  std::unordered_set<const expr::Node*> seen;
  for (const Map::Output& out : map.outputs) {
    expr::visit(out.value, [&](const Expr& x) {
      if (!seen.insert(x.get()).second) return false;
      if (x->kind != expr::Kind::Load) return true;
      Expr offset = flat_offset(*x->buffer, x->args);
      auto stride = [&](const Axis& axis) -> int64_t {
        auto linear = expr::linear_in(offset, axis.var);
        return linear ? expr::as_int(linear->coefficient).value_or(0) : 0;
      };
      if (stride(v) < 16) return true;
      for (size_t a = 0; a < map.axes.size(); ++a) {
        if (int(a) != vector_axis && stride(map.axes[a]) == 1) crossing = int(a);
      }
      return true;
    });
  }
  return crossing;
}

// Transposing maps run in strips of `strip` points of the crossing axis, innermost within each vector, so that every
// cache line that a gather touches is used whole.
constexpr int64_t strip = 16;

tensor::LoweredKernel transpose_launch(const Program& program, Map map, const VectorChoice& choice, int crossing,
                                       const Target& target) {
  const Axis v = map.axes[size_t(choice.axis)], c = map.axes[size_t(crossing)];
  std::vector<Stmt> stores;
  for (const Map::Output& out : map.outputs) stores.push_back(tensor::make_store(out.buffer, out.index, out.value));
  Stmt point = tensor::make_block(std::move(stores));
  Expr strips = expr::simplify(expr::ceil_div(c.extent, strip));
  VarPtr s = loop_var("strip", strips), i = loop_var("i", strip);
  Expr begin = Expr(s) * strip;
  Expr count = expr::prove_divisible(c.extent, strip) ? Expr(strip) : expr::min(strip, c.extent - begin);
  point = tensor::substitute(point, {{c.var.get(), begin + Expr(i)}});
  // One vector of the vector axis at a time, all points of the strip inside it.
  auto of_strip = [&](const Stmt& body) { return tensor::make_for(tensor::ForKind::Serial, i, count, body); };
  Expr full = expr::simplify(v.extent / choice.lanes), rest = expr::simplify(v.extent % choice.lanes);
  VarPtr block = loop_var("block", full);
  std::vector<Stmt> parts;
  parts.push_back(tensor::make_for(
      tensor::ForKind::Serial, block, full,
      of_strip(vector_range(v.var, Expr(block) * choice.lanes, choice.lanes, choice.lanes, target, point))));
  if (!expr::is_const(rest, 0)) {
    parts.push_back(of_strip(vector_range(v.var, full * choice.lanes, rest, choice.lanes, target, point)));
  }
  std::vector<Axis> grid;
  for (size_t a = 0; a < map.axes.size(); ++a) {
    if (int(a) != choice.axis && int(a) != crossing) grid.push_back(map.axes[a]);
  }
  grid.push_back({s, strips});
  return finish_kernel(program, "transpose", grid, tensor::make_block(std::move(parts)), points_of(map.axes),
                       double(typical_points(map.axes)) * choice.ns_per_point);
}

// A grid over the axes before the pieces.
tensor::LoweredKernel piecewise_launch(const Program& program, const Map& map, const Pieces& pieces,
                                       const Target& target) {
  std::vector<Stmt> loops;
  for (const Map& piece : pieces.maps) loops.push_back(map_loops(piece, choose_vector(piece, target), target));
  const std::vector<Axis> grid(map.axes.begin(), map.axes.begin() + long(pieces.axis));
  return finish_kernel(program, "piecewise", grid, tensor::make_block(std::move(loops)), points_of(map.axes),
                       cost_of(map, pieces, target));
}

// Splits the domain into a grid and the work of one index.
tensor::LoweredKernel launch(const Program& program, Map map, const Target& target) {
  if (const Pieces pieces = pieces_of(map); !pieces.maps.empty()) return piecewise_launch(program, map, pieces, target);
  VectorChoice choice = choose_vector(map, target);
  if (choice.axis >= 0 && choice.lanes > 1) {
    if (int crossing = crossing_axis(map, choice.axis); crossing >= 0) {
      return transpose_launch(program, map, choice, crossing, target);
    }
  }
  const Expr points = points_of(map.axes);
  int64_t total = typical_points(map.axes);
  int64_t chunk = std::clamp<int64_t>(total / 16, 2048, 16384);
  std::vector<Axis> grid;
  int64_t rest = total;
  while (choice.axis > 0 && rest > chunk) {
    int64_t extent = typical(map.axes[0].extent);
    if (extent > 1 && rest / extent < 64) break;  // too little would remain per index
    grid.push_back(map.axes[0]);
    map.axes.erase(map.axes.begin());
    --choice.axis;
    rest /= std::max<int64_t>(1, extent);
  }
  Stmt body;
  if (choice.axis == 0 && map.axes.size() == 1 && rest > chunk) {
    const Axis inner = map.axes[0];
    Expr blocks = expr::simplify(expr::ceil_div(inner.extent, chunk));
    VarPtr block = loop_var("block", blocks);
    std::vector<Stmt> stores;
    for (const Map::Output& out : map.outputs) stores.push_back(tensor::make_store(out.buffer, out.index, out.value));
    Stmt point = tensor::make_block(std::move(stores));
    Expr begin = Expr(block) * chunk;
    Expr left = inner.extent - begin;
    bool even = expr::prove_divisible(inner.extent, chunk);
    const auto range = [&](const Expr& count) {
      return vector_range(inner.var, begin, count, choice.lanes, target, point, vectors_at_once(map, target));
    };
    body = even ? range(chunk) : tensor::make_if(Expr(chunk) <= left, range(chunk), range(left));
    grid.push_back({block, blocks});
  } else {
    body = map_loops(map, choice, target);
  }
  return finish_kernel(program, "pointwise", grid, body, points, double(total) * choice.ns_per_point);
}

Result lower(const Problem& problem, const Point&, const Target& target) {
  auto maps = pointwise_maps(problem.program);
  if (auto* refusal = std::get_if<Refusal>(&maps)) return *refusal;
  Lowered lowered;
  for (const Map& map : std::get<0>(maps)) lowered.launches.push_back(launch(problem.program, map, target));
  return lowered;
}

}  // namespace

const Family pointwise_family{"pointwise", 1, guarded_propose<propose>, guarded_lower<lower>};

}  // namespace sardonyx::sketch
