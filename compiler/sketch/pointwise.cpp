// Family "pointwise": groups whose stages all are maps (arithmetic, casts, gathers, slices, transposes ...).
//
// Intermediate stages are inlined; outputs of equal dims share one launch. Each launch runs over the collapsed domain:
// outer axes form the grid until the rest is a good chunk of work, the vector axis runs innermost.
#include <unordered_set>
#include "compiler/sketch/families.h"

#include "compiler/sketch/map.h"

namespace sardonyx::sketch {

namespace {

constexpr int64_t inline_limit = 4000;  // nodes of a body after inlining

int64_t node_count(const Expr& e) {
  std::unordered_set<const expr::Node*> seen;
  expr::visit(e, [&](const Expr& x) { return seen.insert(x.get()).second; });
  return int64_t(seen.size());
}

bool same_domain(const std::vector<Axis>& a, const std::vector<Axis>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!expr::prove_equal(a[i].extent, b[i].extent)) return false;
  }
  return true;
}

// The launches' maps, or a reason why the program is none of this family's.
std::variant<std::vector<Map>, Refusal> maps_of(const Program& program) {
  for (const Stage& stage : program.stages) {
    if (stage.reduce != tensor::Reduce::None) return Refusal{"stage " + stage.name + " reduces"};
    if (stage.scan_axis >= 0) return Refusal{"stage " + stage.name + " is a scan"};
  }
  Program flat = inline_pointwise(program, [](const Stage&) { return false; });
  std::vector<Map> maps;
  for (const Stage& stage : flat.stages) {
    if (node_count(stage.body) > inline_limit) return Refusal{"stage " + stage.name + " is too large when inlined"};
    Map* host = nullptr;
    for (Map& map : maps) {
      if (same_domain(map.axes, stage.axes)) host = &map;
    }
    if (host) {
      append(*host, stage);
    } else {
      maps.push_back(map_of(stage));
    }
  }
  for (Map& map : maps) map = collapse(map);
  return maps;
}

std::vector<Proposal> propose(const Problem& problem, const Target& target, std::string* why) {
  auto maps = maps_of(problem.program);
  if (auto* refusal = std::get_if<Refusal>(&maps)) {
    if (why) *why = refusal->reason;
    return {};
  }
  double ns = 0;
  for (const Map& map : std::get<0>(maps)) {
    ns += double(typical_points(map.axes)) * choose_vector(map, target).ns_per_point + 20;
  }
  return {{{}, ns}};
}

// Splits the domain into a grid and the work of one index.
tensor::LoweredKernel launch(const Program& program, Map map, const Target& target) {
  VectorChoice choice = choose_vector(map, target);
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
    body =
        even ? vector_range(inner.var, begin, chunk, choice.lanes, target, point)
             : tensor::make_if(Expr(chunk) <= left, vector_range(inner.var, begin, chunk, choice.lanes, target, point),
                               vector_range(inner.var, begin, left, choice.lanes, target, point));
    grid.push_back({block, blocks});
    rest = chunk;
  } else {
    body = map_loops(map, choice, target);
  }
  return finish_kernel(program, "pointwise", grid, body, double(rest) * choice.ns_per_point);
}

Result lower(const Problem& problem, const Point&, const Target& target) {
  auto maps = maps_of(problem.program);
  if (auto* refusal = std::get_if<Refusal>(&maps)) return *refusal;
  Lowered lowered;
  for (const Map& map : std::get<0>(maps)) lowered.launches.push_back(launch(problem.program, map, target));
  return lowered;
}

}  // namespace

const Family pointwise_family{"pointwise", 1, guarded_propose<propose>, guarded_lower<lower>};

}  // namespace sardonyx::sketch
