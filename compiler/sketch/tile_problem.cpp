// Recognises programs that the tile engine runs, and chooses the axes.
#include <algorithm>
#include <set>
#include <unordered_set>

#include "compiler/sketch/tile.h"
#include "compiler/tensor/lower/lower.h"
#include "runtime/base/strings.h"

namespace sardonyx::sketch {

using expr::Kind;
using tensor::Index;

namespace {

std::vector<VarPtr> vars_of(const Expr& e) {
  std::vector<VarPtr> vars;
  expr::visit(e, [&](const Expr& x) {
    if (x->kind == Kind::Var && std::find(vars.begin(), vars.end(), x->var) == vars.end()) vars.push_back(x->var);
    return true;
  });
  return vars;
}

// How a reader walks the anchor: its axes as functions of the anchor's coordinates, found by inverting the index.
struct Inversion {
  expr::Substitution to_anchor;  // reader axis -> expression over the anchor's fresh axes
  std::vector<Expr> extents;     // domain of the anchor's axes that the reader covers
};

std::optional<Inversion> invert(const Stage& reader, const Index& index, const std::vector<Axis>& fresh) {
  Inversion result;
  result.extents.resize(fresh.size());
  auto extent_of = [&](const VarPtr& v) {
    for (const Axis& axis : reader.axes) {
      if (axis.var == v) return axis.extent;
    }
    return Expr();
  };
  auto assigned = [&](const VarPtr& v) { return result.to_anchor.count(v.get()) > 0; };
  for (size_t d = 0; d < index.size(); ++d) {
    const Expr& e = index[d];
    Expr here = Expr(fresh[d].var);
    if (auto value = expr::as_int(e)) {
      if (*value != 0) return std::nullopt;
      result.extents[d] = 1;
      continue;
    }
    std::vector<VarPtr> vars = vars_of(e);
    if (e->kind == Kind::Var && extent_of(e->var).defined() && !assigned(e->var)) {
      result.to_anchor[e->var.get()] = here;
      result.extents[d] = extent_of(e->var);
      continue;
    }
    if (vars.size() == 1 && (e->kind == Kind::Div || e->kind == Kind::Mod) && e->args[0]->kind == Kind::Var) {
      auto factor = expr::as_int(e->args[1]);
      if (!factor) return std::nullopt;
      if (e->kind == Kind::Mod) {  // its partner, the quotient, assigns the variable
        result.extents[d] = *factor;
        continue;
      }
      Expr low;
      for (size_t other = 0; other < index.size(); ++other) {
        if (index[other]->kind == Kind::Mod && expr::equal(index[other]->args[0], e->args[0]) &&
            expr::is_const(index[other]->args[1], *factor)) {
          low = Expr(fresh[other].var);
        }
      }
      Expr extent = extent_of(vars[0]);
      if (!low.defined() || !extent.defined() || !expr::prove_divisible(extent, *factor)) return std::nullopt;
      result.to_anchor[vars[0].get()] = here * *factor + low;
      result.extents[d] = expr::simplify(extent / *factor);
      continue;
    }
    if (vars.size() == 2) {
      bool done = false;
      for (int swap = 0; swap < 2 && !done; ++swap) {
        const VarPtr &high = vars[size_t(swap)], &low = vars[size_t(1 - swap)];
        auto a = expr::linear_in(e, high);
        if (!a || !extent_of(high).defined() || !extent_of(low).defined() || assigned(high) || assigned(low)) continue;
        auto factor = expr::as_int(a->coefficient);
        bool plain = a->rest->kind == Kind::Var && a->rest->var == low;
        if (!factor || !plain || !expr::prove_equal(extent_of(low), Expr(*factor))) continue;
        result.to_anchor[high.get()] = here / *factor;
        result.to_anchor[low.get()] = here % *factor;
        result.extents[d] = expr::simplify(extent_of(high) * *factor);
        done = true;
      }
      if (done) continue;
    }
    return std::nullopt;
  }
  for (const Axis& axis : reader.axes) {
    if (assigned(axis.var)) continue;
    if (!expr::is_const(axis.extent, 1)) return std::nullopt;
    result.to_anchor[axis.var.get()] = 0;
  }
  return result;
}

// The size of the groups that an axis counts through, as of a grouped convolution: the only divisor of its variable in
// `body` that is no block of a layout (then the remainder would occur, too). Nothing when there is none.
std::optional<int64_t> group_size(const Axis& axis, const Expr& body) {
  const auto extent = constant(axis.extent);
  std::set<int64_t> divisors, blocks;
  expr::visit(body, [&](const Expr& x) {
    if ((x->kind != Kind::Div && x->kind != Kind::Mod) || x->args[0]->kind != Kind::Var || x->args[0]->var != axis.var)
      return true;
    const int64_t divisor = expr::as_int(x->args[1]).value_or(0);
    (x->kind == Kind::Div ? divisors : blocks).insert(divisor);
    return true;
  });
  for (int64_t block : blocks) divisors.erase(block);
  if (!extent || divisors.size() != 1) return std::nullopt;
  const int64_t size = *divisors.begin();
  return size > 1 && size < *extent && *extent % size == 0 ? std::optional(size) : std::nullopt;
}

// The factor by which a transposed convolution without overlap scales an axis: one load reads its variable by the
// quotient alone, another by the remainder alone. Nothing for other axes.
std::optional<int64_t> scale_of(const Axis& axis, const Expr& body) {
  std::set<int64_t> quotients, remainders;
  for (const Expr& load : loads_of(body)) {
    std::set<int64_t> divided, left;
    bool plain = false;
    for (const Expr& index : load->args) {
      expr::visit(index, [&](const Expr& x) {
        plain = plain || (x->kind == Kind::Var && x->var == axis.var);
        const bool split = (x->kind == Kind::Div || x->kind == Kind::Mod) && x->args[0]->kind == Kind::Var &&
                           x->args[0]->var == axis.var;
        if (split) (x->kind == Kind::Div ? divided : left).insert(expr::as_int(x->args[1]).value_or(0));
        return !split;
      });
    }
    if (plain || (!divided.empty() && !left.empty())) return std::nullopt;
    quotients.merge(divided);
    remainders.merge(left);
  }
  const auto extent = constant(axis.extent);
  if (quotients.size() != 1 || quotients != remainders || !extent) return std::nullopt;
  const int64_t scale = *quotients.begin();
  return scale > 1 && scale < *extent && *extent % scale == 0 ? std::optional(scale) : std::nullopt;
}

// Makes two axes of one, high * size + low; `low_outside` puts the low part in front of all others.
void split_axis(Map& map, size_t a, int64_t size, bool low_outside) {
  const Axis whole = map.axes[a];
  const Expr count = expr::simplify(whole.extent / size);
  const Axis high{loop_var(whole.var->name + "h", count), count}, low{loop_var(whole.var->name, size), size};
  const expr::Substitution at{{whole.var.get(), Expr(high.var) * size + Expr(low.var)}};
  for (Map::Output& out : map.outputs) {
    for (Expr& e : out.index) e = tensor::simplify_index(tensor::substitute_shared(e, at), {});
    out.value = tensor::simplify_index(tensor::substitute_shared(out.value, at), {});
  }
  map.axes[a] = high;
  map.axes.insert(low_outside ? map.axes.begin() : map.axes.begin() + long(a) + 1, low);
}

// Gives groups an axis of their own, so that what the points of a group share is the same for a whole tile, and so the
// taps of transposed convolutions.
void split_axes(Map& map, const Expr& body) {
  for (size_t a = 0; a < map.axes.size(); ++a) {
    const auto group = group_size(map.axes[a], body), scale = group ? std::nullopt : scale_of(map.axes[a], body);
    if (!group && !scale) continue;
    split_axis(map, a, group ? *group : *scale, scale.has_value());
    ++a;
  }
}

}  // namespace

std::variant<TileProblem, Refusal> tile_problem(const Problem& problem) {
  int anchors = 0;
  for (const Stage& stage : problem.program.stages) {
    if (stage.scan_axis >= 0) return Refusal{"stage " + stage.name + " is a scan"};
    anchors += stage.reduce != tensor::Reduce::None;
  }
  if (anchors != 1) return Refusal{str(anchors, " reductions, expected one")};
  Program flat = inline_pointwise(problem.program, [](const Stage&) { return false; });
  const Stage* anchor = nullptr;
  for (const Stage& stage : flat.stages) {
    if (stage.reduce != tensor::Reduce::None) anchor = &stage;
  }
  TileProblem tile;
  tile.program = &problem.program;
  tile.constant = problem.constant;
  tile.constant.resize(problem.program.inputs.size());
  tile.reduce = anchor->reduce;
  tile.dtype = anchor->output->dtype;
  tile.reduce_axes = anchor->reduce_axes;

  std::vector<Axis> fresh;
  for (const Axis& axis : anchor->axes) fresh.push_back({loop_var(axis.var->name, axis.extent), axis.extent});
  std::vector<Map::Output> stores;
  auto result = std::make_shared<expr::Buffer>();
  result->name = "result";
  result->dtype = tile.dtype;
  Index own;
  for (const Axis& axis : fresh) own.emplace_back(axis.var);
  bool extents_known = false;
  struct Reader {
    const Stage* stage;
    Inversion inversion;
  };
  std::vector<Reader> readers;
  for (const Stage& stage : flat.stages) {
    if (&stage == anchor) continue;
    std::vector<Expr> loads = loads_of(stage.body, anchor->output.get());
    if (loads.empty()) return Refusal{"output " + stage.name + " does not depend on the reduction"};
    Index index;
    for (const Expr& e : loads[0]->args) index.push_back(tensor::simplify_index(e, {}));
    for (const Expr& load : loads) {
      for (size_t d = 0; d < index.size(); ++d) {
        if (!expr::prove_equal(load->args[d], index[d])) return Refusal{"output reads the reduction at several places"};
      }
    }
    auto inversion = invert(stage, index, fresh);
    if (!inversion) return Refusal{"output " + stage.name + " does not walk the reduction's result one to one"};
    for (size_t d = 0; d < fresh.size(); ++d) {
      if (extents_known && !expr::prove_equal(inversion->extents[d], fresh[d].extent)) {
        return Refusal{"outputs have different domains"};
      }
    }
    if (!extents_known) {
      for (size_t d = 0; d < fresh.size(); ++d)
        fresh[d] = {loop_var(fresh[d].var->name, inversion->extents[d]), inversion->extents[d]};
      inversion = invert(stage, index, fresh);
      own.clear();
      for (const Axis& axis : fresh) own.emplace_back(axis.var);
      extents_known = true;
    }
    readers.push_back({&stage, *inversion});
  }
  for (const Axis& axis : fresh) result->dims.push_back(axis.extent);
  tile.result = result;
  Expr loaded = expr::load(tile.result, own);
  if (is_output(flat, anchor->output)) {
    for (size_t d = 0; d < fresh.size(); ++d) {
      if (!expr::prove_equal(fresh[d].extent, anchor->axes[d].extent)) return Refusal{"outputs have different domains"};
    }
    stores.push_back({anchor->output, own, loaded});
  }
  for (const Reader& reader : readers) {
    Index index;
    for (const Axis& axis : reader.stage->axes) {
      index.push_back(tensor::simplify_index(reader.inversion.to_anchor.at(axis.var.get()), {}));
    }
    Expr value = tensor::mutate_shared(reader.stage->body, [&](const Expr& x) {
      return x->kind == Kind::Load && x->buffer == anchor->output ? loaded : x;
    });
    value = tensor::simplify_index(tensor::substitute_shared(value, reader.inversion.to_anchor), {});
    stores.push_back({reader.stage->output, index, value});
  }
  expr::Substitution renamed;
  for (size_t d = 0; d < fresh.size(); ++d) renamed[anchor->axes[d].var.get()] = Expr(fresh[d].var);
  Map map{fresh, stores};
  map.outputs.push_back({tile.result, own, tensor::substitute_shared(anchor->body, renamed)});
  map = collapse(map);
  split_axes(map, map.outputs.back().value);
  for (const Axis& axis : map.axes)
    if (expr::is_const(axis.extent, 0)) return Refusal{"an axis has no points"};
  tile.axes = map.axes;
  tile.body = tensor::simplify_index(map.outputs.back().value, {});
  map.outputs.pop_back();
  tile.epilogue = map.outputs;
  // The stand-in gets the collapsed dims, so that it is loaded at exactly the axes.
  auto collapsed = std::make_shared<expr::Buffer>(*result);
  collapsed->dims.clear();
  Index at;
  for (const Axis& axis : tile.axes) {
    collapsed->dims.push_back(axis.extent);
    at.emplace_back(axis.var);
  }
  Expr standing = expr::load(collapsed, at);
  for (Map::Output& out : tile.epilogue) {
    out.value = tensor::mutate_shared(
        out.value, [&](const Expr& x) { return x->kind == Kind::Load && x->buffer == tile.result ? standing : x; });
  }
  tile.result = collapsed;
  std::vector<Axis> kept;  // reduction axes of one point vanish
  for (const Axis& axis : tile.reduce_axes) {
    if (expr::is_const(axis.extent, 1)) {
      tile.body = tensor::simplify_index(tensor::substitute_shared(tile.body, {{axis.var.get(), Expr(0)}}), {});
    } else {
      kept.push_back(axis);
    }
  }
  tile.reduce_axes = kept;
  return tile;
}

int input_of(const TileProblem& tile, const BufferPtr& buffer) {
  const auto& inputs = tile.program->inputs;
  const auto found = std::find(inputs.begin(), inputs.end(), buffer);
  return found == inputs.end() ? -1 : int(found - inputs.begin());
}

int constant_input(const TileProblem& tile, const BufferPtr& buffer) {
  const int input = input_of(tile, buffer);
  return input >= 0 && tile.constant[size_t(input)] ? input : -1;
}

int tile_lanes(const TileProblem& tile, const Target& target) {
  if (tile.axes.size() == 1 && expr::is_const(tile.axes[0].extent, 1)) return 1;
  // Bytes lie in blocks as long as those of words, and epilogues compute in words.
  return std::max(1, target.vector_bytes / std::max(4, int(size_of(tile.dtype))));
}

bool choose_axes(TileProblem& tile, const Target& target) {
  // A single sum is ordered as one of many.
  if (target.deterministic && tile.axes.empty() && is_float(tile.dtype))
    tile.axes.push_back({loop_var("point", 1), Expr(1)});
  std::vector<Expr> loads = loads_of(tile.body);
  int lanes = tile_lanes(tile, target);
  double best = 1e300;
  tile.vector_axis = -1;
  for (size_t a = tile.axes.size(); a-- > 0;) {
    const VarPtr& v = tile.axes[a].var;
    double cost = 0;
    auto stride = [&](const Expr& offset) -> int64_t {
      if (!expr::uses_var(offset, v.get())) return 0;
      auto linear = expr::linear_in(offset, v);
      if (!linear) return -1;
      return expr::as_int(linear->coefficient).value_or(-1);
    };
    for (const Map::Output& out : tile.epilogue) {
      const bool dense = dense_in_blocks(flat_offset(*out.buffer, out.index), v, lanes);
      cost += dense ? 0 : 8;
    }
    for (const Expr& load : loads) {
      const Expr offset = flat_offset(*load->buffer, load->args);
      const int64_t s = stride(offset);
      if (s == 0 || s == 1) continue;
      const bool packable = constant_input(tile, load->buffer) >= 0, dense = dense_in_blocks(offset, v, lanes);
      cost += packable || dense ? 0.1 : 4;
    }
    int64_t extent = typical(tile.axes[a].extent);
    double waste = double((extent + lanes - 1) / lanes * lanes) / double(std::max<int64_t>(extent, 1));
    cost += (waste - 1) * 4;
    if (cost < best) {
      best = cost;
      tile.vector_axis = int(a);
    }
  }
  if (tile.vector_axis < 0) return false;
  const VarPtr& v = tile.axes[size_t(tile.vector_axis)].var;
  // Rows: the innermost axis that some vector operand does not use; else the innermost other one.
  tile.row_axis = -1;
  for (int pass = 0; pass < 2 && tile.row_axis < 0; ++pass) {
    for (size_t a = tile.axes.size(); a-- > 0 && tile.row_axis < 0;) {
      if (int(a) == tile.vector_axis) continue;
      const VarPtr& r = tile.axes[a].var;
      for (const Expr& load : loads) {
        Expr offset = flat_offset(*load->buffer, load->args);
        bool shared = expr::uses_var(offset, v.get()) && !expr::uses_var(offset, r.get());
        if ((shared && typical(tile.axes[a].extent) > 1) || pass == 1) tile.row_axis = int(a);
      }
    }
  }
  return true;
}

double tile_cost(const TileProblem& tile, const TileShape& shape, const Target& target) {
  int64_t vector_extent = typical(tile.axes[size_t(tile.vector_axis)].extent);
  int64_t row_extent = tile.row_axis < 0 ? 1 : typical(tile.axes[size_t(tile.row_axis)].extent);
  double others = double(typical_points(tile.axes)) / double(vector_extent * row_extent);
  double depth = double(typical_points(tile.reduce_axes));
  int64_t vectors = (vector_extent + shape.lanes - 1) / shape.lanes;
  int64_t blocks = (row_extent + shape.rows - 1) / shape.rows;
  double rows = double(row_extent) / double(blocks);
  // Cycles per reduction step of one tile: multiply-adds on two units, loads on two ports, latency 4 of a chain.
  double per_panel = double(std::min<int64_t>(shape.nv, vectors));
  double accumulators = rows * per_panel;
  double cycles = std::max({accumulators / 2, (rows + per_panel) / 2, 4.0});
  double spill = shape.rows * shape.nv + shape.nv + 1 > target.vector_registers ? 2.5 : 1.0;
  double panels = double((vectors + shape.nv - 1) / shape.nv);
  // Weights that the first-level cache does not hold come from the second for every tile. For a single row they come
  // from the last cache: panels that ask for more than it gives let loads overtake the prefetches.
  const double step_bytes = per_panel * shape.lanes * double(size_of(tile.dtype)), panel = depth * step_bytes;
  if (panel > double(target.l1_bytes)) cycles += step_bytes / 400;
  if (row_extent == 1 && panel * panels * others < double(target.l3_bytes) / 2)
    cycles = std::max(cycles, step_bytes / 32) * (shape.nv > 4 ? 1.1 : 1);
  double ghz = target.flops_per_ns / (double(target.vector_bytes) / 4 * 4);
  double compute = others * panels * double(blocks) * (depth * cycles * spill * 1.05 + 30 + accumulators) / ghz;
  double bytes = 0;
  for (const BufferPtr& b : tile.program->inputs) bytes += typical_bytes(*b);
  for (const BufferPtr& b : tile.program->outputs) bytes += typical_bytes(*b);
  // A panel of weights that L2 does not hold comes from the last cache for every tile.
  if (panel > double(target.l2_bytes) * 0.9) bytes += others * double(blocks) * panels * panel / 3;
  return compute + bytes / (target.bytes_per_ns * 10);
}

}  // namespace sardonyx::sketch
